"""Operations on deployments: which process serves which snapshot under which name."""

from __future__ import annotations

from typing import ClassVar

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.changes import Decision
from nbpipe.records.operations.base import Operation
from nbpipe.records.state import Draft, OperationState


class StartDeployment(Operation):
    """Write down that a process serves a snapshot; with `replace` it takes the name from the one that bears it."""

    kind: ClassVar[str] = "start_deployment"
    id: str
    name: str
    pipeline: str
    snapshot_id: str
    url: str
    pid: int
    log: str
    replace: bool = False

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the name."""
        draft = Draft.over(state)
        former = state.deployment_names.get(self.name)
        row_there = state.deployments.get(former) if former is not None else None
        if row_there is not None:
            if not self.replace:
                raise ConflictError(f"There is a deployment named {self.name!r} already. Pass replace, or stop it.")
            draft.put("deployment", str(former), {**row_there, "stopped": at})
        row = {
            "id": self.id,
            "name": self.name,
            "pipeline": self.pipeline,
            "snapshot_id": self.snapshot_id,
            "url": self.url,
            "pid": self.pid,
            "log": self.log,
            "started": at,
            "stopped": None,
        }
        draft.put("deployment", self.id, row)
        return Decision(tuple(draft.changes), row)


class StopDeployment(Operation):
    """Write down that a deployment serves no more."""

    kind: ClassVar[str] = "stop_deployment"
    id: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Free the name; one that was stopped before stays as it is."""
        row = state.deployments.get(self.id)
        if row is None:
            raise NotFoundError("deployment", self.id)
        if row["stopped"] is not None:
            return Decision((), dict(row))
        draft = Draft.over(state)
        draft.put("deployment", self.id, {**row, "stopped": at})
        return Decision(tuple(draft.changes), {**row, "stopped": at})
