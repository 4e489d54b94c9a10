"""What depends on something that is about to be deleted, in words for whoever is to decide.

What stays although it was made from the thing is told, and what goes with it: a pipeline's runs and
snapshots, the versions of a model, tags. What hinders is refused unless the caller insists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nbpipe.errors import ConflictError


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something that depends on what is to be deleted.

    Attributes:
        kind: What it is, such as `"model version"`.
        count: How many of them.
        said: What becomes of them, as a sentence without its full stop.
        hinders: Whether deleting needs force because of it.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {"kind": "text", "count": "int", "said": "text", "hinders": "bool"}

    kind: str
    count: int
    said: str
    hinders: bool

    def as_row(self) -> dict[str, Any]:
        """Give the facts by column."""
        return {"kind": self.kind, "count": self.count, "said": self.said, "hinders": self.hinders}


def stay(count: int) -> str:
    """Say of some things that they stay: `1 run of it stays`, `2 runs of it stay`."""
    return "stays" if count == 1 else "stay"


def each_of(refs: object) -> list[object]:
    """Give what a caller means by one reference or a list of them, as a list."""
    return list(refs) if isinstance(refs, list) else [refs]


def many(count: int, noun: str) -> str:
    """Count things in words: `1 run`, `2,000 runs`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def check_nothing_hinders(label: str, dependents: Iterable[Dependent]) -> None:
    """Refuse a deletion that something hinders.

    Args:
        label: What is to be deleted, as a message names it.
        dependents: What depends on it.

    Raises:
        ConflictError: Something hinders it.
    """
    hindering = [dependent.said for dependent in dependents if dependent.hinders]
    if hindering:
        raise ConflictError(f"{label} is not deleted: {'; '.join(hindering[:3])}. Pass force to delete it anyway.")
