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
from nbpipe.errors import (
    BadValueError,
    ConflictError,
    NotFoundError,
)
from nbpipe.execute.context import current_step
from nbpipe.records.base import is_plain, shorten
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.operations import ChangeSnapshot, CreateSnapshot, DeleteSnapshot
from nbpipe.records.refs import Kind
from nbpipe.records.snapshots import digest_of
from nbpipe.records.state import OperationState, Row
from nbpipe.records.tags import Tag, as_tags
from nbpipe.services.apart import RunApart
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.deleting import dependents_of_snapshot
from nbpipe.services.dependents import Dependent
from nbpipe.services.filters import all_of, bears, checked_text, entities, fits_name, is_within, refuse_unknown, stretch
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.noted import notes
from nbpipe.services.resolve import resolve
from nbpipe.services.snapshot_records import Snapshot, snapshot_in
from nbpipe.services.snapshot_running import run_apart
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.environment import this_environment
from nbpipe.snapshot.freeze import freeze

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
        definition: PipelineDefinition,
        *,
        name: str = "",
        configuration: PipelineRunConfiguration | None = None,
        description: str = "",
        tags: Sequence[Tag | str] = (),
        replace: bool = False,
        run_id: str = "",
    ) -> Snapshot:
        """Freeze a pipeline.

        Raises:
            BadValueError: A name that is none.
            ConflictError: The pipeline has a snapshot of that name, and `replace` is off.
            UncapturedNameError: A step reads a name that is no text.
        """
        title = checked_name(name)
        given = configuration or PipelineRunConfiguration()
        model = given.model or definition.model
        bound = BoundModel(self._workspace, model) if model is not None else None
        content = freeze(definition, given, this_environment(), bound, self._folder())
        data = content.to_bytes()
        self._workspace.paths.ensure()
        blob = self._workspace.store.blobs.write((data,))
        operation = CreateSnapshot(
            id=new_id(),
            pipeline=definition.name,
            name=title,
            description=description,
            digest=f"{digest_of(data)}:{blob}",
            replace=replace,
            run_id=run_id,
            tags=as_tags(tags),
        )
        return snapshot_in(self._workspace.catalog.transact(operation), self._workspace)

    def _folder(self) -> str:
        """Say where we work, relative to the project; relative paths in parameters are meant from there."""
        here, project = Path.cwd().resolve(), self._workspace.paths.root.parent.resolve()
        return here.relative_to(project).as_posix() if here.is_relative_to(project) else ""

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
        if isinstance(ref, Snapshot):
            return ref
        state = self._state()
        if pipeline is not None and isinstance(ref, str):
            own = [
                row for row in _rows(state) if (row["pipeline"], row["name"]) == (pipeline, ref.strip()) and row["name"]
            ]
            if own:
                return snapshot_in(own[0], self._workspace)
        found = state.snapshots.get(resolve(self._workspace, ref, Kind.SNAPSHOT).id)
        if found is None or pipeline not in (None, found["pipeline"]):
            raise NotFoundError("snapshot", shorten(ref), [row["name"] for row in _rows(state) if row["name"]])
        return snapshot_in(found, self._workspace)

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
            for row in reversed(_rows(self._state()))
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
        rows = [row for row in _rows(self._state()) if row["pipeline"] == pipeline and row["name"]]
        if not rows:
            known = {row["pipeline"] for row in _rows(self._state()) if row["name"]}
            raise NotFoundError("pipeline with a named snapshot", pipeline, known)
        return snapshot_in(rows[-1], self._workspace)

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
            raise ConflictError(f"Snapshot {snapshot.name or snapshot.id[:8]!r} is not deleted: {'; '.join(used)}.")
        self._workspace.catalog.transact(DeleteSnapshot(id=snapshot.id))

    def _state(self) -> OperationState:
        return self._workspace.catalog.state()

    def trigger(
        self,
        pipeline_name_or_id: str | None = None,
        *,
        snapshot_name_or_id: str | None = None,
        snapshot_id: str | None = None,
        run_configuration: Any = None,
        synchronous: bool = False,
    ) -> Run | RunApart:
        """Run a snapshot from wherever this is called: a step, a notebook, a script.

        Args:
            pipeline_name_or_id: Run the newest named snapshot of this pipeline.
            snapshot_name_or_id: Run this snapshot.
            snapshot_id: Run the snapshot with this id.
            run_configuration: How the run is to differ.
            synchronous: Wait for its end, and pass its failure on.

        Raises:
            BadValueError: Neither a pipeline nor a snapshot, or both.
            NotFoundError: There is no such snapshot.
            ConflictError: Pipelines trigger one another too deeply.
        """
        wanted = snapshot_name_or_id or snapshot_id
        if (wanted is None) == (pipeline_name_or_id is None):
            raise BadValueError("Name either a pipeline or a snapshot: snapshot_name_or_id='nightly'.")
        snapshot = self.get(wanted) if wanted is not None else self.latest(str(pipeline_name_or_id))
        context = current_step()
        parent = (context.run_id, context.step) if context is not None else ("", "")
        started = run_apart(snapshot, run_configuration, parent=parent)
        return started.wait() if synchronous else started


def _rows(state: OperationState) -> list[Row]:
    """Give the snapshots in the order in which they were made."""
    return [row for row in state.snapshots.values() if row is not None]


def checked_name(name: str) -> str:
    """Give a snapshot's name as it is kept.

    Raises:
        BadValueError: No text, too long, or with control characters.
    """
    text = name.strip() if isinstance(name, str) else None
    if text is None or len(text) > 255 or not is_plain(text):
        raise BadValueError(f"{shorten(name)} cannot name a snapshot: use up to 255 printable characters.")
    return text
