"""What is typed of a schedule: written down and read again, it is the same one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.records.schedules import CatchUp, Overlap, Schedule
from nbpipe.schedule.firing import settled
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.widgets.schedule_draft import Draft, Way, draft_of, read, upcoming
from nbpipe.widgets.schedule_help import EXAMPLES

NOW = datetime(2027, 1, 20, 12, tzinfo=UTC)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"])
TYPED = st.sampled_from(["cron", "every", "at", "timezone", "start", "end"])
LATER = st.datetimes(datetime(2027, 2, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
KINDS = st.one_of(
    st.sampled_from(EXAMPLES).map(lambda expression: {"cron_expression": expression}),
    st.floats(1, 86_400 * 366).map(lambda seconds: {"interval_second": seconds}),
    LATER.map(lambda instant: {"run_once_start_time": instant}),
)


def record_of(schedule: Schedule) -> ScheduleRecord:
    kept = settled(schedule, NOW)
    return ScheduleRecord("id", "nightly", "training", "snapshot", kept, True, NOW, None, None, NOW, {}, None)  # type: ignore[arg-type]


@given(kind=KINDS, zone=ZONES, catchup=st.sampled_from(CatchUp), overlap=st.sampled_from(Overlap))
def test_one_that_is_written_down_and_changed_in_one_thing_is_the_same_in_all_others(
    kind: dict[str, Any], zone: str, catchup: CatchUp, overlap: Overlap
) -> None:
    record = record_of(Schedule(**kind, timezone=zone, end_time=datetime(2029, 1, 1)))
    written = draft_of(record)

    reading = read(Draft(**{**fields_of(written), "catchup": catchup, "overlap": overlap}), NOW, record)

    wanted = record.schedule.model_copy(update={"catchup": catchup, "overlap": overlap})
    assert reading.problems == {}
    assert reading.schedule == wanted


@given(text=st.text(max_size=40), way=st.sampled_from(Way), field=TYPED)
def test_whatever_is_typed_makes_a_schedule_or_is_told_at_a_field(text: str, way: Way, field: str) -> None:
    reading = read(Draft(**{"way": way, "cron": "@daily", "every": "1d", "at": "2027-06-01", field: text}), NOW)

    assert (reading.schedule is None) == bool(reading.problems)
    assert set(reading.problems) <= {way.value, "timezone", "start", "end"}


def test_an_interval_that_begins_now_fires_now() -> None:
    schedule = read(Draft(way=Way.EVERY, every="1h"), NOW).schedule

    assert schedule is not None
    assert upcoming(schedule, NOW, 2) == [NOW, NOW + timedelta(hours=1)]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("30min", 1800), ("30m", 1800), ("1d 6h", 108_000), (" 2h ", 7200)]
)
def test_an_interval_is_said_in_units_or_in_seconds(text: str, seconds: float) -> None:
    schedule = read(Draft(way=Way.EVERY, every=text), NOW).schedule

    assert schedule is not None
    assert schedule.interval_second == seconds


def test_another_zone_means_the_same_wall_clock_there() -> None:
    record = record_of(Schedule(cron_expression="@daily", timezone="Europe/Berlin", end_time=datetime(2028, 1, 1, 8)))

    schedule = read(Draft(**{**fields_of(draft_of(record)), "timezone": "Asia/Tokyo"}), NOW, record).schedule

    assert schedule is not None
    assert schedule.end_time == datetime(2028, 1, 1, 8, tzinfo=ZoneInfo("Asia/Tokyo"))


def fields_of(draft: Draft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in Draft.__slots__}
