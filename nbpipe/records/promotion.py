"""Promotion: how versions move from stage to stage, how the last move is taken back, and how they go.

Every move is a row of history that nobody changes. Staging and production have one holder at
most; whoever takes one archives the holder in the same breath. A version that is deleted leaves
its stage first, so that the history of a stage has no gap.

This module holds the rules. Which version is meant, `records.models` finds; whether a version is
worth it, `services.gates` tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbpipe.errors import ConflictError
from nbpipe.records.changes import Moment, key_of
from nbpipe.records.deletion import put_deletion
from nbpipe.records.models import SINGLE_HOLDER, ModelStages, present, versions_of
from nbpipe.records.refs import Kind
from nbpipe.records.state import Draft, OperationState, Row


def set_stage(
    draft: Draft,
    row: Row,
    stage: ModelStages,
    moment: Moment,
    *,
    force: bool,
    note: str,
    is_overriding: bool = False,
    replace: bool = False,
) -> Row | None:
    """Move a version to a stage; who held it before is archived in the same breath.

    Args:
        draft: Where the changes are gathered.
        row: The version.
        stage: Where to.
        moment: When, and who asks.
        force: Whether the present holder may be archived.
        note: Why.
        is_overriding: Whether something else stood against it too.
        replace: Whether the present holder may be archived for one that passed its gates: no force is needed then.

    Returns:
        The version that was archived for it, or `None`.

    Raises:
        ConflictError: Another version holds the stage, and `force` and `replace` are off.
    """
    moved: Row | None = None
    if stage in SINGLE_HOLDER:
        holder_id = draft.state.stages.get(key_of(row["model"], stage.value))
        if holder_id is not None and holder_id != row["id"]:
            moved = present(draft.state.versions[holder_id])
            if not (force or replace):
                raise ConflictError(
                    f"{row['model']}@{moved['name']} is in {stage.value}; pass force to archive it and promote "
                    f"{row['model']}@{row['name']}."
                )
            _move(draft, moved, ModelStages.ARCHIVED, moment, note=f"replaced by {row['name']}", forced=not replace)
    if row["stage"] != stage.value:
        _move(draft, row, stage, moment, note=note, forced=is_overriding or (moved is not None and not replace))
    return moved


def _move(
    draft: Draft, row: Row, stage: ModelStages, moment: Moment, *, note: str, forced: bool = False, undoes: int = 0
) -> None:
    draft.put("model_version", row["id"], {**row, "stage": stage.value})
    history: dict[str, Any] = {
        "model": row["model"],
        "version_id": row["id"],
        "number": row["number"],
        "from_stage": row["stage"],
        "to_stage": stage.value,
        "at": moment.at,
        "by": moment.by,
        "note": note,
        "forced": forced,
    }
    # No column of the table: only the state asks which moves were taken back.
    draft.put("stage_history", f"{moment.n}-{len(draft.changes)}", {**history, "undoes": undoes} if undoes else history)


# Taking back ---------------------------------------------------------------------------------


def check_unmoved(state: OperationState, model: str, held: Mapping[str, str]) -> None:
    """Refuse if the stages of a model have other holders than somebody looked at.

    Args:
        state: The state to look in.
        model: The model's name.
        held: The ids of the versions that were looked at, by the stage they held; `""` for nobody.

    Raises:
        ConflictError: A stage has changed hands.
    """
    for stage, version_id in held.items():
        if (state.stages.get(key_of(model, stage)) or "") != version_id:
            raise ConflictError(f"The {stage} version of {model} was changed meanwhile; look again.")


def take_back(draft: Draft, model: str, moment: Moment, *, of: int | None, note: str) -> list[Row]:
    """Take back the last change of stages of a model: all that moved with it goes back to where it was.

    Args:
        draft: Where the changes are gathered.
        model: The model's name.
        moment: When, and who asks.
        of: The number of the operation that is to be taken back; `None` for the last, whichever it is.
        note: Why.

    Returns:
        The versions that moved, as they stand then; first the one that had been promoted.

    Raises:
        ConflictError: There is nothing to take back, or something was moved or deleted since.
    """
    last = draft.state.moves.get(model)
    if of is not None and last is not None and last["n"] > of:
        raise ConflictError(f"Versions of {model} were moved since, so nothing was undone.")
    if of is not None and (last is None or last["n"] < of):
        raise ConflictError(f"There is nothing to undo in {model}: by operation {of} no version of it was moved.")
    if last is None or last["undoes"]:
        what = "its last promotion was undone already" if last is not None else "no version of it was ever moved"
        raise ConflictError(f"There is nothing to undo in {model}: {what}.")
    moves = last["moves"]
    for move in moves:
        row = draft.state.versions.get(move["version_id"])
        if row is None or row["stage"] != move["to_stage"]:
            gone = "was deleted" if row is None else f"is in {row['stage']} by now"
            raise ConflictError(f"{model}@{move['number']} {gone}, so nothing was undone.")
    # The last to move is the first to go back: so a stage is free before its former holder returns.
    for move in reversed(moves):
        row = present(draft.state.versions[move["version_id"]])
        said = f"undo of {move['from_stage']} → {move['to_stage']}"
        _move(
            draft,
            row,
            ModelStages(move["from_stage"]),
            moment,
            note=f"{said}: {note}" if note else said,
            undoes=last["n"],
        )
    return [present(draft.state.versions[move["version_id"]]) for move in reversed(moves)]


# Going ---------------------------------------------------------------------------------------


def delete_version(draft: Draft, row: Row, moment: Moment, *, force: bool) -> None:
    """Delete a version: it leaves its stage and loses its tags; its number is never given out again.

    Raises:
        ConflictError: It is in production and `force` is off.
    """
    _delete_versions(draft, [row], moment, force=force)


def _delete_versions(draft: Draft, rows: Sequence[Row], moment: Moment, *, force: bool) -> None:
    for row in rows:
        is_in_production = row["stage"] == ModelStages.PRODUCTION.value
        if is_in_production and not force:
            raise ConflictError(f"{row['model']}@{row['name']} is in production; pass force to delete it all the same.")
        if row["stage"] != ModelStages.NONE.value:
            # What needs no force was not forced, whatever the caller said.
            _move(draft, row, ModelStages.NONE, moment, note=f"{row['name']} was deleted", forced=is_in_production)
    put_deletion(draft, Kind.MODEL_VERSION, (row["id"] for row in rows), moment.at, moment.by)
    for row in rows:
        draft.put("model_version", row["id"], None)


def delete_model(draft: Draft, model: str, moment: Moment, *, force: bool) -> list[Row]:
    """Delete a model with all of its versions, and give those; should it be made again, it goes on counting.

    Raises:
        ConflictError: A version is in production and `force` is off.
    """
    gone = list(versions_of(draft.state, model))
    _delete_versions(draft, gone, moment, force=force)
    put_deletion(draft, Kind.MODEL, (model,), moment.at, moment.by)
    draft.put("model", model, None)
    return gone
