"""What every test stands on: no settings from outside, a workspace of its own, repeatable trials."""

from __future__ import annotations

import copy
import gc
import os
import shutil
import uuid
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest
from hypothesis import settings

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.services.workspace import Workspace, _opened
from tests.object_storage import BUCKET, S3Server

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

Facts = TypeVar("Facts")

# A rule must hold however slow the machine is, and a red build must be red again when it is looked at. Every day has
# its examples; `make soak` tries many more.
settings.register_profile("here", deadline=None, max_examples=20)
settings.register_profile("build", deadline=None, max_examples=20, derandomize=True, database=None, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=300)
settings.load_profile("build" if os.environ.get("CI") else "here")

# Files whose tests start kernels and processes take minutes each. Whoever shares the tests out by files (`make test`)
# begins with them: a worker that got one at the end would be waited for by all others.
LONGEST_FIRST = (
    "adoption",
    "notebooks",
    "crash",
    "flows",
    "notebook",
    "catalog",
    "commands",
    "tests",
    "laws",
    "execute",
    "server",
    "widgets",
    "services",
)

# Where what is published meanwhile is a part of what is tried. Elsewhere it would be one of a test's larger costs,
# though no test asks for it: a file is made of a workspace that is thrown away a moment later.
PUBLISHED_MEANWHILE = ("crash", "laws")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make soak` try everything as users have it, and who draws something look at it."""
    parser.addoption("--published-meanwhile", action="store_true", help="publish behind every test, not behind some")
    parser.addoption("--pictures", action="store_true", help="keep the browser tests' pictures in their folders")


def pytest_xdist_auto_num_workers() -> int:
    """Take one process more than there are cores for `-n auto`: now and then a kernel or a process is waited for.

    The browser's tests go on beside. More processes wait for each other, and each imports everything for itself.
    """
    return min((os.cpu_count() or 1) + 1, 6)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the folders with the longest files first; within them, and among the rest, nothing changes its place."""
    items.sort(key=_turn)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected: each look would find more that stays, and none that goes."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Leave what is there until the end, modules and thousands of tests, out of every later look for garbage."""
    gc.collect()
    gc.freeze()
    # Tests leave little that only such a look finds, and what is theirs goes with the process.
    gc.set_threshold(100_000, 50, 50)


def pytest_configure(config: pytest.Config) -> None:
    """Have it found again at last, or libraries would tell at the interpreter's end what they take for leaks.

    What is asked for first is done last: after pytest has looked for garbage, several times.
    """
    config.add_cleanup(gc.unfreeze)


def _turn(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Forget every `NBPIPE_*` variable of the shell that started the tests, and keep out of the user's cache."""
    for name in list(os.environ):
        if name.startswith("NBPIPE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NBPIPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _workspaces_end_with_their_test() -> Iterator[None]:
    """Close what this process opened: thousands of open catalogs would meet the limit on open files."""
    yield
    for opened in list(_opened.values()):
        opened.close()


@pytest.fixture(autouse=True)
def _nothing_is_published_meanwhile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no run's end publish in the background; processes that a test starts do, and so does who is asked to."""
    if request.path.parent.name not in PUBLISHED_MEANWHILE and not request.config.getoption("--published-meanwhile"):
        monkeypatch.setattr(Workspace, "publish_soon", lambda _: None)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """Give an S3 server on this machine, one for all tests of a process."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3_root(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of an empty artifact root, and have this test and its processes find the server."""
    for name, value in s3_server.variables.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}/some préfix"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkspacePaths:
    """Give an empty workspace, made, and named by `NBPIPE_HOME` for this test and its processes."""
    root = tmp_path / ".nbpipe"
    monkeypatch.setenv("NBPIPE_HOME", str(root))
    return WorkspacePaths(root).ensure()


class Copied(Protocol):
    """Fill an empty workspace with a copy of what `build` made in another; give what `build` told of it."""

    def __call__(self, workspace: WorkspacePaths, build: Callable[[WorkspacePaths], Facts]) -> Facts: ...


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    """Give the copier of workspaces, which builds each once: what many tests begin with is copied in no time."""
    built: dict[Callable[[WorkspacePaths], object], tuple[Path, object]] = {}

    def copy_into(workspace: WorkspacePaths, build: Callable[[WorkspacePaths], Facts]) -> Facts:
        if build not in built:
            paths = WorkspacePaths(tmp_path_factory.mktemp("built") / ".nbpipe").ensure()
            built[build] = paths.root, build(paths)
            # Each copy would take in all lines anew; a file that is published is read as it is.
            catalog = Catalog(paths)
            catalog.publish()
            catalog.close()
        root, facts = built[build]
        shutil.copytree(root, workspace.root, dirs_exist_ok=True, symlinks=True)
        return copy.deepcopy(facts)

    return copy_into
