"""Cron expressions, in a named zone, with the rules of Debian's cron where clocks are changed.

What an expression means is croniter's business, which is asked for plain wall-clock times only; what a wall-clock time
means on a day that has an hour too few or too many is decided here. A job at a *fixed* time whose time is skipped runs
once, when the clock has jumped; one whose time comes twice runs the first time only. A job whose minute or hour begins
with a star follows elapsed time: it runs whenever the wall clock fits, so often as that is.

Source: cron(8) of Debian, "Notes" on daylight saving; checked against cronsim and the table in
tests/schedule/test_clock_changes.py. Nothing here reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfoNotFoundError

# Clocks are changed by an hour or less nearly everywhere; where a zone crossed the date line, by a day.
_LONGEST_CHANGE = timedelta(hours=26)
_STRIDE = timedelta(days=3)
_LAST_YEARS = 40


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a zone.

    Attributes:
        expression: Its five fields, as `records.schedules.cron_fields` gives them.
        zone: The zone whose wall clocks it means.
    """

    expression: str
    zone: tzinfo

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
