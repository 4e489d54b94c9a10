"""The laws of blobs, over every place where they may lie: the workspace's folder, and artifact roots of two kinds."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from nbpipe.errors import ArtifactDamagedError
from nbpipe.store.background import BlobWriter
from nbpipe.store.blobs import Blobs, BlobStore

NONE = "ab" * 32
DATA = os.urandom(5000)
extras = pytest.mark.extras


@dataclass(frozen=True)
class Place:
    """A place for blobs.

    Attributes:
        open: Gives the blobs as another process, or for an artifact root another machine, has them.
        damage: Changes bytes of a blob wherever it lies for good.
        count: Tells how many blobs lie there for good.
    """

    open: Callable[[], Blobs]
    damage: Callable[[str], None]
    count: Callable[[], int]


def in_a_folder(tmp_path: Path) -> Place:
    root = tmp_path / "blobs"

    def damage(digest: str) -> None:
        path = root / digest[:2] / digest[2:]
        path.write_bytes(b"?" + path.read_bytes()[1:])
        os.utime(path, ns=(0, 0))

    return Place(lambda: BlobStore(root), damage, lambda: sum(1 for path in root.glob("??/*") if path.is_file()))


def under_a_root(tmp_path: Path, url: str) -> Place:
    from nbpipe.store.artifact_root import ArtifactRoot
    from nbpipe.store.remote_blobs import RemoteBlobs

    root = ArtifactRoot(url)
    machines = iter(range(1000))

    def damage(digest: str) -> None:
        draft = tmp_path / "damaged"
        root.get(digest, draft)
        draft.write_bytes(b"?" + draft.read_bytes()[1:])
        root.put(digest, draft, if_absent=False)

    return Place(
        lambda: RemoteBlobs(tmp_path / f"machine{next(machines)}", ArtifactRoot(url), lambda: None),
        damage,
        lambda: sum(len(folder) for folder in root.walk()),
    )


@pytest.fixture(params=["folder", pytest.param("s3", marks=extras), pytest.param("shared folder", marks=extras)])
def place(request, tmp_path) -> Place:
    if request.param == "folder":
        return in_a_folder(tmp_path)
    url = request.getfixturevalue("s3_root") if request.param == "s3" else f"file://{tmp_path}/shared folder"
    return under_a_root(tmp_path, url)


@pytest.mark.parametrize("sizes", [(0,), (1,), (5000,), (3, 0, 5000), (1 << 20, 1)], ids=str)
def test_bytes_come_back_elsewhere_and_are_named_by_their_sha256(place, sizes):
    pieces = [os.urandom(size) for size in sizes]

    digest = place.open().write(pieces)

    assert digest == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert bytes(place.open().open(digest)) == b"".join(pieces)
    elsewhere = place.open()
    elsewhere.verify_if_changed(digest)
    assert elsewhere.stamp(digest)[0] == sum(sizes)
    assert place.open().is_sound(digest, sum(sizes))
    assert not place.open().is_sound(digest, sum(sizes) + 1)


def test_equal_bytes_lie_there_once_however_often_and_by_whom_they_are_written(place):
    blobs = place.open()

    digests = {blobs.write([DATA]), blobs.write([DATA[:7], DATA[7:]]), place.open().write([DATA])}

    assert len(digests) == 1
    assert place.count() == 1


def test_bytes_of_a_known_name_are_kept_whatever_has_become_of_them(place):
    blobs = place.open()
    digest = blobs.write([DATA])

    assert blobs.write([DATA], known=digest) == digest
    blobs.open(digest).release()
    path = blobs.root / digest[:2] / digest[2:]
    path.unlink()
    assert blobs.write([DATA], known=digest) == digest
    assert bytes(blobs.open(digest)) == DATA
    path.write_bytes(b"?" * len(DATA))
    assert blobs.write([DATA], known=digest) == digest
    assert bytes(blobs.open(digest)) == DATA
    # A name that is not that of these bytes is found out, as long as nothing lies under it.
    assert blobs.write([DATA], known="0" * 64) == digest


def test_many_that_write_the_same_at_once_leave_it_whole(place):
    writers = [place.open() for _ in range(4)]
    together = threading.Barrier(len(writers))

    def write(blobs: Blobs) -> str:
        together.wait()
        return blobs.write([DATA])

    with ThreadPoolExecutor(len(writers)) as pool:
        digests = set(pool.map(write, writers))

    assert digests == {hashlib.sha256(DATA).hexdigest()}
    assert place.count() == 1
    place.open().verify(*digests)


def test_what_is_written_into_opened_bytes_never_reaches_the_blob(place):
    blobs = place.open()
    digest = blobs.write([DATA])

    blobs.open(digest)[:4] = b"????"

    assert bytes(blobs.open(digest)) == DATA
    place.open().verify(digest)


@pytest.mark.parametrize("name", [NONE, "", "../../etc/passwd", NONE.upper(), NONE + "\n"], ids=repr)
def test_what_is_not_there_is_told_as_damaged_and_never_as_sound(place, name):
    blobs = place.open()

    for ask in (blobs.open, blobs.stamp, blobs.verify, blobs.verify_if_changed, lambda digest: blobs.sync([digest])):
        with pytest.raises(ArtifactDamagedError):
            ask(name)
    assert not blobs.is_sound(name, 5000)


def test_damage_is_noticed_by_who_reads_it_and_mended_by_who_writes_it_again(place):
    digest = place.open().write([DATA])
    place.damage(digest)
    blobs = place.open()

    for ask in (blobs.verify, blobs.verify_if_changed):
        with pytest.raises(ArtifactDamagedError, match=r"not those that were stored|does not hold what its name says"):
            ask(digest)

    blobs.write([DATA])
    place.open().verify(digest)


def test_bytes_are_put_back_only_under_their_own_name(place):
    blobs = place.open()
    digest = hashlib.sha256(DATA).hexdigest()

    assert not blobs.put_back(digest, [DATA[:-1]])
    assert place.count() == 0
    assert not blobs.is_sound(digest, len(DATA))

    assert blobs.put_back(digest, [DATA[:9], DATA[9:]])
    place.open().verify(digest)


def test_what_is_written_in_the_background_is_there_when_its_future_says_so(place):
    blobs = place.open()
    writer = BlobWriter(blobs)

    digests = [writer.submit([bytes([n]) * 5000]).result() for n in range(5)]
    writer.close()

    blobs.sync(digests)
    elsewhere = place.open()
    assert [bytes(elsewhere.open(digest))[:1] for digest in digests] == [bytes([n]) for n in range(5)]
