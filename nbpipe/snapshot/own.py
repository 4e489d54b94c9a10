"""nbpipe itself in a rebuilt environment: the very nbpipe that runs here, on the path of the process there.

It is reached through a folder in which nothing lies but a link to this package, so that a checkout,
an editable install and an install from an index serve alike, with no network, and nothing that is
installed beside it here comes along. What nbpipe requires has to be there: a lock has it, unless it
was made for an older nbpipe; then the version that is installed here takes the place of the locked one.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from nbpipe.base.cache import cache_folder, made
from nbpipe.base.digest import quick
from nbpipe.errors import WorkspaceError
from nbpipe.snapshot.installed import OURS, normalised
from nbpipe.snapshot.lock import Lock, Locked

PACKAGE = Path(__file__).resolve().parent.parent


def path_to_ourselves() -> Path:
    """Give a folder that holds a link to this nbpipe and nothing else.

    Raises:
        WorkspaceError: The cache cannot be written.
    """
    folder = made(cache_folder("nbpipe", quick("package", os.fsencode(PACKAGE))))
    link = folder / OURS
    with suppress(OSError):
        if Path(os.readlink(link)) == PACKAGE:
            return folder
    draft = folder / f".draft-{os.getpid()}"
    try:
        draft.unlink(missing_ok=True)
        draft.symlink_to(PACKAGE, target_is_directory=True)
        draft.replace(link)
    except OSError as error:
        raise WorkspaceError(f"The cache {folder} cannot be written ({error.strerror}).") from error
    return folder


def with_our_needs(lock: Lock) -> tuple[Lock, tuple[str, ...]]:
    """Give the lock for an environment in which this nbpipe can run, and a sentence for each change of it."""
    from packaging.requirements import InvalidRequirement, Requirement

    packages = {name: one for name, one in lock.packages.items() if name != OURS}
    changed = []
    try:
        needs = metadata.requires(OURS) or []
    except metadata.PackageNotFoundError:
        # It runs from a folder and is not installed: the lock must do.
        needs = []
    for text in needs:
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        name = normalised(need.name)
        locked = packages.get(name)
        if locked is not None and (locked.repository or need.specifier.contains(locked.version, prereleases=True)):
            continue
        with suppress(metadata.PackageNotFoundError):
            packages[name] = Locked(name, metadata.version(need.name))
            former = f"in place of {locked.version}" if locked is not None else "which the lock does not have"
            changed.append(f"{name} is {packages[name].version}, {former}: this nbpipe needs it")
    return Lock(packages, lock.elsewhere), tuple(changed)
