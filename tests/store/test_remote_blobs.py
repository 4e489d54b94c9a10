"""Blobs on object storage: the folder before it is a cache, and whatever fails is told and leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nbpipe.errors import ArtifactDamagedError, ArtifactRootError, NotRecordedError, NotUploadedError
from nbpipe.store import artifact_root
from nbpipe.store.artifact_root import ArtifactRoot
from nbpipe.store.remote_blobs import RemoteBlobs
from tests.object_storage import BUCKET, CuttingProxy, S3Server, free_port

pytestmark = pytest.mark.extras

DATA = os.urandom(5000)
LARGE = os.urandom(8_000_000)
Machine = Callable[[], RemoteBlobs]


def blobs_at(url: str, folder: Path) -> RemoteBlobs:
    return RemoteBlobs(folder, ArtifactRoot(url), lambda: None)


@pytest.fixture
def machine(s3_root, tmp_path) -> Machine:
    """Open the blobs as another machine does, with a folder of its own."""
    numbers = iter(range(1000))
    return lambda: blobs_at(s3_root, tmp_path / f"machine{next(numbers)}")


def objects(url: str) -> list[str]:
    return [held.digest for folder in ArtifactRoot(url).walk() for held in folder]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def lines(error: BaseException) -> int:
    return len(str(error).splitlines())


def replace_object(blobs: RemoteBlobs, digest: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(data)
    blobs.remote.put(digest, tmp_path / "other", if_absent=False)


def test_a_fetched_blob_is_private_and_bears_the_seal_of_one_written_here(machine):
    writer, reader = machine(), machine()
    digest = writer.write([DATA])

    reader.open(digest)

    (path,) = files(reader.root)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_mtime_ns == files(writer.root)[0].stat().st_mtime_ns
    assert reader.local.is_sound(digest, len(DATA))


def test_what_lies_here_is_read_without_a_request(machine, monkeypatch):
    blobs = machine()
    digest = blobs.write([DATA])
    monkeypatch.setattr(blobs, "remote", None)

    blobs.verify_if_changed(digest)

    assert bytes(blobs.open(digest)) == DATA
    assert blobs.is_sound(digest, len(DATA))
    assert blobs.stamp(digest)[0] == len(DATA)


def test_a_copy_here_that_somebody_wrote_to_is_fetched_anew(machine):
    blobs = machine()
    digest = blobs.write([DATA])
    (path,) = files(blobs.root)
    path.write_bytes(b"?" * len(DATA))
    os.utime(path, ns=(0, 0))

    assert blobs.is_sound(digest, len(DATA))
    blobs.verify_if_changed(digest)

    assert bytes(blobs.open(digest)) == DATA


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"?", b"?" + DATA[1:]], ids=["empty", "cut", "long", "other"])
def test_an_object_that_somebody_changed_is_not_loaded_and_not_kept(machine, data, tmp_path):
    digest = machine().write([DATA])
    reader = machine()
    replace_object(reader, digest, data, tmp_path)

    with pytest.raises(ArtifactDamagedError, match="does not hold what its name says") as told:
        reader.open(digest)

    assert lines(told.value) == 1
    assert files(reader.root) == []
    assert reader.is_sound(digest, len(DATA)) == (len(data) == len(DATA))


def test_an_object_that_was_deleted_is_told_by_its_address(machine, s3_root):
    writer, reader = machine(), machine()
    digest = writer.write([DATA])
    writer.remote.remove([writer.remote.name_of(digest)])

    with pytest.raises(ArtifactDamagedError, match=f"{digest[2:]} is gone"):
        reader.open(digest)

    assert files(reader.root) == []
    assert not reader.is_sound(digest, len(DATA))


@pytest.mark.parametrize("size", [5000, 3_000_000])
def test_an_old_object_is_put_again_by_who_is_about_to_refer_to_it(machine, monkeypatch, size):
    data = os.urandom(size)
    digest = machine().write([data])
    before = machine().remote.look(digest)
    young = machine()
    assert not young.upload(young.local.write([data]))

    monkeypatch.setattr("nbpipe.store.remote_blobs._FRESH_S", -1.0)
    old = machine()

    assert old.upload(old.local.write([data]))
    after = machine().remote.look(digest)
    assert (after.size_bytes, after.digest) == (before.size_bytes, before.digest)
    assert after.changed >= before.changed


def test_how_long_an_object_is_relied_on_counts_from_its_put_and_not_from_the_look_at_it(machine, monkeypatch):
    digest = machine().write([DATA])
    blobs = machine()
    monkeypatch.setattr("nbpipe.store.remote_blobs._age_s", lambda held: 1700.0)
    assert not blobs.upload(blobs.local.write([DATA]))

    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 200.0)
    monkeypatch.setattr("nbpipe.store.remote_blobs._age_s", lambda held: 1900.0)

    assert blobs.upload(digest)


def test_who_empties_the_folder_while_something_is_written_loses_nothing(machine, monkeypatch):
    blobs = machine()
    real, is_first = blobs.remote.put, iter([True])

    def put(digest: str, path: Path, *, if_absent: bool) -> bool:
        if next(is_first, False):
            shutil.rmtree(blobs.root)
        return real(digest, path, if_absent=if_absent)

    monkeypatch.setattr(blobs.remote, "put", put)
    digest = blobs.write([DATA])

    assert bytes(machine().open(digest)) == DATA


@pytest.mark.parametrize(("size", "after"), [(8_000_000, 3_000_000), (120_000_000, 70_000_000)], ids=["one", "parts"])
def test_a_put_that_is_cut_midway_publishes_nothing(s3_server, s3_root, tmp_path, monkeypatch, size, after):
    data = os.urandom(size)
    proxy = CuttingProxy(s3_server.port, sent=after)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    blobs = blobs_at(s3_root, tmp_path / "here")

    with pytest.raises(NotUploadedError, match=f"Nothing was stored in {s3_root}") as told:
        blobs.write([data])
    proxy.close()

    assert lines(told.value) == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    assert objects(s3_root) == []
    blobs = blobs_at(s3_root, tmp_path / "here")
    digest = blobs.write([data])
    assert objects(s3_root) == [digest]
    blobs_at(s3_root, tmp_path / "elsewhere").verify(digest)


def test_a_server_that_takes_a_part_and_then_nothing_is_not_waited_for_without_end(
    s3_server, s3_root, tmp_path, monkeypatch
):
    monkeypatch.setattr(artifact_root, "_PATIENCE_S", 2.0)
    monkeypatch.setattr(artifact_root, "_SLOWEST_BYTES_PER_S", 8_000_000)
    proxy = CuttingProxy(s3_server.port, sent=2_000_000, swallows=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)

    with pytest.raises(NotUploadedError, match="did not come to an end within 3 s") as told:
        blobs_at(s3_root, tmp_path / "here").write([LARGE])
    proxy.close()

    assert lines(told.value) == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    assert objects(s3_root) == []


def test_a_fetch_that_is_cut_midway_leaves_nothing(s3_server, s3_root, tmp_path, monkeypatch):
    digest = blobs_at(s3_root, tmp_path / "here").write([LARGE])
    proxy = CuttingProxy(s3_server.port, received=3_000_000)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    reader = blobs_at(s3_root, tmp_path / "elsewhere")

    with pytest.raises(ArtifactRootError, match="cannot be used") as told:
        reader.open(digest)
    proxy.close()

    assert lines(told.value) == 2
    assert files(reader.root) == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    assert bytes(blobs_at(s3_root, tmp_path / "elsewhere").open(digest)) == LARGE


def test_a_server_that_is_gone_is_told_and_what_was_written_before_goes_on_being_read(tmp_path, monkeypatch):
    server = S3Server()
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{BUCKET}"
    with server:
        blobs = blobs_at(url, tmp_path / "here")
        digest = blobs.write([DATA])

    with pytest.raises(NotUploadedError, match="Check the network"):
        blobs.write([LARGE])
    with pytest.raises(ArtifactRootError, match="Check the network"):
        blobs.open("ab" * 32)
    with pytest.raises(ArtifactRootError):
        blobs.is_sound("ab" * 32, 5)
    assert bytes(blobs.open(digest)) == DATA

    with S3Server(server.port):
        assert blobs.write([LARGE]) in objects(url)


def test_wrong_credentials_are_told_as_such_and_never_shown(tmp_path, monkeypatch):
    # The one that makes the bucket.
    with S3Server(open_requests=1) as server:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-seen")
        blobs = blobs_at(f"s3://{BUCKET}", tmp_path / "here")

        with pytest.raises(NotUploadedError, match="access is denied") as put:
            blobs.write([DATA])
        with pytest.raises(ArtifactRootError, match="access is denied") as got:
            blobs.open("ab" * 32)

    for told in (put, got):
        assert "AWS_PROFILE" in str(told.value)
        assert "not-to-be-seen" not in str(told.value)
        assert lines(told.value) == 2


def test_no_credentials_at_all_are_told_as_such(s3_server, s3_root, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(NotUploadedError, match=r"access is denied .*credentials"):
        blobs_at(s3_root, tmp_path / "here").write([DATA])


def test_a_bucket_that_is_not_there_is_told_as_such(s3_root, tmp_path):
    with pytest.raises(NotUploadedError, match="there is no such bucket"):
        blobs_at("s3://nobody-made-this/x", tmp_path / "here").write([DATA])


def test_an_address_that_nothing_opens_is_told_as_such(tmp_path):
    with pytest.raises(NotUploadedError, match="Write s3://BUCKET/PREFIX"):
        blobs_at("s4://bucket/x", tmp_path / "here").write([DATA])


def test_a_full_disk_is_told_as_one_and_not_as_a_broken_network(machine, monkeypatch):
    digest = machine().write([DATA])
    reader = machine()

    def get(digest: str, path: Path) -> None:
        path.write_bytes(DATA[:100])
        raise OSError(28, "No space left on device")

    async def get_file(source: str, target: str) -> None:
        get(source, Path(target))

    monkeypatch.setattr(reader.remote._fs, "_get_file", get_file)

    with pytest.raises(NotRecordedError, match="No space left on device"):
        reader.open(digest)

    assert files(reader.root) == []


def test_a_forked_child_makes_connections_of_its_own(s3_root, tmp_path):
    command = [sys.executable, "-c", FORKING, s3_root, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)

    assert (done.stdout, done.stderr, done.returncode) == (b"child\nparent\n", b"", 0)
    assert len(objects(s3_root)) == 3


FORKING = """
import os, sys
from pathlib import Path
from nbpipe.store.artifact_root import ArtifactRoot
from nbpipe.store.remote_blobs import RemoteBlobs

blobs = RemoteBlobs(Path(sys.argv[2]) / "here", ArtifactRoot(sys.argv[1]), lambda: None)
before = blobs.write([b"before" * 1000])
child = os.fork()
if child == 0:
    blobs.write([b"child" * 1000])
    assert blobs.remote.look(before) is not None
    print("child", flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
blobs.write([b"parent" * 1000])
print("parent")
"""


def test_a_process_that_is_killed_in_mid_put_publishes_nothing(s3_server, s3_root, tmp_path, monkeypatch):
    proxy = CuttingProxy(s3_server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    writing = subprocess.Popen([sys.executable, "-c", KILLED, s3_root, str(tmp_path)], stdout=subprocess.PIPE)
    assert writing.stdout is not None
    # It says so from within the put: the file is being read.
    assert writing.stdout.readline() == b"putting\n"
    writing.kill()
    writing.wait()
    writing.stdout.close()
    proxy.close()

    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
    assert objects(s3_root) == []


KILLED = """
import os, sys, time
from pathlib import Path
from nbpipe.store.artifact_root import ArtifactRoot
from nbpipe.store.remote_blobs import RemoteBlobs

blobs = RemoteBlobs(Path(sys.argv[2]) / "here", ArtifactRoot(sys.argv[1]), lambda: None)
fs = blobs.remote._fs
real = fs._upload_file_part_concurrent

async def after_one_part(bucket, key, mpu, file, chunksize, **rest):
    await fs._call_s3("upload_part", Bucket=bucket, PartNumber=1, UploadId=mpu["UploadId"], Body=file.read(chunksize),
                      Key=key)
    print("putting", flush=True)
    time.sleep(600)

fs._upload_file_part_concurrent = after_one_part
blobs.write([os.urandom(120_000_000)])
"""


def test_objects_lie_as_the_files_in_the_folder_do(machine, s3_root, s3_server):
    blobs = machine()
    blobs.write([DATA])

    (path,) = files(blobs.root)
    assert blobs.remote._fs.find(s3_root) == [
        f"{s3_root.removeprefix('s3://')}/blobs/{path.relative_to(blobs.root).as_posix()}"
    ]


def test_drafts_of_killed_writers_in_a_shared_folder_are_no_blobs(tmp_path):
    blobs = blobs_at(f"file://{tmp_path}/shared", tmp_path / "here")
    digest = blobs.write([DATA])
    (tmp_path / "shared" / "blobs" / digest[:2] / ".draft-1").write_bytes(b"half")

    assert objects(blobs.remote.url) == [digest]
    assert [name for name, _ in blobs.remote.drafts()] == [f"blobs/{digest[:2]}/.draft-1"]


def test_more_objects_than_one_answer_holds_are_all_seen_and_removed(machine, s3_root, tmp_path):
    blobs = machine()
    blobs.remote.put("00" * 32, _file(tmp_path), if_absent=True)
    names = {f"00{n:062x}" for n in range(1, 1101)}
    fs, folder = blobs.remote._fs, f"{s3_root.removeprefix('s3://')}/blobs/00"
    fs.pipe({f"{folder}/{name[2:]}": b"x" for name in names})

    assert set(objects(s3_root)) == names | {"00" * 32}

    blobs.remote.remove(blobs.remote.name_of(name) for name in names)
    assert objects(s3_root) == ["00" * 32]


def _file(tmp_path: Path) -> Path:
    (tmp_path / "x").write_bytes(b"x")
    return tmp_path / "x"


def test_the_port_of_an_ended_server_is_refused_within_seconds_and_not_waited_for(tmp_path, monkeypatch):
    for name, value in S3Server(free_port()).variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(NotUploadedError, match="Could not connect"):
        blobs_at(f"s3://{BUCKET}", tmp_path / "here").write([DATA])
