"""What makes a step run again and what does not, and how it says why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.base.clock import clock_set_to
from nbpipe.execute.plan import full_key, half_key, is_expired, reason
from nbpipe.records.executions import Facts
from tests.flows.project import Project, ran, why

FLOW = """
FACTOR = 3

def deep(x):
    return x * FACTOR

def scale(x):
    return deep(x)

def unused(x):
    return x

@step
def load(n: int = 5) -> list:
    return list(range(n))

@step
def total(data: list, rate: float = 0.1) -> float:
    return sum(scale(x) for x in data) * rate

@step
def is_big(value: float) -> bool:
    return value > 1000

@step
def say(big: bool) -> str:
    return "big" if big else "small"

@pipeline
def training(n: int = 5, rate: float = 0.1):
    return say(is_big(total(load(n), rate)))
"""

NAMES = st.text(st.characters(categories=["L"]), min_size=1, max_size=3)
INPUTS = st.dictionaries(NAMES, NAMES, max_size=3)


@given(one=st.tuples(NAMES, NAMES, st.lists(NAMES), INPUTS), other=st.tuples(NAMES, NAMES, st.lists(NAMES), INPUTS))
def test_two_executions_have_one_key_exactly_if_all_they_depend_on_is_equal(one: tuple, other: tuple) -> None:
    def key(source: str, parameters: str, outputs: list[str], inputs: dict[str, str]) -> str:
        return full_key(half_key(source, parameters, outputs), inputs)

    assert (key(*one) == key(*other)) == (one == other)


@given(inputs=INPUTS)
def test_the_order_of_inputs_is_no_part_of_a_key(inputs: dict[str, str]) -> None:
    assert full_key("half", inputs) == full_key("half", dict(reversed(inputs.items())))


def made_of(**parts: str) -> dict[str, Any]:
    """Give what stands behind a source's digest; `own` is the step's own text."""
    return {"parts": {name if name != "own" else "": [text, text] for name, text in parts.items()}}


SOURCES = {
    "s": made_of(own="x"),
    "s scale 1": made_of(own="x", scale="1"),
    "s scale 2": made_of(own="x", scale="2"),
    "t": made_of(own="y"),
    "s pandas 2": {"parts": {"package pandas": ["2.2", "2.2"]}},
    "s pandas 3": {"parts": {"package pandas": ["3.0", "3.0"]}},
    "s prep 1": {"parts": {"module prep": ["1", "N = 1"]}},
    "s prep 2": {"parts": {"module prep": ["2", "N = 2"]}},
}


@pytest.mark.parametrize(
    ("now", "before", "said"),
    [
        (Facts("s", {}, {}), None, "no result so far"),
        (Facts("s", {}, {}), Facts("s", {}, {}), "no result is kept"),
        (Facts("s scale 2", {}, {}), Facts("s scale 1", {}, {}), "source of scale changed"),
        (Facts("s scale 1", {}, {}), Facts("s", {}, {}), "source of scale changed"),
        (Facts("s", {}, {}), Facts("s scale 1", {}, {}), "scale is no longer used"),
        (Facts("t", {}, {}), Facts("s", {}, {}), "its source changed"),
        (Facts("unknown", {}, {}), Facts("unknown too", {}, {}), "its source changed"),
        (Facts("s pandas 3", {}, {}), Facts("s pandas 2", {}, {}), "pandas 2.2 → 3.0"),
        (Facts("s prep 2", {}, {}), Facts("s prep 1", {}, {}), "module prep changed"),
        (Facts("s", {"rate": 0.2}, {}), Facts("s", {"rate": 0.1}, {}), "rate 0.1 → 0.2"),
        (Facts("s", {"n": True}, {}), Facts("s", {"n": 1}, {}), "n 1 → True"),
        (Facts("s", {"n": 1}, {}), Facts("s", {}, {}), "n is new"),
        (Facts("s", {}, {"df": "2"}), Facts("s", {}, {"df": "1"}), "input df changed"),
        (Facts("s", {"n": 2}, {"df": "2"}), Facts("s", {"n": 1}, {"df": "1"}), "n 1 → 2; input df changed"),
        (Facts("s", {"t": "x" * 999}, {}), Facts("s", {"t": ""}, {}), f"t '' → '{'x' * 28}…"),
    ],
)
def test_a_step_says_why_it_runs(now: Facts, before: Facts | None, said: str) -> None:
    assert reason(now, before, lambda digest: SOURCES.get(digest, {})) == said


@given(age_s=st.floats(0, 10**6), expiry_s=st.floats(0.1, 10**6))
def test_a_result_expires_when_it_is_older_than_was_said(age_s: float, expiry_s: float) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    age = timedelta(seconds=age_s)

    assert is_expired(at.isoformat(), expiry_s, at + age) == (age > timedelta(seconds=expiry_s))
    assert not is_expired(at.isoformat(), None, at + age)


@pytest.mark.parametrize("is_fresh", [True, False], ids=["fresh process", "same process"])
def test_an_unchanged_pipeline_runs_nothing_again(project: Project, is_fresh: bool) -> None:
    first = project.load(FLOW).training()
    if is_fresh:
        project.reopen()

    again = project.load(FLOW).training()

    assert ran(first) == ["load", "total", "is_big", "say"]
    assert ran(again) == []
    assert set(why(again).values()) == {"reused: nothing it depends on changed"}
    assert again.output == first.output == "small"


CHANGE_NOTHING = [
    ("return x * FACTOR", "# Three times.\n    return x * FACTOR  # as agreed"),
    ("def scale(x):", 'def scale(x):\n    """Scale it."""\n'),
    (
        "return sum(scale(x) for x in data) * rate",
        "return (\n        sum(scale(x)\n        for x in data)\n    * rate)",
    ),
    (
        "def total(data: list, rate: float = 0.1) -> float:",
        "def total(\n    data: list, rate: float = 0.1\n) -> float:\n    'Doc.'",
    ),
    ("def unused(x):\n    return x", "def unused(x):\n    return x + 1"),
    ("@step\ndef total", "@step(tags=['v2'], retries=3)\ndef total"),
    ("@pipeline", "@pipeline(tags=['nightly'])"),
    ('return "big" if big', "return 'big' if big"),
]


def test_an_edit_that_changes_nothing_runs_nothing_again(project: Project) -> None:
    project.load(FLOW).training()

    for old, new in CHANGE_NOTHING:
        assert old in FLOW
        again = project.load(FLOW.replace(old, new)).training()

        assert ran(again) == [], new


@pytest.mark.parametrize(
    ("old", "new", "reruns", "reason_of_total"),
    [
        ("FACTOR = 3", "FACTOR = 4", ["total", "is_big"], "source of FACTOR changed"),
        ("return x * FACTOR", "return FACTOR * x * 2", ["total", "is_big"], "source of deep changed"),
        ("return deep(x)", "return deep(x) + 1", ["total", "is_big"], "source of scale changed"),
        ("return list(range(n))", "return list(range(n + 1))", ["load", "total", "is_big"], "input data changed"),
        ("return list(range(n))", "return [*range(n)]", ["load"], ""),
        ("value > 1000", "value > 0", ["is_big", "say"], ""),
    ],
    ids=["constant two calls deep", "helper two calls deep", "helper", "producer", "equal content", "downstream only"],
)
def test_an_edit_runs_exactly_what_depends_on_it_until_a_content_is_equal(
    project: Project, old: str, new: str, reruns: list[str], reason_of_total: str
) -> None:
    project.load(FLOW).training()

    assert old in FLOW
    again = project.load(FLOW.replace(old, new)).training()

    assert ran(again) == reruns
    if reason_of_total:
        assert why(again)["total"] == f"completed: {reason_of_total}"


def test_an_edited_helper_in_another_file_runs_exactly_its_dependants(project: Project) -> None:
    flow = """
    from helpers import scale

    @step
    def load() -> int:
        return 2

    @step
    def total(x: int) -> int:
        return scale(x)

    @pipeline
    def training():
        return total(load())
    """
    project.write("deeper.py", "FACTOR = 3")
    project.write("helpers.py", "from deeper import FACTOR\n\ndef scale(x):\n    return x * FACTOR")
    assert project.load(flow).training().output == 6

    assert ran(project.load(flow).training()) == []
    project.write("deeper.py", "FACTOR = 3  # as before")
    assert ran(project.load(flow).training()) == []
    project.write("deeper.py", "FACTOR = 4")
    again = project.load(flow).training()

    assert ran(again) == ["total"]
    assert again.output == 8


def test_one_and_true_and_a_text_are_different_values(project: Project) -> None:
    flow = project.load("""
    @step
    def show(value: Any) -> str:
        return repr(value)

    @pipeline
    def training(value: Any):
        return show(value)
    """)
    values: list[Any] = [
        1,
        True,
        1.0,
        "1",
        None,
        "None",
        [1],
        (1,),
        [True],
        {"a": 1},
        {"a": 1.0},
        b"1",
        float("nan"),
        float("inf"),
    ]

    shown = [flow.training(value=value).output for value in values]
    again = [flow.training(value=value) for value in values]

    assert shown == [repr(value) for value in values]
    assert [ran(run) for run in again] == [[]] * len(values)


def test_a_changed_parameter_runs_what_takes_it_and_says_from_what_to_what(project: Project) -> None:
    flow = project.load(FLOW)
    flow.training()

    again = flow.training(rate=0.2)

    assert why(again)["total"] == "completed: rate 0.1 → 0.2"
    assert ran(again) == ["total", "is_big"]
    assert ran(flow.training(rate=0.1)) == []


def test_caching_is_turned_off_for_a_step_a_pipeline_or_a_run(project: Project) -> None:
    uncached = FLOW.replace("@step\ndef total", "@step(cache=False)\ndef total")
    project.load(uncached).training()

    again = project.load(uncached).training()
    assert why(again)["total"] == "completed: caching is off"
    assert ran(again) == ["total"]

    flow = project.load(FLOW)
    flow.training()
    assert len(ran(flow.training.with_options(cache=False)())) == 4
    assert len(ran(project.load(FLOW.replace("@pipeline", "@pipeline(enable_cache=False)")).training())) == 4


def test_a_result_that_has_expired_is_made_again(project: Project) -> None:
    text = FLOW.replace("@step\ndef total", "@step(expiry_s=3600)\ndef total")
    project.load(text).training()

    assert ran(project.load(text).training()) == []
    with clock_set_to(lambda: datetime.now(UTC) + timedelta(hours=2)):
        late = project.load(text).training()

    assert ran(late) == ["total"]
    assert "expired" in why(late)["total"]


LARGE = """
@step
def load(n: int = 4000) -> list:
    return list(range(n))

@step
def total(data: list) -> int:
    return sum(data)

@step
def say(value: int) -> str:
    return str(value)

@pipeline
def training(n: int = 4000):
    return say(total(load(n)))
"""


@pytest.mark.parametrize(
    ("damage", "is_fresh"),
    # What this process has read, and whose stamp is the same since, it believes.
    [(damage, True) for damage in ("missing", "shorter", "other bytes", "other bytes, same stamp")]
    + [(damage, False) for damage in ("missing", "shorter", "other bytes")],
)
def test_a_stored_value_that_is_damaged_is_made_again(project: Project, damage: str, is_fresh: bool) -> None:
    flow = project.load(LARGE)
    first = flow.training()
    files = [path for path in project.client.workspace.paths.blobs.rglob("*") if path.is_file()]
    (blob,) = [path for path in files if path.stat().st_size > 4096]
    data, stamp = blob.read_bytes(), blob.stat()
    if is_fresh:
        project.reopen()

    blob.chmod(0o600)
    if damage == "missing":
        blob.unlink()
    elif damage == "shorter":
        blob.write_bytes(data[:-1])
    else:
        blob.write_bytes(data[:100] + b"#" + data[101:])
        if damage.endswith("stamp"):
            import os

            os.utime(blob, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    again = project.load(LARGE.replace("sum(data)", "sum(data) + 1")).training()

    assert again.status.value == "completed"
    assert {"load", "total"} <= set(ran(again))
    assert again.steps["load"].output.load() == first.steps["load"].output.load() == list(range(4000))
    assert again.output == str(sum(range(4000)) + 1)
