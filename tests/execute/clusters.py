"""Dask clusters of processes of their own, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 60


class Cluster:
    """A scheduler and its workers.

    Args:
        folder: Where they may write.
        port: The scheduler's port; any that is free if it is 0.
    """

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._folder = folder
        self._file = folder / f"scheduler-{time.monotonic_ns()}.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._started(
            *("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"),
            *("--dashboard-address", "127.0.0.1:0", "--scheduler-file", str(self._file)),
        )
        deadline = time.monotonic() + LIMIT_S
        while not self._file.exists() or not self._file.read_text():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.02)
        self.address = str(json.loads(self._file.read_text())["address"])

    def _started(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self._folder / "dask.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                cwd=self._folder,
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def add_worker(self, *words: str, threads: int = 1, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker, and wait until the scheduler knows it."""
        before = self.count()
        given = ("--no-nanny", "--no-dashboard", "--nthreads", str(threads), "--local-directory", str(self._folder))
        worker = self._started("worker", self.address, *given, *words, **environment)
        self.workers.append(worker)
        deadline = time.monotonic() + LIMIT_S
        while self.count() <= before:
            assert time.monotonic() < deadline, "the worker did not start"
            time.sleep(0.05)
        return worker

    def count(self) -> int:
        """Count the workers that the scheduler knows."""
        import distributed

        with distributed.Client(self.address, set_as_default=False) as client:
            return len(client.scheduler_info()["workers"])

    def end(self) -> None:
        """End all of them."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@contextmanager
def cluster_in(folder: Path, port: int = 0) -> Iterator[Cluster]:
    """Have a cluster for the block."""
    made = Cluster(folder, port)
    try:
        yield made
    finally:
        made.end()
