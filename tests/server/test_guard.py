"""The gate: what gets through it and what does not, header by header."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from nbpipe.server.addresses import names_of
from nbpipe.server.guard import Admission, Guard, GuardSettings, Refusal, Served
from tests.server.asking import HOST, ask, json_body

GOOD = "a" * 43
BEARER = (b"authorization", f"Bearer {GOOD}".encode())
HOSTS = names_of("127.0.0.1")


def admit(token: str | None, method: str, path: str) -> Admission | Refusal:
    if token is None:
        return Refusal(401, "A token is needed.")
    if token != GOOD:
        return Refusal(401, "This token is not valid.")
    return Refusal(403, "This token is too narrow.") if path == "/admin" else Admission("ci", "read")


async def echo(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["path"] == "/broken":
        raise RuntimeError("a secret of ours")
    kind = dict(scope["headers"]).get(b"content-type", b"").decode()
    answer = {"length": len(body), "kind": kind, "id": scope["state"]["request_id"]}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def guarded(**settings):
    settings = {"hosts": HOSTS, "open_paths": frozenset({("GET", "/health")}), **settings}
    return Guard(echo, GuardSettings(**settings), admit)


@pytest.mark.parametrize("host", ["127.0.0.1:8237", "localhost", "LOCALHOST:1", "[::1]:8237", "[::1]", "127.0.0.1"])
def test_each_name_of_the_server_is_answered_with_any_port(host):
    assert ask(guarded(), "/health", headers=[(b"host", host.encode())]).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8237",
        "",
        "127.0.0.1:8237@evil",
        "[::1",
        "a b",
        "localhost:80:80",
        "127.0.0.2",
        "localhost\r\nx: y",
        "0x7f000001",
        "2130706433",
        "localhost/",
        "localé",
    ],
)
def test_a_name_that_was_pointed_at_this_machine_is_refused_even_for_what_is_open(host):
    answer = ask(guarded(), "/health", headers=[(b"host", host.encode("latin-1")), BEARER])

    assert answer.status == 421
    assert answer.detail == "The Host header does not name this server."


def test_a_request_without_or_with_two_hosts_is_refused():
    assert ask(guarded(), "/health", headers=[HOST, (b"host", b"evil.example")]).status == 400
    assert ask(guarded(), "/health", headers=[(b"host", b"")]).status == 421


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "https://127.0.0.1:8237",
        "http://localhost:8237",
        "*",
        "http://127.0.0.1:8237.evil.example",
        "file://",
        "http://127.0.0.1",
    ],
)
def test_pages_of_other_sites_are_refused_whatever_token_they_have(origin):
    answer = ask(guarded(), "/runs", headers=[HOST, BEARER, (b"origin", origin.encode())])

    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_what_a_browser_says_to_come_from_elsewhere_is_refused(site):
    assert ask(guarded(), "/runs", headers=[HOST, BEARER, (b"sec-fetch-site", site.encode())]).status == 403
    assert ask(guarded(), "/health", headers=[HOST, (b"sec-fetch-site", site.encode())]).status == 403


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_page_of_our_own_and_a_typed_address_pass(site):
    headers = [HOST, BEARER, (b"sec-fetch-site", site.encode()), (b"origin", b"http://127.0.0.1:8237")]

    assert ask(guarded(), "/runs", headers=headers).status == 200


def test_a_link_may_be_followed_to_an_open_page_and_to_no_other_nor_be_framed():
    followed = [HOST, BEARER, (b"sec-fetch-site", b"cross-site"), (b"sec-fetch-mode", b"navigate")]

    assert ask(guarded(), "/health", headers=[*followed, (b"sec-fetch-dest", b"document")]).status == 200
    assert ask(guarded(), "/runs", headers=[*followed, (b"sec-fetch-dest", b"document")]).status == 403
    assert ask(guarded(), "/health", headers=[*followed, (b"sec-fetch-dest", b"iframe")]).status == 403


def test_a_site_that_was_named_may_call_and_be_asked_for_beforehand():
    gate = guarded(origins=frozenset({"https://notes.example.org"}))
    origin = (b"origin", b"https://notes.example.org")

    before = ask(gate, "/runs", method="OPTIONS", headers=[HOST, origin, (b"access-control-request-method", b"POST")])
    call = ask(gate, "/runs", headers=[HOST, origin, BEARER, (b"sec-fetch-site", b"cross-site")])
    unnamed = ask(gate, "/runs", headers=[HOST, BEARER, (b"origin", b"https://notes.example.org.evil.example")])

    assert (before.status, call.status, unnamed.status) == (204, 200, 403)
    assert before.headers["access-control-allow-origin"] == "https://notes.example.org"
    assert call.headers["access-control-allow-origin"] == "https://notes.example.org"
    assert call.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in call.headers


def test_nobody_is_told_beforehand_that_they_may_unless_they_were_named():
    headers = [HOST, (b"origin", b"https://evil.example"), (b"access-control-request-method", b"POST")]

    assert ask(guarded(), "/runs", method="OPTIONS", headers=headers).status == 403


@pytest.mark.parametrize("path", ["/", "/runs", "/health/", "//health", "/HEALTH", "/health/..", "/nowhere"])
def test_every_path_but_an_open_one_needs_a_token_whether_it_exists_or_not(path):
    answer = ask(guarded(), path)

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="nbpipe"'
    assert answer.detail == "A token is needed."


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer wrong",
        "Basic YTpi",
        "Bearer",
        "Bearer ",
        GOOD,
        f"Bearer {GOOD}, Bearer {GOOD}",
        f"Bearer {GOOD} x",
        "é",
        f"Bearer {'a' * 5000}",
    ],
)
def test_what_is_no_token_of_ours_is_refused(authorization):
    answer = ask(guarded(), "/runs", headers=[HOST, (b"authorization", authorization.encode("latin-1"))])

    assert answer.status == 401


def test_two_tokens_are_none():
    assert ask(guarded(), "/runs", headers=[HOST, BEARER, BEARER]).status == 400


def test_an_open_path_is_open_for_reading_only():
    assert ask(guarded(), "/health").status == 200
    assert ask(guarded(), "/health", method="HEAD").status == 200
    assert ask(guarded(), "/health", method="POST").status == 401


def test_a_token_that_is_too_narrow_is_told_apart_from_none():
    answer = ask(guarded(), "/admin", headers=[HOST, BEARER])

    assert (answer.status, answer.detail) == (403, "This token is too narrow.")
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        "application/jsonp",
        "text/json",
        "application/json; charset=utf-16",
        "application/xml",
    ],
)
def test_a_body_from_a_browser_that_is_not_json_is_refused(kind):
    headers = [HOST, BEARER, (b"origin", b"http://127.0.0.1:8237"), (b"content-type", kind.encode())]

    answer = ask(guarded(), "/runs", method="POST", headers=[*headers, (b"content-length", b"2")], pieces=[b"{}"])

    assert answer.status == 415


def test_what_curl_sends_without_a_header_is_taken_for_json_from_who_has_a_token_only():
    form = [HOST, (b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"2")]
    gate = guarded(open_paths=frozenset({("POST", "/invoke")}))

    with_token = ask(gate, "/runs", method="POST", headers=[*form, BEARER], pieces=[b"{}"])
    without = ask(gate, "/invoke", method="POST", headers=form, pieces=[b"{}"])

    assert (with_token.status, without.status) == (200, 415)
    assert json.loads(with_token.body)["kind"] == "application/json"


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_is_json_however_it_is_written(kind):
    headers = [HOST, BEARER, (b"content-type", kind.encode()), (b"content-length", b"2")]

    assert ask(guarded(), "/runs", method="POST", headers=headers, pieces=[b"{}"]).status == 200


def test_a_post_without_a_body_needs_no_kind():
    assert ask(guarded(), "/runs", method="POST", headers=[HOST, BEARER]).status == 200


@pytest.mark.parametrize(("length", "status"), [(99, 200), (100, 200), (101, 413)])
def test_a_body_is_refused_from_one_byte_over_the_limit_on_whether_announced_or_not(length, status):
    gate = guarded(body_limit_bytes=100)
    body = b"1" * length
    chunked = [HOST, BEARER, (b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]

    announced = ask(gate, "/runs", **json_body(body, BEARER))
    in_pieces = ask(gate, "/runs", method="POST", headers=chunked, pieces=[body[:50], body[50:80], body[80:]])

    assert (announced.status, in_pieces.status) == (status, status)


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999999999999", "0x10", "ten", "\u00b2"])
def test_a_length_that_is_none_is_refused(length):
    headers = [HOST, BEARER, (b"content-type", b"application/json"), (b"content-length", length.encode("latin-1"))]

    assert ask(guarded(), "/runs", method="POST", headers=headers, pieces=[b"{}"]).status == 400


def test_a_body_that_comes_too_slowly_is_not_waited_for():
    answer = ask(guarded(body_time_s=0.05), "/runs", **json_body(b"{}", BEARER), wait_s=5)

    assert answer.status == 408
    assert answer.headers["connection"] == "close"


def test_a_body_with_a_get_is_refused():
    headers = [HOST, BEARER, (b"content-type", b"application/json"), (b"content-length", b"2")]

    assert ask(guarded(), "/runs", headers=headers, pieces=[b"{}"]).status == 400


def test_too_many_or_too_long_headers_and_addresses_are_refused():
    many = [(f"x-{number}".encode(), b"1") for number in range(120)]

    assert ask(guarded(), "/health", headers=[HOST, *many]).status == 431
    assert ask(guarded(), "/health", headers=[HOST, (b"x", b"1" * 40_000)]).status == 431
    assert ask(guarded(), "/health", query=b"a" * 9_000).status == 414
    assert ask(guarded(), "/health", headers=[HOST, *many[:90]]).status == 200


def test_every_answer_keeps_browsers_strict_a_refusal_too():
    for answer in (ask(guarded(), "/health"), ask(guarded(), "/runs"), ask(guarded(), "/runs", headers=[HOST, BEARER])):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("build-17.3:a_b", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("a\r\nset-cookie: b", False),
        ("", False),
        ("<script>", False),
        ("a b", False),
        ("é", False),
    ],
)
def test_the_id_of_a_request_is_taken_if_it_is_plain_and_made_otherwise(given, kept):
    answer = ask(guarded(), "/health", headers=[HOST, (b"x-request-id", given.encode("latin-1"))])

    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.headers["x-request-id"] == json.loads(answer.body)["id"]


def test_an_error_that_nobody_foresaw_is_logged_with_the_id_and_not_shown(caplog):
    with caplog.at_level(logging.ERROR, logger="nbpipe.server"):
        answer = ask(guarded(), "/broken", headers=[HOST, BEARER, (b"x-request-id", b"r-1")])

    assert answer.status == 500
    assert b"secret" not in answer.body
    assert "r-1" in caplog.text
    assert "a secret of ours" in caplog.text


def test_each_request_is_told_of_with_who_asked_and_what_came_of_it():
    told: list[Served] = []
    gate = Guard(echo, GuardSettings(HOSTS), admit, told.append)

    ask(gate, "/runs", headers=[HOST, BEARER, (b"x-request-id", b"r-1")])
    ask(gate, "/runs")

    assert [(each.who, each.method, each.path, each.status) for each in told] == [
        ("ci", "GET", "/runs", 200),
        ("", "GET", "/runs", 401),
    ]
    assert told[0].request_id == "r-1"


def test_anything_but_http_is_closed():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guarded()({"type": "websocket", "path": "/", "headers": []}, None, send))

    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_somebody_who_hangs_up_while_sending_is_not_answered():
    headers = [HOST, BEARER, (b"content-type", b"application/json"), (b"content-length", b"20")]
    told: list[Served] = []
    gate = Guard(echo, GuardSettings(HOSTS), admit, told.append)

    with pytest.raises(StopIteration):
        ask(gate, "/runs", method="POST", headers=headers, pieces=[])

    assert told[0].status == 499
