"""The browser of the catalog: any noun, filtered, sorted and paged by the engine, then acted upon.

Rows that were selected stay so on other pages; what can be done with them is `catalog_actions`.
Opening a row shows its card, and from there what is next to it. Every rule is a service's; a
refusal is shown, and nothing has changed then.

A browser can be driven without a front end: set `noun`, `text`, `tags`, `filters`, `sort`,
`descending`, `page`, `size` and `selected`, call `open()`, and `.click()` the buttons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait
from traitlets import HasTraits, Unicode, observe, validate

from nbpipe.errors import BadValueError, NbpipeError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.services.browsing import BrowsedRow, BrowsingService, Page
from nbpipe.services.browsing_conditions import said_filters
from nbpipe.services.browsing_nouns import noun_named
from nbpipe.services.browsing_questions import Question
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.widgets.catalog_actions import CatalogActions
from nbpipe.widgets.catalog_cards import OpenedCard, card_of
from nbpipe.widgets.catalog_controls import CatalogControls
from nbpipe.widgets.catalog_rows import count_text, table_of, view_of
from nbpipe.widgets.given import Given
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown, has_front_end

if TYPE_CHECKING:
    import pandas as pd

    from nbpipe.services.client import Client

_ASKED = ("text", "tags", "filters", "sort", "descending", "size", "metrics")


class CatalogBrowser(Shown, HasTraits):
    """A browser of everything that a workspace knows.

    Args:
        client: The workspace.
        noun: What to show first: one of `browsing_nouns.NOUNS`.
        static: Show a table that needs no front end instead.
        first: What else to begin with: `text`, `tags`, `sort`, `descending`, `page`, `size` and
            `metrics`, and filters by name.

    Attributes:
        noun: What is shown.
        text: Words that must all be found in a row.
        tags: Tags that a row must bear, all of them.
        filters: Further filters by name, as `browsing_questions.Question` takes them.
        sort: A column's name, or `metric:` and a metric's name; empty for the order of arrival.
        descending: The largest or newest first.
        page: Which page, from 1; one beyond the last is the last.
        size: How many rows a page has.
        metrics: The metrics to show; `None` for those that most rows of the page have.
        selected: The ids of the selected rows, on whichever page.
        message: What the last press did, or what was wrong with it.

    Raises:
        BadValueError: Something to begin with does not fit.
    """

    noun = Given("runs")
    text = Given("")
    tags = Given(())
    filters = Given({})
    sort = Given("")
    descending = Given(True)
    page = Given(1)
    size = Given(20)
    metrics = AnyTrait(None)
    selected = Given(())
    message = Unicode("")

    def __init__(self, client: Client, noun: str = "runs", *, static: bool = False, **first: Any) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        self._client = client
        self._service = BrowsingService(client.workspace)
        self._lock = RLock()
        self._is_settling = False
        self._is_drawing = False
        self._message_status = ""
        self._trail: list[tuple[str, str]] = []
        self._card: OpenedCard | None = None
        self._seen: dict[str, BrowsedRow] = {}
        self._choices: dict[str, tuple[str, ...]] = {}
        with self._settling():
            self.noun = noun
            own = {name: first.pop(name) for name in (*_ASKED, "page") if name in first}
            self.filters = {**own.pop("filters", {}), **first}
            for name, value in own.items():
                setattr(self, name, value)
        self._load()

    @property
    def rows(self) -> tuple[BrowsedRow, ...]:
        """The rows that are shown."""
        return self._page.rows

    @property
    def total(self) -> int:
        """How many rows there are on all pages."""
        return self._page.total

    @property
    def opened(self) -> tuple[str, str] | None:
        """The noun and the id of what is opened; `None` if nothing is."""
        return self._trail[-1] if self._trail else None

    @property
    def card(self) -> OpenedCard | None:
        """What is opened; a deployment's `live` can be driven as `DeploymentCard` says."""
        return self._card

    @property
    def chosen(self) -> tuple[BrowsedRow, ...]:
        """The selected rows as they were when they were last shown."""
        return tuple(self._seen[one] for one in self.selected)

    @property
    def widget(self) -> Any:
        """The live browser."""
        return self._controls.page

    @property
    def table(self) -> Any:
        """The live table: `.press({"do": "sort", "column": "started"})` does what a press on a header does."""
        return self._controls.table

    @property
    def actions(self) -> CatalogActions:
        """What can be done with the selected rows; its buttons can be `.click()`ed."""
        return self._actions

    def df(self) -> pd.DataFrame:
        """Give the rows that are shown as a pandas DataFrame."""
        return self._page.df()

    def reload(self) -> None:
        """Ask the catalog again, for the card too."""
        self._load()
        self._choices = {}
        if self.opened is not None:
            try:
                self._card = card_of(self._client, *self.opened)
            except NotFoundError:
                self._trail, self._card = [], None
        else:
            self._card = None
        self._refresh()

    def forget(self, rows: Sequence[BrowsedRow]) -> None:
        """Take note that rows are gone: they are selected and opened no longer."""
        gone = {row.id for row in rows}
        self._trail = [place for place in self._trail if place[1] not in gone]
        self.selected = tuple(one for one in self.selected if one not in gone)
        self.reload()

    def open(self, noun: str, identity: str) -> None:
        """Open one thing: show its card, and what is next to it.

        Raises:
            NotFoundError: It is not there any more.
        """
        place = (noun_named(noun).name, identity)
        self._card = card_of(self._client, *place)
        if place in self._trail:
            del self._trail[self._trail.index(place) :]
        self._trail.append(place)
        self._refresh()

    def close_card(self) -> None:
        """Close the card, and go back to the one before, if there was one."""
        del self._trail[-1:]
        self._card = card_of(self._client, *self._trail[-1]) if self._trail else None
        self._refresh()

    def static(self) -> Bundle:
        """Give the present page as a table; without a front end without ids and instants."""
        stable = self.is_static or not has_front_end()
        table = shown_table(table_of(self._page, stable=stable))
        return written(Card("catalog", self.noun.replace("_", " "), sections=[Section(count_text(self._page), table)]))

    # What may be set --------------------------------------------------------------------------

    @validate("noun")
    def _valid_noun(self, proposal: Any) -> str:
        return noun_named(proposal["value"]).name

    @validate("text", "sort", "descending", "page", "size", "metrics")
    def _valid_part(self, proposal: Any) -> Any:
        name = proposal["trait"].name
        return getattr(Question(noun=self.noun, **{name: proposal["value"]}), name)

    @validate("tags")
    def _valid_tags(self, proposal: Any) -> tuple[str, ...]:
        value = proposal["value"]
        if value in (None, (), []):
            return ()
        said_filters(noun_named(self.noun), {"tags": value})
        return tuple(dict.fromkeys(tag.strip() for tag in value if tag.strip()))

    @validate("filters")
    def _valid_filters(self, proposal: Any) -> dict[str, Any]:
        value = proposal["value"]
        if isinstance(value, Mapping) and value.get("tags"):
            raise BadValueError("Tags are set by themselves, as in .tags = ['v1'].")
        return dict(Question(noun=self.noun, filters=value).filters)

    @validate("selected")
    def _valid_selected(self, proposal: Any) -> tuple[str, ...]:
        value = proposal["value"]
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise BadValueError(f"selected={shorten(value)} should be a list of ids.")
        unknown = [one for one in value if one not in self._seen]
        if unknown:
            raise BadValueError(f"selected={shorten(unknown[0])} is no row that was shown; select rows of a page.")
        return tuple(dict.fromkeys(value))

    @observe("noun")
    def _other_noun(self, _change: Any) -> None:
        noun = noun_named(self.noun)
        with self._settling():
            self.filters = {name: value for name, value in self.filters.items() if _fits(noun.name, name, value)}
            self.tags = self.tags if noun.kind is not None else ()
            self.sort, self.descending, self.metrics, self.selected, self.page = "", True, None, (), 1
        self._seen, self._trail, self._card, self._choices = {}, [], None, {}
        self._changed()

    @observe(*_ASKED)
    def _asked_otherwise(self, _change: Any) -> None:
        with self._settling():
            self.page = 1
        self._changed()

    @observe("page")
    def _turned(self, _change: Any) -> None:
        self._changed()

    @observe("selected")
    def _selected_otherwise(self, _change: Any) -> None:
        self._actions.selected_otherwise()
        self._refresh()

    @contextmanager
    def _settling(self) -> Iterator[None]:
        """Set several parts; the catalog is asked once, by whoever settles."""
        before, self._is_settling = self._is_settling, True
        try:
            yield
        finally:
            self._is_settling = before

    def _changed(self) -> None:
        if not self._is_settling:
            self._load()
            self._refresh()

    def _load(self) -> None:
        with self._lock:
            parts = {name: getattr(self, name) for name in ("text", "sort", "descending", "page", "size", "metrics")}
            filters = {**self.filters, **({"tags": self.tags} if self.tags else {})}
            self._page: Page = self._service.page(Question(noun=self.noun, filters=filters, **parts))
            with self._settling():
                self.page = self._page.number
            kept = {one: self._seen[one] for one in self.selected if one in self._seen}
            self._seen = {**kept, **{row.id: row for row in self._page.rows}}

    # What is shown ----------------------------------------------------------------------------

    @cached_property
    def _actions(self) -> CatalogActions:
        return CatalogActions(self._client, self)

    @cached_property
    def _controls(self) -> CatalogControls:
        controls = CatalogControls(self._pressed, self._actions)
        vars(self)["_controls"] = controls
        self._refresh()
        controls.watch(self._chosen)
        return controls

    def tell(self, text: str, status: str = "") -> None:
        """Say what was done, or what was wrong."""
        self.message, self._message_status = text, status
        self._refresh()

    def _chosen(self, name: str, value: Any) -> None:
        """Take what was chosen in a control; a filter's is `filters.` and its name."""
        if self._is_drawing:
            return

        def choose() -> None:
            part, _, filter = name.partition(".")
            setattr(self, part, {**self.filters, filter: value} if filter else value)

        self._safely(choose)

    def _pressed(self, message: Mapping[str, Any]) -> None:
        """Do what a press in the table or on the pager asks for."""
        match message:
            case {"do": "sort", "column": str(column)}:
                self._safely(lambda: self._sort_by(column))
            case {"do": "open", "id": str(identity)}:
                self._safely(lambda: self.open(message.get("noun", self.noun), identity))
            case {"do": "close"}:
                self._safely(self.close_card)
            case {"do": "tag", "tag": str(tag)}:
                self._safely(lambda: setattr(self, "tags", (*self.tags, tag)))
            case {"do": "page", "by": int(by)}:
                self._safely(lambda: setattr(self, "page", min(max(self.page + by, 1), self._page.count)))
            case {"do": "page", "to": int(to)}:
                self._safely(lambda: setattr(self, "page", to if to > 0 else self._page.count))
            case {"do": "unfilter", "name": str(name)}:
                kept = {one: value for one, value in self.filters.items() if one != name}
                self._safely(lambda: setattr(self, "filters", kept))
            case {"do": "clear"}:
                self._safely(self._clear)

    def _sort_by(self, column: str) -> None:
        """Sort by a column, the largest first; if it is sorted by it, the other way round, then not at all."""
        with self._settling():
            if self.sort != column:
                self.sort, self.descending = column, True
            elif self.descending:
                self.descending = False
            else:
                self.sort, self.descending = "", True
        self._asked_otherwise(None)

    def _clear(self) -> None:
        with self._settling():
            self.text, self.tags, self.filters = "", (), {}
        self._asked_otherwise(None)

    def _safely(self, do: Callable[[], None]) -> None:
        """Do what a press asks for; whatever goes wrong is said, and the browser stays."""
        with self._lock:
            try:
                do()
            except NbpipeError as error:
                self.tell(error_text(error), "failed")
            else:
                if self.message and self._message_status == "failed":
                    self.tell("")

    def _choices_for(self, filter: str) -> tuple[str, ...]:
        """Give the values to choose from for a filter; they are asked for once."""
        if filter not in self._choices:
            self._choices[filter] = self._service.values(self.noun, filter)
        return self._choices[filter]

    def _refresh(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self) or self._is_settling:
            return
        with self._drawing():
            self._draw(self._controls)

    def _draw(self, controls: CatalogControls) -> None:
        opened = self.opened
        controls.ask(self, self._choices_for)
        at = opened[1] if opened is not None and opened[0] == self.noun else ""
        controls.show(view_of(self._page, opened=at), self.selected)
        controls.turn(count_text(self._page), self._page.number, self._page.count)
        controls.say(self.message, self._message_status)
        controls.open(self._card, depth=len(self._trail))
        self._actions.offer()


def _fits(noun: str, name: str, value: Any) -> bool:
    try:
        said_filters(noun_named(noun), {name: value})
    except BadValueError:
        return False
    return True
