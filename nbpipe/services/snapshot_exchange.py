"""Snapshots that leave a workspace as one file, and come into another.

What the file is, and how it is verified, is `snapshot.bundle`'s affair. Importing runs nothing:
whoever does not know where a file comes from reads its code first (`snapshot show --code`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from nbpipe.base.ids import new_id
from nbpipe.errors import BadValueError, BundleDamagedError, ConflictError, NotRecordedError, SourceNotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.snapshots import SnapshotContent
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.snapshot.bundle import SUFFIX, Manifest, read_bundle, write_bundle

_LARGEST_BYTES = 64 << 20
_FEWEST = 8
# A file system counts bytes, and some give a name no more than 143 of them.
_LONGEST_NAME, _LONGEST_NAME_BYTES = 100, 120


def export_snapshot(snapshot: Snapshot, to: Path | str | None = None, *, overwrite: bool = False) -> Path:
    """Write a snapshot into one file.

    Args:
        snapshot: Which one.
        to: The file, or the folder it is to lie in; `None` for this folder.
        overwrite: Whether a file of that name may be replaced.

    Returns:
        Where it lies.

    Raises:
        BadValueError: No file of that name can be there.
        ConflictError: There is such a file already, with other content, and `overwrite` is off.
        NotRecordedError: It cannot be written; nothing was left behind.
    """
    data = exported(snapshot)
    try:
        place = _place_for(snapshot, to)
        is_there = place.exists()
        is_same = is_there and not overwrite and place.is_file() and place.read_bytes() == data
    except OSError as error:
        raise BadValueError(
            f"{shorten(str(to))} cannot be written: {error.strerror or error}. Name another file."
        ) from error
    if is_same:
        return place
    if is_there and not overwrite:
        raise ConflictError(f"There is a file {shorten(str(place))} already. Pass overwrite, or name another.")
    draft = place.with_name(f".{new_id()}")
    try:
        draft.write_bytes(data)
        os.replace(draft, place)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise NotRecordedError(place, error.strerror or str(error)) from error
    return place


def exported(snapshot: Snapshot) -> bytes:
    """Give the bytes of the file that a snapshot is exported into."""
    said = {"name": snapshot.name, "description": snapshot.description, "tags": tuple(snapshot.tags)}
    return write_bundle(snapshot.content, **said)


def file_name(snapshot: Snapshot) -> str:
    """Give what a file of a snapshot is named after: its name, without what no file's name may hold."""
    title = snapshot.label
    name = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in title).strip(". ")
    # Cut at the edge of a letter: what is left of one is dropped.
    return name[:_LONGEST_NAME].encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore").rstrip(". ") or "snapshot"


def _place_for(snapshot: Snapshot, to: Path | str | None) -> Path:
    if to is None:
        return Path(f"{file_name(snapshot)}{SUFFIX}")
    place = Path(to).expanduser()
    if place.is_dir():
        return place / f"{file_name(snapshot)}{SUFFIX}"
    if not place.parent.is_dir():
        raise SourceNotFoundError(place.parent.name, f"There is no folder {shorten(str(place.parent))}.", ())
    return place


def read_exported(file: Path | str, *, digest: str = "") -> tuple[Manifest, SnapshotContent]:
    """Read an exported snapshot and check all of it; nothing of it is run.

    Args:
        file: Where it lies.
        digest: The digest that its content must have, or the beginning of it; `""` if any will do.

    Raises:
        SourceNotFoundError: There is no such file.
        BadValueError: It is no exported snapshot.
        BundleDamagedError: Something in it is not what was written, or it is not the one that is meant.
        CatalogNewerError: A newer nbpipe wrote it.
    """
    place = Path(file).expanduser()
    try:
        if place.stat().st_size > _LARGEST_BYTES:
            raise BadValueError(
                f"{place.name} is larger than {_LARGEST_BYTES >> 20} MiB; that is no exported snapshot."
            )
        data = place.read_bytes()
    except FileNotFoundError:
        beside = sorted(other.name for other in place.parent.glob(f"*{SUFFIX}")) if place.parent.is_dir() else []
        raise SourceNotFoundError(place.name, f"There is no file {shorten(str(place))}.", beside) from None
    except OSError as error:
        raise BadValueError(f"{shorten(str(place))} cannot be read: {error.strerror or error}.") from None
    manifest, content = read_bundle(data, place)
    if digest and len(digest.strip()) < _FEWEST:
        raise BadValueError(f"{shorten(digest)} is too short for a digest; give its first {_FEWEST} letters at least.")
    if digest and not manifest.digest.startswith(digest.strip().lower()):
        why = f"its content has digest {manifest.digest[:12]}…, not {shorten(digest)}"
        raise BundleDamagedError(place, why)
    return manifest, content
