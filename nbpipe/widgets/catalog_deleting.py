"""Deleting the selected rows of the browser: what depends on them is told before.

What hinders is told too; whoever confirms then insists, as `force` does in a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nbpipe.services.browsing import BrowsedRow
from nbpipe.services.browsing_nouns import NOUNS
from nbpipe.services.dependents import Dependent
from nbpipe.views.markup import element, one_line
from nbpipe.widgets import appearance

if TYPE_CHECKING:
    from nbpipe.services.client import Client

# The service of each noun, and its verb.
_VERBS = {
    "runs": ("runs", "delete"),
    "artifacts": ("artifacts", "delete"),
    "models": ("models", "delete_model"),
    "model_versions": ("models", "delete"),
    "snapshots": ("snapshots", "delete"),
    "pipelines": ("pipelines", "delete"),
    "tags": ("tags", "delete"),
}
# These delete a list in one go: all of it or nothing.
_TOGETHER = ("runs", "artifacts")
_WITHOUT_FORCE = ("snapshots", "tags")
_MOST_NAMES = 5


@dataclass(frozen=True)
class Deletion:
    """What is about to be deleted.

    Attributes:
        noun: What it is.
        rows: The rows.
        dependents: What depends on them.
        delete: Deletes them, and says so.
    """

    noun: str
    rows: Sequence[BrowsedRow]
    dependents: Sequence[Dependent]
    delete: Callable[[], str] = field(compare=False)

    @property
    def what(self) -> str:
        """The rows, in a few words."""
        names = ", ".join(one_line(row.label)[:60] for row in self.rows[:_MOST_NAMES])
        more = len(self.rows) - _MOST_NAMES
        return f"{names} and {more:,} more" if more > 0 else names

    @property
    def said(self) -> list[str]:
        """What would happen, a sentence each."""
        return [f"{self.what} would be deleted", *(dependent.said for dependent in self.dependents)]

    @property
    def is_hindered(self) -> bool:
        """Whether it takes somebody who insists."""
        return any(dependent.hinders for dependent in self.dependents)

    @property
    def confirm_text(self) -> str:
        """What stands on the button that deletes."""
        count = f"{len(self.rows):,} {NOUNS[self.noun].said}{'s' if len(self.rows) > 1 else ''}"
        return f"Confirm: delete {count}{' anyway' if self.is_hindered else ''}"

    @cached_property
    def widget(self) -> Any:
        """The announcement, as a widget."""
        lines = [
            element("div", ("⚠ " if dependent.hinders else "· ") + one_line(dependent.said))
            for dependent in self.dependents
        ]
        first = element("div", f"{self.what} would be deleted. This cannot be undone.")
        return appearance.markup(appearance.framed(first, *lines) + appearance.said("", ""))


def deletion_of(client: Client, noun: str, rows: Sequence[BrowsedRow]) -> Deletion:
    """Ask what depends on rows, and say how they are deleted.

    Raises:
        NotFoundError: One of them is gone.
    """
    service_name, verb = _VERBS[noun]
    service = getattr(client, service_name)
    delete = getattr(service, verb)
    targets = [row.ref if row.kind is not None else row.id for row in rows]
    dependents = _dependents(service, noun, targets)
    force = {"force": True} if any(one.hinders for one in dependents) and noun not in _WITHOUT_FORCE else {}

    def now() -> str:
        if noun in _TOGETHER:
            delete(targets, **force)
        else:
            for target in targets:
                delete(target, **force)
        return f"{Deletion(noun, rows, dependents, now).what} {'is' if len(rows) == 1 else 'are'} deleted."

    return Deletion(noun, tuple(rows), tuple(dependents), now)


def _dependents(service: Any, noun: str, targets: Sequence[Any]) -> list[Dependent]:
    if noun in _TOGETHER:
        return list(service.dependents(list(targets)))
    return [one for target in targets for one in service.dependents(target)]
