"""The published files: `catalog/<8 digits>.duckdb`, each written once, never changed, never reused.

A published file gets its name by a rename, when it is complete. Its size and modification time
are written down beside it (`stamps.json`): a file that no longer fits its stamp, or that has a
write-ahead log beside it, was written by somebody else and is not believed. `catalog.duckdb` is
a hard link to the newest, for people's own tools; we never open it.

This module knows names and stamps. What stands in the files is `catalog.schema`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from nbpipe.base.ids import new_id
from nbpipe.base.log import sync_folder
from nbpipe.catalog.schema import SCHEMA

if TYPE_CHECKING:
    from pathlib import Path

    from nbpipe.base.workspace import WorkspacePaths

_NAME = re.compile(r"^\d{8}\.duckdb$")
_STAMPS = "stamps.json"
_DRAFT_PREFIX = "t"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a published file looked like when it was.

    Attributes:
        size: Its size in bytes.
        mtime_ns: Its modification time.
        schema: The number of its schema.
        took_s: How long it took to publish, in seconds.
        positions: How far each log was taken in: what the file itself says, to be had without opening it.
    """

    size: int
    mtime_ns: int
    schema: int
    took_s: float
    positions: dict[str, int]


def path_of(folder: Path, generation: int) -> Path:
    """Give the file of a generation."""
    return folder / f"{generation:08d}.duckdb"


def published(folder: Path) -> list[int]:
    """Give the generations there are, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name[:8]) for name in names if _NAME.match(name))


def stamp_of(folder: Path, generation: int) -> Stamp | None:
    """Give the stamp of a generation, or `None` if none was kept."""
    found = _stamps(folder).get(path_of(folder, generation).name)
    if found is None:
        return None
    try:
        return Stamp(**{part.name: found[part.name] for part in fields(Stamp)})
    except (KeyError, TypeError):
        return None


def is_untouched(folder: Path, generation: int) -> bool:
    """Tell whether a published file is as we left it. One without a stamp cannot be told from a foreign one."""
    path = path_of(folder, generation)
    stamp = stamp_of(folder, generation)
    if stamp is None or path.with_name(path.name + ".wal").exists():
        return False
    with suppress(FileNotFoundError):
        now = path.stat()
        return (now.st_size, now.st_mtime_ns) == (stamp.size, stamp.mtime_ns)
    return False


def draft(folder: Path) -> Path:
    """Name a file in which the next generation can be prepared: a name that no leftover can meet."""
    return folder / f"{_DRAFT_PREFIX}{new_id()}.duckdb"


def sweep_drafts(folder: Path) -> None:
    """Delete what killed publishers left; only for who holds the publisher's lock."""
    for name in os.listdir(folder):
        if name.startswith(_DRAFT_PREFIX):
            (folder / name).unlink(missing_ok=True)


def publish(folder: Path, prepared: Path, generation: int, *, took_s: float, positions: dict[str, int]) -> Path:
    """Give a prepared file its name as a generation, and put its stamp beside it."""
    prepared.chmod(0o444)
    now = prepared.stat()
    path = path_of(folder, generation)
    kept = {path_of(folder, old).name for old in published(folder)[-2:]}
    stamps: dict[str, Any] = {name: stamp for name, stamp in _stamps(folder).items() if name in kept}
    stamps[path.name] = asdict(Stamp(now.st_size, now.st_mtime_ns, SCHEMA, took_s, positions))
    written = folder / f"{_DRAFT_PREFIX}{new_id()}.json"
    written.write_text(json.dumps(stamps), encoding="utf-8")
    written.rename(folder / _STAMPS)
    prepared.rename(path)
    sync_folder(folder)
    return path


def drop_old(folder: Path, newest: int) -> None:
    """Delete all generations but the newest and the one before it."""
    for generation in published(folder):
        if generation < newest - 1:
            path_of(folder, generation).unlink(missing_ok=True)


def link_for_people(paths: WorkspacePaths, generation: int) -> None:
    """Have `catalog.duckdb` be the newest generation; a foreign write-ahead log beside it goes to quarantine."""
    wal = paths.published.with_name(paths.published.name + ".wal")
    if wal.exists():
        paths.quarantine.mkdir(mode=0o700, exist_ok=True)
        wal.rename(paths.quarantine / f"{wal.name}-{new_id()[:8]}")
    newest = path_of(paths.catalog, generation)
    link = paths.catalog / f"{_DRAFT_PREFIX}{new_id()}.link"
    try:
        link.hardlink_to(newest)
    except OSError:
        # A file system without hard links gets a copy.
        shutil.copyfile(newest, link)
        link.chmod(0o444)
    link.replace(paths.published)


def _stamps(folder: Path) -> dict[str, Any]:
    try:
        stamps = json.loads((folder / _STAMPS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}
