"""What a materializer is told about the place it loads into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Loading:
    """The surroundings of one load.

    Attributes:
        classes: Gives the class that goes by a name such as `"shop.records:Order"`, or `None`.
        unpacked: The folder in which stored files and folders are laid out.
        is_trusted: Whether this workspace wrote the bytes; else a reader checks what it would
            otherwise take for granted.
    """

    classes: Callable[[str], type | None]
    unpacked: Path
    is_trusted: bool
