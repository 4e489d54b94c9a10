"""What several pages are made of: links, tables, the numbers of pages, and the writing of a piece of a page.

Every address within a page begins with `#/`: there is one page, whose script asks for its pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from starlette.responses import HTMLResponse

from nbpipe.base.displaying import Displayed
from nbpipe.views.amounts import time_text
from nbpipe.views.markup import Child, Element, part, render
from nbpipe.views.theme import look


def piece(*children: Child, card: Displayed | None = None, after: Child = None) -> HTMLResponse:
    """Answer with a piece of a page.

    Args:
        children: What stands in it.
        card: A record whose card stands below, drawn as in a notebook.
        after: What stands below that.
    """
    drawn = card._repr_html_() if card is not None else ""
    # A quotation mark that is data is written otherwise, so this is an attribute wherever it stands.
    styled = (drawn or "").replace(' style="', ' data-style="')
    return HTMLResponse(f"{render(children, style_as='data-style')}{styled}{render(after, style_as='data-style')}")


def address(*steps: str) -> str:
    """Write the address of a piece: `#/models/iris`."""
    return "#/" + "/".join(quote(step, safe="") for step in steps)


def link(text: str, *steps: str) -> Element:
    """Write a link to a piece."""
    return part("a", text or "(no name)", href=address(*steps))


def status(word: str) -> Element | None:
    """Show how something stands, with its sign and its word."""
    if not word:
        return None
    return part("span", f"{look(word).sign} {look(word).word}".strip(), **{"class": "status", "data-status": word})


def moment(at: datetime | None) -> Element | None:
    """Show an instant; the page's script writes it in the reader's own zone."""
    return part("time", time_text(at), datetime=at.isoformat()) if at is not None else None


def table(columns: Sequence[str], rows: Sequence[Sequence[Child]], *, empty: str, caption: str = "") -> Element:
    """Draw a table, or a sentence if there is nothing in it."""
    if not rows:
        return part("p", empty, **{"class": "quiet"})
    heads = part("tr", [part("th", name, scope="col") for name in columns])
    body = [part("tr", [part("td", cell) for cell in row]) for row in rows]
    said = part("caption", caption) if caption else None
    return part("div", part("table", said, part("thead", heads), part("tbody", body)), **{"class": "wide"})


def search(place: str, text: str, label: str) -> Element:
    """Draw the field in which a list is narrowed down."""
    name = f"search-{place}"
    field = part("input", id=name, name="text", type="search", value=text, placeholder=label, **{"aria-label": label})
    return part(
        "form", field, part("button", "Search", type="submit"), **{"class": "search", "data-search": f"#/{place}"}
    )


def pager(place: str, page: int, pages: int, total: int, text: str) -> Element | None:
    """Draw the way to the pages before and after."""
    if pages <= 1:
        return None

    def to(number: int, label: str) -> Child:
        query = f"?page={number}" + (f"&text={quote(text, safe='')}" if text else "")
        return (
            part("a", label, href=f"#/{place}{query}")
            if 1 <= number <= pages
            else part("span", label, **{"class": "quiet"})
        )

    said = quiet(f"page {page:,} of {pages:,}, {total:,} in all")
    steps = to(page - 1, "← before"), said, to(page + 1, "after →")
    return part("nav", *steps, **{"class": "pager", "aria-label": "pages"})


def quiet(text: str) -> Element:
    """Write what matters less."""
    return part("span", text, **{"class": "quiet"})


def facts(rows: Sequence[tuple[str, Child]]) -> Element:
    """Draw names and values."""
    said = [(name, value) for name, value in rows if value not in (None, "")]
    cells = [part("tr", part("th", name, scope="row"), part("td", value)) for name, value in said]
    return part("table", part("tbody", cells), **{"class": "facts"})


def is_admin(state: Any) -> bool:
    """Tell whether who asks may change things."""
    return bool(state.admission.scope == "admin")
