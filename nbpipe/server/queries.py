"""What stands behind the `?` of an address: a name that a route does not know is refused, with the nearest one.

Whoever mistypes a filter would else be shown everything, and believe it.
"""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request

from nbpipe.errors import nearest


def refuse_unknown_queries(request: Request) -> None:
    """Refuse a request that names what its route does not know.

    Raises:
        RequestValidationError: It does; each such name is told.
    """
    route = request.scope.get("route")
    known = names_known(route) if isinstance(route, APIRoute) else set()
    wrong = [name for name in dict.fromkeys(request.query_params) if name not in known]
    if wrong:
        raise RequestValidationError([_problem(name, known) for name in wrong])


def names_known(route: APIRoute) -> set[str]:
    """Give the names that a route takes behind the `?`."""
    found: set[str] = set()
    for parameter in route.dependant.query_params:
        kind = parameter.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found |= {info.alias or name for name, info in kind.model_fields.items()}
        else:
            found.add(parameter.alias)
    return found


def _problem(name: str, known: set[str]) -> dict[str, object]:
    near = nearest(name, sorted(known))
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return {"loc": ("query", name[:80]), "msg": f"is not known here{hint}", "type": "extra_forbidden"}
