"""Where the random numbers of a session's cells come from.

Each cell starts from the state that the last step before it in the order of steps has left, so
that running a cell again draws the same numbers again. What plain cells seeded or drew since
comes before that: they are the user's own doing. Without either, the sources are as the session
found them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nbpipe.execute.randomness import Drawn, State, drawn, install, is_untouched, states


@dataclass(frozen=True, slots=True)
class _Left:
    """A state that somebody left, the token it is known by, and when: by a count."""

    state: State
    token: str
    when: int


class SessionChance:
    """The sources of random numbers in one kernel.

    Args:
        is_seeded: A cell that was executed before this was made has seeded `random`.
    """

    def __init__(self, *, is_seeded: bool) -> None:
        self._count = 0
        self._now = states()
        self._tokens = {name: self._first_token(name, state, is_seeded) for name, state in self._now.items()}
        self._plain: dict[str, _Left] = {}
        self._by_step: dict[str, dict[str, _Left]] = {}
        self._before: dict[str, State] = {}
        self._before_tokens: dict[str, str] = {}

    @staticmethod
    def _first_token(source: str, state: State, is_seeded: bool) -> str:
        is_known = is_seeded if source == "random" else not is_untouched(source, state)
        return state.token if is_known else ""

    def tokens_for(self, earlier: Iterable[str]) -> dict[str, str]:
        """Say what the states are known by from which a step starts.

        Args:
            earlier: The steps before it, in their order.
        """
        self._notice_plain_cells()
        starts = self._starts(earlier)
        self._before = {name: left.state for name, left in starts.items()}
        self._before_tokens = {**self._tokens, **{name: left.token for name, left in starts.items()}}
        return dict(self._before_tokens)

    def begin(self) -> None:
        """The step asked about last is about to run: let it start from those states."""
        install(self._before)
        self._before = states()

    def end(self, step: str) -> list[Drawn]:
        """The step has run: give what it drew from."""
        self._now = states()
        found = drawn(self._before, self._now, self._before_tokens)
        self._settle(step, found)
        return found

    def reuse(self, step: str, found: Sequence[Drawn]) -> None:
        """The step is not run: leave what it left when it did."""
        install({one.source: one.after for one in found})
        self._now = states()
        self._settle(step, found)

    def abandon(self) -> None:
        """A step failed: what it drew is no plain cell's doing."""
        self._now = states()

    def forget(self, step: str) -> None:
        """Drop a step that the notebook has no longer."""
        self._by_step.pop(step, None)

    def _settle(self, step: str, found: Sequence[Drawn]) -> None:
        self._count += 1
        self._by_step[step] = {one.source: _Left(one.after, one.after.token, self._count) for one in found}

    def _notice_plain_cells(self) -> None:
        """Take note of what was seeded or drawn outside steps since we last looked."""
        found, former = states(), self._now
        self._now = found
        for one in drawn(former, found, {}):
            self._count += 1
            self._plain[one.source] = _Left(one.after, one.after.token, self._count)

    def _starts(self, earlier: Iterable[str]) -> Mapping[str, _Left]:
        starts = dict(self._plain)
        for step in earlier:
            for source, left in self._by_step.get(step, {}).items():
                plain = self._plain.get(source)
                if plain is None or left.when > plain.when:
                    starts[source] = left
        return starts
