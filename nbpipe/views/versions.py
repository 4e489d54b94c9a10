"""Two versions of a model side by side, and what gates say of a candidate.

Only what differs is listed; how much is the same is told in a word. Whether more of a metric is
better is read from its name, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbpipe.views.amounts import number_text, value_text
from nbpipe.views.compared import NOTHING, pair_texts
from nbpipe.views.explaining import shown_diff
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table
from nbpipe.views.theme import look


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What one gate says: its text, the numbers on its sides if there are any, and why not if there are none."""

    text: str
    passed: bool
    left: float | None = None
    right: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class VersionDifferences:
    """What differs between two versions.

    Attributes:
        left: How the first is called.
        right: How the second is called.
        metrics: Each metric of either: its path and both numbers.
        parameters: Those that differ: name and both values; `""` where a side has none.
        data: What differs: name, what it was, and both versions.
        code: For each text that differs its step, it in a few words, and the lines of a unified diff.
        same: How many parameters, data and steps are the same, in words; `""` where nothing is known of them.
    """

    left: str
    right: str
    metrics: Sequence[tuple[str, float | None, float | None]] = ()
    parameters: Sequence[tuple[str, str, str]] = ()
    data: Sequence[tuple[str, str, str, str]] = ()
    code: Sequence[tuple[str, str, Sequence[str]]] = ()
    same: str = ""


def gates_table(gates: Sequence[GateFacts]) -> Table:
    """Lay out gates with what they say: by sign and by word, with both numbers."""
    rows = [(gate.text, _number(gate.left), _number(gate.right), _verdict(gate)) for gate in gates]
    return Table(("gate", "candidate", "against", "result"), rows, frozenset(("candidate", "against")))


def _verdict(gate: GateFacts) -> str:
    said = f"{look('completed').sign} passed" if gate.passed else f"{look('failed').sign} failed"
    return f"{said}: {gate.why}" if gate.why else said


def _number(value: float | None) -> str:
    return NOTHING if value is None else number_text(value)


def metrics_table(facts: VersionDifferences) -> Table | None:
    """Lay out the metrics of both, the better one marked; `None` where neither has any."""
    rows = [(path, *pair_texts(path, before, after)) for path, before, after in facts.metrics]
    columns = ("metric", facts.left, facts.right, "change")
    return Table(columns, rows, frozenset(columns[1:])) if rows else None


def difference_sections(facts: VersionDifferences, *, is_folded: bool = False) -> list[Section]:
    """Show how parameters, data and code differ, each in a section of its own if it does."""
    sides = facts.left, facts.right
    sections = []
    if facts.parameters:
        rows = [(name, before or NOTHING, after or NOTHING) for name, before, after in facts.parameters]
        sections.append(
            Section(_counted("parameter", rows), shown_table(Table(("parameter", *sides), rows)), is_folded)
        )
    if facts.data:
        given = [(name, role, old or NOTHING, new or NOTHING) for name, role, old, new in facts.data]
        table = Table(("data", "", *sides), given)
        sections.append(Section(_counted("data", facts.data), shown_table(table), is_folded))
    if facts.code:
        table = Table(("step", "what"), [(step, said) for step, said, _ in facts.code])
        sections.append(Section(_counted("code", facts.code), shown_table(table), is_folded))
        sections += [
            Section(f"{step}: {said}", shown_diff(lines), is_folded=True) for step, said, lines in facts.code if lines
        ]
    return sections


def _counted(what: str, rows: Sequence[object]) -> str:
    return f"{what}: {value_text(len(rows))} {'difference' if len(rows) == 1 else 'differences'}"


def version_comparison_card(model: str, facts: VersionDifferences) -> Bundle:
    """Show two versions of a model side by side."""
    metrics = metrics_table(facts)
    sections = [Section("metrics", shown_table(metrics))] if metrics is not None else []
    differences = difference_sections(facts)
    told: list[tuple[str, object]] = [("versions", f"{facts.left} and {facts.right}"), ("the same", facts.same)]
    if not differences and facts.same:
        told.append(("difference", "none in parameters, data and code"))
    return written(Card("comparison", model, facts=told, sections=[*sections, *differences]))
