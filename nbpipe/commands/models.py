"""`nbpipe model`: versions of models, their stages, and how they came to them."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from typer import Argument, Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import STAGE, AsJson, ModelName, WithTags
from nbpipe.commands.calling import current_call, current_client
from nbpipe.commands.comparing_versions import gates_bundle, versions_bundle
from nbpipe.commands.deleting import DryRun, Force, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed, plainly_listed
from nbpipe.commands.plain import model_plain, version_plain
from nbpipe.commands.showing import model_bundle, version_bundle
from nbpipe.errors import BadValueError
from nbpipe.records.models import stage_said
from nbpipe.records.refs import Kind
from nbpipe.services.gates import parse_gates
from nbpipe.services.resolve import resolve
from nbpipe.services.versions import ModelVersion

commands = noun("List, show, compare and promote model versions.")


@verb(
    commands,
    "list",
    "nbpipe model list",
    'nbpipe model list --stage production --where "evaluation.accuracy > 0.9" --json',
)
def list_(
    *,
    tags: WithTags = None,
    stage: Annotated[
        str | None, Option("--stage", metavar=STAGE, help="Only those with a version in this stage.")
    ] = None,
    where: Annotated[
        str | None,
        Option("--where", metavar="COMPARISON", help='Only those with a version of which it holds: "accuracy > 0.8".'),
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """List models, newest first."""
    found = current_client().models.list(tags=tags, stage=stage, where=where)
    return listed(found, as_json=as_json, noun="models", asked={"tags": tags, "stage": stage, "where": where})


@verb(commands, "show", "nbpipe model show iris", "nbpipe model show iris@production --json")
def show(model: ModelName, as_json: AsJson = False) -> Answer:
    """Show a model with its versions, or one version of it."""
    return _shown(model, as_json=as_json)


def _shown(ref: str, *, as_json: bool) -> Answer:
    client = current_client()
    if resolve(client.workspace, ref, Kind.MODEL).kind is Kind.MODEL:
        return _whole(ref, as_json=as_json)
    version = client.models.version(ref)
    return Answer(version_bundle(version), version, version_plain(version), as_json=as_json)


def _whole(model: str, *, as_json: bool) -> Answer:
    models = current_client().models
    found, history = models.get(model), models.history(model)
    return Answer(model_bundle(found, history), found, model_plain(found, history), as_json=as_json)


@verb(
    commands,
    "promote",
    "nbpipe model promote iris@3 staging",
    'nbpipe model promote iris@latest production --replace --gate "accuracy >= production.accuracy"',
    'nbpipe model promote iris@2 production --force --note "better on rare classes"',
)
def promote(
    model: ModelName,
    stage: Annotated[str | None, Argument(metavar=STAGE, help="staging, production, archived or none.")] = None,
    *,
    gates: Annotated[
        list[str] | None,
        Option("--gate", metavar="COMPARISON", help='What must hold: "accuracy >= production.accuracy". Repeatable.'),
    ] = None,
    replace: Annotated[
        bool, Option("--replace", help="Take the stage from its holder, who is archived, if all gates hold.")
    ] = False,
    force: Annotated[bool, Option("--force", help="Take the stage from its holder, whatever the gates say.")] = False,
    note: Annotated[str, Option("--note", metavar="TEXT", help="Why; kept in the history.")] = "",
    as_json: AsJson = False,
) -> Answer:
    """Move a model version to a stage; a model's name alone means its latest version."""
    models = current_client().models
    if stage is None:
        if current_call().surroundings is None:
            raise BadValueError("Say which stage: staging, production, archived or none.")
        if force or replace:
            flag = "--force" if force else "--replace"
            raise BadValueError(f"{flag} takes a stage from its holder: say which, or tick the box on the board.")
        asked = {"gates": tuple(gate.text for gate in parse_gates(gates or ())), "note": note}
        return dataclasses.replace(_shown(model, as_json=as_json), widget="PromoteModel", asked=asked)
    moved = models.move(model, stage, force=force, replace=replace, note=note, gates=gates or ())
    if not moved.gates:
        return sentence(moved.said, moved.version, moved.as_row(), as_json=as_json)
    bundle = gates_bundle(moved.said, moved.gates)
    return Answer(bundle, moved.version, moved.as_row(), as_json=as_json)


@verb(commands, "undo", "nbpipe model undo iris", 'nbpipe model undo iris --note "it was too soon"')
def undo(
    model: ModelName,
    *,
    note: Annotated[str, Option("--note", metavar="TEXT", help="Why; kept in the history.")] = "",
    as_json: AsJson = False,
) -> Answer:
    """Take back the last promotion of a model; refused if anybody has moved a version since."""
    moved = current_client().models.undo(model, note=note)
    told = [f"{version.label} is back in {stage_said(version.stage)}" for version in moved]
    return sentence(f"{', and '.join(told)}.", moved, moved.as_rows(), as_json=as_json)


@verb(commands, "compare", "nbpipe model compare iris@1 iris@3", "nbpipe model compare iris@production iris --json")
def compare(left: ModelName, right: ModelName, as_json: AsJson = False) -> Answer:
    """Show what differs between two versions: metrics, parameters, data and code."""
    found = current_client().models.compare(left, right)
    return Answer(versions_bundle(found), found, found.as_row(), as_json=as_json)


@verb(commands, "rename", "nbpipe model rename iris@3 1.2.0")
def rename(
    model: ModelName,
    to: Annotated[str, Argument(metavar="NAME", help="The version's new name.")],
    as_json: AsJson = False,
) -> Answer:
    """Give a model version another name; its number stays, and models keep their own names."""
    models = current_client().models
    former = models.version(model).label
    renamed = models.rename(model, to)
    return sentence(f"{former} is {renamed.label} from now on.", renamed, renamed.as_row(), as_json=as_json)


@verb(commands, "describe", 'nbpipe model describe iris "tells irises apart"', 'nbpipe model describe iris@3 "for May"')
def describe(
    model: ModelName,
    description: Annotated[str, Argument(metavar="TEXT", help="What the model is for, or what the version is.")],
    as_json: AsJson = False,
) -> Answer:
    """Say what a model is for, or what one of its versions is."""
    found = current_client().models.describe(model, description)
    label = found.label if isinstance(found, ModelVersion) else found.name
    return sentence(f"{label}: {found.description}", found, found.as_row(), as_json=as_json)


@verb(commands, "delete", "nbpipe model delete iris@3", "nbpipe model delete iris --all --force")
def delete(
    model: ModelName,
    *,
    every: Annotated[bool, Option("--all", help="The model with all of its versions.")] = False,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> Answer:
    """Delete a model version, or a model with all of its versions; runs and artifacts stay."""
    models = current_client().models
    target = models.to_delete(model, every=every)
    return deleted(
        "model" if every else "model version",
        {target.id: target.label},
        models.dependents(target),
        lambda: models.delete_model(target, force=force) if every else models.delete(target, force=force),
        dry_run=dry_run,
        as_json=as_json,
    )


@verb(commands, "history", "nbpipe model history iris", "nbpipe model history iris@3 --json")
def history(model: ModelName, as_json: AsJson = False) -> Answer:
    """List the moves between stages of a model's versions, newest first."""
    return plainly_listed(current_client().models.history(model), as_json=as_json)
