"""One thread that does what a step need not wait for: hashing and writing large values.

Work is done in the order it was handed in. The thread starts with the first work, and an
interpreter that ends waits for it. A forked child has no thread of its parent's: it starts its
own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from nbpipe.store.blobs import Blobs
from nbpipe.store.buffers import Pieces

Result = TypeVar("Result")

_MOMENT_S = 0.002


class BlobWriter:
    """The thread, and what it has still to do.

    Args:
        blobs: Where blobs go.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._pid = 0
        self._thread: ThreadPoolExecutor | None = None
        self._open: set[Future[Any]] = set()

    def submit(self, pieces: Pieces) -> Future[str]:
        """Have a blob written; the future gives its digest. Nobody may change `pieces` meanwhile."""
        return self.run(lambda: self._blobs.write(pieces))

    def run(self, work: Callable[[], Result]) -> Future[Result]:
        """Have `work` done; what it returns or raises is the future's."""
        if self._thread is None or self._pid != os.getpid():
            self._thread, self._pid, self._open = ThreadPoolExecutor(1, "nbpipe-writer"), os.getpid(), set()
        future = self._thread.submit(work if self._open else lambda: _after_a_moment(work))
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        return future

    def wait(self) -> None:
        """Wait until all that was handed in is done; errors stay with their futures."""
        if self._open and self._pid == os.getpid():
            wait(tuple(self._open))

    def close(self) -> None:
        """Do what is left, then end the thread."""
        if self._thread is not None and self._pid == os.getpid():
            self._thread.shutdown()
        self._thread = None


def _after_a_moment(work: Callable[[], Result]) -> Result:
    # Whoever handed it in is on his way to the next step's body, and would wait for the interpreter for milliseconds.
    time.sleep(_MOMENT_S)
    return work()
