"""What can be done with the rows that are selected in the browser: tag, compare, promote, delete.

Each opens its own panel under the table. Deleting asks twice: Delete says what depends on the rows,
and a button of its own, which a double click does not reach, deletes them if that is still so.
Every rule is a service's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from nbpipe.errors import NbpipeError
from nbpipe.records.refs import EntityRef
from nbpipe.services.browsing import BrowsedRow
from nbpipe.services.browsing_nouns import NOUNS
from nbpipe.widgets import appearance
from nbpipe.widgets.catalog_deleting import Deletion, deletion_of
from nbpipe.widgets.promotion import PromoteModel
from nbpipe.widgets.run_comparison import RunComparison
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import html_of
from nbpipe.widgets.tag_editor import TagEditor

if TYPE_CHECKING:
    from nbpipe.services.client import Client


class Browsing(Protocol):
    """The browser, as far as its actions know it."""

    noun: Any
    selected: Any

    @property
    def chosen(self) -> Sequence[BrowsedRow]:
        """The selected rows."""

    def tell(self, text: str, status: str = "") -> None:
        """Say what was done, or what was wrong."""

    def reload(self) -> None:
        """Ask the catalog again."""

    def forget(self, rows: Sequence[BrowsedRow]) -> None:
        """Take note that rows are gone."""


ACTIONS = ("tag", "compare", "promote", "delete")
PANEL_BUTTONS = ("confirm", "close")
_MOST_COMPARED = 50


def obstacles(noun: str, rows: Sequence[BrowsedRow]) -> dict[str, str]:
    """Say, for each action, why it cannot be done with these rows; empty where it can."""
    count, kind = len(rows), NOUNS[noun].kind
    none = "" if count else "select rows first"
    found = dict.fromkeys(ACTIONS, none)
    if kind is None:
        found["tag"] = f"{noun} bear no tags"
    if noun == "runs":
        found["compare"] = "" if 2 <= count <= _MOST_COMPARED else f"select 2 to {_MOST_COMPARED} runs"
    elif noun == "model_versions":
        found["compare"] = "" if count == 2 else "select two versions"
    else:
        found["compare"] = "runs and model versions are compared"
    if noun in ("models", "model_versions"):
        found["promote"] = "" if count == 1 else f"select one {NOUNS[noun].said}"
    else:
        found["promote"] = "model versions are promoted"
    if noun in ("schedules", "deployments"):
        found["delete"] = f"{noun} are not deleted here"
    return found


class CatalogActions:
    """The bar of actions, and the panel of the one that is open.

    Args:
        client: The workspace.
        browser: Whose rows are meant; it is reloaded when something was done.

    Attributes:
        panel: What is embedded: a tag editor, a comparison, a promotion board, or a deletion.
    """

    def __init__(self, client: Client, browser: Browsing) -> None:
        self._client = client
        self._browser = browser
        self.panel: Any = None

    @property
    def tag_button(self) -> Any:
        """The Tag button: `.click()` does what a press does."""
        return self.buttons["tag"]

    @property
    def compare_button(self) -> Any:
        """The Compare button."""
        return self.buttons["compare"]

    @property
    def promote_button(self) -> Any:
        """The Promote button."""
        return self.buttons["promote"]

    @property
    def delete_button(self) -> Any:
        """The Delete button: it says what depends on the rows."""
        return self.buttons["delete"]

    @property
    def confirm_button(self) -> Any:
        """The Confirm button, which is there while a deletion is announced: it deletes."""
        return self.buttons["confirm"]

    @cached_property
    def buttons(self) -> dict[str, Any]:
        """The buttons by action, with `clear`, and those of an open panel: `confirm` and `close`."""
        import ipywidgets as widgets

        icons = {"tag": "tag", "compare": "columns", "promote": "arrow-up", "delete": "trash", "clear": ""}
        icons |= dict.fromkeys(PANEL_BUTTONS, "")
        labels = {"clear": "Clear selection", "close": "Close"}
        made = {}
        for name, icon in icons.items():
            button = widgets.Button(
                description=labels.get(name, name.capitalize()), icon=icon, layout=widgets.Layout(width="auto")
            )
            button.on_click(lambda _, name=name: self._press(name))
            made[name] = button
        return made

    @cached_property
    def place(self) -> Any:
        """Where the open panel stands."""
        return appearance.stack([])

    def selected_otherwise(self) -> None:
        """Close what was opened for other rows."""
        self._embed(None)

    def offer(self) -> None:
        """Offer what can be done with the rows that are selected now."""
        for name, obstacle in obstacles(self._browser.noun, self._browser.chosen).items():
            button = self.buttons[name]
            button.disabled, button.tooltip = bool(obstacle), obstacle or f"{name} the selected rows"
        deletion = self.panel if isinstance(self.panel, Deletion) else None
        self.buttons["confirm"].description = deletion.confirm_text if deletion is not None else ""
        self.buttons["confirm"].button_style = "danger"
        appearance.lay_out(self.buttons["confirm"], display=None if deletion is not None else "none")
        self.buttons["clear"].disabled = not self._browser.selected
        appearance.lay_out(self.buttons["close"], display=None if self.panel is not None else "none")

    def _press(self, name: str) -> None:
        rows, noun = self._browser.chosen, self._browser.noun
        obstacle = obstacles(noun, rows).get(name, "")
        if obstacle:
            self._browser.tell(f"{obstacle[0].upper()}{obstacle[1:]}.", "failed")
            return
        do = {
            "tag": lambda: self._tag([row.ref for row in rows]),
            "compare": lambda: self._compare([row.ref for row in rows]),
            "promote": lambda: self._promote(rows[0]),
            "delete": lambda: self._embed(deletion_of(self._client, noun, rows)),
            "confirm": lambda: self._delete(noun, rows),
            "clear": lambda: setattr(self._browser, "selected", ()),
            "close": lambda: self._embed(None),
        }
        try:
            do[name]()
        except NbpipeError as error:
            self._embed(None)
            self._browser.tell(error_text(error), "failed")

    def _tag(self, targets: list[EntityRef]) -> None:
        editor = TagEditor(self._client, targets)
        editor.observe(lambda _: self._browser.reload(), "revision")
        self._embed(editor)

    def _compare(self, targets: list[EntityRef]) -> None:
        if self._browser.noun == "model_versions":
            self._embed(Markup(html_of(self._client.models.compare(*targets))))
            return
        self._embed(RunComparison(self._client.runs, targets))

    def _promote(self, row: BrowsedRow) -> None:
        model, version = (
            (row.id, None) if self._browser.noun == "models" else (row.values["model"], str(row.values["number"]))
        )
        board = PromoteModel(self._client.models, model, version)
        for button in (board.promote_button, board.undo_button):
            button.on_click(lambda _: self._browser.reload())
        self._embed(board)

    def _delete(self, noun: str, rows: Sequence[BrowsedRow]) -> None:
        announced = self.panel
        if not isinstance(announced, Deletion):
            # The second press of a double click: the first has deleted them.
            return
        now = deletion_of(self._client, noun, rows)
        if announced.said != now.said:
            # What was announced is no longer what would be done, so it is asked again.
            self._embed(now)
            return
        try:
            said = now.delete()
        except NbpipeError:
            # Some of several may be gone.
            self._browser.reload()
            raise
        self._browser.forget(rows)
        self._browser.tell(said, "completed")

    def _embed(self, panel: Any) -> None:
        former, self.panel = self.place.children, panel
        self.place.children = [panel.widget] if panel is not None else []
        appearance.close(former)
        self.offer()


class Markup:
    """A panel that shows a piece of HTML written by a view."""

    def __init__(self, html: str) -> None:
        self._html = html

    @cached_property
    def widget(self) -> Any:
        """The piece of HTML."""
        return appearance.markup(self._html)
