"""The module that a snapshot is shown as: what it prints when plain Python runs it, without nbpipe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from tests.flows.project import Project, project_in

TYPES = """
from datetime import date, datetime, timezone
from enum import Enum
from pathlib import Path
from pydantic import BaseModel, Field

class Kind(Enum):
    A = "a"
    B = "b"

class Settings(BaseModel):
    depth: int = 3
    kinds: list[Kind] = [Kind.A]

@step
def load(n: Annotated[int, Field(ge=0)] = 5, extra: int = Field(3, ge=1)) -> Annotated[list, "raw"]:
    return list(range(n + extra))

@step
def total(data: list, rate: float = 0.1, place: Path = Path("x.csv")) -> Annotated[float, "total"]:
    return sum(data) * rate + len(place.name)

@pipeline
def training(n: int, rate: float = Field(0.5, gt=0), day: date = date(2024, 1, 2), kind: Kind = Kind.A,
             s: Settings = Settings(depth=4), at: datetime = datetime(2024, 1, 1, tzinfo=timezone.utc)):
    bonus = day.year + s.depth + (100 if s.kinds[0] is Kind.B else 0) + (10 if kind is Kind.B else 0) + at.year
    print("bonus", bonus)
    return total(load(n), rate)
"""


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project_in(workspace, monkeypatch) as found:
        yield found


def printed(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a module with plain Python where nbpipe cannot be imported."""
    place = folder / "frozen.py"
    place.write_text(code)
    # -I leaves out this folder; a module that raises stands in nbpipe's place.
    program = f"import sys, runpy; sys.modules['nbpipe'] = None; runpy.run_path({str(place)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=folder)


def test_the_module_runs_with_the_snapshots_values_of_every_type(project: Project, tmp_path: Path) -> None:
    flow = project.load(TYPES)
    values = {"n": 4, "rate": 2.0, "kind": "b", "s": {"kinds": ["b"]}, "day": "2025-03-04"}
    made = flow.training.create_snapshot("typed", parameters=values)

    done = printed(made.code, tmp_path)

    assert done.stderr == ""
    assert done.stdout == f"bonus {2025 + 3 + 100 + 10 + 2024}\n{sum(range(7)) * 2.0 + 5}\n"


def test_the_module_calls_steps_with_the_values_that_the_snapshot_sets_for_them(
    project: Project, tmp_path: Path
) -> None:
    flow = project.load(TYPES)
    steps = {"total": {"parameters": {"rate": 10.0}}, "load": {"parameters": {"extra": 1}}}
    made = flow.training.with_options(steps=steps).create_snapshot("set", parameters={"n": 1})

    done = printed(made.code, tmp_path)

    assert done.stdout.splitlines()[-1] == str(sum(range(2)) * 10.0 + 5), done.stderr


def test_a_required_parameter_without_a_value_is_told_in_one_line(project: Project, tmp_path: Path) -> None:
    made = project.load(TYPES).training.create_snapshot("open")

    done = printed(made.code, tmp_path)

    assert done.stderr == "n has no value: write n = … in place of this line.\n"
    assert done.returncode == 1


def test_a_step_that_is_called_twice_keeps_the_values_of_each_call(project: Project, tmp_path: Path) -> None:
    text = """
from pydantic import Field

@step
def twice(x: int, by: int = Field(2, ge=1)) -> int:
    return x * by

@pipeline
def training(n: int = 3):
    return twice(twice(n, 5))
"""
    made = project.load(text).training.create_snapshot("two")

    assert printed(made.code, tmp_path).stdout == "30\n"


def test_what_a_pipeline_is_shown_as_is_the_same_each_time(project: Project) -> None:
    flow: Any = project.load(TYPES)

    assert flow.training.create_snapshot("a").code == flow.training.create_snapshot("b").code


BRANCHES = """
from nbpipe import either

@step
def parts(n: int) -> list[int]:
    return list(range(n))

@step
def split(part: int, by: int) -> tuple[Annotated[int, "whole"], Annotated[int, "rest"]]:
    return part // by, part % by

@step
def check(rests: list[int]) -> bool:
    return max(rests) > 1

@step
def many(rests: list[int]) -> str:
    return f"many {rests}"

@step
def few(rests: list[int]) -> str:
    return f"few {rests}"

@step
def shout(text: str) -> str:
    return text.upper()

@pipeline
def training(n: int = 5, by: int = 2):
    _, rests = split.map(parts(n), by=by)
    good = check(rests)
    return shout(either(many.when(good)(rests), few.unless(good)(rests)))
"""


@pytest.mark.parametrize(("by", "said"), [(2, "FEW [0, 1, 0, 1, 0]"), (3, "MANY [0, 1, 2, 0, 1]")])
def test_mapped_steps_and_branches_run_in_the_module_as_in_the_pipeline(
    project: Project, tmp_path: Path, by: int, said: str
) -> None:
    flow = project.load(BRANCHES)
    made = flow.training.create_snapshot("branching", parameters={"by": by})

    done = printed(made.code, tmp_path)

    assert (done.stdout, done.stderr) == (f"{said}\n", "")
    assert flow.training(by=by).output == said
    assert "split.map(parts(n), by=by)" in made.code


def test_a_snapshot_keeps_what_is_mapped_and_under_which_condition(project: Project) -> None:
    flow = project.load(BRANCHES)

    graph = flow.training.create_snapshot("branching").content.graph

    assert graph.by_id["split"].mapped == ("part",)
    assert [condition.said for condition in graph.by_id["few"].conditions] == ["unless"]
    assert type(graph).model_validate_json(graph.as_json) == graph
    assert graph.by_id["shout"].upstream == ("many", "few")


def test_a_mapped_list_can_be_set_for_a_snapshots_run(project: Project) -> None:
    flow = project.load(BRANCHES.replace("split.map(parts(n), by=by)", "split.map([1, 2, 3], by=by)"))
    made = flow.training.create_snapshot("listed")

    assert made.content.config_template().steps["split"].parameters == {"part": [1, 2, 3], "by": 2}
    run = flow.training.with_options(steps={"split": {"parameters": {"part": [7, 8]}}})()

    assert run.output == "FEW [1, 0]"
