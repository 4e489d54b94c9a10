"""What a deployment looks like at one moment: how it stands, what the next answer comes from, its last requests.

Read at once, when somebody asks, and never again by itself: a card that nobody looks at costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from nbpipe.errors import NbpipeError
from nbpipe.records.models import ModelStages, is_look_up
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.models import ModelService
from nbpipe.views.amounts import shorten, time_text
from nbpipe.views.tables import Table

_FAULTY = ("failed", "down", "starting")
_LONGEST_PATH = 80


@dataclass(frozen=True, slots=True)
class SeenDeployment:
    """A deployment, as it was when it was looked at.

    Attributes:
        deployment: The deployment.
        status: How it stands; `deleted` once it is gone.
        since: Since when, if that is known.
        model: The model version that the next answer comes from, if the pipeline is bound to one.
        problem: Why it does not answer.
        requests: Its last requests, the newest first.
    """

    deployment: Deployment
    status: str
    since: datetime | None = None
    model: str = ""
    problem: str = ""
    requests: Sequence[Mapping[str, Any]] = ()

    @property
    def can_stop(self) -> bool:
        """Whether there is anything to stop."""
        return self.status not in ("stopped", "deleted")

    @property
    def can_start(self) -> bool:
        """Whether it can be started, or started anew."""
        return self.status != "deleted"

    @property
    def said(self) -> str:
        """How it stands, in words."""
        return f"{self.status} since {time_text(self.since)}" if self.since is not None else self.status

    def facts(self) -> list[tuple[str, object]]:
        """Give what there is to know of it, by name."""
        found = self.deployment
        facts: list[tuple[str, object]] = [
            ("address", found.url),
            ("page to try it", f"{found.url}/docs"),
            ("pipeline", found.pipeline),
            ("snapshot", snapshot_label(found)),
            ("model", self.model),
            ("api key", "needed" if found.has_key else ""),
            ("ended and started again", f"{found.restarts} times" if found.restarts else ""),
        ]
        return [(name, value) for name, value in facts if value]


def seen(deployment: Deployment, most_requests: int) -> SeenDeployment:
    """Look at a deployment that is there.

    Args:
        deployment: Its record, as it is now.
        most_requests: How many of its requests to read.
    """
    status = deployment.status.value
    standing = deployment.folder.standing()
    # What was written down last may be older than what is so: a process that was killed wrote nothing.
    is_current = standing is not None and standing.status == status
    since = datetime.fromtimestamp(standing.since, UTC) if standing is not None and is_current else None
    problem = deployment.error if status in _FAULTY else ""
    return SeenDeployment(
        deployment, status, since, model_served(deployment), problem, tuple(deployment.requests(most_requests))
    )


def model_served(deployment: Deployment) -> str:
    """Say which model version the next invocation works on; `""` if the pipeline is bound to no model."""
    try:
        content = deployment.snapshot.content
    except NbpipeError:
        # Its snapshot is gone; the process that serves it has read it long ago.
        return ""
    config = content.configuration.model or content.model
    if config is None:
        return ""
    wanted = str(config.version or "").strip()
    if not is_look_up(wanted) and wanted.casefold() != ModelStages.LATEST:
        # A version that each invocation makes, or names itself.
        return config.name
    try:
        found = ModelService(deployment.workspace).version((config.name, wanted))
    except NbpipeError as error:
        return f"{config.name}@{wanted}: {error}"
    stage = f", {found.stage.value}" if found.stage is not ModelStages.NONE else ""
    return f"{found.label}{stage}"


def snapshot_label(deployment: Deployment) -> str:
    """Name the snapshot that is served: its name, if it has one, and the beginning of its id."""
    label, short = str(deployment.as_row()["snapshot"]), deployment.snapshot_id[:8]
    return label if label == short else f"{label} ({short})"


def requests_table(requests: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out requests, the newest first, to the second."""
    rows = [
        (
            _second_text(one.get("at")),
            f"{one.get('method', '')} {shorten(str(one.get('path', '')), _LONGEST_PATH)}",
            _status_text(one.get("status")),
            one.get("took_ms"),
            str(one.get("run_id") or "")[:8],
        )
        for one in requests
    ]
    return Table(("when", "request", "status", "ms", "run"), rows, frozenset({"ms"}))


def _second_text(at: object) -> str:
    try:
        moment = datetime.fromisoformat(str(at)).astimezone()
    except ValueError:
        return ""
    return moment.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _status_text(status: object) -> str:
    if not isinstance(status, int):
        return ""
    return f"{'✓' if status < 400 else '✗'} {status}"
