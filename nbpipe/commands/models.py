"""`nbpipe model`: versions of models, their stages, and how they came to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from typer import Argument, Option

from nbpipe.commands.answers import Answer, listing, sentence
from nbpipe.commands.arguments import STAGE, AsJson, ModelName, WithTags
from nbpipe.commands.calling import current_call, current_client
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.plain import model_plain, version_plain
from nbpipe.commands.showing import model_bundle, version_bundle
from nbpipe.errors import BadValueError
from nbpipe.records.refs import Kind
from nbpipe.services.resolve import resolve

commands = noun("List, show and promote model versions.")


@verb(commands, "list", "nbpipe model list", "nbpipe model list --json")
def list_(tags: WithTags = None, as_json: AsJson = False) -> Answer:
    """List models, newest first."""
    found = current_client().models.list(tags=tags)
    rows = [
        (one.name, one.count, one.stages.get("staging"), one.stages.get("production"), one.created, one.description)
        for one in found
    ]
    columns = ("model", "versions", "staging", "production", "created", "description")
    asked = {"noun": "models", "tags": tags}
    plain = found.as_rows()
    return listing(columns, rows, record=found, plain=plain, as_json=as_json, widget="CatalogBrowser", asked=asked)


@verb(commands, "show", "nbpipe model show iris", "nbpipe model show iris@production --json")
def show(model: ModelName, as_json: AsJson = False) -> Answer:
    """Show a model with its versions, or one version of it."""
    client = current_client()
    if resolve(client.workspace, model, Kind.MODEL).kind is Kind.MODEL:
        return _whole(model, as_json=as_json)
    version = client.models.version(model)
    return Answer(version_bundle(version), version, version_plain(version), as_json=as_json)


def _whole(model: str, *, as_json: bool) -> Answer:
    models = current_client().models
    found, history = models.get(model), models.history(model)
    return Answer(model_bundle(found, history), found, model_plain(found, history), as_json=as_json)


@verb(
    commands,
    "promote",
    "nbpipe model promote iris@3 staging",
    'nbpipe model promote iris@latest production --force --note "better on rare classes"',
)
def promote(
    model: ModelName,
    stage: Annotated[str | None, Argument(metavar=STAGE, help="staging, production, archived or none.")] = None,
    force: Annotated[bool, Option("--force", help="Take the stage from its present holder, who is archived.")] = False,
    note: Annotated[str, Option("--note", metavar="TEXT", help="Why; kept in the history.")] = "",
    as_json: AsJson = False,
) -> Answer:
    """Move a model version to a stage; a model's name alone means its latest version."""
    models = current_client().models
    if stage is None:
        if current_call().surroundings is None:
            raise BadValueError("Say which stage: staging, production, archived or none.")
        return replace(_whole(model, as_json=as_json), widget="PromoteModel")
    former = models.version(model)
    moved = models.promote(former, stage, force=force, note=note)
    said = f"{moved.label} moved from {former.stage.value} to {moved.stage.value}."
    return sentence(said, moved, {**moved.as_row(), "from_stage": former.stage.value}, as_json=as_json)


@verb(commands, "history", "nbpipe model history iris", "nbpipe model history iris@3 --json")
def history(model: ModelName, as_json: AsJson = False) -> Answer:
    """List the moves between stages of a model's versions, newest first."""
    found = current_client().models.history(model)
    rows = [
        (move.at, f"{move.model}@{move.number}", f"{move.from_stage.value} → {move.to_stage.value}", move.by, move.note)
        for move in found
    ]
    columns = ("when", "version", "stage", "who", "note")
    return listing(columns, rows, record=found, plain=found.as_rows(), as_json=as_json)
