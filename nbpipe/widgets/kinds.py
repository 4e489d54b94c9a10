"""The kinds of control that a parameter can get: small values, made by `choosing`, built by `making`.

This module knows what there is to choose from. It knows no annotation and no widget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel

SAFE = 2**53  # beyond it a browser's numbers are no longer exact


class Unset(Enum):
    """No value: what a required parameter has before it is given one."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Number:
    """A number, with the limits that its type states; a limit that is not stated is `None`.

    Attributes:
        whole: Whether it is an `int`.
        low: The least value, or what it must exceed.
        high: The greatest value, or what it must stay below.
        step: What it must be a multiple of.
        few: Whether a slider shows all that it can be.
    """

    whole: bool
    low: float | None = None
    high: float | None = None
    step: float | None = None
    few: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, with a label for each."""

    values: tuple[Any, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Switch:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Words:
    """A text; a long one has several lines."""

    long: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """A date."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date and time, in a zone if it is aware."""

    aware: bool


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day."""


@dataclass(frozen=True, slots=True)
class Place:
    """A path."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret; `make` turns the text of it into a value of its type, which hides itself."""

    make: Any


@dataclass(frozen=True, slots=True)
class Several:
    """A list, tuple or set (`container`) of texts or numbers (`item`)."""

    container: type
    item: type


@dataclass(frozen=True, slots=True)
class Group:
    """A model within a model; `models` are those it lies in, outermost first, itself the last."""

    model: type[BaseModel]
    models: tuple[type[BaseModel], ...]


@dataclass(frozen=True, slots=True)
class Perhaps:
    """What `inner` says, or `None`."""

    inner: Kind


@dataclass(frozen=True, slots=True)
class Variants:
    """One of several types, a model among them; each has a control of its own.

    Attributes:
        members: The types.
        kinds: What each is shown by.
        labels: What each is called.
    """

    members: tuple[Any, ...]
    kinds: tuple[Kind, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A text that the model reads: as it stands (`as_text`), or first as data; what holds much has several lines."""

    as_text: bool
    is_long: bool = False


Kind = (
    Number
    | Choice
    | Switch
    | Words
    | Day
    | Moment
    | Clock
    | Place
    | Hidden
    | Several
    | Group
    | Perhaps
    | Variants
    | Written
)


def is_showable(value: Any) -> bool:
    """Tell whether a browser's number field can show `value`; what is no number does not matter here."""
    return not isinstance(value, int | float) or (math.isfinite(value) and abs(value) <= SAFE)
