"""What a sweep removes, what it leaves, and a writer that comes at the same moment."""

from __future__ import annotations

import os
import time

import pytest

from nbpipe.store import sweeping
from nbpipe.store.blobs import BlobStore
from nbpipe.store.sweeping import stored, sweep

LATER_NS = 3600 * 10**9


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


def swept(blobs, *, referred=(), since_ns=None, dry_run=False):
    since_ns = time.time_ns() + LATER_NS if since_ns is None else since_ns
    return sweep(blobs.root, blobs.root.parent / "unpacked", referred=set(referred), since_ns=since_ns, dry_run=dry_run)


def names(blobs):
    return {blob.digest for blob in stored(blobs.root)}


def test_what_nothing_refers_to_is_removed_and_the_rest_stays(blobs):
    kept, lost = blobs.write((b"kept" * 2000,)), blobs.write((b"lost" * 3000,))

    done = swept(blobs, referred=[kept])

    assert (done.blobs, done.size_bytes, done.kept, done.kept_bytes) == (1, 12_000, 1, 8_000)
    assert names(blobs) == {kept}
    assert lost not in names(blobs)


def test_a_dry_run_counts_the_same_and_changes_nothing(blobs):
    blobs.write((b"a",))
    (blobs.root / "ab").mkdir(exist_ok=True)
    (blobs.root / "ab" / ".draft").write_bytes(b"half")

    would = swept(blobs, dry_run=True)
    left = sorted(blobs.root.rglob("*"))
    done = swept(blobs)

    assert would == done
    assert (done.blobs, done.leftovers, done.size_bytes) == (1, 1, 5)
    assert len(left) > len(sorted(blobs.root.rglob("*")))


def test_what_is_young_stays(blobs):
    digest = blobs.write((b"its record is on its way",))
    draft = blobs.root / digest[:2] / ".draft"
    draft.write_bytes(b"being written")

    done = swept(blobs, since_ns=time.time_ns() - LATER_NS)

    assert (done.blobs, done.leftovers, done.kept) == (0, 0, 1)
    assert draft.exists()


def test_a_writer_that_finds_its_bytes_here_makes_them_young(blobs):
    digest = blobs.write((b"again",))
    time.sleep(0.02)
    between_ns = time.time_ns()
    time.sleep(0.02)

    BlobStore(blobs.root).write((b"again",))

    assert swept(blobs, since_ns=between_ns).blobs == 0
    assert blobs.is_sound(digest, 5)


def test_a_touch_between_look_and_deletion_is_noticed(blobs, monkeypatch):
    digest = blobs.write((b"again",))
    decide = sweeping._removed

    def touched_just_before(place, blob):
        BlobStore(blobs.root).write((b"again",))
        return decide(place, blob)

    monkeypatch.setattr(sweeping, "_removed", touched_just_before)
    done = swept(blobs)

    assert (done.blobs, done.kept) == (0, 1)
    assert names(blobs) == {digest}


def test_a_writer_whose_bytes_go_while_it_looks_writes_them(blobs, monkeypatch):
    digest = blobs.write((b"again",))
    writer = BlobStore(blobs.root)
    holds = writer._holds

    def swept_just_after(*asked):
        answer = holds(*asked)
        swept(blobs)
        return answer

    monkeypatch.setattr(writer, "_holds", swept_just_after)

    assert writer.write((b"again",)) == digest
    assert names(blobs) == {digest}
    writer.verify(digest)


def test_what_a_killed_sweep_condemned_is_given_back_by_the_next(blobs):
    digest = blobs.write((b"condemned",))
    place = blobs.root / digest[:2] / digest[2:]
    place.rename(place.with_name(sweeping._CONDEMNED + place.name))

    swept(blobs, since_ns=time.time_ns() - LATER_NS)

    blobs.verify(digest)


def test_copies_of_files_go_with_what_they_are_copies_of(blobs):
    unpacked = blobs.root.parent / "unpacked"
    wanted, other = "ab" + "1" * 62, "ab" + "2" * 62
    for name in (wanted, other, "abtmpx1"):
        folder = unpacked / name[:2] / name[2:]
        folder.mkdir(parents=True)
        (folder / "content").write_bytes(b"12345")

    done = swept(blobs, referred=[wanted])

    assert (done.leftovers, done.size_bytes) == (2, 10)
    assert [path.name for path in (unpacked / "ab").iterdir()] == ["1" * 62]


def test_what_is_not_ours_is_left_alone(blobs, tmp_path):
    blobs.root.mkdir()
    (blobs.root / "README").write_text("mine")
    (blobs.root / "zz").mkdir()
    (blobs.root / "zz" / ".x").write_text("mine")
    (blobs.root / "ab").mkdir()
    os.symlink(tmp_path, blobs.root / "ab" / ("0" * 62))
    (blobs.root / "ab" / "notes").write_text("mine")

    assert swept(blobs).leftovers == 0
    assert len(list(blobs.root.rglob("*"))) == 6


def test_a_folder_that_is_not_there_holds_nothing(blobs):
    assert swept(blobs) == sweeping.Swept()
