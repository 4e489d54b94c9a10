"""Who may do what on the REST server: a token is judged by the catalog, and its scope by what the route says it needs.

Nothing is remembered between two requests, so a token that is revoked anywhere opens nothing from then on. A route
that does not say what it needs, and an address where there is none, are not thereby open: the first needs the widest
scope, the second any token that is good.
"""

from __future__ import annotations

from collections.abc import Sequence

from anyio import CapacityLimiter, to_thread
from starlette.routing import BaseRoute, Route

from nbpipe.errors import CatalogError
from nbpipe.records.tokens import TokenScope
from nbpipe.server.answers import status_of
from nbpipe.server.guard import Admission, Refusal
from nbpipe.server.house import NEEDS
from nbpipe.services.tokens import TokenService

MISSING = "A token is needed: send it as `Authorization: Bearer nbp_…`. `nbpipe token create NAME` makes one."
# What says nothing itself: the description of the API, which holds nothing of the workspace.
_OF_PLAIN_ROUTES = {"/openapi.json": TokenScope.INVOKE, "/docs/operations": TokenScope.INVOKE}
# Judging must not wait behind handlers that have all of the other threads.
_AT_ONCE = 4


class Admitting:
    """Judges tokens.

    Args:
        tokens: What is known of tokens.
        routes: The server's routes, each with what it needs.
    """

    def __init__(self, tokens: TokenService, routes: Sequence[BaseRoute]) -> None:
        self._tokens = tokens
        self._needed = [
            (route.path_regex, route.methods or set(), scope_of(route)) for route in routes if isinstance(route, Route)
        ]
        self._limiter: CapacityLimiter | None = None

    async def __call__(self, token: str | None, method: str, path: str) -> Admission | Refusal:
        """Say whether who shows this token may do that."""
        if token is None:
            return Refusal(401, MISSING)
        # Made in the event loop that it is used in.
        self._limiter = self._limiter or CapacityLimiter(_AT_ONCE)
        try:
            record = await to_thread.run_sync(self._tokens.judge, token, limiter=self._limiter)
        except CatalogError as error:
            return Refusal(status_of(error), str(error))
        if record is None:
            return Refusal(401, "This token is not valid.")
        if record.status != "valid":
            return Refusal(401, f"This token is {record.status}.")
        needed = self.needed(method, path)
        if not record.scope.covers(needed):
            return Refusal(403, f"This needs a token of scope {needed.value!r}; this one has {record.scope.value!r}.")
        return Admission(record.name, record.scope.value)

    def needed(self, method: str, path: str) -> TokenScope:
        """Give the scope that a request needs."""
        asked = "GET" if method == "HEAD" else method
        for pattern, methods, scope in self._needed:
            if asked in methods and pattern.match(path):
                return scope
        return TokenScope.INVOKE


def scope_of(route: Route) -> TokenScope:
    """Give the scope that a route says it needs, or else the widest."""
    said = getattr(route, "openapi_extra", None) or {}
    return TokenScope(said.get(NEEDS, _OF_PLAIN_ROUTES.get(route.path, TokenScope.ADMIN)))
