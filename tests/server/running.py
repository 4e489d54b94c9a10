"""A real server in a process of its own, started as people start it and ended by its id."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0


class RunningServer:
    """A server.

    Args:
        folder: Where it works.
        options: What stands behind `nbpipe server`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._log = folder / f"server-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nbpipe", "server", *options], cwd=folder, stdout=log, stderr=subprocess.STDOUT
            )
        self.url = self._told_url()

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _told_url(self) -> str:
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            found = re.search(r" at (https?://\S+)/ \(REST", self.said)
            if found:
                return found[1]
            if self.process.poll() is not None:
                return ""
            time.sleep(0.05)
        raise AssertionError(f"the server does not listen: {self.said}")

    def ask(self, path: str, token: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[RunningServer]:
    """Have a server run for the block."""
    server = RunningServer(folder, "--port", "0", *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def until(holds: Any, patience_s: float = 120.0) -> None:
    """Wait until something holds."""
    deadline_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        time.sleep(0.1)
