"""Which control suits which type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from pydantic import AwareDatetime, NaiveDatetime

from nbpipe.records.limits import limits_text
from nbpipe.widgets.choosing import kind_of
from nbpipe.widgets.kinds import (
    SAFE,
    UNSET,
    Choice,
    Day,
    Group,
    Moment,
    Number,
    Perhaps,
    Place,
    Several,
    Switch,
    Variants,
    Words,
    Written,
)
from tests.widgets.models import Colour, Optimiser, Share, Tree


@pytest.mark.parametrize(
    ("annotation", "sample", "expected"),
    [
        (int, 3, Number(whole=True)),
        (float, 0.5, Number(whole=False)),
        (Share, 0.5, Number(whole=False)),
        (Annotated[int, Ge(0), Le(1000)], 3, Number(True, 0, 1000)),
        (Annotated[int, Gt(0), Lt(100)], 3, Number(True, 1, 99, 1, few=True)),
        (Annotated[int, Ge(1), Le(100), MultipleOf(5)], 5, Number(True, 5, 100, 5, few=True)),
        (Annotated[float, Ge(0), Le(1), MultipleOf(0.1)], 0.5, Number(False, 0, 1, 0.1, few=True)),
        (Annotated[float, Gt(0), Lt(1)], 0.5, Number(False, 0, 1)),
        (Annotated[float, Gt(Decimal("0.5"))], 1.0, Number(False, 0.5)),
        (int, UNSET, Written(as_text=True)),
        (int, SAFE * 2, Written(as_text=True)),
        (float, float("nan"), Written(as_text=True)),
        (Annotated[int, Ge(5), Le(1)], 3, Written(as_text=True)),
        (bool, True, Switch()),
        (bool, UNSET, Choice((True, False), ("True", "False"))),
        (Colour, Colour.RED, Choice((Colour.RED, Colour.GREEN), ("r", "g"))),
        (Literal[1, "1"], 1, Choice((1, "1"), ("1", "'1'"))),
        (Literal["", "a"], "a", Choice(("", "a"), ("(empty)", "a"))),
        (str, "a", Words()),
        (str, "a\nb", Words(long=True)),
        (date, date(2026, 1, 1), Day()),
        (datetime, datetime(2026, 1, 1), Moment(aware=False)),
        (datetime, datetime(2026, 1, 1, tzinfo=UTC), Moment(aware=True)),
        (AwareDatetime, UNSET, Moment(aware=True)),
        (NaiveDatetime, UNSET, Moment(aware=False)),
        (Path, Path("a"), Place()),
        (list[str], [], Several(list, str)),
        (tuple[int, ...], (), Several(tuple, int)),
        (list[int], [SAFE * 2], Written(as_text=False)),
        (tuple[int, int], (1, 2), Written(as_text=False, is_long=True)),
        (list[Any], [], Written(as_text=False, is_long=True)),
        (dict[str, int], {}, Written(as_text=False, is_long=True)),
        (Optional[int], None, Perhaps(Number(whole=True))),  # noqa: UP045
        (int | str | None, None, Perhaps(Written(as_text=False))),
        (int | str, 1, Written(as_text=False)),
        (Decimal, Decimal(1), Written(as_text=True)),
        (Any, None, Written(as_text=False)),
        (None, None, Written(as_text=False)),
        ("Nowhere", None, Written(as_text=False)),
        (Optimiser, UNSET, Group(Optimiser, (Optimiser,))),
        (
            Optimiser | int,
            UNSET,
            Variants((Optimiser, int), (Group(Optimiser, (Optimiser,)), Number(whole=True)), ("Optimiser", "int")),
        ),
    ],
)
def test_a_type_gets_the_control_that_suits_it(annotation: Any, sample: Any, expected: Any) -> None:
    assert kind_of(annotation, (), sample) == expected


def test_a_model_that_contains_itself_is_a_group_once() -> None:
    outer = kind_of(Tree)

    inner = kind_of(Tree.model_fields["child"].annotation, (), None, outer.models)

    assert inner == Perhaps(Written(as_text=False, is_long=True))


def test_limits_are_said_as_they_are_written() -> None:
    assert limits_text(Annotated[float, Gt(0), Lt(1)] | None) == "> 0, < 1"
    assert limits_text(Annotated[int, Ge(1), MultipleOf(5)]) == "≥ 1, a multiple of 5"
    assert limits_text(str) == ""
