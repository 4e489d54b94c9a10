"""Cron expressions, in a named zone, with the rules of Debian's cron where clocks are changed.

What an expression means is croniter's business, which is asked for plain wall-clock times only; what a wall-clock time
means on a day that has an hour too few or too many is decided here. A job at a *fixed* time whose time is skipped runs
once, when the clock has jumped; one whose time comes twice runs the first time only. A job whose minute or hour begins
with a star follows elapsed time: it runs whenever the wall clock fits, so often as that is.

Source: cron(8) of Debian, "Notes" on daylight saving; checked against cronsim and the table in
tests/schedule/test_clock_changes.py. Nothing here reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten

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
_ITEM = re.compile(r"(?:\*|(?P<first>[a-z]{3}|\d{1,2})(?:-(?P<last>[a-z]{3}|\d{1,2}))?)(?:/(?P<step>\d{1,3}))?")
_NTH_DAY = re.compile(r"(?P<first>[a-z]{3}|\d)#[1-5]")
_CURE = "Write minute, hour, day of the month, month and day of the week, as in '0 2 * * *' for every night at two."
_LONGEST = 200
# Clocks are changed by an hour or less nearly everywhere; where a zone crossed the date line, by a day.
_LONGEST_CHANGE = timedelta(hours=26)
_STRIDE = timedelta(days=3)
_LAST_YEARS = 40


@dataclass(frozen=True, slots=True)
class _Field:
    """One of the five fields."""

    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()

    def number(self, word: str) -> int | None:
        """Give the number that a word stands for, if it is one of this field."""
        if word in self.words:
            return self.words.index(word) + self.least
        return int(word) if word.isdigit() and self.least <= int(word) <= self.most else None


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression that was checked, in a zone.

    Attributes:
        expression: Its five fields.
        zone: The zone whose wall clocks it means.
    """

    expression: str
    zone: tzinfo

    @classmethod
    def read(cls, expression: object, zone: str) -> Cron:
        """Check an expression.

        Args:
            expression: Five fields, or one of `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
            zone: The name of a zone.

        Raises:
            BadValueError: No cron expression, one that never fires, or no zone.
        """
        return cls(checked_expression(expression), zone_named(zone))

    @property
    def follows_elapsed_time(self) -> bool:
        """Whether its minute or hour begins with a star."""
        minute, hour, *_ = self.expression.split()
        return minute.startswith("*") or hour.startswith("*")

    def fires_after(self, after: datetime) -> Iterator[datetime]:
        """Give each instant, in UTC, at which it fires after another one."""
        while (found := self.next_fire(after)) is not None:
            yield found
            after = found

    def next_fire(self, after: datetime) -> datetime | None:
        """Give the first instant, in UTC, at which it fires after another one; `None` if there is none for decades.

        Args:
            after: An aware instant.
        """
        after = after.astimezone(UTC)
        return self._next_elapsed(after) if self.follows_elapsed_time else self._next_fixed(after)

    def _next_fixed(self, after: datetime) -> datetime | None:
        """Give the next instant of a job at fixed times."""
        wall = _wall(after, self.zone)
        if _offset(after, self.zone) != _offset(after - _LONGEST_CHANGE, self.zone):
            # What was skipped by a clock that has just been changed is due at that very moment.
            wall -= _LONGEST_CHANGE
        for time in self._walls_after(wall):
            instant = self._instant_of(time)
            if instant > after:
                return instant
        return None

    def _instant_of(self, wall: datetime) -> datetime:
        """Give the instant of a wall-clock time: the first of two, or the end of the gap in which it would lie."""
        instant = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        if _wall(instant, self.zone) == wall:
            return instant
        return _change_between(instant - _LONGEST_CHANGE, instant, self.zone)

    def _next_elapsed(self, after: datetime) -> datetime | None:
        """Give the next instant of a job that follows elapsed time: stretch by stretch between changes of the clock."""
        latest = after + timedelta(days=366 * _LAST_YEARS)
        while after < latest:
            offset = _offset(after, self.zone)
            wall = next(self._walls_after(_wall(after, self.zone)), None)
            if wall is None:
                return None
            instant = (wall - offset).replace(tzinfo=UTC)
            change = _first_change(after, instant, self.zone)
            if change is None:
                return instant
            # Times of the next stretch begin with its first moment.
            after = change - timedelta(microseconds=1)
            fits = self._first_of_stretch(change)
            if fits is not None:
                return fits
            after = change
        return None

    def _first_of_stretch(self, change: datetime) -> datetime | None:
        """Tell whether the wall clock fits at the very moment at which it was changed."""
        wall = _wall(change, self.zone)
        found = next(self._walls_after(wall - timedelta(microseconds=1)), None)
        return change if found == wall else None

    def _walls_after(self, wall: datetime) -> Iterator[datetime]:
        """Give the wall-clock times that fit after another one, as if no clock was ever changed."""
        from croniter import CroniterBadDateError, croniter

        times = croniter(self.expression, wall, ret_type=datetime, implement_cron_bug=True)
        while True:
            try:
                yield times.get_next(datetime)
            except (CroniterBadDateError, OverflowError, ValueError):
                return


def checked_expression(expression: object) -> str:
    """Give the five fields of a cron expression, checked.

    Raises:
        BadValueError: It is none, or one that never fires.
    """
    text = " ".join(expression.lower().split()) if isinstance(expression, str) else ""
    text = _MACROS.get(text, text)
    parts = text.split()
    if not 0 < len(text) <= _LONGEST or len(parts) != len(_FIELDS):
        number = f" It has {len(parts)} fields." if parts and not isinstance(expression, bytes) else ""
        raise BadValueError(f"{shorten(expression)} is no cron expression.{number} {_CURE}")
    for field, part in zip(_FIELDS, parts, strict=True):
        _check_field(field, part, expression)
    if Cron(text, UTC).next_fire(datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise BadValueError(f"{shorten(expression)} never fires: there is no such day.")
    return text


def _check_field(field: _Field, part: str, expression: object) -> None:
    for item in part.split(","):
        if field.name == "day of the month" and item == "l":
            continue
        nth = _NTH_DAY.fullmatch(item) if field.name == "day of the week" else None
        if nth is not None and field.number(nth["first"]) is not None:
            continue
        found = _ITEM.fullmatch(item)
        bounds = [field.number(word) for word in (found["first"], found["last"]) if word] if found else [None]
        is_known = None not in bounds and (found is None or found["step"] is None or int(found["step"]) > 0)
        is_forward = is_known and bounds == sorted(number for number in bounds if number is not None)
        is_ranged = found is not None and (found["step"] is None or found["first"] is None or found["last"] is not None)
        if not (is_known and is_forward and is_ranged):
            raise BadValueError(f"{shorten(expression)} is no cron expression: {item!r} is no {field.name}. {_CURE}")


def zone_named(name: object) -> ZoneInfo:
    """Give the zone of a name.

    Raises:
        BadValueError: There is none.
    """
    try:
        if not isinstance(name, str):
            raise ValueError
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadValueError(
            f"{shorten(name)} is no time zone known here; give one such as 'Europe/Berlin' or 'UTC'."
        ) from None


def local_zone_name() -> str:
    """Give the name of this machine's zone; `"UTC"` if it has none."""
    from tzlocal import get_localzone_name

    try:
        found = get_localzone_name()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A machine whose settings contradict each other.
        return "UTC"
    return found or "UTC"


def _wall(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _offset(instant: datetime, zone: tzinfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta(0)


def _first_change(after: datetime, until: datetime, zone: tzinfo) -> datetime | None:
    """Give the first moment in (after, until] at which clocks are changed, if there is one."""
    begin = after
    while begin < until:
        end = min(begin + _STRIDE, until)
        if _offset(begin, zone) != _offset(end, zone):
            return _change_between(begin, end, zone)
        begin = end
    return None


def _change_between(begin: datetime, end: datetime, zone: tzinfo) -> datetime:
    """Find the moment at which clocks are changed, between two at which they stand differently: to the second."""
    before = _offset(begin, zone)
    low, high = int(begin.timestamp()), -int(-end.timestamp() // 1)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == before:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
