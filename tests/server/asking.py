"""Asking an ASGI application by hand: header by header and piece by piece, as no client would."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

HOST = (b"host", b"127.0.0.1:8237")


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> Any:
        return json.loads(self.body)["detail"]


def ask(
    application: Any,
    path: str = "/",
    *,
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    pieces: list[bytes] | None = None,
    query: bytes = b"",
    wait_s: float = 0.0,
) -> Answered:
    """Send one request and gather the answer.

    Args:
        headers: All of them; none is added but the host where there is none.
        pieces: The body, as it comes over the wire.
        wait_s: How long the sender rests before each piece.
    """
    given = list(headers or [])
    if not any(name == b"host" for name, _ in given):
        given.insert(0, HOST)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": given,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8237),
    }
    left = list(pieces if pieces is not None else [b""])
    sent: list[Any] = []

    async def receive() -> Any:
        if not left:
            return {"type": "http.disconnect"}
        await asyncio.sleep(wait_s)
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answered(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body)


def json_body(data: bytes, *more: tuple[bytes, bytes]) -> dict[str, Any]:
    """Give what `ask` needs to send a body as JSON."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode()), *more]
    return {"method": "POST", "headers": headers, "pieces": [data]}
