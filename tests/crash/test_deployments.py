"""Processes of deployments are killed: what was answered is recorded, what served comes back, nothing is left over."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from nbpipe.records.deployments import DeploymentStatus
from nbpipe.records.runs import Status
from nbpipe.services.deployment_records import Deployment
from tests.crash.trials import SEED, percentiles, report, sizes
from tests.serving import Serving, answers, free_port, is_free, processes_of, served_folder, until

FLOW = """
import subprocess
import time

@step
def double(n: int) -> Annotated[int, "doubled"]:
    if n % 7 == 0:
        subprocess.Popen(["sleep", "1234.5"])
    time.sleep(0.002)
    return 2 * n

@step
def label(doubled: int, who: str) -> Annotated[str, "label"]:
    return f"{who}-{doubled}"

@pipeline
def doubling(n: int = 1, who: str = "nobody"):
    return label(double(n), who)
"""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with served_folder(tmp_path) as serving:
        yield serving


@dataclass
class Caller:
    """Calls a deployment again and again, and keeps what it was answered.

    Attributes:
        url: Where.
        who: Its name, which stands in each of its invocations.
        told: What was answered with 200: the number by the run's id.
        wrong: Answers that were not right.
        cut_off: How many requests had no answer.
    """

    url: str
    who: str
    told: dict[str, int] = field(default_factory=dict)
    wrong: list[Any] = field(default_factory=list)
    cut_off: int = 0
    is_over: bool = False

    def call(self) -> None:
        place, n = urlsplit(self.url), 0
        while not self.is_over:
            n += 1
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
            body = json.dumps({"parameters": {"n": n, "who": self.who}})
            try:
                connection.request("POST", "/invoke", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                self._take(n, answer.status, json.loads(answer.read()))
            except (OSError, http.client.HTTPException):
                self.cut_off += 1
                time.sleep(0.05)
            finally:
                connection.close()

    def _take(self, n: int, status: int, said: Any) -> None:
        if status == 200 and said["outputs"] == {"label": f"{self.who}-{2 * n}"}:
            self.told[said["run_id"]] = n
        elif status not in (429, 503):
            self.wrong.append((status, said))


def sleepers() -> list[psutil.Process]:
    """Give what the steps of this process's deployments have started."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cmdline() == ["sleep", "1234.5"] and process.environ().get("NBPIPE_HOME") == os.environ.get(
                "NBPIPE_HOME"
            ):
                found.append(process)
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def runs_that_disagree(serving: Serving, told: dict[str, tuple[int, str]]) -> dict[str, list[Any]]:
    """Compare the catalog with what callers were answered, once runs that died were settled."""
    client = serving.client
    client.workspace.catalog.publish()
    until(
        lambda: not client.runs.list(status=Status.RUNNING, limit=1) or (client.workspace.catalog.publish() and False)
    )
    sql = "SELECT id, status, parameters FROM runs WHERE pipeline = 'doubling'"
    # There may be more than a user's question is answered with.
    found = client.workspace.catalog.query(sql, limit=1_000_000).df()
    rows = {row["id"]: row for row in found.to_dict(orient="records")}
    untrue: dict[str, list[Any]] = {"lost": [], "not_completed": [], "other_values": [], "left_running": []}
    for run_id, (n, who) in told.items():
        if run_id not in rows:
            untrue["lost"].append(run_id)
        elif rows[run_id]["status"] != "completed":
            untrue["not_completed"].append((run_id, rows[run_id]["status"]))
        elif (given := json.loads(rows[run_id]["parameters"]))["n"] != n or given["who"] != who:
            untrue["other_values"].append((run_id, given))
    untrue["left_running"] = [run_id for run_id, row in rows.items() if row["status"] == "running"]
    return untrue


@dataclass
class Killer:
    """Kills the processes of a deployment, and waits until it answers again.

    Attributes:
        deployment: The deployment.
        killed: How many of which kind were killed, and how many before they were ready.
        back_s: How long it took each time until it answered again.
        left_over: What outlived the process that keeps all up.
        lost_ports: How often the port was not free after that.
    """

    deployment: Deployment
    killed: dict[str, int] = field(default_factory=lambda: {"answering": 0, "starting": 0, "keeping": 0})
    back_s: list[float] = field(default_factory=list)
    left_over: list[Any] = field(default_factory=list)
    lost_ports: int = 0

    def kill_who_answers(self) -> None:
        """Kill the process that answers, or one that is about to; the keeper brings it back."""
        (process, *_) = until(self._answering)
        self.killed["answering" if process.pid == self.deployment.pid else "starting"] += 1
        began_s = time.monotonic()
        process.kill()
        until(lambda: self.deployment.pid not in (0, process.pid) and answers(self.deployment.url))
        self.back_s.append(time.monotonic() - began_s)

    def kill_who_keeps(self) -> None:
        """Kill the process that keeps it up; all goes with it, and `restart` brings it back."""
        family = processes_of(self.deployment.id)
        standing = self.deployment.folder.standing()
        assert standing is not None
        self.killed["keeping"] += 1
        began_s = time.monotonic()
        os.kill(standing.keeper, signal.SIGKILL)
        _, alive = psutil.wait_procs(family, timeout=20)
        self.left_over += [(process.pid, process.cmdline()) for process in alive]
        self.lost_ports += not is_free(self.deployment.url)
        assert self.deployment.status is DeploymentStatus.DOWN
        self.deployment = self.deployment.restart()
        assert answers(self.deployment.url)
        self.back_s.append(time.monotonic() - began_s)

    def _answering(self) -> list[psutil.Process]:
        found = []
        for process in processes_of(self.deployment.id):
            with suppress(psutil.Error):
                if "nbpipe.server.answering" in process.cmdline():
                    found.append(process)
        return found


@sizes("kills, longest_pause_s", short=(2, 0.5), long=(110, 1.5))
def test_kills_of_a_deployment_cost_nothing_that_was_answered_and_leave_nothing_behind(
    serving: Serving, kills: int, longest_pause_s: float
) -> None:
    chance = random.Random(SEED)
    killer = Killer(serving.project.load(FLOW).doubling.deploy("doubling", port=free_port()))
    callers = [Caller(killer.deployment.url, f"caller{n}") for n in range(3)]
    threads = [threading.Thread(target=caller.call) for caller in callers]
    for thread in threads:
        thread.start()
    try:
        for n in range(kills):
            time.sleep(chance.uniform(0, longest_pause_s))
            # The last, and one of eight before, is the process that keeps the other up.
            if n == kills - 1 or chance.random() < 1 / 8:
                killer.kill_who_keeps()
            else:
                killer.kill_who_answers()
                # One of five dies again before it is ready.
                if chance.random() < 1 / 5 and sum(killer.killed.values()) < kills:
                    _kill_twice(killer, chance)
    finally:
        for caller in callers:
            caller.is_over = True
        for thread in threads:
            thread.join()
    killer.deployment.stop()
    killer.left_over += [(one.pid, one.cmdline()) for one in [*processes_of(killer.deployment.id), *sleepers()]]

    told = {run_id: (n, caller.who) for caller in callers for run_id, n in caller.told.items()}
    untrue = runs_that_disagree(serving, told)
    report(
        "deployments",
        kills=sum(killer.killed.values()),
        killed=killer.killed,
        answered=len(told),
        cut_off=sum(caller.cut_off for caller in callers),
        **percentiles("back", killer.back_s),
        none_of={
            "wrong_answers": [wrong for caller in callers for wrong in caller.wrong],
            "left_over": killer.left_over,
            "lost_ports": killer.lost_ports,
            **untrue,
        },
    )
    assert min(len(caller.told) for caller in callers) > 0


def _kill_twice(killer: Killer, chance: random.Random) -> None:
    former = killer.deployment.pid
    os.kill(former, signal.SIGKILL)
    killer.killed["answering"] += 1
    until(lambda: killer.deployment.pid != former)
    time.sleep(chance.uniform(0, 0.5))
    killer.kill_who_answers()


def test_an_invocation_that_was_answered_is_completed_even_if_its_end_was_still_to_be_recorded(
    serving: Serving,
) -> None:
    deployment = serving.project.load(FLOW).doubling.deploy("doubling")
    told = {}
    for n in (1, 2, 3):
        answer = deployment.invoke(n=n)
        told[answer.run_id] = (n, "nobody")
    # At once: what is behind the answer has had no time.
    os.kill(deployment.pid, signal.SIGKILL)

    until(lambda: answers(deployment.url))
    assert runs_that_disagree(serving, told) == {
        "lost": [],
        "not_completed": [],
        "other_values": [],
        "left_running": [],
    }


def test_a_deployment_goes_on_when_whoever_deployed_it_is_killed_with_all_of_its_group(serving: Serving) -> None:
    serving.project.load(FLOW).doubling.create_snapshot("nightly")
    code = "from nbpipe import Client; Client().deployments.deploy('nightly', 'd'); print('up', flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=serving.project.folder,
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == b"up\n"

    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    parent.stdin.close()

    deployment = serving.client.deployments.get("d")
    assert deployment.invoke(n=4, who="x").output == "x-8"
    assert deployment.status is DeploymentStatus.RUNNING
