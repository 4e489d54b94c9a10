"""Values as text, and back."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from nbpipe.widgets.written import SECRET, line_of, read, same, text_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(value=PLAIN)
def test_plain_data_is_read_again_as_what_it_was(value: Any) -> None:
    text = text_of(value)

    assert same(read(text, lambda _: True, as_text=False), value)


@given(text=st.text())
def test_a_text_stands_for_itself_where_texts_are_wanted(text: str) -> None:
    assert read(text, lambda value: isinstance(value, str), as_text=True) == text


def test_a_text_is_read_as_what_its_type_accepts() -> None:
    assert read("12", lambda value: isinstance(value, str), as_text=False) == "12"
    assert read("None", lambda _: True, as_text=False) is None
    assert read("[1, 2", lambda _: False, as_text=False) == "[1, 2"


def test_what_has_no_form_as_data_is_still_shown() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    loop: list[Any] = []
    loop.append(loop)

    assert "Broken" in text_of(Broken())
    assert text_of(loop)
    assert len(text_of(list(range(100_000)))) < 100


def test_a_secret_is_dots() -> None:
    assert line_of(SecretStr("hush")) == SECRET
    assert "hush" not in text_of({"key": SecretStr("hush")})


def test_a_long_value_is_laid_out_in_lines() -> None:
    value = {f"key{number}": number for number in range(20)}

    assert "\n" in text_of(value)
    assert json.loads(text_of(value)) == value


def test_values_are_the_same_only_if_their_types_are() -> None:
    assert same(float("nan"), float("nan"))
    assert same([{"a": (float("nan"),)}], [{"a": (float("nan"),)}])
    assert not same(1, True)
    assert not same(1, 1.0)
    assert not same(SecretStr("a"), SecretStr("b"))


def test_values_that_cannot_be_compared_are_not_the_same() -> None:
    class Unequal:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = object.__hash__

    assert not same(Unequal(), Unequal())
