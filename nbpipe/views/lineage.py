"""The lineage of an artifact version: a tree of what it was made from, and one of what it went into.

Both are lines, each with its depth; how far they were followed, and what a version or a step is,
nobody here knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.markup import Element, element, one_line
from nbpipe.views.previews import Shown
from nbpipe.views.tables import Table
from nbpipe.views.theme import look

_MOST_LINES = 200
_INDENT_PX = 22
_DEEPEST = 24


@dataclass(frozen=True, slots=True)
class LineageLine:
    """A version or an execution in a tree.

    Attributes:
        depth: How deep it stands.
        title: Its name.
        is_step: Whether it is an execution of a step.
        status: Of an execution, a status known to `views.theme`.
        notes: What else is said of it.
    """

    depth: int
    title: str
    is_step: bool = False
    status: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class LineageFacts:
    """The lineage of a version.

    Attributes:
        title: The version.
        before: What it was made from, nearest first, each line below the one that it leads to.
        after: What it went into.
        runs: The runs that are crossed: name, pipeline, status, when it started.
        models: The model versions that the version belongs to.
        snapshots: The snapshots by which it was made or used.
        is_cut: Whether there is more.
    """

    title: str
    before: Sequence[LineageLine] = ()
    after: Sequence[LineageLine] = ()
    runs: Table = field(default_factory=lambda: Table((), ()))
    models: Sequence[str] = ()
    snapshots: Sequence[str] = ()
    is_cut: bool = False


def lineage_card(facts: LineageFacts) -> Bundle:
    """Show a lineage."""
    cut = "there is more: ask for fewer levels, or for more with most=" if facts.is_cut else ""
    return written(
        Card(
            "lineage",
            facts.title,
            facts=[("model", ", ".join(facts.models)), ("snapshots", ", ".join(facts.snapshots)), ("cut", cut)],
            sections=[
                *_tree("made from", facts.before, "←"),
                *_tree("went into", facts.after, "→"),
                *([Section("runs", shown_table(facts.runs), is_folded=True)] if facts.runs.rows else []),
            ],
        )
    )


def _tree(title: str, lines: Sequence[LineageLine], arrow: str) -> list[Section]:
    if not lines:
        return []
    shown = lines[:_MOST_LINES]
    left = len(lines) - len(shown)
    rest = f"… and {left:,} more lines" if left else ""
    body = element(
        "div",
        [_element(line, arrow) for line in shown],
        element("div", rest, style="opacity:0.7;") if rest else None,
        style="overflow:auto; font-size:13px;",
    )
    text = "\n".join([*(_text(line, arrow) for line in shown), *([rest] if rest else [])])
    return [Section(title, Shown(body, text))]


def _said(line: LineageLine) -> str:
    return " · ".join(one_line(note) for note in line.notes if note)


def _element(line: LineageLine, arrow: str) -> Element:
    said = _said(line)
    return element(
        "div",
        element("span", f"{arrow} ", style="opacity:0.6;"),
        _status(line.status) if line.status else None,
        element("span" if line.is_step else "b", one_line(line.title)),
        element("span", f"  {said}", style="opacity:0.75; font-size:12px;") if said else None,
        style=f"padding-left:{min(line.depth, _DEEPEST) * _INDENT_PX}px; white-space:nowrap;",
    )


def _status(status: str) -> Element:
    shown = look(status)
    return element(
        "span",
        one_line(f"{shown.sign} {shown.word}"),
        style=f"background-color:{shown.fill}; color:{shown.text}; border:1px solid {shown.line}; "
        "border-radius:9px; padding:0 7px; margin:0 6px 0 0; font-size:11px;",
    )


def _text(line: LineageLine, arrow: str) -> str:
    shown = look(line.status) if line.status else None
    words = [
        f"{'  ' * min(line.depth, _DEEPEST)}{arrow}",
        shown.sign if shown is not None else "",
        one_line(line.title),
    ]
    if shown is not None and shown.word != look("completed").word:
        words.append(f"({one_line(shown.word)})")
    said = _said(line)
    return f"{' '.join(filter(None, words))}{'  ' + said if said else ''}"
