"""What is typed of a schedule, written down: another is made, or of one that is there what was changed.

What somebody else changed meanwhile is not written over unseen. Every rule is the service's.
"""

from __future__ import annotations

from typing import Any

from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.services.schedules import ScheduleService
from nbpipe.widgets.schedule_editor import ScheduleEditor


def save(service: ScheduleService, editor: ScheduleEditor) -> ScheduleRecord:
    """Write down what is typed, and give the schedule as it is then.

    Raises:
        BadValueError: Something of it will not do.
        ConflictError: Somebody else changed the schedule meanwhile; saved again, it is written over.
        NotFoundError: The schedule was deleted meanwhile, or the snapshot.
    """
    problems, schedule, former = editor.problems, editor.schedule, editor.former
    if problems or schedule is None:
        raise BadValueError(f"Nothing is saved: {'; '.join(f'{name} {text}' for name, text in problems.items())}")
    if former is None:
        return service.create(editor.name.strip() or None, editor.snapshot, schedule)
    present = service.get(former)
    if present.deleted is not None:
        raise NotFoundError("schedule", present.name)
    if _said(present) != _said(former):
        editor.former = present
        raise ConflictError(
            f"{present.name} was changed meanwhile, to: {present.words}. Save again to have it as here."
        )
    changed: dict[str, Any] = {}
    if editor.name.strip() != former.name:
        changed["name"] = editor.name
    if editor.snapshot != former.snapshot_id:
        changed["snapshot"] = editor.snapshot
    if schedule != former.schedule:
        changed["schedule"] = schedule
    return service.update(former, **changed) if changed else present


def _said(record: ScheduleRecord) -> tuple[Any, ...]:
    return record.name, record.snapshot_id, record.schedule
