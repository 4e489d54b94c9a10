"""How two snapshots beside each other look: what differs, in tables, and diffs that fold away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbpipe.views.explaining import shown_diff
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table

_NONE = "—"
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class SnapshotDifferenceFacts:
    """In what two snapshots differ.

    Attributes:
        pipeline: Their pipeline, or both.
        left: How the first is called.
        right: How the second is called.
        code: For each text that differs its step, it in a few words, and the lines of a unified diff.
        facts: What else differs, by the heading it stands under: a name, and the value on each side, `""` for none.
    """

    pipeline: str
    left: str
    right: str
    code: Sequence[tuple[str, str, Sequence[str]]]
    facts: Sequence[tuple[str, Sequence[tuple[str, str, str]]]]


def snapshot_differences_card(facts: SnapshotDifferenceFacts) -> Bundle:
    """Show in what two snapshots differ."""
    sections = []
    if facts.code:
        table = Table(("step", "what"), [(step, said) for step, said, _ in facts.code])
        sections.append(Section(_counted("code", len(facts.code)), shown_table(table)))
        sections += [
            Section(f"{step}: {said}", shown_diff(lines), is_folded=True) for step, said, lines in facts.code if lines
        ]
    for heading, rows in facts.facts:
        if rows:
            shown = [(name, before or _NONE, after or _NONE) for name, before, after in rows[:_MOST_ROWS]]
            table = Table((heading, facts.left, facts.right), shown)
            sections.append(Section(_counted(heading, len(rows)), shown_table(table)))
    told = [("snapshots", f"{facts.left} and {facts.right}")]
    if not sections:
        told.append(("difference", "none"))
    return written(Card("comparison", facts.pipeline, facts=told, sections=sections))


def _counted(what: str, count: int) -> str:
    more = f"; the first {_MOST_ROWS} are shown" if count > _MOST_ROWS else ""
    return f"{what}: {count:,} {'difference' if count == 1 else 'differences'}{more}"
