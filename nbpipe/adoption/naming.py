"""Names for the steps of an adopted notebook: after the heading above, else after what the cell makes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nbpipe.adoption.cells import ReadCell
from nbpipe.source.notebook_files import NotebookCell

_HEADING = re.compile(r"^#{1,6}\s+(.*)$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_][^\W_]*")
_LONGEST_NAME = 30
_MOST_WORDS = 4


class StepNames:
    """Names for steps: after the heading above, else after what the cell makes.

    Args:
        cells: The notebook's cells.
        taken: Names that no step may have.
    """

    def __init__(self, cells: Sequence[NotebookCell], taken: Iterable[str]) -> None:
        self._cells = cells
        self._taken = set(taken)

    def name(self, members: Sequence[ReadCell]) -> str:
        """Name the step made of these cells, differently from every other."""
        wanted = self._by_heading(members[0].index) or _by_content(members) or "step"
        name, count = wanted, 2
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        self._taken.add(name)
        return name

    def _by_heading(self, index: int) -> str:
        for place in range(index - 1, -1, -1):
            cell = self._cells[place]
            if cell.is_code and cell.text.strip():
                return ""
            headings = [] if cell.is_code else _HEADING.findall(cell.text)
            if headings:
                return _slug(headings[-1])
        return ""


def _by_content(members: Sequence[ReadCell]) -> str:
    for one in members:
        made = [name for name in one.names.binds if not name.startswith("_")]
        if made:
            return f"make_{_slug(made[0])}"
    changed = [name for one in members for name in sorted(one.names.changes)]
    if changed:
        return f"change_{_slug(changed[0])}"
    looked = [name for one in members for name in one.names.reads if name in one.run.seen.variables]
    return f"show_{_slug(looked[0])}" if looked else ""


def _slug(text: str) -> str:
    """Make a name of a heading: its first words, in small letters."""
    words = _WORD.findall(text.replace("_", " ").lower())[:_MOST_WORDS]
    slug = ""
    for word in words:
        if slug and len(slug) + len(word) + 1 > _LONGEST_NAME:
            break
        slug = f"{slug}_{word}" if slug else word[:_LONGEST_NAME]
    return slug
