"""Looking again as long as somebody looks, with a real widget and no front end."""

from __future__ import annotations

from threading import Event
from threading import enumerate as threads

from ipywidgets import HTML

from nbpipe.widgets.schedule_watch import Watch

PATIENCE_S = 30


def test_it_looks_again_and_again_while_the_widget_is_shown_and_no_longer() -> None:
    page, seen = HTML(), [Event(), Event()]

    def look() -> None:
        seen[seen[0].is_set()].set()

    watch = Watch(page, look, every_s=0.01)
    assert not watch.is_on

    page._view_count = 1
    page._view_count = 2
    assert all(event.wait(PATIENCE_S) for event in seen)
    page._view_count = 1
    assert watch.is_on
    page._view_count = 0

    assert not watch.is_on
    for thread in [one for one in threads() if one.name == "nbpipe-board"]:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_a_widget_that_is_closed_is_watched_no_longer() -> None:
    page, looked = HTML(), Event()
    Watch(page, looked.set, every_s=0.01)._page._view_count = 1
    assert looked.wait(PATIENCE_S)

    page.close()

    for thread in [one for one in threads() if one.name == "nbpipe-board"]:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
