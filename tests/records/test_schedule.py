"""What a schedule may say: one of three ways, checked word by word."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from nbpipe.errors import BadValueError
from nbpipe.records.schedules import Schedule, cron_fields

NOON = datetime(2027, 6, 1, 12)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"cron_expression": "0 2 * * *", "interval_second": 60},
        {"interval_second": 60, "run_once_start_time": NOON},
        {"run_once_start_time": NOON, "start_time": NOON},
        {"interval_second": 0},
        {"interval_second": -5},
        {"interval_second": 0.5},
        {"interval_second": True},
        {"interval_second": float("nan")},
        {"interval_second": float("inf")},
        {"interval_second": "60"},
        {"interval_second": 60, "start_time": NOON, "end_time": NOON},
        {"run_once_start_time": NOON, "end_time": NOON - timedelta(days=1)},
        {"interval_second": 60, "timezone": "Europe/Nowhere"},
        {"interval_second": 60, "timezone": "../etc/passwd"},
        {"interval_second": 60, "timezone": ""},
        {"interval_second": 60, "catchup": "some"},
        {"interval_second": 60, "overlap": "cancel"},
        {"interval_second": 60, "name": ""},
        {"interval_second": 60, "name": "a\nb"},
        {"interval_second": 60, "colour": "blue"},
    ],
    ids=repr,
)
def test_what_does_not_fit_is_refused_in_a_line(said):
    with pytest.raises(BadValueError) as refused:
        Schedule(**said)

    assert len(str(refused.value)) < 400
    assert "\n" not in str(refused.value).strip()


@pytest.mark.parametrize(
    "expression",
    [
        "",
        " ",
        "0 2 * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "5/10 * * * *",
        "0,,5 * * * *",
        "H * * * *",
        "R * * * *",
        "? * * * *",
        "0 0 15w * *",
        "0 0 * * mon#6",
        "0 0 * * fri-mon",
        "@reboot",
        "every day",
        "0 2 * * *; rm -rf /",
        "0 2 * * * " + "* " * 5000,
        None.__class__,
        7,
        b"0 2 * * *",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_cron_expression_is_refused_with_an_example(expression):
    with pytest.raises(BadValueError, match=r"is no cron expression.*'0 2 \* \* \*'"):
        Schedule(cron_expression=expression)


@pytest.mark.parametrize(
    ("expression", "fields"),
    [
        ("  0\t2  * *  *\n", "0 2 * * *"),
        ("0 2 * JAN Mon-Fri", "0 2 * jan mon-fri"),
        ("@daily", "0 0 * * *"),
        ("*/15,7 0-6/2 1,L * 7", "*/15,7 0-6/2 1,l * 7"),
        ("0 0 * * 1#2", "0 0 * * 1#2"),
    ],
)
def test_a_cron_expression_is_kept_as_five_fields(expression, fields):
    assert cron_fields(expression) == fields


def test_an_interval_may_be_a_timedelta():
    assert Schedule(interval_second=timedelta(minutes=30)).interval_second == 1800
