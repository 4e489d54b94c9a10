"""Reading JSON that somebody sent: what is no JSON by the standard, or is too deep, is refused.

Python's own reader takes `NaN` for a number and lets a name stand twice; both would come out of here as something that
nobody meant. How long a body may be is `guard`'s affair, what has to stand in it that of who asked for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

DEEPEST = 64
_TOO_DEEP = f"deeper than {DEEPEST} levels"


class NoJsonError(json.JSONDecodeError):
    """A body is not JSON, or too deep. FastAPI answers it with 422, as it does its base."""


def read_json(body: bytes) -> Any:
    """Read a body.

    Raises:
        NoJsonError: It is no JSON in UTF-8, holds a number that JSON does not know, one name twice, or is deeper than
            64 levels.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NoJsonError("Not UTF-8", "", error.start) from None
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=_once)
    except NoJsonError:
        raise
    except json.JSONDecodeError as error:
        raise NoJsonError(error.msg, text, error.pos) from None
    except RecursionError:
        raise NoJsonError(_TOO_DEEP, text, 0) from None
    except ValueError:  # an integer of more digits than Python reads
        raise NoJsonError("A number has too many digits", text, 0) from None
    if _is_deeper(value, DEEPEST):
        raise NoJsonError(_TOO_DEEP, text, 0)
    if "\\u" in text and not _is_unicode(value):
        raise NoJsonError("Half of a surrogate pair", text, 0)
    return value


class StrictRequest(Request):
    """A request whose body is read as `read_json` does."""

    async def json(self) -> Any:
        """Read the body as JSON."""
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json


class StrictRoute(APIRoute):
    """A route whose bodies are read as `read_json` does; give it to a router as its `route_class`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give what answers a request."""
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly


def _no_number(text: str) -> Any:
    raise NoJsonError(f"{text} is no number in JSON", text, 0)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise NoJsonError("A number is too large", text[:80], 0)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise NoJsonError(f"{name[:80]!r} stands twice in an object", "", 0)
        found[name] = value
    return found


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_deeper(value: Any, levels: int) -> bool:
    """Tell whether lists and objects stand in one another more than `levels` deep."""
    layer = [value]
    for _ in range(levels + 1):
        inner: list[Any] = []
        for each in layer:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        layer = [each for each in inner if isinstance(each, dict | list)]
        if not layer:
            return False
    return True
