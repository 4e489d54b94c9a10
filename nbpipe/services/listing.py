"""What listings answer: a list of records that can also be had as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from nbpipe.catalog.questions import frame_of
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten

if TYPE_CHECKING:
    import pandas as pd


class Row(Protocol):
    """A record that can stand in a table."""

    def as_row(self) -> dict[str, Any]:
        """Give the record's plain facts by column."""


T = TypeVar("T", bound=Row)


class Listing(list[T]):
    """Records, newest first."""

    def as_rows(self) -> list[dict[str, Any]]:
        """Give each record's plain facts."""
        return [record.as_row() for record in self]

    def df(self) -> pd.DataFrame:
        """Give the records as a pandas DataFrame, one row each."""
        return frame_of(self.as_rows())


def checked_limit(limit: int | None) -> int | None:
    """Give `limit` back if it can be one; `None` means no limit.

    Raises:
        BadValueError: Not a whole number, or less than one.
    """
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise BadValueError(f"limit={shorten(limit)} is no number of rows; give 1 or more, or None for all.")
    return limit
