"""Two model versions side by side: what they reached, and what they were made with, from and by.

A version is known by the run that made it: the newest run of that pipeline that completed on it,
since other runs (an inference) work on a version as well. Metrics are the version's own; its
parameters, data and code are that run's. Data are the same if their content is, whatever their
version numbers; where a content has no digest, only one and the same version is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.finding import by_head, near
from nbpipe.execute.sources import changed_parts, said_of
from nbpipe.records.base import shorten
from nbpipe.services.compared import as_written
from nbpipe.services.explaining import sources_of, text_diff
from nbpipe.services.listing import Listing
from nbpipe.services.versions import ModelVersion
from nbpipe.services.workspace import Workspace

RUNS = """
    SELECT id, pipeline, status, parameters FROM runs WHERE list_contains($ids, id) ORDER BY seq DESC
"""
STEPS = f"""
    {near("steps", "run_head")}
    SELECT id, node, source, parameters, files FROM near WHERE run_id = $run ORDER BY seq
"""  # noqa: S608 — made of constants
DATA = f"""
    {near("lineage", "run_head")}, around AS MATERIALIZED (
        FROM keyed.artifacts WHERE id_head IN (SELECT artifact_head FROM near))
    SELECT near.direction, around.name, around.number, around.digest, around.id
    FROM near JOIN around ON around.id = near.artifact_id WHERE near.run_id = $run ORDER BY around.seq
"""  # noqa: S608

# By role and name: the label, and what tells the content from another.
_Data = Mapping[tuple[str, str], tuple[str, str]]


class Sides(StrEnum):
    """How the two sides of a pair stand to each other."""

    SAME = "same"
    DIFFERENT = "different"
    LEFT_ONLY = "left only"
    RIGHT_ONLY = "right only"


@dataclass(frozen=True, slots=True)
class MetricPair:
    """One metric of two versions; a side that does not have it is `None`.

    Attributes:
        path: The metric's dotted path.
        left: Its value in the first version.
        right: Its value in the second.
        delta: How much larger the second is; `None` unless both are numbers that can be compared.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "metric": "text",
        "left": "float",
        "right": "float",
        "delta": "float",
    }

    path: str
    left: float | None
    right: float | None
    delta: float | None

    def as_row(self) -> dict[str, Any]:
        """Give the pair by column."""
        return {"metric": self.path, "left": self.left, "right": self.right, "delta": self.delta}


@dataclass(frozen=True, slots=True)
class ParameterPair:
    """One parameter of the two runs.

    Attributes:
        name: The parameter; one that a single step was given goes by `step.name`.
        left: Its value in the first run.
        right: Its value in the second.
        sides: How they stand to each other.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "parameter": "text",
        "left": "data",
        "right": "data",
        "sides": "text",
    }

    name: str
    left: Any
    right: Any
    sides: Sides

    def as_row(self) -> dict[str, Any]:
        """Give the pair by column."""
        return {"parameter": self.name, "left": self.left, "right": self.right, "sides": self.sides.value}


@dataclass(frozen=True, slots=True)
class DataPair:
    """What the two runs read or gave under one name.

    Attributes:
        name: The artifact's name, or a file's path.
        role: `"input"`, `"output"` or `"file"`.
        left: What it was in the first run: `"birds@2"`, or a file's digest; `""` if it was not there.
        right: The same of the second.
        sides: How they stand to each other: by content, not by version.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "data": "text",
        "role": "text",
        "left": "text",
        "right": "text",
        "sides": "text",
    }

    name: str
    role: str
    left: str
    right: str
    sides: Sides

    def as_row(self) -> dict[str, Any]:
        """Give the pair by column."""
        return {
            "data": self.name,
            "role": self.role,
            "left": self.left,
            "right": self.right,
            "sides": self.sides.value,
        }


@dataclass(frozen=True, slots=True)
class CodeChange:
    """One text by which a step of the two runs differs.

    Attributes:
        step: The step's name in the graph.
        name: What the text is called: a function, a constant, a module; `""` for the step's own.
        said: It in a few words: `"source of scale changed"`.
        diff: The lines that differ, as a unified diff writes them.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "step": "text",
        "name": "text",
        "said": "text",
        "diff": "data",
    }

    step: str
    name: str
    said: str
    diff: tuple[str, ...] = ()

    def as_row(self) -> dict[str, Any]:
        """Give the change by column."""
        return {"step": self.step, "name": self.name, "said": self.said, "diff": list(self.diff)}


@dataclass(frozen=True, slots=True)
class Comparison(Displayed):
    """Two versions side by side.

    Attributes:
        left: The first.
        right: The second.
        metrics: Each metric that one of them has, in order of their paths.
        parameters: Each parameter of the two runs.
        data: What each of the two runs read and gave.
        code: The texts by which their steps differ.
    """

    left: ModelVersion
    right: ModelVersion
    metrics: Listing[MetricPair]
    parameters: Listing[ParameterPair]
    data: Listing[DataPair]
    code: Listing[CodeChange]

    def __repr__(self) -> str:
        return f"<Comparison {shorten(self.left.label)} and {shorten(self.right.label)}>"

    def as_row(self) -> dict[str, Any]:
        """Give all of it as plain data."""
        return {
            "left": self.left.as_row(),
            "right": self.right.as_row(),
            "metrics": self.metrics.as_rows(),
            "parameters": self.parameters.as_rows(),
            "data": self.data.as_rows(),
            "code": self.code.as_rows(),
        }


def compared(left: Mapping[str, float], right: Mapping[str, float]) -> Listing[MetricPair]:
    """Put the metrics of two versions side by side."""
    paths = sorted({*left, *right})
    return Listing((_pair(path, left.get(path), right.get(path)) for path in paths), MetricPair)


def compared_versions(workspace: Workspace, left: ModelVersion, right: ModelVersion) -> Comparison:
    """Put two versions side by side, with what they were made with, from and by."""
    made = [_made(workspace, version) for version in (left, right)]
    sources = sources_of(workspace, (digest for one in made for digest in one.sources.values()))
    return Comparison(
        left,
        right,
        compared(left.metrics, right.metrics),
        Listing(_parameters(made[0].parameters, made[1].parameters), ParameterPair),
        Listing(_data(made[0].data, made[1].data), DataPair),
        Listing(_code(made[0].sources, made[1].sources, sources), CodeChange),
    )


# What a version was made with ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Made:
    """Of the run that made a version: its parameters, its data by role and name, its steps' sources."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: _Data = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def _made(workspace: Workspace, version: ModelVersion) -> _Made:
    run = _maker(workspace, version)
    if run is None:
        return _Made()
    asked = by_head(run=run["id"])
    steps = workspace.catalog.rows(STEPS, asked)
    parameters = dict(run["parameters"] or {})
    for step in steps:
        own = step["parameters"] or {}
        parameters |= {f"{step['node']}.{name}": value for name, value in own.items() if name not in parameters}
    return _Made(
        parameters,
        {**_artifacts(workspace.catalog.rows(DATA, asked)), **_files(steps)},
        {step["node"]: step["source"] or "" for step in steps},
    )


def _maker(workspace: Workspace, version: ModelVersion) -> Mapping[str, Any] | None:
    """Give the newest run of the pipeline that made a version that completed on it; else the one that made it."""
    rows = workspace.catalog.rows(RUNS, {"ids": [*version.runs, version.run_id]})
    first = next((row for row in rows if row["id"] == version.run_id), None)
    if first is None:
        return None
    same = (row for row in rows if row["pipeline"] == first["pipeline"] and row["status"] == "completed")
    return next(same, first)


def _artifacts(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Give each artifact by role and name, with its label and what tells its content from another."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    given = {row["id"] for row in rows if row["direction"] == "out"}
    for row in rows:
        if row["direction"] == "in" and row["id"] in given:
            # What one step hands to the next is an output already.
            continue
        role = "output" if row["direction"] == "out" else "input"
        label = row["name"] if row["number"] is None else f"{row['name']}@{row['number']}"
        found[role, row["name"]] = label, row["digest"] or row["id"]
    return found


def _files(steps: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], tuple[str, str]]:
    files = [file for step in steps for file in step["files"] or ()]
    return {("file", file["path"]): (str(file["digest"])[:12], str(file["digest"])) for file in files}


# Pairs -----------------------------------------------------------------------------------------


def _pair(path: str, left: float | None, right: float | None) -> MetricPair:
    delta = right - left if left is not None and right is not None else None
    return MetricPair(path, left, right, None if delta is None or math.isnan(delta) else delta)


def _parameters(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterable[ParameterPair]:
    for name in dict.fromkeys((*left, *right)):
        # 1, True and 1.0 are equal for Python, and another value each for a step.
        same = as_written(left.get(name)) == as_written(right.get(name))
        yield ParameterPair(name, left.get(name), right.get(name), _sides(name, left, right, same=same))


def _data(left: _Data, right: _Data) -> Iterable[DataPair]:
    for place in dict.fromkeys((*left, *right)):
        role, name = place
        (before, old), (after, new) = left.get(place, ("", "")), right.get(place, ("", ""))
        yield DataPair(name, role, before, after, _sides(place, left, right, same=old == new))


def _code(left: Mapping[str, str], right: Mapping[str, str], sources: Mapping[str, Any]) -> Iterable[CodeChange]:
    for step in dict.fromkeys((*left, *right)):
        if step not in right or step not in left:
            yield CodeChange(step, "", "is no longer a step" if step in left else "is a new step")
            continue
        for name, old, new in changed_parts(*(sources.get(digest, {}) for digest in (right[step], left[step]))):
            yield CodeChange(step, name, said_of(name, old, new), text_diff(old, new))


def _sides(key: Any, left: Mapping[Any, Any], right: Mapping[Any, Any], *, same: bool) -> Sides:
    if key not in right:
        return Sides.LEFT_ONLY
    if key not in left:
        return Sides.RIGHT_ONLY
    return Sides.SAME if same else Sides.DIFFERENT
