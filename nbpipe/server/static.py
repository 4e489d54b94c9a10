"""The files that pages are made of, as they stand in the package: each named here, none found by its address."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent.parent / "static"
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


def file_route(address: str, name: str) -> Route:
    """Answer an address with a file of the package, which holds nothing of any workspace."""

    async def file(_request: Request) -> Response:
        # They change with the version of the package only, but a browser that kept one of before would break the page.
        return Response(_text(name), media_type=_KINDS[Path(name).suffix], headers={"cache-control": "no-cache"})

    return Route(address, file, methods=["GET"], name=name, include_in_schema=False)


@cache
def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
