"""How records show themselves: by a face that a floor above lends them.

A record knows its facts and no cards; what its card looks like is known where cards are made.
The door of the package says once where that is (`lend`), and nothing of it is loaded before the
first record is shown. Where nobody lent anything, a record shows itself as its `repr`.

A kind of record takes part by being `Displayed`, and by a face in `commands.faces`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Face(Protocol):
    """The same card as HTML and as text."""

    @property
    def html(self) -> str:
        """For a notebook."""

    @property
    def text(self) -> str:
        """For a terminal."""


Draw = Callable[[Any], Face]
_lent: list[Draw] = []


def lend(draw: Draw) -> None:
    """Have records drawn by `draw` from now on."""
    _lent[:] = [draw]


class Displayed:
    """A record that shows itself as a card where it is the last expression of a cell."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002
        if not _lent:
            return {"text/plain": repr(self)}
        face = _lent[0](self)
        return {"text/plain": face.text, "text/html": face.html}

    def _repr_html_(self) -> str | None:
        return _lent[0](self).html if _lent else None


def text_of(record: Displayed) -> str:
    """Give the text of a record's card."""
    return record._repr_mimebundle_()["text/plain"]
