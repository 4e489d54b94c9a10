"""The REST server as one application: its routes, and the gate before them.

Handlers are a call of a service each, in a thread of the pool, since the catalog waits for disks. What an address
needs to be shown is said at its route; the gate (`guard`) asks `admitting` of every one but those named open here.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from nbpipe.base.version import VERSION
from nbpipe.server import docs, pages
from nbpipe.server.addresses import check_origins, names_of
from nbpipe.server.admitting import Admitting
from nbpipe.server.answers import answer_errors
from nbpipe.server.bodies import StrictRoute
from nbpipe.server.guard import Guard, GuardSettings, Served
from nbpipe.server.house import House
from nbpipe.server.queries import refuse_unknown_queries
from nbpipe.server.routes_lists import add_lists
from nbpipe.server.routes_models import add_models
from nbpipe.server.routes_runs import add_runs
from nbpipe.server.routes_snapshots import add_snapshots
from nbpipe.server.shapes import Refused

# For these nobody is asked who they are: they hold nothing of the workspace.
OPEN = frozenset({("GET", "/health")}) | docs.OPEN | pages.OPEN
_API = "/api/v1"
_LOG = logging.getLogger("nbpipe.server")
_SAID = {
    401: "A token is missing, or is not good.",
    403: "The token is too narrow.",
    404: "There is no such thing.",
    409: "It is taken, over, or not to be had here.",
    413: "The body is too long.",
    415: "The body does not say to be JSON.",
    422: "Something does not fit.",
    429: "Too many runs wait.",
    503: "The workspace cannot be used just now.",
}
_DESCRIPTION = (
    "Pipelines, their snapshots and runs, artifacts and models of one workspace. "
    "Every address but /health needs a token: `Authorization: Bearer nbp_…`."
)


def make_server(
    house: House,
    *,
    host: str = "127.0.0.1",
    further_hosts: frozenset[str] = frozenset(),
    origins: frozenset[str] = frozenset(),
) -> Guard:
    """Make the server's application with its gate.

    Args:
        house: What is served.
        host: What it is bound to.
        further_hosts: Other names by which it may be addressed, such as that of a proxy before it.
        origins: Other sites whose pages may call it.

    Raises:
        BadValueError: A site that is none.
    """
    check_origins(origins)
    application = make_application(house)
    settings = GuardSettings(names_of(host, further_hosts), open_paths=OPEN, origins=origins)
    return Guard(application, settings, Admitting(house.client.tokens, application.routes), _log)


def make_application(house: House) -> FastAPI:
    """Make the application behind the gate."""
    application = FastAPI(
        title="nbpipe",
        version=VERSION,
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(refuse_unknown_queries)],
        responses={status: {"description": said, "model": Refused} for status, said in _SAID.items()},
    )
    router = application.router
    router.route_class = StrictRoute
    answer_errors(application)

    @router.get("/health", tags=["server"])
    def health() -> dict[str, str]:
        """Say that the server answers; this needs no token."""
        return {"status": "ok"}

    # Not routers of their own: what is included counts as one route to whoever walks through them.
    router.prefix = _API
    for add in (add_lists, add_snapshots, add_runs, add_models):
        add(router, house)
    pages.add_pages(application, house)
    # FastAPI's own way to have the document written otherwise.
    application.openapi = lambda: _document(application)  # type: ignore[method-assign]

    async def document(_request: Request) -> JSONResponse:
        return JSONResponse(application.openapi())

    router.routes.append(Route("/openapi.json", document, methods=["GET"], include_in_schema=False))
    router.routes.extend(docs.docs_routes(application.openapi))
    return application


def _document(application: FastAPI) -> dict[str, Any]:
    """Write the OpenAPI document, once."""
    if application.openapi_schema is None:
        made = get_openapi(
            title=application.title,
            version=application.version,
            description=application.description,
            routes=application.routes,
        )
        components = made.setdefault("components", {})
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        application.openapi_schema = made
    return application.openapi_schema


def _log(served: Served) -> None:
    _LOG.info(
        "%s %s %s %d %.1f ms %s",
        served.request_id,
        served.method,
        ascii(served.path)[1:-1],
        served.status,
        served.took_s * 1000,
        served.who or "-",
    )
