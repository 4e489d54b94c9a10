"""The process's own sources of random numbers: `random` and `numpy.random`.

A cell that draws from them reads a state that an earlier cell left, and leaves another. Neither
is a name, so both are followed here: the state that a cell started from, where it mattered, and
the one that it left are recorded with it. It is reused only where it would start from the same,
and then leaves the same.

A source that nobody has seeded or drawn from yet is in no particular state: its token is `""`,
and any other such source is as good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbpipe.store.randomness import State, install, is_untouched, states

__all__ = ["Drawn", "RandomChain", "State", "drawn", "drawn_in", "install", "is_untouched", "objection", "states"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one execution did to one source.

    Attributes:
        source: `"random"` or `"numpy.random"`.
        before: The token of the state that it started from.
        after: The state that it left.
    """

    source: str
    before: str
    after: State

    def as_record(self) -> dict[str, Any]:
        """Give the record as plain JSON."""
        return {"source": self.source, "before": self.before, "after": self.after.as_record()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Drawn:
        """Read it back."""
        return cls(record["source"], record["before"], State.from_record(record["after"]))


def drawn_in(record: Mapping[str, Any]) -> list[Drawn]:
    """Read what a recorded execution did to the sources."""
    return [Drawn.from_record(said) for said in record.get("random", ())]


class RandomChain:
    """The states of the sources along one run of cells, in the order in which they are settled.

    Args:
        left: The states that the next cell is to find, by source, where they are not those of this process.
        tokens: What the present states are known by.
    """

    def __init__(self, left: Mapping[str, State] | None = None, tokens: Mapping[str, str] | None = None) -> None:
        self._tokens = dict(tokens or {})
        self._left = dict(left or {})
        self._before: dict[str, State] = {}

    def objection(self, record: Mapping[str, Any]) -> str:
        """Say what stands against reusing an execution here: `""`, or that it started from another state."""
        return objection(record, self._tokens)

    def begin(self) -> None:
        """A cell is about to run: let it find what the cells before it left."""
        install(self._left)
        self._left = {}
        self._before = states()

    def end(self) -> list[Drawn]:
        """The cell has run: give what it drew from."""
        found = drawn(self._before, states(), self._tokens)
        self._tokens |= {one.source: one.after.token for one in found}
        return found

    def found(self) -> tuple[dict[str, State], dict[str, str]]:
        """Give what a cell finds that runs in another process, as `RandomChain` takes it."""
        return dict(self._left), dict(self._tokens)

    def take(self, found: Sequence[Drawn]) -> None:
        """A cell has run in another process: whoever runs next finds what it left."""
        for one in found:
            self._left[one.source] = one.after
            self._tokens[one.source] = one.after.token

    def reuse(self, record: Mapping[str, Any]) -> None:
        """A cell is not run: whoever runs next finds what it left when it did."""
        self.take(drawn_in(record))


def objection(record: Mapping[str, Any], tokens: Mapping[str, str]) -> str:
    """Say what stands against reusing an execution that drew random numbers, given the present states' tokens."""
    for said in record.get("random", ()):
        if said["before"] != tokens.get(said["source"], ""):
            return f"the state of {said['source']} that it starts from changed"
    return ""


def drawn(before: Mapping[str, State], after: Mapping[str, State], tokens: Mapping[str, str]) -> list[Drawn]:
    """Tell which sources were drawn from or seeded between two looks at them.

    Args:
        before: The states at the first look.
        after: The states at the second.
        tokens: What the first states are known by.
    """
    return [
        Drawn(name, tokens.get(name, ""), state)
        for name, state in after.items()
        # A library that was loaded in between and is untouched has given nobody a number.
        if before.get(name) != state and not (name not in before and is_untouched(name, state))
    ]
