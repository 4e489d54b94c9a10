"""Pickles: what differs from what pickle does by itself, and where one may be loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import nbpipe
from nbpipe.store import pickles
from nbpipe.store.buffers import joined


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
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
