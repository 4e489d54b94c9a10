"""The driver: failures, retries, stops, what steps print and say, and what they may see of one another."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from nbpipe.errors import (
    ConflictError,
    DefinitionError,
    NotStorableError,
    RunInterruptedError,
    StepFailedError,
    StepTimeoutError,
)
from nbpipe.records.runs import Status
from tests.flows.project import Project, ran

BRANCHES = """
@step
def load() -> int:
    print("loading")
    return 3

@step
def broken(x: int) -> int:
    return x // 0

@step
def after_broken(x: int) -> int:
    return x

@step
def independent(x: int) -> int:
    return x + 1

@pipeline(tags=["plain", Tag(name="latest", exclusive=True), Tag(name="exp", cascade=True)], model=Model(name="iris"))
def training():
    data = load()
    after_broken(broken(data))
    return independent(data)
"""


def statuses(run: Any) -> dict[str, str]:
    return {node: step.status.value for node, step in run.steps.items()}


def last_run(project: Project) -> Any:
    return project.client.runs.list(limit=1)[0]


def test_a_failing_step_shows_its_own_frames_and_the_original_is_the_cause(project: Project) -> None:
    flow = project.load(BRANCHES)

    with pytest.raises(StepFailedError) as failed:
        flow.training()

    error = failed.value
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert (error.step, error.type_name) == ("broken", "ZeroDivisionError")
    assert "return x // 0" in error.traceback_text
    assert "nbpipe/execute" not in error.traceback_text
    assert "\n".join(error._render_traceback_()).count("File ") == 1


def test_independent_branches_finish_downstream_is_skipped_and_all_of_it_is_kept(project: Project) -> None:
    flow = project.load(BRANCHES)
    with pytest.raises(StepFailedError):
        flow.training()

    run = last_run(project)

    assert run.status is Status.FAILED
    assert run.ended is not None
    assert run.error == "ZeroDivisionError: integer division or modulo by zero"
    assert statuses(run) == {
        "load": "completed",
        "broken": "failed",
        "after_broken": "skipped",
        "independent": "completed",
    }
    assert run.steps["after_broken"].why == "broken did not succeed"
    assert run.steps["independent"].output.load() == 4
    assert run.steps["independent"].output.version == 1
    assert run.steps["load"].logs == "loading\n"
    assert "return x // 0" in run.steps["broken"].traceback


def test_a_mended_pipeline_goes_on_from_what_was_done(project: Project) -> None:
    with pytest.raises(StepFailedError):
        project.load(BRANCHES).training()

    run = project.load(BRANCHES.replace("x // 0", "x // 1")).training()

    assert ran(run) == ["broken", "after_broken"]
    assert run.output == 4


def test_a_failing_run_moves_no_exclusive_tag_and_marks_its_model_version(project: Project) -> None:
    good = project.load(BRANCHES.replace("x // 0", "x // 1")).training()
    with pytest.raises(StepFailedError):
        project.load(BRANCHES).training()

    bad = last_run(project)

    assert sorted(good.tags) == ["exp", "latest", "plain"]
    assert sorted(bad.tags) == ["exp", "plain"]
    assert bad.steps["independent"].output.tags == ["exp"]
    assert not good.model_version.failed
    assert bad.model_version.failed
    assert project.client.get_model_version("iris").number == good.model_version.number == 1


RETRYING = """
from pathlib import Path

@step(retries=3, retry_delay_s=0.01)
def flaky(fails: int = 2) -> int:
    file = Path("attempts")
    n = int(file.read_text()) if file.exists() else 0
    file.write_text(str(n + 1))
    print("attempt", n)
    log_metadata({"n": n})
    if n < fails:
        raise OSError(f"attempt {n}")
    return n

@pipeline
def training(fails: int = 2):
    return flaky(fails)
"""


def test_a_step_is_tried_again_and_every_attempt_is_recorded(project: Project) -> None:
    run = project.load(RETRYING).training()

    assert run.output == 2
    assert run.metadata == {"n": 2}
    rows = project.client.query("select attempt, status from steps order by attempt").to_dict("records")
    assert rows == [
        {"attempt": 1, "status": "failed"},
        {"attempt": 2, "status": "failed"},
        {"attempt": 3, "status": "completed"},
    ]
    assert statuses(run.refresh()) == {"flaky": "completed"}


def test_a_step_that_fails_every_time_fails_with_its_last_error(project: Project) -> None:
    with pytest.raises(StepFailedError, match="attempt 3"):
        project.load(RETRYING).training(fails=99)

    assert project.client.query("select count(*) as n from steps").n[0] == 4


SLOW = """
import time

@step
def quick() -> int:
    return 1

@step(TIMEOUT)
def slow(x: int, seconds: float = 20.0) -> int:
    print("begun", flush=True)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.005)
    return x

@step
def last(x: int) -> int:
    return x

@pipeline(tags=[Tag(name="latest", exclusive=True)])
def training(seconds: float = 20.0):
    return last(slow(quick(), seconds))
"""


def wait_until(is_so: Any, at_most_s: float = 20.0) -> None:
    deadline = time.monotonic() + at_most_s
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_a_stopped_run_is_interrupted_keeps_what_was_done_and_moves_no_tag(project: Project) -> None:
    flow = project.load(SLOW.replace("TIMEOUT", ""))
    handle = flow.training.start()
    wait_until(
        lambda: any(
            step.status is Status.RUNNING and node == "slow"
            for node, step in project.client.runs.get(handle.id).steps.items()
        )
    )
    assert handle.status is Status.RUNNING
    assert project.client.runs.get(handle.id).status is Status.RUNNING

    handle.stop()

    with pytest.raises(RunInterruptedError) as stopped:
        handle.wait()
    assert (stopped.value.run_id, stopped.value.step) == (handle.id, "slow")
    run = project.client.runs.get(handle.id)
    assert run.status is handle.status is Status.INTERRUPTED
    assert statuses(run) == {"quick": "completed", "slow": "interrupted", "last": "interrupted"}
    assert run.tags == []
    assert flow.training(seconds=0.0).steps["quick"].status is Status.REUSED


def test_an_interrupt_of_the_caller_stops_the_run(project: Project) -> None:
    project.load(SLOW.replace("TIMEOUT", ""))

    done = project.python("""
        import os, signal, threading
        import flow
        from nbpipe.services.watching import watch_runs

        def told(node, settled):
            if node == "slow" and settled is None:
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

        watch_runs(lambda started: told)
        try:
            flow.training()
        except KeyboardInterrupt:
            print("stopped")
    """)

    assert done.stdout.splitlines() == ["begun", "stopped"], done.stderr
    assert last_run(project).status is Status.INTERRUPTED
    assert last_run(project).ended is not None


def test_a_run_that_is_stopped_too_late_is_a_completed_run(project: Project) -> None:
    flow = project.load(SLOW.replace("TIMEOUT", ""))
    handle = flow.training.start(seconds=0.0)
    run = handle.wait()

    handle.stop()
    handle.stop()

    assert handle.wait().status is run.refresh().status is Status.COMPLETED
    assert run.tags == ["latest"]


def test_stopping_at_any_moment_leaves_every_step_told_once(project: Project) -> None:
    flow = project.load("""
    @step(cache=False)
    def one(x: int = 0) -> int:
        return x + 1

    @pipeline(cache=False)
    def training():
        value = one()
        for _ in range(30):
            value = one(value)
    """)
    for n in range(12):
        handle = flow.training.start()
        time.sleep(n * 0.0007)
        handle.stop()
        with suppress(RunInterruptedError):
            handle.wait()
        run = project.client.runs.get(handle.id)
        told = project.client.query(f"select node from steps where run_id = '{handle.id}'").node.tolist()
        assert run.status.is_over
        assert len(told) == len(set(told)) == 31
        assert (run.status is Status.COMPLETED) == (set(statuses(run).values()) == {"completed"})


@pytest.mark.parametrize("exit_with", ["KeyboardInterrupt()", "SystemExit(3)", "GeneratorExit()"])
def test_a_step_that_leaves_in_an_unusual_way_ends_its_run(project: Project, exit_with: str) -> None:
    flow = project.load(f"""
    @step
    def leave() -> int:
        raise {exit_with}

    @step
    def other() -> int:
        return 1

    @pipeline
    def training():
        leave()
        other()
    """)

    with pytest.raises((StepFailedError, RunInterruptedError)):
        flow.training()

    is_stop = exit_with.startswith("Keyboard")
    run = last_run(project)
    assert run.status is (Status.INTERRUPTED if is_stop else Status.FAILED)
    assert statuses(run)["other"] == ("interrupted" if is_stop else "completed")


def test_a_step_that_runs_longer_than_its_timeout_fails_typed_and_may_be_tried_again(project: Project) -> None:
    flow = project.load(SLOW.replace("TIMEOUT", "timeout_s=0.15, retries=1"))

    with pytest.raises(StepTimeoutError, match=r"'slow' ran longer than its timeout of 0.15 s"):
        flow.training()

    assert statuses(last_run(project)) == {"quick": "completed", "slow": "failed", "last": "skipped"}
    assert project.client.query("select count(*) as n from steps where node = 'slow'").n[0] == 2
    assert flow.training(seconds=0.0).output == 1


PRINTING = """
import logging, os, sys, warnings
logging.basicConfig(force=True, format="%(levelname)s %(message)s", level=logging.INFO)

@step
def talk() -> int:
    print("out")
    print("err", file=sys.stderr)
    logging.getLogger("mine").info("logged")
    return 1

@step
def quiet(x: int) -> int:
    return x

@pipeline
def training():
    return quiet(talk())
"""


def test_what_a_step_prints_and_logs_is_kept_with_it_and_passed_on(project: Project, capsys: Any) -> None:
    stdout, stderr = sys.stdout, sys.stderr

    run = project.load(PRINTING).training()

    said = capsys.readouterr()
    assert said.out == "out\n"
    assert said.err == "err\nINFO logged\n"
    assert run.steps["talk"].logs == run.refresh().steps["talk"].logs == "out\nerr\nINFO logged\n"
    assert run.steps["quiet"].logs == ""
    assert (sys.stdout, sys.stderr) == (stdout, stderr)


MUTATING = """
class Counter:
    def __init__(self):
        self.n = 0
    def __eq__(self, other):
        return self.n == other.n
    __hash__ = None

@step
def make() -> Any:
    return VALUE

@step(cache=False)
def spoil(value: Any) -> Any:
    CHANGE
    return 0

@step(cache=False)
def look(value: Any, after_spoiled: Any) -> Any:
    return value

@pipeline(cache=False)
def training():
    value = make()
    return look(value, spoil(value))
"""


MUTATED = [
    ("[1, [2]]", "value.append(3); value[1].append(9)"),
    ("{'a': [1]}", "value['a'].append(2); value['b'] = 1"),
    ("{1, 2}", "value.add(3)"),
    ("bytearray(b'ab')", "value[0] = 0"),
    ("np.arange(5)", "value[0] = 99"),
    ("np.arange(300_000.0)", "value[:] = 99"),
    ("np.arange(300_000.0).reshape(600, 500)[::2, 1:]", "value[:] = 99"),
    ("pd.DataFrame({'a': [1, 2], 'b': ['x', 'y']})", "value['a'] = 5; value.loc[0, 'b'] = 'z'; value.pop('b')"),
    ("pd.DataFrame({'a': range(300_000)})", "value['a'] = 5; value['new'] = 1"),
    ("pd.DataFrame({'a': range(300_000)})", "value.values.flags.writeable and value.values.fill(7)"),
    ("pd.DataFrame({'a': [[1], [2]]})", "value['a'][0].append(9)"),
    ("pd.Series(range(300_000), name='s')", "value.iloc[0] = 99; value.name = 't'"),
    ("Counter()", "value.n += 1"),
    ("(1, [2])", "value[1].append(3)"),
    ("[np.zeros(3), pd.DataFrame({'a': [1]})]", "value[0][0] = 1; value[1]['a'] = 2"),
]


def test_a_step_never_sees_what_another_did_to_the_same_value(project: Project) -> None:
    for value, change in MUTATED:
        flow = project.load(MUTATING.replace("VALUE", value).replace("CHANGE", change))

        run = flow.training()

        made, seen = run.steps["make"].output.load(), run.output
        expected = flow.make.function()
        for found in (made, seen):
            if hasattr(expected, "equals"):
                assert found.equals(expected), change
                assert getattr(found, "name", None) == getattr(expected, "name", None), change
            elif type(expected).__module__ == "numpy":
                assert (found == expected).all(), change
            else:
                assert repr(found) == repr(expected) or found == expected, change


def test_what_is_stored_is_what_was_returned_even_if_the_producer_goes_on_changing_it(project: Project) -> None:
    flow = project.load(
        """
    FRAMES = np.zeros(400_000)

    @step
    def make() -> Any:
        return KEPT[0]

    KEPT = []

    @step(cache=False)
    def spoil(x: Any) -> int:
        x[:] = 7
        return 1

    @pipeline(cache=False)
    def training():
        return spoil(make())
    """.replace(
            "return KEPT[0]", "import builtins\n        builtins.kept = np.zeros(400_000)\n        return builtins.kept"
        ).replace("x[:] = 7", "import builtins\n        builtins.kept[:] = 7\n        del builtins.kept")
    )

    run = flow.training()

    assert run.steps["make"].output.load().sum() == 0


def test_a_fitted_estimator_is_handed_on_as_it_was_returned(project: Project) -> None:
    flow = project.load("""
    from sklearn.linear_model import LinearRegression

    @step
    def fit() -> LinearRegression:
        return LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([0.0, 2.0]))

    @step
    def spoil(model: LinearRegression) -> float:
        model.coef_[:] = 100
        return 0.0

    @step
    def predict(model: LinearRegression, spoiled: float) -> float:
        return float(model.predict(np.array([[3.0]]))[0])

    @pipeline
    def training():
        model = fit()
        return predict(model, spoil(model))
    """)

    assert flow.training().output == pytest.approx(6.0)


NOT_STORABLE = """
@step
def opened() -> tuple[Annotated[Any, "handle"], Annotated[int, "n"]]:
    return (i for i in range(3)), 5

@step
def reads_number(n: int) -> int:
    return n

@step
def reads_handle(handle: Any) -> int:
    return len(list(handle))

@pipeline
def good():
    _, n = opened()
    return reads_number(n)

@pipeline
def bad():
    handle, n = opened()
    reads_handle(handle)
    return reads_number(n)
"""


def test_an_output_that_cannot_be_stored_is_told_only_where_it_is_read(project: Project) -> None:
    flow = project.load(NOT_STORABLE)

    assert flow.good().output == 5
    with pytest.raises(NotStorableError) as refused:
        flow.bad()

    assert refused.value.name == "handle"
    assert "generator" in str(refused.value)
    assert "opened gives it and reads_handle reads it: make it in reads_handle" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2
    assert statuses(last_run(project))["reads_number"] in ("completed", "reused")


def test_a_tuple_of_another_length_than_declared_is_refused_with_the_names(project: Project) -> None:
    for nth, returned in enumerate(["1", "(1,)", "(1, 2, 3)", "[1, 2]", "None"], start=1):
        flow = project.load(f"""
        @step
        def pair() -> tuple[Annotated[int, "a"], Annotated[int, "b"]]:
            return {returned}

        @pipeline
        def training():
            pair()
        """)

        with pytest.raises(DefinitionError, match=r"'pair' says it gives 2 outputs \(a, b\)"):
            flow.training()
            pytest.fail(f"{returned} was taken")
        assert [run.status for run in project.client.runs.list()] == [Status.FAILED] * nth, returned


def test_a_pointer_is_handed_over_unloaded_whatever_the_size(project: Project) -> None:
    flow = project.load("""
    @step
    def make(size: int) -> Annotated[Any, "data"]:
        return np.zeros(size)

    @step
    def point(data: UnmaterializedArtifact) -> list:
        return [data.id, data.name, data.type, data.version]

    @pipeline
    def training(size: int):
        return point(make(size))
    """)

    for size in (3, 400_000):
        run = flow.training(size=size)
        made = run.steps["make"].output
        assert run.output[:3] == [made.id, "data", "numpy.ndarray"]


def test_nothing_is_handed_on_by_a_step_that_gives_nothing(project: Project) -> None:
    flow = project.load("""
    from pathlib import Path

    @step
    def write() -> None:
        Path("marker").write_text("x")

    @step(after=["write"])
    def read() -> bool:
        return Path("marker").exists()

    @pipeline
    def training():
        write()
        return read()
    """)

    run = flow.training()

    assert run.output is True
    assert run.graph.edges == (("write", "read"),)
    assert run.steps["write"].outputs == {}


BACKGROUND = """
@step
def make(n: int = 400_000) -> Annotated[Any, "frame"]:
    return pd.DataFrame({"a": np.arange(n, dtype="float64")})

@step
def double(frame: Any) -> Annotated[Any, "doubled"]:
    return frame * 2

@step
def total(doubled: Any) -> float:
    return float(doubled["a"].sum())

@pipeline
def training(n: int = 400_000):
    return total(double(make(n)))
"""


def records(project: Project, run: Any) -> list[dict[str, Any]]:
    sql = f"""
        select s.node, s.status, s.cache_key, s.source, l.direction, l.name,
            a.name as artifact, a.digest, a.number, a.type_name
        from steps s left join lineage l on l.step_id = s.id left join artifacts a on a.id = l.artifact_id
        where s.run_id = '{run.id}' order by s.node, l.direction, l.name
    """
    return project.client.query(sql).fillna("").to_dict("records")


def test_outputs_stored_behind_the_next_step_leave_the_same_records(project: Project, monkeypatch: Any) -> None:
    behind = project.load(BACKGROUND).training()
    found = records(project, behind)

    from nbpipe.store import keeping

    monkeypatch.setattr(keeping, "mutables_of_large", lambda value: None)
    in_front = project.load(BACKGROUND).training.with_options(cache=False)()

    assert behind.output == in_front.output
    assert len(found) == 5
    expected = records(project, in_front)
    for row in expected:
        row["number"] = 1
    assert found == expected
    assert ran(project.load(BACKGROUND).training()) == []


def test_a_disk_that_is_full_while_storing_behind_fails_the_run_typed_and_leaves_nothing_half_done(
    project: Project, monkeypatch: Any
) -> None:
    from nbpipe.errors import NotRecordedError
    from nbpipe.store.blobs import BlobStore

    write = BlobStore.write

    def full(self: BlobStore, pieces: Any, known: str = "") -> str:
        if sum(memoryview(piece).nbytes for piece in pieces) > 10**6:
            raise NotRecordedError(self.root, "No space left on device")
        return write(self, pieces, known)

    flow = project.load(BACKGROUND)
    with monkeypatch.context() as patched:
        patched.setattr(BlobStore, "write", full)
        with pytest.raises(NotRecordedError, match="No space left"):
            flow.training()

    run = last_run(project)
    assert run.status is Status.FAILED
    assert run.error.startswith("NotRecordedError")
    assert statuses(run)["make"] == "failed"
    again = flow.training()
    assert ran(again)[:2] == ["make", "double"]
    assert again.output == float(sum(range(400_000)) * 2)


def test_facts_of_stored_outputs_do_not_wait_for_the_end_of_the_run(project: Project) -> None:
    flow = project.load("""
    import threading, builtins

    @step
    def make() -> Any:
        return np.zeros(400_000)

    @step
    def between(x: Any) -> int:
        import time
        time.sleep(0.3)
        return 1

    @step
    def wait(x: int) -> int:
        import builtins
        builtins.going_on.wait(20)
        return x

    @pipeline
    def training():
        return wait(between(make()))
    """)
    import builtins

    builtins.going_on = threading.Event()  # type: ignore[attr-defined]
    try:
        handle = flow.training.start()
        wait_until(lambda: statuses(project.client.runs.get(handle.id)).get("wait") == "running")
        seen = statuses(project.client.runs.get(handle.id))
        builtins.going_on.set()  # type: ignore[attr-defined]
        handle.wait()
    finally:
        del builtins.going_on  # type: ignore[attr-defined]

    assert seen == {"make": "completed", "between": "completed", "wait": "running"}


SAYING = """
@step
def train() -> Annotated[float, "model"]:
    log_metadata({"accuracy": 0.9})
    log_metadata({"model": {"accuracy": 0.9}}, infer_model=True)
    log_metadata({"rows": 5}, infer_artifact=True)
    add_tags(["from-step"])
    add_tags(["on-artifact", Tag(name="best", exclusive=True)], infer_artifact=True)
    return 0.9

@pipeline(model=Model(name="iris", tags=["sklearn"]), tags=["declared"])
def training():
    return train()
"""


def test_what_a_reused_step_said_is_said_again_of_the_new_run_and_the_new_model_version(project: Project) -> None:
    first = project.load(SAYING).training()
    project.reopen()

    again = project.load(SAYING).training()

    assert again.steps["train"].status is Status.REUSED
    for run in (first.refresh(), again, again.refresh()):
        assert run.metadata == {"accuracy": 0.9}
        assert sorted(run.tags) == ["declared", "from-step"]
        assert run.model_version.metadata == {"model": {"accuracy": 0.9}}
        assert run.steps["train"].output.metadata == {"rows": 5}
        assert sorted(run.steps["train"].output.tags) == ["best", "on-artifact"]
        assert run.steps["train"].metrics == {"accuracy": 0.9, "model.accuracy": 0.9, "rows": 5.0}
    assert again.model_version.number == 2
    assert again.steps["train"].output.id == first.steps["train"].output.id
    assert again.steps["train"].output.version == 1


NOTING = """
@step
def load(n: int) -> int:
    return n

@step
def train(x: int) -> int:
    log_metadata({"accuracy": 0.9})
    return x + 1

@pipeline
def training(n: int = 1, m: int = 1):
    train(load(n))
    return train(load(m))
"""
REUSED_FACTS = """
    SELECT node, step, why, source, parameters, inputs, reused_from FROM steps WHERE run_id = $run ORDER BY node
"""


def test_every_run_that_reuses_the_same_says_the_same_of_it(project: Project) -> None:
    flow = project.load(NOTING)
    flow.training()

    runs = [flow.training() for _ in range(3)]

    catalog = project.client.workspace.catalog
    first, second, third = (catalog.rows(REUSED_FACTS, {"run": run.id}) for run in runs)
    assert first == second == third
    assert [row["node"] for row in first] == ["load", "load_2", "train", "train_2"]
    assert all(run.metadata == {"accuracy": 0.9} for run in runs)
    assert len({run.steps["train"].id for run in runs}) == 3
    flow.training(n=2)
    again = flow.training(n=2, m=2)
    assert catalog.rows(REUSED_FACTS, {"run": again.id})[0]["parameters"] == {"n": 2}


def test_a_run_looks_the_same_to_who_ran_it_and_to_who_finds_it(project: Project) -> None:
    run = project.load(SAYING).training()

    found = run.refresh()

    same = (
        "id",
        "name",
        "pipeline",
        "kind",
        "status",
        "parameters",
        "differences",
        "snapshot",
        "model_version_id",
        "error",
        "metadata",
        "metrics",
    )
    for name in same:
        assert getattr(found, name) == getattr(run, name), name
    for node, step in run.steps.items():
        other = found.steps[node]
        for name in ("id", "node", "status", "why", "parameters", "error", "logs", "metrics"):
            assert getattr(other, name) == getattr(step, name), name
        assert {key: (a.id, a.version, a.run_id, a.step) for key, a in step.outputs.items()} == {
            key: (a.id, a.version, a.run_id, a.step) for key, a in other.outputs.items()
        }
    assert found.output == run.output


SAID_WRONGLY: list[tuple[str, type[Exception]]] = [
    ("add_tags([Tag(name='x', cascade=True)])", ConflictError),
    ("add_tags([Tag(name='declared', exclusive=True)])", ConflictError),
    ("add_tags('x')", ValueError),
    ("log_metadata({'x': object()})", ValueError),
    ("log_metadata({'x': 1}, artifact_name='nothing')", LookupError),
    ("log_metadata({'x': 1}, infer_model=True)", ConflictError),
]


def test_what_a_step_says_wrongly_fails_the_step_where_it_says_it(project: Project) -> None:
    project.load(
        SAYING.replace('tags=["declared"]', 'tags=[Tag(name="declared", exclusive=False)]'), "other"
    ).training()

    for nth, (call, error) in enumerate(SAID_WRONGLY, start=1):
        flow = project.load(f"""
        @step
        def bad() -> int:
            {call}
            return 1

        @pipeline(tags=[Tag(name="declared", exclusive=False)])
        def training():
            return bad()
        """)
        with pytest.raises(StepFailedError) as failed:
            flow.training()
            pytest.fail(f"{call} was taken")

        assert isinstance(failed.value.__cause__, error), call
        assert call in failed.value.traceback_text
        assert [run.status for run in project.client.runs.list(limit=nth)] == [Status.FAILED] * nth, call


def test_tags_that_contradict_each_other_only_at_the_end_still_end_the_run(project: Project) -> None:
    flow = project.load("""
    @step
    def one() -> int:
        add_tags([Tag(name="new", exclusive=True)])
        return 1

    @step
    def two(x: int) -> int:
        add_tags([Tag(name="new", exclusive=False)])
        return x

    @pipeline(model=Model(name="iris"))
    def training():
        return two(one())
    """)

    with pytest.raises(ConflictError, match="'new'"):
        flow.training()

    run = last_run(project)
    assert run.status is Status.FAILED
    assert run.error.startswith("ConflictError")
    assert run.steps["two"].output.version == 1
    assert run.model_version.failed
