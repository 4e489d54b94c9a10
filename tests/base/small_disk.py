"""A disk that is full, for as long as a block lasts: no file of this process may grow beyond a size.

The kernel refuses it as it refuses a write on a full disk: short first, then with an error. No pytest here, so that
processes of trials can have it too.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Refuse this process's files to grow beyond a size, as a full disk would: a write is short, then fails."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
