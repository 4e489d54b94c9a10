"""Operations on deployments: which snapshot is served under which name, and whether it is to be served now.

A deployment is one name, one address and whatever snapshot is served there at present. It keeps
its row from the first start until it is deleted; each start, restart or replacement is one more
*generation*, so that a process that serves can tell whether it is still the one that is meant. Which
processes those are is no business of the log: a lock tells who is alive (`services.serving_process`).
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.changes import Decision
from nbpipe.records.operations.base import Operation
from nbpipe.records.state import Draft, OperationState


class StartDeployment(Operation):
    """Have a snapshot served under a name; the name's former snapshot is served no more.

    Attributes:
        id: The id of the deployment, if the name is new.
        name: The name.
        pipeline: The pipeline of the snapshot.
        snapshot_id: The snapshot.
        url: Where it answers.
        settings: How it serves, as plain data.
        replace: Whether the name may be taken from another pipeline.
    """

    kind: ClassVar[str] = "start_deployment"
    id: str
    name: str
    pipeline: str
    snapshot_id: str
    url: str
    settings: dict[str, Any] = Field(default_factory=dict)
    replace: bool = False

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the name, or put another snapshot behind it."""
        former_id = state.deployment_names.get(self.name)
        former = state.deployments.get(former_id) if former_id is not None else None
        if former is not None and former["pipeline"] != self.pipeline and not self.replace:
            raise ConflictError(
                f"Deployment {self.name!r} serves pipeline {former['pipeline']!r}. "
                "Pass replace=True (--replace), or take another name."
            )
        row = {
            "id": former["id"] if former is not None else self.id,
            "name": self.name,
            "pipeline": self.pipeline,
            "snapshot_id": self.snapshot_id,
            "url": self.url,
            "settings": self.settings,
            "generation": _next_generation(former),
            "started": at,
            "stopped": None,
        }
        return _put(state, row)


class RestartDeployment(Operation):
    """Have a deployment served anew, by a new process: what it serves stays as it is."""

    kind: ClassVar[str] = "restart_deployment"
    id: str
    url: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Begin a new generation."""
        row = _deployment(state, self.id)
        return _put(
            state, {**row, "url": self.url, "generation": _next_generation(row), "started": at, "stopped": None}
        )


class StopDeployment(Operation):
    """Have a deployment served no more; its name and its address stay its own."""

    kind: ClassVar[str] = "stop_deployment"
    id: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Mark the row; one that was stopped before stays as it is."""
        row = _deployment(state, self.id)
        if row["stopped"] is not None:
            return Decision((), row)
        return _put(state, {**row, "stopped": at})


class DeleteDeployment(Operation):
    """Forget a deployment: its name is free again. Its runs stay."""

    kind: ClassVar[str] = "delete_deployment"
    id: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Drop the row."""
        row = _deployment(state, self.id)
        draft = Draft.over(state)
        draft.put("deployment", self.id, None)
        return Decision(tuple(draft.changes), row)


def _put(state: OperationState, row: dict[str, Any]) -> Decision:
    draft = Draft.over(state)
    draft.put("deployment", row["id"], row)
    return Decision(tuple(draft.changes), row)


def _next_generation(former: Any) -> int:
    # Rows of the time before there were generations have none.
    return int((former or {}).get("generation") or 0) + 1


def _deployment(state: OperationState, deployment_id: str) -> dict[str, Any]:
    row = state.deployments.get(deployment_id)
    if row is None:
        raise NotFoundError("deployment", deployment_id)
    return dict(row)
