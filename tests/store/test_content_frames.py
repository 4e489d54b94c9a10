"""Digests of frames, and of Arrow's tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nbpipe.store.content import content_digest


def digest(value: object) -> str | None:
    return content_digest(value).digest


def columns() -> dict[str, pd.Series]:
    return {
        "float": pd.Series([1.0, np.nan, -0.0, 3.5]),
        "int": pd.Series([1, 2, 3, 4], dtype="int32"),
        "bool": pd.Series([True, False, True, True]),
        "text": pd.Series(["a", None, "ccc", ""]),
        "nullable text": pd.Series(["a", None, "ccc", ""], dtype="string"),
        "python text": pd.Series(["a", None, "ccc", ""], dtype=pd.StringDtype("python")),
        "object": pd.Series([1, "a", None, [2]], dtype=object),
        "date": pd.Series(pd.to_datetime(["2026-01-01", None, "2026-01-03", "2026-01-04"])),
        "zoned": pd.Series(pd.date_range("2026-01-01", periods=4, tz="Europe/Paris")),
        "duration": pd.Series(pd.to_timedelta([1, 2, None, 4], unit="s")),
        "period": pd.Series(pd.period_range("2026-01", periods=4, freq="M")),
        "category": pd.Series(pd.Categorical(["u", "v", None, "u"])),
        "ordered": pd.Series(pd.Categorical(["u", "v", None, "u"], ordered=True)),
        "nullable int": pd.Series([1, None, 3, 4], dtype="Int64"),
        "nullable float": pd.Series([1, None, 3, 4], dtype="Float64"),
        "nullable bool": pd.Series([True, None, False, True], dtype="boolean"),
        "arrow int": pd.Series([1, None, 3, 4], dtype="int64[pyarrow]"),
        "arrow list": pd.Series([[1], None, [], [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
        "interval": pd.Series(pd.interval_range(0, 4)),
        "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1, 0])),
    }


@pytest.mark.parametrize("kind", columns())
def test_a_column_that_was_cut_out_of_a_larger_one_is_one_with_its_twin(kind):
    column = columns()[kind]
    around = pd.concat([column, column, column], ignore_index=True)

    cut = around.iloc[4:8].reset_index(drop=True)

    assert digest(cut) == digest(column) is not None
    assert digest(cut.to_frame("a")) == digest(pd.DataFrame({"a": column}))


def test_no_two_kinds_of_column_have_one_digest():
    digests = [digest(column) for column in columns().values()]

    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize("kind", columns())
def test_a_changed_cell_changes_the_digest(kind):
    column = columns()[kind]

    assert digest(column.iloc[[0, 2, 1, 3]].reset_index(drop=True)) != digest(column)


def test_how_pandas_lays_a_frame_out_does_not_count():
    frame = pd.DataFrame(np.arange(12.0).reshape(4, 3), columns=list("abc"))
    grown = pd.DataFrame({"a": frame["a"]})
    grown["b"], grown["c"] = frame["b"], frame["c"]

    assert digest(frame) == digest(grown) == digest(frame.copy()) == digest(frame[["c", "b", "a"]][["a", "b", "c"]])


def test_order_names_labels_index_attributes_and_frequency_count():
    frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    noted = frame.copy()
    noted.attrs["unit"] = "mm"
    dates = pd.date_range("2026-01-01", periods=2)

    variants = [
        frame,
        frame[["b", "a"]],
        frame.rename(columns={"a": "A"}),
        frame.rename_axis("n"),
        frame.set_axis([1, 0]),
        frame.set_axis([0, 1]),
        frame.set_axis(dates),
        frame.set_axis(pd.DatetimeIndex(dates.to_numpy())),
        frame.set_axis(pd.MultiIndex.from_tuples([(0, 0), (0, 1)])),
        noted,
        frame["a"],
        frame["a"].rename("b"),
    ]

    assert len({digest(variant) for variant in variants}) == len(variants)


def test_levels_of_an_index_that_nothing_uses_do_not_count():
    index = pd.MultiIndex.from_product([["a", "b"], [1, 2]])

    assert digest(index[:2]) == digest(pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))


def test_the_order_of_a_level_counts_for_it_is_the_order_of_what_is_unstacked():
    sorted_levels = pd.MultiIndex(levels=[["a", "b"], [1, 2]], codes=[[1, 1, 0, 0], [1, 0, 1, 0]])
    backwards = pd.MultiIndex(levels=[["b", "a"], [2, 1]], codes=[[0, 0, 1, 1], [0, 1, 0, 1]])

    assert backwards.equals(sorted_levels)
    assert digest(backwards) != digest(sorted_levels)


def test_frames_may_share_what_nobody_can_change():
    parts = pd.cut(pd.Series([1, 2, 3]), [0, 1, 3])
    stamps = pd.Series([pd.Timestamp("2026-01-01"), pd.Interval(0, 1), pd.Period("2026")] * 2, dtype=object)

    for frame in (parts.to_frame("a"), stamps.to_frame("a")):
        both = content_digest([frame, frame.copy()])

        assert both.mutables.aliases == ""
        assert both.digest is not None


def test_only_the_frame_and_what_its_object_cells_hold_can_be_changed():
    cell = [1]
    frame = pd.DataFrame({"number": [1.0, 2.0], "list": [cell, None]})

    mutables = content_digest(frame).mutables

    assert mutables.ids == {id(frame), id(frame.attrs), id(cell)}
    assert mutables.ranges == ()


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["a", None, "ccc", ""]),
        pa.array([b"a", None, b"ccc", b""]),
        pa.array(["a", None, "b", "a"]).dictionary_encode(),
        pa.array([1.5, None, float("nan"), 2]),
        pa.array([True, None, False, True]),
        pa.array([{"x": 1}, None, {"x": None}, {"x": 2}]),
        pa.array([["a"], None, [], [None, "b"]]),
        pa.array([1, None, 3, 4], pa.timestamp("ms", "UTC")),
        pa.array([1, None, 3, 4], pa.date32()),
        pa.array([1, None, 3, 4], pa.decimal128(5, 2)),
        pa.nulls(4),
    ],
    ids=lambda values: str(values.type),
)
def test_an_arrow_column_is_one_whole_cut_or_in_chunks(values):
    whole = pa.table({"a": values})
    chunked = pa.table({"a": pa.chunked_array([values.slice(0, 1), values.slice(1, 0), values.slice(1)])})
    cut = pa.concat_tables([whole, whole, whole]).combine_chunks().slice(4, 4)

    assert digest(whole) == digest(chunked) == digest(cut) is not None
    assert digest(whole) != digest(whole.slice(1))


def test_what_lies_in_the_place_of_a_null_does_not_count():
    offsets, data = pa.py_buffer(np.array([0, 1, 3, 4], "i4")), pa.py_buffer(b"aXXb")
    valid = pa.py_buffer(bytes([0b101]))

    dirty = pa.StringArray.from_buffers(3, offsets, data, valid)

    assert digest(dirty) == digest(pa.array(["a", None, "b"]))
