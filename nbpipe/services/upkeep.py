"""The care of a workspace as a whole: sweep, look over, back up, restore, mend, move values, export, measure.

Each is done here as one act. What a value must be like, and which are named at all, is
`stored_values`; what object storage wants, `remote_values`.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nbpipe.base.ids import new_id
from nbpipe.catalog.checks import Finding
from nbpipe.catalog.repair import foreseen, mend
from nbpipe.catalog.tails import look
from nbpipe.catalog.views import COLUMNS
from nbpipe.errors import (
    BadValueError,
    CatalogBusyError,
    CatalogDamagedError,
    ConflictError,
    WorkspaceError,
    nearest,
)
from nbpipe.services.backing_up import write_backup
from nbpipe.services.backups import Backup
from nbpipe.services.remote_values import (
    HERE_ONLY,
    Moved,
    fetch_all,
    others_at,
    set_artifact_root,
    sweep_remote,
)
from nbpipe.services.restoring import Wanted, look_up, restore
from nbpipe.services.stored_values import check_values, mentioned, unpacked_inline, unsound_values
from nbpipe.store.sweeping import Swept, sweep
from nbpipe.store.tabular import FORMATS, write_table

if TYPE_CHECKING:
    from nbpipe.catalog.publisher import Published
    from nbpipe.services.workspace import Workspace
    from nbpipe.store.remote_blobs import RemoteBlobs
    from nbpipe.store.remote_sweeping import SweptRemote

__all__ = ["Finding", "Moved", "Recovered", "SweptRemote", "UpkeepService"]

Progress = Callable[[int, int], None]

_YOUNG_S = 3600
_SWEEP = "run `nbpipe catalog gc` to remove them"
_TRUTH = ("operations", "logs", "archive", "blobs")
_PARTS = (*_TRUTH, "catalog", "index.sqlite", "unpacked", "quarantine", "backups", "deployments", "queue")
_ALL_VIEWS = f"There are {', '.join(COLUMNS)}."


@dataclass(frozen=True, slots=True)
class Damaged:
    """Damaged lines of a log, and what became of them.

    Attributes:
        path: The log.
        place: Where they began, in bytes.
        lines: How many lines stand there now.
        how: `corrected`, `from a backup`, `given up`, or `""` if nothing could be done.
        is_operation: Whether it is the operation log, which is not read beyond them.
    """

    path: Path
    place: int
    lines: int
    how: str
    is_operation: bool


@dataclass(slots=True)
class Recovered:
    """What a recovery did.

    Attributes:
        mended: Lines that are whole again, or were given up.
        left: Lines that are damaged still.
        values: Digests of stored values that came back from a backup.
        lost_values: Digests of those that are named, and are missing or damaged still.
        unreadable_backups: Backups that are damaged, and why.
        published: What was published; `None` if there was nothing to publish, or the operation log is damaged still.
    """

    mended: list[Damaged] = field(default_factory=list)
    left: list[Damaged] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    lost_values: list[str] = field(default_factory=list)
    unreadable_backups: dict[Path, str] = field(default_factory=dict)
    published: Published | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """How much a part of the workspace takes.

    Attributes:
        name: Its folder or file.
        files: How many files.
        size_bytes: Their size.
        is_truth: Whether it could not be made again from the others.
    """

    name: str
    files: int
    size_bytes: int
    is_truth: bool


class UpkeepService:
    """What may be asked of a workspace as a whole.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def gc(self, *, dry_run: bool = False, cache: bool = False) -> Swept:
        """Remove the blobs that nothing refers to, and what killed writers left; what is younger than an hour stays.

        Where values lie under an artifact root, it is swept, too, unless another workspace has values there.

        Args:
            dry_run: Only count.
            cache: Also drop the copies that lie here of what the artifact root has.

        Raises:
            BadValueError: The cache is to be dropped, and values lie in the workspace itself.
            CatalogError: The catalog cannot be read, so nothing can be said to be unreferred.
            WorkspaceError: The store cannot be changed, or its artifact root not be asked.
        """
        # The age is counted from before the references are read: what is recorded later was touched later than that.
        since_ns = time.time_ns() - _YOUNG_S * 10**9
        referred = mentioned(self._workspace) | unpacked_inline(self._workspace)
        paths = self._workspace.paths
        # First, since it may refuse: what it is asked for is not done by half.
        remote = sweep_remote(self._workspace, referred=referred, since_ns=since_ns, dry_run=dry_run, copies=cache)
        try:
            swept = sweep(
                paths.blobs,
                self._workspace.store.unpacked,
                (paths.backups, paths.operations),
                referred=referred,
                since_ns=since_ns,
                dry_run=dry_run,
            )
        except OSError as error:
            raise WorkspaceError(f"The store {paths.blobs} cannot be swept ({error.strerror or error}).") from error
        swept.remote = remote
        return swept

    def set_artifacts(self, url: str, *, progress: Progress | None = None) -> Moved:
        """Have values lie under `url` from now on, or in the workspace itself for `""`; those that it has go there.

        Args:
            url: The artifact root, such as `s3://bucket/prefix`.
            progress: Told, from time to time, how many of how many bytes are uploaded.

        Raises:
            BadValueError: That is no URL of an artifact root.
            ConflictError: `NBPIPE_ARTIFACTS` says something else.
            CatalogError: The catalog cannot be read.
            WorkspaceError: It, or the one that was set before, cannot be used; nothing was set.
        """
        since_ns = time.time_ns() - _YOUNG_S * 10**9
        return set_artifact_root(
            self._workspace, url, partial(mentioned, self._workspace), since_ns=since_ns, progress=progress
        )

    def sharing(self) -> tuple[str, ...]:
        """Say where other workspaces lie that have values under this one's artifact root.

        Raises:
            ArtifactRootError: The root cannot be asked.
        """
        remote = self._workspace.store.remote
        return others_at(self._workspace, remote) if remote is not None else ()

    def check(self, *, deep: bool = False, progress: Progress | None = None) -> list[Finding]:
        """Look over the logs, the published file and every blob that is named; nothing is changed.

        Args:
            deep: Read every blob and compare it with its name. Without it one is read only if its size or its time of
                change says that somebody wrote to it.
            progress: Told, from time to time, how many of how many bytes of the store are read.

        Raises:
            CatalogError: The catalog cannot be read.
        """
        values = check_values(self._workspace, deep=deep, progress=progress)
        return [*self._workspace.catalog.check(), *values, *self._orphans()]

    def backup(self, target: Path | None = None, *, values: bool = True, progress: Progress | None = None) -> Backup:
        """Write one file with all that is truth in the workspace; others may go on writing meanwhile.

        Args:
            target: The file; one named by the time, in the workspace's `backups`, if not given.
            values: Whether stored values are to be in it.
            progress: Told, from time to time, how many of how many bytes are written.

        Raises:
            ConflictError: There is such a file already.
            CatalogBusyError: Another process went on publishing for too long.
            CatalogDamagedError: What was written could not be read back.
            WorkspaceError: It could not be written.
        """
        remote = self._workspace.store.remote
        fetch = partial(self._fetch_all, remote) if remote is not None else None
        return write_backup(self._workspace.paths, target, values=values, progress=progress, fetch=fetch)

    def restore(self, backup: Path, *, progress: Progress | None = None) -> Backup:
        """Make this workspace, which has nothing in it, of a backup, and publish it.

        Args:
            backup: The file.
            progress: Told, from time to time, how many of how many bytes are published.

        Raises:
            ConflictError: There is something in the workspace.
            NotFoundError: There is no such file.
            CatalogDamagedError: It is no backup, or not what was once written; nothing was made.
            WorkspaceError: The workspace cannot be written.
        """
        found = restore(self._workspace.paths, backup.expanduser().absolute())
        if found.lines:
            self._workspace.catalog.rebuild(progress)
        return found

    def recover(self, *, give_up: bool = False, progress: Progress | None = None) -> Recovered:
        """Mend the logs, bring lost values back from the workspace's own backups, and publish everything anew.

        Args:
            give_up: Replace lines that cannot be mended by lines that say nothing.
            progress: Told, from time to time, how many of how many bytes are published.

        Raises:
            CatalogBusyError: Another process held a lock for too long.
            CatalogError: It could not be published.
            WorkspaceError: The workspace cannot be written.
        """
        paths = self._workspace.paths
        wanted = Wanted()
        for mended in foreseen(paths):
            if not mended.how:
                wanted.places.append((mended.gap.name, mended.gap.start, mended.gap.end))
        look_up(paths, wanted)
        done = Recovered()
        try:
            for mended in mend(paths, earlier=wanted.earlier, give_up=give_up):
                lines = mended.data.count(b"\n") if mended.how else len(mended.gap.lines())
                line = Damaged(mended.gap.path, mended.gap.start, lines, mended.how, mended.gap.is_operation)
                (done.mended if mended.how else done.left).append(line)
        except CatalogBusyError:
            raise
        except OSError as error:
            raise WorkspaceError(f"The logs of {paths.root} cannot be mended ({error.strerror or error}).") from error
        done.unreadable_backups = wanted.unreadable
        if any(line.is_operation for line in done.left):
            return done
        if any(extent.size for extent in look(paths).values()):
            done.published = self._workspace.catalog.rebuild(progress)
            self._recover_values(done)
        return done

    def export(self, folder: Path, *, form: str = "parquet", views: Sequence[str] = ()) -> dict[str, int]:
        """Write the catalog's views as files for other tools, as of one moment, and give the rows of each.

        Args:
            folder: Where to; made here, or empty.
            form: `parquet` or `csv`.
            views: Only these; all of them if none is named.

        Raises:
            BadValueError: An unknown form or view.
            ConflictError: The folder is not empty.
            CatalogError: The catalog cannot be read.
            WorkspaceError: It cannot be written.
        """
        if form not in FORMATS:
            raise BadValueError(f"{form!r} is no format of an export. Take {' or '.join(FORMATS)}.")
        for view in views:
            if view not in COLUMNS:
                near = nearest(view, list(COLUMNS))
                raise BadValueError(f"{view!r} is no view. {f'Did you mean {near[0]!r}?' if near else _ALL_VIEWS}")
        target = folder.expanduser().absolute()
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise ConflictError(f"{target} is no empty folder. Name one that is not there yet.")
        draft = target.with_name(f".{new_id()}")
        try:
            draft.mkdir(mode=0o700, parents=True)
            rows = {}
            # A file is written whole before the next view is asked for.
            for view, reader in self._workspace.catalog.tables(list(dict.fromkeys(views)) or list(COLUMNS)):
                rows[view] = write_table(draft / f"{view}.{form}", reader.schema, reader, form=form)
            if target.exists():
                target.rmdir()
            draft.rename(target)
        except OSError as error:
            raise WorkspaceError(f"{target} cannot be written ({error.strerror or error}).") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return rows

    def disk_use(self) -> list[Part]:
        """Say how much each part of the workspace takes, the largest first; what vanishes meanwhile is left out."""
        paths = self._workspace.paths
        parts = [_part(paths.root / name, is_truth=name in _TRUTH) for name in _PARTS]
        return sorted((part for part in parts if part.files), key=lambda part: part.size_bytes, reverse=True)

    def drafts(self) -> int:
        """Count the files that killed processes left half written in the catalog's folders, an hour ago or more."""
        paths = self._workspace.paths
        return sum(_old_drafts(folder, prefix) for folder, prefix in ((paths.logs, "."), (paths.catalog, "t")))

    def _fetch_all(self, remote: RemoteBlobs) -> None:
        fetch_all(remote, mentioned(self._workspace))

    def _recover_values(self, done: Recovered) -> None:
        blobs = self._workspace.store.blobs
        remote = self._workspace.store.remote
        wrong = {named.digest: what for named, what in unsound_values(self._workspace)}
        for digest in [digest for digest, what in wrong.items() if what == HERE_ONLY]:
            if remote is not None:
                remote.upload(digest)
            del wrong[digest]
        wanted = Wanted(digests=set(wrong), keep=blobs.put_back)
        if wanted.digests:
            look_up(self._workspace.paths, wanted)
        done.values = sorted(wanted.kept)
        done.lost_values = sorted(wanted.digests - wanted.kept)
        done.unreadable_backups |= wanted.unreadable

    def _orphans(self) -> Iterator[Finding]:
        try:
            would = self.gc(dry_run=True)
        except CatalogDamagedError:
            # That is told of the logs already; while it is so, nothing can be said to be unreferred.
            return
        if would.remote is not None and would.remote.blobs:
            what = f"{would.remote.blobs:,} blobs in {would.remote.url} that nothing refers to"
            size = f"hold {would.remote.size_bytes:,} bytes"
            yield Finding(self._workspace.paths.blobs, f"{what} {size}", _SWEEP, is_note=True)
        if would.blobs or would.leftovers:
            what = f"{would.blobs:,} blobs and {would.leftovers:,} leftovers that nothing refers to"
            size = f"hold {would.size_bytes:,} bytes"
            yield Finding(self._workspace.paths.blobs, f"{what} {size}", _SWEEP, is_note=True)


def _part(path: Path, *, is_truth: bool) -> Part:
    count = size_bytes = 0
    places = [(str(path.parent), [], [path.name])] if path.is_file() else os.walk(path)
    for place, _, names in places:
        for name in names:
            with suppress(OSError):
                size_bytes += os.lstat(os.path.join(place, name)).st_size
                count += 1
    return Part(path.name, count, size_bytes, is_truth)


def _old_drafts(folder: Path, prefix: str) -> int:
    before = time.time() - _YOUNG_S
    count = 0
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            with suppress(FileNotFoundError):
                count += name.startswith(prefix) and (folder / name).lstat().st_ctime < before
    return count
