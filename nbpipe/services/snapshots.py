"""Snapshots: created, found, changed, deleted, and triggered.

Naming and tagging concern the row, which is the operation log's; the content is never changed.
Finding and running one asks no query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbpipe.base.ids import new_id
from nbpipe.define.pipeline import PipelineDefinition
from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.base import is_plain, shorten
from nbpipe.records.config import PipelineRunConfiguration, as_configuration
from nbpipe.records.operations import ChangeSnapshot, CreateSnapshot, DeleteSnapshot
from nbpipe.records.refs import Kind
from nbpipe.records.snapshots import SnapshotContent, digest_of
from nbpipe.records.tags import Tag, as_tags
from nbpipe.services.apart import RunApart
from nbpipe.services.deleting import dependents_of_snapshot
from nbpipe.services.dependents import Dependent
from nbpipe.services.filters import all_of, bears, checked_text, entities, fits_name, is_within, refuse_unknown, stretch
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.noted import notes
from nbpipe.services.snapshot_differences import SnapshotDifferences, differences_of
from nbpipe.services.snapshot_exchange import export_snapshot, read_exported
from nbpipe.services.snapshot_finding import find_snapshot, latest_snapshot, snapshot_rows
from nbpipe.services.snapshot_making import content_of_pipeline, content_of_run
from nbpipe.services.snapshot_pruning import checked_keep, superfluous
from nbpipe.services.snapshot_records import Snapshot, snapshot_in
from nbpipe.services.triggering import chosen, trigger
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    from nbpipe.services.runs import Run


class SnapshotService:
    """What may be asked of snapshots.

    Args:
        workspace: Where they are kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def create(
        self,
        definition: PipelineDefinition | None = None,
        *,
        run: object = None,
        name: str = "",
        configuration: PipelineRunConfiguration | Mapping[str, Any] | None = None,
        description: str = "",
        tags: Sequence[Tag | str] = (),
        replace: bool = False,
    ) -> Snapshot:
        """Freeze a pipeline, or what a run ran.

        Args:
            definition: The pipeline.
            run: Or a run, or what names one: its code as it stood when it began, with its values.
            name: The snapshot's name among the pipeline's; none for a snapshot that goes by its id.
            configuration: What the snapshot says of its runs.
            description: What it is for.
            tags: Its tags.
            replace: Whether it takes the name from a former snapshot, which stays reachable by id.

        Raises:
            BadValueError: A name that is none, or a run whose code was not kept.
            ConflictError: The pipeline has a snapshot of that name, and `replace` is off.
            UncapturedNameError: A step reads a name that is no text.
        """
        title = checked_name(name)
        if (definition is None) == (run is None):
            raise BadValueError("Give either a pipeline or a run: client.snapshots.create(run='RUN', name='nightly').")
        # When it runs is no part of it.
        given = as_configuration(configuration).without_schedule()
        if definition is not None:
            content, run_id = content_of_pipeline(self._workspace, definition, given), ""
        else:
            content, run_id = content_of_run(self._workspace, run, given)
        return self.keep(content, name=title, description=description, tags=tags, replace=replace, run_id=run_id)

    def keep(
        self,
        content: SnapshotContent,
        *,
        name: str,
        description: str = "",
        tags: Sequence[Tag | str] = (),
        replace: bool = False,
        run_id: str = "",
    ) -> Snapshot:
        """Write a content into the store, and a row about it.

        Raises:
            ConflictError: The pipeline has a snapshot of that name, and `replace` is off.
        """
        data = content.to_bytes()
        self._workspace.paths.ensure()
        blob = self._workspace.store.blobs.write((data,))
        operation = CreateSnapshot(
            id=new_id(),
            pipeline=content.pipeline,
            name=name,
            description=description,
            digest=f"{digest_of(data)}:{blob}",
            replace=replace,
            run_id=run_id,
            tags=as_tags(tags),
        )
        return snapshot_in(self._workspace.catalog.transact(operation), self._workspace)

    # Finding ---------------------------------------------------------------------------------

    def get(self, ref: object, pipeline: str | None = None) -> Snapshot:
        """Find a snapshot.

        Args:
            ref: A name, `pipeline/name`, an id, a unique prefix of one, or a record.
            pipeline: Its pipeline, where a name alone would be ambiguous.

        Raises:
            NotFoundError: There is none.
            AmbiguousNameError: Several pipelines have one of that name.
        """
        return find_snapshot(self._workspace, ref, pipeline)

    def list(
        self,
        *,
        pipeline: str | None = None,
        named: bool = False,
        name: str | None = None,
        name_prefix: str = "",
        name_contains: str = "",
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        where: str | Sequence[str] | None = None,
        metadata: Mapping[Any, Any] | None = None,
        since: object = None,
        until: object = None,
        limit: int | None = None,
        **unknown: object,
    ) -> Listing[Snapshot]:
        """List snapshots, newest first.

        Args:
            pipeline: Of this pipeline.
            named: Only those with a name.
            name: Of this name.
            name_prefix: Whose name begins so.
            name_contains: Whose name has this in it.
            tags: That bear all of these tags.
            any_tags: That bear any of these.
            tag_prefix: That bear a tag that begins so.
            tag_contains: That bear a tag with this in it.
            where: Comparisons of metrics: `"accuracy > 0.8 and loss < 0.2"`, or a list of them.
            metadata: Values in the metadata, by dotted path: `{"dataset.rows": 344}`.
            since: That were made then or later: a `datetime`, ISO text, a `timedelta` or `"2h"` ago.
            until: That were made before then.
            limit: How many at most; `None` for all.
            unknown: Whatever is no filter, to be refused.

        Raises:
            BadValueError: A filter that there is not, or whose value does not fit.
        """
        refuse_unknown("Snapshots", self.list, unknown)
        kind = Kind.SNAPSHOT
        asked = all_of(
            bears(kind, "id", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains),
            notes(kind, where=where, metadata=metadata),
        )
        has_name = fits_name(name=name, name_prefix=name_prefix, name_contains=name_contains)
        begin, end = stretch(since, until)
        if pipeline is not None:
            checked_text("pipeline", pipeline)
        limit, fitting = checked_limit(limit), entities(self._workspace, kind, asked)
        found = (
            snapshot_in(row, self._workspace)
            for row in reversed(snapshot_rows(self._workspace.catalog.state()))
            if pipeline in (None, row["pipeline"])
            and (row["name"] or not named)
            and has_name(row["name"])
            and (fitting is None or row["id"] in fitting)
            and is_within(row["created"], begin, end)
        )
        return Listing(islice(found, limit), Snapshot)

    def latest(self, pipeline: str) -> Snapshot:
        """Give the newest named snapshot of a pipeline.

        Raises:
            NotFoundError: It has none.
        """
        return latest_snapshot(self._workspace, pipeline)

    def rename(self, ref: object, to: str) -> Snapshot:
        """Give a snapshot another name."""
        operation = ChangeSnapshot(id=self.get(ref).id, name=checked_name(to))
        return snapshot_in(self._workspace.catalog.transact(operation), self._workspace)

    def describe(self, ref: object, description: str) -> Snapshot:
        """Say what a snapshot is for."""
        operation = ChangeSnapshot(id=self.get(ref).id, description=description)
        return snapshot_in(self._workspace.catalog.transact(operation), self._workspace)

    def dependents(self, ref: object) -> Listing[Dependent]:
        """Say what depends on a snapshot.

        Raises:
            NotFoundError: There is no such snapshot.
        """
        return dependents_of_snapshot(self._workspace, self.get(ref).id)

    def delete(self, ref: object) -> None:
        """Delete a snapshot; its runs stay.

        Raises:
            NotFoundError: There is no such snapshot.
            ConflictError: A schedule runs it, or a deployment serves it.
        """
        snapshot = self.get(ref)
        used = [one.said for one in self.dependents(snapshot) if one.hinders]
        if used:
            raise ConflictError(f"Snapshot {snapshot.label!r} is not deleted: {'; '.join(used)}.")
        self._workspace.catalog.transact(DeleteSnapshot(id=snapshot.id))

    def prune(
        self,
        *,
        pipeline: str | None = None,
        older_than: object = None,
        keep: int = 0,
        dry_run: bool = False,
    ) -> Listing[Snapshot]:
        """Delete snapshots without a name: those that another took the name from, and those that never had one.

        What a schedule runs or a deployment serves stays. Runs stay.

        Args:
            pipeline: Only those of this pipeline.
            older_than: Only those made before then: a `datetime`, ISO text, a `timedelta` or `"30d"` ago.
            keep: How many of each pipeline stay, the newest of them.
            dry_run: Delete nothing; only tell.

        Returns:
            Those that were deleted, the newest first.

        Raises:
            BadValueError: A value that does not fit.
        """
        kept = checked_keep(keep)
        old = {snapshot.id for snapshot in self.list(pipeline=pipeline, until=older_than)}
        candidates = superfluous(self.list(pipeline=pipeline), old=old, keep=kept)
        gone = [one for one in candidates if not any(use.hinders for use in self.dependents(one))]
        return Listing(gone if dry_run else filter(self._was_deleted, gone), Snapshot)

    def _was_deleted(self, snapshot: Snapshot) -> bool:
        # Somebody may have named it, scheduled it or deleted it meanwhile.
        try:
            if self.get(snapshot.id).name:
                return False
            self.delete(snapshot.id)
        except (ConflictError, NotFoundError):
            return False
        return True

    # Comparing, and taking elsewhere ----------------------------------------------------------

    def diff(self, left: object, right: object) -> SnapshotDifferences:
        """Say in what two snapshots differ: code, parameters, options and environment.

        Raises:
            NotFoundError: There is no such snapshot.
        """
        return differences_of(self.get(left), self.get(right))

    def export(self, ref: object, to: Path | str | None = None, *, overwrite: bool = False) -> Path:
        """Write a snapshot into one file; see `snapshot_exchange.export_snapshot`."""
        return export_snapshot(self.get(ref), to, overwrite=overwrite)

    def import_(
        self, file: Path | str, *, name: str | None = None, replace: bool = False, digest: str = ""
    ) -> Snapshot:
        """Take a snapshot in that was exported; nothing of it is run.

        Args:
            file: Where it lies.
            name: Another name than the one it had; `""` for none.
            replace: Whether it takes its name from a snapshot that has it.
            digest: The digest that its content must have, or at least its first eight letters.

        Raises:
            BadValueError: The file is no exported snapshot.
            BundleDamagedError: Something in it is not what was written, or it is not the one that is meant.
            ConflictError: Its name is taken and `replace` is off.
        """
        manifest, content = read_exported(file, digest=digest)
        return self.keep(
            content,
            name=checked_name(manifest.name if name is None else name),
            description=manifest.description,
            tags=manifest.tags,
            replace=replace,
        )

    # Running ----------------------------------------------------------------------------------

    def trigger(
        self,
        pipeline_name_or_id: object = None,
        *,
        snapshot_name_or_id: object = None,
        snapshot_id: object = None,
        run_configuration: Any = None,
        synchronous: bool = False,
        isolated: bool = False,
    ) -> Run | RunApart:
        """Run a snapshot from wherever this is called: a step, a notebook, a script.

        See `services.triggering`, which has the rules.

        Args:
            pipeline_name_or_id: Run the newest named snapshot of this pipeline that can be run.
            snapshot_name_or_id: Run this snapshot.
            snapshot_id: Run the snapshot with this id.
            run_configuration: How the run is to differ.
            synchronous: Wait for its end, and pass its failure on.
            isolated: Run it in the environment that it was made in, which is rebuilt.

        Raises:
            BadValueError: Neither a pipeline nor a snapshot, or more than one.
            NotFoundError: There is no such snapshot.
            ConflictError: Pipelines trigger one another too deeply, or in a ring.
            StepFailedError: It is waited for, and a step failed in it.
            RunInterruptedError: It is waited for, and was stopped.
        """
        named = {
            "pipeline_name_or_id": pipeline_name_or_id,
            "snapshot_name_or_id": snapshot_name_or_id,
            "snapshot_id": snapshot_id,
        }
        return trigger(chosen(self, named), run_configuration, synchronous=synchronous, isolated=isolated)


def checked_name(name: str) -> str:
    """Give a snapshot's name as it is kept.

    Raises:
        BadValueError: No text, too long, or with control characters.
    """
    text = name.strip() if isinstance(name, str) else None
    if text is None or len(text) > 255 or not is_plain(text):
        raise BadValueError(f"{shorten(name)} cannot name a snapshot: use up to 255 printable characters.")
    return text
