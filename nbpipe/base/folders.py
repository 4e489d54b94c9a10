"""Whole folders: how much lies in one while others may add to it or take from it.

What vanishes while it is looked at, or may not be looked at, counts as nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def size_below(folder: Path) -> int:
    """Give how many bytes the files below a folder hold; a link counts as itself, a file under each of its names."""
    total = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(here, name)).st_size
    return total
