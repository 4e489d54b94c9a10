"""What time it is.

One function, so that a test can set the clock: rules never read it, they are handed an
instant. Instants are aware and in UTC; in a record they are text, ISO 8601 with microseconds.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
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
    return _now().isoformat(timespec="microseconds")


@contextmanager
def clock_set_to(source: Callable[[], datetime]) -> Iterator[None]:
    """Take the time from `source` while the block runs, in the whole process."""
    global _now
    former, _now = _now, source
    try:
        yield
    finally:
        _now = former
