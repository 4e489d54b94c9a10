"""The process that answers for a deployment: what `keeper` starts.

It brings the snapshot to life, loads what its runs read, and says that it is ready; then it answers on
the listening socket that it was given, until it is told to end: it takes on nothing more, finishes what
it has accepted, and records it. When the process that started it is gone, it ends at once, with all that
its steps have started.
"""

from __future__ import annotations

import asyncio
import faulthandler
import hashlib
import hmac
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from typing import Any

import uvicorn

from nbpipe.base.clock import now_text
from nbpipe.base.serving_folder import ServingFolder
from nbpipe.base.workspace import find_workspace
from nbpipe.errors import NbpipeError
from nbpipe.records.deployments import DeploymentSettings
from nbpipe.records.state import Row
from nbpipe.server.addresses import names_of
from nbpipe.server.connections import MOST_CONNECTIONS, uvicorn_settings
from nbpipe.server.deployed import Deployed
from nbpipe.server.docs import OPEN
from nbpipe.server.guard import (
    Admission,
    Admit,
    Application,
    Guard,
    GuardSettings,
    Message,
    Receive,
    Refusal,
    Scope,
    Send,
)
from nbpipe.server.guard import Served as Answered
from nbpipe.services.deployed_functions import functions_of
from nbpipe.services.deployment_records import settings_of
from nbpipe.services.serving import Served
from nbpipe.services.snapshot_finding import find_snapshot
from nbpipe.services.snapshot_running import enter_folder
from nbpipe.services.workspace import Workspace, open_workspace

_STUCK = 75
_STANDARD_ERROR = 2
_LEAVING_S = 0.3
# The invoker ends what hangs and can still be told apart from this; it needs some seconds.
_HELD_UP_S = 10.0
_TICKS_PUT_OFF = 10
_LOG_BYTES = 5 << 20
_LOGS_KEPT = 2


class Asker:
    """The process that started this one.

    Args:
        telling: The pipe on which it is told whether this process is ready.
        living: A pipe that closes when it is gone.
    """

    def __init__(self, telling: int, living: int) -> None:
        for pipe in (telling, living):
            os.set_inheritable(pipe, False)
        self._telling = telling
        threading.Thread(target=self._live_with_it, args=(living,), name="nbpipe-keeper", daemon=True).start()

    def tell(self, **said: str) -> None:
        """Tell it something, the first and only thing."""
        with suppress(OSError):
            os.write(self._telling, json.dumps(said).encode() + b"\n")
            os.close(self._telling)

    @staticmethod
    def _live_with_it(living: int) -> None:
        with suppress(OSError):
            os.read(living, 1)
        # This process leads a group: all that steps have started goes with it.
        os.killpg(0, signal.SIGKILL)


class RequestLog:
    """One JSON line for each request, in a file that is begun anew when it is long.

    Lines are gathered while requests are answered, and written when there is nothing to answer or a tenth of a second
    has passed. What they tell of is recorded elsewhere.

    Args:
        folder: The deployment's folder.
    """

    def __init__(self, folder: ServingFolder) -> None:
        self._handler = RotatingFileHandler(
            folder.requests, maxBytes=_LOG_BYTES, backupCount=_LOGS_KEPT, encoding="utf-8", delay=True
        )
        self._lines: list[dict[str, Any]] = []

    def add(self, **said: Any) -> None:
        """Have one request written down soon."""
        self._lines.append({"at": now_text(), **said})

    def write(self) -> None:
        """Write down what was gathered."""
        lines, self._lines = self._lines, []
        if lines:
            self._handler.handle(logging.makeLogRecord({"msg": "\n".join(map(json.dumps, lines))}))

    def close(self) -> None:
        """Write down the last requests, and let go of the file."""
        self.write()
        self._handler.close()


@dataclass(frozen=True, slots=True)
class Alive:
    """What has come to life.

    Attributes:
        name: The deployment's name.
        key: The digest of its api key, or `""`.
        settings: How it serves.
        served: What it serves.
        routes: Its own routes: method, path and function.
        around: Its own functions around each request.
    """

    name: str
    key: str
    settings: DeploymentSettings
    served: Served
    routes: Sequence[tuple[str, str, Callable[..., Any]]]
    around: Sequence[Callable[..., Any]]


def main(deployment_id: str, generation: int, held: int, telling: int, living: int) -> int:
    """Answer for a deployment until told to end."""
    asker = Asker(telling, living)
    workspace = open_workspace(find_workspace())
    folder = ServingFolder(workspace.paths.deployments / deployment_id)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)  # type: ignore[union-attr]
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    row = workspace.catalog.state().deployments.get(deployment_id)
    if row is None or row["generation"] != generation:
        asker.tell(refused="It was changed meanwhile.")
        return 0
    try:
        alive = brought_to_life(workspace, row)
    except NbpipeError as error:
        asker.tell(refused=str(error))
        return error.exit_code
    except Exception as error:
        # Code of the user's that runs when it is brought to life; the log has all of it.
        asker.tell(refused=f"It cannot be brought to life: {type(error).__name__}: {error}")
        raise
    # What steps start must not hold the address.
    os.set_inheritable(held, False)
    _answer(alive, asker, folder, socket.socket(fileno=held))
    workspace.close()
    return 0


def brought_to_life(workspace: Workspace, row: Row) -> Alive:
    """Bring what a deployment serves to life, in its own folder.

    Raises:
        NbpipeError: It cannot be served here.
        Exception: Whatever the user's own code raises when it is brought to life.
    """
    snapshot = find_snapshot(workspace, row["snapshot_id"])
    enter_folder(snapshot)
    settings, own = settings_of(row), functions_of(workspace, row)
    beside = tuple(own.sources)
    served = Served(workspace, snapshot, cache=settings.cache, recorded=settings.recorded, beside=beside)
    served.warm_up()
    routes = [(route.method, route.path, served.call_of(route.source)) for route in own.routes]
    around = [served.call_of(source) for source in own.middleware]
    return Alive(row["name"], row["settings"].get("key", ""), settings, served, routes, around)


def _answer(alive: Alive, asker: Asker, folder: ServingFolder, listening: socket.socket) -> None:
    settings = alive.settings
    log = RequestLog(folder)

    def on_stuck() -> None:
        # Nothing can run behind it any more; what comes after this process finds everything recorded.
        print("An invocation could not be stopped; the process is replaced.", file=sys.stderr, flush=True)
        alive.served.close()
        os._exit(_STUCK)

    deployed = Deployed(alive.name, alive.served, settings, on_stuck, alive.routes, alive.around)

    def answered(request: Answered) -> None:
        log.add(
            request_id=request.request_id,
            who=request.who,
            method=request.method,
            path=request.path,
            status=request.status,
            took_ms=round(request.took_s * 1e3, 3),
            **deployed.noted.pop(request.request_id, {}),
        )

    gate = GuardSettings(
        hosts=names_of(listening.getsockname()[0]),
        open_paths=frozenset({("GET", "/health"), ("GET", "/ready"), *OPEN}),
        origins=frozenset(settings.cors_origins),
        body_limit_bytes=settings.max_body_bytes,
    )
    leaving = Leaving(Guard(deployed.application(), gate, admit_by(alive.key), answered), log.write)
    limits = uvicorn_settings(
        date_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, int(settings.drain_s)),
        # Whoever may wait for a turn holds a connection meanwhile.
        limit_concurrency=MOST_CONNECTIONS + settings.max_waiting,
    )
    config = uvicorn.Config(leaving, **limits)
    server = _Server(config, asker, leaving, settings.timeout_s + _HELD_UP_S, log.write)
    asyncio.run(server.serve(sockets=[listening]))
    began_s = time.monotonic()
    deployed.close()
    log.close()
    print(f"Ended; what was answered is recorded ({time.monotonic() - began_s:.2f} s).", flush=True)


class Leaving:
    """Tells those who keep their connections, once this process takes on no new ones, to open others: another answers.

    Args:
        application: What answers.
        when_idle: Called when there is nothing to answer any more.

    Attributes:
        has_begun: Whether they are told.
    """

    def __init__(self, application: Application, when_idle: Callable[[], None]) -> None:
        self._application = application
        self._when_idle = when_idle
        self._answering = 0
        self.has_begun = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if self.has_begun and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        self._answering += 1
        try:
            await self._application(scope, receive, telling)
        finally:
            self._answering -= 1
            if not self._answering:
                self._when_idle()


class _Server(uvicorn.Server):
    """A server that says when it answers, that ends without a connection lost, and that cannot be held up for ever.

    A step may call what never lets go of the interpreter, and then nothing of ours runs any more. What ends the process
    in that case is a thread that needs no interpreter (`faulthandler`); it is put off as long as there is life.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        asker: Asker,
        leaving: Leaving,
        held_up_s: float,
        often: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._asker = asker
        self._leaving = leaving
        self._held_up_s = held_up_s
        self._often = often

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._asker.tell(ready=now_text())

    async def on_tick(self, counter: int) -> bool:
        """Do what is to be done ten times a second."""
        self._often()
        if counter % _TICKS_PUT_OFF == 0:
            # The log shows then where it hangs.
            faulthandler.dump_traceback_later(self._held_up_s, exit=True, file=_STANDARD_ERROR)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take on no connection any more, answer those that there are, and end."""
        for server in self.servers:
            server.close()
        if self.server_state.connections:
            # A connection that was just taken on may have said nothing yet.
            self._leaving.has_begun = True
            await asyncio.sleep(_LEAVING_S)
        await super().shutdown(sockets)
        faulthandler.cancel_dump_traceback_later()


def admit_by(digest: str) -> Admit:
    """Give what says whether a sender may: whoever has the key or, where there is none, everybody on this machine.

    Args:
        digest: The SHA-256 of the key, in hexadecimal; `""` for a deployment without one.
    """

    def admit(token: str | None, _method: str, _path: str) -> Admission | Refusal:
        if not digest:
            return Admission()
        if token is None:
            return Refusal(401, "This deployment needs its api key: send the header Authorization: Bearer KEY.")
        if hmac.compare_digest(hashlib.sha256(token.encode()).hexdigest(), digest):
            return Admission("key")
        return Refusal(401, "That is not the api key of this deployment.")

    return admit


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], *map(int, sys.argv[2:6])))
