"""Pickles: what differs from what pickle does by itself, and where one may be loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from array import array as packed_array
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import nbpipe
from nbpipe.store import pickles
from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest


def there_and_back(value, classes=None):
    return pickles.load(memoryview(bytearray(joined(pickles.dump(value).pieces))), classes)


def test_arrays_that_share_memory_share_it_when_they_come_back():
    grid = np.arange(24.0).reshape(4, 6)
    value = {
        "grid": grid,
        "rows": grid[1:3],
        "column": grid[:, 2],
        "turned": grid.T,
        "back": grid[::-1],
        "whole": grid[:],
    }

    again = there_and_back(value)
    for name, array in value.items():
        np.testing.assert_array_equal(again[name], array)
    again["grid"][2, 2] = 99

    assert again["rows"][1, 2] == again["column"][2] == again["turned"][2, 2] == again["back"][1, 2] == 99
    assert again["whole"][2, 2] == 99


class Measured(np.ndarray):
    """An array that knows its unit."""


def measured(array, unit):
    array = array.view(Measured)
    array.unit = unit
    return array


PEOPLE = [("Ann", 31, 1.70), ("Bob", 45, 1.82), ("Cid", 28, 1.65)]


def families():
    """Give arrays that reach into the same memory, by what is shown of it."""
    grid = np.arange(30.0).reshape(5, 6)
    people = np.array(PEOPLE, dtype=[("name", "U10"), ("age", "i4"), ("size", "f8")])
    readings = np.array([1.0, -999, 3.5])
    data, packed = bytearray(b"hello world"), packed_array("h", [1, -2, 300])
    things = np.array([1, "two", None, [3]], dtype=object)
    return {
        "slices": [grid, grid[1:3], grid[:, 2], grid.T, grid[::-1, ::2], grid[:], grid.reshape(3, 10)],
        "views of views": [grid[1:], grid[1:][1:, ::2]],
        "windows": [grid, np.lib.stride_tricks.sliding_window_view(grid.ravel(), 4)],
        "strides": [grid, np.lib.stride_tricks.as_strided(grid, (3, 2), (48, 8))],
        "broadcast": [grid, np.broadcast_to(grid[1], (3, 6))],
        "diagonal": [grid, np.einsum("ii->i", grid[:5, :5])],
        "other elements": [grid, grid.view("u1"), grid.view("i8")[2:]],
        "parts of numbers": [z := np.exp(1j * np.arange(4)), z.imag, z.real],
        "read-only": [locked(grid[1:]), locked(grid[:3])],
        "fields": [people, people["age"], people["name"]],
        "records": [people, people[1]],
        "record array": [people, people.view(np.recarray), people.view(np.recarray)[2]],
        "subclasses": [grid, measured(grid[1:], "mm"), grid.view(np.matrix)],
        "masked": [readings, np.ma.masked_where(readings == -999, readings, copy=False)],
        "masked parts": [whole := np.ma.array(readings, mask=[0, 1, 0]), whole[1:], whole.mask],
        "bytes": [data, np.frombuffer(data, "u1"), np.frombuffer(memoryview(data)[3:], "u1")],
        "packed": [packed, np.frombuffer(packed, "i2")[1:]],
        "objects": [things, things[1:], np.lib.stride_tricks.as_strided(things, (2,), (16,))],
        "dates": [days := np.arange("2024-02-26", "2024-03-04", dtype="datetime64[D]"), days[1:]],
    }


def locked(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("kind", families())
def test_whatever_reaches_into_the_same_memory_does_so_when_it_comes_back(kind):
    before = families()[kind]

    again = there_and_back(before)
    once_more = there_and_back(again)

    for loaded in (again, once_more):
        content, expected = content_digest(loaded), content_digest(before)
        assert (content.digest, content.mutables.aliases) == (expected.digest, expected.mutables.aliases)
        assert expected.mutables.aliases != ""
        assert list(map(type, loaded)) == list(map(type, before))
        assert [flags_of(part) for part in loaded] == [flags_of(part) for part in before]


def flags_of(value):
    return isinstance(value, np.ndarray) and (value.flags.writeable, value.strides, value.dtype)


def test_a_change_to_a_record_a_field_or_a_masked_array_shows_in_what_it_was_taken_from():
    people, ages, record = there_and_back(families()["fields"][:2] + families()["records"][1:])
    table, row = there_and_back(families()["records"])
    readings, masked = there_and_back(families()["masked"])
    data, array_of_it, _ = there_and_back(families()["bytes"])

    ages[0], row["age"], masked[0], array_of_it[0] = 99, 98, 97, ord("J")

    assert people["age"][0] == 99
    assert record["age"] == 45
    assert table["age"][1] == 98
    assert readings[0] == 97
    assert data == b"Jello world"


def test_what_is_noted_on_an_array_of_a_subclass_comes_back_even_the_array_itself():
    array = measured(np.arange(3.0), "mm")
    array.me = array

    again = there_and_back(array)

    assert (type(again), again.unit, again.me is again) == (Measured, "mm", True)


@pytest.mark.parametrize("length", [3, 3000])
@pytest.mark.parametrize("step", [1, 2])
def test_an_array_that_is_read_only_comes_back_so(length, step):
    array = np.arange(float(length))[::step]

    assert not there_and_back(locked(array)).flags.writeable
    assert there_and_back(np.arange(float(length))[::step]).flags.writeable


def test_a_broadcast_array_takes_no_more_room_than_its_memory():
    wide = np.broadcast_to(np.arange(100.0), (50_000, 100))

    assert sum(map(len, pickles.dump(wide).pieces)) < 5000
    assert there_and_back(wide).strides == wide.strides


def test_a_view_of_a_dictionary_follows_it_when_it_comes_back():
    stock = OrderedDict(nuts=3)
    plain = dict(stock)
    value = [stock, stock.keys(), plain, plain.keys(), plain.values(), plain.items(), MappingProxyType(plain)]

    again = there_and_back(value)
    again[0]["screws"] = again[2]["screws"] = 1

    assert [len(part) for part in again] == [2] * 7
    assert list(map(type, again)) == list(map(type, value))


def test_two_views_share_memory_even_if_the_whole_is_not_stored():
    whole = np.asfortranarray(np.arange(12).reshape(3, 4))
    one, other = there_and_back([whole[:2], whole[1:]])

    one[1, 0] = 99

    assert other[0, 0] == 99


def test_a_view_alone_does_not_drag_the_whole_along():
    whole = np.zeros(1_000_000)

    assert sum(map(len, pickles.dump({"some": whole[:10]}).pieces)) < 5000


def test_frames_that_share_memory_by_copy_on_write_come_back_apart():
    frame = pd.DataFrame(np.zeros((1000, 2)))
    value = {"a": frame, "b": frame.copy(deep=False), "same": frame}

    again = there_and_back(value)
    again["a"].iloc[0, 0] = 1

    assert again["b"].iloc[0, 0] == 0
    assert again["same"] is again["a"]


def test_large_buffers_lie_beside_the_pickle_at_multiples_of_64():
    array = np.arange(5000.0)
    memory = bytearray(joined(pickles.dump([b"odd", array]).pieces))

    _, again = pickles.load(memoryview(memory))

    start = np.frombuffer(memory, "u1").__array_interface__["data"][0]
    assert (again.__array_interface__["data"][0] - start) % 64 == 0
    assert np.shares_memory(again, np.frombuffer(memory, "u1"))
    assert again.flags.writeable


def cell_class(module="__main__"):
    namespace: dict[str, object] = {"__name__": module}
    exec("class Cell:\n    def __init__(self, n): self.n = n\n    def twice(self): return 2 * self.n\n", namespace)
    return namespace["Cell"]


def test_an_instance_of_a_notebook_class_comes_back_as_one_of_the_class_the_reader_has():
    written, readers = cell_class(), cell_class()

    again = there_and_back(written(3), lambda name: readers if name == "__main__:Cell" else None)

    assert type(again) is readers
    assert again.n == 3


def local_class():
    class Local:
        def __init__(self, n):
            self.n = n

    return Local


@pytest.mark.parametrize("make", [cell_class, local_class])
def test_loading_leaves_a_class_that_lives_here_as_it_is(make):
    kind = make()
    kind.cells = []
    data = memoryview(joined(pickles.dump(kind(1)).pieces))
    kind.cells.append("since then")

    again = pickles.load(data)

    assert type(again) is kind
    assert kind.cells == ["since then"]


def test_a_reader_without_the_class_gets_a_copy_of_it(tmp_path):
    place = tmp_path / "pickle"
    place.write_bytes(joined(pickles.dump(cell_class()(3)).pieces))
    program = (
        f"from nbpipe.store import pickles\nprint(pickles.load(memoryview(open({str(place)!r}, 'rb').read())).twice())"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said == "6\n"


def test_a_figure_comes_back_without_announcing_itself():
    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2, 3])
    data = pickles.dump([figure, axes])
    plt.close(figure)

    again, its_axes = pickles.load(memoryview(joined(data.pieces)))

    assert plt.get_fignums() == []
    assert its_axes.figure is again
    assert its_axes.lines[0].get_ydata().tolist() == [1, 2, 3]


def test_all_that_can_be_changed_in_a_value_is_noted():
    inner, array, frame = [1], np.zeros(3), pd.DataFrame({"a": [1]})
    value = {"inner": inner, "array": array, "frame": frame, "call": lambda: inner}

    mutables = pickles.dump(value).mutables

    assert {id(value), id(inner), id(array), id(frame)} <= mutables.ids
    assert id(array.dtype) not in mutables.ids
    assert id(frame.columns) not in mutables.ids
    assert (array.__array_interface__["data"][0], array.__array_interface__["data"][0] + 24) in mutables.ranges


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="no pickle"):
        pickles.load(memoryview(b"\x80\x05N."))


def loads_pickles(path: Path) -> bool:
    """Tell whether a module names anything that reads a pickle, under whatever name it was imported."""
    readers = {"load", "loads", "Unpickler", "_load", "_loads", "_Unpickler"}
    text = path.read_text(encoding="utf-8")
    if not any(name in text for name in PICKLERS):
        return False  # as most do not: to read a module as Python takes a hundred times as long
    tree = ast.parse(text)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name in PICKLERS
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in PICKLERS and {a.name for a in node.names} & readers:
            return True
        is_of_a_name = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if is_of_a_name and node.value.id in imported and node.attr in readers:
            return True
    return False


PICKLERS = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def test_one_module_of_the_package_loads_pickles():
    package = Path(nbpipe.__file__).parent

    assert [path.relative_to(package).as_posix() for path in sorted(package.rglob("*.py")) if loads_pickles(path)] == [
        "store/pickles.py"
    ]


WRITER = """
import sys, types
from nbpipe.store import pickles
from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest

library = types.ModuleType("nbpipe_library")
library.__nbpipe_pieces__ = {"Point": "the digest of its text"}
sys.modules["nbpipe_library"] = library
exec("class Point:\\n    def __init__(self, x):\\n        self.x = x", library.__dict__)
point = library.Point(3)
open(sys.argv[1], "wb").write(joined(pickles.dump(point).pieces))
print(content_digest(point).digest)
"""
READER = """
import sys
from pathlib import Path
from nbpipe.store import pickles
from nbpipe.store.content import content_digest

print(content_digest(pickles.load(memoryview(bytearray(Path(sys.argv[1]).read_bytes())))).digest)
"""


def test_an_instance_has_one_digest_also_where_nobody_has_the_text_of_its_class(tmp_path):
    said = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "point")], capture_output=True, text=True, check=True
        ).stdout
        for program in (WRITER, READER)
    ]

    assert said[0].strip()
    assert said[0] == said[1]
