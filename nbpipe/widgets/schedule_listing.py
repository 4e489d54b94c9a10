"""Which schedules the board lists: those that fit, in an order that one chooses, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from traitlets import HasTraits, observe, validate

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.widgets.given import Given
from nbpipe.widgets.schedule_seen import SORTS, SeenSchedule, SeenSchedules, in_order, matching
from nbpipe.widgets.schedule_tables import view_of

PAGE_SIZE = 12


class ScheduleListing(HasTraits):
    """Base of the board: its list.

    Attributes:
        find: Only those are listed whose name, pipeline or snapshot holds this.
        sort: What they are in order of: `name`, `status` or `next`; with a `-` before it the other way round.
        page: Which page of the list is shown, from 1.
    """

    find = Given("")
    sort = Given("name")
    page = Given(1)

    _seen: SeenSchedules

    @property
    def schedules(self) -> list[ScheduleRecord]:
        """Those that are listed, on all pages, in their order."""
        return [one.record for one in self._listed()]

    def _listed(self) -> list[SeenSchedule]:
        return in_order(matching(self._seen.all, self.find), self.sort)

    def _pages(self, number: int) -> int:
        return max(1, -(-number // PAGE_SIZE))

    @validate("find", "sort", "page")
    def _valid_view(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if name == "find" and not isinstance(value, str):
            raise BadValueError(f"find={shorten(value)} should be a text.")
        if name == "sort" and (not isinstance(value, str) or value.removeprefix("-") not in SORTS):
            raise BadValueError(f"sort={shorten(value)} should be {', '.join(SORTS)}, or '-name' to turn it round.")
        if name == "page" and (type(value) is not int or value < 1):
            raise BadValueError(f"page={shorten(value)} should be a number from 1 on.")
        return value

    @observe("find", "sort", "page")
    def _listed_otherwise(self, change: Any) -> None:
        if change["name"] != "page":
            self.page = 1
        self._draw()

    def _pressed_in_table(self, message: Mapping[str, Any]) -> None:
        match message.get("do"):
            case "open" if isinstance(message.get("id"), str):
                self._open(message["id"])
            case "sort" if message.get("column") in SORTS:
                self.sort = f"-{message['column']}" if self.sort == message["column"] else message["column"]
            case "page" if message.get("by") in (1, -1):
                self._turn(message["by"])

    def _turn(self, by: int) -> None:
        last = self._pages(len(self._listed()))
        self.page = min(max(1, min(self.page, last) + by), last)

    def _page(self, at: datetime, opened: str) -> tuple[dict[str, Any], bool, bool]:
        """Write the page that is shown, and tell whether there is one before it and one behind it."""
        listed = self._listed()
        last = self._pages(len(listed))
        page = min(self.page, last)
        first = (page - 1) * PAGE_SIZE
        view = view_of(
            listed[first : first + PAGE_SIZE],
            at,
            first=first + 1,
            total=len(listed),
            sort=self.sort,
            opened=opened,
            nothing="None fits." if self.find.strip() else "There are no schedules yet: press New.",
        )
        return view, page > 1, page < last

    def _open(self, schedule_id: str) -> None:
        raise NotImplementedError

    def _draw(self) -> None:
        raise NotImplementedError
