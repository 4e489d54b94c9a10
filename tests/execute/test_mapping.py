"""Steps mapped over lists: each item an execution of its own, on every executor alike."""

from __future__ import annotations

import os
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nbpipe.errors import BadValueError, DefinitionError, ItemsFailedError, RunInterruptedError, StepFailedError
from nbpipe.records.runs import Status
from nbpipe.services import upkeep
from nbpipe.services.foreseeing import foresee
from tests.flows.project import Project

EXECUTORS = ("in-process", "processes:2")

SCORES = """
import os

@step
def parts(n: int) -> list[int]:
    return list(range(n))

@step
def score(part: int, weight: int = 1) -> int:
    if str(part) in os.environ.get("BAD", "").split():
        raise ValueError(f"{part} is bad")
    with open("ran.txt", "a") as file:
        file.write(f"{part} ")
    return part * weight

@step
def best(scores: list[int]) -> int:
    return max(scores, default=-1)

@pipeline
def training(n: int = 5):
    return best(score.map(parts(n), weight=10))
"""


def runs_of(project: Project, executor: str, text: str = SCORES) -> Any:
    flow = project.load(text)
    project.write("ran.txt", "")
    return flow.training.with_options(executor=executor)


def ran_items(project: Project) -> list[str]:
    """Give the items that ran since this was asked the last time."""
    found = (project.folder / "ran.txt").read_text().split()
    project.write("ran.txt", "")
    return sorted(found)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_mapped_step_gives_the_list_of_what_each_item_gave(project: Project, executor: str) -> None:
    training = runs_of(project, executor)

    run = training(n=4)

    assert run.output == 30
    assert run.steps["score"].output.load() == [0, 10, 20, 30]
    assert list(run.steps) == ["parts", "score", "best"]
    items = run.steps["score"].items
    assert [(item.node, item.parameters, item.output.load()) for item in items] == [
        ("score[0]", {"part": 0, "weight": 10}, 0),
        ("score[1]", {"part": 1, "weight": 10}, 10),
        ("score[2]", {"part": 2, "weight": 10}, 20),
        ("score[3]", {"part": 3, "weight": 10}, 30),
    ]
    assert items[-1].place == 3
    assert [artifact.name for artifact in project.client.artifacts.list()] == ["best", "score", "parts"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_new_item_runs_alone(project: Project, executor: str) -> None:
    training = runs_of(project, executor)
    training(n=4)
    ran_items(project)

    run = training(n=5)

    assert ran_items(project) == ["4"]
    assert run.steps["score"].output.load() == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_items_that_failed_let_the_others_finish_and_run_alone_the_next_time(
    project: Project, executor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = runs_of(project, executor)
    monkeypatch.setenv("BAD", "3 7")

    with pytest.raises(StepFailedError) as failed:
        training(n=10)

    error = failed.value.__cause__
    assert isinstance(error, ItemsFailedError)
    assert (error.failed, error.total, error.step) == (2, 10, "score")
    assert list(error.first) == [(3, "ValueError", "3 is bad"), (7, "ValueError", "7 is bad")]
    assert "2 of 10 items failed: [3] ValueError: 3 is bad" in str(failed.value)
    assert len(ran_items(project)) == 8
    run = project.client.runs.newest()
    assert {node: step.status for node, step in run.steps.items()} == {
        "parts": Status.COMPLETED,
        "score": Status.FAILED,
        "best": Status.SKIPPED,
    }

    monkeypatch.delenv("BAD")
    again = training(n=10)

    assert ran_items(project) == ["3", "7"]
    assert again.output == 90


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_empty_list_gives_an_empty_list(project: Project, executor: str) -> None:
    training = runs_of(project, executor)

    run = training(n=0)

    assert (run.output, run.steps["score"].output.load()) == (-1, [])


@pytest.mark.parametrize("executor", EXECUTORS)
def test_equal_items_give_equal_content_on_every_executor(project: Project, executor: str) -> None:
    training = runs_of(project, executor)
    digest = training(n=6).steps["score"].output.digest

    reordered = runs_of(project, executor, SCORES.replace("list(range(n))", "[*range(1, n), 0]"))(n=6)

    assert digest == "1378aca2d3077635b05b28d669d14d27"
    assert reordered.steps["score"].items.counts["reused"] == 6
    assert reordered.steps["score"].output.load() == [10, 20, 30, 40, 50, 0]
    assert reordered.steps["best"].status is Status.COMPLETED


VALUES = """
import numpy as np
import pandas as pd

class Part:
    def __init__(self, name):
        self.name = name

@step
def parts() -> Any:
    return {parts}

@step
def score(part) -> Any:
    return part

@pipeline
def training():
    return score.map(parts())
"""


WALKED: list[tuple[str, list[Any]]] = [
    ("[1, 'a', None, 2.5, True]", [1, "a", None, 2.5, True]),
    ("('a', 'b')", ["a", "b"]),
    ("range(3, 9, 3)", [3, 6]),
    ("np.arange(3)", [0, 1, 2]),
    ("[{'a': [1]}, {'b': 2}]", [{"a": [1]}, {"b": 2}]),
    ("['x' * 5000, 'é' * 3000]", ["x" * 5000, "é" * 3000]),
    ("[Path('a.csv'), date(2026, 11, 20)]", [Path("a.csv"), date(2026, 11, 20)]),
    ("[(1, [2]), (3, [4])]", [(1, [2]), (3, [4])]),
]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_whatever_has_an_order_and_a_length_is_walked_through(project: Project, executor: str) -> None:
    head = "from datetime import date\nfrom pathlib import Path\n"
    for parts, items in WALKED:
        flow = project.load(head + VALUES.replace("{parts}", parts))

        run = flow.training.with_options(executor=executor)()

        assert run.output == items, parts
        assert [item.output.load() for item in run.steps["score"].items] == items, parts


@pytest.mark.parametrize("executor", EXECUTORS)
def test_rows_frames_and_objects_of_the_users_own_are_walked_through(project: Project, executor: str) -> None:
    parts = "[np.eye(2), pd.DataFrame({'a': [1]}), Part('x'), lambda: 3][:3]"
    flow = project.load(VALUES.replace("{parts}", parts))

    array, frame, part = flow.training.with_options(executor=executor)().output

    assert array.tolist() == [[1, 0], [0, 1]]
    assert frame.a.tolist() == [1]
    assert part.name == "x"


SEVERAL_WAYS = [
    ("{'a': 1}", r"parts is a dict: give list\(….items\(\)\) or list\(….values\(\)\)"),
    ("'abc'", "parts is a str: split it in a step"),
    ("{1, 2}", r"parts is a set: give sorted\(…\)"),
    ("pd.DataFrame({'a': [1]})", "parts is a DataFrame: give a list of its rows or groups"),
    ("7", "parts is a int: give a list"),
]


def test_what_can_be_taken_apart_in_several_ways_is_refused_with_the_cure(project: Project) -> None:
    for nth, (parts, cure) in enumerate(SEVERAL_WAYS, start=1):
        flow = project.load(VALUES.replace("{parts}", parts))

        with pytest.raises(BadValueError, match=cure):
            flow.training()
            pytest.fail(f"{parts} was taken")

        runs = project.client.runs.list()
        assert [run.steps["score"].status for run in runs] == [Status.FAILED] * nth, parts


PAIRS = """
@step
def left(n: int) -> list[int]:
    return list(range(n))

@step
def both(a: int, b: str, c: int = 0) -> tuple[Annotated[int, "more"], Annotated[str, "text"]]:
    return a + c, b * a

@step
def joined(texts: list[str], numbers: list[int]) -> str:
    return f"{texts} {numbers}"

@pipeline
def training(n: int = 3, names: list[str] = ["x", "y", "z"]):
    more, text = both.map(left(n), names, c=10)
    again, _ = both.map(more, text)
    return joined(text, again)
"""


@pytest.mark.parametrize("executor", EXECUTORS)
def test_lists_are_walked_side_by_side_and_each_output_is_a_list(project: Project, executor: str) -> None:
    flow = project.load(PAIRS)

    run = flow.training.with_options(executor=executor)()

    assert run.output == "['', 'y', 'zz'] [10, 11, 12]"
    assert set(run.steps["both"].outputs) == {"more", "text"}


def test_lists_of_different_lengths_are_refused_when_the_step_starts(project: Project) -> None:
    flow = project.load(PAIRS)

    with pytest.raises(BadValueError, match=r"'a' has 4 items and 'b' has 3"):
        flow.training(n=4)


UNMAPPABLE = [
    ("both.map()", "given no list"),
    ("both.map('abc', [1])", "was given 'abc', a str: split it"),
    ("both.map(joined([], []), ['a'])", "joined gives a str: split it"),
    ("both.map([left(1)], ['a'])", "a list of step outputs"),
    ("joined(left.map([1, 2]), [left.map([1])])", "a list of step outputs"),
]


def test_what_cannot_be_mapped_over_is_refused_before_anything_runs(project: Project) -> None:
    steps = PAIRS.split("@pipeline", maxsplit=1)[0]
    for body, said in UNMAPPABLE:
        flow = project.load(f"{steps}@pipeline\ndef training():\n    {body}\n")

        with pytest.raises(DefinitionError, match=said):
            flow.training()
            pytest.fail(f"{body} was taken")

        assert project.client.runs.list() == [], body


def test_outside_of_a_pipeline_map_calls_the_function_for_each_item(project: Project) -> None:
    flow = project.load(PAIRS)

    assert flow.left.map((1, 2)) == [[0], [0, 1]]
    assert flow.both.map([1, 2], ["a", "b"], c=1) == ([2, 3], ["a", "bb"])
    with pytest.raises(BadValueError, match="'a' has 1 items and 'b' has 2"):
        flow.both.map([1], ["a", "b"])


NOTED = """
import os
import time

@step
def fit(rate: float) -> Annotated[float, ArtifactConfig(name="model", tags=["fitted"])]:
    print("rate", rate)
    log_metadata({"rate": rate})
    add_tags(["noted"], infer_artifact=True)
    return rate * 2

@pipeline
def training(n: int = 3):
    return fit.map([0.5 * i for i in range(n)])
"""


def test_what_an_item_prints_notes_and_tags_is_kept_and_said_again_when_it_is_reused(project: Project) -> None:
    flow = project.load(NOTED)
    first = flow.training()

    run = flow.training(n=4)

    assert [item.logs for item in first.steps["fit"].items] == ["rate 0.0\n", "rate 0.5\n", "rate 1.0\n"]
    item = run.steps["fit"].items[1]
    assert (item.status, item.metadata, item.metrics) == (Status.REUSED, {"rate": 0.5}, {"rate": 0.5})
    assert sorted(run.steps["fit"].output.tags) == ["fitted", "noted"]
    assert flow.training(n=4).steps["fit"].items.counts["reused"] == 4


def test_a_reused_whole_shows_the_items_of_the_run_that_ran_them(project: Project) -> None:
    training = runs_of(project, "in-process")
    training(n=3)

    run = training(n=3)

    assert run.steps["score"].items.counts["reused"] == 3
    assert [item.place for item in run.steps["score"].items] == [0, 1, 2]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_item_is_tried_again_by_itself(project: Project, executor: str) -> None:
    flow = project.load(
        """
        from pathlib import Path

        @step(retries=2)
        def score(part: int) -> int:
            seen = Path(f"seen_{part}")
            if part == 1 and not seen.exists():
                seen.write_text("x")
                raise ValueError("the first time")
            return part

        @pipeline
        def training():
            return score.map([0, 1, 2])
        """
    )

    run = flow.training.with_options(executor=executor)()

    assert run.output == [0, 1, 2]
    assert run.steps["score"].items.counts["failed"] == 0
    assert [item.status for item in run.steps["score"].items] == [Status.COMPLETED] * 3


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_stopped_run_lets_no_further_item_begin(project: Project, executor: str) -> None:
    flow = project.load(
        """
        import time

        @step
        def wait(part: int) -> int:
            open(f"began_{part}", "w").close()
            for _ in range(600 if part == 2 else 0):
                time.sleep(0.1)
            return part

        @pipeline
        def training():
            return wait.map(range(1000))
        """
    )
    handle = flow.training.with_options(executor=executor).start()
    while not (project.folder / "began_2").exists():
        time.sleep(0.01)

    handle.stop()
    with pytest.raises(RunInterruptedError):
        handle.wait()

    run = project.client.runs.newest()
    counts = run.steps["wait"].items.counts
    assert run.status is Status.INTERRUPTED
    assert counts["completed"] + counts["interrupted"] == counts["total"] == 1000
    assert counts["interrupted"] > 0


def test_what_a_run_would_do_is_said_of_the_items_too(project: Project) -> None:
    training = runs_of(
        project, "in-process", SCORES.replace("score.map(parts(n), weight", "score.map(range(n), weight")
    )
    training(n=3)

    def foreseen(n: int) -> Any:
        return foresee(project.client.workspace, training.request({"n": n}))["score"]

    assert foreseen(3).standing == "reused"
    assert (foreseen(5).standing, foreseen(5).why) == (
        "stale",
        "2 of 5 items would run: part [0, 1, 2] → [0, 1, 2, 3, 4]",
    )


def test_gc_keeps_what_a_list_refers_to(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = project.load(
        """
        @step
        def text(n: int) -> str:
            return f"{n}" * 10_000

        @pipeline
        def training():
            return text.map([1, 2, 3])
        """
    )
    run = flow.training()
    output = run.steps["text"].output
    project.client.runs.delete(run)
    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)

    swept = upkeep.UpkeepService(project.client.workspace).gc()

    assert swept.kept >= 3
    assert [len(text) for text in output.load()] == [10_000] * 3


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_is_the_same_for_all_items_may_be_large_and_an_item_may_give_nothing(
    project: Project, executor: str
) -> None:
    flow = project.load(
        """
        @step
        def frame() -> Any:
            import pandas as pd
            return pd.DataFrame({"a": range(200_000)})

        @step
        def total(n: int, data, offset: int = 0) -> int:
            data["a"] = data["a"] + n
            return int(data["a"].iloc[0]) + offset

        @step
        def tell(n: int) -> None:
            print(n)

        @step
        def end() -> str:
            return "ended"

        @pipeline
        def training():
            told = tell.map([1, 2])
            return total.map([1, 2, 3], data=frame()), end(after=told)
        """
    )

    run = flow.training.with_options(executor=executor)()

    assert run.output == ([1, 2, 3], "ended")
    assert run.steps["tell"].items[1].logs == "2\n"
    assert run.steps["tell"].outputs == {}


def test_a_list_of_an_earlier_run_can_be_mapped_over(project: Project) -> None:
    flow = project.load(
        """
        @step
        def score(n: int) -> int:
            return n * 2

        @pipeline(model=Model(name="iris"))
        def first():
            return score.map([1, 2])

        @pipeline(model=Model(name="iris", version="latest"))
        def second():
            return score.map(get_pipeline_context().model.get_artifact("score"))
        """
    )
    flow.first()

    run = flow.second()

    assert run.output == [4, 8]


def test_the_items_of_a_run_whose_process_died_are_told_and_not_run_again(project: Project) -> None:
    project.load(
        """
        import os

        @step
        def score(part: int) -> int:
            if part == 5 and os.environ.get("DIE"):
                os._exit(9)
            return part

        @pipeline
        def training():
            return score.map(range(10))
        """
    )
    died = project.python("import flow; flow.training()", env={**os.environ, "DIE": "1"})

    run = project.client.runs.newest()

    assert died.returncode == 9
    assert run.status is Status.INTERRUPTED
    assert run.steps["score"].items.counts == {"total": 6, "completed": 5, "interrupted": 1}
    again = project.python("import flow; print(flow.training().steps['score'].items.counts)", check=True)
    assert "'completed': 5, 'reused': 5" in again.stdout
    assert [artifact.name for artifact in project.client.artifacts.list()] == ["score"]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_whoever_looks_on_sees_how_many_items_are_settled_while_others_run(project: Project, executor: str) -> None:
    flow = project.load("""
from pathlib import Path
import time

@step
def wait_for(name: str) -> str:
    while name == "last" and not Path("go").exists():
        time.sleep(0.01)
    return name

@pipeline
def training():
    wait_for.map(["first", "second", "last"])
""")
    handle = flow.training.with_options(executor=executor).start()
    deadline_s = time.monotonic() + 30
    seen = None
    while time.monotonic() < deadline_s and (seen is None or seen.done < 2):
        glimpse = handle.look().get("wait_for")
        seen = glimpse.progress if glimpse is not None else None
        time.sleep(0.01)
    project.write("go", "")
    handle.wait()

    assert seen == (2, 3, "")
    assert handle.look() == {}
