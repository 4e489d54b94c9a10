"""Bringing deployments up, taking them over and down: the row and the processes, changed together.

The row says what is meant and the processes follow; where they cannot, the row says again what it said
before. Whoever does any of this holds the one lock for it (`serving_process.one_at_a_time`), so that no
two do it at once. What may be deployed was checked before.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from socket import socket
from urllib.parse import urlsplit

from nbpipe.base.serving_folder import ServingFolder, Wanted
from nbpipe.errors import DeploymentError, NotFoundError
from nbpipe.records.deployments import DeploymentSettings, free_ports
from nbpipe.records.operations import (
    DeleteDeployment,
    RestartDeployment,
    StartDeployment,
    StopDeployment,
)
from nbpipe.records.state import Row
from nbpipe.services.serving_process import bring_down, listen_on, one_at_a_time, start_keeper, url_of, wait_for
from nbpipe.services.snapshot_finding import find_snapshot
from nbpipe.services.snapshot_running import check_runnable
from nbpipe.services.workspace import Workspace

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a deployment is to answer.

    Attributes:
        host: The address to bind.
        port: The port that is asked for; `None` for any.
    """

    host: str = LOOPBACK
    port: int | None = None

    @classmethod
    def of(cls, row: Row) -> Place:
        """Give the place of a deployment; its address names no host if it answers at all of this machine's."""
        parts = urlsplit(row["url"])
        return cls((row.get("settings") or {}).get("host") or parts.hostname or LOOPBACK, parts.port)

    def admits(self, other: Place) -> bool:
        """Tell whether a deployment at `other` is where it is asked to be."""
        return self.host == other.host and self.port in (None, other.port)


def folder_of(workspace: Workspace, deployment_id: str) -> ServingFolder:
    """Give the folder of a deployment."""
    return ServingFolder(workspace.paths.deployments / deployment_id)


def bring_up(
    workspace: Workspace, operation: StartDeployment | RestartDeployment, former: Row | None, place: Place
) -> Row:
    """Have a deployment answer.

    Args:
        workspace: Where it is kept.
        operation: What is to be served, all but where.
        former: What the deployment was so far.
        place: Where it is to answer.

    Raises:
        ConflictError: The port cannot be had.
        DeploymentError: It could not be brought to answer; the row says again what it said before.
    """
    if former is None:
        with closing(listen_on(place.host, free_ports(place.port))) as listening:
            return _begin(workspace, operation, None, listening)
    folder, there = folder_of(workspace, former["id"]), Place.of(former)
    if folder.is_kept and place.admits(there):
        return _take_over(workspace, operation.model_copy(update={"url": former["url"]}), former, folder)
    # One that is not up comes back where it was, if it can.
    again = (there.port,) if place.admits(there) and place.port is None and there.port else ()
    with closing(listen_on(place.host, (*again, *free_ports(place.port)))) as listening:
        if folder.is_kept:
            bring_down(folder, former["generation"], drain_of(former))
        return _begin(workspace, operation, former, listening)


def _begin(
    workspace: Workspace, operation: StartDeployment | RestartDeployment, former: Row | None, listening: socket
) -> Row:
    row = workspace.catalog.transact(operation.model_copy(update={"url": url_of(listening)}))
    folder = folder_of(workspace, row["id"])
    try:
        folder.make()
        folder.want(Wanted(row["generation"], drain_s=drain_of(row)))
        start_keeper(workspace.paths, folder, row["id"], listening)
        # From here on the socket is the keeper's alone: should that be killed, the port is free again.
        listening.close()
        _expect(folder, row)
    except BaseException:
        bring_down(folder, row["generation"], 0.0)
        _undo(workspace, row, former)
        raise
    return row


def _take_over(
    workspace: Workspace, operation: StartDeployment | RestartDeployment, former: Row, folder: ServingFolder
) -> Row:
    row = workspace.catalog.transact(operation)
    try:
        folder.want(Wanted(row["generation"], drain_s=drain_of(former)))
        _expect(folder, row)
    except BaseException:
        # What was served so far is served still, under a generation of its own.
        undone = _undo(workspace, row, former)
        folder.want(Wanted(undone["generation"], stop=former["stopped"] is not None, drain_s=drain_of(row)))
        raise
    return row


def _undo(workspace: Workspace, row: Row, former: Row | None) -> Row:
    """Have the row say again what it said before the deployment could not be brought up."""
    catalog = workspace.catalog
    if former is None:
        shutil.rmtree(folder_of(workspace, row["id"]).path, ignore_errors=True)
        return catalog.transact(DeleteDeployment(id=row["id"]))
    told = {name: former[name] for name in ("id", "name", "pipeline", "snapshot_id", "url", "settings")}
    back = catalog.transact(StartDeployment(**told, replace=True))
    return catalog.transact(StopDeployment(id=row["id"])) if former["stopped"] is not None else back


def _expect(folder: ServingFolder, row: Row) -> None:
    standing = wait_for(folder, row["generation"])
    if standing.status == "failed":
        raise DeploymentError(f"Deployment {row['name']!r} cannot serve: {standing.error}")


def restart_deployment(workspace: Workspace, deployment_id: str, port: int | None = None) -> Row:
    """Start a deployment anew: another process takes over, or one that was stopped or killed comes back.

    Args:
        workspace: Where it is kept.
        deployment_id: The deployment.
        port: Where it is to answer from now on; where it did if none is given.

    Raises:
        NotFoundError: It was deleted, or its snapshot was.
        ConflictError: Its port cannot be had any more.
        EnvironmentMismatchError: A package that its steps import is not installed any more.
        DeploymentError: It could not be brought to answer.
    """
    with one_at_a_time(workspace.paths):
        former = _there(workspace, deployment_id)
        check_runnable(find_snapshot(workspace, former["snapshot_id"]))
        operation = RestartDeployment(id=deployment_id, url=former["url"])
        place = Place.of(former)
        return bring_up(workspace, operation, former, place if port is None else replace(place, port=port))


def stop_deployment(workspace: Workspace, deployment_id: str) -> Row:
    """Stop a deployment, and wait until it has finished what it accepted; one that is stopped stays so.

    Raises:
        NotFoundError: It was deleted.
        DeploymentError: It does not end.
    """
    with one_at_a_time(workspace.paths):
        return _stop(workspace, deployment_id)


def delete_deployment(workspace: Workspace, deployment_id: str) -> None:
    """Stop a deployment and forget it: its name is free again. Its runs stay.

    Raises:
        NotFoundError: It was deleted.
        DeploymentError: It does not end.
    """
    with one_at_a_time(workspace.paths):
        _stop(workspace, deployment_id)
        workspace.catalog.transact(DeleteDeployment(id=deployment_id))
        shutil.rmtree(folder_of(workspace, deployment_id).path, ignore_errors=True)


def _stop(workspace: Workspace, deployment_id: str) -> Row:
    row = workspace.catalog.transact(StopDeployment(id=deployment_id))
    bring_down(folder_of(workspace, deployment_id), row["generation"], drain_of(row))
    return row


def drain_of(row: Row) -> float:
    """Give how long what a deployment accepted may still take when it is ended, in seconds."""
    return float((row.get("settings") or {}).get("drain_s", DeploymentSettings().drain_s))


def _there(workspace: Workspace, deployment_id: str) -> Row:
    row = workspace.catalog.state().deployments.get(deployment_id)
    if row is None:
        raise NotFoundError("deployment", deployment_id)
    return row
