"""Gates of a promotion: `accuracy >= production.accuracy`.

A gate compares two operands: numbers, metrics of the candidate, or metrics of whoever holds a
stage (`production.…`, `staging.…`). A metric goes by its dotted path, or by the end of one where
no other ends so. The text is taken apart by a pattern; nothing in it is evaluated.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nbpipe.errors import AmbiguousNameError, BadValueError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.models import SINGLE_HOLDER

CANDIDATE = ""

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_GATE = re.compile(r"\s*([^<>=!]+?)\s*(>=|<=|==|!=|>|<)\s*([^<>=!]+?)\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

Metrics = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the candidate, or of the holder of a stage."""

    holder: str
    path: str

    def __str__(self) -> str:
        return f"{self.holder}.{self.path}" if self.holder else self.path


@dataclass(frozen=True, slots=True)
class Gate:
    """A comparison that must hold."""

    text: str
    left: Metric | float
    sign: str
    right: Metric | float


@dataclass(frozen=True, slots=True)
class GateResult:
    """What a gate says of a candidate, and the two numbers that say so.

    Attributes:
        gate: The gate.
        left: The number on its left; `None` where there is none.
        right: The number on its right; `None` where there is none.
        passed: Whether it holds.
        missing: Why there are no two numbers: nobody holds the stage, and the gate holds.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "gate": "text",
        "passed": "bool",
        "left": "float",
        "right": "float",
        "said": "text",
    }

    gate: Gate
    left: float | None
    right: float | None
    passed: bool
    missing: str = ""

    @property
    def said(self) -> str:
        """The numbers in words: `accuracy is 0.9 and production.accuracy is 0.95`."""
        if self.missing:
            return self.missing
        sides = (_told(self.gate.left, self.left), _told(self.gate.right, self.right))
        return " and ".join(side for side in sides if side)

    def __str__(self) -> str:
        verb = "holds" if self.passed else "does not hold"
        return f"{shorten(self.gate.text)} {verb}{f': {self.said}' if self.said else ''}"

    def as_row(self) -> dict[str, Any]:
        """Give the result by column."""
        return {
            "gate": self.gate.text,
            "passed": self.passed,
            "left": self.left,
            "right": self.right,
            "said": self.said,
        }


def parse_gate(text: str) -> Gate:
    """Read a gate.

    Raises:
        BadValueError: It is no comparison of metrics and numbers.
    """
    found = _GATE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise BadValueError(f"{shorten(text)} is no gate; write one as in 'accuracy >= production.accuracy'.")
    left, sign, right = found.groups()
    return Gate(text.strip(), _operand(left), sign, _operand(right))


def parse_gates(texts: Iterable[str]) -> tuple[Gate, ...]:
    """Read several gates.

    Raises:
        BadValueError: A bare string in place of a list, or one that is no gate.
    """
    if isinstance(texts, str):
        raise BadValueError(f"gates takes a list; write [{shorten(texts)}].")
    return tuple(parse_gate(text) for text in texts)


def holders_named(gates: Iterable[Gate]) -> set[str]:
    """Give the stages whose holders the gates speak of."""
    sides = [side for gate in gates for side in (gate.left, gate.right)]
    return {side.holder for side in sides if isinstance(side, Metric) and side.holder}


def results(gates: Iterable[Gate], metrics: Mapping[str, Metrics | None]) -> list[GateResult]:
    """Tell of each gate whether it holds.

    Args:
        gates: The gates.
        metrics: The numbers of the candidate (`CANDIDATE`) and of each stage's holder; `None`
            where a stage has none: there is nothing to be compared with, and the gate holds.

    Raises:
        NotFoundError: A metric that no version in question has by that name.
        AmbiguousNameError: The end of several paths.
    """
    return [_result(gate, metrics) for gate in gates]


def _result(gate: Gate, metrics: Mapping[str, Metrics | None]) -> GateResult:
    for side in (gate.left, gate.right):
        if isinstance(side, Metric) and metrics[side.holder] is None:
            return GateResult(gate, None, None, passed=True, missing=f"nobody is in {side.holder}")
    left, right = _value(gate.left, metrics), _value(gate.right, metrics)
    # What is no number is like no other, and yet passes nothing: not even `!=`.
    is_known = not (math.isnan(left) or math.isnan(right))
    return GateResult(gate, left, right, passed=is_known and _SIGNS[gate.sign](left, right))


def find_metric(metrics: Metrics, path: str, *, label: str = "") -> float:
    """Give the number at a dotted path, or at the only path that ends with it.

    Args:
        metrics: Numbers by dotted path.
        path: The path, or the end of one.
        label: How a message names the metric; its path if not given.

    Raises:
        NotFoundError: There is none.
        AmbiguousNameError: Several paths end so.
    """
    if path in metrics:
        return metrics[path]
    ending = [known for known in metrics if known.endswith(f".{path}")]
    if len(ending) > 1:
        raise AmbiguousNameError("metric", label or path, ending)
    if not ending:
        raise NotFoundError("metric", label or path, metrics)
    return metrics[ending[0]]


def _operand(text: str) -> Metric | float:
    if _NUMBER.fullmatch(text):
        return float(text)
    head, dot, path = text.partition(".")
    stage = head.casefold()
    return Metric(stage, path) if dot and stage in set(SINGLE_HOLDER) else Metric(CANDIDATE, text)


def _value(side: Metric | float, metrics: Mapping[str, Metrics | None]) -> float:
    if isinstance(side, Metric):
        return find_metric(metrics[side.holder] or {}, side.path, label=str(side))
    return side


def _told(side: Metric | float, value: float | None) -> str:
    return f"{side} is {value:.6g}" if isinstance(side, Metric) and value is not None else ""
