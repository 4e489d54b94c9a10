"""A workspace whose values lie on object storage: set there, run, swept, looked over, backed up, moved."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nbpipe import pipeline, step
from nbpipe.base.settings import settings_of
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import (
    ArtifactDamagedError,
    ArtifactRootError,
    BadValueError,
    ConflictError,
    NotUploadedError,
)
from nbpipe.services import upkeep
from nbpipe.services.client import Client
from nbpipe.services.upkeep import UpkeepService
from nbpipe.services.workspace import Workspace, open_workspace
from nbpipe.store.artifact_root import ArtifactRoot
from nbpipe.store.sweeping import stored
from tests.object_storage import BUCKET, S3Server
from tests.services.building import record_run

pytestmark = pytest.mark.extras

LARGE = list(range(5000))


@pytest.fixture
def care(opened_workspace, s3_root) -> UpkeepService:
    """Give the upkeep of a workspace whose values lie on object storage."""
    made = UpkeepService(opened_workspace)
    made.set_artifacts(s3_root)
    return made


@pytest.fixture
def all_is_old(monkeypatch):
    """Have an hour pass at once."""
    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)


def objects(url: str) -> set[str]:
    return {held.digest for folder in ArtifactRoot(url).walk() for held in folder}


def here(workspace: Workspace) -> set[str]:
    return {blob.digest for blob in stored(workspace.paths.blobs)}


def on_another_machine(workspace: Workspace, folder: Path) -> Workspace:
    """Give the workspace as a machine sees it that shares its logs and has a folder of blobs of its own."""
    shutil.copytree(workspace.paths.root, folder / ".nbpipe", ignore=shutil.ignore_patterns("blobs", "index.sqlite*"))
    return open_workspace(WorkspacePaths(folder / ".nbpipe").ensure())


def large_of(workspace: Workspace) -> object:
    return Client(workspace.paths.root).artifacts.get("large").load()


# Setting ---------------------------------------------------------------------------------------


def test_what_a_workspace_has_is_uploaded_when_the_root_is_set(opened_workspace, s3_root, tmp_path):
    record_run(opened_workspace, outputs={"large": LARGE})
    record_run(opened_workspace, outputs={"large": LARGE[:4000], "small": 5})

    moved = UpkeepService(opened_workspace).set_artifacts(f" {s3_root}/ ".strip())

    assert (moved.url, moved.uploaded, moved.present, moved.damaged) == (s3_root, 2, 0, [])
    assert objects(s3_root) == here(opened_workspace)
    assert large_of(on_another_machine(opened_workspace, tmp_path / "b")) == LARGE[:4000]


def test_setting_it_again_uploads_nothing_but_what_is_missing(care, opened_workspace, s3_root):
    record_run(opened_workspace, outputs={"large": LARGE})
    record_run(opened_workspace, outputs={"large": LARGE[:4000]})

    again = care.set_artifacts(s3_root)
    assert (again.uploaded, again.present) == (0, 2)

    (first, _) = sorted(objects(s3_root))
    opened_workspace.store.remote.remote.remove([f"blobs/{first[:2]}/{first[2:]}"])
    elsewhere = UpkeepService(open_workspace(opened_workspace.paths))
    opened_workspace.store.remote._fresh.clear()
    again = elsewhere.set_artifacts(s3_root)
    assert (again.uploaded, again.present) == (1, 1)


def test_the_settings_hold_the_url_and_no_credentials(care, opened_workspace, s3_root):
    assert settings_of(opened_workspace.paths).artifacts == s3_root
    assert "testing" not in opened_workspace.paths.settings.read_text()
    assert open_workspace(opened_workspace.paths).store.remote.remote.url == s3_root


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("s3://nobody-made-this/x", NotUploadedError),
        ("s4://bucket/x", NotUploadedError),
        ("bucket", BadValueError),
        ("s3://key:secret@bucket/x", BadValueError),
    ],
)
def test_a_root_that_cannot_be_used_is_not_set(opened_workspace, s3_root, url, error):
    record_run(opened_workspace, outputs={"large": LARGE})

    with pytest.raises(error) as told:
        UpkeepService(opened_workspace).set_artifacts(url)

    assert len(str(told.value).splitlines()) <= 2
    assert settings_of(opened_workspace.paths).artifacts == ""
    assert opened_workspace.store.remote is None
    assert large_of(opened_workspace) == LARGE


def test_the_variable_is_not_silently_contradicted(opened_workspace, s3_root, monkeypatch):
    monkeypatch.setenv("NBPIPE_ARTIFACTS", s3_root)

    with pytest.raises(ConflictError, match="NBPIPE_ARTIFACTS says"):
        UpkeepService(opened_workspace).set_artifacts(f"s3://{BUCKET}/other")

    assert UpkeepService(opened_workspace).set_artifacts(s3_root).url == s3_root
    assert settings_of(opened_workspace.paths).artifacts == ""


def test_values_move_from_one_root_to_another_and_back_into_the_workspace(care, opened_workspace, s3_root):
    record_run(opened_workspace, outputs={"large": LARGE})
    care.gc(cache=True)
    assert here(opened_workspace) == set()

    moved = care.set_artifacts(f"{s3_root}-2")
    assert (moved.fetched, moved.uploaded) == (1, 1)
    assert objects(f"{s3_root}-2") == objects(s3_root)

    care.gc(cache=True)
    moved = care.set_artifacts("")
    assert (moved.url, moved.fetched, moved.uploaded) == ("", 1, 0)
    assert opened_workspace.store.remote is None
    assert large_of(opened_workspace) == LARGE
    record_run(opened_workspace, outputs={"other": LARGE[:3000]})
    assert len(objects(s3_root)) == 1


def test_damaged_values_stay_where_they_are_and_are_told(opened_workspace, s3_root):
    record_run(opened_workspace, outputs={"large": LARGE})
    (digest,) = here(opened_workspace)
    path = opened_workspace.paths.blobs / digest[:2] / digest[2:]
    path.write_bytes(b"?" + path.read_bytes()[1:])
    os.utime(path, ns=(0, 0))

    assert UpkeepService(opened_workspace).set_artifacts(s3_root).damaged == [digest]
    assert objects(s3_root) == set()


# Runs ------------------------------------------------------------------------------------------


@step
def numbers(n: int = 100_000) -> list[int]:
    return list(range(n))


@step
def total(values: list[int]) -> int:
    return sum(values)


@step
def stops_its_server(values: list[int], pid: int = 0) -> list[int]:
    import os
    import signal

    os.killpg(pid, signal.SIGKILL)
    return values[1:]


@pipeline
def adding(n: int = 100_000):
    return total(numbers(n))


@pipeline
def falling(pid: int = 0):
    return total(stops_its_server(numbers(), pid))


def test_a_pipeline_runs_and_its_values_come_back_when_the_folder_is_emptied(care, opened_workspace, s3_root):
    run = adding()
    care.gc(cache=True)
    assert here(opened_workspace) == set()

    again = adding()

    assert {node: str(one.status) for node, one in again.steps.items()} == {"numbers": "reused", "total": "reused"}
    assert here(opened_workspace) <= objects(s3_root)
    assert again.steps["numbers"].output.load() == list(range(100_000))
    assert run.refresh().graph.nodes
    assert [found for found in care.check(deep=True) if not found.is_note] == []


def test_another_machine_takes_what_the_first_has_made(care, opened_workspace, tmp_path, monkeypatch):
    adding()
    other = on_another_machine(opened_workspace, tmp_path / "b")
    opened_workspace.close()
    monkeypatch.setenv("NBPIPE_HOME", str(other.paths.root))

    run = adding()

    assert {str(one.status) for one in run.steps.values()} == {"reused"}
    assert run.steps["numbers"].output.load() == list(range(100_000))


def test_a_server_that_goes_in_mid_run_fails_the_step_whose_value_it_did_not_take(opened_workspace, monkeypatch):
    server = S3Server()
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    with server:
        UpkeepService(opened_workspace).set_artifacts(f"s3://{BUCKET}/x")
        with pytest.raises(NotUploadedError, match=f"Nothing was stored in s3://{BUCKET}/x"):
            falling(server.pid)

    (run,) = Client().runs.list()
    outcome = {node: str(one.status) for node, one in run.steps.items()}
    assert outcome == {"numbers": "completed", "stops_its_server": "failed", "total": "skipped"}
    assert run.steps["stops_its_server"].outputs == {}
    assert run.steps["numbers"].output.load() == list(range(100_000))
    with pytest.raises(NotUploadedError):
        adding(100_001)
    assert len(Client().runs.list()) == 1

    with S3Server(server.port):
        run = adding(100_001)
        assert run.status == "completed"
        assert run.output == sum(range(100_001))


def test_a_value_that_is_elsewhere_and_cannot_be_asked_for_is_no_reason_to_make_it_again(opened_workspace, monkeypatch):
    server = S3Server()
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    with server:
        care = UpkeepService(opened_workspace)
        care.set_artifacts(f"s3://{BUCKET}/x")
        adding()
        care.gc(cache=True)
        artifact = Client().artifacts.get("numbers")

    with pytest.raises(ArtifactRootError):
        artifact.load()
    with pytest.raises(ArtifactRootError):
        adding()

    (failed, _) = Client().runs.list()
    assert (str(failed.status), failed.error.partition(":")[0], dict(failed.steps)) == (
        "failed",
        "ArtifactRootError",
        {},
    )


def test_an_object_that_is_lost_is_made_again_by_its_step(care, opened_workspace, s3_root):
    adding()
    care.gc(cache=True)
    lost = Client().artifacts.get("numbers")
    root = ArtifactRoot(s3_root)
    for digest in objects(s3_root):
        root.remove([root.name_of(digest)])
    with pytest.raises(ArtifactDamagedError):
        lost.load()

    run = adding()

    assert str(run.steps["numbers"].status) == "completed"
    assert run.steps["numbers"].output.load() == list(range(100_000))


def test_the_variable_alone_does_it_in_a_process_of_its_own(workspace, s3_root, tmp_path):
    script = tmp_path / "flow.py"
    script.write_text(
        "from nbpipe import pipeline, step\n@step\ndef a() -> list[int]:\n    return list(range(9000))\n"
        "@pipeline\ndef p():\n    return a()\n"
    )
    command = [sys.executable, "-m", "nbpipe", "run", str(script)]
    variables = {**os.environ, "NBPIPE_ARTIFACTS": s3_root}

    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(objects(s3_root)) == 3
    assert list(ArtifactRoot(s3_root).marks()) == [settings_of(workspace).id]


# Sweeping --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("all_is_old")
def test_what_nothing_refers_to_goes_there_too_and_what_is_referred_to_stays(care, opened_workspace, s3_root):
    record_run(opened_workspace, outputs={"large": LARGE})
    orphan = opened_workspace.store.blobs.write([b"orphan" * 1000])
    before = objects(s3_root)

    would = care.gc(dry_run=True)
    assert (would.remote.blobs, objects(s3_root)) == (1, before)
    assert any("in s3://" in found.what and found.is_note for found in care.check())

    swept = care.gc()
    assert (swept.blobs, swept.remote.blobs, swept.remote.size_bytes, swept.remote.kept) == (1, 1, 6000, 1)
    assert objects(s3_root) == before - {orphan}
    assert large_of(opened_workspace) == LARGE


def test_what_is_young_stays(care, opened_workspace, s3_root):
    opened_workspace.store.blobs.write([b"orphan" * 1000])

    assert care.gc().remote.blobs == 0
    assert len(objects(s3_root)) == 1


def test_what_is_young_stays_also_if_the_clock_here_is_hours_ahead(care, opened_workspace, s3_root, monkeypatch):
    opened_workspace.store.blobs.write([b"orphan" * 1000])
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3 * 3600 * 10**9)

    assert care.gc(dry_run=True).remote.blobs == 1
    assert care.gc().remote.blobs == 0
    assert len(objects(s3_root)) == 1


@pytest.mark.usefixtures("all_is_old")
def test_nothing_is_removed_where_another_workspace_has_values(care, opened_workspace, s3_root, tmp_path):
    opened_workspace.store.blobs.write([b"orphan" * 1000])
    other = open_workspace(WorkspacePaths(tmp_path / "other" / ".nbpipe").ensure())
    UpkeepService(other).set_artifacts(s3_root)
    record_run(other, outputs={"large": LARGE})
    before = objects(s3_root)

    swept = care.gc()

    assert objects(s3_root) == before
    assert (swept.remote.blobs, swept.blobs) == (0, 1)
    assert swept.remote.others == (f"{os.uname().nodename}:{other.paths.root}",)
    assert care.sharing() == swept.remote.others


def test_the_copies_here_go_only_if_the_root_has_them(care, opened_workspace, s3_root):
    record_run(opened_workspace, outputs={"large": LARGE})
    held = opened_workspace.store.blobs.open(*here(opened_workspace))
    mine = opened_workspace.store.remote.local.write([b"here only" * 1000])

    would = care.gc(dry_run=True, cache=True)
    assert (would.remote.copies, len(here(opened_workspace))) == (1, 2)
    swept = care.gc(cache=True)

    assert swept.remote.copies == 1
    assert swept.remote.copies_bytes == len(held)
    assert here(opened_workspace) == {mine}
    assert bytes(held[-5:])
    assert large_of(opened_workspace) == LARGE


def test_there_are_no_copies_where_values_lie_in_the_workspace(opened_workspace):
    record_run(opened_workspace, outputs={"large": LARGE})

    with pytest.raises(BadValueError, match="no copies to drop"):
        UpkeepService(opened_workspace).gc(cache=True)

    assert large_of(opened_workspace) == LARGE


# Looking over, backups -------------------------------------------------------------------------


def test_what_the_root_lacks_is_found_and_uploaded_from_here(care, opened_workspace, s3_root):
    record_run(opened_workspace, outputs={"large": LARGE})
    (digest,) = objects(s3_root)
    ArtifactRoot(s3_root).remove([f"blobs/{digest[:2]}/{digest[2:]}"])

    (found,) = care.check()
    assert "lies here only" in found.what
    assert "nbpipe init" in found.cure

    opened_workspace.store.remote._fresh.clear()
    assert care.recover().lost_values == []
    assert care.check() == []
    assert objects(s3_root) == {digest}


def test_what_is_nowhere_or_cut_or_something_else_is_found(care, opened_workspace, s3_root, tmp_path):
    for n in range(3):
        record_run(opened_workspace, outputs={"large": LARGE[n:]})
    care.gc(cache=True)
    gone, cut, other = sorted(objects(s3_root))
    root, draft = ArtifactRoot(s3_root), tmp_path / "draft"
    root.remove([root.name_of(gone)])
    for digest, change in ((cut, lambda data: data[:-1]), (other, lambda data: b"?" + data[1:])):
        root.get(digest, draft)
        draft.write_bytes(change(draft.read_bytes()))
        root.put(digest, draft, if_absent=False)

    shallow = {found.path.name: found.what for found in care.check()}
    assert shallow.keys() == {gone[2:], cut[2:]}
    assert f"is missing in {s3_root}" in shallow[gone[2:]]
    assert "bytes in place of" in shallow[cut[2:]]
    deep = {found.path.name: found.what for found in care.check(deep=True)}
    assert deep.keys() == {gone[2:], cut[2:], other[2:]}


def test_a_backup_holds_also_what_is_not_here_and_brings_it_back_to_the_root(care, opened_workspace, s3_root, tmp_path):
    record_run(opened_workspace, outputs={"large": LARGE})
    care.gc(cache=True)

    made = care.backup()
    assert (made.blobs, made.damaged_blobs) == (1, [])

    back = open_workspace(WorkspacePaths(tmp_path / "back" / ".nbpipe"))
    UpkeepService(back).restore(made.path)
    assert back.store.remote is None
    assert large_of(back) == LARGE

    care.gc(cache=True)
    (digest,) = objects(s3_root)
    ArtifactRoot(s3_root).remove([f"blobs/{digest[:2]}/{digest[2:]}"])
    assert care.recover().values == [digest]
    assert objects(s3_root) == {digest}


def test_a_root_that_is_gone_is_told_by_everything_that_asks_it(care, opened_workspace, monkeypatch):
    record_run(opened_workspace, outputs={"large": LARGE})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    opened_workspace.store.remote.remote._opened = None

    for ask in (care.check, care.gc, care.sharing, lambda: care.gc(cache=True), care.backup):
        with pytest.raises(ArtifactRootError, match="cannot be used"):
            ask()

    assert large_of(opened_workspace) == LARGE
    assert list(opened_workspace.paths.backups.glob("*")) == []
