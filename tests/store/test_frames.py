"""Frames as Arrow files."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import pytz
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest
from nbpipe.store.frames import ArrowFrame
from nbpipe.store.store import Store
from tests.store.test_content_frames import columns
from tests.store.trials import loading, shown, there_and_back

DECLINED = {"python text", "object", "period", "interval", "sparse", "arrow list"}
EXACT = [kind for kind in columns() if kind not in DECLINED]


def same(one, other) -> bool:
    """Compare by what pandas checks, and by the digest, which sees more."""
    check = pd.testing.assert_frame_equal if isinstance(one, pd.DataFrame) else pd.testing.assert_series_equal
    check(one, other)
    return content_digest(one).digest == content_digest(other).digest


@pytest.mark.parametrize("kind", EXACT)
def test_a_column_comes_back_as_it_was_alone_cut_empty_and_as_an_index(kind):
    column = columns()[kind].rename("name")
    around = pd.concat([column, column, column], ignore_index=True)

    assert same(there_and_back(ArrowFrame(), column), column)
    assert same(there_and_back(ArrowFrame(), around[3:7]), around[3:7])
    assert same(there_and_back(ArrowFrame(), column[:0]), column[:0])
    framed = pd.DataFrame({"n": range(4)}, index=pd.Index(column))
    assert same(there_and_back(ArrowFrame(), framed), framed)


@pytest.mark.parametrize("kind", sorted(DECLINED - {"arrow list"}))
def test_a_column_that_arrow_would_change_is_declined(kind):
    assert ArrowFrame().encode(columns()[kind].to_frame("a")) is None


INDEXES = st.sampled_from(
    [
        pd.RangeIndex(4),
        pd.RangeIndex(10, 2, -2, name="down"),
        pd.Index([4, 3, 2, 1], name="n"),
        pd.Index(["a", "b", None, "d"]),
        pd.DatetimeIndex(["2026-01-01", "2026-01-03", "2026-01-04", "2026-01-02"], tz="Asia/Tokyo"),
        pd.MultiIndex.from_product([["x", "y"], [1.5, np.nan]], names=["one", None]),
        pd.CategoricalIndex(["a", "b", "a", None]),
    ]
)
LABELS = st.one_of(
    st.lists(st.text(max_size=3), min_size=3, max_size=3),
    st.lists(st.integers(-9, 9), min_size=3, max_size=3),
    st.just([("a", 1), ("a", 2), ("b", 1)]),
    st.just(["twice", "twice", "$odd"]),
)


@given(
    kinds=st.lists(st.sampled_from(EXACT), min_size=3, max_size=3),
    index=INDEXES,
    labels=LABELS,
    attrs=st.dictionaries(st.text(max_size=3), st.integers() | st.tuples(st.text()), max_size=2),
)
def test_a_frame_comes_back_as_it_was_or_is_declined(kinds, index, labels, attrs):
    frame = pd.concat([columns()[kind] for kind in kinds], axis=1)
    frame.columns = pd.MultiIndex.from_tuples(labels) if isinstance(labels[0], tuple) else pd.Index(labels)
    frame.index = index
    frame.attrs = attrs

    assert same(there_and_back(ArrowFrame(), frame), frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=range(3)),
        pd.DataFrame(columns=["a", "b"], dtype="str"),
        pd.DataFrame(np.arange(6).reshape(2, 3)),
        pd.DataFrame({"a": [1]}).set_axis(["a"], axis=1).rename_axis("label", axis=1),
        pd.Series([1, 2], name=("a", 1)),
        pd.Series([1, 2]),
    ],
    ids=str,
)
def test_odd_frames_come_back(frame):
    assert same(there_and_back(ArrowFrame(), frame), frame)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2026-01-01", periods=2)),
        pd.DataFrame({"a": [1]}, index=pd.Index([(1, 2)], tupleize_cols=False)),
        pd.DataFrame([[1]], columns=pd.to_datetime(["2026-01-01"])),
        pd.DataFrame([[1, 2]], columns=pd.Index([1, "a"], dtype=object)).rename(columns={"a": object()}),
        pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
        type("Mine", (pd.DataFrame,), {})({"a": [1]}),
    ],
    ids=["frequency", "tuples", "dates as labels", "objects as labels", "flag", "subclass"],
)
def test_a_frame_that_would_lose_something_is_declined(frame):
    assert ArrowFrame().encode(frame) is None


MONTHS = pd.CategoricalIndex(["jan", "feb", "mar"], categories=["jan", "feb", "mar"], ordered=True, name="month")
BACKWARDS = pd.MultiIndex(levels=[["b", "a"], [2, 1]], codes=[[0, 0, 1, 1], [0, 1, 0, 1]])
DAYS = pd.date_range("2026-01-01", periods=3)


def axes():
    """Give indexes of all kinds, for rows and for columns."""
    return {
        "range": pd.RangeIndex(1, 7, 2, name="n"),
        "numbers": pd.Index([3, 1, 2], name=0),
        "small numbers": pd.Index([3, 1, 2], dtype="int8"),
        "nullable numbers": pd.Index([3, None, 2], dtype="Int64"),
        "floats": pd.Index([1.5, np.nan, np.inf]),
        "truths": pd.Index([True, False, True]),
        "texts": pd.Index(["a", None, "a"], name=("a", 1)),
        "texts as objects": pd.Index(["a", None, "c"], dtype=object),
        "nullable texts": pd.Index(["a", "b", None], dtype="string"),
        "mixed": pd.Index([0, "one", (2, "two")], dtype=object),
        "tuples": pd.Index([(0, 1), (1, 1), (2, 1)], tupleize_cols=False),
        "categories": MONTHS,
        "categories unused": pd.CategoricalIndex(["b", "a", "b"], categories=["z", "b", "a"]),
        "days": pd.DatetimeIndex(DAYS.to_numpy()),
        "days with a frequency": DAYS,
        "zone of a library": pd.DatetimeIndex(DAYS.to_numpy(), tz=pytz.timezone("Europe/Vienna")),
        "hours": pd.timedelta_range("1h", periods=3),
        "periods": pd.period_range("2026-01", periods=3, freq="M"),
        "intervals": pd.interval_range(0, 3),
        "levels": pd.MultiIndex.from_product([["b", "a"], [2, 1]], names=["x", None])[:3],
        "levels of one name": pd.MultiIndex.from_arrays([[1, 2, 3], [1, 2, 3]], names=["n", "n"]),
        "levels backwards": BACKWARDS[:3],
        "levels unused": pd.MultiIndex.from_product([["b", "a", "z"], [2, 1]])[:3],
        "level missing": pd.MultiIndex.from_tuples([(1, np.nan), (1, "a"), (2, "b")]),
        "level of categories": pd.MultiIndex.from_arrays([["x", "x", "y"], MONTHS], names=["store", "month"]),
        "level of days": pd.MultiIndex.from_product([["u"], DAYS]),
        "level of small numbers": pd.MultiIndex.from_arrays([pd.Index([1, 2, 3], dtype="int8"), ["a", "b", "c"]]),
        "level of periods": pd.MultiIndex.from_arrays([pd.period_range("2026", periods=3, freq="M"), [1, 2, 3]]),
        "one level": pd.MultiIndex.from_arrays([[1, 1, 2]]),
    }


def seen(index):
    """Write all that can be seen of an index."""
    zone = type(getattr(index, "tz", None))
    told = [type(index), index.dtype, list(index.names), index.tolist(), getattr(index, "freq", None), zone]
    if isinstance(index, pd.MultiIndex):
        told += [[list(codes) for codes in index.codes], [seen(level) for level in index.levels]]
    if isinstance(index, pd.CategoricalIndex):
        told += [seen(index.categories), index.ordered]
    return repr(told)


@pytest.mark.parametrize("rows", [3, 0])
@pytest.mark.parametrize("kind", axes())
def test_the_labels_of_rows_and_of_columns_come_back_as_they_were(workspace, kind, rows):
    index = axes()[kind]
    frames = {
        "rows": pd.DataFrame({"a": np.zeros(len(index))}, index=index)[:rows],
        "columns": pd.DataFrame(np.zeros((3, len(index))), columns=index).iloc[:, :rows],
        "series": pd.Series(np.zeros(len(index)), index=index)[:rows],
    }
    store = Store(workspace)

    again = store.load_all(store.keep(frames, made_by="step").versions, trust=True)
    store.close()

    assert set(again) == set(frames)
    for name, frame in frames.items():
        assert content_digest(again[name]).digest == content_digest(frame).digest is not None
        assert seen(again[name].index) == seen(frame.index)
        assert name == "series" or seen(again[name].columns) == seen(frame.columns)


@pytest.mark.parametrize(
    "categories",
    [
        pd.RangeIndex(3),
        pd.Index([2, 1, 0]),
        pd.Index(["a", "b", "c"], name="named"),
        pd.Index([0, "a", (1, 2)], dtype=object),
        DAYS,
        pd.interval_range(0, 3),
        pd.Index([], dtype=object),
        pd.Index([], dtype="int64"),
    ],
    ids=shown,
)
def test_categories_come_back_as_they_were(workspace, categories):
    codes = [0, -1, len(categories) - 1][: len(categories)]
    series = pd.Series(pd.Categorical.from_codes(codes, categories=categories, ordered=True))
    store = Store(workspace)

    again = store.load(store.keep({"series": series}, made_by="step").versions["series"], trust=True)
    store.close()

    assert seen(again.cat.categories) == seen(series.cat.categories)
    assert content_digest(again).digest == content_digest(series).digest


def test_nullable_numbers_are_written_from_where_they_lie():
    frame = pd.DataFrame({"a": pd.array([1, None] * 500, dtype="Int64")})

    held = [np.frombuffer(piece, "u1") for piece in ArrowFrame().encode(frame) if len(piece) == 8000]

    assert any(np.shares_memory(part, frame["a"].array._data) for part in held)


def test_any_tool_reads_the_file():
    frame = pd.DataFrame({"x": [1.5, np.nan], "when": pd.to_datetime(["2026-01-01", None]), "s": ["a", None]})

    table = pa.ipc.open_file(io.BytesIO(joined(ArrowFrame().encode(frame)))).read_all()

    assert table.column_names == ["x", "when", "s"]
    assert table["when"].null_count == table["s"].null_count == 1


def test_numbers_are_written_from_and_read_in_place_and_may_be_written_to():
    frame = pd.DataFrame(np.zeros((1000, 3)), columns=list("abc"))
    memory = bytearray(joined(ArrowFrame().encode(frame)))

    pieces = ArrowFrame().encode(frame)
    again = ArrowFrame().decode(memoryview(memory), loading())
    again.iloc[0, 1] = 5.0

    assert any(
        np.shares_memory(np.frombuffer(piece, "u1"), frame["b"].to_numpy()) for piece in pieces if len(piece) == 8000
    )
    assert np.shares_memory(again["c"].to_numpy(), np.frombuffer(memory, "u1"))
    assert again.iloc[0].tolist() == [0.0, 5.0, 0.0]
