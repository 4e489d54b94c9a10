"""Keeping what a step made, and giving it back."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from matplotlib.figure import Figure

from nbpipe.errors import (
    ArtifactDamagedError,
    ArtifactUnreadableError,
    NotRecordedError,
    NotStorableError,
    UntrustedArtifactError,
)
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.store import pickles
from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest
from nbpipe.store.objects import PydanticModel
from nbpipe.store.store import Store
from tests.store.test_blobs import damage, files_in, place_of
from tests.store.values import PLAIN, Order, Point, one_of_each

mpl.use("agg")


@pytest.fixture
def store(workspace):
    with_thread = Store(workspace)
    yield with_thread
    with_thread.close()


def kept(store: Store, value, **options) -> ArtifactVersion:
    return store.keep({"value": value}, made_by="step", **options).settled().versions["value"]


def through_a_record(version: ArtifactVersion) -> ArtifactVersion:
    return ArtifactVersion.from_record(json.loads(json.dumps(version.as_record(), allow_nan=False)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=PLAIN)
def test_plain_data_comes_back_through_its_record(store, value):
    version = through_a_record(kept(store, value))

    again = store.load(version, trust=True)

    assert type(again) is type(value)
    assert content_digest(again).digest == version.digest == content_digest(value).digest
    assert store.exists(version)


@pytest.mark.parametrize("name", one_of_each())
def test_every_kind_of_value_comes_back_equal(store, name):
    value = one_of_each()[name]

    again = store.load(through_a_record(kept(store, value)), trust=True)

    assert content_digest(again).digest == content_digest(value).digest


@pytest.mark.parametrize(
    ("value", "materializer", "pickled"),
    [
        (1, "json@1", False),
        ("x" * 5000, "text@1", False),
        ("é" * 4096, "text@1", False),
        (b"x" * 5000, "bytes@1", False),
        (np.zeros(1000), "npy@1", False),
        (np.float64(1), "numpy-scalar@1", False),
        (pd.DataFrame({"a": np.zeros(1000)}), "arrow@1", False),
        (pd.DataFrame({"a": [[1]]}), "pickle@1", True),
        (Order(number=1), "pydantic@1", False),
        (Order(number=1, anything=(1,)), "pickle@1", True),
        (Point(1.0), "pickle@1", True),
        ([Point(1.0)], "pickle@1", True),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_record_says_what_wrote_a_value_and_whether_it_is_a_pickle(store, value, materializer, pickled):
    version = kept(store, value)

    assert (version.materializer, version.pickled) == (materializer, pickled)
    assert (version.inline is None) == (version.size_bytes > 4096) == bool(version.blob)


def test_an_encoding_of_4096_bytes_stands_in_the_record_and_a_longer_one_in_a_file(store):
    inline, text, data = kept(store, "x" * 4094), kept(store, "x" * 4095), kept(store, b"x" * 4096)

    assert (inline.size_bytes, inline.blob) == (4096, "")
    assert (text.materializer, text.size_bytes) == ("text@1", 4095)
    assert files_in(store.blobs) == []
    assert kept(store, b"x" * 4097).blob
    assert store.load(data) == b"x" * 4096


def test_an_artifact_has_the_name_it_was_given_and_the_output_the_body_gave(store):
    version = store.keep({"x": 1}, made_by="step", artifact_names={"x": "raw"}).versions["x"]

    assert (version.name, version.output, version.made_by) == ("raw", "x", "step")


def test_what_shares_memory_or_identity_goes_into_one_bundle_and_shares_it_again(store):
    figure = Figure()
    axes = figure.subplots()
    grid = np.arange(2000.0).reshape(20, 100)
    listed = [1]
    outputs = {
        "figure": figure, "axes": axes, "grid": grid, "sub": grid[:2],
        "listed": listed, "also": {"in": listed}, "alone": [1], "n": 5,
    }  # fmt: skip

    versions = store.keep(outputs, made_by="step").versions
    again = store.load_all({name: through_a_record(version) for name, version in versions.items()}, trust=True)

    assert again["axes"].figure is again["figure"]
    assert np.shares_memory(again["grid"], again["sub"])
    assert again["also"]["in"] is again["listed"]
    assert again["alone"] is not again["listed"]
    assert [versions[name].member for name in outputs] == [0, 1, 0, 1, 0, 1, None, None]
    assert len({version.blob for version in versions.values() if version.blob}) == 3


def test_two_loads_never_share_anything(store):
    grid = np.zeros((20, 100))
    versions = store.keep(
        {"grid": grid, "sub": grid[:2], "listed": [[1]], "frame": pd.DataFrame(grid)}, made_by="s"
    ).versions

    first, second = store.load_all(versions, trust=True), store.load_all(versions, trust=True)
    first["grid"][:] = 1
    first["listed"][0].append(2)
    first["frame"].iloc[:] = 1

    assert second["sub"].sum() == store.load(versions["grid"], trust=True).sum() == 0
    assert second["listed"] == store.load(versions["listed"]) == [[1]]
    assert second["frame"].to_numpy().sum() == store.load(versions["frame"]).to_numpy().sum() == 0


def test_frames_that_share_by_copy_on_write_stay_apart(store):
    frame = pd.DataFrame({"a": np.zeros(1000), "b": ["x"] * 1000})

    versions = store.keep({"frame": frame, "part": frame[["a"]], "column": frame["b"]}, made_by="step").versions

    assert {version.materializer for version in versions.values()} == {"arrow@1"}


def test_what_cannot_be_stored_is_told_and_the_rest_is_kept(store):
    shared = [1]
    broken = Point(1.0)
    broken.names = shared
    broken.lock = threading.Lock()
    outputs = {"lines": (line for line in ()), "broken": broken, "shared": shared, "also": [shared], "n": 1}

    answer = store.keep(outputs, made_by="step")

    assert {left.name: left.type_name for left in answer.not_carried} == {
        "lines": "generator",
        "broken": "tests.store.values.Point",
    }
    assert {left.name: left.why for left in answer.not_carried} == {
        "lines": "an iterator cannot be stored",
        "broken": "cannot pickle '_thread.lock' object",
    }
    again = store.load_all(answer.versions, trust=True)
    assert again["also"][0] is again["shared"]
    assert again["n"] == 1


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (
            pd.DataFrame({"a": np.zeros(200_000), "s": ["x"] * 200_000}),
            lambda value: value.iloc.__setitem__((0, 0), 99.0),
        ),
        (pd.Series(np.zeros(200_000)), lambda value: value.iloc.__setitem__(0, 99.0)),
        (np.zeros(200_000), lambda value: value.__setitem__(0, 99.0)),
    ],
    ids=["frame", "series", "array"],
)
def test_what_is_written_in_the_background_is_what_it_was_when_it_was_kept(store, value, change):
    gate = threading.Event()
    store.writer.run(gate.wait)
    before = store.content(value).digest

    answer = store.keep({"value": value, "n": 1}, made_by="step", background=True)
    change(value)
    assert not answer.is_settled
    gate.set()
    versions = answer.settled().versions

    assert versions["value"].digest == before == store.content(store.load(versions["value"])).digest
    assert before != store.content(value).digest
    assert set(versions) == {"value", "n"}


def test_large_values_that_share_are_written_at_once_in_one_bundle(store):
    grid = np.zeros((1000, 1000))

    answer = store.keep({"grid": grid, "sub": grid[:500]}, made_by="step", background=True)

    assert answer.is_settled
    assert answer.versions["grid"].blob == answer.versions["sub"].blob


def test_a_full_disk_is_told_at_once_or_by_the_future(store, monkeypatch):
    def full(pieces):
        raise NotRecordedError(store.blobs.root, "No space left on device")

    monkeypatch.setattr(store.blobs, "write", full)

    with pytest.raises(NotRecordedError):
        store.keep({"a": b"x" * 5000}, made_by="step")
    later = store.keep({"a": np.zeros(200_000)}, made_by="step", background=True)
    with pytest.raises(NotRecordedError):
        later.settled()


def test_a_background_value_that_cannot_be_stored_is_not_carried(store, monkeypatch):
    def refused(name, value, **_):
        raise NotStorableError(name, "numpy.ndarray", "no")

    monkeypatch.setattr("nbpipe.store.keeping.encoded", refused)

    answer = store.keep({"a": np.zeros(200_000)}, made_by="step", background=True).settled()

    assert [left.name for left in answer.not_carried] == ["a"]
    assert answer.versions == {}


def test_a_path_is_known_by_what_lies_there(store, tmp_path):
    for name, text in (("one.txt", "same"), ("two.txt", "same"), ("three.txt", "other")):
        (tmp_path / name).write_text(text)

    one, two, three = (kept(store, tmp_path / name) for name in ("one.txt", "two.txt", "three.txt"))

    assert one.digest == two.digest != three.digest
    assert store.load(one).read_text() == "same"


class Canary:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def forged(store: Store, data: bytes, **said) -> ArtifactVersion:
    """Write a record as somebody else could have, for bytes that lie in the store."""
    blob = store.blobs.write([data])
    return replace(kept(store, 1), inline=None, blob=blob, size_bytes=len(data), **said)


@pytest.mark.parametrize("member", [None, 0])
@pytest.mark.parametrize("materializer", ["pickle@1", "sklearn@1", "figure@1", "bundle@1"])
@pytest.mark.parametrize("admits", [True, False])
def test_a_pickle_from_elsewhere_is_refused_whatever_its_record_says_of_it(
    store, tmp_path, materializer, member, admits
):
    data = joined(pickles.dump([Canary(tmp_path / "ran")]).pieces)
    blob = forged(store, data, materializer=materializer, member=member, pickled=admits)
    inline = replace(blob, blob="", inline={"base64": b64encode(data).decode()})

    for version in (blob, inline):
        with pytest.raises(UntrustedArtifactError):
            store.load(version)

    assert not (tmp_path / "ran").exists()
    store.load(blob, trust=True)
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "materializer",
    ["json@1", "text@1", "bytes@1", "npy@1", "numpy-scalar@1", "arrow@1", "files@1", "png@1", "pydantic@1"],
)
def test_no_other_format_runs_code_or_fails_untyped_on_bytes_that_are_none_of_its_own(store, tmp_path, materializer):
    canary = Canary(tmp_path / "ran")
    for data in (pickle.dumps(canary), joined(pickles.dump(canary).pieces), b"", b"\0" * 64, b"{}", os.urandom(500)):
        version = forged(store, data, materializer=materializer)
        with suppress(ArtifactUnreadableError):
            store.load(version)

    assert not (tmp_path / "ran").exists()


def test_a_model_from_elsewhere_imports_no_module(store):
    data = json.dumps({"class": "this:BaseModel", "set": [], "fields": "{}"}).encode()

    with pytest.raises(ArtifactUnreadableError, match="this:BaseModel"):
        store.load(forged(store, data, materializer=f"{PydanticModel.name}@1"))

    assert "this" not in sys.modules


@pytest.mark.parametrize(
    "value",
    [np.zeros(1000), pd.DataFrame({"a": np.zeros(1000)}), [Point(1.0)] * 1000 + [b"x" * 5000]],
    ids=["npy", "arrow", "pickle"],
)
def test_a_flipped_bit_is_found_before_a_byte_is_parsed(workspace, store, monkeypatch, value):
    version = kept(store, value)
    damage(place_of(store.blobs, version.blob))
    for name in ("nbpipe.store.arrays.Npy", "nbpipe.store.frames.ArrowFrame", "nbpipe.store.objects.Pickle"):
        monkeypatch.setattr(f"{name}.decode", lambda *_: pytest.fail("parsed"))

    for reader in (store, Store(workspace)):
        with pytest.raises(ArtifactDamagedError, match=r"Artifact 'value' .* Run the step that made it again"):
            reader.load(version, trust=True)


def test_a_blob_that_is_gone_does_not_exist_and_is_made_again_by_keeping(store):
    version = kept(store, np.zeros(1000))
    place_of(store.blobs, version.blob).unlink()

    assert not store.exists(version)
    with pytest.raises(ArtifactDamagedError):
        store.load(version)
    assert kept(store, np.zeros(1000)).blob == version.blob
    assert store.exists(version)


@pytest.mark.parametrize("blob", ["../../etc/passwd", "/etc/passwd", "", "é" * 64])
def test_a_record_cannot_point_out_of_the_store(store, blob):
    version = replace(kept(store, 1), inline=None, blob=blob, materializer="bytes@1")

    assert not store.exists(version)
    with pytest.raises(ArtifactDamagedError):
        store.load(version)


@pytest.mark.parametrize("member", [-1, 2, "0", 0.0])
def test_a_record_cannot_name_a_member_that_a_bundle_has_not(store, member):
    shared = [1]
    version = store.keep({"a": shared, "b": shared}, made_by="step").versions["a"]

    with pytest.raises(ArtifactUnreadableError):
        store.load(replace(version, member=member), trust=True)


def test_no_name_that_somebody_chose_is_a_part_of_a_path(store, workspace):
    store.keep({"../../evil": np.zeros(1000)}, made_by="../../evil", artifact_names={"../../evil": "../evil"})

    assert list(workspace.root.parent.rglob("*evil*")) == []


def test_a_class_that_is_gone_makes_an_artifact_unreadable_and_says_which(store, monkeypatch):
    version = kept(store, Point(1.0))
    monkeypatch.delattr("tests.store.values.Point")

    with pytest.raises(ArtifactUnreadableError, match="Point"):
        store.load(version, trust=True)


def test_another_process_loads_what_this_one_kept_and_a_model_class_is_imported_if_it_is_trusted(store, workspace):
    frame = pd.DataFrame({"a": np.zeros(1000)})
    versions = store.keep({"order": Order(number=7), "frame": frame}, made_by="step").versions
    records = json.dumps([version.as_record() for version in versions.values()])
    program = (
        "import json, sys; from pathlib import Path\n"
        "from nbpipe.base.workspace import WorkspacePaths\n"
        "from nbpipe.records.artifacts import ArtifactVersion\n"
        "from nbpipe.store.store import Store\n"
        f"store = Store(WorkspacePaths(Path({str(workspace.root)!r})))\n"
        "for record in json.loads(sys.argv[1]):\n"
        "    print(store.content(store.load(ArtifactVersion.from_record(record), trust=True)).digest)"
    )

    said = subprocess.run([sys.executable, "-c", program, records], capture_output=True, text=True, check=True).stdout

    assert said.split() == [version.digest for version in versions.values()]


def test_what_is_nested_too_deeply_is_not_carried_and_may_be_handed_over_by_nobody(store):
    chain: object = None
    for link in range(1200):
        chain = (link, chain)

    answer = store.keep({"chain": chain, "n": 1}, made_by="step")

    assert [left.name for left in answer.not_carried] == ["chain"]
    assert list(answer.versions) == ["n"]
    assert store.handed_over(chain) is None
    assert store.fingerprints({"chain": chain}) == {"chain": ""}


def test_what_is_too_deep_only_together_is_not_carried(store):
    shared: list[object] = []
    outputs = {"shared": shared, "left": deep(shared, 300), "right": shared}
    shared.append(deep(None, 300))

    answer = store.keep(outputs, made_by="step")

    lost = {left.name for left in answer.not_carried}
    assert lost | set(answer.versions) == set(outputs)
    assert "left" in lost


def deep(innermost: object, levels: int) -> object:
    for _ in range(levels):
        innermost = [innermost]
    return innermost


def test_a_program_that_allows_itself_any_depth_is_not_ended_by_a_deep_value(workspace):
    program = (
        "import sys; from pathlib import Path\n"
        "from nbpipe.base.workspace import WorkspacePaths\n"
        "from nbpipe.store.store import Store\n"
        "sys.setrecursionlimit(10**6)\n"
        "value = []\n"
        "for _ in range(300_000): value = [value]\n"
        f"answer = Store(WorkspacePaths(Path({str(workspace.root)!r}))).keep({{'deep': value}}, made_by='step')\n"
        "print(*(left.name for left in answer.not_carried), sys.getrecursionlimit(), flush=True)\n"
        "import os; os._exit(0)"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said.split() == ["deep", "1000000"]


def test_a_value_that_contains_itself_comes_back_containing_itself(store):
    loop: list[object] = [1]
    loop.append(loop)
    point = Point(1.0)
    point.names = [point]

    versions = store.keep({"loop": loop, "point": point, "both": (loop, point)}, made_by="step").versions
    again = store.load_all(versions, trust=True)

    assert again["loop"][1] is again["loop"] is again["both"][0]
    assert again["point"].names[0] is again["point"] is again["both"][1]
