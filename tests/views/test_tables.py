from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.lettering import text_columns
from nbpipe.views.tables import Table, table_html, table_text

RUNS = Table(
    ("run", "status", "accuracy", "took"),
    [("3f2a", "✓ completed", 0.9234, timedelta(seconds=184)), ("9b1c", "✗ failed", None, timedelta(seconds=2))],
)


def test_text_stands_to_the_left_and_numbers_to_the_right() -> None:
    assert table_text(RUNS).splitlines() == [
        "run   status       accuracy       took",
        "────  ───────────  ────────  ─────────",
        "3f2a  ✓ completed    0.9234  3 min 4 s",
        "9b1c  ✗ failed                   2.0 s",
    ]


def test_html_has_the_same_cells_and_aligns_them_likewise() -> None:
    root = ElementTree.fromstring(table_html(RUNS))

    assert [cell.text for cell in root.iter("th")] == list(RUNS.columns)
    assert [cell.text for cell in root.iter("td")][:4] == ["3f2a", "✓ completed", "0.9234", "3 min 4 s"]
    sides = [cell.attrib["style"].partition(";")[0] for cell in root.iter("td")]
    assert sides[:4] == ["text-align:left", "text-align:left", "text-align:right", "text-align:right"]


def test_a_named_column_of_text_can_be_put_to_the_right() -> None:
    assert table_text(Table(("n",), [("1 MB",), ("20 MB",)], frozenset({"n"}))).splitlines()[2] == " 1 MB"


def test_a_table_without_rows_says_so() -> None:
    empty = Table(("run", "status"), [])

    assert table_text(empty).splitlines()[-1] == "(none)"
    assert "none" in table_html(empty)


CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=200), st.timedeltas())


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6), st.integers(20, 120))
def test_no_line_is_wider_than_allowed_and_each_row_is_one_line(
    rows: list[tuple[object, object, object]], width: int
) -> None:
    lines = table_text(Table(("a", "b", "c"), rows), width=width).split("\n")

    assert len(lines) == 2 + max(len(rows), 1)
    assert all(text_columns(line) <= width for line in lines)


def test_wide_characters_count_as_two_columns() -> None:
    lines = table_text(Table(("name", "n"), [("漢字", 1), ("abcd", 2)])).splitlines()

    assert lines[2:] == ["漢字  1", "abcd  2"]


def test_the_widest_column_is_cut_first() -> None:
    lines = table_text(Table(("a", "b"), [("short", "x" * 100)]), width=30).splitlines()

    assert lines[2] == "short  " + "x" * 22 + "…"
