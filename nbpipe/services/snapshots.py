"""Snapshots: created, found, shown, run and deleted.

The row (id, name, description, time) is the operation log's; the content lies in the store under
its own digest and is checked whenever it is read. Finding and running one asks no query.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.base.ids import new_id
from nbpipe.define.overrides import check_complete, with_step_values
from nbpipe.define.pipeline import PipelineDefinition
from nbpipe.errors import (
    ArtifactDamagedError,
    BadValueError,
    CatalogDamagedError,
    ConflictError,
    EnvironmentMismatchError,
    NotFoundError,
)
from nbpipe.execute.context import current_step
from nbpipe.records.base import shorten
from nbpipe.records.config import PipelineRunConfiguration, as_configuration, merge_configurations
from nbpipe.records.operations import ChangeSnapshot, CreateSnapshot, DeleteSnapshot
from nbpipe.records.parameters import Parameters, as_json
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.records.snapshots import SnapshotContent, digest_of, read_content
from nbpipe.records.state import OperationState, Row
from nbpipe.records.tags import Tag, as_tags
from nbpipe.services.apart import RunApart
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.deleting import dependents_of_snapshot
from nbpipe.services.dependents import Dependent
from nbpipe.services.filters import all_of, bears, checked_text, entities, fits_name, is_within, refuse_unknown, stretch
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.noted import notes
from nbpipe.services.resolve import resolve
from nbpipe.services.starting import RunRequest
from nbpipe.services.tags import tags_of
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.environment import differences, this_environment
from nbpipe.snapshot.freeze import freeze
from nbpipe.snapshot.module_text import module_text
from nbpipe.snapshot.thaw import thaw

if TYPE_CHECKING:
    from nbpipe.services.runs import Run


@dataclass(frozen=True)
class Snapshot(Displayed):
    """One snapshot.

    Attributes:
        id: Its id; any unique prefix names it.
        name: Its name among the pipeline's; `""` if it has none.
        pipeline: Its pipeline.
        digest: The digest of its content.
        description: What it is for.
        created: When it was made.
        run_id: The run it was made from, or `""`.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "id": "text",
        "name": "text",
        "pipeline": "text",
        "created": "instant",
        "description": "text",
        "digest": "text",
    }

    id: str
    name: str
    pipeline: str
    digest: str
    description: str
    created: datetime
    run_id: str
    workspace: Workspace = field(repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Snapshot {shorten(self.name) if self.name else self.id[:8]} of {shorten(self.pipeline)}>"

    @property
    def ref(self) -> EntityRef:
        """What points at it."""
        return EntityRef(Kind.SNAPSHOT, self.id)

    @cached_property
    def content(self) -> SnapshotContent:
        """Everything that is needed to run it, checked against its digest.

        Raises:
            ArtifactDamagedError: The content is gone.
            CatalogDamagedError: It is no longer what it was.
            CatalogNewerError: A newer nbpipe wrote it.
        """
        return SnapshotService(self.workspace).content(self)

    @property
    def config_template(self) -> PipelineRunConfiguration:
        """A configuration with every parameter at its present value; edit it and run with it."""
        return self.content.config_template()

    @property
    def parameters(self) -> tuple[Parameters, dict[str, Any]]:
        """What it takes, and the values that it runs with."""
        definition = thaw(self.content)
        return definition.parameters, dict(self.content.configuration.parameters)

    @property
    def code(self) -> str:
        """The pipeline as one readable module."""
        return module_text(self.content)

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return tags_of(self.workspace, Kind.SNAPSHOT, self.id)

    def run(self, configuration: Any = None, **parameters: Any) -> Run:
        """Run it in a process of its own and wait.

        Args:
            configuration: A run configuration, a dict of one, or nothing.
            parameters: Values of the pipeline's parameters.

        Raises:
            ParameterError: Values that do not fit; nothing ran.
            StepFailedError: A step failed.
        """
        given = merge_configurations(
            as_configuration(configuration), PipelineRunConfiguration(parameters=dict(parameters))
        )
        run: Run = SnapshotService(self.workspace).run_apart(self, given).wait()
        return run

    def as_row(self) -> dict[str, Any]:
        """Give its plain facts."""
        return {
            "id": self.id,
            "name": self.name,
            "pipeline": self.pipeline,
            "created": self.created,
            "description": self.description,
            "digest": self.digest,
        }


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
        return self._snapshot(self._workspace.catalog.transact(operation))

    def _folder(self) -> str:
        """Say where we work, relative to the project; relative paths in parameters are meant from there."""
        here, project = Path.cwd().resolve(), self._workspace.paths.root.parent.resolve()
        return here.relative_to(project).as_posix() if here.is_relative_to(project) else ""

    def enter_folder(self, ref: object) -> None:
        """Work in the snapshot's own folder from now on: for a process that runs nothing else."""
        folder = self.get(ref).content.folder
        place = self._workspace.paths.root.parent / folder
        if folder and place.is_dir():
            os.chdir(place)

    def content(self, snapshot: Snapshot) -> SnapshotContent:
        """Read a snapshot's content and check it."""
        row = self._state().snapshots.get(snapshot.id)
        written = row["digest"] if row is not None else snapshot.digest
        digest, _, blob = written.partition(":")
        try:
            data = bytes(self._workspace.store.blobs.open(blob))
        except ArtifactDamagedError as error:
            raise CatalogDamagedError(
                self._workspace.paths.blobs,
                f"the content of snapshot {snapshot.name or snapshot.id[:8]}: {error.why}",
                cure="Create the snapshot again.",
            ) from None
        return read_content(data, digest, self._workspace.paths.blobs)

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
                return self._snapshot(own[0])
        found = state.snapshots.get(resolve(self._workspace, ref, Kind.SNAPSHOT).id)
        if found is None or pipeline not in (None, found["pipeline"]):
            raise NotFoundError("snapshot", shorten(ref), [row["name"] for row in _rows(state) if row["name"]])
        return self._snapshot(found)

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
            self._snapshot(row)
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
        return self._snapshot(rows[-1])

    def rename(self, ref: object, to: str) -> Snapshot:
        """Give a snapshot another name."""
        operation = ChangeSnapshot(id=self.get(ref).id, name=checked_name(to))
        return self._snapshot(self._workspace.catalog.transact(operation))

    def describe(self, ref: object, description: str) -> Snapshot:
        """Say what a snapshot is for."""
        operation = ChangeSnapshot(id=self.get(ref).id, description=description)
        return self._snapshot(self._workspace.catalog.transact(operation))

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
        self._workspace.catalog.transact(DeleteSnapshot(id=snapshot.id, tags=tuple(snapshot.tags)))

    def _state(self) -> OperationState:
        return self._workspace.catalog.state()

    def _snapshot(self, row: Row) -> Snapshot:
        return Snapshot(
            id=row["id"],
            name=row["name"],
            pipeline=row["pipeline"],
            digest=row["digest"].partition(":")[0],
            description=row["description"],
            created=as_instant(row["created"]),
            run_id=row["run_id"],
            workspace=self._workspace,
        )

    # Running ---------------------------------------------------------------------------------

    def request(self, ref: object, configuration: Any = None, *, parent: tuple[str, str] = ("", "")) -> RunRequest:
        """Bring a snapshot to life and say what a run of it asks for.

        Args:
            ref: The snapshot.
            configuration: How the run is to differ.
            parent: The run and the step that ask, if any.

        Raises:
            EnvironmentMismatchError: A package that its steps import is not installed.
            ParameterError: Values that do not fit.
        """
        snapshot = self.get(ref)
        content = snapshot.content
        here = differences(content.environment, content.modules)
        if here.missing:
            raise EnvironmentMismatchError(f"Snapshot {snapshot.name or snapshot.id[:8]}", here.missing)
        changed = content.changed_by(as_configuration(configuration))
        return RunRequest(
            thaw(content),
            merge_configurations(content.configuration, changed),
            differences=_differences(content.config_template(), changed),
            snapshot_id=snapshot.id,
            parent_run_id=parent[0],
            parent_step=parent[1],
        )

    def notices(self, ref: object) -> tuple[str, ...]:
        """Say where this environment differs from the snapshot's in ways that do not stop it."""
        content = self.get(ref).content
        return differences(content.environment, content.modules).other

    def run_apart(self, ref: object, configuration: Any = None, *, parent: tuple[str, str] = ("", "")) -> RunApart:
        """Run a snapshot in a fresh process; the answer has `.wait()`, `.stop()` and `.status`.

        Raises:
            ParameterError: Values that do not fit; no process was started.
        """
        snapshot, given = self.get(ref), as_configuration(configuration)
        request = self.request(snapshot, given)
        model = request.configuration.model or request.definition.model
        bound = BoundModel(self._workspace, model) if model is not None else None
        traced = request.definition.trace(request.configuration.parameters, bound)
        check_complete(with_step_values(traced, request.configuration.step_values))
        return RunApart(self._workspace, snapshot.id, given, parent)

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
        started = self.run_apart(snapshot, run_configuration, parent=parent)
        return started.wait() if synchronous else started


def _rows(state: OperationState) -> list[Row]:
    """Give the snapshots in the order in which they were made."""
    return [row for row in state.snapshots.values() if row is not None]


def _differences(own: PipelineRunConfiguration, given: PipelineRunConfiguration) -> dict[str, Any]:
    """Say where a run differs from the values its snapshot has, by parameter and by step."""
    found = {
        name: as_json(value)
        for name, value in given.parameters.items()
        if name not in own.parameters or own.parameters[name] != as_json(value)
    }
    for step, values in given.step_values.items():
        before = own.step_values.get(step, {})
        for name, value in values.items():
            if name not in before or before[name] != as_json(value):
                found[f"{step}.{name}"] = as_json(value)
    return found


def checked_name(name: str) -> str:
    """Give a snapshot's name as it is kept.

    Raises:
        BadValueError: No text, too long, or with control characters.
    """
    text = name.strip() if isinstance(name, str) else None
    if text is None or len(text) > 255 or any(ord(letter) < 32 for letter in text):
        raise BadValueError(f"{shorten(name)} cannot name a snapshot: use up to 255 printable characters.")
    return text
