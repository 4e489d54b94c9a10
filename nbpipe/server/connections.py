"""Connections: how long somebody may take until a request has begun, and how much may stand in its head.

A client that connects and says nothing, or its headers a letter at a time, would hold a connection for ever. How long
a body may take is `guard`'s affair, since by then it is known who sends it.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from nbpipe.errors import BadValueError, ConflictError
from nbpipe.records.base import shorten

HEADERS_S = 10.0
# Each is an open file, and waits for a thread of the pool if there are many.
MOST_CONNECTIONS = 200
_LONGEST_HEAD = 48 * 1024
_GRACE_S = 10


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to waiting for a request's head."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take in what came; a head that is not whole yet has so much time left."""
        super().data_received(data)
        if not self._is_between_requests():
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

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
        "h11_max_incomplete_event_size": _LONGEST_HEAD,
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
