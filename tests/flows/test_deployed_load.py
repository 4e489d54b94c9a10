"""Many clients at once: each gets its own answer, and all invocations, or the sample asked for, are recorded."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from nbpipe.errors import BadValueError
from tests.crash.trials import sizes
from tests.serving import Serving, served_folder, until

FLOW = """
@step
def square(n: int, who: str) -> Annotated[str, "squared"]:
    return f"{who}: {n * n}"

@pipeline
def squaring(n: int = 0, who: str = ""):
    return square(n, who)

@pipeline(model=Model(name="each"))
def making(n: int = 0, who: str = ""):
    return square(n, who)
"""
CLIENTS = 8


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with served_folder(tmp_path) as serving:
        yield serving


def invocations(url: str, who: str, numbers: range) -> list[tuple[int, Any]]:
    """Invoke with each of these numbers on one connection; give the numbers with what was answered."""
    place, told = urlsplit(url), []
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    for n in numbers:
        body = json.dumps({"parameters": {"n": n, "who": who}})
        connection.request("POST", "/invoke", body, {"Content-Type": "application/json"})
        told.append((n, json.loads(connection.getresponse().read())))
    connection.close()
    return told


def from_all(url: str, each: int) -> list[tuple[str, int, Any]]:
    """Have all clients invoke at once, each with numbers of its own."""

    def work(client: int) -> list[tuple[str, int, Any]]:
        who = f"client-{client}"
        numbers = range(client * each, (client + 1) * each)
        return [(who, n, said) for n, said in invocations(url, who, numbers)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return [one for told in pool.map(work, range(CLIENTS)) for one in told]


@sizes("each", short=(10,), long=(125,))
def test_invocations_from_eight_clients_are_all_right_and_all_recorded(serving: Serving, each: int) -> None:
    deployment = serving.project.load(FLOW).squaring.deploy()

    told = from_all(deployment.url, each)

    right = {said["run_id"]: (n, who) for who, n, said in told if said.get("outputs") == {"squared": f"{who}: {n * n}"}}
    assert len(right) == CLIENTS * each
    counted = "SELECT count(*) AS n FROM runs WHERE status = 'completed'"
    until(lambda: serving.client.query(counted).n[0] >= CLIENTS * each)
    found = serving.client.query("SELECT id, status, parameters FROM runs").to_dict(orient="records")
    assert {row["status"] for row in found} == {"completed"}
    parameters = {row["id"]: json.loads(row["parameters"]) for row in found}
    assert {run_id: (said["n"], said["who"]) for run_id, said in parameters.items()} == right
    for run_id in list(right)[::97]:
        n, who = right[run_id]
        assert serving.client.runs.get(run_id).steps["square"].output.load() == f"{who}: {n * n}"


def test_nothing_is_recorded_where_nothing_is_to_be(serving: Serving) -> None:
    deployment = serving.project.load(FLOW).squaring.deploy(settings={"recorded": 0})

    told = from_all(deployment.url, 5)

    assert all(said["outputs"] == {"squared": f"{who}: {n * n}"} for who, n, said in told)
    assert {said["run_id"] for _, _, said in told} == {None}
    deployment.stop()
    assert list(serving.client.runs.list()) == []


def test_a_sample_is_recorded_and_the_others_have_no_run(serving: Serving) -> None:
    deployment = serving.project.load(FLOW).squaring.deploy(settings={"recorded": 0.5})

    told = from_all(deployment.url, 25)

    assert all(said["outputs"] == {"squared": f"{who}: {n * n}"} for who, n, said in told)
    recorded = {said["run_id"] for _, _, said in told} - {None}
    # Of 200 tosses of a coin, fewer than 40 or more than 160 fall so once in 10^15 years of trying.
    assert 40 < len(recorded) < 160
    deployment.stop()
    assert {run.id for run in serving.client.runs.list(limit=None)} == recorded


def test_runs_that_make_model_versions_must_all_be_recorded(serving: Serving) -> None:
    block = serving.project.load(FLOW)

    with pytest.raises((BadValueError, Exception), match="recorded=1"):
        block.making.deploy(settings={"recorded": 0.5})

    assert list(serving.client.deployments.list()) == []
    assert block.making.deploy().invoke(n=3).output == ": 9"


def test_an_invocation_may_reuse_what_an_equal_one_gave(serving: Serving) -> None:
    deployment = serving.project.load(FLOW).squaring.deploy(settings={"cache": True})

    runs = [deployment.invoke(n=4).run_id for _ in range(2)]

    deployment.stop()
    statuses = [serving.client.runs.get(run).steps["square"].status.value for run in runs]
    assert statuses == ["completed", "reused"] or statuses == ["completed", "cached"]
