"""How a comparison of two model versions is shown: what differs, gathered for the card.

Named as a reader of a command line would: `iris@1` beside `iris@3`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbpipe.services.comparison import Comparison, ParameterPair, Sides
from nbpipe.services.gates import GateResult
from nbpipe.views.amounts import value_text
from nbpipe.views.frames import Bundle, shown_table
from nbpipe.views.markup import element, render
from nbpipe.views.versions import GateFacts, VersionDifferences, gates_table, version_comparison_card


def differences(comparison: Comparison, left: str = "", right: str = "") -> VersionDifferences:
    """Give what differs between two versions.

    Args:
        comparison: The two.
        left: How the first is called; its label if not given.
        right: How the second is called.
    """
    parameters = [pair for pair in comparison.parameters if pair.sides is not Sides.SAME]
    data = [pair for pair in comparison.data if pair.sides is not Sides.SAME]
    return VersionDifferences(
        left or comparison.left.label,
        right or comparison.right.label,
        [(pair.path, pair.left, pair.right) for pair in comparison.metrics],
        [
            (pair.name, _value(pair, pair.left, Sides.RIGHT_ONLY), _value(pair, pair.right, Sides.LEFT_ONLY))
            for pair in parameters
        ],
        [(pair.name, pair.role, pair.left, pair.right) for pair in data],
        [(change.step, change.said, change.diff) for change in comparison.code],
        _same(comparison, len(comparison.parameters) - len(parameters), len(comparison.data) - len(data)),
    )


def _value(pair: ParameterPair, value: Any, missing: Sides) -> str:
    if pair.sides is missing:
        return ""
    # Text is quoted, so that "1" and 1 are seen to differ; a number in full, so that no rounding hides the difference.
    return value_text(repr(value) if isinstance(value, str | float) else value)


def _same(comparison: Comparison, parameters: int, data: int) -> str:
    if not (comparison.parameters or comparison.data):
        return ""
    code = "" if comparison.code else "the code of all steps"
    told = [_many(parameters, "parameter"), _many(data, "artifact or file", "artifacts and files"), code]
    return ", ".join(filter(None, told))


def _many(count: int, one: str, several: str = "") -> str:
    if not count:
        return ""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def versions_bundle(comparison: Comparison, *, stable: bool = False) -> Bundle:  # noqa: ARG001 — as every face
    """Show two model versions side by side; nothing in it differs from one run to the next."""
    left, right = comparison.left, comparison.right
    title = left.model if left.model == right.model else f"{left.model} and {right.model}"
    return version_comparison_card(title, differences(comparison))


def gates_bundle(said: str, results: Sequence[GateResult]) -> Bundle:
    """Show what became of a promotion, and what each gate said of it."""
    shown = shown_table(gates_table([gate_facts(result) for result in results]))
    return Bundle(render([element("p", said), shown.element]), f"{said}\n\n{shown.text}")


def gate_facts(result: GateResult) -> GateFacts:
    """Give what one gate says."""
    return GateFacts(result.gate.text, result.passed, result.left, result.right, result.missing)
