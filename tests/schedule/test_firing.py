"""When schedules fire, and what becomes of instants that passed while nobody was there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from nbpipe.errors import BadValueError
from nbpipe.records.schedules import Schedule
from nbpipe.schedule import next_fire
from nbpipe.schedule.firing import due, fires_after, settled

NOON = datetime(2027, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def nightly(**more) -> Schedule:
    return Schedule(cron_expression="0 2 * * *", timezone="Europe/Berlin", **more)


def test_a_cron_schedule_fires_on_the_wall_clock_of_its_zone():
    assert next_fire(nightly(), NOON) == datetime(2027, 6, 2, 0, tzinfo=UTC)
    assert next_fire(nightly(), datetime(2027, 12, 1, 12, tzinfo=UTC)) == datetime(2027, 12, 2, 1, tzinfo=UTC)


def test_an_interval_counts_elapsed_seconds_from_its_start_which_itself_fires():
    schedule = Schedule(interval_second=1800, start_time=NOON)

    assert list(islice(fires_after(schedule, NOON - HOUR), 3)) == [NOON, NOON + HOUR / 2, NOON + HOUR]
    assert next_fire(schedule, NOON) == NOON + HOUR / 2


@pytest.mark.parametrize("step_s", [1.1, 7.3, 0.1 + 1, 86_399.7])
def test_an_interval_of_a_broken_number_of_seconds_fires_in_order_and_never_twice(step_s):
    schedule = Schedule(interval_second=step_s, start_time=NOON)
    found = list(islice(fires_after(schedule, NOON - HOUR), 500))

    assert found == sorted(set(found))
    assert abs((found[-1] - NOON).total_seconds() - 499 * step_s) < 1e-3


def test_start_and_end_bound_it_and_both_count():
    schedule = nightly(start_time=datetime(2027, 6, 3, 0, tzinfo=UTC), end_time=datetime(2027, 6, 4, 0, tzinfo=UTC))

    assert list(fires_after(schedule, NOON)) == [datetime(2027, 6, 3, tzinfo=UTC), datetime(2027, 6, 4, tzinfo=UTC)]


def test_one_time_is_one_time():
    assert list(fires_after(Schedule(run_once_start_time=NOON), NOON - HOUR)) == [NOON]


def test_an_instant_without_a_zone_is_meant_in_the_schedules():
    kept = settled(Schedule(run_once_start_time=datetime(2027, 6, 1, 14), timezone="Europe/Berlin"), NOON - HOUR)

    assert kept.run_once_start_time == NOON


def test_an_interval_without_a_start_begins_now():
    assert settled(Schedule(interval_second=60, timezone="UTC"), NOON).start_time == NOON


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (Schedule(run_once_start_time=NOON), "has passed"),
        (nightly(end_time=NOON), "has passed"),
        (nightly(end_time=NOON + HOUR), "never fires between"),
        (Schedule(cron_expression="0 0 30 2 *", timezone="UTC"), "never fires"),
    ],
    ids=["a past instant", "a past end", "an end before the first", "a day that never comes"],
)
def test_what_can_never_fire_is_refused(schedule, said):
    with pytest.raises(BadValueError, match=said):
        settled(schedule, NOON)


@pytest.mark.parametrize(
    ("catchup", "fired", "missed"), [("last", [12], 11), ("all", list(range(3, 13)), 2), ("none", [12], 11)]
)
def test_what_passed_unseen_is_caught_up_with_as_the_schedule_says(catchup, fired, missed):
    schedule = Schedule(interval_second=3600, start_time=NOON, catchup=catchup)

    found = due(schedule, NOON, NOON + 12 * HOUR)

    assert found.fire == tuple(NOON + hour * HOUR for hour in fired)
    assert found.missed == missed
    assert found.missed_from == NOON + HOUR


def test_without_catching_up_what_is_an_hour_late_is_told_as_missed():
    schedule = Schedule(run_once_start_time=NOON, catchup="none")

    assert due(schedule, NOON - HOUR, NOON + HOUR).fire == (NOON,)
    late = due(schedule, NOON - HOUR, NOON + HOUR + timedelta(seconds=1))
    assert (late.fire, late.missed, late.missed_until) == ((), 1, NOON)


def test_nothing_is_due_before_it_is_nor_when_the_clock_went_back():
    schedule = Schedule(interval_second=3600, start_time=NOON)

    assert due(schedule, NOON, NOON + HOUR / 2).fire == ()
    assert due(schedule, NOON + 2 * HOUR, NOON).fire == ()
