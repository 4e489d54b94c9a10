"""What a deployment answers: a real one, asked over HTTP, one for all tests of this file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nbpipe.records.runs import Status
from tests.serving import Said, Serving, ask, served_folder, until

KEY = "k" * 24
FLOW = '''
import ctypes
import subprocess
import sys
import time
from dataclasses import make_dataclass

import numpy
import pandas
from pydantic import BaseModel, Field

class Job(BaseModel):
    title: str = "clerk"
    pay: float = Field(default=1.0, ge=0)

class Person(BaseModel):
    name: str = "Ann"
    jobs: list[Job] = []

Pair = make_dataclass("Pair", ["left", "right"])

class Opaque:
    pass

@step
def work(person: Person, kind: str, n: int) -> Annotated[Any, "out"]:
    print("step of", kind)
    match kind:
        case "fail":
            raise ValueError("no <b>good</b>")
        case "exit":
            raise SystemExit(3)
        case "half":
            raise ValueError("half of \\ud800")
        case "sleep":
            time.sleep(n)
        case "spin":
            while True:
                pass
        case "rest":
            while True:
                time.sleep(0.01)
        case "held":
            # A library whose calls keep the interpreter waits for itself, which takes no processor time.
            library = ctypes.PyDLL(None)
            mutex = ctypes.create_string_buffer(256)
            library.pthread_mutex_init(mutex, None)
            library.pthread_mutex_lock(mutex)
            library.pthread_mutex_lock(mutex)
        case "frame":
            return pandas.DataFrame({"a": [1, 2], "b": [0.5, float("nan")]})
        case "array":
            return numpy.array([1.0, float("inf")])
        case "pair":
            return Pair(1, float("nan"))
        case "model":
            return person
        case "opaque":
            return {"thing": Opaque()}
        case "print":
            print("é" * n)
    return kind

@step
def count(n: int) -> Annotated[int, "count"]:
    return n

@pipeline
def odd(person: Person = Person(), kind: str = "ok", n: int = 1, ratio: float = 2.0):
    if n == 404:
        raise RuntimeError("the body says no")
    return work(person, kind, n), count(n)

def about():
    """Tell what this is."""
    return {"sum": numpy.int64(3), "nan": float("nan"), "half": "\\ud800"}

async def echo(request):
    return {"path": request.url.path, "said": await request.json()}

def trouble():
    raise LookupError("a secret of ours")

async def stamp(request, call_next):
    answer = await call_next(request)
    answer.headers["x-stamped"] = "yes"
    return answer
'''
SETTINGS = {
    "timeout_s": 1,
    "max_waiting": 4,
    "max_batch": 3,
    "max_body_bytes": 20_000,
    "cors_origins": ["https://app.example.org"],
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with served_folder(tmp_path_factory.mktemp("deployed")) as serving:
        flow = serving.project.load(FLOW)
        routes = {"GET /about": flow.about, "POST /echo/{name}": flow.echo, "GET /trouble": flow.trouble}
        settings = {**SETTINGS, "routes": routes, "middleware": [flow.stamp]}
        serving.url = flow.odd.deploy("odd one", settings=settings).url
        yield serving


def run_of(serving: Serving, said: Said) -> Any:
    """Give the run of an answer, once it has its end."""
    run_id = said.json["run_id"]
    until(lambda: serving.client.runs.get(run_id).status.is_over)
    return serving.client.runs.get(run_id)


def test_an_invocation_is_answered_with_outputs_run_parameters_and_time(serving: Serving) -> None:
    said = serving.invoke(n=3, person={"name": "Bo", "jobs": [{"title": "x"}]})

    person = {"name": "Bo", "jobs": [{"title": "x", "pay": 1.0}]}
    assert said.status == 200
    assert set(said.json) == {"success", "outputs", "run_id", "parameters", "execution_time_s"}
    assert said.json["success"] is True
    assert said.json["outputs"] == {"out": "ok", "count": 3}
    assert said.json["parameters"] == {"person": person, "kind": "ok", "n": 3, "ratio": 2.0}
    assert said.json["execution_time_s"] > 0
    run = run_of(serving, said)
    assert (run.status, run.parameters["n"], run.steps["count"].output.load()) == (Status.COMPLETED, 3, 3)


def test_a_body_may_leave_everything_out(serving: Serving) -> None:
    assert ask(serving.url, "POST", "/invoke", {}).outputs == {"out": "ok", "count": 1}
    assert ask(serving.url, "POST", "/invoke", {"parameters": {}}).outputs == {"out": "ok", "count": 1}


@pytest.mark.parametrize(
    ("parameters", "place", "said"),
    [
        pytest.param({"n": "x"}, "n", "integer", id="text for a number"),
        pytest.param({"n": 1.5}, "n", "integer", id="fraction for a whole number"),
        pytest.param({"n": None}, "n", "integer", id="null"),
        pytest.param({"n": []}, "n", "integer", id="list"),
        pytest.param({"knid": "x"}, "knid", "did you mean 'kind'?", id="name that is nearly right"),
        pytest.param({"'; DROP TABLE runs --": 1}, None, "not known", id="SQL as a name"),
        pytest.param({"x" * 5000: 1}, None, "not known", id="a long name"),
        pytest.param({"person": "Bo"}, "person", "", id="text for an object"),
        pytest.param({"person": {"jobs": [{}, {"pay": "much"}]}}, "person.jobs.1.pay", "number", id="wrong at depth"),
        pytest.param({"person": {"jobs": [{"pay": -1}]}}, "person.jobs.0.pay", "greater", id="out of range at depth"),
    ],
)
def test_values_that_do_not_fit_are_named_by_place(
    serving: Serving, parameters: dict[str, Any], place: str | None, said: str
) -> None:
    answer = serving.invoke(**parameters)

    problems = answer.problems
    assert place is None or f"body.parameters.{place}" in problems
    assert said in " ".join(problems.values())
    assert "nbpipe/" not in answer.text
    assert "Traceback" not in answer.text


def test_all_values_that_do_not_fit_are_named_at_once(serving: Serving) -> None:
    problems = serving.invoke(n="x", ratio="y", unknown=1).problems

    assert set(problems) == {"body.parameters.n", "body.parameters.ratio", "body.parameters.unknown"}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"parameters": {"n": NaN}}', id="NaN"),
        pytest.param(b'{"parameters": {"ratio": 1e999}}', id="too large a number"),
        pytest.param(b'{"parameters": {"n": ' + b"9" * 5000 + b"}}", id="too long a number"),
        pytest.param(b'{"parameters": {"n": 1}', id="cut off"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"[" * 10_000, id="deep"),
        pytest.param(b'{"parameters": {"n": 1, "n": 2}}', id="a name twice"),
        pytest.param(b'{"parameters": {"kind": "\\ud800"}}', id="half of a surrogate pair"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"x"', id="a text"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"parameters": []}', id="parameters as a list"),
        pytest.param(b'{"parameters": null}', id="parameters that are null"),
        pytest.param(b'{"n": 1}', id="values without parameters around them"),
        pytest.param(b'{"parameters": {}, "run": "x"}', id="something besides"),
    ],
)
@pytest.mark.parametrize("path", ["/invoke", "/jobs", "/invoke/batch"])
def test_a_body_that_is_none_is_refused_with_its_place(serving: Serving, body: bytes, path: str) -> None:
    said = ask(serving.url, "POST", path, body)

    assert all(place.startswith("body") for place in said.problems)


def test_an_empty_body_is_refused(serving: Serving) -> None:
    assert ask(serving.url, "POST", "/invoke", b"").status in (415, 422)


def test_a_step_that_fails_is_told_with_its_name_and_no_frame(serving: Serving) -> None:
    said = serving.invoke(kind="fail")

    error = {"step": "work", "type": "ValueError", "message": "no <b>good</b>"}
    assert (said.status, said.json["success"], said.json["error"]) == (500, False, error)
    assert "flow.py" not in said.text
    assert run_of(serving, said).status is Status.FAILED
    assert serving.invoke().status == 200


@pytest.mark.parametrize("kind", ["exit", "half"])
def test_whatever_a_step_raises_is_an_answer(serving: Serving, kind: str) -> None:
    said = serving.invoke(kind=kind)

    assert (said.status, said.json["error"]["step"]) == (500, "work")
    assert run_of(serving, said).status is Status.FAILED


def test_what_the_body_of_the_pipeline_raises_is_an_answer_without_a_run(serving: Serving) -> None:
    said = serving.invoke(n=404)

    error = {"step": "", "type": "RuntimeError", "message": "the body says no"}
    assert (said.status, said.json) == (500, {"success": False, "error": error, "run_id": None})


@pytest.mark.parametrize(
    ("kind", "output"),
    [
        ("frame", [{"a": 1, "b": 0.5}, {"a": 2, "b": None}]),
        ("array", [1.0, None]),
        ("pair", {"left": 1, "right": None}),
        ("model", {"name": "Ann", "jobs": []}),
        ("opaque", {"thing": {"type": "Opaque"}}),
    ],
)
def test_what_a_step_gives_is_said_in_json(serving: Serving, kind: str, output: Any) -> None:
    assert serving.invoke(kind=kind).outputs["out"] == output


def test_a_step_that_takes_too_long_is_stopped_and_the_next_invocation_works(serving: Serving) -> None:
    said = serving.invoke(kind="spin")

    assert (said.status, said.json["success"], said.json["error"]["type"]) == (504, False, "TimeoutError")
    assert run_of(serving, said).status is Status.INTERRUPTED
    assert serving.invoke().status == 200


def test_as_many_wait_as_may_and_one_more_is_sent_away(serving: Serving) -> None:
    with ThreadPoolExecutor(12) as pool:
        said = list(pool.map(lambda _: serving.invoke(kind="rest"), range(8)))

    codes = [one.status for one in said]
    assert 429 in codes
    assert set(codes) <= {429, 504}
    (refused, *_) = [one for one in said if one.status == 429]
    assert refused.headers["retry-after"]


# The gate ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/nowhere", 404),
        ("POST", "/", 404),
        ("GET", "/invoke", 405),
        ("DELETE", "/invoke", 405),
        ("POST", "/health", 405),
        ("GET", "/jobs/nobody", 404),
        ("GET", "/jobs/../metrics", 404),
    ],
)
def test_what_is_not_there_is_said_in_json(serving: Serving, method: str, path: str, code: int) -> None:
    said = ask(serving.url, method, path)

    assert (said.status, list(said.json)) == (code, ["detail"])


def test_a_body_over_the_limit_is_refused(serving: Serving) -> None:
    said = serving.invoke(kind="x" * SETTINGS["max_body_bytes"])

    assert said.status == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_body_that_is_not_said_to_be_json_is_refused(serving: Serving, kind: str) -> None:
    assert ask(serving.url, "POST", "/invoke", b"{}", {"Content-Type": kind}).status == 415


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://app.example.org.evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
    ids=str,
)
def test_pages_of_other_sites_and_other_names_are_refused(serving: Serving, header: dict[str, str], code: int) -> None:
    said = ask(serving.url, "POST", "/invoke", {}, header)

    assert said.status == code
    assert "access-control-allow-origin" not in said.headers


def test_a_page_of_an_origin_that_is_named_may_call(serving: Serving) -> None:
    origin = {"Origin": "https://app.example.org"}
    asks = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    before = ask(serving.url, "OPTIONS", "/invoke", headers=asks)
    said = ask(serving.url, "POST", "/invoke", {}, {**origin, "Sec-Fetch-Site": "cross-site"})

    assert before.status == 204
    assert said.status == 200
    assert before.headers["access-control-allow-origin"] == said.headers["access-control-allow-origin"]
    assert said.headers["access-control-allow-origin"] == "https://app.example.org"


def test_a_request_has_an_id_in_its_answer_and_in_the_log(serving: Serving) -> None:
    said = serving.ask("POST", "/invoke", {}, X_Request_ID="mine-1")
    forged = serving.ask("POST", "/invoke", {}, X_Request_ID="<script>")

    assert said.headers["x-request-id"] == "mine-1"
    assert forged.headers["x-request-id"] not in ("", "<script>")
    (logged,) = [one for one in serving.client.deployments.get("odd one").requests() if one["request_id"] == "mine-1"]
    assert (logged["path"], logged["status"], logged["run_id"]) == ("/invoke", 200, said.json["run_id"])


# How it stands -------------------------------------------------------------------------------


def test_it_says_that_it_lives_and_is_ready(serving: Serving) -> None:
    assert serving.ask("GET", "/health").json == {"status": "ok"}
    assert serving.ask("GET", "/ready").json == {"status": "ready", "deployment": "odd one", "pipeline": "odd"}


def test_metrics_are_read_as_prometheus_reads_them(serving: Serving) -> None:
    def counted() -> dict[str, float]:
        said = serving.ask("GET", "/metrics")
        assert said.headers["content-type"].startswith("text/plain")
        families = text_string_to_metric_families(said.text)
        return {
            sample.name + sample.labels.get("status", ""): sample.value
            for family in families
            for sample in family.samples
            if "le" not in sample.labels
        }

    before = counted()
    serving.invoke()
    serving.invoke(kind="fail")
    after = counted()

    for name in ("nbpipe_invocations_totalcompleted", "nbpipe_invocations_totalfailed"):
        assert after[name] == before[name] + 1
    assert after["nbpipe_invocation_seconds_count"] == before["nbpipe_invocation_seconds_count"] + 2
    assert {"nbpipe_invocations_waiting", "nbpipe_runs_to_record", "process_resident_memory_bytes"} <= set(after)


def test_the_page_of_its_api_needs_nothing_from_elsewhere(serving: Serving) -> None:
    page = serving.ask("GET", "/docs")
    document = serving.ask("GET", "/openapi.json").json

    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "docs.js" in page.text
    # A class of the user's may be called as one of ours is.
    schemas = document["components"]["schemas"]
    assert set(schemas["Job"]["properties"]) >= {"job_id", "status"}
    assert set(schemas["Parameters.Job"]["properties"]) == {"title", "pay"}
    assert schemas["Parameters"]["properties"]["n"]["default"] == 1
    assert "/about" in document["paths"]


# Batches and jobs ----------------------------------------------------------------------------


def test_a_batch_answers_each_of_its_items(serving: Serving) -> None:
    items = [{"parameters": {"n": 5}}, {"parameters": {"kind": "fail"}}, {}]

    said = serving.ask("POST", "/invoke/batch", {"items": items})

    assert said.status == 200
    assert (said.json["succeeded"], said.json["total"]) == (2, 3)
    assert [one["status_code"] for one in said.json["items"]] == [200, 500, 200]
    assert said.json["items"][0]["outputs"]["count"] == 5


def test_a_batch_with_a_wrong_item_runs_none(serving: Serving) -> None:
    before = len(serving.client.runs.list(limit=None))

    said = serving.ask("POST", "/invoke/batch", {"items": [{}, {"parameters": {"n": "x"}}]})

    assert list(said.problems) == ["body.items.1.parameters.n"]
    assert len(serving.client.runs.list(limit=None)) == before


@pytest.mark.parametrize("items", [[], [{}] * 4, {}, None], ids=["none", "too many", "object", "null"])
def test_a_batch_of_too_few_or_too_many_is_refused(serving: Serving, items: Any) -> None:
    assert serving.ask("POST", "/invoke/batch", {"items": items}).problems


def test_a_job_is_taken_on_and_told_when_it_is_over(serving: Serving) -> None:
    taken = serving.ask("POST", "/jobs", {"parameters": {"n": 9}})
    failing = serving.ask("POST", "/jobs", {"parameters": {"kind": "fail"}})

    assert taken.status == failing.status == 202
    assert taken.headers["location"] == taken.json["status_url"]
    ended = until(lambda: over(serving, taken.json["status_url"]))
    failed = until(lambda: over(serving, failing.json["status_url"]))
    assert (ended["status"], ended["answer"]["outputs"]["count"]) == ("completed", 9)
    assert (failed["status"], failed["answer"]["error"]["type"]) == ("failed", "ValueError")
    assert ended["run_id"] == taken.json["run_id"] == ended["answer"]["run_id"]


def over(serving: Serving, where: str) -> Any:
    told = serving.ask("GET", where).json
    return told if told["status"] in ("completed", "failed") else None


# Functions of the user's ---------------------------------------------------------------------


def test_routes_and_middleware_of_a_file_answer(serving: Serving) -> None:
    about = serving.ask("GET", "/about")
    echoed = serving.ask("POST", "/echo/x", {"a": [1]})

    assert about.json == {"sum": 3, "nan": None, "half": "\ufffd"}
    assert echoed.json == {"path": "/echo/x", "said": {"a": [1]}}
    assert about.headers["x-stamped"] == serving.invoke().headers["x-stamped"] == "yes"


def test_a_route_that_raises_tells_nothing_of_ours(serving: Serving) -> None:
    said = serving.ask("GET", "/trouble")

    assert said.status == 500
    assert "secret" not in said.text


def test_a_route_stands_behind_the_gate_too(serving: Serving) -> None:
    assert ask(serving.url, "GET", "/about", headers={"Host": "evil.example"}).status == 421


# What cannot be stopped ----------------------------------------------------------------------


def test_what_cannot_be_stopped_costs_the_process_and_whoever_waits_is_told_to_come_again(serving: Serving) -> None:
    deployment = serving.client.deployments.get("odd one")
    former = deployment.pid
    waiting: list[Said] = []

    said = serving.invoke(kind="sleep", n=100)
    thread = threading.Thread(target=lambda: waiting.append(serving.invoke()))
    thread.start()
    thread.join()

    assert said.status == 504
    assert (waiting[0].status, waiting[0].json["run_id"]) == (503, None)
    assert waiting[0].headers["retry-after"]
    until(lambda: deployment.pid not in (0, former))
    assert serving.invoke().status == 200
    assert run_of(serving, said).status is Status.INTERRUPTED


def test_a_call_that_never_lets_go_of_the_interpreter_costs_the_process(serving: Serving) -> None:
    deployment = serving.client.deployments.get("odd one")
    former = deployment.pid

    with pytest.raises(OSError):
        serving.invoke(kind="held")

    until(lambda: deployment.pid not in (0, former))
    assert serving.invoke().status == 200
    assert any("in work" in line for line in deployment.logs(200)), "the log shows where it hung"


def test_its_log_has_what_its_steps_printed(serving: Serving) -> None:
    serving.invoke(kind="print", n=3)

    printed = serving.client.deployments.get("odd one").logs(500)
    assert "ééé" in printed
    assert json.dumps(printed)
