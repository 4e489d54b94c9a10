"""A cluster that somebody else started: reached, looked at, used, and lost.

What holds of every executor is in `tests/laws/test_executors*`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from nbpipe.errors import EnvironmentMismatchError, ExecutorError, WorkerLostError
from nbpipe.execute import dask_executor as module
from nbpipe.execute.dask_executor import dask_executor
from nbpipe.execute.dask_worker import said_of_versions
from nbpipe.execute.executors import executor_for
from nbpipe.records.runs import Status
from tests.execute.clusters import Cluster, cluster_in
from tests.flows.project import Project
from tests.laws.runs import attempts_of, ended, is_alive, kill_in_mid_step, pid_in, run_on, statuses, wait_until

FLOW = """
import os, time
from pathlib import Path

@step
def load(n: int = 3) -> list:
    print("loading", n)
    return list(range(n))

@step(resources={"GPU": 1})
def costly(data: list) -> int:
    return len(data)

@step(resources={"TPU": 2})
def impossible(data: list) -> int:
    return len(data)

@step(cache=False)
def idle(data: list, place: str) -> int:
    with open(place + ".log", "a") as file:
        file.write("begun;")
    with open(place, "w") as file:
        file.write(f"{os.getpid()}.")
    time.sleep(600)
    return 0

@step(cache=False, retries=1)
def again(data: list, place: str) -> int:
    if Path(place).exists():
        return 2
    with open(place, "w") as file:
        file.write(f"{os.getpid()}.")
    time.sleep(600)
    return 1

@step
def count(data: list) -> int:
    return len(data)

@step(cache=False)
def meet(place: str, who: str, other: str) -> str:
    Path(place + who).touch()
    while not Path(place + other).exists():
        time.sleep(0.01)
    return who

@pipeline
def counting(n: int = 3):
    return count(load(n))

@pipeline
def spending(n: int = 3):
    return costly(load(n))

@pipeline
def dreaming(n: int = 3):
    return impossible(load(n))

@pipeline
def idling(place: str):
    data = load()
    return idle(data, place), count(data)

@pipeline
def insisting(place: str):
    return again(load(), place)

@pipeline
def meeting(place: str):
    return meet(place, "a", "b"), meet(place, "b", "a")
"""


@pytest.fixture
def flow(project: Project) -> Any:
    return project.load(FLOW)


@pytest.fixture
def place(project: Project) -> Path:
    return project.folder / "pid"


@pytest.fixture
def cluster(tmp_path: Path, project: Project) -> Iterator[Cluster]:
    """Give a scheduler without workers; whoever was connected to it is not any more afterwards."""
    with cluster_in(tmp_path) as made:
        yield made
        for (_, address), executor in list(module._executors.items()):
            if address == made.address:
                executor.close()


def test_without_the_package_it_says_how_to_install_it(
    project: Project, flow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(EnvironmentMismatchError, match=r"pip install 'nbpipe\[dask\]'"):
        flow.counting.with_options(executor="dask:tcp://127.0.0.1:9")()

    assert project.client.runs.list() == []


def test_a_worker_of_another_version_is_told_with_both() -> None:
    said = said_of_versions("far", ("0.0.9", "3.11"), ("0.1.0", "3.13"))

    assert "far has nbpipe 0.0.9 and Python 3.11; this process has nbpipe 0.1.0 and Python 3.13" in said


@pytest.mark.extras
@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:9", "127.0.0.1:9", "nonsense", "tcp://", "http://127.0.0.1:9", "tcp://no.such.host.invalid:1"],
)
def test_a_scheduler_that_does_not_answer_is_named_and_nothing_is_written(
    project: Project, flow: Any, address: str
) -> None:
    with pytest.raises(ExecutorError) as refused:
        flow.counting.with_options(executor=f"dask:{address}")()

    assert f"at '{address}'" in str(refused.value)
    assert "dask scheduler" in str(refused.value)
    assert len(str(refused.value)) < 600
    assert project.client.runs.list() == []


@pytest.mark.extras
def test_a_cluster_without_workers_is_told(
    project: Project, flow: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ANSWER_S", 2.0)

    with pytest.raises(ExecutorError, match=f"{cluster.address} has no worker"):
        flow.counting.with_options(executor=f"dask:{cluster.address}")()

    assert project.client.runs.list() == []


@pytest.mark.extras
def test_steps_run_on_the_workers_at_an_address_and_are_heard(
    flow: Any, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.add_worker(threads=2)

    run = run_on(f"dask:{cluster.address}", flow.counting, n=4)

    assert run.output == 4
    assert "[load] loading 4\n" in capsys.readouterr().out
    assert executor_for(f"dask:{cluster.address}").slots == 2  # type: ignore[union-attr]


@pytest.mark.extras
def test_a_worker_that_joins_is_used_in_the_run_that_goes_on(flow: Any, cluster: Cluster, place: Path) -> None:
    cluster.add_worker()
    handle = flow.meeting.with_options(executor=f"dask:{cluster.address}").start(place=str(place))

    cluster.add_worker()

    assert ended(handle).status is Status.COMPLETED


@pytest.mark.extras
def test_what_a_step_needs_a_worker_must_have(project: Project, flow: Any, cluster: Cluster) -> None:
    cluster.add_worker()
    with pytest.raises(ExecutorError, match=r"'costly' needs GPU=1.*declared there: none") as refused:
        flow.spending.with_options(executor=f"dask:{cluster.address}")()
    assert f"dask worker {cluster.address} --resources 'GPU=1'" in str(refused.value)

    cluster.add_worker("--resources", "GPU=1")
    run = run_on(f"dask:{cluster.address}", flow.spending)
    with pytest.raises(ExecutorError, match=r"'impossible' needs TPU=2.*declared there: GPU=1"):
        flow.dreaming.with_options(executor=f"dask:{cluster.address}")()

    assert run.output == 3
    assert len(project.client.runs.list()) == 1


@pytest.mark.extras
def test_a_worker_with_another_nbpipe_is_told_before_anything_runs(
    project: Project, flow: Any, cluster: Cluster, tmp_path: Path
) -> None:
    folder = tmp_path / "other" / "nbpipe-9.9.9.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: nbpipe\nVersion: 9.9.9\n")
    cluster.add_worker(PYTHONPATH=f"{folder.parent}{os.pathsep}{os.environ['PYTHONPATH']}")

    with pytest.raises(ExecutorError, match=r"has nbpipe 9\.9\.9 and Python 3"):
        flow.counting.with_options(executor=f"dask:{cluster.address}")()

    assert project.client.runs.list() == []


@pytest.mark.extras
def test_a_worker_that_does_not_see_the_workspace_is_told_with_its_host_and_the_folder(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.add_worker()
    descriptor = os.open(tmp_path, os.O_RDONLY)
    # A path that means something in this process alone.
    folder = Path(f"/proc/self/fd/{descriptor}/.nbpipe")
    try:
        with pytest.raises(ExecutorError) as refused:
            dask_executor(cluster.address).check(folder, {})
    finally:
        os.close(descriptor)

    assert os.uname().nodename in str(refused.value)
    assert str(folder) in str(refused.value)
    assert not list((tmp_path / ".nbpipe").rglob(".claim*"))


@pytest.mark.extras
@pytest.mark.parametrize("others", [0, 1])
def test_a_step_is_lost_with_its_worker_and_does_not_begin_again(
    project: Project, flow: Any, cluster: Cluster, place: Path, others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WITHOUT_WORKERS_S", 2.0)
    cluster.add_worker()
    handle = flow.idling.with_options(executor=f"dask:{cluster.address}").start(place=str(place))
    pid = pid_in(place)
    for _ in range(others):
        cluster.add_worker()

    cluster.workers[0].kill()
    run = ended(handle)

    assert run.status is Status.FAILED
    assert run.steps["idle"].error.startswith("WorkerLostError: " if others else "ExecutorError: ")
    assert statuses(run)["count"] == ("completed" if others else "failed")
    assert Path(f"{place}.log").read_text() == "begun;"
    wait_until(lambda: not is_alive(pid))
    assert not list(project.client.workspace.paths.blobs.rglob(".claim*"))


@pytest.mark.extras
def test_a_step_that_is_lost_with_its_worker_is_tried_again_elsewhere(
    project: Project, flow: Any, cluster: Cluster, place: Path
) -> None:
    cluster.add_worker()
    handle = flow.insisting.with_options(executor=f"dask:{cluster.address}").start(place=str(place))
    pid_in(place)
    cluster.add_worker()

    cluster.workers[0].kill()

    assert ended(handle).output == 2
    assert attempts_of(project, "again") == [(1, "failed"), (2, "completed")]


@pytest.mark.extras
def test_a_run_whose_scheduler_is_killed_fails_and_the_next_one_finds_a_new_one(
    flow: Any, cluster: Cluster, place: Path, tmp_path: Path
) -> None:
    cluster.add_worker()
    executor = f"dask:{cluster.address}"
    handle = flow.idling.with_options(executor=executor).start(place=str(place))
    pid = pid_in(place)

    cluster.scheduler.send_signal(signal.SIGKILL)

    with pytest.raises(ExecutorError, match="is gone"):
        handle.wait(120)
    assert handle.status is Status.FAILED
    cluster.end()
    wait_until(lambda: not is_alive(pid))
    with cluster_in(tmp_path, port=int(cluster.address.rpartition(":")[2])) as other:
        other.add_worker()
        assert run_on(executor, flow.counting, n=8).output == 8
        dask_executor(cluster.address).close()


@pytest.mark.extras
def test_a_step_of_a_process_that_is_gone_is_ended_on_its_worker(
    flow: Any, project: Project, cluster: Cluster, place: Path
) -> None:
    cluster.add_worker()
    call = f"flow.idling.with_options(executor='dask:{cluster.address}')(place={str(place)!r})"

    pid = kill_in_mid_step(project, call, place)

    wait_until(lambda: not is_alive(pid))
    assert cluster.workers[0].poll() is None


@pytest.mark.extras
def test_a_step_that_waits_for_a_worker_is_stopped_before_it_begins(flow: Any, cluster: Cluster, place: Path) -> None:
    import distributed

    cluster.add_worker()
    with distributed.Client(cluster.address, set_as_default=False) as somebody:
        busy = somebody.submit(time.sleep, 20)
        handle = flow.counting.with_options(executor=f"dask:{cluster.address}").start(n=11)
        wait_until(lambda: len(dask_executor(cluster.address)._open) == 1)

        handle.stop()

        assert statuses(ended(handle)) == {"count": "interrupted", "load": "interrupted"}
        assert busy.status == "pending"


@pytest.mark.extras
def test_a_lost_worker_is_an_error_of_its_step(flow: Any, cluster: Cluster, place: Path) -> None:
    cluster.add_worker()
    cluster.add_worker()
    handle = flow.idling.with_options(executor=f"dask:{cluster.address}").start(place=str(place))
    child = psutil.Process(pid_in(place))

    child.parent().kill()  # type: ignore[union-attr]

    with pytest.raises(WorkerLostError, match="lost with its Dask worker"):
        handle.wait(120)


@pytest.mark.extras
def test_the_cluster_of_this_process_is_open_to_this_machine_alone(flow: Any) -> None:
    executor = dask_executor("")

    listening = {one.laddr.ip for one in psutil.Process().net_connections() if one.status == psutil.CONN_LISTEN}

    assert executor.is_connected
    assert listening <= {"127.0.0.1"}


@pytest.mark.extras
def test_a_run_is_stopped_though_the_worker_of_its_step_answers_no_more(
    flow: Any, cluster: Cluster, place: Path
) -> None:
    worker = cluster.add_worker()
    handle = flow.idling.with_options(executor=f"dask:{cluster.address}").start(place=str(place))
    pid_in(place)

    worker.send_signal(signal.SIGSTOP)
    handle.stop()

    assert ended(handle).steps["idle"].status is Status.INTERRUPTED


@pytest.mark.extras
def test_much_that_is_printed_is_all_kept_and_none_of_it_gets_out_of_order(
    project: Project, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.add_worker()
    flow = project.load("""
    @step(cache=False)
    def loud(lines: int) -> None:
        for line in range(lines):
            print("line", line, "ü" * (line % 50))

    @pipeline
    def shouting(lines: int):
        loud(lines)
    """)

    run_on(f"dask:{cluster.address}", flow.shouting, lines=20_000)

    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[loud]")]
    assert [int(line.split()[2]) for line in shown] == list(range(20_000))
