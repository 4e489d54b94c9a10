"""Scales: from a value to a place between 0 and 1, with the marks by which a reader reads it back.

Numbers that span two powers of ten or more and are all positive stand on a logarithmic scale, others on a
straight one that begins and ends at round numbers. Whatever is no number stands evenly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LOG_FROM = 100.0
_MOST_MARKS = 6
# Beyond these a span, or a part of it, is no number any more.
_LARGEST = 1e300
_SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on a scale, from 0 to 1, and what stands there."""

    place: float
    text: str


@dataclass(frozen=True, slots=True)
class NumberScale:
    """A scale of numbers.

    Attributes:
        low: What stands at 0.
        high: What stands at 1.
        is_log: Whether equal ratios are equally far apart.
        marks: Places to be lettered, from low to high.
    """

    low: float
    high: float
    is_log: bool
    marks: tuple[Mark, ...]

    def place(self, value: float) -> float:
        """Give the place of a finite number, from 0 to 1."""
        return _place(value, self.low, self.high, is_log=self.is_log)


def number_scale(values: Iterable[float]) -> NumberScale:
    """Make the scale on which finite numbers stand, at least one."""
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known), max(known)
    if low == high or max(abs(low), abs(high)) > _LARGEST or high - low < _SMALLEST:
        return _bare(low, high)
    if low > 0 and high / low >= _LOG_FROM:
        return _logarithmic(low, high)
    step = _round_step((high - low) / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    if first == last or abs(first) > 1e15:
        # The numbers differ in their last digits only: no round ones lie between.
        return _bare(low, high)
    texts = [(n * step, f"{n * step:.12g}") for n in range(first, last + 1)]
    return _scale(first * step, last * step, texts, is_log=False)


def even_places(names: Sequence[str]) -> dict[str, float]:
    """Place names evenly from 0 to 1, in their order; a single one stands in the middle."""
    if len(names) == 1:
        return {names[0]: 0.5}
    return {name: n / (len(names) - 1) for n, name in enumerate(names)}


def natural_order(texts: Iterable[str]) -> list[str]:
    """Sort texts as a reader would, each once: numbers by size, everything else by letter."""

    def key(text: str) -> tuple[int, float, str]:
        try:
            number = float(text)
        except ValueError:
            return (1, 0.0, text)
        return (0, number, text) if math.isfinite(number) else (1, 0.0, text)

    return sorted(set(texts), key=key)


def _bare(low: float, high: float) -> NumberScale:
    """Make a scale that letters its ends alone."""
    texts = [(low, f"{low:.6g}"), (high, f"{high:.6g}")]
    if texts[0][1] == texts[1][1] and low != high:
        texts = [(low, repr(low)), (high, repr(high))]
    return _scale(low, high, texts if low != high else texts[:1], is_log=False)


def _logarithmic(low: float, high: float) -> NumberScale:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = math.ceil((last - first) / (_MOST_MARKS - 1))
    last = first + math.ceil((last - first) / stride) * stride
    # Beyond these there are no floats.
    powers = [10.0**n for n in range(first, last + 1, stride) if -324 < n < 308]
    texts = [(power, f"{power:g}") for power in powers]
    return _scale(min(powers[0], low), max(powers[-1], high), texts, is_log=True)


def _scale(low: float, high: float, texts: Iterable[tuple[float, str]], *, is_log: bool) -> NumberScale:
    marks = tuple(Mark(_place(value, low, high, is_log=is_log), text) for value, text in texts)
    return NumberScale(low, high, is_log, marks)


def _place(value: float, low: float, high: float, *, is_log: bool) -> float:
    if low == high:
        return 0.5
    if is_log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    # Halved, since the whole span of the largest numbers is infinite.
    span = high / 2 - low / 2
    return (value / 2 - low / 2) / span if span else 0.5


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * part for part in (1, 2, 5, 10) if power * part >= rough * 0.999)
