"""An S3 server of our own, as a real process on this machine: moto's, which keeps its objects in memory."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

BUCKET = "nbpipe-tests"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class S3Server:
    """The process; each `with` starts one with an empty bucket in it, and ends it by its id.

    Args:
        port: Where it listens; a free one if not given.
        open_requests: After how many requests credentials are asked for; never if not given.
    """

    def __init__(self, port: int | None = None, open_requests: int | None = None) -> None:
        self.port = port if port is not None else free_port()
        self._open_requests = open_requests
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def variables(self) -> dict[str, str]:
        """What a process needs to find it, and to find no account of anybody's."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull,
        }

    def start(self) -> None:
        environment = dict(os.environ)
        if self._open_requests is not None:
            environment["INITIAL_NO_AUTH_ACTION_COUNT"] = str(self._open_requests)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        until = time.monotonic() + 60
        while True:
            with suppress(OSError):
                urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=5).close()
                break
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.1)
        made = urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(made, timeout=10).close()

    def stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> S3Server:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def reset(connection: socket.socket) -> None:
    """End a connection at once, for whoever reads or writes at either end of it."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Wakes a thread that waits in it.
        connection.shutdown(socket.SHUT_RD)
    connection.close()


class CuttingProxy:
    """Passes on what goes to and from a server, until so many bytes went one way; then it cuts every connection.

    Args:
        port: The server's.
        sent: How many bytes may go to it; any number if not given.
        received: How many may come from it; any number if not given.
        swallows: Cut nothing then, and let the other wait.
    """

    def __init__(
        self, port: int, *, sent: int | None = None, received: int | None = None, swallows: bool = False
    ) -> None:
        self._swallows = swallows
        self.left = {"sent": sent, "received": received}
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listening.accept()
                if 0 in self.left.values() and not self._swallows:
                    reset(here)
                    continue
                there = socket.create_connection(("127.0.0.1", self._server))
                self._open += [here, there]
                for way, source, target in (("sent", here, there), ("received", there, here)):
                    thread = threading.Thread(target=self._pass_on, args=(way, source, target), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _pass_on(self, way: str, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                left = self.left[way]
                if left is not None:
                    data, self.left[way] = data[:left], max(0, left - len(data))
                target.sendall(data)
                if self.left[way] == 0:
                    if self._swallows:
                        return
                    break
        for end in (source, target):
            reset(end)

    def close(self) -> None:
        # A thread that waits in accept is woken by this, and not by closing alone.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for end in self._open:
            reset(end)
        for thread in self._threads:
            thread.join(10)
        for end in self._open:
            end.close()
