"""An opened workspace, for everything that services are asked, and what backups are made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.reader import Reader
from nbpipe.services.client import Client
from nbpipe.services.metadata import MetadataService
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.tags import TagService
from nbpipe.services.workspace import Workspace
from tests.conftest import Copied
from tests.flows.project import Project, project_in
from tests.services.building import Built, kept_open, lent, opened, record_run
from tests.services.instants import NOON, at

NUMBERS = "SELECT id, seq FROM runs ORDER BY id"


@pytest.fixture(scope="module", autouse=True)
def _what_is_made_for_a_file_is_made_as_for_a_test(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Have no settings from outside and nothing published meanwhile either where something is made for a whole file."""
    with pytest.MonkeyPatch.context() as here:
        for name in list(os.environ):
            if name.startswith("NBPIPE_"):
                here.delenv(name)
        here.setenv("NBPIPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        if not request.config.getoption("--published-meanwhile"):
            here.setattr(Workspace, "publish_soon", lambda _: None)
        yield


@pytest.fixture
def noon() -> Iterator[None]:
    """Have it be a fixed noon unless a test says otherwise."""
    with at(NOON):
        yield


@pytest.fixture
def opened_workspace(workspace: WorkspacePaths) -> Iterator[Workspace]:
    """Give this test's workspace, opened, and close it afterwards."""
    with opened(workspace) as found:
        yield found


@pytest.fixture
def project(workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give a project in the folder of this test's workspace, and work there."""
    with project_in(workspace, monkeypatch) as found:
        yield found


@pytest.fixture
def flow(project: Project, request: pytest.FixtureRequest) -> Any:
    """Give the module of the flow that this file of tests begins with, its `FLOW`, imported as a user would."""
    return project.load(request.module.FLOW)


@pytest.fixture(scope="module")
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Keep a workspace open that holds what this file's `record_all` records, one for all tests that only ask."""
    paths = WorkspacePaths(tmp_path_factory.mktemp("kept") / ".nbpipe").ensure()
    request.module.record_all(paths)
    with kept_open(paths) as workspace:
        yield workspace


@pytest.fixture
def asked(kept: Workspace) -> Iterator[Client]:
    """Give what may be asked of that workspace."""
    with lent(kept) as client:
        yield client


@pytest.fixture
def snapshots(project: Project) -> SnapshotService:
    """Give what may be asked of the project's snapshots."""
    return project.client.snapshots


def _five_runs(paths: WorkspacePaths) -> None:
    with opened(paths) as workspace:
        for n in range(5):
            record_run(workspace, outputs={"large": [n] * 5000, "small": n})


@pytest.fixture
def full(workspace: WorkspacePaths, copied: Copied, opened_workspace: Workspace) -> Workspace:
    """Give this test's workspace with six runs, of which five are published, and with stored values."""
    copied(workspace, _five_runs)
    record_run(opened_workspace, outputs={"other": "x" * 9000})
    return opened_workspace


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Say where a backup is to be written."""
    return tmp_path / "kept.tar.gz"


@pytest.fixture
def elsewhere(tmp_path: Path) -> WorkspacePaths:
    """Give another workspace, which is not there yet."""
    return WorkspacePaths(tmp_path / "elsewhere" / ".nbpipe")


@pytest.fixture
def renumbered(opened_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Built]]:
    """Give runs, and publish between the next look at the catalog and the one after, so that they are numbered anew.

    They were looked at as they came, each after what was decided about the one before; of what is published
    together, that comes last.
    """
    catalog, runs, numbers = opened_workspace.catalog, [], []
    for n in range(3):
        runs.append(record_run(opened_workspace, outputs={"a": n}))
        MetadataService(opened_workspace).log({"accuracy": n / 4}, run=runs[-1].id)
        TagService(opened_workspace).add([f"t{n}"], run=runs[-1].id)
        numbers = catalog.rows(NUMBERS)
    look, looks = Reader._ready, iter(range(1000))

    def publishing(reader: Reader) -> Any:
        if next(looks) == 1:
            catalog.publish()
        return look(reader)

    monkeypatch.setattr(Reader, "_ready", publishing)
    yield runs
    assert catalog.rows(NUMBERS) != numbers, "somebody published"
