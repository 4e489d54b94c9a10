"""What a noun of the catalog is to whoever browses it: its columns, its filters, and where its rows are.

These are the words in which `services.browsing_nouns` says it of each noun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nbpipe.errors import BadValueError, nearest
from nbpipe.records.base import shorten
from nbpipe.records.refs import Kind
from nbpipe.services.workspace import Workspace


class Form(StrEnum):
    """How a value of a column is to be written."""

    TEXT = "text"
    ID = "id"
    STATUS = "status"
    NUMBER = "number"
    SIZE = "size"
    DURATION = "duration"
    INSTANT = "instant"
    FLAG = "flag"
    VALUES = "values"


@dataclass(frozen=True, slots=True)
class Column:
    """One fact of a row.

    Attributes:
        name: Its name in rows, and what rows are sorted by.
        form: How it is written.
        sql: The expression for it; its name where there is none.
        label: Its heading; its name where there is none.
        is_shown: Whether a table shows it, rather than a frame alone.
        is_wide: Whether it takes much room, and is shown last.
    """

    name: str
    form: Form = Form.TEXT
    sql: str = ""
    label: str = ""
    is_shown: bool = True
    is_wide: bool = False

    @property
    def heading(self) -> str:
        """What stands above it."""
        return self.label or self.name.replace("_", " ")

    @property
    def expression(self) -> str:
        """What is asked for it."""
        return self.sql or f'it."{self.name}"'


@dataclass(frozen=True, slots=True)
class Filter:
    """One thing by which rows can be narrowed down.

    Attributes:
        sql: The condition; it binds `$` and the filter's name.
        choices: All values there are, where they are known.
        values: The expression whose values are offered, where it is cheap to ask.
    """

    sql: str
    choices: tuple[str, ...] = ()
    values: str = ""


def _nothing(_: Workspace) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of thing that can be browsed.

    Attributes:
        name: Its name, in the plural.
        said: One of them, in words.
        kind: What its tags and metadata hang on; `None` for what bears none.
        source: A view, or a subquery.
        key: The column by which rows are found again; texts are slow where there are millions.
        id: The column that names a row for the services.
        when: The instant that says how old a row is.
        newest: What puts rows in the order of their arrival.
        columns: Its facts.
        texts: The columns in which words are looked for.
        filters: By what its rows are narrowed down.
        is_measured: Whether its rows have metrics.
        noted_kind: The kind of those whose metrics and metadata rows are narrowed down by; `None` if by none's.
        noted_in: A condition made of one on a column `id` of those, which is put for `{fits}`.
        given: What the source binds.
    """

    name: str
    said: str
    kind: Kind | None
    source: str
    key: str
    id: str
    when: str
    newest: str
    columns: tuple[Column, ...]
    texts: tuple[str, ...]
    filters: Mapping[str, Filter] = field(default_factory=dict)
    is_measured: bool = False
    noted_kind: Kind | None = None
    noted_in: str = "({fits})"
    given: Callable[[Workspace], dict[str, Any]] = _nothing

    def column(self, name: str) -> Column:
        """Give a column by its name.

        Raises:
            BadValueError: There is none of that name.
        """
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            raise unknown(f"{self.name} have no column", name, [column.name for column in self.columns])
        return found


def unknown(said: str, name: object, known: list[str]) -> BadValueError:
    """Say that a name is not known, and which are."""
    near = nearest(name, known) if isinstance(name, str) else []
    hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(known)}."
    return BadValueError(f"{said} {shorten(name)}.{hint}")
