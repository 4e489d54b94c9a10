"""Snapshots that earlier versions of nbpipe exported are imported, run, and give what they gave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nbpipe.records.runs import Status
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.workspace import workspace_at
from tests.snapshot.keeping import FOLDER

SAID = {name: said for path in sorted(FOLDER.glob("*.json")) for name, said in json.loads(path.read_text()).items()}


def test_a_snapshot_of_each_kind_is_kept_for_every_version_that_kept_any() -> None:
    assert SAID
    assert {path.stem for path in FOLDER.glob("*.nbsnapshot")} == set(SAID)
    assert {name.rpartition("-")[2] for name in SAID} == {"function", "cells"}


@pytest.mark.parametrize("name", sorted(SAID))
def test_a_kept_snapshot_runs_and_gives_what_it_gave(name: str, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / ".nbpipe")
    said = SAID[name]

    taken = SnapshotService(workspace).import_(FOLDER / f"{name}.nbsnapshot")
    run = taken.run()

    assert run.status is Status.COMPLETED
    assert run.steps[said["step"]].outputs[said["output"]].load() == said["value"]
    workspace.close()


@pytest.mark.parametrize("name", sorted(SAID))
def test_the_module_of_a_kept_snapshot_prints_what_it_gave_without_nbpipe(name: str, tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path / ".nbpipe")
    place = tmp_path / "frozen.py"
    place.write_text(SnapshotService(workspace).import_(FOLDER / f"{name}.nbsnapshot").code)
    program = f"import sys, runpy; sys.modules['nbpipe'] = None; runpy.run_path({str(place)!r}, run_name='__main__')"

    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)

    assert done.stdout.split()[:1] == [str(SAID[name]["value"])], done.stderr
    workspace.close()
