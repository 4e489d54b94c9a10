"""The REST server as a process: what is refused before it listens, what it prints, and how it ends.

SIGTERM and an interrupt end it gracefully: what was asked is answered, no more runs are started, those that go on go
on by themselves, and those that wait are taken up by the next server of the workspace.
"""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from nbpipe.errors import BadValueError
from nbpipe.server.addresses import is_loopback
from nbpipe.server.app import make_server
from nbpipe.server.connections import bound_socket, uvicorn_settings
from nbpipe.server.house import House
from nbpipe.services.client import Client
from nbpipe.services.queue_workers import QueueWorkers
from nbpipe.services.queueing import RunQueue
from nbpipe.services.serving_settings import ServerSettings

_HOW_TO = "nbpipe token create NAME --scope invoke|read|admin"


def serve(settings: ServerSettings, client: Client, say: Callable[[str], None]) -> None:
    """Serve a workspace until somebody ends it.

    Args:
        settings: Where, and how.
        client: The workspace.
        say: Told in lines where it serves, and what there is to know of it.

    Raises:
        BadValueError: A value that is none, or a server beyond this machine that nobody has a token for.
        ConflictError: The port is in use.
    """
    has_token = client.tokens.has_valid()
    check_reach(settings, has_token=has_token)
    queue = RunQueue(client.workspace)
    workers = QueueWorkers(client.workspace, queue, at_once=settings.workers)
    guard = make_server(
        House(client, queue, workers), host=settings.host, further_hosts=settings.hosts, origins=settings.origins
    )
    client.workspace.paths.ensure()
    config = uvicorn.Config(guard, lifespan="off", **uvicorn_settings(**_tls(settings)))
    # The last thing that can be refused: from here on it is to be closed.
    bound = bound_socket(settings.host, settings.port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    server = _Server(config, lambda: _tell(settings, bound, client, queue, say, has_token=has_token))
    # Asked to end, it ends by itself; the signal is not to be passed on after that.
    former = {number: signal.signal(number, _heard) for number in (signal.SIGTERM, signal.SIGINT)}
    workers.start()
    try:
        server.run(sockets=[bound])
    finally:
        workers.close()
        bound.close()
        for number, handler in former.items():
            signal.signal(number, handler)
    _tell_the_end(queue, say)


def check_reach(settings: ServerSettings, *, has_token: bool) -> None:
    """Refuse what would be reached from elsewhere and opened by nobody's token.

    Raises:
        BadValueError: It would.
    """
    if not is_loopback(settings.host) and not has_token:
        raise BadValueError(
            f"Bound to {settings.host}, other machines reach this server, and there is no token that opens it.\n"
            f"Make one first: {_HOW_TO}"
        )


class _Server(uvicorn.Server):
    """Uvicorn, which tells when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._listening()


def _tls(settings: ServerSettings) -> dict[str, Any]:
    if not settings.certificate:
        return {}
    for file in (settings.certificate, settings.key):
        if file and not Path(file).is_file():
            raise BadValueError(f"There is no file {file}.")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.certificate, settings.key or None)
    except (OSError, ssl.SSLError) as error:
        raise BadValueError(f"{settings.certificate} and its key cannot be used: {error}.") from None
    return {"ssl_certfile": settings.certificate, "ssl_keyfile": settings.key or None}


def _tell(
    settings: ServerSettings,
    bound: socket.socket,
    client: Client,
    queue: RunQueue,
    say: Callable[[str], None],
    *,
    has_token: bool,
) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.certificate else "http"
    url = f"{scheme}://{host}:{bound.getsockname()[1]}"
    say(f"Serving {client.workspace.paths.root} at {url}/ (REST under {url}/api/v1, described at {url}/docs)")
    say(f"A token opens it: {_HOW_TO}" if has_token else f"No token opens it yet; make one: {_HOW_TO}")
    if not is_loopback(settings.host) and not settings.certificate:
        say("WARNING: other machines reach it, and without TLS whoever listens on the way can read tokens and data.")
    waiting = len(queue.waiting())
    if waiting:
        say(f"Waiting to begin, {settings.workers} at a time: {_runs(waiting)}.")


def _tell_the_end(queue: RunQueue, say: Callable[[str], None]) -> None:
    running, waiting = queue.running(), len(queue.waiting())
    told = [f"Going on by themselves: {_runs(running)}."] if running else []
    told += [f"Waiting for the next server: {_runs(waiting)}."] if waiting else []
    say(" ".join(["The server has ended.", *told]))


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _heard(_number: int, _frame: object) -> None:
    """Take note of a signal that was heeded already."""
