"""What is said of values that will not do."""

from __future__ import annotations

from nbpipe.widgets.checking import assess, by_field
from tests.widgets.models import Quarrelsome, Required, parameters


def test_values_that_will_do_are_given_in_their_types() -> None:
    found = assess(parameters(Quarrelsome), {"high": "7"}, {})

    assert found.values == {"low": -1, "high": 7}
    assert found.problems == {}


def test_what_follows_from_a_value_that_could_not_be_read_is_not_said() -> None:
    found = assess(parameters(Required), {"rate": "fast"}, {"day": "needs a value"})

    assert found.values is None
    assert set(found.problems) == {"day", "rate"}


def test_a_problem_goes_to_the_innermost_field_that_it_is_about() -> None:
    problems = {"tree.child.name": "is odd", "tags.0": "is no text", "value": "do not fit together", "either.int": "a"}

    told = by_field(problems, {"tree", "tree.child", "tags", "either"})

    assert told == {"tree.child": "is odd", "tags": "0 is no text", "": "do not fit together", "either": "a"}


def test_several_problems_of_one_field_are_said_once_each() -> None:
    told = by_field({"either.int": "is no number", "either.str": "is no text", "either.b": "is no text"}, {"either"})

    assert told == {"either": "is no number; is no text"}
