"""Schedules: when a snapshot is to be run, as a caller says it and as it is kept.

Of three ways exactly one is said: a cron expression, an interval, or one instant. What of it can be refused without a
clock is refused here; when a schedule is due is `schedule`'s business, and whose firing it is the operation log's.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator, model_validator

from nbpipe.records.base import Record, plain_name, shorten


class CatchUp(StrEnum):
    """What becomes of instants that passed while no scheduler ran: the last one fires, at most ten do, or none does."""

    LAST = "last"
    ALL = "all"
    NONE = "none"


class Overlap(StrEnum):
    """What becomes of a firing while the run before still goes on: it is skipped, it waits, or it runs too."""

    SKIP = "skip"
    QUEUE = "queue"
    PARALLEL = "parallel"


SHORTEST_INTERVAL_S = 1.0
_LONGEST_INTERVAL_S = 366 * 86_400.0


class Schedule(Record):
    """When a snapshot is to be run: `Schedule(cron_expression="0 2 * * *")`.

    Attributes:
        name: Its name; without one it takes the pipeline's.
        cron_expression: Five fields of cron, meant in `timezone`; or …
        interval_second: … how many seconds after `start_time`, which itself is the first, and again after each; or …
        run_once_start_time: … once, then.
        start_time: Not before then. An instant without a zone is meant in `timezone`.
        end_time: Not after then.
        timezone: The name of a zone, such as `"Europe/Berlin"`; that of this machine if not given.
        catchup: What becomes of instants that passed while no scheduler ran: `last`, `all` or `none`.
        overlap: What becomes of a firing while the run before still goes on: `skip`, `queue` or `parallel`.
    """

    name: str | None = None
    cron_expression: str | None = None
    interval_second: float | None = None
    run_once_start_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    timezone: str | None = None
    catchup: CatchUp = CatchUp.LAST
    overlap: Overlap = Overlap.SKIP

    @field_validator("name", mode="before")
    @classmethod
    def _is_name(cls, name: object) -> str | None:
        return None if name is None else plain_name("schedule", name)

    @field_validator("cron_expression", mode="before")
    @classmethod
    def _is_cron(cls, expression: object) -> str | None:
        return None if expression is None else cron_fields(expression)

    @field_validator("interval_second", mode="before")
    @classmethod
    def _is_interval(cls, given: object) -> float | None:
        if given is None:
            return None
        seconds = given.total_seconds() if isinstance(given, timedelta) else given
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise ValueError(f"is no number of seconds (got {shorten(given)})")
        if not SHORTEST_INTERVAL_S <= seconds <= _LONGEST_INTERVAL_S:
            raise ValueError(f"must be from 1 second to a year (got {shorten(given)})")
        return float(seconds)

    @field_validator("timezone", mode="before")
    @classmethod
    def _is_zone(cls, name: object) -> str | None:
        return None if name is None else zone_name(name)

    @model_validator(mode="after")
    def _is_one_schedule(self) -> Schedule:
        kinds = ("cron_expression", "interval_second", "run_once_start_time")
        said = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(said) != 1:
            found = f"not {' and '.join(said)}" if said else "none was"
            raise ValueError(f"give one of cron_expression, interval_second or run_once_start_time; {found} given")
        if self.run_once_start_time is not None and self.start_time is not None:
            raise ValueError("run_once_start_time says when; leave start_time out")
        begin = self.start_time or self.run_once_start_time
        zone = ZoneInfo(self.timezone) if self.timezone is not None else UTC
        if begin is not None and self.end_time is not None and aware(self.end_time, zone) <= aware(begin, zone):
            raise ValueError(f"end_time {self.end_time} is not after {begin}, when it begins")
        return self


def aware(instant: datetime, zone: Any) -> datetime:
    """Give an instant with its zone: one without is meant in `zone`."""
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=zone)


def instant_text(instant: datetime | None) -> str | None:
    """Give an instant as it stands in a record: ISO 8601 in UTC with microseconds."""
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="microseconds")


def is_zone(name: str) -> bool:
    """Tell whether a zone of this name is known on this machine."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def zone_name(name: object) -> str:
    """Give the name of a zone that is known here.

    Raises:
        ValueError: There is none of that name.
    """
    try:
        if not isinstance(name, str) or not name.strip():
            raise ValueError
        return ZoneInfo(name.strip()).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{shorten(name)} is no time zone known here; give one such as 'Europe/Berlin' or 'UTC'"
        ) from None


_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_ITEM = re.compile(r"(?:\*|(?P<first>[a-z]{3}|\d{1,2})(?:-(?P<last>[a-z]{3}|\d{1,2}))?)(?:/(?P<step>\d{1,3}))?")
_NTH_DAY = re.compile(r"(?P<first>[a-z]{3}|\d)#[1-5]")
_CURE = "write minute, hour, day of the month, month and day of the week, as in '0 2 * * *' for every night at two"
_LONGEST = 200


def cron_fields(expression: object) -> str:
    """Give the five fields of a cron expression in lower case, with single blanks, `@daily` and its kin written out.

    Lists, ranges, steps and names stand as in crontab(5); besides them `L` is the last day of a month and `mon#2` a
    month's second Monday. A range that runs backwards, which cron refuses too, is refused.

    Raises:
        ValueError: It is none.
    """
    text = " ".join(expression.lower().split()) if isinstance(expression, str) else ""
    text = _MACROS.get(text, text)
    parts = text.split()
    if not 0 < len(text) <= _LONGEST or len(parts) != len(_FIELDS):
        number = f" ({len(parts)} fields)" if 0 < len(parts) <= 20 else ""
        raise ValueError(f"{shorten(expression)} is no cron expression{number}; {_CURE}")
    for (name, least, most, words), part in zip(_FIELDS, parts, strict=True):
        for item in part.split(","):
            if not _is_item(item, name, least, most, words):
                raise ValueError(f"{shorten(expression)} is no cron expression: {item!r} is no {name}; {_CURE}")
    return text


def _is_item(item: str, name: str, least: int, most: int, words: tuple[str, ...]) -> bool:
    """Tell whether something can stand in a field, between commas."""
    if name == "day of the month" and item == "l":
        return True
    nth = _NTH_DAY.fullmatch(item) if name == "day of the week" else None
    if nth is not None:
        return _number(nth["first"], least, most, words) is not None
    found = _ITEM.fullmatch(item)
    if found is None or (found["step"] is not None and int(found["step"]) == 0):
        return False
    if found["first"] is None:
        return True
    first = _number(found["first"], least, most, words)
    last = _number(found["last"], least, most, words) if found["last"] is not None else first
    # A step needs something to step through.
    is_ranged = found["step"] is None or found["last"] is not None
    return first is not None and last is not None and first <= last and is_ranged


def _number(word: str, least: int, most: int, words: tuple[str, ...]) -> int | None:
    if word in words:
        return words.index(word) + least
    return int(word) if word.isdigit() and least <= int(word) <= most else None
