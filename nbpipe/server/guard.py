"""The one gate of both servers: nothing behind it is reached unless it lets the request through.

It is plain ASGI and stands outermost, so that no route, no page and no middleware can forget it. In this
order it asks of a request: is it addressed to us, does it come from a page of ours or from no page at all,
is it small and well-formed, may its sender do this, and is its body JSON, within the limits and in time.
Only then is the application called. What comes back gets the headers that keep browsers strict, and an id.

It knows no tokens and no scopes: who may do what is answered by a function it is given, which is asked for
every path that is not named as open. It knows no routes either, so a path that does not exist is refused
like any other to who may not ask.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.server.addresses import host_name, same_origin
from nbpipe.server.heads import Headers, read_headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_LIMIT_BYTES = 10 * 1024 * 1024
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_LOG = logging.getLogger("nbpipe.server")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_BEARER = re.compile(r"bearer +(?P<token>[\x21-\x7e]{1,512})", re.IGNORECASE)
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
# What `curl -d` sends when it is not told otherwise.
_FORM = "application/x-www-form-urlencoded"
_MOST_HEADERS = 100
_LONGEST_HEADERS = 32 * 1024
_LONGEST_TARGET = 8 * 1024
_CLOSE = ((b"connection", b"close"),)
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody may do what they ask.

    Attributes:
        who: A name for the log, such as that of the token; never the token.
        scope: What they may do, for handlers that answer more to some.
    """

    who: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Somebody may not.

    Attributes:
        status: 401 if a token is missing or not valid, 403 if it is too narrow, 429 if they ask too often.
        detail: One sentence, for the answer.
    """

    status: int
    detail: str


# The token (or none), the method and the path. It is asked within the event loop: one that has to wait is awaited.
Admit = Callable[[str | None, str, str], Admission | Refusal | Awaitable[Admission | Refusal]]


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a request, for the log."""

    request_id: str
    who: str
    method: str
    path: str
    status: int
    took_s: float


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """What a guard lets through.

    Attributes:
        hosts: The names it may be addressed by, in lower case and without ports (`addresses.names_of`).
        open_paths: Those (method, path) for which nobody is asked who they are. A HEAD goes with its GET.
        origins: Other sites whose pages may call, such as `https://notes.example.org`.
        body_limit_bytes: The longest body.
        body_time_s: How long a body may take to arrive.
        policy: The Content-Security-Policy of every answer.
    """

    hosts: frozenset[str]
    open_paths: frozenset[tuple[str, str]] = frozenset()
    origins: frozenset[str] = frozenset()
    body_limit_bytes: int = BODY_LIMIT_BYTES
    body_time_s: float = 20.0
    policy: str = POLICY


class _RefusedError(Exception):
    """The request ends here."""

    def __init__(self, status: int, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self.status, self.detail, self.headers = status, detail, headers
        super().__init__(detail)


class _TooLongError(_RefusedError):
    """The body is longer than it may be; the connection ends with the answer, since the rest of it is not read."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(413, f"The body is longer than {limit_bytes:,} bytes.", _CLOSE)


class _GoneError(Exception):
    """Whoever asked is no longer there."""


class Guard:
    """The gate before an application.

    Handlers find in `scope["state"]` the `request_id` and, where somebody was asked for, the `admission`.

    Args:
        application: What is behind it.
        settings: What it lets through.
        admit: Says of a token whether it may.
        served: Is told of each request when it is answered; it must not wait.
    """

    def __init__(
        self,
        application: Application,
        settings: GuardSettings,
        admit: Admit,
        served: Callable[[Served], None] | None = None,
    ) -> None:
        self.application, self.settings, self.served = application, settings, served
        self._admit = admit
        self._policy = ((b"content-security-policy", settings.policy.encode("latin-1")),)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
        elif scope["type"] == "http":
            await _Exchange(self, scope, receive, send).answer()
        else:
            # No server of ours speaks anything else; the close is what ASGI has for a refusal.
            await send({"type": "websocket.close", "code": 1008})

    async def judge(self, scope: Scope, headers: Headers) -> Admission:
        """Give leave to a request by all that can be said before its body is read.

        Raises:
            _RefusedError: It may not.
        """
        self._check_form(scope, headers)
        self._check_address(scope, headers)
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        if (method, scope["path"]) in self.settings.open_paths:
            return Admission()
        authorization = headers.get("authorization")
        bearer = _BEARER.fullmatch(authorization)
        answer = self._admit(bearer["token"] if bearer else None, scope["method"], scope["path"])
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Admission):
            return answer
        challenge = ((b"www-authenticate", b'Bearer realm="nbpipe"'),) if answer.status == 401 else ()
        raise _RefusedError(answer.status, answer.detail, challenge)

    def is_preflight(self, scope: Scope, headers: Headers) -> bool:
        """Tell whether a browser asks here whether a page of a site that may call may send a request."""
        return (
            scope["method"] == "OPTIONS"
            and headers.get("origin") in self.settings.origins
            and bool(headers.get("access-control-request-method"))
        )

    def _check_form(self, scope: Scope, headers: Headers) -> None:
        target = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        if target > _LONGEST_TARGET:
            raise _RefusedError(414, f"The address is longer than {_LONGEST_TARGET:,} characters.")
        sizes = [len(name) + len(value) for name, value in scope["headers"]]
        if len(sizes) > _MOST_HEADERS or sum(sizes) > _LONGEST_HEADERS:
            said = f"More than {_MOST_HEADERS} headers, or than {_LONGEST_HEADERS:,} characters of them."
            raise _RefusedError(431, said)
        if headers.repeated:
            raise _RefusedError(400, f"The header {min(headers.repeated)} stands more than once.")

    def _check_address(self, scope: Scope, headers: Headers) -> None:
        host = host_name(headers.get("host"))
        if host is None or host not in self.settings.hosts:
            raise _RefusedError(421, "The Host header does not name this server.")
        origin = headers.get("origin")
        if origin in self.settings.origins and origin:
            return
        if origin and not same_origin(origin, scope.get("scheme", "http"), headers.get("host")):
            raise _RefusedError(403, "Pages of other sites may not call this server.")
        site = headers.get("sec-fetch-site")
        if site not in ("", "none", "same-origin") and not self._is_followed_link(scope, headers):
            raise _RefusedError(403, "Pages of other sites may not call this server.")

    def _is_followed_link(self, scope: Scope, headers: Headers) -> bool:
        """Tell whether somebody followed a link to an open path: they see it, the other page does not."""
        return (
            scope["method"] == "GET"
            and ("GET", scope["path"]) in self.settings.open_paths
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )

    def added_headers(self, request_id: str, origin: str, present: set[bytes]) -> list[tuple[bytes, bytes]]:
        """Give the headers that every answer has, those left out that it already has."""
        added = [
            (b"x-request-id", request_id.encode("ascii")),
            *_ALWAYS,
            *self._policy,
            (b"cache-control", b"no-store"),
        ]
        if self.settings.origins:
            added.append((b"vary", b"Origin"))
            if origin in self.settings.origins:
                added.append((b"access-control-allow-origin", origin.encode("latin-1")))
                added.append((b"access-control-expose-headers", b"X-Request-ID"))
        return [(name, value) for name, value in added if name not in present]


class _Exchange:
    """One request and its answer."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard, self._scope, self._receive, self._send = guard, scope, receive, send
        self._headers = read_headers(scope["headers"])
        wanted = self._headers.get("x-request-id")
        self.request_id = wanted if _REQUEST_ID.fullmatch(wanted) else new_id()
        self._admission = Admission()
        self._status = 0
        self._began = time.perf_counter()

    async def answer(self) -> None:
        """Judge the request, and have it answered if it may be."""
        guard, headers = self._guard, self._headers
        try:
            if guard.is_preflight(self._scope, headers) and host_name(headers.get("host")) in guard.settings.hosts:
                await self._answer_preflight()
                return
            self._admission = await guard.judge(self._scope, headers)
            receive = await self._with_body()
            state = self._scope.setdefault("state", {})
            state["request_id"], state["admission"] = self.request_id, self._admission
            await guard.application(self._scope, receive, self._send_strictly)
        except _RefusedError as refused:
            await self._say(refused.status, refused.detail, refused.headers)
        except _GoneError:
            self._status = 499
        except Exception:  # noqa: BLE001 — logged as a whole; this is the last place where it can be answered
            # Nothing that goes wrong behind the gate may show how in an answer, and none may end the server.
            _LOG.exception("request %s failed", self.request_id)
            if not self._status:
                await self._say(500, "Something went wrong here; the server's log says what.")
        finally:
            self._tell()

    async def _with_body(self) -> Receive:
        """Read the body, within the limits, and give it back whole to whoever asks for it next."""
        length = self._headers.get("content-length")
        if length and not (length.isascii() and length.isdigit() and len(length) < 16):
            raise _RefusedError(400, "The Content-Length header is not a length.")
        chunked = bool(self._headers.get("transfer-encoding"))
        if not chunked and int(length or 0) == 0:
            return self._receive
        self._check_kind()
        limit = self._guard.settings.body_limit_bytes
        if int(length or 0) > limit:
            raise _TooLongError(limit)
        body = await self._read(limit)
        pending = [body]

        async def receive() -> Message:
            if pending:
                return {"type": "http.request", "body": pending.pop(), "more_body": False}
            return await self._receive()

        return receive

    def _check_kind(self) -> None:
        """See to it that the body says to be JSON.

        A form is what pages of other sites can send unasked. From a sender who has a token and is no browser it is
        `curl -d` without a header, and is taken for the JSON it is.
        """
        kind, _, parameters = self._headers.get("content-type").casefold().partition(";")
        kind, parameters = kind.strip(), parameters.replace(" ", "").replace('"', "")
        if self._scope["method"] in _BODILESS:
            raise _RefusedError(400, f"A {self._scope['method']} has no body.")
        if parameters not in ("", "charset=utf-8"):
            raise _RefusedError(415, "Send the body as application/json, in UTF-8.")
        is_browser = any(self._headers.get(name) for name in ("origin", "sec-fetch-site", "cookie"))
        if kind == _FORM and self._admission.who and not is_browser:
            others = [(name, value) for name, value in self._scope["headers"] if name.lower() != b"content-type"]
            self._scope["headers"] = [*others, (b"content-type", b"application/json")]
        elif kind != "application/json":
            raise _RefusedError(415, "Send the body as JSON, with the header Content-Type: application/json.")

    async def _read(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._guard.settings.body_time_s):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise _GoneError
                    size += len(message.get("body", b""))
                    if size > limit:
                        raise _TooLongError(limit)
                    pieces.append(message.get("body", b""))
                    if not message.get("more_body"):
                        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except TimeoutError:
            said = f"The body did not arrive within {self._guard.settings.body_time_s:g} s."
            raise _RefusedError(408, said, _CLOSE) from None

    async def _answer_preflight(self) -> None:
        allowed = (
            (b"access-control-allow-methods", b"GET, POST, PUT, DELETE"),
            (b"access-control-allow-headers", b"Authorization, Content-Type, X-Request-ID"),
            (b"access-control-max-age", b"600"),
        )
        await self._send_strictly({"type": "http.response.start", "status": 204, "headers": list(allowed)})
        await self._send_strictly({"type": "http.response.body", "body": b""})

    async def _say(self, status: int, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        body = json.dumps({"detail": detail}).encode()
        length = (b"content-length", str(len(body)).encode())
        kinds = [(b"content-type", b"application/json"), length, *headers]
        await self._send_strictly({"type": "http.response.start", "status": status, "headers": kinds})
        head = self._scope["method"] == "HEAD"
        await self._send_strictly({"type": "http.response.body", "body": b"" if head else body})

    async def _send_strictly(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            given = list(message.get("headers", ()))
            present = {name.lower() for name, _ in given}
            added = self._guard.added_headers(self.request_id, self._headers.get("origin"), present)
            message = {**message, "headers": [*given, *added]}
        await self._send(message)

    def _tell(self) -> None:
        if self._guard.served is None:
            return
        method, path = self._scope["method"], self._scope["path"]
        took_s = time.perf_counter() - self._began
        self._guard.served(Served(self.request_id, self._admission.who, method, path, self._status, took_s))
