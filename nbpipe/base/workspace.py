"""Where a workspace is, and where in it each thing lies.

A workspace is the folder `.nbpipe/`, found by walking up from where the work is done, as git
does, or named by `NBPIPE_HOME`. It is made on first use, unless that is where records could be lost
(`base.filesystems`). This module knows paths; it opens no file of the workspace, and no name that a
user chose ever becomes part of one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nbpipe.base.filesystems import why_unsafe
from nbpipe.errors import WorkspaceError

FOLDER_NAME = ".nbpipe"
INSIST = "NBPIPE_UNSAFE_FILESYSTEM"
_PROJECT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg", "environment.yml", "requirements.txt")


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """The parts of one workspace folder.

    Attributes:
        root: The folder itself.
    """

    root: Path

    @property
    def logs(self) -> Path:
        """Process logs: one file a writing process."""
        return self.root / "logs"

    @property
    def operations(self) -> Path:
        """The operation log, its lock and its states."""
        return self.root / "operations"

    @property
    def archive(self) -> Path:
        """Logs that nobody writes any more, as Parquet files."""
        return self.root / "archive"

    @property
    def catalog(self) -> Path:
        """Published generations."""
        return self.root / "catalog"

    @property
    def published(self) -> Path:
        """The link to the newest generation, for people's own tools."""
        return self.root / "catalog.duckdb"

    @property
    def blobs(self) -> Path:
        """Content-addressed bytes."""
        return self.root / "blobs"

    @property
    def unpacked(self) -> Path:
        """Stored files and folders as they are laid out for whoever loads them; made again when they are missing."""
        return self.root / "unpacked"

    @property
    def backups(self) -> Path:
        """Backups that were asked for without saying where."""
        return self.root / "backups"

    @property
    def index(self) -> Path:
        """The derived index of cached executions."""
        return self.root / "index.sqlite"

    @property
    def settings(self) -> Path:
        """What was set for this workspace, once and for whoever opens it."""
        return self.root / "settings.json"

    @property
    def stops(self) -> Path:
        """Requests to stop runs, each a file under the run's id."""
        return self.root / "stops"

    @property
    def deployments(self) -> Path:
        """What the processes of deployments tell one another: a folder for each, under its id."""
        return self.root / "deployments"

    @property
    def queue(self) -> Path:
        """Runs that wait for their turn, each a file under the id that it will have."""
        return self.root / "queue"

    @property
    def schedules(self) -> Path:
        """Lock files of schedulers and of the runs of schedules."""
        return self.root / "schedules"

    @property
    def quarantine(self) -> Path:
        """Damaged lines and files, kept for people to look at."""
        return self.root / "quarantine"

    def ensure(self) -> WorkspacePaths:
        """Make the folders, private to the user, if they are not there.

        Raises:
            WorkspaceError: The folder cannot be made or written, or is where records could be lost.
        """
        if self.root not in _believed:
            _refuse_unsafe(self.root)
            _believed.add(self.root)
        if self.logs.is_dir() and self.operations.is_dir():
            return self
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.operations, self.catalog, self.blobs):
                folder.mkdir(mode=0o700, exist_ok=True)
            ignore = self.root / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise WorkspaceError(
                f"The workspace {self.root} cannot be written ({error.strerror}). Set NBPIPE_HOME to a folder that can."
            ) from error
        return self


# Looked at once a process: what is mounted where does not change under an open workspace.
_believed: set[Path] = set()


def _refuse_unsafe(root: Path) -> None:
    why = why_unsafe(root)
    if why and os.environ.get(INSIST, "") in ("", "0"):
        raise WorkspaceError(
            f"The workspace {root} may lose records: {why}, where locks and sizes cannot be trusted.\n"
            f"Set NBPIPE_HOME to a folder on a disk of this machine, or {INSIST}=1 to insist."
        )


def find_workspace(start: Path | None = None) -> WorkspacePaths:
    """Say which workspace work done in `start` belongs to; nothing is made.

    `NBPIPE_HOME` wins. Else the nearest `.nbpipe` above; else one beside the nearest sign of a
    project (a repository, a `pyproject.toml`, …); else one in `start` itself.

    Args:
        start: A folder; the working directory if not given.
    """
    named = os.environ.get("NBPIPE_HOME")
    if named:
        return WorkspacePaths(Path(named).expanduser().resolve())
    here = (start or Path.cwd()).resolve()
    above = [here, *here.parents]
    for folder in above:
        if (folder / FOLDER_NAME).is_dir():
            return WorkspacePaths(folder / FOLDER_NAME)
    home = Path.home().resolve()
    for folder in above:
        if folder in (home, Path(folder.anchor)):
            break
        if any((folder / mark).exists() for mark in _PROJECT_MARKS):
            return WorkspacePaths(folder / FOLDER_NAME)
    return WorkspacePaths(here / FOLDER_NAME)
