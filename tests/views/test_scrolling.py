"""What is too large for its place is a stop of Tab; what has room is none."""

from __future__ import annotations

import pytest

from nbpipe.views.frames import Card, written
from nbpipe.views.markup import render
from nbpipe.views.scrolling import stop_of_columns, stop_of_lines
from nbpipe.views.tables import Table, scrolling_table


@pytest.mark.parametrize(
    ("text", "stop"),
    [("", None), ("one line", None), ("x\n" * 40, 0), ("x" * 5_000, 0)],
    ids=["none", "one", "many", "wide"],
)
def test_a_text_is_a_stop_if_its_lines_do_not_fit(text: str, stop: int | None) -> None:
    assert stop_of_lines(text, 240) == stop
    assert ('tabindex="0"' in written(Card("run", "one", problem=text)).html) is (stop == 0)


def test_a_table_is_a_stop_if_its_columns_do_not_fit() -> None:
    narrow, wide = Table(["a", "b"], [("one", 1)]), Table([f"column {n}" for n in range(30)], [range(30)])

    assert "tabindex" not in render(scrolling_table(narrow))
    assert 'tabindex="0"' in render(scrolling_table(wide))
    assert stop_of_columns([]) is None


def test_one_long_cell_is_broken_into_lines_and_makes_no_stop() -> None:
    assert stop_of_columns([["name", "value"], ["note", "x" * 5_000]]) is None
