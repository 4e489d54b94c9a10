"""The functions that a deployment has besides its pipeline: kept as text under a digest, like steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbpipe.base.digest import canonical_json
from nbpipe.define.functions import source_of_function
from nbpipe.errors import ArtifactDamagedError, CatalogDamagedError
from nbpipe.records.base import Record
from nbpipe.records.deployments import DeploymentSettings, split_route
from nbpipe.records.state import Row
from nbpipe.services.workspace import Workspace
from nbpipe.source.closure import Source


class RouteText(Record):
    """A route of the user's own.

    Attributes:
        method: Such as `GET`.
        path: Where it answers.
        source: Its text, and what it leans on.
    """

    method: str
    path: str
    source: Source


class DeployedFunctions(Record):
    """All functions of a deployment.

    Attributes:
        routes: Those that answer paths.
        middleware: Those around each request, the outermost first.
    """

    routes: tuple[RouteText, ...] = ()
    middleware: tuple[Source, ...] = ()

    @property
    def sources(self) -> Sequence[Source]:
        """All of them."""
        return (*(route.source for route in self.routes), *self.middleware)


def read_functions(settings: DeploymentSettings) -> DeployedFunctions:
    """Read the functions of settings.

    Raises:
        DefinitionError: One is no function with a text.
        UncapturedNameError: One reads a name that is no text.
    """
    routes = []
    for said, function in settings.routes.items():
        method, path = split_route(said)
        routes.append(RouteText(method=method, path=path, source=source_of_function(function, f"Route {said!r}")))
    around = (source_of_function(function, "Middleware") for function in settings.middleware)
    return DeployedFunctions(routes=tuple(routes), middleware=tuple(around))


def keep_functions(workspace: Workspace, functions: DeployedFunctions) -> str:
    """Keep functions and give the blob that holds them; `""` if there are none."""
    if not functions.sources:
        return ""
    return workspace.store.blobs.write((canonical_json(functions.model_dump(mode="json")),))


def functions_of(workspace: Workspace, row: Row) -> DeployedFunctions:
    """Give the functions of a deployment.

    Raises:
        CatalogDamagedError: They are gone, or no longer what they were.
    """
    settings: Mapping[str, Any] = row["settings"] or {}
    blob = settings.get("functions", "")
    if not blob:
        return DeployedFunctions()
    try:
        workspace.store.blobs.verify(blob)
        return DeployedFunctions.model_validate_json(bytes(workspace.store.blobs.open(blob)))
    except (ArtifactDamagedError, ValueError) as error:
        why = f"the routes of deployment {row['name']!r}: {error}"
        raise CatalogDamagedError(workspace.paths.blobs, why, cure="Deploy it again.") from None
