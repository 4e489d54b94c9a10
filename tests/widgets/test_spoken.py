"""A form's values as code, and as what another process is sent."""

from __future__ import annotations

import math
import shlex
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from nbpipe.records.config import as_configuration, parse_settings, parse_yaml
from nbpipe.widgets.spoken import call_arguments, left_out, revealed, settings, yaml_text
from tests.widgets.models import Colour, Optimiser, Point

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(value=PLAIN)
def test_what_stands_behind_set_is_read_back_as_it_was(value: Any) -> None:
    words = shlex.split(settings({"rate": value, "train.depth": value}))

    read = parse_settings(words[1::2])

    assert read.parameters == {"rate": value}
    assert read.step_values == {"train": {"depth": value}}
    assert type(read.parameters["rate"]) is type(value)


@given(value=PLAIN)
def test_the_file_is_read_back_as_it_was(value: Any) -> None:
    read = as_configuration(parse_yaml(yaml_text({"rate": value, "train.depth": [value, value]})))

    assert read.parameters == {"rate": value}
    assert read.step_values == {"train": {"depth": [value, value]}}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Colour.RED, "it='r'"),
        (timedelta(hours=1), "it='PT1H'"),
        (Point(1, 2), "it={'x': 1, 'y': 2}"),
        (math.nan, "it='nan'"),
        ({3}, "it=[3]"),
        (Optimiser(rate=0.5), "it={'rate': 0.5, 'steps': 3}"),
    ],
    ids=["enum", "timedelta", "dataclass", "nan", "set", "model"],
)
def test_a_call_needs_nothing_imported(value: Any, said: str) -> None:
    assert call_arguments({"it": value}) == said


def test_what_is_set_for_single_steps_stands_in_a_configuration() -> None:
    said = call_arguments({"rate": 0.2, "train.depth": 4})

    assert said == "{'steps': {'train': {'parameters': {'depth': 4}}}}, rate=0.2"


def test_a_secret_is_sent_and_not_written() -> None:
    values = {"token": SecretStr("hush"), "opt": Optimiser(key=SecretStr("hush")), "all": [SecretStr("hush")], "n": 1}

    assert "hush" not in call_arguments(values) + settings(values) + yaml_text(values)
    assert left_out(values) == ["token", "opt", "all"]
    assert revealed(values).parameters == {
        "token": "hush",
        "opt": {"rate": 0.1, "steps": 3, "key": "hush"},
        "all": ["hush"],
        "n": 1,
    }
