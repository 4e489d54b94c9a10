from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.previews import preview_html, preview_text, shown_text

FRAME = {"kind": "table", "columns": ["name", "n"], "rows": [["setosa", "1"], ["virginica", "22"]], "shape": [150, 2]}
IMAGE = {"kind": "image", "png": "iVBORw0KGgo=", "width": 640, "height": 480}


def test_the_head_of_a_frame_says_how_large_the_whole_is() -> None:
    assert preview_text(FRAME).splitlines() == [
        "name        n",
        "─────────  ──",
        "setosa      1",
        "virginica  22",
        "150 rows × 2 columns",
    ]
    assert "150 rows × 2 columns" in preview_html(FRAME)


def test_an_image_is_carried_along_and_described() -> None:
    image = next(ElementTree.fromstring(preview_html(IMAGE)).iter("img"))

    assert image.attrib["src"] == "data:image/png;base64,iVBORw0KGgo="
    assert image.attrib["alt"] == preview_text(IMAGE) == "image, 640 × 480 pixels"


@pytest.mark.parametrize(
    ("preview", "said"),
    [
        (
            {"kind": "array", "dtype": "float64", "shape": [10, 3], "min": 0.5, "max": 3},
            "array 10 × 3 of float64, 0.5 … 3",
        ),
        ({"kind": "array", "dtype": "int64", "shape": [], "min": None, "max": None}, "array scalar of int64"),
        ({"kind": "json", "value": "a"}, '"a"'),
        ({"kind": "json", "value": 0.25}, "0.25"),
        ({"kind": "json", "value": None}, "null"),
        ({"kind": "json", "value": {"a": [1]}}, '{\n  "a": [\n    1\n  ]\n}'),
        ({"kind": "text", "text": "hello\nyou", "length": 9}, "hello\nyou"),
        ({"kind": "object", "repr": "<Forest>"}, "<Forest>"),
    ],
)
def test_each_kind_has_its_text(preview: dict[str, object], said: str) -> None:
    assert preview_text(preview) == said


def test_a_long_text_is_cut_and_says_by_how_much() -> None:
    assert shown_text("x" * 5_000).text == "x" * 4_000 + "\n… (1,000 more characters)"
    assert shown_text("begin", length=105).text == "begin\n… (100 more characters)"
    assert shown_text("\n".join("ab" * 100)).text.count("\n") == 60


def test_an_image_whose_size_nobody_noted_is_shown_all_the_same() -> None:
    older = {"kind": "image", "png": "iVBORw0KGgo="}

    assert preview_text(older) == "image"
    assert "data:image/png;base64,iVBORw0KGgo=" in preview_html(older)


def test_a_series_counts_its_values_and_a_note_stands_in_the_place_of_what_is_said_below() -> None:
    series = {"kind": "table", "columns": ["a"], "rows": [["1"]], "shape": [7]}

    assert preview_text(series).endswith("\n7 values")
    assert preview_text(series | {"note": "<b>7</b> of a kind"}).endswith("\n<b>7</b> of a kind")
    assert "<b>7</b>" not in preview_html(series | {"note": "<b>7</b> of a kind"})
    assert preview_text(IMAGE | {"note": "image L, 5 × 5 pixels"}) == "image L, 5 × 5 pixels"


def test_an_array_shows_its_first_values_and_whether_there_are_more() -> None:
    array = {"kind": "array", "dtype": "float64", "shape": [2, 2], "min": "0", "max": "3", "values": ["0", "–", "3"]}

    assert preview_text(array).splitlines() == ["array 2 × 2 of float64, 0 … 3", "0, –, 3, …"]
    assert preview_text(array | {"shape": [3], "note": "1 of 3 masked"}).splitlines()[1:] == [
        "0, –, 3",
        "1 of 3 masked",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"kind": "hologram", "x": 1},
        {"kind": "table", "columns": ["a"]},
        {"kind": "table", "columns": ["a", "b"], "rows": [["1"]], "shape": [1, 2]},
        {"kind": "table", "columns": None, "rows": [], "shape": []},
        {"kind": "image", "png": "' onerror='alert(1)", "width": 1, "height": 1},
        {"kind": "image", "png": "AAAA", "width": "wide", "height": 1},
        {"kind": "array", "shape": ["x"], "dtype": "f"},
        {"kind": "text", "text": "a", "length": "long"},
        {"kind": ["unhashable"]},
    ],
)
def test_a_preview_without_the_shape_it_claims_is_shown_as_the_text_it_is(broken: dict[str, object]) -> None:
    root = ElementTree.fromstring(preview_html(broken))

    assert root.tag == "code"
    assert root.text == preview_text(broken)
    assert all(str(key) in preview_text(broken) for key in broken)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
KINDS = st.sampled_from(["table", "array", "image", "text", "json", "object", ""])
KEYS = st.sampled_from(["columns", "rows", "shape", "dtype", "min", "max", "png", "width", "text", "length", "value"])


@given(KINDS, st.dictionaries(KEYS, JSON))
def test_no_preview_whatever_it_holds_keeps_a_card_from_being_shown(kind: str, rest: dict[str, object]) -> None:
    preview = {"kind": kind, **rest}

    ElementTree.fromstring(preview_html(preview))
    preview_text(preview)
