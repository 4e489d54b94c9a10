"""What time it is.

One function, so that a test can set the clock: rules never read it, they are handed an
instant. Instants are aware and in UTC; in a record they are text, ISO 8601 with microseconds.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from time import time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _system_now() -> datetime:
    return datetime.now(UTC)


_now: Callable[[], datetime] = _system_now


def now() -> datetime:
    """Give the present instant, aware and in UTC."""
    return _now()


def now_text() -> str:
    """Give the present instant as it stands in a record: `2026-11-20T08:15:30.123456+00:00`."""
    if _now is not _system_now:
        return _now().isoformat(timespec="microseconds")
    second, micros = divmod(time_ns() // 1000, 1_000_000)
    return f"{_second_text(second)}.{micros:06}+00:00"


@lru_cache(maxsize=2)
def _second_text(second: int) -> str:
    """Write a second since 1970. Many things happen in one, and each is written down with its instant."""
    return datetime.fromtimestamp(second, UTC).isoformat().removesuffix("+00:00")


@contextmanager
def clock_set_to(source: Callable[[], datetime]) -> Iterator[None]:
    """Take the time from `source` while the block runs, in the whole process."""
    global _now
    former, _now = _now, source
    try:
        yield
    finally:
        _now = former
