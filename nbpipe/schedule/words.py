"""When a schedule fires, in words: `At 02:00, only on Sunday (Europe/Berlin)`.

What a cron expression says in English is cron-descriptor's business. Nothing here knows an instant that is due.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from nbpipe.records.schedules import Schedule, is_zone

# The units in which an interval is said, the largest first: seconds, one, several.
_UNITS = ((604_800, "week", "weeks"), (86_400, "day", "days"), (3_600, "hour", "hours"), (60, "minute", "minutes"))


def in_words(schedule: Schedule) -> str:
    """Say when a schedule fires, and in which zone."""
    zone = schedule.timezone or "local time"
    if schedule.cron_expression is not None:
        return f"{cron_in_words(schedule.cron_expression)} ({zone})"
    if schedule.interval_second is not None:
        return f"Every {span_in_words(schedule.interval_second)}"
    assert schedule.run_once_start_time is not None, "a schedule says one of the three"
    return f"Once, at {instant_in_words(schedule.run_once_start_time, schedule.timezone)}"


@lru_cache(maxsize=1024)
def cron_in_words(expression: str) -> str:
    """Say a cron expression, as `records.schedules.cron_fields` gives it, in English."""
    from cron_descriptor import ExpressionDescriptor, Options

    options = Options()
    options.use_24hour_time_format = True
    minute, hour, day, *rest = expression.split()
    described = ExpressionDescriptor(" ".join((minute, hour, day.upper(), *rest)), options)
    return str(described.get_description())


def span_in_words(seconds: float) -> str:
    """Say a number of seconds in the largest unit of which it is a whole number: `30 minutes`, `day`."""
    for size, one, several in _UNITS:
        number, over = divmod(seconds, size)
        if number and not over:
            return one if number == 1 else f"{number:g} {several}"
    return "second" if seconds == 1 else f"{seconds:g} seconds"


def instant_in_words(instant: datetime, zone: str | None) -> str:
    """Say an instant on the wall clock of a zone, to the minute where seconds say nothing more."""
    there = instant.astimezone(None if zone is None else ZoneInfo(zone) if is_zone(zone) else UTC)
    written = there.strftime("%Y-%m-%d %H:%M" if not there.second else "%Y-%m-%d %H:%M:%S")
    return f"{written} {there.tzname() or zone}"


def until_in_words(span: timedelta) -> str:
    """Say roughly how long it is: `in 3 h 20 min`, `in 5 days`; what is past is `now`."""
    seconds = int(span.total_seconds())
    if seconds <= 0:
        return "now"
    if seconds < 120:
        return f"in {seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 120:
        return f"in {minutes} min"
    if hours < 48:
        return f"in {hours} h {minutes % 60} min"
    return f"in {seconds // 86_400} days"
