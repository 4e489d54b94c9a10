"""Runs: names and templates, which are read and never evaluated."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError
from nbpipe.records.runs import Status, fill_template, run_name

VALUES = {"run.id": "0123456789abcdef", "pipeline": "training", "params.rate": 0.5, "name": "x}y{z"}


@given(text=st.text())
def test_a_text_without_fields_is_filled_with_itself(text: str) -> None:
    assert fill_template(text.replace("{", "{{").replace("}", "}}"), {}) == text


@given(value=st.text(), around=st.text(st.characters(exclude_characters="{}")))
def test_a_field_is_filled_with_whatever_its_value_is(value: str, around: str) -> None:
    assert fill_template(f"{around}{{v}}{around}", {"v": value}) == f"{around}{value}{around}"


@given(text=st.text(), first=st.none() | st.integers(-20, 20), last=st.none() | st.integers(-20, 20))
def test_a_slice_of_a_field_is_what_python_says(text: str, first: int | None, last: int | None) -> None:
    field = f"{{v[{'' if first is None else first}:{'' if last is None else last}]}}"

    assert fill_template(field, {"v": text}) == text[first:last]


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("run-{run.id[:8]}", "run-01234567"),
        ("{pipeline}-{params.rate}", "training-0.5"),
        ("{ pipeline }", "training"),
        ("{run.id[-1]}{run.id[0]}", "f0"),
        ("{{{pipeline}}}", "{training}"),
        ("{name}", "x}y{z"),
    ],
)
def test_a_template_is_filled(template: str, filled: str) -> None:
    assert fill_template(template, VALUES) == filled


@pytest.mark.parametrize(
    "template",
    [
        "{", "}", "a{b", "{pipeline", "pipeline}", "{}", "{ }", "{run.id[:8}", "{run.id[99]}", "{run.id[]}",
        "{run.id[1:2:3]}",
        "{pipeline!r}", "{pipeline:>10}", "{pipeline.__class__}", "{run.id.upper()}", "{__import__('os')}", "{1+1}",
        "{pipeline[0][0]}", "{unknown}", "{run}", "{pipeline + pipeline}", "{lambda: 1}", "{pipeline;}", "{'a'}",
    ],
)  # fmt: skip
def test_anything_but_a_known_field_is_refused_and_nothing_is_evaluated(template: str) -> None:
    with pytest.raises(BadValueError) as refused:
        fill_template(template, VALUES)

    assert len(str(refused.value).splitlines()) <= 2


def test_a_mistyped_field_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadValueError, match=r"Did you mean \{pipeline\}"):
        fill_template("{pipelin}", VALUES)


def test_a_run_is_named_after_its_pipeline_and_its_start() -> None:
    at = datetime(2026, 11, 20, 8, 15, 30, 123456, tzinfo=UTC)

    assert run_name("training", at) == "training-2026_11_20-08_15_30_123456"


def test_only_pending_and_running_are_not_over() -> None:
    assert [status for status in Status if not status.is_over] == [Status.PENDING, Status.RUNNING]
