"""Deployments, as a caller meets them: a name, an address, and how it stands.

The row is the operation log's; how it stands is what its processes say in its folder, believed only as
long as the lock there is held. Nothing here asks a query.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.base.serving_folder import ServingFolder
from nbpipe.records.base import shorten
from nbpipe.records.deployments import DeploymentSettings, DeploymentStatus
from nbpipe.records.state import Row
from nbpipe.services.deploying import delete_deployment, folder_of, restart_deployment, stop_deployment
from nbpipe.services.instants import as_instant
from nbpipe.services.invoking import Answer, call
from nbpipe.services.snapshot_finding import find_snapshot
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    from nbpipe.services.snapshot_records import Snapshot

_TAIL_BYTES = 1 << 20
_APART = ("key", "functions", "host")


@dataclass(frozen=True)
class Deployment(Displayed):
    """One deployment, as its row was when it was asked for; how it stands is asked anew each time.

    Attributes:
        id: Its id.
        name: Its name.
        pipeline: The pipeline that it serves.
        snapshot_id: The snapshot that it serves.
        url: Where it answers.
        generation: How often it was started, restarted or replaced.
        started: When it was started the last time.
        is_meant_to_serve: Whether it is to serve, and was not stopped.
        has_key: Whether requests need an api key.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "status": "text",
        "url": "text",
        "pipeline": "text",
        "snapshot": "text",
        "started": "instant",
        "id": "text",
    }

    id: str
    name: str
    pipeline: str
    snapshot_id: str
    url: str
    generation: int
    started: datetime
    is_meant_to_serve: bool
    has_key: bool
    settings: DeploymentSettings = field(repr=False)
    workspace: Workspace = field(repr=False, compare=False)
    # Known to who made it only, in this process: what is kept is its digest.
    api_key: str | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return f"<Deployment {shorten(self.name)} of {shorten(self.pipeline)} at {self.url}: {self.status.value}>"

    @property
    def folder(self) -> ServingFolder:
        """Where its processes say how it stands."""
        return folder_of(self.workspace, self.id)

    @property
    def status(self) -> DeploymentStatus:
        """How it stands now."""
        standing = self.folder.standing()
        if not self.folder.is_kept:
            if not self.is_meant_to_serve:
                return DeploymentStatus.STOPPED
            failed = standing is not None and standing.status == "failed" and standing.generation == self.generation
            return DeploymentStatus.FAILED if failed else DeploymentStatus.DOWN
        if standing is None or standing.generation < self.generation:
            return DeploymentStatus.STARTING if self.is_meant_to_serve else DeploymentStatus.STOPPING
        return DeploymentStatus(standing.status)

    @property
    def error(self) -> str:
        """Why it failed, or why its process ended the last time; `""` if it did not."""
        standing = self.folder.standing()
        return standing.error if standing is not None else ""

    @property
    def restarts(self) -> int:
        """How often its process ended and was started again, since it is kept up."""
        standing = self.folder.standing()
        return standing.restarts if standing is not None else 0

    @property
    def pid(self) -> int:
        """The process that answers; 0 if none does."""
        standing = self.folder.standing()
        return standing.pid if standing is not None and self.folder.is_kept else 0

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that it serves.

        Raises:
            NotFoundError: It was deleted.
        """
        return find_snapshot(self.workspace, self.snapshot_id)

    def invoke(
        self,
        parameters: Mapping[str, Any] | None = None,
        /,
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        **values: Any,
    ) -> Answer:
        """Invoke it with values of its parameters; the others have their defaults.

        Args:
            parameters: Values by name, for those that are named as an argument here is.
            api_key: Its key, if it has one; that of the environment variable `NBPIPE_API_KEY` if not given.
            timeout_s: How long to wait for the answer, in seconds.
            values: Values by name.

        Raises:
            ParameterError: Values that do not fit; each is named.
            StepFailedError: A step failed.
            DeploymentError: It does not answer, or does not let us.
            TimeoutError: It took too long.
        """
        key = api_key or self.api_key or os.environ.get("NBPIPE_API_KEY")
        return call(self.name, self.url, {**(parameters or {}), **values}, key, timeout_s)

    def stop(self) -> Deployment:
        """Stop it: what it has accepted is finished, its name and address stay its own."""
        return deployment_in(stop_deployment(self.workspace, self.id), self.workspace, self.api_key)

    def restart(self, port: int | None = None) -> Deployment:
        """Start it anew: by another process, or after it was stopped or its process was killed.

        Args:
            port: Where it is to answer from now on; where it did if none is given.
        """
        return deployment_in(restart_deployment(self.workspace, self.id, port), self.workspace, self.api_key)

    def delete(self) -> None:
        """Stop it and forget it; its runs stay."""
        delete_deployment(self.workspace, self.id)

    def logs(self, limit: int = 100) -> list[str]:
        """Give the last lines of what its processes printed, the newest last."""
        return tail_of(self.folder.output, limit)

    def requests(self, limit: int = 20) -> list[dict[str, Any]]:
        """Give its last requests, the newest first: time, method, path, status, milliseconds and run."""
        import json

        found = []
        for line in reversed(tail_of(self.folder.requests, limit)):
            with suppress(ValueError):
                found.append(json.loads(line))
        return found

    def as_row(self) -> dict[str, Any]:
        """Give its plain facts."""
        return {
            "name": self.name,
            "status": self.status.value,
            "url": self.url,
            "pipeline": self.pipeline,
            "snapshot": self._snapshot_label(),
            "started": self.started,
            "id": self.id,
        }

    def _snapshot_label(self) -> str:
        row = self.workspace.catalog.state().snapshots.get(self.snapshot_id)
        return (row["name"] if row is not None else "") or self.snapshot_id[:8]


def deployment_in(row: Row, workspace: Workspace, api_key: str | None = None) -> Deployment:
    """Make the record of a row of the operations' state."""
    return Deployment(
        id=row["id"],
        name=row["name"],
        pipeline=row["pipeline"],
        snapshot_id=row["snapshot_id"],
        url=row["url"],
        generation=row.get("generation") or 0,
        started=as_instant(row["started"]) or datetime.fromtimestamp(0, UTC),
        is_meant_to_serve=row["stopped"] is None,
        has_key=bool((row.get("settings") or {}).get("key")),
        settings=settings_of(row),
        workspace=workspace,
        api_key=api_key,
    )


def settings_of(row: Row) -> DeploymentSettings:
    """Give the settings of a row, without its key, its functions and where it is bound."""
    said = {name: value for name, value in (row.get("settings") or {}).items() if name not in _APART}
    return DeploymentSettings.read(said)


def tail_of(path: Any, limit: int) -> list[str]:
    """Give the last lines of a file; none if it is not there."""
    try:
        with open(path, "rb") as file:
            file.seek(0, os.SEEK_END)
            size = file.tell()
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    lines: Iterator[str] = iter(text.splitlines())
    if size > _TAIL_BYTES:
        # It begins within a line.
        next(lines, None)
    return list(lines)[-limit:]
