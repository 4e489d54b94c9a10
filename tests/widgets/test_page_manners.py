"""One widget attends to every page, and stays when a page is closed."""

from __future__ import annotations

from ipywidgets import Text

from nbpipe.widgets import appearance
from nbpipe.widgets.page_manners import PageManners


def manners_of(page: object) -> list[PageManners]:
    return [child for child in page.children if isinstance(child, PageManners)]  # type: ignore[attr-defined]


def test_all_pages_share_the_one_that_attends_to_them() -> None:
    one, other = appearance.page([Text()]), appearance.page([Text()])

    assert manners_of(one) == manners_of(other)
    assert len(manners_of(one)) == 1
    assert "nbpipe-page" in one._dom_classes


def test_a_page_that_is_closed_leaves_it_to_the_others() -> None:
    kept, closed = appearance.page([]), appearance.page([])

    appearance.close([closed])

    assert manners_of(kept)[0].comm is not None
    assert closed.comm is None
