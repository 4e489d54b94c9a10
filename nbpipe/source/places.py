"""Files and folders, and when they were changed last: looked at once for everybody who asks within one plan.

What a function leans on was read from its file and from folders of modules. It is read again only where one
of these has changed since; a hundred functions of one file need one look at it, and one comparison.

This module knows places and times of change. What was read there, it does not know.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """How some places were found; whatever was found in the same state shares one of these.

    Attributes:
        places: Each place, and when it was changed last, in nanoseconds; 0 for one that is not there.
        search_path: Where Python looked for modules then.
    """

    places: tuple[tuple[str, int], ...]
    search_path: tuple[str, ...]


class Places:
    """The places that somebody has looked at so far; good for one plan, since it never looks again."""

    __slots__ = ("_changed_ns", "_current")

    def __init__(self) -> None:
        self._changed_ns: dict[str, int] = {}
        self._current: dict[Stamps, bool] = {}

    def stamps(self, places: Iterable[str]) -> Stamps:
        """Say how some places stand now."""
        return _shared(tuple((place, self._changed(place)) for place in sorted(set(places))), tuple(sys.path))

    def is_current(self, stamps: Stamps) -> bool:
        """Tell whether everything stands as it did then: a module that was not there before changes its folder."""
        known = self._current.get(stamps)
        if known is None:
            known = stamps.search_path == tuple(sys.path) and all(
                self._changed(place) == changed_ns for place, changed_ns in stamps.places
            )
            self._current[stamps] = known
        return known

    def _changed(self, place: str) -> int:
        found = self._changed_ns.get(place)
        if found is None:
            try:
                found = os.stat(place or ".").st_mtime_ns
            except OSError:
                found = 0
            self._changed_ns[place] = found
        return found


@lru_cache(maxsize=256)
def _shared(places: tuple[tuple[str, int], ...], search_path: tuple[str, ...]) -> Stamps:
    return Stamps(places, search_path)
