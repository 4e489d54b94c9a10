"""A snapshot run in the environment that it was made in, built again with all that nbpipe needs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from nbpipe.base.digest import canonical_json
from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.commands.dispatch import answer
from nbpipe.errors import BadValueError, EnvironmentBuildError, EnvironmentMismatchError, RefusedApartError
from nbpipe.records.operations import CreateSnapshot
from nbpipe.records.snapshots import digest_of
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.snapshot.environment import files_known_to_uv
from nbpipe.snapshot.installed import OURS, installed, needs_of
from nbpipe.snapshot.lock import write_lock
from tests.flows.project import Project, project_in
from tests.snapshot.wheels import make_wheel

FLOW = """
from nbpipe import pipeline, step
import xxhash

@step
def look(n: int = 1) -> dict:
    import importlib.util, sys
    found = importlib.util.find_spec("pytest")
    return {"n": n, "prefix": sys.prefix, "xxhash": xxhash.VERSION, "has_pytest": found is not None}

@pipeline
def looking(n: int = 1):
    return look(n)
"""


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    with project_in(workspace, monkeypatch) as found:
        yield found


def lock_of_ourselves() -> str:
    """Lock what nbpipe needs and nothing else, as an environment has it into which only nbpipe was installed."""
    found, names, waiting = installed(), set(), [*needs_of(metadata.requires(OURS))]
    while waiting:
        name = waiting.pop()
        if name in found and name not in names:
            names.add(name)
            waiting += found[name].needs
    needed = {name: one for name, one in found.items() if name in names}
    return write_lock(needed.values(), files_known_to_uv(needed), python=platform.python_version())


def changed(project: Project, snapshot: Snapshot, name: str, **facts: Any) -> Snapshot:
    """Keep a snapshot's content under another name, with other facts of it."""
    content = json.loads(snapshot.content.to_bytes())
    environment = content["environment"] | facts.pop("environment", {})
    data = canonical_json(content | facts | {"environment": environment})
    blob = project.client.workspace.store.blobs.write((data,))
    operation = CreateSnapshot(id=new_id(), pipeline="looking", name=name, digest=f"{digest_of(data)}:{blob}")
    project.client.workspace.catalog.transact(operation)
    return project.client.snapshots.get(name)


def test_a_snapshot_runs_in_its_own_environment_from_python_and_from_the_command_line(
    project: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = project.load(FLOW, head="").looking.create_snapshot("nightly")
    snapshot = changed(project, made, "small", environment={"lock": lock_of_ourselves()})

    run = snapshot.run(isolated=True, n=5)
    seen = run.steps["look"].outputs["output"].load()
    told = capfd.readouterr().err
    words = [sys.executable, "-m", "nbpipe", "snapshot", "run", "small", "--isolated", "--set", "n=6", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)

    assert seen["n"] == 5
    assert seen["prefix"].startswith(os.environ["NBPIPE_CACHE"])
    assert seen["has_pytest"] is False
    assert "Building the snapshot's environment" in told
    assert json.loads(done.stdout)["status"] == "completed"
    assert "Building" not in done.stderr
    assert len(project.client.runs.list(snapshot=snapshot.id)) == 2


def test_values_that_do_not_fit_are_refused_before_anything_is_recorded(project: Project) -> None:
    made = project.load(FLOW, head="").looking.create_snapshot("nightly")
    snapshot = changed(project, made, "small", environment={"lock": lock_of_ourselves()})

    with pytest.raises(RefusedApartError, match="does not take"):
        snapshot.run(isolated=True, m=5)

    assert list(project.client.runs.list()) == []


def test_what_cannot_be_built_is_told_and_nothing_is_recorded(project: Project, tmp_path: Path) -> None:
    made = project.load(FLOW, head="").looking.create_snapshot("nightly")
    bad = {
        "evil": ({"lock": 'lock-version = "1.0"\n[tool.nbpipe.unverified]\n"../x" = "1"\n'}, BadValueError),
        "older": ({"python": "3.4.0"}, EnvironmentBuildError),
        "stranger": ({"python": "3.4.0", "implementation": "pypy"}, EnvironmentBuildError),
    }

    for name, (environment, error) in bad.items():
        snapshot = changed(project, made, name, environment=environment)
        with pytest.raises(error) as refused:
            snapshot.run(isolated=True)
        assert len(str(refused.value).splitlines()) <= 2

    assert list(project.client.runs.list()) == []


def test_a_missing_package_is_refused_with_the_cure(project: Project) -> None:
    made = project.load(FLOW, head="").looking.create_snapshot("nightly")
    modules = [{"name": f"gone{n}", "distribution": f"gone-{n}", "version": "1.0"} for n in range(30)]
    changed(project, made, "gone", modules=modules)

    with pytest.raises(
        EnvironmentMismatchError, match=r"gone-0 1\.0 is not installed.*25 more are not installed"
    ) as told:
        answer("snapshot run gone")

    assert "--isolated" in str(told.value)
    assert list(project.client.runs.list()) == []


def test_a_dockerfile_is_printed_or_written_with_what_it_copies_and_not_over_another(
    project: Project, tmp_path: Path
) -> None:
    project.load(FLOW, head="").looking.create_snapshot("nightly")
    place = tmp_path / "image" / "Dockerfile"

    printed = answer("snapshot dockerfile nightly --output -").text
    said = answer(f"snapshot dockerfile nightly --output {place}").text
    before = place.read_text()

    assert printed.strip() == before.strip()
    assert "docker build" in said
    assert (place.parent / "nbpipe" / "services" / "child.py").is_file()
    with pytest.raises(Exception, match="is there already"):
        answer(f"snapshot dockerfile nightly --output {place}")
    assert "written" in answer(f"snapshot dockerfile nightly --output {place} --replace").text


def test_rebuilt_environments_are_told_by_the_doctor_and_removed_when_asked(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NBPIPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "environments" / "aa").mkdir(parents=True)
    make_wheel(tmp_path / "cache" / "environments" / "aa", "tiny-one", "1.0")

    assert "in 1 environment; " in answer("doctor").text
    assert "1 rebuilt environment would be removed" in answer("catalog gc --environments --dry-run").text
    assert "1 rebuilt environment was removed" in answer("catalog gc --environments").text
    assert "rebuilt environments" not in answer("doctor").text
