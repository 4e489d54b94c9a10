"""Runs whose process died: their end is recorded by whoever is about to lean on what became of them.

A version that such a run was making is a failed one, and `latest` must not answer with it.
"""

from __future__ import annotations

from nbpipe.errors import CatalogError, WorkspaceError
from nbpipe.records.models import ModelStages
from nbpipe.services.workspace import Workspace


def settle_dead_runs(workspace: Workspace) -> None:
    """Record the end of each run whose process died; if that cannot be done now, somebody else will."""
    catalog = workspace.catalog
    if catalog.on_dead_run is None or not workspace.paths.root.is_dir():
        return
    try:
        catalog.settle_dead(catalog.on_dead_run)
    except (CatalogError, WorkspaceError):
        # A look-up goes on with what is known: it must not fail because a disk is full.
        return


def settle_before_latest(workspace: Workspace, version: str | int | None) -> None:
    """Settle dead runs if a look-up asks for the latest version, which depends on them."""
    if version is None or str(version).strip().casefold() in ("", ModelStages.LATEST):
        settle_dead_runs(workspace)
