"""No address is open: every route is walked, those of the application and those of its OpenAPI document."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from starlette.routing import Route

from nbpipe.base.clock import clock_set_to
from nbpipe.records.tokens import TokenScope
from nbpipe.server.admitting import scope_of
from nbpipe.server.app import OPEN
from tests.server.conftest import Served


def walked(served: Served) -> dict[tuple[str, str], TokenScope]:
    """Give every (method, address) there is, with the scope that it needs; placeholders are filled in."""
    application = served.guard.application
    found = {}
    for route in application.routes:
        assert isinstance(route, Route), "a route of another kind would escape the walk"
        for method in route.methods - {"HEAD"}:
            found[method, re.sub(r"\{[^}]*\}", "x", route.path)] = scope_of(route)
    return found


def test_the_walk_meets_everything_that_the_openapi_document_tells_of(served):
    document = json.loads(served.ask("/openapi.json").body)
    told = {
        (method.upper(), re.sub(r"\{[^}]*\}", "x", path))
        for path, methods in document["paths"].items()
        for method in methods
    }

    assert told <= walked(served).keys()
    assert len(told) >= 20


def test_what_is_open_is_health_and_files_of_the_package(served):
    walk = walked(served)

    for method, path in OPEN:
        assert method == "GET"
        assert (method, path) in walk
        answer = served.ask(path, token=None)
        assert answer.status == 200
        assert path == "/health" or answer.headers["content-type"].startswith(
            ("text/html", "text/css", "text/javascript")
        )
        assert all(name.encode() not in answer.body for name in ("training", "nightly", "iris", *served.facts.values()))


def test_every_other_route_refuses_without_with_a_wrong_an_expired_and_a_revoked_token(served):
    tokens = served.house.client.tokens
    expired = tokens.create("expired", scope="admin", expires="1h").token
    revoked = tokens.create("revoked", scope="admin").token
    tokens.revoke("revoked")
    closed = [place for place in walked(served) if place not in OPEN]
    wrong = ["nbp_" + "a" * 43, served.tokens["admin"][:-1], served.tokens["admin"].upper(), "", "admin"]

    for method, path in closed:
        assert served.ask(path, token=None, method=method).status == 401, (method, path)
        for token in (*wrong, revoked):
            assert served.ask(path, token=f" {token}", method=method).status == 401, (method, path, token)
    with clock_set_to(lambda: datetime.now(UTC) + timedelta(hours=2)):
        for method, path in closed:
            answer = served.ask(path, token=expired, method=method)
            assert (answer.status, answer.detail) == (401, "This token is expired.")


@pytest.mark.parametrize("scope", ["invoke", "read"])
def test_every_route_refuses_a_token_that_is_too_narrow_before_it_looks_at_anything(served, scope):
    narrow = [place for place, needed in walked(served).items() if not TokenScope(scope).covers(needed)]
    narrow = [place for place in narrow if place not in OPEN]

    assert narrow
    for method, path in narrow:
        answer = served.ask(path, token=scope, method=method)
        assert answer.status == 403, (method, path)
        assert scope in answer.detail


def test_what_changes_anything_needs_the_widest_scope_but_for_starting_runs(served):
    changing = {
        place for place, needed in walked(served).items() if place[0] != "GET" and needed is not TokenScope.ADMIN
    }

    assert changing == {("POST", "/api/v1/pipeline_snapshots/x/runs")}


@pytest.mark.parametrize(
    "path", ["/api/v1/runs/", "/api/v1//runs", "/API/V1/RUNS", "/api/v1/runs/../models", "/static/../app.py"]
)
def test_an_address_written_otherwise_is_no_way_around(served, path):
    assert served.ask(path, token=None).status == 401
    assert served.ask(path, token="invoke").status in (403, 404)


def test_the_description_of_the_api_is_for_everybody_who_has_a_token(served):
    for path in ("/openapi.json", "/docs/operations"):
        assert served.ask(path, token="invoke").status == 200
        assert served.ask(path, token=None).status == 401


def test_a_token_that_is_revoked_while_the_server_runs_opens_nothing_from_then_on(served):
    assert served.ask("/api/v1/runs", token="read").status == 200

    served.house.client.tokens.revoke("read")

    assert served.ask("/api/v1/runs", token="read").status == 401
