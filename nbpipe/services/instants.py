"""Instants as records hold them: aware, in UTC, whether they come from a view, from the state or from a caller.

A caller may say when in the ways people do: an instant, a day, a text of either, or how long ago.
What has no zone is meant in the local one.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from nbpipe.base.clock import now
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten

_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(?:\d{1,9}(?:\.\d{1,6})? *(?:min|[smhdw]) *)+(?:ago)?", re.IGNORECASE | re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?) *(min|[smhdw])", re.IGNORECASE | re.ASCII)
_LONGEST = 60


def as_instant(written: str | datetime) -> datetime:
    """Read an instant, written as ISO 8601 or given by the catalog in any zone."""
    at = datetime.fromisoformat(written) if isinstance(written, str) else written
    return at.astimezone(UTC)


def meant_instant(name: str, given: object) -> datetime:
    """Read an instant as a caller says it.

    Args:
        name: What the argument is called.
        given: A `datetime`; a `date`, meaning its first moment; a `timedelta`, meaning so long ago; or a text:
            ISO 8601 (`"2026-11-20"`, `"2026-11-20T08:00+01:00"`) or how long ago (`"2h"`, `"3d"`, `"1h 30min ago"`).

    Raises:
        BadValueError: It says no instant, or one that no calendar has.
    """
    try:
        at = _meant(given)
    except (OverflowError, ValueError, OSError):
        # `OSError` is how some platforms refuse a local time long before 1970.
        at = None
    if at is None:
        raise BadValueError(
            f"{name}={shorten(given)} is no time; write it as in '2026-11-20', '2026-11-20T08:00' or '2h' (ago)."
        )
    return at


def meant_span(name: str, given: object) -> timedelta:
    """Read how long something is to last.

    Args:
        name: What the argument is called.
        given: A `timedelta`, or a text such as `"30d"` or `"1h 30min"`.

    Raises:
        BadValueError: It says no time.
    """
    if isinstance(given, timedelta):
        return given
    text = given.strip() if isinstance(given, str) and len(given) <= _LONGEST else ""
    if _AGO.fullmatch(text) and not text.endswith("ago"):
        with suppress(OverflowError):
            return timedelta(seconds=sum(float(n) * _UNITS_S[u.lower()] for n, u in _PART.findall(text)))
    raise BadValueError(f"{name}={shorten(given)} is no time; write it as in '30d', '12h' or '1h 30min'.")


def _meant(given: object) -> datetime | None:
    match given:
        case datetime() if given != given:  # noqa: PLR0124 — pandas' "not a time" is no instant
            return None
        case datetime():
            # Of a frame's instant only what a plain one holds.
            return as_instant(datetime.fromisoformat(given.isoformat(timespec="microseconds")))
        case date():
            return as_instant(datetime.combine(given, time()))
        case timedelta():
            return now() - given if given >= timedelta() else None
        case str() if len(given) <= _LONGEST:
            text = given.strip()
            if _AGO.fullmatch(text):
                return now() - timedelta(seconds=sum(float(n) * _UNITS_S[u.lower()] for n, u in _PART.findall(text)))
            return as_instant(text)
    return None
