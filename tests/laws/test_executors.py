"""The laws of executors: the same pipeline is the same wherever its steps run.

Each law is tried on all of them. How steps are stopped, killed and lost is `test_executors_ending`.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from nbpipe.errors import StepFailedError
from nbpipe.records.runs import Status
from nbpipe.services.recorded import Run
from tests.flows.project import Project
from tests.laws.runs import run_on, statuses

VALUES = """
import matplotlib
matplotlib.use("Agg")
from pathlib import Path
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import BaseModel

class Setting(BaseModel):
    rate: float
    layers: list[int]

@step
def frame(n: int) -> pd.DataFrame:
    return pd.DataFrame({"x": range(n), "y": [f"word {k}" for k in range(n)], "z": pd.Categorical(["a"] * n)})

@step
def array(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32).reshape(-1, 2)

@step
def shared(data: np.ndarray) -> tuple[Annotated[np.ndarray, "whole"], Annotated[np.ndarray, "part"]]:
    whole = data * 2.0
    return whole, whole[1:3]

@step
def figure(data: pd.DataFrame) -> tuple[Annotated[Figure, "fig"], Annotated[Axes, "ax"]]:
    from matplotlib.figure import Figure
    fig = Figure()
    ax = fig.subplots()
    ax.plot(data.x)
    return fig, ax

@step
def setting(rate: float) -> Setting:
    return Setting(rate=rate, layers=[1, 2, 3])

@step
def nested(it: Setting, n: int) -> dict:
    return {"of": {"it": [it.rate, {"n": n, "none": None}], "text": "ü" * 3}, "nan": float("nan")}

@step
def file(deep: dict) -> Path:
    place = Path("written.txt")
    place.write_text(str(deep))
    return place

@step
def read(place: Path, other: Axes, part: np.ndarray, whole: np.ndarray) -> str:
    assert np.shares_memory(part, whole) or part.tolist() == whole[1:3].tolist()
    return Path(place).read_text() + str(len(other.lines))

@pipeline
def everything(n: int = 10, rate: float = 0.25):
    data = frame(n)
    whole, part = shared(array(n))
    fig, ax = figure(data)
    return read(file(nested(setting(rate), n)), ax, part, whole)
"""
SMALL = """
import os, sys
from pathlib import Path

class Odd(Exception):
    def __init__(self, what, *, how):
        super().__init__(f"{what}, {how}")
        self.how = how

@step
def load(n: int = 3) -> Annotated[list, "numbers"]:
    print("loading", n)
    print("aside", file=sys.stderr)
    return list(range(n))

@step
def spoil(data: list) -> int:
    data.append(99)
    return len(data)

@step
def count(data: list) -> int:
    return len(data)

@step
def broken(data: list) -> int:
    wanted = len(data) + 1
    return data[wanted]

@step
def odd(data: list) -> int:
    raise Odd("no", how="way")

@step
def after(a: int) -> int:
    return a

@step(retries=2)
def patient(place: str) -> Annotated[str, "done"]:
    log_metadata({"tries": len(Path(place).read_text()) if Path(place).exists() else 0})
    add_tags(["tried"])
    with open(place, "a") as file:
        file.write("x")
    if len(Path(place).read_text()) < 3:
        raise OSError("not yet")
    return "done"

@step
def knowing(data: list) -> Annotated[str, "known"]:
    context = get_step_context()
    log_metadata({"rows": len(data), "deep": {"er": 0.5}})
    log_metadata({"of": "artifact"}, infer_artifact=True)
    add_tags(["seen"])
    add_tags(["good"], infer_artifact=True)
    return f"{context.run.name} {context.step} {load_artifact('numbers@1')} {len(Client().runs.list())}"

@step
def opaque(data: list) -> tuple[Annotated[Any, "lock"], Annotated[int, "kept"]]:
    import threading
    return threading.Lock(), len(data)

@step
def here(table: str) -> Annotated[str, "here"]:
    return os.getcwd() + "|" + Path(table).read_text()

@pipeline
def spoiling():
    data = load()
    return spoil(data), count(data)

@pipeline
def breaking():
    data = load()
    after(broken(data))
    return count(data)

@pipeline
def oddly():
    return odd(load())

@pipeline
def trying(place: str):
    return patient(place)

@pipeline
def telling():
    return knowing(load())

@pipeline
def hiding():
    return opaque(load())

@pipeline
def reading(table: str):
    return here(table)

@pipeline
def counting(n: int):
    return count(load(n))

@step(retries=1)
def asks_and_fails(n: int, place: str) -> int:
    Client().trigger_pipeline("counting", run_configuration={"parameters": {"n": n}}, synchronous=True)
    if not Path(place).exists():
        Path(place).touch()
        raise OSError("not yet")
    return n

@pipeline
def asking_twice(place: str, n: int = 5):
    return asks_and_fails(n, place)
"""


def digests(run: Run) -> dict[str, str]:
    return {f"{node}.{name}": one.digest for node, step in run.steps.items() for name, one in step.outputs.items()}


def test_the_same_pipeline_gives_equal_content(project: Project, executor: str) -> None:
    flow = project.load(VALUES)
    here = flow.everything.with_options(enable_cache=False)()

    there = flow.everything.with_options(enable_cache=False, executor=executor)()

    assert digests(there) == digests(here)
    assert there.output == here.output
    for name in ("fig", "ax"):
        loaded = there.steps["figure"].outputs[name].load()
        assert type(loaded) is type(here.steps["figure"].outputs[name].load())
    assert {name: one.type for name, one in there.outputs.items()} == {
        name: one.type for name, one in here.outputs.items()
    }


@pytest.mark.parametrize("first", ["in-process", "itself"])
def test_what_one_executor_made_another_reuses(project: Project, executor: str, first: str) -> None:
    flow = project.load(VALUES)
    one, other = ("in-process", executor) if first == "in-process" else (executor, "in-process")
    made = run_on(one, flow.everything)

    again = run_on(other, flow.everything)

    assert set(statuses(made).values()) == {"completed"}
    assert set(statuses(again).values()) == {"reused"}
    assert again.output == made.output


def test_a_failing_step_says_what_it_raised_at_its_own_line(project: Project, executor: str) -> None:
    flow = project.load(SMALL)

    with pytest.raises(StepFailedError) as raised:
        flow.breaking.with_options(executor=executor)()

    run = project.client.runs.get(raised.value.run_id)
    assert isinstance(raised.value.__cause__, IndexError)
    assert run.steps["broken"].error == "IndexError: list index out of range"
    assert "return data[wanted]" in run.steps["broken"].traceback
    assert "/nbpipe/execute/" not in run.steps["broken"].traceback
    assert statuses(run) == {"after": "skipped", "broken": "failed", "count": "completed", "load": "completed"}
    assert run.status is Status.FAILED


def test_an_exception_of_ones_own_keeps_its_type_and_its_text(project: Project, executor: str) -> None:
    flow = project.load(SMALL)

    run = run_on(executor, flow.oddly)

    assert run.steps["odd"].error == "Odd: no, way"


def test_attempts_are_counted_and_what_the_last_one_noted_is_kept(project: Project, executor: str) -> None:
    flow = project.load(SMALL)

    run = run_on(executor, flow.trying, place=str(project.folder / "tries"))

    rows = project.client.query("select attempt, status from steps where node = 'patient' order by attempt")
    assert list(zip(rows.attempt, rows.status, strict=True)) == [(1, "failed"), (2, "failed"), (3, "completed")]
    assert run.steps["patient"].metadata == {"tries": 2} or run.steps["patient"].metadata.get("step") == {"tries": 2}
    assert run.tags == ["tried"]


def test_what_a_step_notes_tags_and_asks_for_is_recorded(project: Project, executor: str) -> None:
    flow = project.load(SMALL)
    flow.counting(n=2)

    run = run_on(executor, flow.telling)

    assert run.steps["knowing"].error == ""
    assert run.steps["knowing"].output.load() == f"{run.name} knowing [0, 1] 2"
    assert run.steps["knowing"].metrics == {"rows": 3.0, "deep.er": 0.5}
    assert run.steps["knowing"].output.metadata == {"of": "artifact"}
    assert run.steps["knowing"].output.tags == ["good"]
    assert run.tags == ["seen"]


def test_what_a_step_prints_is_kept_and_shown(
    project: Project, executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flow = project.load(SMALL)

    run = run_on(executor, flow.counting, n=4)

    assert run.steps["load"].logs == "loading 4\naside\n"
    shown = capsys.readouterr()
    assert "loading 4\n" in shown.out
    assert "aside\n" in shown.err


def test_an_output_that_cannot_be_stored_is_named_and_the_others_are_kept(project: Project, executor: str) -> None:
    flow = project.load(SMALL)

    run = run_on(executor, flow.hiding)

    assert run.status is Status.COMPLETED
    assert run.steps["opaque"].outputs["kept"].load() == 3
    assert list(run.steps["opaque"].outputs) == ["kept"]


def test_a_step_never_sees_what_another_did_to_a_value(project: Project, executor: str) -> None:
    flow = project.load(SMALL)

    run = run_on(executor, flow.spoiling)

    assert run.steps["spoil"].output.load() == 4
    assert run.steps["count"].output.load() == 3
    assert run.steps["load"].output.load() == [0, 1, 2]


def test_a_step_works_in_the_folder_of_its_run_and_the_files_it_reads_count(project: Project, executor: str) -> None:
    flow = project.load(SMALL)
    table = Path("table.csv")
    table.write_text("one")

    run = run_on(executor, flow.reading, table=str(table))
    again = run_on(executor, flow.reading, table=str(table))
    table.write_text("two and more")
    changed = run_on(executor, flow.reading, table=str(table))

    assert run.output == f"{os.getcwd()}|one"
    assert [Path(file.path).name for file in run.steps["here"].files] == ["table.csv"]
    assert statuses(again) == {"here": "reused"}
    assert statuses(changed) == {"here": "completed"}
    assert changed.output == f"{os.getcwd()}|two and more"


def test_a_run_that_a_step_asks_for_is_its_child_whichever_attempt_asked_for_it(
    project: Project, executor: str
) -> None:
    flow = project.load(SMALL)
    flow.counting.create_snapshot(name="weekly")

    parent = run_on(executor, flow.asking_twice, place=str(project.folder / "tried"))

    children = {run.id: run for run in project.client.runs.list() if run.parent_run_id == parent.id}
    assert parent.output == 5
    assert {one.run for one in parent.steps["asks_and_fails"].triggered} == children.keys()
    assert len(children) == 2
    assert [(child.output, child.parent_step) for child in children.values()] == [(5, "asks_and_fails")] * 2


def test_two_runs_at_once_share_an_executor(project: Project, executor: str) -> None:
    flow = project.load(SMALL)
    outputs: dict[int, Any] = {}

    def work(n: int) -> None:
        outputs[n] = run_on(executor, flow.counting, n=n).output

    threads = [threading.Thread(target=work, args=(n,)) for n in (5, 6, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outputs == {5: 5, 6: 6, 7: 7}
    assert {run.status for run in project.client.runs.list()} == {Status.COMPLETED}
    attempts = project.client.query("select run_id, node, count(*) as n from steps group by all")
    assert set(attempts.n) == {1}
