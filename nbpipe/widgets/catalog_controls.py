"""The widgets of the catalog browser: what stands where, and what can be pressed when.

They are told what to show and decide nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

import ipywidgets as widgets

from nbpipe.records.base import shorten
from nbpipe.services.browsing_conditions import BY_NOTES
from nbpipe.services.browsing_nouns import NOUNS
from nbpipe.views.amounts import shorten as cut
from nbpipe.views.markup import one_line
from nbpipe.widgets import appearance
from nbpipe.widgets.catalog_actions import PANEL_BUTTONS
from nbpipe.widgets.catalog_table import CatalogTable

if TYPE_CHECKING:
    from nbpipe.widgets.catalog_actions import CatalogActions
    from nbpipe.widgets.catalog_cards import Link, OpenedCard

_AGES = [("any time", ""), ("last hour", "1h"), ("last day", "1d"), ("last week", "7d"), ("last 30 days", "30d")]
_SIZES = (10, 20, 50, 100)
_LONGEST_OPTION = 60
_ANY = ""

Told = Callable[[Mapping[str, Any]], None]


class Asked(Protocol):
    """What is asked of the catalog, as far as controls show it."""

    noun: Any
    text: Any
    tags: Any
    filters: Any
    size: Any


class CatalogControls:
    """The widgets of the browser; what they show is told them.

    Args:
        told: Called with each press, as `CatalogTable` says.
        actions: The bar of actions, and its panel.
    """

    def __init__(self, told: Told, actions: CatalogActions) -> None:
        self._told = told
        self._filters: dict[str, Any] = {}
        self._filters_of = ""
        self._watching: Callable[[str, Any], None] | None = None
        self._links: tuple[Any, ...] = ()
        self._live: Any = None
        self._chips_of: dict[str, Any] = {}
        self.table = CatalogTable(told)
        nouns = [(name.replace("_", " "), name) for name in NOUNS]
        self.noun = widgets.Dropdown(options=nouns, layout=_narrow("150px"))
        self.text = widgets.Text(placeholder="search names, ids, errors …", continuous_update=False)
        self.text.layout = widgets.Layout(
            flex="1 1 220px", min_width="160px", max_width="420px", margin=appearance.UNLABELLED
        )
        self.tags = widgets.TagsInput(allow_duplicates=False, placeholder="tags …")
        self.tags.layout = widgets.Layout(flex="1 1 160px", min_width="120px", max_width="360px")
        self.size = widgets.Dropdown(options=[(f"{size} rows", size) for size in _SIZES])
        self.size.layout = _narrow("100px")
        for control, name in ((self.noun, "what to browse"), (self.text, "search"), (self.size, "rows on a page")):
            appearance.name(control, name)
            # Its name is for who cannot see what it shows; seen, it would leave no room for that.
            appearance.without_label(control)
        appearance.name(self.tags, "tags that rows must bear")
        self.clear = self._button("Clear filters", "times", {"do": "clear"})
        self.first = self._button("", "angle-double-left", {"do": "page", "to": 1}, "first page")
        self.before = self._button("", "angle-left", {"do": "page", "by": -1}, "page before")
        self.after = self._button("", "angle-right", {"do": "page", "by": 1}, "next page")
        self.last = self._button("", "angle-double-right", {"do": "page", "to": 0}, "last page")
        self.shown, self.chosen, self.said, self.opened = (appearance.markup() for _ in range(4))
        self.back = self._button("Close", "times", {"do": "close"})
        self.links = appearance.stack([])
        self.filters = appearance.bar([])
        appearance.lay_out(self.filters, width="100%")
        self.live = appearance.stack([])
        detail = appearance.stack([appearance.bar([self.back]), self.links, self.opened, self.live])
        self.detail = detail
        appearance.lay_out(detail, display="none")
        pressed = (button for name, button in actions.buttons.items() if name not in PANEL_BUTTONS)
        bar = appearance.bar([*pressed, self.chosen])
        self.page = appearance.page(
            [
                appearance.bar([self.noun, self.text, self.tags, self.clear]),
                self.filters,
                self.table,
                appearance.bar([self.first, self.before, self.after, self.last, self.shown, self.size]),
                bar,
                self.said,
                actions.place,
                appearance.bar([actions.buttons[name] for name in PANEL_BUTTONS]),
                detail,
            ]
        )
        appearance.lay_out(self.page, max_width="100%")

    def watch(self, chosen: Callable[[str, Any], None]) -> None:
        """Tell whatever is chosen from now on, by name."""
        self._watching = chosen
        for name in ("noun", "text", "tags", "size"):
            self._watch(name, getattr(self, name))
        for name, control in self._filters.items():
            self._watch(f"filters.{name}", control)
        self.table.observe(lambda change: chosen("selected", change["new"]), "selected")

    def ask(self, asked: Asked, values: Callable[[str], Sequence[str]]) -> None:
        """Show what is asked for.

        Args:
            asked: The question.
            values: Gives the values to choose from for a filter.
        """
        noun = NOUNS[asked.noun]
        self.noun.value, self.text.value = asked.noun, asked.text
        appearance.lay_out(self.tags, display=None if noun.kind is not None else "none")
        self.tags.value = list(asked.tags)
        if asked.size not in _SIZES:
            self.size.options = [(f"{size} rows", size) for size in sorted({*_SIZES, asked.size})]
        self.size.value = asked.size
        if self._filters_of != asked.noun:
            self._make_filters(asked.noun)
        for name, control in self._filters.items():
            _set(control, asked.filters.get(name, _ANY), _options(name, values))
        self._show_filters({name: value for name, value in asked.filters.items() if name not in self._filters})
        is_narrowed = bool(asked.text or asked.tags or asked.filters)
        appearance.lay_out(self.clear, display=None if is_narrowed else "none")

    def show(self, view: Mapping[str, Any], selected: Sequence[str]) -> None:
        """Show a page of rows, and which of them are selected."""
        with self.table.hold_sync():
            self.table.view = dict(view)
            self.table.selected = list(selected)
        count = f"{len(selected):,} selected" if selected else ""
        self.chosen.value = appearance.said(count)

    def turn(self, shown: str, number: int, count: int) -> None:
        """Say which page it is, and offer the others."""
        self.shown.value = appearance.said(f"{shown} · page {number:,} of {count:,}")
        self.first.disabled = self.before.disabled = number <= 1
        self.last.disabled = self.after.disabled = number >= count

    def say(self, text: str, status: str) -> None:
        """Say what was done, or what was wrong."""
        self.said.value = appearance.said(text, status)

    def open(self, card: OpenedCard | None, *, depth: int) -> None:
        """Show the card of what is opened, and the ways on from it."""
        appearance.lay_out(self.detail, display=None if card is not None else "none")
        self.back.description, self.back.icon = ("Back", "arrow-left") if depth > 1 else ("Close", "times")
        live = card.live if card is not None else None
        if live is not self._live:
            self._live, former_live = live, self.live.children
            self.live.children = [live.widget] if live is not None else []
            appearance.close(former_live)
        html = card.bundle.html if card is not None and live is None else ""
        if html != self.opened.value:
            self.opened.value = html
        links = tuple(card.links) if card is not None else ()
        if links != self._links:
            self._links, former = links, self.links.children
            self.links.children = [
                appearance.bar([appearance.markup(appearance.label(group)), *map(self._link, linked)])
                for group, linked in groupby(links, key=lambda link: link.group)
            ]
            if card is not None and card.left_out:
                self.links.children += (appearance.markup(appearance.said(card.left_out)),)
            appearance.close(former)

    def _show_filters(self, others: Mapping[str, Any]) -> None:
        """Show the noun's own filters, and for each other one a chip that takes it off."""
        former = self.filters.children
        own = tuple(self._filters.values())
        if others != self._chips_of or former[: len(own)] != own:
            self._chips_of = dict(others)
            self.filters.children = (*own, *(self._unfilter(*one) for one in others.items()))
            appearance.close([control for control in former if control not in own])

    def _make_filters(self, noun: str) -> None:
        known, self._filters_of = NOUNS[noun], noun
        wide = widgets.Layout(
            flex="1 1 110px", width="auto", min_width="110px", max_width="190px", margin=appearance.UNLABELLED
        )
        offered = [name for name, filter in known.filters.items() if filter.choices or filter.values]
        self._filters = {name: widgets.Dropdown(layout=wide) for name in offered}
        if known.noted_kind is not None:
            self._filters[BY_NOTES[0]] = widgets.Text(placeholder="metric > 0.8", continuous_update=False, layout=wide)
        self._filters["since"] = widgets.Dropdown(layout=wide)
        for name, control in self._filters.items():
            appearance.name(control, "a metric's comparison" if name == BY_NOTES[0] else name)
            appearance.without_label(control)
            if self._watching is not None:
                self._watch(f"filters.{name}", control)

    def _watch(self, name: str, control: Any) -> None:
        chosen = self._watching
        if chosen is not None:
            control.observe(lambda change: chosen(name, change["new"]), "value")

    def _button(self, text: str, icon: str, message: Mapping[str, Any], tooltip: str = "") -> Any:
        layout = widgets.Layout(width="auto")
        button = widgets.Button(description=text, icon=icon, tooltip=tooltip or text.lower(), layout=layout)
        button.on_click(lambda _: self._told(message))
        return button

    def _unfilter(self, name: str, value: Any) -> Any:
        said = value if isinstance(value, str) else shorten(value)
        label = cut(one_line(f"{name.replace('_', ' ')}: {said}"), _LONGEST_OPTION)
        return self._button(label, "times", {"do": "unfilter", "name": name}, f"no longer filter by {name}")

    def _link(self, link: Link) -> Any:
        label = cut(one_line(link.label), _LONGEST_OPTION)
        return self._button(label, "", {"do": "open", "noun": link.noun, "id": link.id}, f"open {label}")


def _narrow(width: str) -> widgets.Layout:
    return widgets.Layout(width=width, margin=appearance.UNLABELLED)


def _options(name: str, values: Callable[[str], Sequence[str]]) -> list[tuple[str, str]]:
    if name == "since":
        return _AGES
    if name == BY_NOTES[0]:
        return []
    return [(f"any {name}", _ANY), *((cut(one_line(value), _LONGEST_OPTION), value) for value in values(name))]


def _set(control: Any, value: Any, options: Sequence[tuple[str, str]]) -> None:
    """Show a filter's value; one that is not among those offered is offered too."""
    if not options:
        control.value = value if isinstance(value, str) else "; ".join(map(str, value))
        return
    offered = list(options)
    if value not in [option for _, option in offered]:
        offered.append((cut(one_line(str(value)), _LONGEST_OPTION), value))
    if list(control.options) != offered:
        control.options = offered
    control.value = value
