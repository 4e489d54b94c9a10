"""Tags put on the selected rows of the browser, and taken off: a field and two buttons.

This is the plain form: it does what `client.tags` does and says what that said.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbpipe.errors import NbpipeError
from nbpipe.records.refs import EntityRef
from nbpipe.widgets import appearance
from nbpipe.widgets.running import error_text

if TYPE_CHECKING:
    from nbpipe.services.client import Client


class PlainTagEditor:
    """A field for names of tags, with commas between them, and two buttons.

    Args:
        client: The workspace.
        targets: What is tagged.

    Attributes:
        names: The names, as a list.
    """

    def __init__(self, client: Client, targets: Sequence[EntityRef]) -> None:
        self._client = client
        self._targets = list(targets)

    @property
    def names(self) -> list[str]:
        """The names in the field."""
        return [name.strip() for name in self._controls["field"].value.split(",") if name.strip()]

    @names.setter
    def names(self, names: Sequence[str]) -> None:
        self._controls["field"].value = ", ".join(names)

    @property
    def add_button(self) -> Any:
        """The Add button: `.click()` does what a press does."""
        return self._controls["add"]

    @property
    def remove_button(self) -> Any:
        """The Remove button."""
        return self._controls["remove"]

    @cached_property
    def widget(self) -> Any:
        """The editor."""
        row = appearance.bar([self._controls[name] for name in ("field", "add", "remove")])
        return appearance.stack([row, self._controls["said"]])

    @cached_property
    def _controls(self) -> dict[str, Any]:
        import ipywidgets as widgets

        narrow = widgets.Layout(width="auto")
        made = {
            "field": widgets.Text(placeholder="tags, with commas between them", layout=widgets.Layout(width="260px")),
            "add": widgets.Button(description="Add", icon="plus", layout=narrow),
            "remove": widgets.Button(description="Remove", icon="minus", layout=narrow),
            "said": appearance.markup(),
        }
        appearance.name(made["field"], "tags to add or remove")
        made["add"].on_click(lambda _: self._do(self._add))
        made["remove"].on_click(lambda _: self._do(self._remove))
        return made

    def _do(self, do: Any) -> None:
        try:
            said, status = do(), "completed"
        except NbpipeError as error:
            said, status = error_text(error), "failed"
        self._controls["said"].value = appearance.said(said, status)

    def _add(self) -> str:
        answer = self._client.tags.add(self.names, to=self._targets)
        lost = "".join(f" {tag} was taken from {holder[:8]}." for tag, holder in answer.lost.items())
        return f"{', '.join(self.names) or 'Nothing'} on {len(answer.targets):,} rows.{lost}"

    def _remove(self) -> str:
        return f"{self._client.tags.remove(self.names, to=self._targets):,} tags were taken off."
