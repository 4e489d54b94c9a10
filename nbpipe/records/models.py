"""Models: a name, its versions, and the stage that each version has reached.

A version is found by its number, by its name, by the stage it holds or as the latest; those
four never mix. Stages: `none`, `staging`, `production`, `archived`. Staging and production have
one holder at most. `latest` is a question, not a stage.

This module holds the words, and the rules by which versions are made and found. How they move from
stage to stage, and go, is `records.promotion`. What a version is worth is metadata; what it is
made of are artifacts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from pydantic import field_validator

from nbpipe.base.ids import new_id
from nbpipe.errors import BadValueError, ConflictError, NotFoundError, nearest
from nbpipe.records.base import Record, plain_name, shorten
from nbpipe.records.changes import key_of
from nbpipe.records.refs import Kind, Target
from nbpipe.records.state import Draft, OperationState, Row
from nbpipe.records.tags import Tag, as_tags


class ModelStages(StrEnum):
    """The stages of a model version; `LATEST` asks for the newest version and cannot be set."""

    NONE = "none"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"
    LATEST = "latest"


SINGLE_HOLDER = (ModelStages.STAGING, ModelStages.PRODUCTION)
_MOST_DIGITS = 18
SETTABLE = (ModelStages.NONE, ModelStages.STAGING, ModelStages.PRODUCTION, ModelStages.ARCHIVED)


def as_stage(text: str | ModelStages) -> ModelStages:
    """Read a stage that can be set, in any letter case.

    Raises:
        BadValueError: Not a stage, or `latest`.
    """
    word = str(text).strip().casefold()
    if word == ModelStages.LATEST:
        raise BadValueError("'latest' is a question, not a stage: it cannot be set.")
    if word not in set(SETTABLE):
        words = [stage.value for stage in SETTABLE]
        near = nearest(word, words)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise BadValueError(f"{shorten(text)} is no stage; there are {', '.join(words)}.{hint}")
    return ModelStages(word)


def stage_said(stage: ModelStages) -> str:
    """Say where a version is: `production`, or `no stage`."""
    return "no stage" if stage is ModelStages.NONE else stage.value


def is_stage_word(text: str) -> bool:
    """Tell whether `text` is the name of a stage, `latest` included, in any letter case."""
    return text.strip().casefold() in set(ModelStages)


def is_look_up(text: str) -> bool:
    """Tell whether `text` asks for a version that is there, by number or stage, and can never name a new one."""
    return text.strip().isdecimal() or is_stage_word(text)


class ModelConfig(Record):
    """A model, and which of its versions is meant.

    Attributes:
        name: The model's name.
        version: A number, a version's name, a template such as `"run-{run.id[:8]}"`, or a stage;
            `None` for a new version of each run, or the latest where one is looked up.
        description: What the model is for.
        tags: Tags for the versions that runs make.
    """

    name: str
    version: str | int | None = None
    description: str = ""
    tags: tuple[Tag, ...] = ()

    @field_validator("name")
    @classmethod
    def _is_name(cls, name: str) -> str:
        return plain_name("model", name)

    @field_validator("version", mode="before")
    @classmethod
    def _is_version(cls, version: object) -> object:
        if version is None or isinstance(version, ModelStages):
            return version
        if isinstance(version, bool) or not isinstance(version, str | int):
            raise ValueError(f"{shorten(version)} is no version: give a number, a name or a stage")
        if isinstance(version, int) and version < 1:
            raise ValueError(f"{version} is no version: numbers begin at 1")
        return plain_name("version", version) if isinstance(version, str) else version

    @field_validator("tags", mode="before")
    @classmethod
    def _are_tags(cls, tags: Any) -> tuple[Tag, ...]:
        return as_tags(tags)


# Rules -------------------------------------------------------------------------------------


def find_version(state: OperationState, model: str, version: str | int | None) -> Row:
    """Find the version that is meant.

    Args:
        state: The state to look in.
        model: The model's name.
        version: A number or all-digit text, a stage, a name, an id; `None` or `latest` for the
            newest that a whole run has made, or the newest of all if there is no such.

    Raises:
        NotFoundError: No such model, version or holder of the stage.
    """
    known_model(state, model)
    text = str(version if version is not None else ModelStages.LATEST).strip()
    if text.isdecimal():
        # Python does not read a number of any length.
        found = state.version_numbers.get(key_of(model, str(int(text)))) if len(text) <= _MOST_DIGITS else None
    elif text.casefold() == ModelStages.LATEST:
        found = _latest(state, model)
    elif is_stage_word(text):
        found = _holder(state, model, ModelStages(text.casefold()))
    else:
        found = state.version_names.get(key_of(model, text)) or (text if text in state.versions else None)
    row = state.versions.get(found) if found else None
    if row is None or row["model"] != model:
        raise _no_version(state, model, text)
    return row


def _no_version(state: OperationState, model: str, text: str) -> NotFoundError:
    if is_stage_word(text):
        cure = f"Promote one: nbpipe model promote {model}@NUMBER {text.casefold()}."
        return NotFoundError("model version", f"{model}@{text.casefold()}", hint=cure)
    names = [row["name"] for row in versions_of(state, model)]
    return NotFoundError("model version", f"{model}@{text}", [f"{model}@{name}" for name in names])


def known_model(state: OperationState, model: str) -> None:
    """Refuse the name of a model that is not there."""
    if state.models.get(model) is None:
        raise NotFoundError("model", model, [name for name, row in state.models.items() if row is not None])


def versions_of(state: OperationState, model: str) -> Iterator[Row]:
    """Walk through the versions of a model, newest first."""
    for number in range(state.model_numbers.get(model, 0), 0, -1):
        version_id = state.version_numbers.get(key_of(model, str(number)))
        row = state.versions.get(version_id) if version_id else None
        if row is not None:
            yield row


def _latest(state: OperationState, model: str) -> str | None:
    newest: str | None = None
    for row in versions_of(state, model):
        newest = newest or row["id"]
        if not row["failed"] and not is_partial(row):
            return str(row["id"])
    return newest


def _holder(state: OperationState, model: str, stage: ModelStages) -> str | None:
    if stage in SINGLE_HOLDER:
        return state.stages.get(key_of(model, stage.value))
    return next((row["id"] for row in versions_of(state, model) if row["stage"] == stage.value), None)


def open_version(
    draft: Draft, model: ModelConfig, name: str | None, run_id: str, at: str, *, pipeline: str = ""
) -> Row:
    """Give the version that a run works on: the next number, the one of that name, or the one asked for.

    Args:
        draft: Where the changes are gathered.
        model: The model as the pipeline declares it.
        name: The version's name once its template is filled; `None` for the next number; digits
            and stages are look-ups.
        run_id: The run that asks.
        at: The instant, for the record.
        pipeline: The pipeline of that run.

    Raises:
        NotFoundError: A number or a stage that no version has.
    """
    if draft.state.models.get(model.name) is None:
        if name is not None and is_look_up(name):
            find_version(draft.state, model.name, name)
        draft.put("model", model.name, {"name": model.name, "description": model.description, "created": at})
    elif name is not None and is_look_up(name):
        return find_version(draft.state, model.name, name)
    elif model.description and not draft.state.models[model.name]["description"]:  # type: ignore[index]
        draft.put("model", model.name, {**draft.state.models[model.name], "description": model.description})  # type: ignore[dict-item]
    existing = draft.state.version_names.get(key_of(model.name, name)) if name is not None else None
    if existing is not None:
        return present(draft.state.versions[existing])
    number = draft.state.model_numbers.get(model.name, 0) + 1
    row = {
        "id": new_id(),
        "model": model.name,
        "number": number,
        "name": name if name is not None else str(number),
        "stage": ModelStages.NONE.value,
        "failed": False,
        "run_id": run_id,
        "description": model.description,
        "created": at,
        # No column of the table: only the state asks whose runs may take a mark of failure away.
        "pipeline": pipeline,
    }
    draft.put("model_version", str(row["id"]), row)
    return row


def present(row: Row | None) -> Row:
    """Give a row that a name, a number or a stage points at."""
    if row is None:
        raise LookupError("a name pointed at a version that is gone")
    return row


def is_partial(row: Row) -> bool:
    """Tell whether only a part of its pipeline has made a version: its results come from more than one run."""
    return bool(row.get("partial", False))


def mark_outcome(
    draft: Draft, version_id: str, run_id: str, *, pipeline: str, succeeded: bool, is_part: bool = False
) -> None:
    """Mark a version whose run fails as failed, and one whose run is of a part as partial, each once it has ended.

    A later run that makes it whole takes the mark away. That one is of the same pipeline: a run that merely reads the
    version, as an inference does, says nothing of it.
    """
    row = draft.state.versions.get(version_id)
    if row is None:
        return
    if succeeded and not is_part:
        is_marked = row["run_id"] != run_id and row.get("pipeline", "") not in ("", pipeline)
        marks = {"failed": row["failed"] and is_marked, "partial": is_partial(row) and is_marked}
    elif row["run_id"] == run_id:
        marks = {"failed": not succeeded, "partial": is_part}
    else:
        return
    if marks != {"failed": row["failed"], "partial": is_partial(row)}:
        # No column of the table, as with the pipeline: what looks for it asks the state.
        draft.put("model_version", version_id, {**row, **marks})


def rename_version(draft: Draft, row: Row, name: str) -> None:
    """Give a version another name.

    Raises:
        BadValueError: Digits or a stage: those are look-ups, not names.
        ConflictError: Another version of the model has that name.
    """
    name = plain_name("version", name)
    if is_look_up(name):
        raise BadValueError(f"{name!r} cannot name a version: digits and stages are look-ups.")
    holder = draft.state.version_names.get(key_of(row["model"], name))
    if holder is not None and holder != row["id"]:
        raise ConflictError(f"{row['model']} has a version named {name!r} already.")
    draft.put("model_version", row["id"], {**row, "name": name})


def describe_version(draft: Draft, row: Row, description: str) -> None:
    """Say what a version is."""
    draft.put("model_version", row["id"], {**row, "description": description})


def stage_summary(state: OperationState, model: str) -> Mapping[str, Row]:
    """Say who holds staging and production."""
    held = {stage.value: state.stages.get(key_of(model, stage.value)) for stage in SINGLE_HOLDER}
    return {stage: present(state.versions[holder]) for stage, holder in held.items() if holder is not None}


def version_target(row: Row) -> Target:
    """Point at a version: its tags are exclusive within its model."""
    return Target(Kind.MODEL_VERSION, row["id"], row["model"], f"{row['model']}@{row['name']}")
