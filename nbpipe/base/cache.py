"""The user's cache: what can be made again at any time, and is shared by all workspaces.

It lies where the system keeps such things, or in the folder that `NBPIPE_CACHE` names. Nothing in
it is a record: whoever deletes it loses time only. This module knows paths; what is kept there,
its owners know.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from nbpipe.errors import WorkspaceError

FOLDER = "NBPIPE_CACHE"


def cache_folder(*parts: str) -> Path:
    """Say where a part of the user's cache lies; nothing is made."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named).expanduser().absolute().joinpath(*parts)
    from platformdirs import user_cache_path

    return user_cache_path("nbpipe", appauthor=False).joinpath(*parts)


def made(folder: Path) -> Path:
    """Make a folder of the cache, private to the user, if it is not there.

    Raises:
        WorkspaceError: It cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"The cache {folder} cannot be written ({error.strerror}). Set {FOLDER} to a folder that can."
        ) from error
    return folder


def write_whole(place: Path, data: bytes) -> None:
    """Write a file of the cache so that a reader finds the former one or the whole of this one.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".draft-", delete=False) as draft:
        try:
            draft.write(data)
            draft.close()
            Path(draft.name).replace(place)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
