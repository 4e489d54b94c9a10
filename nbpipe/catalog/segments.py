"""The segments of the operation log: `operations/<12 digits>.log`, each named by the first operation in it.

The last one is live. A segment that has grown long ends with an operation that changes nothing
and says that it is the last (`closed`): whoever read so far knows, without a look at the folder,
that the next one follows. A closed segment is a log like any other and may be archived.

This module knows names. What the operations say is for `catalog.memory`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CLOSED = "closed"
_NAME = re.compile(r"^\d{12}\.log$")


def path_of(folder: Path, first: int) -> Path:
    """Give the segment that begins with operation `first`."""
    return folder / f"{first:012d}.log"


def present(folder: Path) -> list[int]:
    """Give the first operation of each segment that is there, in order; archived ones are not."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name[:12]) for name in names if _NAME.match(name))


def is_segment(log: str) -> bool:
    """Tell by its name in positions whether a log is a segment; the others are process logs."""
    return log.isdecimal()


def closing(n: int, at: str, by: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the head and the body of operation `n`, which closes a segment."""
    return {"n": n, "req": "", "k": CLOSED, "at": at, "by": by}, {"changes": [], "answer": {}}
