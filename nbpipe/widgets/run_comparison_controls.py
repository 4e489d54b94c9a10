"""The widgets of the comparison of runs: what stands where.

They are told what to show and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets

from nbpipe.views.amounts import shorten
from nbpipe.views.markup import one_line
from nbpipe.widgets import appearance

# A choice among widgets cannot be `None`, which stands for no choice at all.
LAYOUTS: dict[str, bool | None] = {"a column or a row, by their number": None, "a column": True, "a row": False}
ANY_METRIC = "\0"
_MOST_IN_NAME = 40
_MORE, _LESS = "↑ more", "↓ less"


class ComparisonControls:
    """The widgets of a comparison; what they show is told them."""

    def __init__(self) -> None:
        self.runs = appearance.control(
            widgets.Text, placeholder="ids or names, with blanks between", continuous_update=False
        )
        self.only = widgets.Checkbox(indent=False, layout=widgets.Layout(width="auto"))
        self.only.description = "only what differs"
        self.layout = widgets.ToggleButtons(
            options=list(LAYOUTS), style={"button_width": "auto"}, layout=widgets.Layout(width="auto")
        )
        self.color = appearance.control(widgets.Dropdown, options=[])
        for control, name in ((self.runs, "runs"), (self.layout, "each run has"), (self.color, "colour by")):
            appearance.name(control, name)
        self.directions: dict[str, widgets.ToggleButton] = {}
        self._direction_bar = appearance.bar([])
        self._direction_label = appearance.markup(appearance.label("better is"))
        self.heading, self.table, self.charts, self.said = (appearance.markup() for _ in range(4))
        self.heading.value = appearance.heading("Runs compared")
        labelled = [("runs", self.runs), ("show", self.only), ("each run has", self.layout), ("colour by", self.color)]
        cells = [part for name, control in labelled for part in (appearance.markup(appearance.label(name)), control)]
        grid = appearance.columns([*cells, self._direction_label, self._direction_bar])
        self.page = appearance.page([self.heading, grid, self.said, self.table, self.charts])
        appearance.lay_out(self.page, max_width="980px")

    def lay_out(self, transposed: bool | None) -> None:
        """Show which way the runs are laid out."""
        self.layout.value = next(name for name, meant in LAYOUTS.items() if meant is transposed)

    def offer_colors(self, metrics: Sequence[str], chosen: str | None) -> None:
        """Offer the metrics by which lines may be coloured."""
        options = [("a metric that most have", ANY_METRIC), *((_named(metric), metric) for metric in metrics)]
        if list(self.color.options) != options:
            self.color.options = options
        self.color.value = ANY_METRIC if chosen is None else chosen

    def offer_directions(self, metrics: Mapping[str, bool], turned: Callable[[str, bool], None]) -> None:
        """Offer a toggle for each metric: pressed in, more of it is better.

        Args:
            metrics: Whether more of each is better.
            turned: Told of a press.
        """
        if list(self.directions) != list(metrics):
            self.directions = {metric: self._direction(metric, is_more, turned) for metric, is_more in metrics.items()}
            former, self._direction_bar.children = self._direction_bar.children, tuple(self.directions.values())
            appearance.close(former)
            # A label alone would be a row about nothing.
            for part in (self._direction_bar, self._direction_label):
                appearance.lay_out(part, display=None if metrics else "none")
        for metric, is_more in metrics.items():
            button = self.directions[metric]
            button.value = is_more
            button.description = f"{_named(metric)}: {_MORE if is_more else _LESS}"

    def _direction(self, metric: str, is_more: bool, turned: Callable[[str, bool], None]) -> widgets.ToggleButton:
        button = widgets.ToggleButton(
            value=is_more,
            tooltip=f"{one_line(metric)[:200]}: press to say whether more or less is better",
            layout=widgets.Layout(width="auto"),
        )
        button.observe(lambda change: turned(metric, change["new"]), "value")
        return button


def _named(metric: str) -> str:
    return shorten(one_line(metric), _MOST_IN_NAME)
