"""Pages for people with a browser and no notebook: one page, whose script asks for its pieces with the reader's token.

A browser sends no header of ours by itself, and a cookie it would send to whoever asks. So the page
holds nothing and is open to all; the token is kept by the page's script for as long as the tab lives, and sent with
each piece that is asked for. Pieces are written here, by the escaping builder.
"""

from __future__ import annotations

from fastapi import FastAPI

from nbpipe.server.house import House
from nbpipe.server.pages_models import add_model_pages
from nbpipe.server.pages_runs import add_run_pages
from nbpipe.server.pages_snapshots import add_snapshot_pages
from nbpipe.server.static import file_route

# What a reader needs before they can show a token. Files of the package only.
OPEN = frozenset({("GET", "/"), ("GET", "/static/pages.js")})
PREFIX = "/pages"


def add_pages(application: FastAPI, house: House) -> None:
    """Put the page and its pieces among the routes."""
    router = application.router
    router.prefix = PREFIX
    for add in (add_snapshot_pages, add_run_pages, add_model_pages):
        add(router, house)
    router.routes.append(file_route("/", "pages.html"))
    router.routes.append(file_route("/static/pages.js", "pages.js"))
