"""What lives by something else, and is refused wherever it occurs."""

from __future__ import annotations

import csv
import io
import itertools
import tempfile

import numpy as np
import pandas as pd
import pytest

from nbpipe.store import pickles
from nbpipe.store.content import content_digest
from nbpipe.store.store import Store
from tests.store.values import Order, Point


class Countdown:
    """An iterator as a notebook writes one: its position is an attribute."""

    def __init__(self, start):
        self.left = start

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return self.left


def iterators():
    return {
        "generator": (n for n in range(3)),
        "enumerate": enumerate(["a"]),
        "zip": zip("ab", "cd", strict=True),
        "map": map(str, [1]),
        "filter": filter(None, [1]),
        "reversed": reversed([1]),
        "of a list": iter([1]),
        "of a tuple": iter((1,)),
        "of a dictionary": iter({1: 2}),
        "of its items": iter({1: 2}.items()),
        "of a set": iter({1}),
        "of a text": iter("a"),
        "of bytes": iter(b"a"),
        "of a range": iter(range(3)),
        "of a call": iter(int, 1),
        "of an array": np.arange(3).flat,
        "count": itertools.count(),
        "cycle": itertools.cycle("ab"),
        "chain": itertools.chain([1]),
        "tee": itertools.tee([1])[0],
        "groupby": itertools.groupby("aab"),
        "islice": itertools.islice([1], 1),
        "repeat": itertools.repeat(1),
        "product": itertools.product("ab"),
        "csv reader": csv.reader(["a,b"]),
        "dictionaries of csv": csv.DictReader(["a,b"]),
    }


@pytest.fixture
def store(workspace):
    with_thread = Store(workspace)
    yield with_thread
    with_thread.close()


def places(value):
    """Give places at which a value may occur."""
    point = Point(1.0)
    point.names = value
    return {"alone": value, "list": [value], "dictionary": {"in": (value,)}, "object": point}


@pytest.mark.parametrize("kind", iterators())
def test_an_iterator_is_refused_wherever_it_occurs_and_has_no_digest(store, kind):
    for name, value in places(iterators()[kind]).items():
        answer = store.keep({name: value}, made_by="step")

        assert [left.why for left in answer.not_carried] == ["an iterator cannot be stored"]
        assert store.content(value).digest is None


@pytest.mark.parametrize("kind", iterators())
def test_an_iterator_that_is_refused_stands_where_it_stood(store, kind):
    iterator, twin = iterators()[kind], iterators()[kind]

    store.keep({"iterator": iterator, "model": Order(number=1, anything=iterator)}, made_by="step")

    assert list(itertools.islice(map(first_of, iterator), 3)) == list(itertools.islice(map(first_of, twin), 3))


def first_of(given):
    """Give what can be compared: `groupby` gives a pair of a key and an iterator."""
    return given[0] if isinstance(given, tuple) else given


@pytest.mark.parametrize(
    "value", [np.array([iter([1])], object), pd.DataFrame({"a": [iter([1])]})], ids=["array", "frame"]
)
def test_an_iterator_in_an_array_or_a_frame_is_refused(store, value):
    assert [left.why for left in store.keep({"a": value}, made_by="step").not_carried] == [
        "an iterator cannot be stored"
    ]


@pytest.mark.parametrize("mode", ["r", "w", "rb", "wb", "r+b"])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_file_is_refused_open_or_closed(store, tmp_path, mode, is_open):
    (tmp_path / "file").write_text("line\n")
    with (tmp_path / "file").open(mode) as file:
        if is_open:
            answer = store.keep({"file": file, "inside": [file]}, made_by="step")
    if not is_open:
        answer = store.keep({"file": file, "inside": [file]}, made_by="step")

    assert {left.name: left.why for left in answer.not_carried} == dict.fromkeys(
        ["file", "inside"], "a file cannot be stored"
    )


def test_other_files_are_refused(store, tmp_path):
    (tmp_path / "file").write_bytes(b"12345678")
    mapped = np.memmap(tmp_path / "file", dtype="u1", mode="r+")
    with (tmp_path / "file").open("rb", buffering=0) as raw, tempfile.NamedTemporaryFile() as temporary:
        answer = store.keep({"raw": raw, "temporary": temporary, "mapped": mapped}, made_by="step")

    assert {left.name: left.why for left in answer.not_carried} == {
        "raw": "a file cannot be stored",
        "temporary": "a file cannot be stored",
        "mapped": "an array that is mapped from a file cannot be stored",
    }


def test_a_view_of_memory_is_refused(store):
    data = bytearray(b"hello")

    answer = store.keep({"data": data, "window": memoryview(data)[1:]}, made_by="step")

    assert {left.name: left.why for left in answer.not_carried} == {"window": "a memoryview cannot be stored"}
    assert store.load(answer.versions["data"]) == b"hello"


@pytest.mark.parametrize(
    "file", [io.StringIO("one\ntwo\n"), io.BytesIO(b"one\ntwo\n")], ids=lambda file: type(file).__name__
)
def test_a_file_in_memory_comes_back_where_it_stood(store, file):
    file.readline()

    again = store.load(store.keep({"file": file}, made_by="step").versions["file"], trust=True)

    assert again.readline().strip() in ("two", b"two")


def test_an_iterator_of_a_class_written_in_python_is_stored_as_any_object(store):
    count = Countdown(3)
    next(count)

    again = store.load(store.keep({"count": count}, made_by="step").versions["count"], trust=True)

    assert list(again) == [1, 0]
    assert content_digest(count).digest is not None


def test_a_class_may_hold_an_iterator(store):
    kind = type("Cell", (), {"__module__": "__main__", "numbers": iter([1])})

    assert pickles.load(memoryview(b"".join(pickles.dump(kind()).pieces))).numbers is kind.numbers
