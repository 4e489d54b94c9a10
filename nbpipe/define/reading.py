"""What a function was found to be made of, read again only where a file or a folder has changed since.

This module knows when a reading still holds. What is read, and from which text, is for others to say.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbpipe.define.texts import Surroundings, surroundings_of
from nbpipe.source.closure import Source
from nbpipe.source.places import Places, Stamps


@dataclass(frozen=True, slots=True)
class Reading:
    """What a function in a file was found to be made of, and how its file and the folders of modules were found.

    As long as they have not changed, reading again would find the same: a module that was not there before changes
    the folder in which it appears.
    """

    source: Source
    stamps: Stamps


def read_source(
    function: Callable[..., Any], read: Callable[[Surroundings], Source], seen: Places
) -> tuple[Source, Reading | None]:
    """Read what a function is made of.

    Args:
        function: The function.
        read: Reads it, given what its text can lean on.
        seen: When files and folders were changed last.

    Returns:
        The source, and a reading that may hold for some time; `None` where it must be read every time: what cells,
        their values and the texts of local modules say.
    """
    around = surroundings_of(function)
    stamps = seen.stamps((inspect.getsourcefile(inspect.unwrap(function)) or "", *around.search_path, *sys.path))
    source = read(around)
    is_stamped = around.value_of is None and not source.local_modules
    return source, Reading(source, stamps) if is_stamped else None
