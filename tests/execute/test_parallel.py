"""The parallel road: twins, damaged inputs, retries, and what is printed by several at a time."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest

from nbpipe.errors import RunInterruptedError, StepFailedError
from tests.flows.project import Project, ran

FLOW = """
import os
import time
from pathlib import Path

@step
def load(n: int = 3) -> list:
    return list(range(n)) * 2000

@step
def work(data: list, k: int) -> int:
    return sum(data) * k

@step
def note(data: list, place: str) -> int:
    with open(place, "a") as file:
        file.write("once\\n")
    return len(data)

@step
def total(a: int, b: int) -> int:
    return a + b

@step(retries=3, retry_delay_s=0.01)
def patient(place: str, times: int = 3) -> int:
    with open(place, "a") as file:
        file.write("tried\\n")
    if len(Path(place).read_text().split()) < times:
        raise ValueError("not yet")
    return times

@step(retries=5, retry_delay_s=600)
def resting(place: str) -> int:
    Path(place).touch()
    raise ValueError("not yet")

@step
def loud(word: str, lines: int = 50) -> None:
    for line in range(lines):
        print(word, line)
    print("the end of", word, end="")

@pipeline
def twins(place: str):
    data = load()
    return total(note(data, place), note(data, place))

@pipeline
def trying(place: str, times: int = 3):
    return patient(place, times)

@pipeline
def waiting(place: str):
    return resting(place)

@pipeline
def choir():
    loud("one")
    loud("two")

@pipeline
def adding(k: int = 2):
    return work(load(), k)
"""


@pytest.fixture
def flow(project: Project) -> Any:
    """Give the module with the pipelines."""
    return project.load(FLOW)


def parallel(pipeline: Any, **options: Any) -> Any:
    return pipeline.with_options(executor="processes:2", **options)


def test_of_two_equal_steps_one_runs_and_the_other_takes_what_it_gave(flow: Any, project: Project) -> None:
    run = parallel(flow.twins)(place=str(project.folder / "notes"))

    assert (project.folder / "notes").read_text().split() == ["once"]
    assert sorted(step.status.value for step in run.steps.values()) == ["completed", "completed", "completed", "reused"]


def test_equal_steps_both_run_where_nothing_may_be_reused(flow: Any, project: Project) -> None:
    parallel(flow.twins, cache=False)(place=str(project.folder / "notes"))

    assert (project.folder / "notes").read_text().split() == ["once", "once"]


def test_what_one_road_has_recorded_the_other_reuses(flow: Any) -> None:
    flow.adding()

    assert ran(parallel(flow.adding)()) == []
    assert ran(parallel(flow.adding)(k=3)) == ["work"]
    assert ran(flow.adding(k=3)) == []


def test_a_failing_step_is_tried_again_and_every_attempt_is_recorded(flow: Any, project: Project) -> None:
    run = parallel(flow.trying)(place=str(project.folder / "tries"))

    assert run.steps["patient"].outputs["output"].load() == 3
    rows = project.client.query(f"select attempt, status from steps where run_id = '{run.id}' order by attempt")
    assert list(rows.itertuples(index=False, name=None)) == [(1, "failed"), (2, "failed"), (3, "completed")]


def test_a_step_that_fails_every_time_fails_the_run(flow: Any, project: Project) -> None:
    with pytest.raises(StepFailedError, match="not yet"):
        parallel(flow.trying)(place=str(project.folder / "tries"), times=99)

    assert len((project.folder / "tries").read_text().split()) == 4


def test_a_run_is_stopped_while_it_waits_to_try_again(flow: Any, project: Project) -> None:
    place = project.folder / "tries"
    handle = parallel(flow.waiting).start(place=str(place))
    while not place.exists():
        assert not handle.is_over()

    handle.stop()

    with pytest.raises((RunInterruptedError, StepFailedError)):
        handle.wait(60)


def test_a_stored_value_that_is_gone_is_made_again(flow: Any, project: Project) -> None:
    parallel(flow.adding)()
    project.client.close()
    blobs = project.client.workspace.paths.blobs
    shutil.rmtree(blobs)
    blobs.mkdir()

    run = parallel(flow.adding)(k=5)

    assert run.steps["work"].outputs["output"].load() == 30000
    assert ran(run) == ["load", "work"]


def test_a_stored_value_that_was_damaged_behind_our_back_is_made_again(flow: Any, project: Project) -> None:
    parallel(flow.adding)()
    project.client.close()
    for blob in project.client.workspace.paths.blobs.rglob("*"):
        if blob.is_file() and blob.stat().st_size > 4096:
            stamp = blob.stat().st_mtime_ns
            blob.chmod(0o600)
            blob.write_bytes(bytes(reversed(blob.read_bytes())))
            os.utime(blob, ns=(stamp, stamp))

    run = parallel(flow.adding)(k=5)

    assert run.steps["work"].outputs["output"].load() == 30000
    assert run.status.value == "completed"
    assert ran(run) == ["load", "work"]


def test_lines_of_steps_that_print_at_the_same_time_are_told_apart(
    flow: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = parallel(flow.choir)()

    lines = capsys.readouterr().out.splitlines()
    for node, word in (("loud", "one"), ("loud_2", "two")):
        said = [f"{word} {line}" for line in range(50)] + [f"the end of {word}"]
        assert [line for line in lines if line.startswith(f"[{node}] ")] == [f"[{node}] {one}" for one in said]
        assert run.steps[node].logs == "\n".join(said)


MAPPED = """
from pathlib import Path

@step
def items() -> list:
    return [1, 1, 1, 2, 1]

@step
def work(x: int, place: str) -> int:
    with open(place, "a") as file:
        file.write(f"{x}\\n")
    if x == 1 and Path(place).with_name("fail").exists():
        raise ValueError("told to fail")
    return x * 2

@pipeline
def mapped(place: str):
    work.map(items(), place=place)
"""


def test_of_equal_items_one_runs_and_the_others_take_what_it_gave(project: Project) -> None:
    flow = project.load(MAPPED)

    run = parallel(flow.mapped)(place=str(project.folder / "notes"))

    assert sorted((project.folder / "notes").read_text().split()) == ["1", "2"]
    assert run.steps["work"].outputs["output"].load() == [2, 2, 2, 4, 2]


def test_of_many_items_that_fail_those_are_told_that_come_first_whoever_ended_first(project: Project) -> None:
    flow = project.load(
        """
        import time

        @step
        def items() -> list:
            return list(range(8))

        @step
        def work(item: int) -> int:
            time.sleep(0.3 if item == 0 else 0)
            raise ValueError(item)

        @pipeline
        def mapped():
            work.map(items())
        """
    )

    with pytest.raises(StepFailedError) as failed:
        parallel(flow.mapped)()

    assert [place for place, _, _ in failed.value.__cause__.first] == [0, 1, 2, 3, 4]  # type: ignore[union-attr]


def test_of_equal_items_each_is_told_when_they_fail(project: Project) -> None:
    flow = project.load(MAPPED)
    (project.folder / "fail").touch()

    with pytest.raises(StepFailedError, match="4 of 5 items failed"):
        parallel(flow.mapped)(place=str(project.folder / "notes"))
