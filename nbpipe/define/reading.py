"""What a function was found to be made of, read again only where a file or a folder has changed since.

This module knows when a reading still holds. What is read, and from which text, is for others to say.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nbpipe.define.texts import Surroundings, surroundings_of
from nbpipe.source.closure import Source

Seen = dict[str, int]
"""When files and folders were changed last, as far as somebody has looked: each is looked at once."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a function in a file was found to be made of, and when its file and the folders of modules had last changed.

    As long as they have not, reading again would find the same: a module that was not there before changes
    the folder in which it appears.
    """

    source: Source
    search_path: list[str]
    stamps: Seen

    def is_current(self, seen: Seen) -> bool:
        """Tell whether reading again would find the same."""
        _look_at(self.stamps, seen)
        return self.search_path == sys.path and self.stamps.items() <= seen.items()


def read_source(
    function: Callable[..., Any], read: Callable[[Surroundings], Source], seen: Seen
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
    places = inspect.getsourcefile(inspect.unwrap(function)) or "", *around.search_path, *sys.path
    _look_at(places, seen)
    stamps = {place: seen[place] for place in places}
    source = read(around)
    is_stamped = around.value_of is None and not source.local_modules
    return source, Reading(source, list(sys.path), stamps) if is_stamped else None


def _look_at(places: Iterable[str], seen: Seen) -> None:
    """Find out when files and folders were changed last that nobody has looked at yet."""
    for place in set(places) - seen.keys():
        try:
            seen[place] = os.stat(place or ".").st_mtime_ns
        except OSError:
            seen[place] = 0
