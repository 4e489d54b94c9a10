"""Nothing that the OpenAPI document lets somebody ask, nor anything near it, ends in an error that nobody foresaw."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.server.asking import ask
from tests.server.conftest import Served

EXAMPLES = 15


def test_nothing_that_can_be_asked_ends_in_an_error_of_ours(served: Served) -> None:
    document = json.loads(served.ask("/openapi.json").body)
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations()]

    for operation in operations:
        walk(served, operation)

    assert len(operations) >= 20


def walk(served: Served, operation: Any) -> None:
    """Ask one operation what its part of the document lets somebody ask."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def asked(case: Any) -> None:
        answer = send(served, case)

        assert answer.status < 500, f"{case.as_curl_command()}: {answer.body!r}"
        json.loads(answer.body) if "json" in answer.headers.get("content-type", "") else answer.body

    asked()


def send(served: Served, case: Any) -> Any:
    sent = case.as_transport_kwargs(base_url="http://localhost")
    prepared = requests.Request(
        sent["method"],
        sent["url"],
        params=sent.get("params"),
        json=sent.get("json"),
        data=sent.get("data"),
    ).prepare()
    parts = urlsplit(prepared.url or "")
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {served.tokens['admin']}".encode())]
    if body:
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return ask(
        served.guard,
        unquote(parts.path),
        method=sent["method"],
        headers=headers,
        pieces=[body],
        query=parts.query.encode(),
    )
