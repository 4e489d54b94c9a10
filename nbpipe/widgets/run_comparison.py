"""Runs side by side in a notebook: what differs, which is best, and charts of it.

The page can show everything or only what differs, lay the runs out in columns or in rows, colour
their lines by a metric, and be told of a metric that less of it is better. What is shown follows
from the traits alone: set `refs`, `only_differences`, `transposed`, `color_by` or
`more_is_better`, with or without a front end. A value that will not do is refused, and what was
shown stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait
from traitlets import HasTraits, Unicode, observe, validate

from nbpipe.commands.comparing import comparison_facts
from nbpipe.errors import BadValueError, NbpipeError, nearest
from nbpipe.records.base import shorten
from nbpipe.views.comparison import charted, charts, comparison_card, table
from nbpipe.views.frames import Bundle
from nbpipe.views.ink import PAGE
from nbpipe.widgets import appearance
from nbpipe.widgets.given import Given
from nbpipe.widgets.run_comparison_controls import ANY_METRIC, LAYOUTS, ComparisonControls
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown, has_front_end

if TYPE_CHECKING:
    import pandas as pd

    from nbpipe.services.compared import ComparedRuns
    from nbpipe.services.runs import RunService
    from nbpipe.views.compared import ComparedRow, ComparisonFacts


class RunComparison(Shown, HasTraits):
    """Several runs side by side.

    Args:
        runs_service: The service.
        refs: Two runs or more: ids, beginnings of ids, names or records.
        static: Show tables and images that need no front end instead.

    Attributes:
        refs: The runs that are compared, by their ids; set it to compare others.
        only_differences: Whether that in which they do not differ is left out.
        transposed: Whether each run has a column (`True`) or a row (`False`); `None` goes by their number.
        color_by: The metric by which the lines of the runs are coloured; `None` for one that most of them have.
        more_is_better: Metrics of which it was said whether more is better; of others it is read from the name.
        message: Why the last change made on the page was refused.

    Raises:
        BadValueError: Fewer than two runs, too many, or one twice; or another value that will not do.
        NotFoundError: There is no such run.
    """

    refs = Given(())
    only_differences = Given(True)
    transposed = AnyTrait(None)
    color_by = AnyTrait(None)
    more_is_better = Given({})
    message = Unicode("")

    def __init__(self, runs_service: RunService, refs: Sequence[object], *, static: bool = False) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        self._runs = runs_service
        self._lock = RLock()
        self._is_drawing = False
        self._compared: ComparedRuns
        self._facts: ComparisonFacts
        self.refs = refs

    @property
    def widget(self) -> Any:
        """The live page."""
        return self._controls.page

    @property
    def controls(self) -> ComparisonControls:
        """The widgets of the page, by name: `.only`, `.layout`, `.color`, `.runs`, `.directions[metric]`."""
        return self._controls

    @property
    def compared(self) -> ComparedRuns:
        """What is compared."""
        return self._compared

    def reload(self) -> None:
        """Read the runs again: one may have gone on."""
        self._take_in(self._runs.compare(*self.refs))
        self._refresh()

    def df(self) -> pd.DataFrame:
        """Give a pandas frame of what is shown: a row for each run, a column for each thing."""
        return self._compared.df(only_differences=self.only_differences)

    def static(self) -> Bundle:
        """Give table and charts, the charts as images; where nobody looks, without ids and durations."""
        return comparison_card(
            self._facts,
            only_differences=self.only_differences,
            transposed=self.transposed,
            color_by=self.color_by,
            stable=not has_front_end(),
        )

    @validate("refs")
    def _valid_refs(self, proposal: Any) -> tuple[str, ...]:
        wanted = proposal["value"]
        if isinstance(wanted, str) or not isinstance(wanted, Sequence):
            raise BadValueError(f"refs={shorten(wanted)} should be a list of runs: ids, names or records.")
        self._take_in(self._runs.compare(*wanted))
        return tuple(side.run.id for side in self._compared.runs)

    @validate("only_differences")
    def _valid_switch(self, proposal: Any) -> bool:
        return bool(_checked("only_differences", proposal["value"], (True, False)))

    @validate("transposed")
    def _valid_transposed(self, proposal: Any) -> bool | None:
        value: bool | None = _checked("transposed", proposal["value"], (True, False, None))
        return value

    @validate("color_by")
    def _valid_color(self, proposal: Any) -> str | None:
        wanted = proposal["value"]
        if wanted is None:
            return None
        metrics = self._metric_names()
        if wanted not in metrics:
            near = nearest(wanted, metrics) if isinstance(wanted, str) else []
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {shorten(', '.join(metrics) or 'none', 200)}."
            raise BadValueError(f"color_by={shorten(wanted)} is no metric of these runs. {hint}")
        return str(wanted)

    @validate("more_is_better")
    def _valid_directions(self, proposal: Any) -> dict[str, bool]:
        said = proposal["value"]
        if not isinstance(said, Mapping):
            raise BadValueError(f"more_is_better={shorten(said)} should be a dict of metrics and True or False.")
        for metric, is_more in said.items():
            if not isinstance(metric, str) or not isinstance(is_more, bool):
                raise BadValueError(f"more_is_better[{shorten(metric)}]={shorten(is_more)} should be True or False.")
        return dict(said)

    @observe("refs", "only_differences", "transposed", "color_by", "more_is_better")
    def _decided_otherwise(self, change: Any) -> None:
        if change["name"] == "more_is_better":
            self._facts = comparison_facts(self._compared, self.more_is_better)
        self.message = ""
        self._refresh()

    def _take_in(self, compared: ComparedRuns) -> None:
        self._compared = compared
        self._facts = comparison_facts(compared, self.more_is_better)
        if self.color_by not in (None, *self._metric_names()):
            self.color_by = None

    def _metric_names(self) -> list[str]:
        return [row.name for row in self._facts.rows if row.group == "metrics"]

    def _rows(self) -> list[ComparedRow]:
        return self._facts.shown(only_differences=self.only_differences)

    @cached_property
    def _controls(self) -> ComparisonControls:
        controls = ComparisonControls()
        vars(self)["_controls"] = controls
        self._refresh()
        pairs: list[tuple[str, Any, Callable[[Any], Any]]] = [
            ("refs", controls.runs, str.split),
            ("only_differences", controls.only, bool),
            ("transposed", controls.layout, LAYOUTS.__getitem__),
            ("color_by", controls.color, lambda metric: None if metric == ANY_METRIC else metric),
        ]
        for name, control, meant in pairs:
            control.observe(lambda change, name=name, meant=meant: self._chosen(name, meant(change["new"])), "value")
        return controls

    def _chosen(self, name: str, value: Any) -> None:
        if self._is_drawing:
            return
        try:
            setattr(self, name, value)
        except NbpipeError as error:
            self.message = error_text(error)
            self._refresh()
            return
        if self.message:
            # What was refused is mended, though nothing else has changed by it.
            self.message = ""
            self._refresh()

    def _turned(self, metric: str, is_more: bool) -> None:
        self._chosen("more_is_better", {**self.more_is_better, metric: is_more})

    def _refresh(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self):
            return
        with self._drawing():
            self._draw(self._controls)

    def _draw(self, controls: ComparisonControls) -> None:
        rows = self._rows()
        controls.only.value = self.only_differences
        controls.lay_out(self.transposed)
        if not self.message:
            # What was refused stays to be mended.
            controls.runs.value = " ".join(self._facts.labels())
        drawn = [row.name for row in charted(rows)]
        controls.offer_colors(self._metric_names(), self.color_by)
        controls.offer_directions({name: self._facts.is_more_better(name) for name in drawn}, self._turned)
        controls.said.value = appearance.said(self.message, "failed")
        shown = table(self._facts, rows, transposed=self.transposed)
        controls.table.value = appearance.framed(shown.element)
        pictures = charts(self._facts, rows, PAGE, color_by=self.color_by)
        controls.charts.value = appearance.framed(pictures) if pictures is not None else ""


def _checked(name: str, value: Any, allowed: tuple[bool | None, ...]) -> Any:
    if not any(value is one for one in allowed):
        raise BadValueError(f"{name}={shorten(value)} should be {' or '.join(map(str, allowed))}.")
    return value
