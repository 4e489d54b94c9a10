"""Who gave each name its value, and what each step's latest execution gave.

A kernel's variables are one namespace in which a later step overwrites an earlier one's output.
The ledger remembers what the namespace cannot: which version a name holds by now, and which one
each step made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nbpipe.records.artifacts import ArtifactVersion, NotCarried


@dataclass(frozen=True, slots=True)
class Owner:
    """Who last gave a name its value.

    Attributes:
        step: The step.
        artifact: The version that it made.
        executed: How many plain cells had been executed by then.
    """

    step: str
    artifact: ArtifactVersion
    executed: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a step's latest execution in this session gave.

    Attributes:
        artifacts: The versions, by name.
        not_carried: The names that could not be stored.
        tokens: What identifies each version's content: its digest, or the execution's key.
        executed: How many plain cells had been executed by then.
    """

    artifacts: Mapping[str, ArtifactVersion]
    not_carried: Mapping[str, NotCarried]
    tokens: Mapping[str, str]
    executed: int


class Ledger:
    """What the steps of one session have given."""

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}
        self._done: dict[str, Done] = {}

    def owner(self, name: str) -> Owner | None:
        """Say who gave a name the value that it is believed to hold; nobody, if that is not known."""
        return self._owners.get(name)

    def done(self, step: str) -> Done | None:
        """Give what a step's latest execution gave."""
        return self._done.get(step)

    def settle(
        self,
        step: str,
        artifacts: Mapping[str, ArtifactVersion],
        not_carried: Mapping[str, NotCarried],
        *,
        key: str,
        executed: int,
    ) -> None:
        """Take in what an execution gave.

        Args:
            step: The step.
            artifacts: The versions, by name.
            not_carried: The names that could not be stored.
            key: The execution's.
            executed: How many plain cells have been executed.
        """
        tokens = {name: artifact.token or f"{key}/{name}" for name, artifact in artifacts.items()}
        self._done[step] = Done(dict(artifacts), dict(not_carried), tokens, executed)
        self.doubt(not_carried)
        self._owners.update({name: Owner(step, artifact, executed) for name, artifact in artifacts.items()})

    def doubt(self, names: Iterable[str]) -> None:
        """Take note that it is not known any more what these names hold."""
        for name in names:
            self._owners.pop(name, None)

    def forget(self, step: str) -> None:
        """Drop a step that the notebook has no longer."""
        self._done.pop(step, None)
