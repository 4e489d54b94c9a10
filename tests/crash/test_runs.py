"""A process that dies in the middle of a run: nothing that was done is lost, and somebody says how it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.records.runs import Status
from nbpipe.services.ending import end_abandoned
from tests.flows.project import HEAD, ROOT, Project, project_in, ran

FLOW = """
import os, signal, sys, time

@step
def load(n: int = 5) -> Annotated[list, "raw"]:
    log_metadata({"rows": n})
    add_tags(["seen"])
    add_tags(["good"], infer_artifact=True)
    return list(range(n))

@step
def total(data: list) -> Annotated[float, "sum"]:
    return float(sum(data))

@step
def dies(value: float, how: str) -> float:
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        os._exit(3)
    if how == "wait":
        print("waiting", flush=True)
        for _ in range(6000):
            time.sleep(0.01)
    return value

@step
def after(value: float) -> float:
    return value

@pipeline(
    tags=["declared", Tag(name="latest", exclusive=True), Tag(name="exp", cascade=True)],
    model=Model(name="iris"),
)
def training(how: str = "no"):
    data = load()
    return after(dies(total(data), how))
"""
DIE = "import flow; flow.training(how={how!r})"
# One process for each way to die: in a step, or before the write of a number. What each says and its exit code are
# put beside its workspace.
DYING = """
import os, signal, sys
from nbpipe.catalog.processlog import ProcessLog
from nbpipe.catalog.operationlog import OperationLog
import flow

def counted(write):
    def then(self, *args, **told):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return write(self, *args, **told)
    return then

ways = ["kill", "exit", *map(str, range(9))]
for way in ways:
    pid = os.fork()
    if not pid:
        break
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with open(way + ".said") as said, open(way + ".txt", "w") as told:
        told.write(f"{code}\\n" + said.read())
else:
    sys.exit()

os.environ["NBPIPE_HOME"] = os.path.abspath(way)
sys.stdout = open(way + ".said", "w")
if way.isdecimal():
    left = [int(way)]
    ProcessLog._write = counted(ProcessLog._write)
    OperationLog._decide = counted(OperationLog._decide)
    flow.training()
    print("done")
else:
    flow.training(how=way)
"""


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Any:
    with project_in(workspace, monkeypatch) as found:
        yield found


def statuses(run: Any) -> dict[str, str]:
    return {node: step.status.value for node, step in run.steps.items()}


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the workspaces that processes left which died, each once: nobody has opened them since.

    The processes are forks of one that has imported everything and opened nothing.
    """
    folder = tmp_path_factory.mktemp("left")
    (folder / "flow.py").write_text(f"{HEAD}\n{FLOW}", encoding="utf-8")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    subprocess.run([sys.executable, "-c", DYING], cwd=folder, env=variables, timeout=120, check=True)
    return folder


@pytest.fixture
def die(left_behind: Path, project: Project) -> Any:
    """Give the function that puts a workspace in place as a process left it; it gives what that process said."""

    def put(how: str = "kill") -> str:
        shutil.copytree(left_behind / how, project.folder / ".nbpipe", dirs_exist_ok=True)
        code, said = (left_behind / f"{how}.txt").read_text().split("\n", 1)
        assert (code == "0") == (how == "8")
        flow = project.load(FLOW)
        assert flow.training.name == "training"
        return said

    return put


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_killed_run_is_told_as_interrupted_with_all_that_it_had_done(project: Project, die: Any, how: str) -> None:
    die(how)

    (run,) = project.client.runs.list()

    assert run.status is Status.INTERRUPTED
    assert statuses(run) == {"load": "completed", "total": "completed", "dies": "interrupted"}
    assert run.metadata == {"rows": 5}
    assert run.steps["load"].output.load() == [0, 1, 2, 3, 4]
    assert project.client.workspace.catalog.check() == []


def test_whoever_lists_or_publishes_first_records_its_end_once(project: Project, die: Any) -> None:
    die()

    for _ in range(2):
        (run,) = project.client.runs.list()
        project.client.workspace.catalog.publish()
        project.reopen()

    assert run.ended is not None
    assert sorted(run.tags) == ["declared", "exp", "seen"]
    assert {node: step.output.version for node, step in run.steps.items() if step.outputs} == {"load": 1, "total": 1}
    assert sorted(run.steps["load"].output.tags) == ["exp", "good"]
    assert run.model_version.failed
    ends = project.client.query(f"select count(*) as n from tags where entity_id = '{run.id}'")
    assert ends.n[0] == 3


def test_it_happens_without_anybody_asking_for_it(project: Project, die: Any) -> None:
    die()

    run = project.load(FLOW).training()
    project.reopen()

    rows = project.client.workspace.catalog.rows("select status, ended from runs order by seq")
    assert [row["status"] for row in rows] == ["interrupted", "completed"]
    assert rows[0]["ended"] is not None
    assert sorted(run.refresh().tags) == ["declared", "exp", "latest", "seen"]


def test_the_next_run_reuses_what_the_dead_one_had_finished(project: Project, die: Any) -> None:
    die()

    run = project.load(FLOW).training()

    assert ran(run) == ["dies", "after"]
    assert run.output == 10.0
    assert run.model_version.number == 2
    assert project.client.get_model_version("iris").number == 2


def test_a_run_that_goes_on_in_another_process_is_running_and_is_not_ended_by_us(project: Project) -> None:
    project.load(FLOW)
    process = project.process(DIE.format(how="wait"))
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "waiting\n"
        (run,) = project.client.runs.list()
        project.client.workspace.catalog.publish()
        assert run.status is project.client.runs.list()[0].status is Status.RUNNING
        assert statuses(run)["dies"] == "running"
        assert run.ended is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

    (run,) = project.client.runs.list()
    assert run.status is Status.INTERRUPTED
    assert run.ended is not None


def test_an_interrupt_of_the_process_ends_the_run_itself(project: Project) -> None:
    project.load(FLOW)
    process = project.process(
        "try:\n    " + DIE.format(how="wait") + "\nexcept KeyboardInterrupt:\n    print('stopped')"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"

    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]

    assert said == "stopped\n"
    rows = project.client.workspace.catalog.rows("select status, ended from runs")
    assert [(row["status"], row["ended"] is not None) for row in rows] == [("interrupted", True)]


def test_two_who_find_the_same_dead_run_say_the_same(project: Project, die: Any) -> None:
    die()
    catalog = project.client.workspace.catalog
    (log,) = [path for path in catalog.paths.logs.glob("*.log") if "run_started" in path.read_text()]
    facts = [json.loads(line[line.index("{") :]) for line in log.read_text().splitlines()]
    run_id = next(fact["id"] for fact in facts if fact.get("k") == "run_started")
    left = [fact for fact in facts if run_id in (fact.get("run"), fact["id"])]

    for _ in range(3):
        end_abandoned(catalog, run_id, left, ())

    assert project.client.query("select max(number) as n from artifacts").n[0] == 1
    assert project.client.runs.get(run_id).status is Status.INTERRUPTED


def cells_that_die(project: Project) -> None:
    project.write(
        "session.py",
        """
        import os, signal
        from nbpipe.define.cells import CellStep
        from nbpipe.execute.prepared import Inputs, Prepared
        from nbpipe.services.client import Client
        from nbpipe.services.interactive import InteractiveRun

        run = InteractiveRun(Client().workspace, "notebook")
        for n in range(2):
            prepared = Prepared.of(CellStep(name=f"cell{n}", text=f"x = {n}"))
            execution = run.plan(prepared, Inputs(), f"cell{n}", {})
            run.begin(execution)
            run.leave(execution)
            run.commit(execution, {"x": n}, {}, 0.0)
        os.kill(os.getpid(), signal.SIGKILL)
    """,
    )
    project.python("import session")


def test_the_run_of_a_killed_kernel_keeps_the_numbers_that_its_artifacts_have(project: Project) -> None:
    cells_that_die(project)

    (run,) = project.client.runs.list()

    assert (run.status, run.kind) == (Status.INTERRUPTED, "interactive")
    assert {node: step.output.version for node, step in run.steps.items()} == {"cell0": 1, "cell1": 2}
    assert project.client.query("select number from artifacts order by number").number.tolist() == [1, 2]


@pytest.mark.parametrize("n", range(9))
def test_a_run_killed_before_any_of_its_writes_leaves_a_catalog_that_opens_and_goes_on(
    project: Project, die: Any, n: int
) -> None:
    said = die(str(n))

    before = project.client.runs.list()
    again = project.load(FLOW).training()

    assert all(run.status.is_over for run in before)
    assert len(before) == (0 if n <= 1 else 1)
    assert ("done" in said) == (n == 8) == [run.status for run in before].count(Status.COMPLETED)
    assert again.output == 10.0
    assert again.refresh().status is Status.COMPLETED
    assert project.client.query("select count(*) as n from tags where tag = 'latest'").n[0] == 1
    assert project.client.workspace.catalog.check() == []
    numbers = project.client.query("select name, number from artifacts where name = 'raw'").number
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


LARGE = """
import os, signal, time

@step
def big() -> Any:
    return np.zeros(400_000)

@step
def long(data: Any) -> int:
    catalog = Client().workspace.catalog
    while not catalog.rows("select id from steps where node = 'big' and status = 'completed'"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

@pipeline
def training():
    long(big())
"""


def test_what_was_stored_behind_a_long_step_is_on_record_before_that_step_ends(project: Project) -> None:
    project.load(LARGE)
    done = project.python("import flow; flow.training()")

    (run,) = project.client.runs.list()

    assert done.returncode == -signal.SIGKILL
    assert statuses(run) == {"big": "completed", "long": "interrupted"}
    assert run.steps["big"].output.load().shape == (400_000,)
    assert run.steps["big"].output.version == 1
