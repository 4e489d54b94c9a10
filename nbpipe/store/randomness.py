"""The states of the process's own sources of random numbers: `random` and `numpy.random`.

Both are Mersenne Twisters (Matsumoto and Nishimura, 1998) and have one form here. This module
reads states and puts them back; what they mean to a cell is `execute.randomness`.
"""

from __future__ import annotations

import random
import struct
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.base.digest import quick

_WORDS = struct.Struct("<624I")
# What numpy's generator is left in by the system's randomness, and by no seed that a user gives.
_NUMPY_UNTOUCHED = 623, 0x80000000


@dataclass(frozen=True, slots=True)
class State:
    """The state of a Mersenne Twister, as both libraries keep it.

    Attributes:
        words: Its 624 words of 32 bits, little-endian.
        position: Which word comes next.
        gauss: A normal number that is kept for the next call, if one is.
    """

    words: bytes
    position: int
    gauss: float | None

    @property
    def token(self) -> str:
        """What tells it from any other state."""
        return quick("random state", self.words, str(self.position), repr(self.gauss))

    def as_record(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {"words": b64encode(self.words).decode(), "position": self.position, "gauss": self.gauss}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> State:
        """Read it back."""
        return cls(b64decode(record["words"]), record["position"], record["gauss"])


def states() -> dict[str, State]:
    """Give the present state of each source that is loaded and can be followed."""
    found = {name: read() for name, (read, _) in _SOURCES.items()}
    return {name: state for name, state in found.items() if state is not None}


def install(found: Mapping[str, State]) -> None:
    """Put sources into these states."""
    for name, state in found.items():
        _SOURCES[name][1](state)


def is_untouched(source: str, state: State) -> bool:
    """Tell whether a source was certainly never seeded or drawn from; of `random` that cannot be told."""
    first_word = int.from_bytes(state.words[:4], "little")
    return source == "numpy.random" and (state.position, first_word) == _NUMPY_UNTOUCHED and state.gauss is None


def _python_state() -> State:
    _, words, gauss = random.getstate()
    return State(_WORDS.pack(*words[:-1]), words[-1], gauss)


def _set_python_state(state: State) -> None:
    random.setstate((3, (*_WORDS.unpack(state.words), state.position), state.gauss))


def _numpy_state() -> State | None:
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is None:
        return None
    said = numpy_random.get_state(legacy=False)
    if said["bit_generator"] != "MT19937":
        return None
    words = said["state"]["key"].astype("<u4").tobytes()
    return State(words, int(said["state"]["pos"]), float(said["gauss"]) if said["has_gauss"] else None)


def _set_numpy_state(state: State) -> None:
    import numpy as np

    key = np.frombuffer(state.words, dtype="<u4").astype(np.uint32)
    gauss = state.gauss
    np.random.set_state(("MT19937", key, state.position, int(gauss is not None), gauss or 0.0))


_SOURCES: dict[str, tuple[Callable[[], State | None], Callable[[State], None]]] = {
    "random": (_python_state, _set_python_state),
    "numpy.random": (_numpy_state, _set_numpy_state),
}
