"""Deletions: how what is deleted is written down, and what forbids it.

What is deleted keeps its facts and its number; it is in no listing any more and bears no tag. The
exclusive ones, which rules look at, leave it in the same breath; all others where the catalog
takes the deletion in, whoever put them on and however late. What goes by its name alone (a
pipeline, an artifact, a model) may come again, and is a new one then.

Services tell beforehand what depends on a thing. That may have changed by the time the operation
is decided: so what forbids a deletion is asked here once more.
"""

from __future__ import annotations

from collections.abc import Iterable

from nbpipe.errors import ConflictError
from nbpipe.records.changes import key_of
from nbpipe.records.models import SINGLE_HOLDER
from nbpipe.records.refs import Kind
from nbpipe.records.state import Draft, OperationState


def put_deletion(draft: Draft, kind: Kind, ids: Iterable[str], at: str, by: str) -> None:
    """Write down that things are deleted; nobody holds the exclusive tags that they held.

    Args:
        draft: Where the changes are gathered.
        kind: Their kind.
        ids: Their ids, or the names of what goes by name alone.
        at: The instant.
        by: The user who asks.
    """
    gone = dict.fromkeys(ids)
    # However many are deleted, holders are looked through once: there may be thousands.
    held = [(place, holder) for place, holder in draft.state.holders.items() if holder in gone]
    for place, holder in held:
        tag_id, holds_as, _ = place.split("\0", 2)
        if holds_as == kind.value:
            draft.put("tagging", key_of(tag_id, kind.value, str(holder)), None)
    for entity_id in gone:
        row = {"entity_kind": kind.value, "entity_id": entity_id, "at": at, "by": by}
        draft.put("deletion", key_of(kind.value, entity_id), row)


def check_out_of_use(state: OperationState, version_ids: Iterable[str]) -> None:
    """Refuse to delete what belongs to a model version that was brought into use since somebody looked.

    Raises:
        ConflictError: One of the versions is in staging or production.
    """
    for version_id in version_ids:
        row = state.versions.get(version_id)
        if row is not None and row["stage"] in set(SINGLE_HOLDER):
            raise ConflictError(
                f"Nothing is deleted: what it belongs to, {row['model']}@{row['name']}, was moved to {row['stage']} "
                "meanwhile; look again."
            )


def users_of(state: OperationState, column: str, value: str) -> list[tuple[str, str]]:
    """Give which schedules and deployments use a pipeline or a snapshot: each with its kind, in order of names.

    Args:
        state: The state to look in.
        column: `"pipeline"` or `"snapshot_id"`.
        value: The pipeline's name or the snapshot's id.
    """
    # The state goes on changing while others write.
    schedules = [row for row in [*state.schedules.values()] if row is not None and row["deleted"] is None]
    deployments = [row for row in [*state.deployments.values()] if row is not None and row["stopped"] is None]
    found = []
    for kind, rows in (("schedule", schedules), ("deployment", deployments)):
        found += [(kind, name) for name in sorted(row["name"] for row in rows if row[column] == value)]
    return found


def check_unused(state: OperationState, column: str, value: str) -> None:
    """Refuse to delete a pipeline or a snapshot that a schedule or a deployment uses; see `users_of`.

    Raises:
        ConflictError: One does.
    """
    for kind, name in users_of(state, column, value):
        raise ConflictError(f"Nothing is deleted: {kind} {name!r} has come to use it meanwhile; look again.")
