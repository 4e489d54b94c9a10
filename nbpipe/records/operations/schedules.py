"""Operations on schedules: written down, changed, deleted, and the claim of a firing.

When a schedule is due is for `schedule`; here is only what one process at a time may decide. A
firing is claimed by the instant at which it was due, so that any number of schedulers fire once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.changes import Decision, key_of
from nbpipe.records.operations.base import Operation
from nbpipe.records.state import Draft, OperationState


class CreateSchedule(Operation):
    """Write down a schedule; its name is free if a deleted one bore it.

    Attributes:
        cron_expression: When it fires, as cron says it; or …
        interval_s: … how many seconds after its start and again after each firing; or …
        run_at: … once, then.
    """

    kind: ClassVar[str] = "create_schedule"
    id: str
    name: str
    pipeline: str
    snapshot_id: str
    cron_expression: str | None = None
    interval_s: float | None = None
    run_at: AwareDatetime | None = None
    starts: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    timezone: str = ""
    catchup: str
    overlap: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the name."""
        if state.schedule_names.get(self.name) is not None:
            raise ConflictError(f"There is a schedule named {self.name!r} already. Take another name, or delete it.")
        row = {
            "id": self.id,
            "name": self.name,
            "pipeline": self.pipeline,
            "snapshot_id": self.snapshot_id,
            "cron_expression": self.cron_expression,
            "interval_s": self.interval_s,
            "run_at": _text(self.run_at),
            "starts": _text(self.starts),
            "ends": _text(self.ends),
            "timezone": self.timezone,
            "catchup": self.catchup,
            "overlap": self.overlap,
            "active": True,
            "created": at,
            "deleted": None,
            "last_fired": None,
        }
        draft = Draft.over(state)
        draft.put("schedule", self.id, row)
        return Decision(tuple(draft.changes), row)


class ActivateSchedule(Operation):
    """Let a schedule fire, or keep it from firing."""

    kind: ClassVar[str] = "activate_schedule"
    id: str
    active: bool

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the schedule's row."""
        row = {**_schedule(state, self.id), "active": self.active}
        draft = Draft.over(state)
        draft.put("schedule", self.id, row)
        return Decision(tuple(draft.changes), row)


class DeleteSchedule(Operation):
    """Delete a schedule: its history stays and its name is free, or, for good, its row goes too."""

    kind: ClassVar[str] = "delete_schedule"
    id: str
    for_good: bool = False

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Mark the schedule's row, or drop it."""
        row = {**_schedule(state, self.id), "active": False, "deleted": at}
        draft = Draft.over(state)
        draft.put("schedule", self.id, None if self.for_good else row)
        return Decision(tuple(draft.changes), row)


class ClaimFiring(Operation):
    """Claim that a schedule fires, or is to be told as missed or skipped, for one instant at which it was due.

    Instants are claimed in their order: one that is not after the last claimed one is somebody else's already.
    """

    kind: ClassVar[str] = "claim_firing"
    id: str
    due: AwareDatetime
    outcome: Literal["fired", "missed", "skipped"] = "fired"

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the instant, if nobody has."""
        row = _schedule(state, self.id)
        due = _text(self.due)
        last = row["last_fired"]
        if row["deleted"] is not None or (last is not None and self.due <= datetime.fromisoformat(last)):
            return Decision((), {"is_claimed": False, "last_fired": last})
        draft = Draft.over(state)
        draft.put("schedule", self.id, {**row, "last_fired": due})
        firing = {"schedule_id": self.id, "due": due, "outcome": self.outcome, "at": at, "by": by}
        draft.put("firing", key_of(self.id, str(due)), firing)
        return Decision(tuple(draft.changes), {"is_claimed": True, "last_fired": due})


def _schedule(state: OperationState, schedule_id: str) -> dict[str, Any]:
    row = state.schedules.get(schedule_id)
    if row is None:
        raise NotFoundError("schedule", schedule_id)
    return dict(row)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="microseconds")
