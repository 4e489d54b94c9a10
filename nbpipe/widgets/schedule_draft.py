"""A schedule as somebody types it: texts by field, and what they come to, with what is wrong beside its field.

Pure: texts and an instant go in, a schedule or sentences come out. The rules are those of `records.schedules` and
`schedule.firing`; here is only which field each of them is about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from nbpipe.errors import BadValueError
from nbpipe.records.base import problems_of, shorten
from nbpipe.records.schedules import CatchUp, Overlap, Schedule, cron_fields, zone_name
from nbpipe.schedule.cron import local_zone_name
from nbpipe.schedule.firing import fires_after, settled
from nbpipe.services.instants import meant_span
from nbpipe.services.schedule_records import ScheduleRecord

SHOWN_FIRES = 5
_JUST_BEFORE = timedelta(microseconds=1)
_NEEDED = "needs a value"
_LONGEST_INSTANT = 40
# Which field shows what a schedule's own check says of one of its fields.
_FIELDS = {
    "cron_expression": "cron",
    "interval_second": "every",
    "run_once_start_time": "at",
    "start_time": "start",
    "end_time": "end",
    "timezone": "timezone",
    # What concerns no single field is that the end is not after the start.
    "value": "end",
}
_UNITS = ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "min"))


class Way(StrEnum):
    """The three ways to say when: a cron expression, an interval, one instant."""

    CRON = "cron"
    EVERY = "every"
    AT = "at"


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the fields.

    Attributes:
        name: The schedule's name.
        snapshot: The id of what it runs.
        way: Which of the three is meant.
        cron: A cron expression.
        every: An interval, as in `30min`; a bare number means seconds.
        at: The one instant.
        timezone: The name of the zone that is meant throughout; that of this machine if empty.
        start: Not before then.
        end: Not after then.
        catchup: What becomes of instants that passed while no scheduler ran.
        overlap: What becomes of a firing while the run before still goes on.
    """

    name: str = ""
    snapshot: str = ""
    way: Way = Way.CRON
    cron: str = ""
    every: str = ""
    at: str = ""
    timezone: str = ""
    start: str = ""
    end: str = ""
    catchup: CatchUp = CatchUp.LAST
    overlap: Overlap = Overlap.SKIP

    @property
    def timing(self) -> Draft:
        """What of it says when: name and snapshot left out."""
        return replace(self, name="", snapshot="")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a draft comes to.

    Attributes:
        schedule: When it fires, as it would be kept; `None` if something is wrong.
        problems: A sentence for each field that will not do.
    """

    schedule: Schedule | None
    problems: Mapping[str, str]


def draft_of(record: ScheduleRecord) -> Draft:
    """Write down a schedule as it would be typed: its instants on the wall clock of its zone."""
    kept, zone = record.schedule, record.timezone
    way = Way.AT
    if kept.cron_expression is not None:
        way = Way.CRON
    elif kept.interval_second is not None:
        way = Way.EVERY
    return Draft(
        name=record.name,
        snapshot=record.snapshot_id,
        way=way,
        cron=kept.cron_expression or "",
        every=_span_text(kept.interval_second) if kept.interval_second is not None else "",
        at=_instant_text(kept.run_once_start_time, zone),
        timezone=zone,
        start=_instant_text(kept.start_time, zone),
        end=_instant_text(kept.end_time, zone),
        catchup=kept.catchup,
        overlap=kept.overlap,
    )


def read(draft: Draft, now: datetime, former: ScheduleRecord | None = None) -> Reading:
    """Say what a draft comes to.

    Args:
        draft: What stands in the fields.
        now: The present instant.
        former: The schedule that is changed, if one is: what was not touched stays to the microsecond.
    """
    before = draft_of(former) if former is not None else None
    if former is not None and before is not None and draft.timing == before.timing:
        # One that is over was right when it was made; only its zone may be one that another machine knew.
        try:
            zone_name(former.timezone)
        except ValueError as error:
            return Reading(None, {"timezone": str(error)})
        return Reading(former.schedule, {})
    said, problems = _said(draft)
    if problems:
        return Reading(None, problems)
    if former is not None and before is not None and draft.timezone == before.timezone:
        names = (
            ("start", "start_time"),
            ("end", "end_time"),
            ("at", "run_once_start_time"),
        )
        untouched = {
            name: getattr(former.schedule, name) for f, name in names if getattr(draft, f) == getattr(before, f)
        }
        said |= {name: value for name, value in untouched.items() if name in said}
    try:
        return Reading(settled(Schedule.model_validate(said), now), {})
    except ValidationError as error:
        found = problems_of(error)
        return Reading(None, {_FIELDS.get(name, draft.way.value): text for name, text in found.items()})
    except BadValueError as error:
        name, _, rest = str(error).partition(" ")
        if name in _FIELDS:
            return Reading(None, {_FIELDS[name]: rest})
        return Reading(None, {draft.way.value: str(error)})


def upcoming(schedule: Schedule, now: datetime, number: int = SHOWN_FIRES) -> list[datetime]:
    """Give the next instants of a schedule that would begin now; the present one is among them if it fires."""
    return list(islice(fires_after(schedule, now - _JUST_BEFORE), number))


def _said(draft: Draft) -> tuple[dict[str, Any], dict[str, str]]:
    """Read each field by itself."""
    said: dict[str, Any] = {"catchup": draft.catchup, "overlap": draft.overlap}
    problems: dict[str, str] = {}

    def take(field: str, name: str, read_one: Any) -> None:
        text = getattr(draft, field).strip()
        if not text and field == draft.way.value:
            problems[field] = _NEEDED
        elif text:
            try:
                said[name] = read_one(text)
            except ValueError as error:
                problems[field] = str(error)

    take(
        draft.way.value,
        *{
            Way.CRON: ("cron_expression", cron_fields),
            Way.EVERY: ("interval_second", _seconds),
            Way.AT: ("run_once_start_time", _instant),
        }[draft.way],
    )
    take("timezone", "timezone", zone_name)
    if draft.way is not Way.AT:
        take("start", "start_time", _instant)
    take("end", "end_time", _instant)
    said.setdefault("timezone", local_zone_name())
    return said, problems


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return meant_span("every", text).total_seconds()
    except BadValueError:
        raise ValueError(
            f"{shorten(text)} is no interval; write it as in '30min', '12h' or '1d 6h', or a number of seconds"
        ) from None


def _instant(text: str) -> datetime:
    try:
        if len(text) > _LONGEST_INSTANT:
            raise ValueError
        found = datetime.fromisoformat(text)
        # Some of the first and last year are none in another zone.
        found.astimezone(ZoneInfo("UTC"))
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{shorten(text)} is no time; write it as in '2027-01-31' or '2027-01-31 08:00'") from None
    return found


def _instant_text(instant: datetime | None, zone: str) -> str:
    if instant is None:
        return ""
    try:
        there = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None, microsecond=0)
    except ZoneInfoNotFoundError:
        there = instant.replace(microsecond=0)
    return there.isoformat(sep=" ", timespec="seconds" if there.second else "minutes")


def _span_text(seconds: float) -> str:
    for size, unit in _UNITS:
        if not seconds % size:
            return f"{int(seconds // size)}{unit}"
    # A bare number of seconds can be written in full.
    return f"{int(seconds)}s" if seconds.is_integer() else repr(seconds)
