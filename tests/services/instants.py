"""A fixed noon: what is due, overdue or over must not depend on the day on which a test is run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from nbpipe.base.clock import clock_set_to

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Have it be that instant in the block."""
    with clock_set_to(lambda: instant):
        yield
