"""The REST server: what each address answers."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

import pytest

from nbpipe.errors import SecretWarning
from tests.server.asking import ask, json_body
from tests.server.conftest import EVIL


def test_the_way_from_a_pipelines_name_to_a_run_of_its_snapshot(served):
    pipelines = served.get("/api/v1/pipelines?hydrate=false&name=training", "invoke")
    pipeline_id = pipelines["items"][0]["id"]
    asked = f"/api/v1/pipeline_snapshots?hydrate=false&logical_operator=and&page=1&size=20&pipeline_id={pipeline_id}"
    snapshots = served.get(asked, "invoke")
    snapshot_id = snapshots["items"][-1]["id"]

    wanted = {"run_configuration": {"steps": {"total": {"parameters": {"rate": 0.9}}}}}
    answer = served.ask(f"/api/v1/pipeline_snapshots/{snapshot_id}/runs", token="invoke", method="POST", json_=wanted)

    run = json.loads(answer.body)
    assert answer.status == 202
    assert (pipelines["total"], snapshots["total"], snapshot_id) == (1, 2, served.facts["snapshot"])
    assert answer.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert served.get(f"/api/v1/runs/{run['id']}", "invoke")["status"] == "queued"
    assert [one["id"] for one in served.get("/api/v1/queue")] == [run["id"]]


UNFIT = [
    ({"parameters": {"rate": "fast"}}, ["parameters", "rate"], "should be a valid number"),
    ({"parameters": {"rat": 1}}, ["parameters", "rat"], "did you mean 'rate'"),
    (
        {"steps": {"total": {"parameters": {"rat": 1}}}},
        ["steps", "total", "parameters", "rat"],
        "did you mean 'rate'",
    ),
]


def test_values_that_do_not_fit_are_told_at_their_place_and_nothing_is_promised(served):
    address = f"/api/v1/pipeline_snapshots/{served.facts['snapshot']}/runs"

    for given, place, said in UNFIT:
        answer = served.ask(address, method="POST", json_={"run_configuration": given})

        assert answer.status == 422, given
        assert answer.detail[0]["loc"] == ["body", "run_configuration", *place]
        assert said in answer.detail[0]["msg"], given
        assert served.get("/api/v1/queue") == [], given


NO_CONFIGURATIONS = [
    {"run_configuration": {"parametres": {}}},
    {"run_configuration": {"executor": "dask:tcp://evil.example:1"}},
    {"run_configuration": {"executor": 3}},
    {"run_configuration": []},
    {"run_config": {}},
    {"run_configuration": {"steps": {"nowhere": {}}}},
    {"run_configuration": {"tags": [""]}},
    {"run_configuration": {"run_name": "a\nb"}},
    [],
    "x",
]


def test_a_configuration_that_is_none_is_refused(served):
    address = f"/api/v1/pipeline_snapshots/{served.facts['snapshot']}/runs"

    for body in NO_CONFIGURATIONS:
        assert served.ask(address, method="POST", json_=body).status == 422, body
        assert served.get("/api/v1/queue") == [], body


def test_more_runs_than_may_wait_are_refused_for_now(served):
    address = f"/api/v1/pipeline_snapshots/{served.facts['snapshot']}/runs"

    answers = [served.ask(address, method="POST", json_={}) for _ in range(4)]

    assert [answer.status for answer in answers] == [202, 202, 202, 429]


def test_a_snapshot_that_is_not_there_is_told(served):
    answer = served.ask("/api/v1/pipeline_snapshots/nihgtly/runs", method="POST", json_={})

    assert answer.status == 404
    assert "Did you mean 'nightly'" in answer.detail


def test_a_run_is_shown_with_its_steps_what_they_printed_and_its_graph(served):
    run = f"/api/v1/runs/{served.facts['run']}"

    assert served.get(run)["metrics"] == {"score": 0.25}
    steps = served.get(f"{run}/steps")
    assert [step["node"] for step in steps] == ["load", "total"]
    assert steps[1]["outputs"]["total"]["name"] == "total"
    assert [log["text"] for log in served.get(f"{run}/logs")] == ["loading 3\n", ""]
    assert served.ask(f"{run}/logs.txt").body == b"loading 3\n"
    assert served.ask(f"{run}/logs?step=nowhere").status == 404
    picture = served.ask(f"{run}/dag.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert b"total" in picture.body


def test_lists_are_filtered_sorted_and_paged(served):
    runs = served.get("/api/v1/runs?pipeline_id=training&status=completed&size=1&sort=started")

    assert (len(runs["items"]), runs["total"], runs["page"], runs["size"]) == (1, 2, 1, 1)
    assert runs["items"][0]["id"] == served.facts["run"]
    assert served.get("/api/v1/runs?page=7&size=1")["items"] == []
    assert served.get("/api/v1/runs?tag=trial&tag=nothing")["total"] == 0
    assert served.get("/api/v1/runs?tag=trial")["total"] == 2
    assert served.get("/api/v1/model_versions?where=accuracy%20%3E%200.54")["total"] == 1
    assert served.get("/api/v1/runs?since=1h")["total"] == 2


NO_QUESTIONS = [
    ("statsu=failed", "did you mean 'status'"),
    ("status=faild", "should be"),
    ("page=0", "greater than or equal to 1"),
    ("size=100000", "less than or equal to 500"),
    ("sort=nothing", "no column"),
    ("since=tomorrow", "is no time"),
    ("where=accuracy", ""),
    ("logical_operator=or", "should be 'and'"),
    ("hydrate=perhaps", "valid boolean"),
]


def test_a_question_that_is_none_is_refused(served):
    for query, said in NO_QUESTIONS:
        answer = served.ask(f"/api/v1/runs?{query}")

        assert answer.status == 422, query
        assert said in json.dumps(answer.detail, ensure_ascii=False), query


def test_a_name_that_no_filter_has_is_refused_where_there_are_no_filters_too(served):
    assert served.ask(f"/api/v1/runs/{served.facts['run']}?verbose=1").status == 422


def test_a_model_version_is_promoted_with_its_history(served):
    address = "/api/v1/models/iris/versions"

    first = served.ask(f"{address}/1/stage", method="PUT", json_={"stage": "production", "note": "for May"})
    refused = served.ask(f"{address}/2/stage", method="PUT", json_={"stage": "production"})
    forced = served.ask(f"{address}/2/stage", method="PUT", json_={"stage": "production", "force": True})

    assert (first.status, refused.status, forced.status) == (200, 409, 200)
    assert json.loads(forced.body)["archived"] == "iris@1"
    assert served.get(f"{address}/production")["number"] == 2
    assert [version["stage"] for version in served.get("/api/v1/models/iris")["versions"]] == ["production", "archived"]
    assert served.ask(f"{address}/2/stage", method="PUT", json_={"stage": "live"}).status == 422
    assert served.ask(f"{address}/9/stage", method="PUT", json_={"stage": "staging"}).status == 404


def test_an_artifact_is_shown_with_its_preview_and_not_loaded(served):
    artifact = served.get("/api/v1/artifacts/numbers")

    assert (artifact["name"], artifact["type"], artifact["step"]) == ("numbers", "list", "load")
    assert served.get(f"/api/v1/artifacts/{artifact['id']}")["id"] == artifact["id"]
    assert served.ask("/api/v1/artifacts/../../etc/passwd").status == 404


def test_a_run_that_waits_is_withdrawn_and_one_that_is_over_cannot_be_stopped(served):
    address = f"/api/v1/pipeline_snapshots/{served.facts['snapshot']}/runs"
    waiting = json.loads(served.ask(address, method="POST", json_={}).body)["id"]

    withdrawn = served.ask(f"/api/v1/runs/{waiting}/stop", method="POST")

    assert (withdrawn.status, json.loads(withdrawn.body)["status"]) == (200, "interrupted")
    assert served.ask(f"/api/v1/runs/{waiting}").status == 404
    assert served.ask(f"/api/v1/runs/{served.facts['run']}/stop", method="POST").status == 409
    assert served.ask("/api/v1/runs/nothing/stop", method="POST").status == 404


def test_any_name_may_be_asked_for(served):
    for name in (EVIL, "' OR 1=1 --", "x" * 4000, "日本語", "a/b", "%00", ".."):
        for noun in ("runs", "models", "artifacts", "pipeline_snapshots"):
            answer = served.ask(f"/api/v1/{noun}/{unquote(quote(name, safe=''))}")
            assert answer.status in (200, 404, 409, 422), (noun, name, answer.body)
            assert answer.headers["content-type"] == "application/json", (noun, name)
        for noun in ("runs", "pipelines", "pipeline_snapshots", "tags"):
            assert served.get(f"/api/v1/{noun}?text={quote(name)[:1900]}")["page"] == 1, (noun, name)


def test_what_may_be_a_secret_is_left_out_of_a_template(served):
    flow = served.project.load("""
    @step
    def ask(api_key: str = "sk-live-4f9d8a7b6c5e4d3f2a1b0c9d8e7f6a5b") -> str:
        return "x"

    @pipeline
    def asking(password: str = "hunter2hunter2", n: int = 1):
        return ask()
    """)
    with pytest.warns(SecretWarning):
        made = flow.asking.create_snapshot("secretive")

    shown = served.ask(f"/api/v1/pipeline_snapshots/{made.id}", token="invoke")

    assert shown.status == 200
    assert b"hunter2" not in shown.body
    assert b"4f9d8a7b" not in shown.body


NO_JSON = {
    "nan": b'{"run_configuration": {"parameters": {"rate": NaN}}}',
    "infinite": b'{"run_configuration": {"parameters": {"rate": 1e999}}}',
    "twice": b'{"run_configuration": null, "run_configuration": {}}',
    "cut": b"{",
    "deep": b"[" * 1_000_000,
    "not UTF-8": b"\xff\xfe",
}


def test_a_body_that_is_no_json_promises_nothing(served):
    bearer = (b"authorization", f"Bearer {served.tokens['admin']}".encode())
    address = f"/api/v1/pipeline_snapshots/{served.facts['snapshot']}/runs"

    for what, body in NO_JSON.items():
        answer = ask(served.guard, address, **json_body(body, bearer))

        assert answer.status == 422, what
        assert served.house.queue.all() == [], what
