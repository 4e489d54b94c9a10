"""Bytes on disk, each under its own digest."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import ArtifactDamagedError, NotRecordedError
from nbpipe.store import blobs
from nbpipe.store.background import BlobWriter
from nbpipe.store.blobs import BlobStore


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def files_in(store: BlobStore) -> list[Path]:
    return sorted(path for path in store.root.rglob("*") if path.is_file())


def place_of(store: BlobStore, digest: str) -> Path:
    return store.root / digest[:2] / digest[2:]


def damage(path: Path) -> None:
    """Flip one bit and set the time of change to another: a clock's tick may be longer than a test."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(0, 0))


@given(pieces=st.lists(st.binary(max_size=50), max_size=4))
def test_bytes_come_back_and_are_named_by_their_sha256(tmp_path_factory, pieces):
    store = BlobStore(tmp_path_factory.mktemp("blobs"))

    digest = store.write(pieces)

    assert digest == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert bytes(store.open(digest)) == b"".join(pieces)


def test_a_blob_is_private_and_lies_under_its_digest_only(store):
    digest = store.write([b"some", b"thing"])

    assert files_in(store) == [place_of(store, digest)]
    assert stat.S_IMODE(place_of(store, digest).stat().st_mode) == 0o600
    assert stat.S_IMODE(place_of(store, digest).parent.stat().st_mode) == 0o700


def test_equal_bytes_are_written_once_however_they_are_cut(store):
    digest = store.write([b"some", b"thing"])
    before = place_of(store, digest).stat()

    assert store.write([b"something"]) == digest
    after = place_of(store, digest).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert BlobStore(store.root).write([b"something"]) == digest
    assert place_of(store, digest).stat().st_ino == before.st_ino


def test_writing_in_many_threads_at_once_leaves_one_whole_file(store):
    data = os.urandom(300_000)

    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: store.write([data]), range(16)))

    assert [path.read_bytes() for path in files_in(store)] == [data]
    assert len(digests) == 1


def test_what_is_written_into_an_opened_blob_stays_in_that_view(store):
    digest = store.write([b"something"])

    store.open(digest)[0] = 0

    assert bytes(store.open(digest)) == b"something"
    store.verify(digest)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh process", "same process"])
def test_a_flipped_bit_is_seen(store, fresh):
    digest = store.write([b"something"])
    damage(place_of(store, digest))
    reader = BlobStore(store.root) if fresh else store

    with pytest.raises(ArtifactDamagedError):
        reader.verify_if_changed(digest)


def test_a_blob_whose_stamp_changed_but_not_its_bytes_is_sound(store):
    digest = store.write([b"something"])
    os.utime(place_of(store, digest), ns=(0, 0))

    store.verify_if_changed(digest)

    assert store.is_sound(digest, 9)


def test_soundness_is_told_from_size_and_stamp(store):
    digest = store.write([b"something"])

    assert store.is_sound(digest, 9)
    assert not store.is_sound(digest, 8)
    assert not store.is_sound("0" * 64, 9)
    damage(place_of(store, digest))
    assert not store.is_sound(digest, 9)


def test_a_damaged_or_shortened_blob_is_replaced_when_its_bytes_are_written_again(store):
    for harm in (damage, lambda path: path.write_bytes(b"some")):
        digest = store.write([b"something"])
        harm(place_of(store, digest))

        assert BlobStore(store.root).write([b"something"]) == digest
        BlobStore(store.root).verify(digest)


@pytest.mark.parametrize("digest", ["0" * 64, "../" * 21 + "x", "", "A" * 64, "0" * 63, "0" * 64 + "\n", "a/" * 32])
def test_what_is_not_there_or_is_no_digest_is_damaged(store, digest):
    for ask in (store.open, store.stamp, store.verify, store.verify_if_changed, lambda asked: store.sync([asked])):
        with pytest.raises(ArtifactDamagedError):
            ask(digest)


def test_a_link_in_the_place_of_a_blob_is_not_followed(store, tmp_path):
    digest = store.write([b"something"])
    (tmp_path / "elsewhere").write_bytes(b"something")
    place_of(store, digest).unlink()
    place_of(store, digest).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ArtifactDamagedError):
        store.open(digest)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_full_or_failing_disk_leaves_nothing_and_says_so(store, monkeypatch, code):
    written = os.write

    def failing(descriptor, data):
        if len(data) > 4:
            return written(descriptor, data[:4])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(blobs.os, "write", failing)

    with pytest.raises(NotRecordedError, match=os.strerror(code)):
        store.write([b"something"])
    assert files_in(store) == []


def test_a_short_write_is_continued(store, monkeypatch):
    written = os.write
    monkeypatch.setattr(blobs.os, "write", lambda descriptor, data: written(descriptor, data[:3]))

    digest = store.write([b"some", b"thing"])

    store.verify(digest)


def test_the_barrier_syncs_each_blob_and_its_folder(store, monkeypatch):
    digests = [store.write([b"one"]), store.write([b"two"])]
    synced = []
    monkeypatch.setattr(blobs.os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))

    store.sync(digests)

    assert {str(place_of(store, digest)) for digest in digests} <= set(synced)
    assert {str(place_of(store, digest).parent) for digest in digests} <= set(synced)


def test_the_background_writes_in_order_and_an_error_is_the_futures(store):
    writer = BlobWriter(store)
    order: list[int] = []

    futures = [writer.run(lambda n=n: order.append(n)) for n in range(20)]
    blob = writer.submit([b"something"])
    failing = writer.run(lambda: 1 // 0)
    writer.wait()

    assert all(future.done() for future in [*futures, blob, failing])
    assert order == list(range(20))
    assert bytes(store.open(blob.result())) == b"something"
    with pytest.raises(ZeroDivisionError):
        failing.result()
    writer.close()
    assert writer.submit([b"more"]).result()
    writer.close()


def test_a_forked_child_writes_with_a_thread_of_its_own(store):
    program = (
        "import os, sys, warnings; from pathlib import Path\n"
        "warnings.simplefilter('ignore')\n"
        "from nbpipe.store.background import BlobWriter\n"
        "from nbpipe.store.blobs import BlobStore\n"
        f"writer = BlobWriter(BlobStore(Path({str(store.root)!r})))\n"
        "writer.submit([b'parent']).result()\n"
        "if os.fork() == 0:\n"
        "    writer.wait()\n"
        "    os._exit(0 if writer.submit([b'child']).result(20) else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)

    assert {path.read_bytes() for path in files_in(store)} == {b"parent", b"child"}


def test_another_process_sees_that_a_blob_was_written_to_without_any_record_of_it(store):
    digest = store.write((b"what was stored",))
    [place] = files_in(store)
    before = BlobStore(store.root).is_sound(digest, 15)

    place.write_bytes(b"what was St0red")

    assert before
    assert not BlobStore(store.root).is_sound(digest, 15)


def test_a_copied_blob_is_sound_though_the_copy_is_younger(store):
    digest = store.write((b"what was stored",))
    [place] = files_in(store)

    os.utime(place)

    assert BlobStore(store.root).is_sound(digest, 15)
