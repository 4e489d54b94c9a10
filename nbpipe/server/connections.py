"""Connections: how long somebody may take until a request has begun, and how much may stand in its head.

A client that connects and says nothing, or its headers a letter at a time, would hold a connection for ever. How long
a body may take is `guard`'s affair, since by then it is known who sends it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nbpipe.errors import BadValueError, ConflictError
from nbpipe.records.base import shorten

HEADERS_S = 10.0
# Each is an open file, and waits for a thread of the pool if there are many.
MOST_CONNECTIONS = 200
_LONGEST_HEAD = 48 * 1024
_GRACE_S = 10
_MOST_BYTES = 64 * 1024


class ImpatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to waiting for a request's head, and to how long one may be."""

    _waiting: asyncio.TimerHandle | None = None
    _is_head = True
    _got_on = False
    _loose_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(_Whole(transport, self.loop))
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take in what came; a head that is not whole yet has so much time left, and may be so long."""
        self._got_on = False
        super().data_received(data)
        self._loose_bytes = 0 if self._got_on else self._loose_bytes + len(data)
        if self._loose_bytes > _LONGEST_HEAD:
            self._refuse()
        elif not self._is_between_requests():
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    # What the parser has found -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._is_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; what stands behind a body in pieces is none, whoever may take it for one."""
        if self._is_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Have a request answered."""
        self._is_head, self._got_on = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a piece of a body."""
        self._got_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take note that a request is whole."""
        self._got_on = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send what was answered, and go on to the next request."""
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()

    # Waiting -----------------------------------------------------------------------------------

    def _is_between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEADERS_S, self._give_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._is_between_requests() and not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        if self._is_between_requests() and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")
        else:
            self.transport.close()


class _Whole(asyncio.Transport):
    """A transport that sends what is written in one go in one packet: the head of an answer and its body.

    Args:
        transport: What sends it.
        loop: The loop in which all this happens.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes | bytearray | memoryview] = []
        self._bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send something, at the latest when whoever writes waits for something."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)
        self._bytes += len(data)
        if self._bytes > _MOST_BYTES:
            # Only what was handed on counts for those who wait until it is sent.
            self.flush()

    def flush(self) -> None:
        """Send what was written."""
        if self._pieces:
            pieces, self._pieces, self._bytes = self._pieces, [], 0
            self._transport.write(b"".join(pieces))

    def close(self) -> None:
        """Send what was written, and let go."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Let go at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Tell whether it is let go of."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Say something of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Take in nothing more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking in."""
        self._transport.resume_reading()


def bound_socket(host: str, port: int) -> socket.socket:
    """Give a socket that is bound; whoever serves begins to listen.

    Args:
        host: An address or a name of this machine.
        port: A port; 0 for any that is free.

    Raises:
        BadValueError: A port that is none, or an address that is not this machine's.
        ConflictError: Something serves there already.
    """
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise BadValueError(f"{shorten(port)} is no port; ports go from 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise BadValueError(f"{shorten(host)} is no address of this machine.") from None
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind(address)
    except OSError as error:
        made.close()
        raise _refused(error, host, port) from None
    return made


def uvicorn_settings(**more: Any) -> dict[str, Any]:
    """Give the settings that both servers have in common for `uvicorn.Config`."""
    return {
        "http": ImpatientProtocol,
        "ws": "none",
        "loop": "asyncio",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        # Whoever stands before it may say anything in headers; nothing here goes by the sender's address.
        "proxy_headers": False,
        "limit_concurrency": MOST_CONNECTIONS,
        "timeout_graceful_shutdown": _GRACE_S,
        **more,
    }


def _refused(error: OSError, host: str, port: int) -> BadValueError | ConflictError:
    import errno

    if error.errno == errno.EADDRINUSE:
        return ConflictError(f"Port {port} of {host} is in use. Take another with --port; 0 is any that is free.")
    if error.errno == errno.EACCES:
        return BadValueError(f"Port {port} is not for everybody to take; use one from 1024 on.")
    return BadValueError(f"{shorten(host)} is no address of this machine.")
