"""When a schedule fires, and what is to become of the instants that passed: functions of a schedule and two instants.

Nothing here reads a clock or knows a catalog; who does is `services.firing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.schedules import CatchUp, Schedule, aware
from nbpipe.schedule.cron import Cron, local_zone_name

MOST_CAUGHT_UP = 10
MOST_COUNTED = 10_000
GRACE = timedelta(hours=1)
_JUST_BEFORE = timedelta(microseconds=1)


def settled(schedule: Schedule, now: datetime, *, may_be_past: bool = False) -> Schedule:
    """Give a schedule as it is kept: with its zone, its instants in UTC, and an interval's start.

    Args:
        schedule: As somebody said it.
        now: The present instant.
        may_be_past: Whether one whose only instant, or whose end, has passed is taken all the same.

    Raises:
        BadValueError: Its only instant or its end has passed, or it never fires.
    """
    name = schedule.timezone or local_zone_name()
    zone = ZoneInfo(name)

    def instant(given: datetime | None) -> datetime | None:
        return None if given is None else aware(given, zone).astimezone(UTC)

    start = instant(schedule.start_time)
    kept = schedule.model_copy(
        update={
            "timezone": name,
            "start_time": now if start is None and schedule.interval_second is not None else start,
            "end_time": instant(schedule.end_time),
            "run_once_start_time": instant(schedule.run_once_start_time),
        }
    )
    if not may_be_past:
        _check_future(kept, now)
    return kept


def _check_future(schedule: Schedule, now: datetime) -> None:
    once, end = schedule.run_once_start_time, schedule.end_time
    if once is not None and once <= now:
        raise BadValueError(f"run_once_start_time {_said(once)} has passed; give an instant that is still to come.")
    if end is not None and end <= now:
        raise BadValueError(f"end_time {_said(end)} has passed; give an instant that is still to come.")
    if next_fire(schedule, now) is None:
        never = f" between {_said(schedule.start_time or now)} and {_said(end)}" if end is not None else ""
        raise BadValueError(f"{shorten(what(schedule))} never fires{never}.")


def _said(instant: datetime) -> str:
    return instant.isoformat(sep=" ", timespec="seconds")


def what(schedule: Schedule) -> str:
    """Say in one word when a schedule fires: its expression, its interval or its instant."""
    if schedule.cron_expression is not None:
        return schedule.cron_expression
    if schedule.interval_second is not None:
        return f"every {schedule.interval_second:g} s"
    assert schedule.run_once_start_time is not None, "a schedule says one of the three"
    return f"once, {_said(schedule.run_once_start_time)}"


def next_fire(schedule: Schedule, after: datetime) -> datetime | None:
    """Give the first instant at which a schedule fires after another one.

    Args:
        schedule: The schedule; one that has no zone is meant in UTC, and an interval without a start never began.
        after: An aware instant.

    Returns:
        The instant, in UTC; `None` if it fires no more.
    """
    zone: tzinfo = ZoneInfo(schedule.timezone) if schedule.timezone is not None else UTC
    start = aware(schedule.start_time, zone) if schedule.start_time is not None else None
    found = _next(schedule, after.astimezone(UTC), start, zone)
    if found is not None and schedule.end_time is not None and found > aware(schedule.end_time, zone):
        return None
    return found


def _next(schedule: Schedule, after: datetime, start: datetime | None, zone: tzinfo) -> datetime | None:
    if schedule.cron_expression is not None:
        # The start itself may be one of its instants.
        begin = after if start is None else max(after, start.astimezone(UTC) - _JUST_BEFORE)
        return Cron(schedule.cron_expression, zone).next_fire(begin)
    if schedule.interval_second is not None:
        if start is None:
            return None
        first, step_s = start.astimezone(UTC), schedule.interval_second
        passed = math.floor((after - first).total_seconds() / step_s) + 1
        found = first + timedelta(seconds=max(0, passed) * step_s)
        # What a division of seconds rounds away must not fire twice.
        return found if found > after else first + timedelta(seconds=(passed + 1) * step_s)
    once = schedule.run_once_start_time
    assert once is not None, "a schedule says one of the three"
    once = aware(once, zone).astimezone(UTC)
    return once if once > after else None


def fires_after(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Give each instant at which a schedule fires after another one, in order."""
    while (found := next_fire(schedule, after)) is not None:
        yield found
        after = found


@dataclass(frozen=True, slots=True)
class Due:
    """What has come due.

    Attributes:
        fire: The instants that are to be fired, in order.
        missed: How many others are told as missed: `MOST_COUNTED` if it is as many or more.
        missed_from: The first of those, if there are any.
        missed_until: The last of those.
    """

    fire: tuple[datetime, ...] = ()
    missed: int = 0
    missed_from: datetime | None = None
    missed_until: datetime | None = None


def due(schedule: Schedule, since: datetime, now: datetime) -> Due:
    """Say what is to become of the instants in (since, now].

    Args:
        schedule: The schedule.
        since: The last instant that somebody has seen to.
        now: The present instant.
    """
    most = MOST_CAUGHT_UP if schedule.catchup is CatchUp.ALL else 1
    found = list(islice(takewhile(lambda instant: instant <= now, fires_after(schedule, since)), MOST_COUNTED + most))
    if len(found) == MOST_COUNTED + most:
        found[-most - 1 :] = _last(schedule, now, most + 1)
    fire, missed = found[-most:], found[:-most]
    if schedule.catchup is CatchUp.NONE and fire and now - fire[0] > GRACE:
        fire, missed = [], found[-MOST_COUNTED:]
    return Due(tuple(fire), len(missed), missed[0] if missed else None, missed[-1] if missed else None)


def _last(schedule: Schedule, now: datetime, most: int) -> list[datetime]:
    """Give the last instants up to now of a schedule that has had many: walked through from ever farther back."""
    zone: tzinfo = ZoneInfo(schedule.timezone) if schedule.timezone is not None else UTC
    end = now if schedule.end_time is None else min(now, aware(schedule.end_time, zone).astimezone(UTC))
    span = timedelta(seconds=1)
    while True:
        found = list(takewhile(lambda instant: instant <= now, fires_after(schedule, end - span)))
        if len(found) >= most:
            return found[-most:]
        span *= 2
