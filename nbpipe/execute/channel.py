"""Records from one process to another over a pair of pipes: each with its length before it.

Both ends are ours and belong to one user; what is read is trusted as much as this process is.
"""

from __future__ import annotations

import struct
import threading
from typing import IO, Any

from nbpipe.store import pickles

_LENGTH = struct.Struct("!Q")


def packed(record: Any) -> bytes:
    """Write a record with its length before it."""
    body = pickles.sent(record)
    return _LENGTH.pack(len(body)) + body


class Channel:
    """One end.

    Args:
        incoming: Where the other end's records come from.
        outgoing: Where records go to.
    """

    def __init__(self, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._lock = threading.Lock()

    def send(self, record: Any) -> None:
        """Send a record.

        Raises:
            OSError: The other end is gone.
        """
        self.send_packed(packed(record))

    def send_packed(self, data: bytes) -> None:
        """Send a record that `packed` wrote, once for many who are sent it.

        Raises:
            OSError: The other end is gone.
        """
        with self._lock:
            self._outgoing.write(data)
            self._outgoing.flush()

    def receive(self) -> Any:
        """Wait for the next record.

        Raises:
            EOFError: The other end is gone.
        """
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return pickles.received(self._exactly(length))

    def close(self) -> None:
        """Close both pipes."""
        for pipe in (self._outgoing, self._incoming):
            try:
                pipe.close()
            except OSError:
                # What could not be sent any more is of no use to anybody.
                continue

    def _exactly(self, size: int) -> bytes:
        data = self._incoming.read(size)
        if len(data) < size:
            raise EOFError("the other end is gone")
        return data
