"""What cron does where clocks are changed: the golden table of fifteen cases, and a second opinion."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from nbpipe.schedule.cron import Cron
from tests.crash.trials import sizes

NEW_YORK, LORD_HOWE, SANTIAGO = "America/New_York", "Australia/Lord_Howe", "America/Santiago"
SPRING, AUTUMN = "2027-03-14", "2027-11-07"

# Expression, zone, from when to when on the wall clock of the zone, and the instants in UTC.
GOLDEN = [
    ("30 2 * * *", NEW_YORK, (SPRING, "00:00", "12:00"), ["07:00"]),
    ("0 2 * * *", NEW_YORK, (SPRING, "00:00", "12:00"), ["07:00"]),
    ("0 3 * * *", NEW_YORK, (SPRING, "00:00", "12:00"), ["07:00"]),
    ("30 * * * *", NEW_YORK, (SPRING, "00:00", "05:00"), ["05:30", "06:30", "07:30", "08:30"]),
    ("*/30 * * * *", NEW_YORK, (SPRING, "01:01", "04:00"), ["06:30", "07:00", "07:30", "08:00"]),
    ("0 */2 * * *", NEW_YORK, (SPRING, "00:01", "06:00"), ["08:00", "10:00"]),
    ("15 1-3 * * *", NEW_YORK, (SPRING, "00:00", "12:00"), ["06:15", "07:00", "07:15"]),
    ("0 0 * * *", NEW_YORK, (SPRING, "00:00", "23:00"), ["05:00"]),
    ("0 0 * * *", NEW_YORK, ("2027-03-15", "00:00", "23:00"), ["04:00"]),
    ("30 1 * * *", NEW_YORK, (AUTUMN, "00:00", "12:00"), ["05:30"]),
    ("30 2 * * *", NEW_YORK, (AUTUMN, "00:00", "12:00"), ["07:30"]),
    ("30 * * * *", NEW_YORK, (AUTUMN, "00:00", "04:00"), ["04:30", "05:30", "06:30", "07:30", "08:30"]),
    ("0 0-2 * * *", NEW_YORK, (AUTUMN, "00:00", "12:00"), ["04:00", "05:00", "07:00"]),
    ("15 2 * * *", LORD_HOWE, ("2027-10-03", "00:00", "12:00"), ["15:30"]),
    ("45 1 * * *", LORD_HOWE, ("2027-04-04", "00:00", "12:00"), ["14:45"]),
    ("0 0 * * *", SANTIAGO, ("2027-09-05", "00:00", "12:00"), ["04:00"]),
]


def instant(day: str, time: str, zone: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("expression", "zone", "window", "expected"), GOLDEN, ids=[f"{row[0]} {row[1]} {row[2][0]}" for row in GOLDEN]
)
def test_a_day_on_which_clocks_are_changed_is_as_in_debians_cron(expression, zone, window, expected):
    day, begin, end = window
    first, last = instant(day, begin, zone), instant(day, end, zone)

    fires = Cron(expression, ZoneInfo(zone)).fires_after(first - timedelta(seconds=1))
    found = list(takewhile(lambda fire: fire <= last, fires))

    assert [fire.strftime("%H:%M") for fire in found] == expected


BEGIN = datetime(2027, 1, 1, tzinfo=UTC)
ZONES = (NEW_YORK, "Europe/Berlin", LORD_HOWE, SANTIAGO, "Africa/Casablanca", "Antarctica/Troll")


def field(chance: random.Random, least: int, most: int) -> str:
    first, last = sorted(chance.sample(range(least, most + 1), 2))
    every = chance.randint(1, max(1, most // 2))
    return chance.choice(
        ["*", f"*/{every}", f"{first}", f"{first}-{last}", f"{first},{last}", f"{first}-{last}/{every}"]
    )


@pytest.mark.parametrize("zone", ZONES)
def test_random_expressions_fire_when_another_implementation_of_debians_rules_says(zone):
    chance = random.Random(zone)
    for _ in range(34):
        bounds = ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))
        expression = " ".join(field(chance, least, most) for least, most in bounds)
        after = datetime(2027, 1, 1, tzinfo=ZoneInfo(zone)) + timedelta(hours=chance.randint(0, 400 * 24))

        ours = list(islice(Cron(expression, ZoneInfo(zone)).fires_after(after), 30))
        theirs = [fire.astimezone(UTC) for fire in islice(CronSim(expression, after), 30)]

        assert ours == theirs, f"{expression!r} after {after.isoformat()}"


def changes(zone: str, days: int) -> list[datetime]:
    """Give the hours after which clocks stand differently."""
    hours = [BEGIN + timedelta(hours=hour) for hour in range(24 * days)]
    offsets = [hour.astimezone(ZoneInfo(zone)).utcoffset() for hour in hours]
    return [hour for hour, (before, after) in zip(hours, pairwise(offsets), strict=False) if before != after]


# What fires each minute is followed until ten minutes after each change, what fires once a day for two days.
@sizes("hours, fires", short=(1, 70), long=(12, 1000))
@pytest.mark.parametrize("zone", ZONES)
def test_each_fire_comes_after_the_one_before_wherever_clocks_are_changed_in_400_days(zone, hours, fires):
    chance = random.Random(f"{zone} in order")
    changed = changes(zone, 400)
    for _ in range(5):
        expression = f"{field(chance, 0, 59)} {field(chance, 0, 23)} * * *"
        for change in changed:
            begin, end = change - timedelta(hours=hours), change + timedelta(hours=hours + 48)
            following = Cron(expression, ZoneInfo(zone)).fires_after(begin)
            found = list(takewhile(lambda fire, end=end: fire < end, islice(following, fires)))

            assert all(one < other for one, other in pairwise([begin, *found])), expression
            assert found[-1] > change, expression
    assert len(changed) >= 2
