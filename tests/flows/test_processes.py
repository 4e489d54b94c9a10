"""Several processes, and several threads, run pipelines in one workspace at once."""

from __future__ import annotations

import threading
from typing import Any

from nbpipe.records.runs import Status
from tests.flows.forks import together
from tests.flows.project import Project

FLOW = """
@step
def load(n: int) -> Annotated[list, "raw"]:
    return list(range(n))

@step
def total(data: list, who: str) -> Annotated[float, "total"]:
    log_metadata({"n": len(data)})
    return float(sum(data))

@pipeline(tags=["plain", Tag(name="latest", exclusive=True), Tag(name="exp", cascade=True)], model=Model(name="iris"))
def training(n: int, who: str):
    return total(load(n), who)
"""
RUNS = 5


def test_two_processes_lose_no_record_share_no_number_and_leave_one_holder(project: Project) -> None:
    project.load(FLOW)
    code = f"for n in range({RUNS}):\n    assert flow.training(n=n, who=('ada', 'bob')[who]).output == sum(range(n))"

    codes, _ = together(project, code, 2)

    assert codes == [0, 0]
    client = project.client
    runs = client.runs.list(limit=None)
    assert len(runs) == 2 * RUNS
    assert {run.status for run in runs} == {Status.COMPLETED}
    assert client.query("select count(*) as n from steps").n[0] == 4 * RUNS
    assert sorted(client.query("select number from model_versions").number) == list(range(1, 2 * RUNS + 1))
    for name in ("raw", "total"):
        numbers = sorted(client.query(f"select number from artifacts where name = '{name}'").number)
        assert numbers == list(range(1, len(numbers) + 1))
    assert client.query("select count(*) as n from tags where tag = 'latest'").n[0] == 1
    (holder,) = client.runs.list(tags=["latest"])
    last = client.workspace.catalog.rows("select id from runs order by ended desc limit 1")
    assert holder.id == last[0]["id"]
    assert client.query("select count(*) as n from metrics where entity_kind = 'run'").n[0] == 2 * RUNS
    assert client.workspace.catalog.check() == []


def test_runs_in_several_threads_of_one_process_are_each_recorded_whole(project: Project, capsys: Any) -> None:
    flow = project.load(FLOW)
    outputs: dict[int, float] = {}

    def work(first: int) -> None:
        for n in range(first, first + 3):
            outputs[n] = flow.training(n=n, who=f"thread {first}").output

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert outputs == {n: sum(range(n)) for first in (0, 10, 20, 30) for n in range(first, first + 3)}
    runs = project.client.runs.list()
    assert {run.status for run in runs} == {Status.COMPLETED}
    assert len(runs) == 12
    assert all(set(run.steps) == {"load", "total"} for run in runs)


def test_what_one_process_executed_another_reuses(project: Project) -> None:
    flow = project.load(FLOW)
    project.python("import flow; flow.training(n=5, who='ada')")

    run = flow.training(n=5, who="ada")

    assert {step.status for step in run.steps.values()} == {Status.REUSED}
    assert run.output == 10.0
