"""What listings answer: a list of records that is also a table.

A kind of record says its columns and what stands in each, so that the frame of a listing has the
same columns and the same types whatever is in it, and when nothing is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, SupportsIndex, TypeVar, overload

from nbpipe.base.displaying import Displayed, text_of
from nbpipe.catalog.questions import frame_of
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 3
_LARGEST = 2**62


class Row(Protocol):
    """A record that can stand in a table.

    Attributes:
        row_kinds: Its columns in order, each with what stands in it, a word of `catalog.questions.DTYPES`.
    """

    row_kinds: ClassVar[Mapping[str, str]]

    def as_row(self) -> dict[str, Any]:
        """Give the record's plain facts by column."""


T = TypeVar("T", bound=Row)


class Listing(list[T], Displayed):
    """Records, newest first.

    Args:
        records: The records.
        of: Their kind: an empty listing has the columns of its kind too.
    """

    def __init__(self, records: Iterable[T] = (), of: type[T] | None = None) -> None:
        super().__init__(records)
        self._of = of

    @property
    def of(self) -> type[T] | None:
        """The kind of its records; `None` if nobody said it and there are none."""
        return self._of if self._of is not None or not self else type(self[0])

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of its frame."""
        return tuple(self._kinds())

    def as_rows(self) -> list[dict[str, Any]]:
        """Give each record's plain facts."""
        return [record.as_row() for record in self]

    def df(self) -> pd.DataFrame:
        """Give the records as a pandas DataFrame, one row each; its columns and their types are always the same."""
        return frame_of(self.as_rows(), self._kinds())

    @overload
    def __getitem__(self, place: SupportsIndex, /) -> T: ...

    @overload
    def __getitem__(self, place: slice, /) -> Listing[T]: ...

    def __getitem__(self, place: SupportsIndex | slice, /) -> T | Listing[T]:
        """Give one record, or a part of the listing as a listing."""
        if isinstance(place, slice):
            return Listing(super().__getitem__(place), self.of)
        return super().__getitem__(place)

    def __repr__(self) -> str:
        shown = [repr(record) for record in islice(self, _NAMED)]
        more = [f"… {len(self) - _NAMED:,} more"] if len(self) > _NAMED else []
        return f"[{', '.join([*shown, *more])}]"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002
        # IPython has a way of its own to write lists, which it prefers to a bundle. The table stands
        # by itself only: within something else it would fall apart.
        printer.text(text_of(self) if len(printer.stack) <= 1 else repr(self))

    def _kinds(self) -> Mapping[str, str]:
        return self.of.row_kinds if self.of is not None else {}


def checked_limit(limit: int | None) -> int | None:
    """Give `limit` back if it can be one, and if it is too large to count the largest; `None` means no limit.

    Raises:
        BadValueError: Not a whole number, or less than one.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise BadValueError(f"limit={shorten(limit)} is no number of rows; give 1 or more, or None for all.")
    return None if limit is None else min(limit, _LARGEST)
