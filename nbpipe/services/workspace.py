"""One opened workspace a process: its paths, its catalog and its store.

Whoever asks for the same folder in the same process gets the same one, so that all of them write
to one log and see one state. Opening is cheap: the catalog and the store touch nothing until
they are asked something.
"""

from __future__ import annotations

import atexit
import os
import threading
from functools import partial
from pathlib import Path

from nbpipe.base.workspace import FOLDER_NAME, WorkspacePaths, find_workspace
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.index import ExecutionIndex
from nbpipe.errors import WorkspaceError
from nbpipe.services.ending import end_abandoned
from nbpipe.store.store import Store


class Workspace:
    """A workspace that is open in this process.

    Args:
        paths: Where it lies.

    Raises:
        WorkspaceError: Something that is no folder lies there.

    Attributes:
        paths: Where it lies.
        catalog: What happened in it.
        store: The values that were kept.
        executions: The executions that a plan may reuse.
    """

    def __init__(self, paths: WorkspacePaths) -> None:
        if paths.root.exists() and not paths.root.is_dir():
            raise WorkspaceError(f"The workspace {paths.root} is no folder. Move that away, or set NBPIPE_HOME.")
        self.paths = paths
        self.catalog = Catalog(paths)
        self.catalog.on_dead_run = partial(end_abandoned, self.catalog)
        self.store = Store(paths)
        self._publishing: threading.Thread | None = None
        self.executions = ExecutionIndex(self.catalog, paths.index)

    def publish_soon(self) -> None:
        """Publish in the background what is worth it; nobody waits and nothing is lost if it fails.

        The engine is loaded there, off everybody's path. An interpreter that ends waits for it.
        """
        is_at_it = self._publishing is not None and self._publishing.is_alive()
        if not is_at_it and self.catalog.may_be_worth_publishing():
            work = self.catalog.publish_if_worth
            self._publishing = threading.Thread(target=work, name="nbpipe-publisher", daemon=False)
            self._publishing.start()

    def close(self) -> None:
        """Let go of logs and files; whoever opens it next gets a new one."""
        key = _key(self.paths)
        if _opened.get(key) is self:
            del _opened[key]
        if self._publishing is not None:
            self._publishing.join()
        self.store.close()
        self.executions.close()
        self.catalog.close()


# By process, so that a forked child opens its own.
_opened: dict[tuple[int, Path], Workspace] = {}


def open_workspace(paths: WorkspacePaths) -> Workspace:
    """Open a workspace, or give the one that this process has open."""
    key = _key(paths)
    found = _opened.get(key)
    # Of two threads that come at once, one makes a workspace that nobody ever uses.
    return found if found is not None else _opened.setdefault(key, Workspace(paths))


def workspace_at(place: Path | str | None = None) -> Workspace:
    """Open the workspace at `place`.

    Args:
        place: The workspace folder itself, or a project's folder with a `.nbpipe` in it; without,
            the one to which work in the current folder belongs.
    """
    if place is None:
        return open_workspace(find_workspace())
    root = Path(place).expanduser()
    inside = root / FOLDER_NAME
    return open_workspace(WorkspacePaths((inside if inside.is_dir() else root).resolve()))


@atexit.register
def _close_all() -> None:
    """Close what is open when the interpreter ends: its engine complains of what is taken down under it."""
    for (pid, _), workspace in list(_opened.items()):
        # A forked child has no business with what its parent opened.
        if pid == os.getpid():
            workspace.close()


def _key(paths: WorkspacePaths) -> tuple[int, Path]:
    return os.getpid(), paths.root
