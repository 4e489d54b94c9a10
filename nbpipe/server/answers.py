"""Errors as answers: which status an error has, and what stands in the body.

The body is always `{"detail": …}`: a sentence, or for values that do not fit a list of `{"loc": [...], "msg": …,
"type": …}`, one for each. Neither ever holds a frame of ours, nor what an error says that nobody foresaw: that is for
the log.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nbpipe.errors import (
    AmbiguousNameError,
    ArtifactError,
    BundleDamagedError,
    NbpipeError,
    ParameterError,
    QueueFullError,
)

UNFORESEEN = "Something went wrong here; the server's log says what."
# What an error means to who made it, as on the command line.
_BY_EXIT_CODE = {1: 500, 2: 422, 3: 404, 4: 409, 5: 503, 6: 409}
_OTHERWISE: tuple[tuple[type[NbpipeError], int], ...] = (
    (AmbiguousNameError, 409),
    (ArtifactError, 409),
    (BundleDamagedError, 422),
    (QueueFullError, 429),
)
_PART = re.compile(r"[^.\[\]]+")


def status_of(error: NbpipeError) -> int:
    """Give the status of an error that nbpipe raises on purpose."""
    for kind, status in _OTHERWISE:
        if isinstance(error, kind):
            return status
    return _BY_EXIT_CODE.get(error.exit_code, 500)


def detail_of(error: NbpipeError, at: Sequence[str | int] = ("body",)) -> Any:
    """Give what stands under `detail`.

    Args:
        error: What was raised.
        at: Where the values stood that a `ParameterError` is about, such as `("body", "parameters")`.
    """
    if isinstance(error, ParameterError):
        return [problem(said, *at, *_parts(name)) for name, said in error.problems.items()]
    return str(error)


def problem(said: str, *location: str | int, kind: str = "value_error") -> dict[str, Any]:
    """Give one entry of a list under `detail`."""
    return {"loc": list(location), "msg": said, "type": kind}


def answer(error: NbpipeError, at: Sequence[str | int] = ("body",)) -> JSONResponse:
    """Answer with an error."""
    return JSONResponse({"detail": detail_of(error, at)}, status_of(error))


def answer_errors(application: Starlette) -> None:
    """Have an application answer every error as described above."""
    application.add_exception_handler(NbpipeError, _foreseen)
    application.add_exception_handler(HTTPException, _of_the_protocol)
    application.add_exception_handler(RequestValidationError, _ill_formed)
    # It is raised once more after this answer, so that `guard` can log it.
    application.add_exception_handler(Exception, _unforeseen)


async def _foreseen(_request: Request, error: Exception) -> Response:
    assert isinstance(error, NbpipeError)
    return answer(error)


async def _of_the_protocol(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    said = error.detail
    if error.status_code == 404 and said == "Not Found":
        said = "There is nothing at this address."
    elif error.status_code == 405:
        said = f"This address does not answer a {request.method}."
    return JSONResponse({"detail": said}, error.status_code, headers=dict(error.headers or {}))


async def _ill_formed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = [problem(each["msg"], *each["loc"], kind=each["type"]) for each in error.errors()]
    return JSONResponse({"detail": detail}, 422)


async def _unforeseen(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"detail": UNFORESEEN}, 500)


def _parts(name: str) -> list[str | int]:
    """Take a dotted name apart; the number of an item is one."""
    return [int(part) if part.isdigit() and part.isascii() else part for part in _PART.findall(name)]
