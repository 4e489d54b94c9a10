"""Snapshots, as a caller meets them: the row, and the content that it is about.

The row (id, name, description, time) is the operation log's; the content lies in the store under
its own digest and is checked whenever it is read. Nothing here asks a query.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.errors import ArtifactDamagedError, CatalogDamagedError
from nbpipe.records.base import shorten
from nbpipe.records.config import PipelineRunConfiguration, as_configuration, merge_configurations
from nbpipe.records.parameters import Parameters
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.records.snapshots import SnapshotContent, read_content
from nbpipe.records.state import Row
from nbpipe.services.instants import as_instant
from nbpipe.services.snapshot_running import run_apart
from nbpipe.services.tags import tags_of
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.module_text import module_text
from nbpipe.snapshot.suspicion import Suspicion, suspicions
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
    def label(self) -> str:
        """What it goes by in a line: its name, or the beginning of its id if it has none."""
        return self.name or self.id[:8]

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
        return content_of(self)

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
    def warnings(self) -> tuple[Suspicion, ...]:
        """What in its code and values looks like a secret; `str` of one is a sentence that shows no value."""
        return suspicions(self.content)

    def not_kept(self, given: PipelineRunConfiguration) -> str:
        """Say which of the values that it was to be made with are secrets, which no snapshot keeps; `""` if none is."""
        kept = self.content.configuration
        names = [name for name in given.parameters if name not in kept.parameters]
        for step, values in given.step_values.items():
            names += [f"{step}.{name}" for name in values if name not in kept.step_values.get(step, {})]
        if not names:
            return ""
        shown = ", ".join(names)
        return f"{shown}: {'a secret is' if len(names) == 1 else 'secrets are'} not kept; each run is given its own."

    @property
    def tags(self) -> list[str]:
        """Its tags."""
        return tags_of(self.workspace, Kind.SNAPSHOT, self.id)

    def run(self, configuration: Any = None, *, isolated: bool = False, **parameters: Any) -> Run:
        """Run it in a process of its own and wait.

        Args:
            configuration: A run configuration, a dict of one, or nothing.
            isolated: Run it in the environment that it was made in, which is rebuilt.
            parameters: Values of the pipeline's parameters.

        Raises:
            ParameterError: Values that do not fit; nothing ran.
            EnvironmentMismatchError: A package is missing here or, isolated, the environment cannot be rebuilt.
            StepFailedError: A step failed.
        """
        given = merge_configurations(
            as_configuration(configuration), PipelineRunConfiguration(parameters=dict(parameters))
        )
        run: Run = run_apart(self, given, is_bound=True, isolated=isolated).wait()
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


def snapshot_in(row: Row, workspace: Workspace) -> Snapshot:
    """Make the record of a row of the operations' state."""
    return Snapshot(
        id=row["id"],
        name=row["name"],
        pipeline=row["pipeline"],
        digest=row["digest"].partition(":")[0],
        description=row["description"],
        created=as_instant(row["created"]),
        run_id=row["run_id"],
        workspace=workspace,
    )


def content_of(snapshot: Snapshot) -> SnapshotContent:
    """Read a snapshot's content and check it.

    Raises:
        CatalogDamagedError: It is gone, or no longer what it was.
        CatalogNewerError: A newer nbpipe wrote it.
    """
    workspace = snapshot.workspace
    row = workspace.catalog.state().snapshots.get(snapshot.id)
    written = row["digest"] if row is not None else snapshot.digest
    digest, _, blob = written.partition(":")
    try:
        data = bytes(workspace.store.blobs.open(blob))
    except ArtifactDamagedError as error:
        raise CatalogDamagedError(
            workspace.paths.blobs,
            f"the content of snapshot {snapshot.label}: {error.why}",
            cure="Create the snapshot again.",
        ) from None
    return read_content(data, digest, workspace.paths.blobs)
