"""Damaged lines, kept for people to look at: one file a line, named by where it stood."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.catalog.tails import Damage


def keep(paths: WorkspacePaths, damaged: Iterable[Damage]) -> None:
    """Copy damaged lines into the quarantine; one that is there already stays as it is."""
    for damage in damaged:
        paths.quarantine.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileExistsError), (paths.quarantine / f"{damage.log}-{damage.place}.line").open("xb") as file:
            file.write(damage.line)
