"""Deployments come up, are taken over, refused, stopped and forgotten; real processes answer."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from nbpipe.base.digest import canonical_json
from nbpipe.base.ids import new_id
from nbpipe.errors import (
    BadValueError,
    ConflictError,
    DeploymentError,
    EnvironmentMismatchError,
    NbpipeError,
    NotFoundError,
    ParameterError,
)
from nbpipe.records.deployments import DeploymentStatus
from nbpipe.records.operations import CreateSnapshot
from nbpipe.records.snapshots import digest_of
from tests.flows.project import project_in
from tests.serving import Serving, ask, free_port, invoke, is_free, processes_of, served_folder, until

FLOW = """
@step
def greet(city: str) -> Annotated[str, "greeting"]:
    return f"{WORD} {city}"

@pipeline
def greeting(city: str = "Paris"):
    return greet(city)

@pipeline
def farewell(city: str = "Paris"):
    return greet(city)
"""
REFUSED = """
import pandas

@step
def use(a: Any, b: Any) -> int:
    return 1

@pipeline
def undeployable(frame: pandas.DataFrame, needed: int, given: int = 1):
    return use(frame, needed)

@pipeline
def plain(n: int = 1):
    return use(n, n)
"""
KEY = "a-key-that-is-long-enough"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with served_folder(tmp_path) as serving:
        yield serving


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Serve the folder of a deployment with a key that several tests only ask, and that all leave as it is."""
    with served_folder(tmp_path_factory.mktemp("up")) as serving:
        serving.url = flow(serving, "one").greeting.deploy("hello", api_key=KEY).url
        yield serving


@pytest.fixture
def kept_up(up: Serving, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """Work in the folder of the deployment that is up for the whole file."""
    monkeypatch.setenv("NBPIPE_HOME", str(up.paths.root))
    with project_in(up.paths, monkeypatch):
        yield up


def flow(serving: Serving, word: str = "Hello") -> Any:
    return serving.project.load(f"WORD = {word!r}\n{FLOW}")


def names(serving: Serving) -> list[str]:
    return [deployment.name for deployment in serving.client.deployments.list()]


# Refused -------------------------------------------------------------------------------------


def test_parameters_that_no_request_could_give_are_all_named_and_nothing_is_left(serving: Serving) -> None:
    block = serving.project.load(REFUSED)

    with pytest.raises(ParameterError) as refused:
        block.undeployable.deploy()

    said = str(refused.value)
    assert set(refused.value.problems) == {"frame", "needed"}
    assert "JSON" in said
    assert "default" in said
    assert (names(serving), list(serving.client.snapshots.list())) == ([], [])


REFUSALS: list[dict[str, Any]] = [
    {"port": 0},
    {"port": 70_000},
    {"port": "x"},
    {"deployment_name": ""},
    {"deployment_name": "x" * 5000},
    {"deployment_name": "a\nb"},
    {"deployment_name": 7},
    {"api_key": "short"},
    {"api_key": "ключ" * 10},
    {"host": "0.0.0.0"},
    {"host": ""},
    {"host": "not a host", "api_key": KEY},
    {"settings": {"timout_s": 1}},
    {"settings": {"recorded": 2}},
    {"settings": 7},
    {"settings": {"routes": {"GET /x": "os.system"}}},
    {"settings": {"middleware": [len]}},
]


def test_what_will_not_do_is_refused_in_two_lines_before_anything_is_written(serving: Serving) -> None:
    block = serving.project.load(REFUSED)

    for told in REFUSALS:
        with pytest.raises(NbpipeError) as refused:
            block.plain.deploy(**told)
            raise AssertionError(f"{told} was deployed")

        assert len(str(refused.value).splitlines()) <= 2, told
        assert len(str(refused.value)) < 500, told
        assert (names(serving), list(serving.client.snapshots.list())) == ([], []), told


def test_a_port_that_somebody_has_is_named(serving: Serving) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(ConflictError, match=f"Port {port} "):
            flow(serving).greeting.deploy(port=port)

    assert names(serving) == []


def test_a_snapshot_that_is_not_there_is_named(serving: Serving) -> None:
    flow(serving).greeting.create_snapshot(name="nightly")

    with pytest.raises(NotFoundError, match="nightly"):
        serving.client.deployments.deploy("nightlee")


def test_a_secret_needs_a_default_and_one_that_is_sent_is_written_nowhere(serving: Serving) -> None:
    block = serving.project.load("""
    from pydantic import SecretStr

    @step
    def use(key: SecretStr) -> int:
        return len(key.get_secret_value())

    @pipeline
    def needing(key: SecretStr):
        return use(key)

    @pipeline
    def having(key: SecretStr = SecretStr("")):
        return use(key)
    """)

    with pytest.raises(ParameterError, match=r"^needing cannot be deployed as it is.\n  key  needs a default"):
        block.needing.deploy()
    assert names(serving) == []
    answer = block.having.deploy().invoke(key="the-canary")

    assert (answer.output, answer.parameters) == (10, {"key": "**********"})
    written = [path for path in serving.paths.root.rglob("*") if path.is_file()]
    assert not [path for path in written if b"the-canary" in path.read_bytes()]


def is_content(path: Path, digest: str) -> bool:
    return digest_of(path.read_bytes()) == digest


def test_a_package_that_is_not_here_is_named(serving: Serving) -> None:
    made = flow(serving).greeting.create_snapshot("nightly")
    store, catalog = serving.client.workspace.store, serving.client.workspace.catalog
    (frozen,) = [path for path in serving.paths.blobs.rglob("*") if path.is_file() and is_content(path, made.digest)]
    content = json.loads(frozen.read_bytes())
    content["modules"] = [{"name": "nowhere", "distribution": "nowhere-at-all", "version": "1.0"}]
    data = canonical_json(content)
    digest = f"{digest_of(data)}:{store.blobs.write((data,))}"
    catalog.transact(CreateSnapshot(id=new_id(), pipeline="greeting", name="elsewhere", digest=digest))

    with pytest.raises(EnvironmentMismatchError, match=r"nowhere-at-all 1\.0 is not installed"):
        serving.client.deployments.deploy("elsewhere")

    assert names(serving) == []


# The life of one -----------------------------------------------------------------------------


def test_a_deployment_lives_from_deploy_to_delete(serving: Serving) -> None:
    asked = free_port()
    deployment = flow(serving).greeting.deploy("hello", port=asked)

    assert deployment.url == f"http://127.0.0.1:{asked}"
    assert deployment.invoke(city="Rome").outputs == {"greeting": "Hello Rome"}
    assert deployment.invoke().output == "Hello Paris"
    with pytest.raises(ParameterError, match="did you mean 'city'"):
        deployment.invoke(cty="Rome")

    stopped = deployment.stop()
    assert stopped.status is DeploymentStatus.STOPPED
    assert is_free(deployment.url)
    assert processes_of(deployment.id) == []
    with pytest.raises(DeploymentError, match="restart"):
        deployment.invoke()
    assert deployment.stop().status is DeploymentStatus.STOPPED

    restarted = deployment.restart()
    assert (restarted.url, restarted.status) == (deployment.url, DeploymentStatus.RUNNING)
    assert restarted.invoke().output == "Hello Paris"

    deployment.delete()
    assert names(serving) == []
    assert processes_of(deployment.id) == []
    assert not (serving.paths.deployments / deployment.id).exists()
    with pytest.raises(NotFoundError):
        deployment.restart()
    assert len(serving.client.runs.list(pipeline="greeting")) == 3


def test_one_whose_port_was_taken_meanwhile_comes_back_at_another_that_is_named(serving: Serving) -> None:
    deployment = flow(serving).greeting.deploy("hello", port=free_port())
    deployment.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(deployment.url.rpartition(":")[2])))
        taken.listen()
        with pytest.raises(ConflictError, match=r"in use.*Choose another with port= \(--port\)"):
            deployment.restart()
        moved = deployment.restart(port=free_port())

        assert moved.url != deployment.url
        assert moved.invoke().output == "Hello Paris"
    # One that is up moves as well, and stays there from then on.
    again = moved.restart(port=free_port())
    assert again.url != moved.url
    assert is_free(moved.url)
    assert again.restart().url == again.url
    assert again.invoke().output == "Hello Paris"


def test_the_name_of_another_pipeline_is_not_taken_unless_that_is_said(kept_up: Serving) -> None:
    with pytest.raises(ConflictError, match="replace"):
        flow(kept_up).farewell.deploy("hello")

    assert kept_up.client.deployments.get("hello").invoke(api_key=KEY).output == "one Paris"
    assert names(kept_up) == ["hello"]


def test_only_who_has_the_key_is_let_in(kept_up: Serving) -> None:
    url = kept_up.url

    assert invoke(url).status == 401
    assert invoke(url, {"Authorization": f"Bearer {KEY}x"}).status == 401
    assert invoke(url, {"Authorization": f"Basic {KEY}"}).status == 401
    assert ask(url, "GET", "/metrics").status == 401
    assert ask(url, "GET", "/health").status == 200
    assert invoke(url, {"Authorization": f"Bearer {KEY}"}).status == 200
    known_by_name = kept_up.client.deployments.get("hello")
    with pytest.raises(DeploymentError, match="NBPIPE_API_KEY"):
        known_by_name.invoke()
    assert known_by_name.invoke(api_key=KEY).output == "one Paris"
    written = [path for path in kept_up.paths.root.rglob("*") if path.is_file()]
    assert not [path for path in written if KEY.encode() in path.read_bytes()], "the key is kept as a digest"


def test_what_is_not_said_anew_stays_as_it_was_and_another_pipeline_takes_the_name_when_that_is_said(
    serving: Serving,
) -> None:
    block = flow(serving)
    first = block.greeting.deploy("hello", host="0.0.0.0", port=free_port(), api_key=KEY, settings={"timeout_s": 7})
    # Whoever deployed it with a key needs not give it again.
    assert first.invoke().output == "Hello Paris"

    again = block.greeting.deploy("hello")
    assert (invoke(again.url).status, invoke(again.url, {"Authorization": f"Bearer {KEY}"}).status) == (401, 200)
    assert (again.has_key, again.settings.timeout_s, listening_at(again)) == (True, 7, {"0.0.0.0"})

    moved = block.greeting.deploy("hello", host="127.0.0.1", settings={})
    assert (moved.has_key, moved.settings.timeout_s, listening_at(moved)) == (True, 60, {"127.0.0.1"})
    assert invoke(moved.url).status == 401

    other = block.farewell.deploy("hello", replace=True)
    assert (other.has_key, other.id, other.url, other.pipeline) == (True, again.id, moved.url, "farewell")
    assert names(serving) == ["hello"]
    assert (listening_at(other.stop().restart()), invoke(other.url).status) == ({"127.0.0.1"}, 401)

    other.delete()
    assert invoke(block.greeting.deploy("hello").url).status == 200


def listening_at(deployment: Any) -> set[str]:
    found = [c for p in processes_of(deployment.id) for c in p.net_connections() if c.status == "LISTEN"]
    return {connection.laddr.ip for connection in found}


# Taking over ---------------------------------------------------------------------------------


@dataclass
class TakenOver:
    """What callers met while a pipeline took over from itself.

    Attributes:
        former: The deployment as it was.
        new: The deployment as it has become.
        said: What it says now.
        answered: How often each was answered who opens a connection for each request.
        greetings: What those heard who keep theirs open.
        wrong: What went wrong with those who open one each time.
        wrong_when_kept: What went wrong with those who keep theirs open.
        processes: How many processes keep it up and answer.
    """

    former: Any
    new: Any = None
    said: str = ""
    answered: list[int] = field(default_factory=lambda: [0] * 4)
    greetings: set[str] = field(default_factory=set)
    wrong: list[Any] = field(default_factory=list)
    wrong_when_kept: list[Any] = field(default_factory=list)
    processes: int = 0


@pytest.fixture(scope="module")
def taken_over(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TakenOver]:
    """Take over once while everybody calls, some on a connection for each request and some on one for all."""
    with served_folder(tmp_path_factory.mktemp("taken-over")) as serving:
        former = flow(serving, "one").greeting.deploy("hello")
        found, stop, place = TakenOver(former), threading.Event(), urlsplit(former.url)

        def call(n: int) -> None:
            for asked in itertools.count():
                if stop.is_set():
                    return
                try:
                    said = invoke(former.url, city=f"{n}-{asked}")
                    if said.status != 200 or said.outputs["greeting"].split()[1] != f"{n}-{asked}":
                        found.wrong.append(said)
                except Exception as error:
                    found.wrong.append(error)
                found.answered[n] += 1
                # Time for the others: this process, its clients and two deployments share what there is.
                time.sleep(0.08)

        def call_on() -> None:
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
            while not stop.is_set():
                try:
                    connection.request("POST", "/invoke", json.dumps({}), {"Content-Type": "application/json"})
                    answer = connection.getresponse()
                    found.greetings.add(json.loads(answer.read())["outputs"]["greeting"])
                except Exception as error:
                    found.wrong_when_kept.append(error)
                    connection.close()
                time.sleep(0.05)
            connection.close()

        threads = [
            *(threading.Thread(target=call, args=(n,)) for n in range(4)),
            *(threading.Thread(target=call_on) for _ in range(3)),
        ]
        for thread in threads:
            thread.start()
        try:
            # Somebody has been answered by the former one, whatever comes first.
            until(lambda: found.greetings and min(found.answered))
            found.new = flow(serving, "two").greeting.deploy("hello")
            found.said = found.new.invoke().output
            until(lambda: "two Paris" in found.greetings)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        found.processes = len(processes_of(former.id))
        yield found


def test_nobody_is_turned_away_while_the_same_pipeline_takes_over(taken_over: TakenOver) -> None:
    assert (taken_over.new.url, taken_over.said) == (taken_over.former.url, "two Paris")
    assert taken_over.wrong == []
    assert min(taken_over.answered) > 0
    assert taken_over.processes == 2, "who keeps it up and who answers"


def test_a_connection_that_is_kept_open_is_moved_without_a_failed_request(taken_over: TakenOver) -> None:
    assert taken_over.wrong_when_kept == []
    assert taken_over.greetings == {"one Paris", "two Paris"}


def test_a_replacement_that_cannot_come_up_leaves_the_former_serving(
    kept_up: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = kept_up.client.deployments.get("hello")
    with monkeypatch.context() as here:
        here.setenv("THE_WORD", "two")
        block = kept_up.project.load(f"import os\nWORD = os.environ['THE_WORD']\n{FLOW}")

        # The process that keeps the deployment up was started before, and knows no such variable.
        with pytest.raises(DeploymentError, match="KeyError: 'THE_WORD'"):
            block.greeting.deploy("hello")

    found = kept_up.client.deployments.get("hello")
    assert (found.snapshot_id, found.url) == (former.snapshot_id, former.url)
    until(lambda: kept_up.client.deployments.get("hello").status is DeploymentStatus.RUNNING)
    assert found.invoke(api_key=KEY).output == "one Paris"
    assert len(kept_up.client.snapshots.list()) == 1


def test_one_that_cannot_come_up_at_all_is_not_there(serving: Serving) -> None:
    at_work = "import sys\nWORD = {False: 'one'}[sys.argv[0].endswith('answering.py')]\n"
    block = serving.project.load(at_work + FLOW)

    with pytest.raises(DeploymentError, match="KeyError: True"):
        block.greeting.deploy("hello")

    assert names(serving) == []
    assert [place.name for place in serving.paths.deployments.iterdir()] == ["lock"]


@dataclass
class Left:
    """What two processes left that deployed one snapshot by one name at once, and were killed then.

    Attributes:
        ended: How each of them ended.
        urls: Where they said that it answers.
        listed: What is listed afterwards, each with its address and its generation.
        processes: How many processes keep it up and answer.
        output: What it answers.
        stopped: What it is once it was told to end.
    """

    ended: list[int]
    urls: set[str]
    listed: list[tuple[str, int]]
    processes: int
    output: str
    stopped: DeploymentStatus


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """Have two processes deploy one name at once and end by no will of theirs."""
    with served_folder(tmp_path_factory.mktemp("left")) as serving:
        flow(serving).greeting.create_snapshot(name="nightly")
        code = """
import os
from nbpipe import Client

print(Client().deployments.deploy("nightly", "hello").url, flush=True)
os.kill(os.getpid(), 9)
"""
        both = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                stdout=subprocess.PIPE,
                text=True,
                cwd=serving.project.folder,
                env=dict(os.environ),
            )
            for _ in range(2)
        ]
        urls = {process.communicate(timeout=120)[0].strip() for process in both}
        found = serving.client.deployments.list()
        yield Left(
            ended=[process.returncode for process in both],
            urls=urls,
            listed=[(one.url, one.generation) for one in found],
            processes=len(processes_of(found[0].id)),
            output=found[0].invoke().output,
            stopped=serving.client.deployments.stop("hello").status,
        )


def test_two_that_deploy_one_name_at_once_come_one_after_the_other(left: Left) -> None:
    (url,) = left.urls
    assert left.listed == [(url, 2)]
    assert left.processes == 2


def test_it_outlives_the_process_that_deployed_it(left: Left) -> None:
    assert left.ended == [-9, -9]
    assert left.output == "Hello Paris"
    assert left.stopped is DeploymentStatus.STOPPED


def test_the_snapshot_of_a_deployment_is_not_deleted_while_it_serves(kept_up: Serving) -> None:
    deployment = kept_up.client.deployments.get("hello")

    with pytest.raises(ConflictError, match="deployment 'hello' uses it"):
        kept_up.client.snapshots.delete(deployment.snapshot_id)

    assert deployment.invoke(api_key=KEY).output == "one Paris"


def test_what_names_none_is_refused(kept_up: Serving) -> None:
    for ref in ("helo", "no such", "x" * 5000):
        with pytest.raises(NotFoundError):
            kept_up.client.deployments.get(ref)
    for ref in ("", None, 7):
        with pytest.raises(BadValueError):
            kept_up.client.deployments.get(ref)


def test_one_that_is_deleted_while_somebody_restarts_it_leaves_no_process(serving: Serving) -> None:
    deployment = flow(serving).greeting.deploy("hello")

    def restart() -> None:
        with suppress(NotFoundError):
            deployment.restart()

    thread = threading.Thread(target=restart)
    thread.start()
    deployment.delete()
    thread.join()

    assert names(serving) == []
    assert processes_of(deployment.id) == []
    assert not deployment.folder.path.exists()
