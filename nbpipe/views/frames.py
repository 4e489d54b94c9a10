"""The frame of every card: a title row, facts in two columns, chips, and parts that fold away.

A card is put together once and written twice, as HTML and as text, so that neither says what
the other does not. What a run, a model or a snapshot is, and which of its facts matter, is
`views.cards`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbpipe.views.amounts import shorten, value_text
from nbpipe.views.lettering import text_columns
from nbpipe.views.markup import Element, element, one_line, render
from nbpipe.views.previews import Shown
from nbpipe.views.scrolling import stop_of_lines
from nbpipe.views.tables import Table, scrolling_table, table_text
from nbpipe.views.theme import FONT, HAIRLINE, TINT, look, signed

_IN_A_ROW = 2
_MOST_CHIPS = 40
_PROBLEM_PX = 240


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a display is given: the same card as HTML and as text."""

    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a card.

    Attributes:
        title: Its heading.
        body: What it shows.
        is_folded: Whether it is opened by a click; text always shows it.
    """

    title: str
    body: Shown
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A card before it is written.

    Attributes:
        kind: What it is about, such as `"run"`.
        title: Its name.
        status: A status known to `views.theme`, or empty.
        facts: Names and values, shown in this order; those that are `None` or empty are left out.
        tags: Shown as chips.
        problem: What went wrong, shown before everything else.
        sections: What follows.
    """

    kind: str
    title: str
    status: str = ""
    facts: Sequence[tuple[str, object]] = ()
    tags: Sequence[str] = ()
    problem: str = ""
    sections: Sequence[Section] = ()


def written(card: Card) -> Bundle:
    """Write a card in both forms."""
    facts = [(name, value_text(value)) for name, value in card.facts if value not in (None, "", (), [], {})]
    return Bundle(render(_element(card, facts)), _text(card, facts))


def shown_table(table: Table) -> Shown:
    """Give both forms of a table; a wide one scrolls by itself."""
    return Shown(scrolling_table(table), table_text(table))


def shown_facts(facts: Sequence[tuple[str, object]]) -> Shown:
    """Give both forms of names with their values."""
    pairs = [(one_line(name), value_text(value)) for name, value in facts]
    return Shown(_grid(pairs), "\n".join(_lined_up(pairs)))


def _element(card: Card, facts: Sequence[tuple[str, str]]) -> Element:
    return element(
        "div",
        element(
            "div",
            _pill(card.status) if card.status else None,
            element("b", one_line(card.title), style="font-size:15px; overflow-wrap:anywhere;"),
            element("span", f" {card.kind}", style="font-size:12px; opacity:0.75;"),
        ),
        _problem(card.problem) if card.problem else None,
        _grid(facts) if facts else None,
        element("div", [_chip(tag) for tag in card.tags[:_MOST_CHIPS]], _rest(card.tags)) if card.tags else None,
        [_section(section) for section in card.sections],
        style=f"font-family:{FONT}; font-size:13px; line-height:1.45; border:1px solid {HAIRLINE}; "
        "border-radius:8px; padding:10px 14px; margin:4px 0; max-width:900px;",
    )


def _pill(status: str) -> Element:
    shown = look(status)
    return element(
        "span",
        signed(one_line(status)),
        style=f"background-color:{shown.fill}; color:{shown.text}; border:1px solid {shown.line}; "
        "border-radius:10px; padding:1px 9px; margin:0 8px 0 0; font-size:12px; white-space:nowrap;",
    )


def _problem(problem: str) -> Element:
    shown = look("failed")
    return element(
        "pre",
        problem,
        tabindex=stop_of_lines(problem, _PROBLEM_PX),
        style=f"background-color:{shown.fill}; color:{shown.text}; border-left:3px solid {shown.line}; "
        "padding:6px 10px; margin:8px 0 4px 0; font-size:12px; white-space:pre-wrap; word-break:normal; "
        "overflow-wrap:anywhere; "
        f"overflow:auto; max-height:{_PROBLEM_PX}px;",
    )


def _grid(facts: Sequence[tuple[str, str]]) -> Element:
    """Lay facts out two beside each other, as a table: untrusted notebooks keep no grid."""
    rows = [facts[start : start + _IN_A_ROW] for start in range(0, len(facts), _IN_A_ROW)]
    plain_cell = "text-align:left; vertical-align:top; border:none; padding:1px 20px 1px 0;"
    value_cell = f"{plain_cell} max-width:400px; overflow-wrap:anywhere;"
    name_cell = f"{plain_cell} opacity:0.75; white-space:nowrap; font-weight:normal;"
    return element(
        "table",
        element(
            "tbody",
            [
                element(
                    "tr",
                    [
                        (element("td", name, style=name_cell), element("td", value, style=value_cell))
                        for name, value in row
                    ],
                    style="background-color:transparent;",
                )
                for row in rows
            ],
        ),
        style="border-collapse:collapse; border:none; margin:6px 0; font-size:13px;",
    )


def _chip(tag: str) -> Element:
    return element(
        "span",
        shorten(one_line(tag), 60),
        style=f"display:inline-block; background-color:{TINT}; border:1px solid {HAIRLINE}; border-radius:10px; "
        "padding:0 8px; margin:2px 5px 2px 0; font-size:12px;",
    )


def _rest(tags: Sequence[str]) -> str | None:
    return f"and {len(tags) - _MOST_CHIPS} more" if len(tags) > _MOST_CHIPS else None


def _section(section: Section) -> Element:
    title = one_line(section.title)
    if section.is_folded:
        summary = element("summary", title, style="cursor:pointer; font-size:12px; opacity:0.85;")
        return element("details", summary, section.body.element, style="margin:4px 0;")
    heading = element("div", title, style="font-size:12px; opacity:0.75; margin:8px 0 2px 0;")
    return element("div", heading, section.body.element)


def _text(card: Card, facts: Sequence[tuple[str, str]]) -> str:
    sign = f"{look(card.status).sign} " if card.status else ""
    word = f": {one_line(look(card.status).word)}" if card.status else ""
    lines = [f"{sign}{card.kind} {one_line(card.title)}{word}"]
    if card.problem:
        lines += [f"  {one_line(line)}" for line in card.problem.strip().splitlines()]
    lines += [f"  {line}" for line in _lined_up(facts)]
    if card.tags:
        lines.append(f"  tags: {', '.join(map(one_line, card.tags))}")
    for section in card.sections:
        lines += ["", f"  {one_line(section.title)}"]
        lines += [f"    {line}" for line in section.body.text.split("\n")]
    return "\n".join(line.rstrip() for line in lines)


def _lined_up(facts: Sequence[tuple[str, str]]) -> list[str]:
    room = max((text_columns(name) for name, _ in facts), default=0)
    return [f"{name}{' ' * (room - text_columns(name))}  {value}" for name, value in facts]
