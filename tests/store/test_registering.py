"""Materializers that somebody else writes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nbpipe.errors import ArtifactUnreadableError, BadValueError
from nbpipe.store import encoding, materializers
from nbpipe.store.materializers import Materializers, register_materializer
from nbpipe.store.objects import Pickle
from nbpipe.store.plain import Json
from nbpipe.store.store import Store
from tests.store.test_store import through_a_record


@dataclass
class Reading:
    """What a sensor measured."""

    sensor: str
    values: list[float]


class ReadingLines:
    """A reading as lines of text."""

    name: ClassVar[str] = "reading"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[Any, ...]] = (Reading,)

    def encode(self, value: Reading):
        return "\n".join([value.sensor, *map(repr, value.values)]).encode()

    def decode(self, data: memoryview, loading: Any) -> Reading:
        sensor, *values = str(data, "utf-8").split("\n")
        return Reading(sensor, [float(value) for value in values])

    def preview(self, value: Reading) -> dict[str, Any]:
        return {"kind": "table", "columns": ["value"], "rows": [[one] for one in value.values], "note": value.sensor}


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    """Give a registry for one test, in the place of the process's."""
    mine = Materializers([Pickle(), Json()])
    monkeypatch.setattr(materializers, "REGISTRY", mine)
    monkeypatch.setattr(encoding, "REGISTRY", mine)
    monkeypatch.setattr("nbpipe.store.store.REGISTRY", mine)
    return mine


@pytest.fixture
def store(workspace):
    with_thread = Store(workspace)
    yield with_thread
    with_thread.close()


READING = Reading("roof", [1.5, 2.0])


def variant(**said: Any) -> type:
    return type("Variant", (ReadingLines,), said)


def test_what_is_registered_writes_reads_and_draws_a_value(store):
    register_materializer(ReadingLines)

    version = through_a_record(store.keep({"reading": READING}, made_by="step").versions["reading"])

    assert (version.materializer, version.pickled) == ("reading@1", False)
    assert store.load(version) == READING
    assert version.preview == {
        "kind": "table", "columns": ["value"], "rows": [["1.5"], ["2"]], "shape": [2, 1], "note": "roof",
    }  # fmt: skip


def test_it_is_used_for_subclasses_and_not_inside_of_others(store):
    register_materializer(ReadingLines)

    versions = store.keep({"alone": READING, "in a list": [Reading("cellar", [])]}, made_by="step").versions

    assert [version.materializer for version in versions.values()] == ["reading@1", "pickle@1"]


def test_a_large_value_becomes_a_file_of_the_very_bytes_that_were_written(store):
    register_materializer(ReadingLines)
    reading = Reading("roof", [float(n) for n in range(5000)])

    version = store.keep({"reading": reading}, made_by="step").versions["reading"]

    assert bytes(store.blobs.open(version.blob)).startswith(b"roof\n0.0\n1.0\n")
    assert store.load(version) == reading


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"name": "json"}, "name of a materializer of nbpipe's own"),
        ({"name": "pickle"}, "name of a materializer of nbpipe's own"),
        ({"name": ""}, "1 to 64 characters"),
        ({"name": " reading"}, "1 to 64 characters"),
        ({"name": "x" * 5000}, "1 to 64 characters"),
        ({"name": "a\nb"}, "1 to 64 characters"),
        ({"name": 7}, "1 to 64 characters"),
        ({"name": "reading@2"}, "leave the '@' out"),
        ({"version": "1"}, "a whole number from 1 on"),
        ({"version": True}, "a whole number from 1 on"),
        ({"version": 0}, "a whole number from 1 on"),
        ({"version": float("nan")}, "a whole number from 1 on"),
        ({"reads": "1"}, "as in reads"),
        ({"reads": (0,)}, "as in reads"),
        ({"pickled": None}, "pickled = True"),
        ({"types": "polars.DataFrame"}, "a tuple of classes"),
        ({"types": Reading}, "a tuple of classes"),
        ({"types": ()}, "a tuple of classes"),
        ({"types": (7,)}, "a tuple of classes"),
        ({"types": ("'; DROP TABLE runs",)}, "no name of a class"),
        ({"encode": None}, "must be a method"),
        ({"decode": "x"}, "must be a method"),
        ({"preview": {}}, "must be a method"),
        ({"__init__": lambda self, path: None}, "cannot be made without arguments"),
    ],
    ids=lambda said: str(said)[:30] if isinstance(said, dict) and "__init__" not in said else "x",
)
def test_what_is_no_materializer_is_refused_in_a_line_and_not_registered(registry, said, why):
    with pytest.raises(BadValueError, match=why) as caught:
        register_materializer(variant(**said))

    assert len(str(caught.value)) < 400
    assert [materializer.name for materializer in registry.for_type(Reading)] == ["pickle"]


def test_something_that_is_no_class_is_refused():
    with pytest.raises(BadValueError, match="by its class"):
        register_materializer(ReadingLines())  # type: ignore[type-var]
    with pytest.raises(BadValueError, match="by its class"):
        register_materializer("reading")  # type: ignore[type-var]


def raising(error: BaseException):
    def method(*_: Any) -> Any:
        raise error

    return method


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"encode": raising(ValueError("no sensor"))}, "its materializer 'reading' failed: ValueError: no sensor"),
        ({"encode": lambda *_: "text"}, "gave a str where encode gives bytes"),
        ({"encode": lambda *_: ["text"]}, "gave a list where encode gives bytes"),
        ({"encode": lambda *_: 7}, "gave a int where encode gives bytes"),
        ({"decode": raising(KeyError("gone"))}, "it would not come back: 'gone' from its materializer 'reading'"),
        ({"decode": lambda *_: None}, "it would come back as a NoneType from its materializer 'reading'"),
        ({"decode": lambda *_: Reading("", [])}, "with another content from its materializer 'reading'"),
    ],
    ids=["raises", "text", "texts", "number", "unreadable", "nothing", "another"],
)
def test_one_that_does_not_do_what_it_says_is_told_by_name_and_the_value_is_not_pickled_instead(store, said, why):
    register_materializer(variant(**said))

    answer = store.keep({"reading": READING, "n": 1}, made_by="step")

    assert list(answer.versions) == ["n"]
    (left,) = answer.not_carried
    assert why in left.why


def test_one_that_declines_leaves_the_value_to_the_next(store):
    register_materializer(variant(encode=lambda *_: None))

    assert store.keep({"reading": READING}, made_by="step").versions["reading"].materializer == "pickle@1"


@pytest.mark.parametrize(
    ("preview", "text"),
    [
        (raising(ValueError("no ink")), "a Reading; its preview could not be made: no ink"),
        (lambda *_: "text", "a str and no dictionary"),
        (lambda *_: {"kind": "hologram"}, "'hologram' is none of the kinds table, array, image, text, json"),
        (lambda *_: {"kind": "table"}, "a Reading; its preview could not be made: 'rows'"),
        (lambda *_: {"kind": "table", "columns": ["a"], "rows": [[1, 2]]}, "not as long as the columns"),
        (lambda *_: {"kind": "image", "png": b"GIF89a"}, "no PNG"),
        (lambda *_: {"kind": "image", "png": b"\x89PNG\r\n\x1a\n" + bytes(99_999)}, "too large"),
        (lambda *_: {"kind": "array", "dtype": "f8", "shape": 7}, "could not be made"),
    ],
    ids=["raises", "text", "unknown", "half", "uneven", "gif", "huge", "shape"],
)
def test_a_preview_that_is_none_costs_nothing_but_the_preview(store, preview, text):
    register_materializer(variant(preview=preview))

    version = store.keep({"reading": READING}, made_by="step").versions["reading"]

    assert version.preview["kind"] == "text"
    assert text in version.preview["text"]
    assert store.load(version) == READING


@pytest.mark.parametrize(
    "shown",
    [
        {"kind": "table", "columns": ["<script>"] * 99, "rows": [["\ud800" * 9999] * 99] * 999, "note": "é" * 9999},
        {"kind": "array", "dtype": "x" * 9999, "shape": [1] * 999, "min": float("nan"), "values": range(10**6)},
        {"kind": "text", "text": "x" * 10**6},
        {"kind": "json", "value": {"a": float("nan"), "b": ["x" * 10**5]}},
        {"kind": "json", "value": "x" * 10**6},
    ],
    ids=["table", "array", "text", "json", "json text"],
)
def test_a_preview_is_brought_into_bounds(store, shown):
    register_materializer(variant(preview=lambda *_: shown))

    version = store.keep({"reading": READING}, made_by="step").versions["reading"]

    assert len(json.dumps(version.preview, allow_nan=False, ensure_ascii=False).encode()) < 10_000
    through_a_record(version)


def test_the_cell_run_again_replaces_it_and_a_raised_version_says_what_to_do(store):
    register_materializer(ReadingLines)
    first = store.keep({"reading": READING}, made_by="step").versions["reading"]
    register_materializer(variant(version=2))
    second = store.keep({"reading": READING}, made_by="step").versions["reading"]

    assert second.materializer == "reading@2"
    assert store.load(second) == READING
    with pytest.raises(ArtifactUnreadableError, match=r"reading@1, and this is reading@2.*reads = \(1,\)"):
        store.load(first)
    register_materializer(variant(version=2, reads=(1,)))
    assert store.load(first) == READING


def test_what_a_newer_version_wrote_and_what_nobody_registered_say_so(store, registry):
    register_materializer(ReadingLines)
    version = store.keep({"reading": READING}, made_by="step").versions["reading"]

    with pytest.raises(ArtifactUnreadableError, match=r"reading@9, and this is reading@1. Update what registers it"):
        store.load(replace(version, materializer="reading@9"))
    with pytest.raises(ArtifactUnreadableError, match=r"json@9, and this is json@1. Update nbpipe"):
        store.load(replace(version, materializer="json@9"))
    with pytest.raises(ArtifactUnreadableError, match="Import what registers it"):
        store.load(replace(version, materializer="other@1"))
    assert version.preview["note"] == "roof"


def test_a_class_of_a_notebook_is_known_when_its_own_cell_runs_again(store):
    def cell() -> type:
        return type("Cell", (), {"__module__": "__main__", "__qualname__": "Cell"})

    first, again = cell(), cell()
    register_materializer(variant(types=(first,)))

    assert [one.name for one in materializers.REGISTRY.for_type(again)] == ["reading", "pickle"]


def test_another_process_reads_it_once_it_has_imported_what_registers_it(workspace, tmp_path):
    (tmp_path / "shop.py").write_text(
        "from nbpipe import register_materializer\n"
        "class Price:\n"
        "    def __init__(self, cents): self.cents = cents\n"
        "@register_materializer\n"
        "class PriceText:\n"
        "    name, version, pickled, types = 'price', 1, False, ('shop.Price',)\n"
        "    def encode(self, value): return str(value.cents).encode()\n"
        "    def decode(self, data, loading): return Price(int(bytes(data)))\n"
    )
    head = (
        "import json, sys; from pathlib import Path\n"
        "from nbpipe.base.workspace import WorkspacePaths\n"
        "from nbpipe.errors import ArtifactUnreadableError\n"
        "from nbpipe.records.artifacts import ArtifactVersion\n"
        "from nbpipe.store.store import Store\n"
        f"store = Store(WorkspacePaths(Path({str(workspace.root)!r})))\n"
    )
    writer = head + (
        "import shop\nprint(json.dumps(store.keep({'p': shop.Price(250)}, made_by='s').versions['p'].as_record()))"
    )
    reader = head + (
        "version = ArtifactVersion.from_record(json.loads(sys.argv[1]))\n"
        "try: store.load(version)\n"
        "except ArtifactUnreadableError as error: print(error)\n"
        "import shop\n"
        "print(store.load(version).cents)"
    )

    record = said_by(writer, tmp_path)
    told = said_by(reader, tmp_path, record)

    assert json.loads(record)["materializer"] == "price@1"
    assert told.splitlines() == [
        "Artifact 'p' cannot be read here: no materializer 'price' is registered. Import what registers it.",
        "250",
    ]


def said_by(program: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout
