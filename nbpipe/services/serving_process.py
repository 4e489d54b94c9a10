"""Bringing deployments up and down: sockets, the process that keeps one up, and the wait until it answers.

A listening socket is opened here and handed on, so that nobody can take the port between the moment it was
found free and the moment it is used. Of two that want to do this at once, one waits for the other.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

from nbpipe.base.locks import PolledLock
from nbpipe.base.serving_folder import ServingFolder, Standing, Wanted
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import ConflictError, DeploymentError

_KEEPER = "nbpipe.server.keeper"
_PATIENCE_S = 60.0
_LOOK_UP_S = 0.02
_LONGEST_LOG_BYTES = 10 << 20
_BACKLOG = 1024


def one_at_a_time(paths: WorkspacePaths) -> PolledLock:
    """Give the lock that whoever brings a deployment up or down holds meanwhile."""
    paths.ensure()
    paths.deployments.mkdir(mode=0o700, exist_ok=True)
    return PolledLock(paths.deployments / "lock", patience_s=_PATIENCE_S)


def listen_on(host: str, ports: Iterable[int]) -> socket.socket:
    """Open a listening socket on the first of these ports that is free.

    Raises:
        ConflictError: None is, or the host is no address of this machine.
    """
    tried = []
    for port in ports:
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            tried.append((port, error.strerror or str(error)))
            continue
        return listening
    port, why = tried[0]
    last = f" to {tried[-1][0]}" if len(tried) > 1 else ""
    raise ConflictError(f"Port {port}{last} of {host} cannot be had: {why}. Choose another with port= (--port).")


def url_of(listening: socket.socket) -> str:
    """Give the address of a listening socket."""
    host, port = listening.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 — recognised, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def start_keeper(paths: WorkspacePaths, folder: ServingFolder, deployment_id: str, listening: socket.socket) -> None:
    """Start the process that keeps a deployment up, and hand it the socket; wait until it is there.

    Raises:
        DeploymentError: It ended at once.
    """
    _begin_log_anew(folder)
    log = os.open(folder.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 — this interpreter, a module of ours, and paths of ours
            [sys.executable, "-P", "-m", _KEEPER, str(folder.path), deployment_id, str(listening.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(listening.fileno(),),
            env={**os.environ, "NBPIPE_HOME": str(paths.root), "PYTHONUNBUFFERED": "1"},
            cwd=paths.root.parent,
            # It outlives whoever starts it, and what interrupts that one.
            start_new_session=True,
        )
    finally:
        os.close(log)
    # Should it end before this process does, nothing is left of it.
    threading.Thread(target=process.wait, name="nbpipe-reaper", daemon=True).start()
    deadline_s = time.monotonic() + _PATIENCE_S
    while not folder.is_kept:
        if process.poll() is not None:
            standing = folder.standing()
            if standing is not None and standing.keeper == process.pid:
                # It was quick: it came up and ended again.
                return
            raise DeploymentError(f"The process that was to keep the deployment up ended at once; see {folder.output}.")
        if time.monotonic() > deadline_s:
            process.kill()
            raise DeploymentError("The process that was to keep the deployment up did not start in time.")
        time.sleep(_LOOK_UP_S)


def wait_for(folder: ServingFolder, generation: int, timeout_s: float = _PATIENCE_S) -> Standing:
    """Wait until a generation answers, or cannot be brought to.

    Raises:
        DeploymentError: Neither within this time, or what kept it up was killed.
    """
    deadline_s = time.monotonic() + timeout_s
    while True:
        standing = folder.standing()
        if standing is not None and standing.generation >= generation and standing.status in ("running", "failed"):
            return standing
        if not folder.is_kept:
            standing = folder.standing()
            if standing is not None and standing.generation >= generation and standing.status == "failed":
                return standing
            raise DeploymentError(f"The process that keeps the deployment up is gone; see {folder.output}.")
        if time.monotonic() > deadline_s:
            raise DeploymentError(f"The deployment is not ready after {timeout_s:g} s; see {folder.output}.")
        time.sleep(_LOOK_UP_S)


def bring_down(folder: ServingFolder, generation: int, drain_s: float) -> None:
    """Have a deployment end, and wait until nothing of it is left.

    Raises:
        DeploymentError: It does not end.
    """
    if not folder.path.is_dir():
        return
    folder.want(Wanted(generation, stop=True, drain_s=drain_s))
    deadline_s = time.monotonic() + drain_s + _PATIENCE_S
    while folder.is_kept:
        if time.monotonic() > deadline_s:
            raise DeploymentError(f"The deployment does not end; see {folder.output}.")
        time.sleep(_LOOK_UP_S)


def _begin_log_anew(folder: ServingFolder) -> None:
    with suppress(FileNotFoundError):
        if folder.output.stat().st_size > _LONGEST_LOG_BYTES:
            folder.output.replace(folder.output.with_suffix(".1.log"))
