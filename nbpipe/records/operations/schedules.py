"""Operations on schedules: written down, changed, deleted, and the claim of what has come due.

When a schedule is due is for `schedule`; here is only what one process at a time may decide. What has come due since
an instant is claimed all at once, by whoever names the instant up to which it was seen to: of several schedulers that
look at the same moment one has it. A claim to fire is a promise. It stands in the schedule's row, under the id that the
run will have, until the run has begun or was refused, so that whoever comes after a kill knows what is still owed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from pydantic import AwareDatetime, Field

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.base import Record
from nbpipe.records.changes import Decision, key_of
from nbpipe.records.operations.base import Operation
from nbpipe.records.schedules import instant_text
from nbpipe.records.state import Draft, OperationState

FIRED, MISSED, SKIPPED, REFUSED = "fired", "missed", "skipped", "refused"


class Timing(Record):
    """When a schedule fires, as it is kept: one of the three, in a zone, within bounds.

    Attributes:
        cron_expression: When it fires, as cron says it; or …
        interval_s: … how many seconds after its start and again after each firing; or …
        run_at: … once, then.
        starts: Not before.
        ends: Not after.
        timezone: The name of its zone.
        catchup: What becomes of missed firings.
        overlap: What becomes of one that is due while another runs.
    """

    cron_expression: str | None = None
    interval_s: float | None = None
    run_at: AwareDatetime | None = None
    starts: AwareDatetime | None = None
    ends: AwareDatetime | None = None
    timezone: str
    catchup: str
    overlap: str

    def as_columns(self) -> dict[str, Any]:
        """Give it as the columns of a row."""
        return {**dict(self), **{name: instant_text(getattr(self, name)) for name in ("run_at", "starts", "ends")}}


class CreateSchedule(Operation):
    """Write down a schedule; its name is free if a deleted one bore it.

    Attributes:
        id: Its id.
        name: Its name.
        pipeline: The pipeline of its snapshot.
        snapshot_id: What it runs.
        timing: When it fires.
        since: What is due after this instant is to be seen to.
    """

    kind: ClassVar[str] = "create_schedule"
    id: str
    name: str
    pipeline: str
    snapshot_id: str
    timing: Timing
    since: AwareDatetime

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the name."""
        _check_free(state, self.name)
        row = {
            "id": self.id,
            "name": self.name,
            "pipeline": self.pipeline,
            "snapshot_id": self.snapshot_id,
            **self.timing.as_columns(),
            "active": True,
            "created": at,
            "deleted": None,
            "last_fired": None,
            "since": instant_text(self.since),
            "owed": [],
        }
        return _put(state, row)


class ChangeSchedule(Operation):
    """Say anew when a schedule fires, or what it runs, or what it is called; what is `None` stays.

    Attributes:
        since: What is due after this instant is to be seen to, where the timing changes: nothing is made up for.
    """

    kind: ClassVar[str] = "change_schedule"
    id: str
    name: str | None = None
    snapshot_id: str | None = None
    pipeline: str | None = None
    timing: Timing | None = None
    since: AwareDatetime | None = None

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the schedule's row."""
        row = _there(state, self.id)
        if self.name is not None and self.name != row["name"]:
            _check_free(state, self.name)
        said = {"name": self.name, "snapshot_id": self.snapshot_id, "pipeline": self.pipeline}
        row |= {name: value for name, value in said.items() if value is not None}
        if self.timing is not None:
            row |= self.timing.as_columns()
        return _put(state, row | _since(row, self.since))


class ActivateSchedule(Operation):
    """Let a schedule fire, or keep it from firing; what was due while it did not is not made up for.

    Attributes:
        since: What is due after this instant is to be seen to.
    """

    kind: ClassVar[str] = "activate_schedule"
    id: str
    active: bool
    since: AwareDatetime

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the schedule's row, if it says otherwise."""
        row = _there(state, self.id)
        if row["active"] == self.active:
            return Decision((), row)
        draft = Draft.over(state)
        if not self.active:
            _take_back(draft, row, "it was paused")
        row |= {"active": self.active, "owed": [] if not self.active else row["owed"], **_since(row, self.since)}
        draft.put("schedule", self.id, row)
        return Decision(tuple(draft.changes), row)


class DeleteSchedule(Operation):
    """Delete a schedule: its history stays and its name is free, or, for good, its row goes too."""

    kind: ClassVar[str] = "delete_schedule"
    id: str
    for_good: bool = False

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Mark the schedule's row, or drop it."""
        row = _schedule(state, self.id)
        draft = Draft.over(state)
        if row["deleted"] is None:
            _take_back(draft, row, "it was deleted")
            row |= {"active": False, "deleted": at, "owed": []}
        draft.put("schedule", self.id, None if self.for_good else row)
        return Decision(tuple(draft.changes), row)


class Promise(Record):
    """A run that a firing promises.

    Attributes:
        run_id: The id that it will have.
        due: When it was due.
        alone: Whether it waits until no other run of its schedule goes on.
    """

    run_id: str
    due: AwareDatetime
    alone: bool


class Missed(Record):
    """Instants that are told as missed: how many, or at least how many, between two."""

    number: int = Field(ge=1)
    first: AwareDatetime
    last: AwareDatetime


class ClaimFirings(Operation):
    """Claim all that has come due of a schedule since an instant, be it to fire it or to tell that it does not.

    Attributes:
        id: The schedule.
        since: The instant up to which it was seen to, as the claimer read it. If somebody else has seen to more
            meanwhile, or changed the schedule, nothing is claimed.
        until: The instant up to which it is seen to from now on.
        promises: What fires.
        skipped: What does not, since a run goes on.
        missed: What does not, since nobody was there.
    """

    kind: ClassVar[str] = "claim_firings"
    id: str
    since: AwareDatetime
    until: AwareDatetime
    promises: tuple[Promise, ...] = ()
    skipped: AwareDatetime | None = None
    missed: Missed | None = None

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the instants, if nobody has."""
        row = state.schedules.get(self.id)
        if row is None or not row["active"] or datetime.fromisoformat(row["since"]) != self.since:
            return Decision((), {"is_claimed": False})
        draft = Draft.over(state)
        if self.missed is not None:
            told = {"last_due": instant_text(self.missed.last), "number": self.missed.number}
            _tell(draft, self.id, self.missed.first, MISSED, (at, by), **told)
        if self.skipped is not None:
            _tell(draft, self.id, self.skipped, SKIPPED, (at, by), error="the run before went on")
        for promise in self.promises:
            _tell(draft, self.id, promise.due, FIRED, (at, by), run_id=promise.run_id)
        owed = [*row["owed"], *(_owed(promise, at, by) for promise in self.promises)]
        last = self.promises[-1].due if self.promises else None
        draft.put(
            "schedule",
            self.id,
            {
                **row,
                "since": instant_text(self.until),
                "owed": owed,
                "last_fired": instant_text(last) if last is not None else row["last_fired"],
            },
        )
        return Decision(tuple(draft.changes), {"is_claimed": True})


class KeepPromise(Operation):
    """Strike out a promise: its run has begun, or could not be started.

    Attributes:
        id: The schedule.
        due: When the run was due.
        run_id: The run that was promised.
        error: Why it could not be started; `""` if it has begun.
    """

    kind: ClassVar[str] = "keep_promise"
    id: str
    due: AwareDatetime
    run_id: str
    error: str = ""

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Strike it out, unless that was done."""
        row = state.schedules.get(self.id)
        if row is None:
            return Decision((), {"is_kept": False})
        draft = Draft.over(state)
        left = [promise for promise in row["owed"] if promise["run_id"] != self.run_id]
        is_owed = len(left) < len(row["owed"])
        if is_owed:
            draft.put("schedule", self.id, {**row, "owed": left})
        if self.error:
            if is_owed:
                _tell(draft, self.id, self.due, REFUSED, (at, by), error=self.error)
        elif not is_owed:
            # The promise was taken back while its run was just beginning: it fired all the same.
            _tell(draft, self.id, self.due, FIRED, (at, by), run_id=self.run_id)
        return Decision(tuple(draft.changes), {"is_kept": is_owed})


def _tell(draft: Draft, schedule_id: str, due: datetime, outcome: str, claimed: tuple[str, str], **more: Any) -> None:
    """Write down what becomes of an instant, and when and by whom it was claimed; the last word on it counts."""
    firing = {
        "schedule_id": schedule_id,
        "due": instant_text(due),
        "outcome": outcome,
        "at": claimed[0],
        "by": claimed[1],
        "run_id": "",
        "last_due": None,
        "number": 1,
        "error": "",
    }
    draft.put("firing", key_of(schedule_id, str(firing["due"])), {**firing, **more})


def _take_back(draft: Draft, row: dict[str, Any], why: str) -> None:
    for promise in row["owed"]:
        due = datetime.fromisoformat(promise["due"])
        _tell(draft, row["id"], due, SKIPPED, (promise["at"], promise["by"]), error=why)


def _since(row: dict[str, Any], since: datetime | None) -> dict[str, Any]:
    """Give the instant up to which a schedule was seen to: never an earlier one, though a clock was set back."""
    if since is None or since <= datetime.fromisoformat(row["since"]):
        return {}
    return {"since": instant_text(since)}


def _owed(promise: Promise, at: str, by: str) -> dict[str, Any]:
    return {"run_id": promise.run_id, "due": instant_text(promise.due), "alone": promise.alone, "at": at, "by": by}


def _check_free(state: OperationState, name: str) -> None:
    if state.schedule_names.get(name) is not None:
        raise ConflictError(f"There is a schedule named {name!r} already. Take another name, or update or delete it.")


def _there(state: OperationState, schedule_id: str) -> dict[str, Any]:
    row = _schedule(state, schedule_id)
    if row["deleted"] is not None:
        raise NotFoundError("schedule", row["name"])
    return row


def _schedule(state: OperationState, schedule_id: str) -> dict[str, Any]:
    row = state.schedules.get(schedule_id)
    if row is None:
        raise NotFoundError("schedule", schedule_id)
    return dict(row)


def _put(state: OperationState, row: dict[str, Any]) -> Decision:
    draft = Draft.over(state)
    draft.put("schedule", row["id"], row)
    return Decision(tuple(draft.changes), row)
