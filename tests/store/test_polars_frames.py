"""Polars' frames and series."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import polars.testing.parametric as parametric
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings

from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest
from nbpipe.store.polars_frames import Polars
from nbpipe.store.store import Store
from tests.store.kinds import columns_of_polars
from tests.store.trials import loading, there_and_back


def digest(value: object) -> str | None:
    return content_digest(value).digest


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    frame=parametric.dataframes(
        allow_null=True,
        max_size=6,
        excluded_dtypes=[pl.Object, pl.Extension, pl.Map, pl.Decimal, pl.Int128, pl.UInt128],
    )
)
def test_any_frame_comes_back_with_its_schema_and_its_cells(frame):
    again = there_and_back(Polars(), frame)

    assert again.schema == frame.schema
    assert again.equals(frame, null_equal=True)
    assert digest(again) == digest(frame)


@pytest.mark.parametrize("name", columns_of_polars())
def test_a_column_of_any_type_comes_back(name):
    column = columns_of_polars()[name]

    again = Polars().decode(memoryview(bytearray(joined(Polars().encode(column)))), loading(is_trusted=True))

    assert (again.dtype, again.name) == (column.dtype, column.name)
    assert again.equals(column, null_equal=True)


def test_other_tools_read_the_file():
    frame = pl.DataFrame({"a": [1, None], "b": ["x", "é"]})
    pieces = Polars().encode(frame)

    table = pa.ipc.open_file(pa.py_buffer(pieces[0])).read_all()

    assert table.to_pydict() == {"a": [1, None], "b": ["x", "é"]}


def test_chunks_and_how_a_frame_was_cut_do_not_count():
    whole = pl.DataFrame({"a": [1, 2, 3, 4], "b": ["x", None, "y", "z"]})
    pieced = pl.concat([whole.head(1), whole.tail(3)], rechunk=False)

    assert pieced.n_chunks() == 2
    assert digest(pieced) == digest(whole) == digest(pl.concat([whole, whole]).tail(4))


def test_what_can_be_told_apart_has_two_digests():
    numbers = pl.Series("a", [1, 2])
    texts = pl.Series("a", ["x", "y"])
    variants = [
        numbers,
        numbers.to_frame(),
        numbers.alias("b"),
        numbers.cast(pl.Int32),
        pl.Series("a", [1, None]),
        texts,
        texts.cast(pl.Categorical),
        texts.cast(pl.Enum(["x", "y"])),
        texts.cast(pl.Enum(["y", "x"])),
        pl.Series("a", [["x"], ["y"]], dtype=pl.List(pl.Enum(["x", "y"]))),
        pl.Series("a", [["x"], ["y"]], dtype=pl.List(pl.Enum(["y", "x"]))),
        pl.DataFrame(height=1),
        pl.DataFrame(height=2),
    ]

    digests = [digest(value) for value in variants]

    assert None not in digests
    assert len(set(digests)) == len(variants)


def test_the_cells_of_one_frame_that_are_changed_in_another_stay_apart(workspace):
    store = Store(workspace)
    frame = pl.DataFrame({"a": [1, 2]})
    column = frame["a"]

    versions = store.keep({"frame": frame, "column": column}, made_by="step").versions
    column[0] = 9

    assert {version.materializer for version in versions.values()} == {"polars@1"}
    assert store.load(versions["frame"]).to_dict(as_series=False) == {"a": [1, 2]}


@pytest.mark.parametrize(
    "lazy", [pl.LazyFrame({"a": [1]}), pl.LazyFrame({"a": [1]}).group_by("a")], ids=["frame", "group"]
)
def test_a_lazy_frame_is_not_carried_and_says_what_to_store(workspace, lazy):
    answer = Store(workspace).keep({"plan": lazy, "in a list": [lazy], "n": 1}, made_by="step")

    assert list(answer.versions) == ["n"]
    for left in answer.not_carried:
        assert left.why == (
            "a lazy frame is a plan, which reads its sources when it is run. Store what its collect() gives"
        )


def test_objects_and_subclasses_are_declined_and_objects_are_not_carried(workspace):
    class Mine(pl.DataFrame):
        pass

    objects = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})

    answer = Store(workspace).keep({"objects": objects}, made_by="step")

    assert Polars().encode(Mine({"a": [1]})) is None
    assert Polars().encode(objects) is None
    assert digest(objects) is None
    assert [left.name for left in answer.not_carried] == ["objects"]


def test_polars_is_not_imported_for_what_is_not_its_own(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "import numpy, pandas, pyarrow\n"
        "from nbpipe.base.workspace import WorkspacePaths\n"
        "from nbpipe.store.store import Store\n"
        f"store = Store(WorkspacePaths(Path({str(tmp_path)!r})))\n"
        "frame, array, table = pandas.DataFrame({'a': [1]}), numpy.zeros(3), pyarrow.table({'a': [1]})\n"
        "outputs = {'frame': frame, 'array': array, 'table': table}\n"
        "kept = store.keep(outputs, made_by='s')\n"
        "store.load_all(kept.versions, trust=True); store.preview(outputs['frame'])\n"
        "print([name for name in ('polars', 'scipy', 'torch', 'PIL') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"


def test_a_file_that_polars_would_panic_over_is_refused(monkeypatch):
    # Beginning and end are in order, and between them is nothing that the end speaks of.
    data = bytearray(joined(Polars().encode(pl.DataFrame({"a": list(range(5000))}))))
    cut = memoryview(data[:64] + data[-600:])

    for is_trusted in (True, False):
        with pytest.raises(Exception, match=r".") as caught:
            Polars().decode(cut, loading(is_trusted=is_trusted))
        assert isinstance(caught.value, Exception)


def test_what_cannot_be_checked_is_read_if_it_is_trusted_and_else_says_so():
    column = columns_of_polars()["int128"]
    data = memoryview(bytearray(joined(Polars().encode(column))))

    with pytest.raises(ValueError, match=r"Pass trust=True"):
        Polars().decode(data, loading())
    assert Polars().decode(data, loading(is_trusted=True)).to_list() == column.to_list()
