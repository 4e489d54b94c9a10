"""Container images of snapshots: what one is built from, written into a folder.

Nothing is overwritten unbidden, and what is refused leaves nothing behind. Where a disk fails midway, the
files that were written by then stay; the Dockerfile is written last, and is whole if it is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nbpipe.errors import BadValueError, ConflictError
from nbpipe.services.snapshot_exchange import exported
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.snapshot.dockerfile import BUNDLE, Image, image_of

__all__ = ["BUNDLE", "WrittenImage", "image_for", "write_image"]


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """What an image is built from, as it was written.

    Attributes:
        path: The Dockerfile.
        files: The files beside it that it copies.
        notices: What is to be known of it.
    """

    path: Path
    files: tuple[str, ...]
    notices: tuple[str, ...]


def image_for(snapshot: Snapshot) -> Image:
    """Say what an image is built from that runs a snapshot.

    Raises:
        BadValueError: It has no name to be run by, or was made by another Python than CPython.
    """
    if not snapshot.name:
        raise BadValueError(
            f"Snapshot {snapshot.id[:8]} has no name that an image could run it by; "
            f"give it one: nbpipe snapshot rename {snapshot.id[:8]} NAME."
        )
    return image_of(snapshot.name, snapshot.content.environment)


def write_image(snapshot: Snapshot, path: Path, *, replace: bool = False) -> WrittenImage:
    """Write a Dockerfile and, beside it, what it copies: the snapshot itself among that.

    Args:
        snapshot: The snapshot.
        path: Where the Dockerfile goes.
        replace: Overwrite what is there.

    Raises:
        BadValueError: It has no name, or the folder cannot be written.
        ConflictError: One of the files is there, and `replace` is off.
    """
    image = image_for(snapshot)
    files = {**image.files, BUNDLE: exported(snapshot)}
    # The Dockerfile is the last: nothing is built of what is there in part.
    written = {**files, path.name: image.dockerfile.encode()}
    folder = path.expanduser().absolute().parent
    there = [name for name in written if (folder / name).exists()]
    if there and not replace:
        raise ConflictError(
            f"{folder / there[0]} is there already. Name another folder, or overwrite it with --replace."
        )
    try:
        for name, data in written.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
    except OSError as error:
        raise BadValueError(f"{folder} cannot be written ({error.strerror}). Name another with --output.") from error
    return WrittenImage(folder / path.name, tuple(files), image.notices)
