"""The lineage of an artifact version: a graph of versions and of executions of steps.

It says what it holds and who made and read what; how it is found is `services.walking`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.questions import frame_of
from nbpipe.records.base import shorten
from nbpipe.records.runs import Status

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class VersionNode:
    """An artifact version in a lineage.

    Attributes:
        id: Its id.
        name: The artifact's name.
        version: Its number; `None` until the run that made it has ended.
        type: The type of the value.
        made_by: The id of the execution that made it.
        models: The model versions that it belongs to, as in `iris@3`.
    """

    id: str
    name: str
    version: int | None
    type: str
    made_by: str
    models: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """How it is named in a line: `raw_data@7`."""
        return self.name if self.version is None else f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Use:
    """One execution of a step, and the versions around it.

    Attributes:
        run_id: Its run.
        step_id: Its id.
        node: Its node in the graph.
        inputs: The ids of the versions it read, by the step's names.
        outputs: The ids of the versions it gave.
        status: How it ended.
        level: How many executions away from the version that was asked for: before it below zero, after it above.
    """

    run_id: str
    step_id: str
    node: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    status: Status = Status.COMPLETED
    level: int = 0

    @property
    def is_reused(self) -> bool:
        """Whether it gave what an earlier execution had made."""
        return self.status is Status.REUSED

    def sides(self) -> Iterator[tuple[str, str, str]]:
        """Walk through what it read and gave: (`in` or `out`, the step's name for it, the version's id)."""
        yield from (("in", name, one) for name, one in self.inputs.items())
        yield from (("out", name, one) for name, one in self.outputs.items())


@dataclass(frozen=True, slots=True)
class CrossingRun:
    """A run of which some execution is in a lineage."""

    id: str
    name: str
    pipeline: str
    status: Status
    started: datetime | None
    snapshot: str


@dataclass(frozen=True, slots=True)
class Edge:
    """What flows from a version into an execution or the other way, under which of the step's names."""

    source: str
    target: str
    name: str


@dataclass(frozen=True)
class Lineage(Displayed):
    """Where a version came from and what it went into.

    Attributes:
        root: The version that was asked for.
        versions: All versions in it, by id.
        executions: All executions in it, by id; the nearest first, each level newest first.
        runs: The runs that they belong to, by id, newest first.
        snapshots: The names, or ids, of the snapshots that those runs ran or that were made of them.
        is_cut: Whether there is more than it holds.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "level": "int",
        "step": "text",
        "status": "text",
        "direction": "text",
        "name": "text",
        "artifact": "text",
        "version": "int",
        "run_id": "text",
        "step_id": "text",
        "artifact_id": "text",
    }

    root: VersionNode
    versions: Mapping[str, VersionNode]
    executions: Mapping[str, Use]
    runs: Mapping[str, CrossingRun] = field(default_factory=dict)
    snapshots: tuple[str, ...] = ()
    is_cut: bool = False

    def __repr__(self) -> str:
        said = f"{len(self.versions):,} versions, {len(self.executions):,} executions, {len(self.runs):,} runs"
        return f"<Lineage of {shorten(self.root.label)}: {said}{', cut' if self.is_cut else ''}>"

    @property
    def made_by(self) -> Use | None:
        """The execution that made the version; `None` if its record is gone, or nobody asked for it."""
        return self.maker_of(self.root.id)

    @property
    def used_by(self) -> tuple[Use, ...]:
        """The executions that read the version, newest first."""
        return self.readers_of(self.root.id)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """What flows where."""
        return tuple(
            Edge(*((one, use.step_id) if side == "in" else (use.step_id, one)), name)
            for use in self.executions.values()
            for side, name, one in use.sides()
        )

    def maker_of(self, artifact_id: str) -> Use | None:
        """Give the execution that made a version, if it is in this lineage."""
        version = self.versions.get(artifact_id)
        return self.executions.get(version.made_by) if version is not None else None

    def readers_of(self, artifact_id: str) -> tuple[Use, ...]:
        """Give the executions in this lineage that read a version."""
        return tuple(use for use in self.executions.values() if artifact_id in use.inputs.values())

    def as_rows(self) -> list[dict[str, Any]]:
        """Give what each execution read and gave, one row each."""
        return [self._row(use, side, name, one) for use in self.executions.values() for side, name, one in use.sides()]

    def df(self) -> pd.DataFrame:
        """Give what each execution read and gave as a pandas DataFrame, one row each."""
        return frame_of(self.as_rows(), self.row_kinds)

    def _row(self, use: Use, side: str, name: str, artifact_id: str) -> dict[str, Any]:
        version = self.versions.get(artifact_id)
        return {
            "level": use.level,
            "step": use.node,
            "status": use.status.value,
            "direction": side,
            "name": name,
            "artifact": version.name if version is not None else None,
            "version": version.version if version is not None else None,
            "run_id": use.run_id,
            "step_id": use.step_id,
            "artifact_id": artifact_id,
        }
