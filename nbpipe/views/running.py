"""Steps that run, in small: how long, how far they are, what they are at, and what they printed last.

As HTML for a notebook, as lines of text, and as pieces for a terminal that draws its own. How far
a step is, it says itself, so that numbers and words may be anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbpipe.views.amounts import duration_text, number_text, shorten
from nbpipe.views.markup import Element, element, one_line
from nbpipe.views.previews import Shown
from nbpipe.views.theme import HAIRLINE, MONOSPACE, TINT, look

BAR_COLUMNS = 20
_MOST_STEPS = 12
_MOST_LETTERS = 120
_WITHOUT_BORDER = "border:none; padding:1px 14px 1px 0; text-align:left; vertical-align:top; white-space:nowrap;"


@dataclass(frozen=True, slots=True)
class RunningFacts:
    """One step that runs.

    Attributes:
        node: Its name in the graph.
        elapsed_s: How long it has been running, in seconds.
        done: How much is done; `None` if it does not say.
        total: How much there is to do; `None` if it does not say.
        note: What it is at.
        last_line: What it printed last.
        status: How it stands, once it runs no more.
    """

    node: str
    elapsed_s: float = 0.0
    done: float | None = None
    total: float | None = None
    note: str = ""
    last_line: str = ""
    status: str = "running"

    @property
    def share(self) -> float | None:
        """How much of the whole is done, from 0 to 1; `None` if that is not known."""
        if self.done is None or self.total is None:
            return None
        return min(self.done / self.total, 1.0) if self.total else 1.0


def elapsed_text(facts: RunningFacts) -> str:
    """Say how long a step has been running, in whole seconds: tenths would only flicker."""
    seconds = int(facts.elapsed_s)
    return f"{seconds} s" if seconds < 60 else duration_text(float(seconds))


def amount_text(facts: RunningFacts) -> str:
    """Say how far a step is: `43 %, 3 of 7`, or `1,204 done` where the whole is not known; nothing if it does not."""
    if facts.done is None:
        return ""
    if facts.total is None:
        return f"{number_text(_short(facts.done))} done"
    # What is not yet all is never said to be.
    percent = int(100 * (facts.share or 0.0))
    return f"{percent} %, {number_text(_short(facts.done))} of {number_text(_short(facts.total))}"


def bar_text(share: float, columns: int = BAR_COLUMNS) -> tuple[str, str]:
    """Draw a bar as text: what is done, and the rest; they differ without colours too."""
    full = int(share * columns)
    return "━" * full, "─" * (columns - full)


def shown_running(steps: Sequence[RunningFacts], *, prints_elsewhere: bool = False) -> Shown:
    """Give both forms of the steps that run, and of no more than can be taken in.

    Args:
        steps: The steps.
        prints_elsewhere: Leave no room for what they print: it is seen anyway.
    """
    shown = steps[:_MOST_STEPS]
    more = f"… and {len(steps) - _MOST_STEPS:,} more that run" if len(steps) > _MOST_STEPS else ""
    rows = [row for facts in shown for row in _rows(facts)[: 1 if prints_elsewhere else None]]
    table = element(
        "table",
        element("tbody", rows),
        style="border-collapse:collapse; border:none; margin:4px 0; font-size:13px;",
    )
    lines = [line for facts in shown for line in _lines(facts)]
    return Shown(
        element("div", table, more or None, style="overflow:auto;"), "\n".join([*lines, *filter(None, [more])])
    )


def _short(value: float) -> float:
    """Give a whole number as one, whatever type it came in."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _lines(facts: RunningFacts) -> list[str]:
    bar = "".join(bar_text(facts.share)) if facts.share is not None else ""
    words = (f"{look(facts.status).sign} {one_line(facts.node)}", elapsed_text(facts), bar, amount_text(facts))
    first = "  ".join(filter(None, (*words, shorten(one_line(facts.note), _MOST_LETTERS))))
    last = shorten(one_line(facts.last_line), _MOST_LETTERS)
    return [first, f"  {last}"] if last else [first]


def _rows(facts: RunningFacts) -> list[Element]:
    name = f"{look(facts.status).sign} {shorten(one_line(facts.node), 60)}"
    said = " · ".join(filter(None, (amount_text(facts), shorten(one_line(facts.note), _MOST_LETTERS))))
    row = element(
        "tr",
        element("td", element("b", name), style=_WITHOUT_BORDER),
        element("td", elapsed_text(facts), style=f"{_WITHOUT_BORDER} text-align:right; opacity:0.75;"),
        element("td", _bar(facts.share, facts.status) if facts.share is not None else None, style=_WITHOUT_BORDER),
        element("td", said, style=f"{_WITHOUT_BORDER} white-space:normal;"),
        style="background-color:transparent;",
    )
    last = shorten(one_line(facts.last_line), _MOST_LETTERS)
    # There is room for it before it is printed: what stands below should not jump.
    style = f"{_WITHOUT_BORDER} height:18px; padding-left:16px; font-family:{MONOSPACE}; font-size:12px; opacity:0.75;"
    return [
        row,
        element("tr", element("td", last, colspan=4, style=style), style="background-color:transparent;"),
    ]


def _bar(share: float, status: str) -> Element:
    ink = look(status).line
    full = f"width:{100 * share:.1f}%; height:8px; background-color:{ink}; border-radius:4px;"
    return element(
        "div",
        element("div", style=full),
        title=f"{int(100 * share)} %",
        style=f"width:160px; height:8px; background-color:{TINT}; border:1px solid {HAIRLINE}; border-radius:5px; "
        "margin:5px 0 0 0; overflow:hidden;",
    )
