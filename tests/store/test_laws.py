"""What holds for every kind of value that is stored without a pickle, whichever materializer writes it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import warnings
from base64 import b64encode
from dataclasses import replace

import pytest

from nbpipe.errors import ArtifactDamagedError, ArtifactUnreadableError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.store.buffers import joined
from nbpipe.store.content import content_digest
from nbpipe.store.encoding import encoded
from nbpipe.store.materializers import label_of
from nbpipe.store.preview_pictures import MAX_IMAGE_LETTERS
from nbpipe.store.preview_texts import MAX_BYTES
from nbpipe.store.store import Store
from tests.store.kinds import KINDS
from tests.store.test_blobs import damage, place_of


@pytest.fixture
def store(workspace):
    with_thread = Store(workspace)
    yield with_thread
    with_thread.close()


def of_every_kind(law):
    """Have a law hold of each kind in turn, and name the one of which it does not."""

    def holds(store):
        for name, kind in KINDS.items():
            try:
                law(store, kind)
            except BaseException as error:
                error.add_note(f"This is so of the kind {name!r}.")
                raise

    holds.__name__ = law.__name__
    return holds


def kept(store: Store, value) -> ArtifactVersion:
    answer = store.keep({"value": value}, made_by="step").settled()
    assert answer.not_carried == ()
    return ArtifactVersion.from_record(json.loads(json.dumps(answer.versions["value"].as_record(), allow_nan=False)))


def bytes_of(value) -> bytes:
    return joined(encoded("value", value)[1])


@of_every_kind
def test_a_value_comes_back_with_its_type_its_content_and_what_its_parts_share(store, kind):
    value = kind.make()
    before = content_digest(value)

    version = kept(store, value)
    again = store.load(version, trust=kind.needs_trust)
    after = content_digest(again)

    assert (version.materializer, version.pickled) == (kind.label, False)
    assert type(again) is type(value)
    assert after.digest == before.digest == version.digest
    assert after.digest is not None
    assert after.mutables.aliases == before.mutables.aliases
    assert content_digest(value).digest == before.digest


@of_every_kind
def test_what_came_back_is_written_in_the_same_bytes(store, kind):
    first = bytes_of(kind.make())

    assert bytes_of(kind.make()) == first
    assert bytes_of(store.load(kept(store, kind.make()), trust=True)) == first


@of_every_kind
def test_a_change_in_place_is_told(store, kind):
    if kind.change is None:
        assert content_digest(kind.make()).digest == content_digest(kind.make()).digest
        return
    value = kind.make()
    untouched, before = store.load(kept(store, value), trust=True), store.fingerprints({"value": value})

    kind.change(value)

    assert store.fingerprints({"value": value}) != before
    assert store.fingerprints({"value": untouched}) == before


@of_every_kind
def test_two_loads_share_nothing(store, kind):
    version = kept(store, kind.make())
    first, second = store.load(version, trust=True), store.load(version, trust=True)
    if kind.change is not None:
        kind.change(first)

    assert content_digest(second).digest == version.digest


@of_every_kind
def test_a_part_of_another_output_is_told_and_stored_with_it_or_not_at_all(store, kind):
    value = kind.make()

    answer = store.keep({"value": value, "in a list": [value]}, made_by="step")

    if kind.change is not None:
        assert len({version.blob or str(version.inline) for version in answer.versions.values()}) <= 1
    again = store.load_all(answer.versions, trust=True)
    for left in answer.not_carried:
        assert left.why
    if len(again) == 2 and kind.change is not None:
        assert again["value"] is again["in a list"][0]


@of_every_kind
def test_bytes_that_were_cut_off_or_altered_are_read_as_a_value_or_refused(store, kind):
    version, data = kept(store, kind.make()), bytes_of(kind.make())
    chance = random.Random(1)
    for _ in range(60):
        broken = bytearray(data[: chance.randrange(len(data))] if chance.random() < 0.3 else data)
        for _ in range(chance.choice([0, 1, 1, 3])):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        forged = replace(version, blob="", inline={"base64": b64encode(bytes(broken)).decode()})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                content_digest(store.load(forged))
            except ArtifactUnreadableError as error:
                assert len(str(error)) < 400


@of_every_kind
def test_a_blob_that_was_altered_or_cut_off_is_damaged(store, kind):
    version, data = kept(store, kind.make()), bytes_of(kind.make())
    version = replace(version, inline=None, blob=store.blobs.write([data]))
    place = place_of(store.blobs, version.blob)
    damage(place)

    with pytest.raises(ArtifactDamagedError):
        store.load(version, trust=True)

    place.chmod(0o600)
    place.write_bytes(data[: len(data) // 2])
    with pytest.raises(ArtifactDamagedError):
        store.load(version, trust=True)


@of_every_kind
def test_a_preview_is_small_says_something_and_can_be_written_as_json(store, kind):
    shown = store.preview(kind.make())

    assert shown != {"kind": "text", "text": f"a {type(kind.make()).__name__}"}
    said = json.dumps(shown, allow_nan=False, ensure_ascii=False).encode()
    assert len(said) <= (MAX_IMAGE_LETTERS if shown["kind"] == "image" else MAX_BYTES) + 1024


@of_every_kind
def test_a_materializer_says_its_name(_, kind):
    assert label_of(encoded("value", kind.make())[0]) == kind.label


def test_other_processes_make_and_read_the_same(store, workspace):
    versions = {name: kept(store, kind.make()) for name, kind in KINDS.items()}
    program = (
        "import json, sys; from pathlib import Path\n"
        "from nbpipe.base.workspace import WorkspacePaths\n"
        "from nbpipe.records.artifacts import ArtifactVersion\n"
        "from nbpipe.store.store import Store\n"
        f"store = Store(WorkspacePaths(Path({str(workspace.root)!r})))\n"
        "told = {}\n"
        "for name, record in json.load(sys.stdin).items():\n"
        "    told[name] = [store.content(store.load(ArtifactVersion.from_record(record), trust=True)).digest]\n"
        "from tests.store.kinds import KINDS\n"
        "for name, kind in KINDS.items(): told[name].append(store.content(kind.make()).digest)\n"
        "print(json.dumps(told))"
    )

    said = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps({name: version.as_record() for name, version in versions.items()}),
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert json.loads(said) == {name: [version.digest] * 2 for name, version in versions.items()}
