"""What an operation does to the shared state: rows that become so, or are gone.

An operation is decided by a pure rule from the state before it; what it answers with, and the
changes it makes, are what is written down. To replay the log is to apply the changes again,
so that a later version of a rule cannot rewrite history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SEPARATOR = "\0"


@dataclass(frozen=True, slots=True)
class Change:
    """One row of one state table, as it is from now on.

    Attributes:
        table: The table, such as `"tagging"`.
        key: What identifies the row in it.
        row: Its columns; `None` if it is gone.
    """

    table: str
    key: str
    row: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule decided: the changes, and what the caller is told."""

    changes: tuple[Change, ...]
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """When and by whom an operation is decided.

    Attributes:
        n: The operation's dense number in the log.
        at: The instant, ISO 8601 in UTC.
        by: The user's name on this machine.
    """

    n: int
    at: str
    by: str


def key_of(*parts: str) -> str:
    """Join the parts of a composite key; none of them may hold a NUL."""
    return SEPARATOR.join(parts)
