"""Runs side by side: a table of what differs, a chart of each metric, and a line for each run across what varies.

The same is written as HTML and as text. In a saved page the charts are images that bring their
own ground; in a live one they take the page's colours, and a pointer shows what each part is.

What is compared, and which is best, is `views.compared`.
"""

from __future__ import annotations

from collections.abc import Sequence

from nbpipe.views.compared import (
    ComparedRow,
    ComparisonFacts,
    best_of,
    delta_text,
    numbers_of,
    reads_as_more_is_better,
    short_names,
)
from nbpipe.views.comparison_table import by_run_element, by_run_text, grid, transposed_element, transposed_text
from nbpipe.views.dot_chart import Dots, dot_chart
from nbpipe.views.frames import Bundle, Card, Section, written
from nbpipe.views.ink import PAPER, Ink, carried
from nbpipe.views.markup import Element, element
from nbpipe.views.parallel_axes import parallel_axes, parallel_picture
from nbpipe.views.previews import Shown

__all__ = ["best_of", "charts", "comparison_card", "delta_text", "is_transposed", "reads_as_more_is_better", "table"]

MOST_CHARTS = 12
_MOST_SIDE_BY_SIDE = 6


def comparison_card(
    facts: ComparisonFacts,
    *,
    only_differences: bool = True,
    transposed: bool | None = None,
    color_by: str | None = None,
    stable: bool = False,
    width: int = 100,
) -> Bundle:
    """Show in what runs differ.

    Args:
        facts: The runs and what is compared.
        only_differences: Leave out in what they do not differ.
        transposed: Whether each run has a column; by their number if not said.
        color_by: The metric that colours the lines of the runs.
        stable: Leave out ids, names of runs and durations.
        width: How many columns the text may take.
    """
    rows = facts.shown(only_differences=only_differences)
    pipelines = list(dict.fromkeys(run.pipeline for run in facts.runs))
    title = pipelines[0] if len(pipelines) == 1 else f"{pipelines[0]} and {len(pipelines) - 1} more"
    told: list[tuple[str, object]] = [("runs", len(facts.runs))]
    if not any(row.differs for row in facts.rows):
        told.append(("difference", "none in parameters, metrics, steps, data and code"))
    shown = table(facts, rows, transposed=transposed, stable=stable, width=width - 4)
    drawn = charts(facts, rows, PAPER, color_by=color_by, stable=stable)
    both = Shown(element("div", shown.element, drawn), shown.text)
    said = "differences" if only_differences else "everything"
    return written(Card("comparison", title, facts=told, sections=[Section(said, both)]))


def is_transposed(facts: ComparisonFacts, transposed: bool | None) -> bool:
    """Tell whether each run has a column: as it was said, or else where they are few."""
    return len(facts.runs) <= _MOST_SIDE_BY_SIDE if transposed is None else transposed


def table(
    facts: ComparisonFacts,
    rows: Sequence[ComparedRow],
    *,
    transposed: bool | None = None,
    stable: bool = False,
    width: int = 100,
) -> Shown:
    """Give both forms of the table; arguments as in `comparison_card`."""
    cells = grid(facts, rows, stable=stable)
    if is_transposed(facts, transposed):
        return Shown(transposed_element(cells), transposed_text(cells, width=width))
    return Shown(by_run_element(cells), by_run_text(cells, width=width))


def charted(rows: Sequence[ComparedRow]) -> list[ComparedRow]:
    """Pick the metrics that are drawn: those that some run has a number of, and not too many."""
    return [row for row in rows if row.group == "metrics" and row.differs and numbers_of(row)][:MOST_CHARTS]


def charts(
    facts: ComparisonFacts,
    rows: Sequence[ComparedRow],
    ink: Ink,
    *,
    color_by: str | None = None,
    stable: bool = False,
) -> Element | None:
    """Draw the metrics among `rows`, and the runs across all that varies; `None` where there is nothing to draw.

    Args:
        facts: The comparison.
        rows: Those of its rows that are shown.
        ink: The colours; what brings its own ground becomes an image.
        color_by: As in `comparison_card`.
        stable: As in `comparison_card`.
    """
    labels = facts.labels(stable=stable)
    drawn: list[Element] = []
    metrics = charted(rows)
    for row, title in zip(metrics, short_names([row.name for row in metrics]), strict=True):
        dots = Dots(title, labels, numbers_of(row), facts.best(row), facts.is_more_better(row.name))
        picture = dot_chart(dots, ink)
        if picture is not None:
            drawn.append(_placed(picture, dots.sentence, ink))
    count = sum(row.group == "metrics" and row.differs for row in rows)
    if count > MOST_CHARTS:
        drawn.append(_remark(f"{count - MOST_CHARTS:,} more metrics are in the table only."))
    across = parallel_axes(facts, color_by, stable=stable)
    if across is not None:
        drawn.append(element("div", _placed(parallel_picture(across, ink), across.sentence, ink)))
        if across.left_out:
            drawn.append(_remark(f"{across.left_out:,} more vary and have no axis."))
    return element("div", drawn, style="overflow:auto; margin:6px 0 0 0;") if drawn else None


def _placed(picture: Element, said: str, ink: Ink) -> Element:
    return carried(picture, said) if ink.brings_ground else picture


def _remark(text: str) -> Element:
    return element("div", text, style="font-size:12px; opacity:0.75;")
