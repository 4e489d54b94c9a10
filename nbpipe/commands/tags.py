"""`nbpipe tag`: tags put on things, taken off, listed, renamed and deleted."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from nbpipe.commands.answers import Answer, listing, sentence
from nbpipe.commands.arguments import ARTIFACT, MODEL, PIPELINE, RUN, SNAPSHOT, TAG, AsJson, TagName
from nbpipe.commands.calling import current_client
from nbpipe.commands.deleting import DryRun, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed, plainly_listed
from nbpipe.commands.showing import flags_text
from nbpipe.errors import BadValueError
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag
from nbpipe.services.resolve import resolve_all
from nbpipe.services.tags import tags_of

commands = noun("Put tags on things, and take them off.")

Names = Annotated[list[str], Argument(metavar=TAG, help="One tag or several.")]
Runs = Annotated[list[str] | None, Option("--run", metavar=RUN, help="On this run.")]
Artifacts = Annotated[
    list[str] | None, Option("--artifact", metavar=ARTIFACT, help="On this artifact, or on a version as in raw@7.")
]
Models = Annotated[
    list[str] | None, Option("--model", metavar=MODEL, help="On this model, or on a version as in iris@3.")
]
Pipelines = Annotated[list[str] | None, Option("--pipeline", metavar=PIPELINE, help="On this pipeline.")]
Snapshots = Annotated[list[str] | None, Option("--snapshot", metavar=SNAPSHOT, help="On this snapshot.")]
Anything = Annotated[
    list[str] | None, Option("--to", metavar="REF", help="On anything that says what it is: run:1f3a9c, model:iris@3.")
]


@verb(
    commands,
    "add",
    "nbpipe tag add production-ready --run 1f3a9c",
    "nbpipe tag add v1 reviewed --artifact raw_data@7 --model iris@3",
)
def add(
    names: Names,
    *,
    run: Runs = None,
    artifact: Artifacts = None,
    model: Models = None,
    pipeline: Pipelines = None,
    snapshot: Snapshots = None,
    to: Anything = None,
    exclusive: Annotated[bool, Option("--exclusive", help="One thing at most bears it; the former loses it.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Put tags on things: all of them on each, or none."""
    _check_says_on_what(run, artifact, model, pipeline, snapshot, to)
    wanted = [Tag(name=name, exclusive=True) if exclusive else name for name in names]
    answer = current_client().tags.add(
        wanted, run=run, artifact=artifact, model=model, pipeline=pipeline, snapshot=snapshot, to=to
    )
    labels = [target.label for target in answer.targets]
    lost = "".join(f" {tag} was taken from {holder[:8]}." for tag, holder in answer.lost.items())
    lost += "".join(f" {tag} reached {_versions(count)}." for tag, count in answer.reached.items())
    facts = {
        "tags": names,
        "targets": [{"kind": target.kind, "id": target.id, "label": target.label} for target in answer.targets],
        "lost": answer.lost,
        "reached": answer.reached,
    }
    return sentence(f"Tagged {', '.join(labels)} with {', '.join(names)}.{lost}", answer, facts, as_json=as_json)


@verb(commands, "remove", "nbpipe tag remove production-ready --run 1f3a9c")
def remove(
    names: Names,
    *,
    run: Runs = None,
    artifact: Artifacts = None,
    model: Models = None,
    pipeline: Pipelines = None,
    snapshot: Snapshots = None,
    to: Anything = None,
    as_json: AsJson = False,
) -> Answer:
    """Take tags off things; one that is not there is no error."""
    _check_says_on_what(run, artifact, model, pipeline, snapshot, to)
    removed = current_client().tags.remove(
        names, run=run, artifact=artifact, model=model, pipeline=pipeline, snapshot=snapshot, to=to
    )
    return sentence(f"Removed {_many(removed)}.", removed, {"tags": names, "removed": removed}, as_json=as_json)


@verb(commands, "show", "nbpipe tag show --run 1f3a9c", "nbpipe tag show --model iris@3 --json")
def show(
    *,
    run: Runs = None,
    artifact: Artifacts = None,
    model: Models = None,
    pipeline: Pipelines = None,
    snapshot: Snapshots = None,
    to: Anything = None,
    as_json: AsJson = False,
) -> Answer:
    """Show the tags of things; in a notebook they can be edited there."""
    _check_says_on_what(run, artifact, model, pipeline, snapshot, to)
    client = current_client()
    given: dict[Kind | None, object] = {
        Kind.RUN: run,
        Kind.ARTIFACT: artifact,
        Kind.MODEL: model,
        Kind.PIPELINE: pipeline,
        Kind.SNAPSHOT: snapshot,
        None: to,
    }
    targets = resolve_all(client.workspace, given)
    known = {tag.name: tag for tag in client.tags.list()}
    borne = [(target, known[name]) for target in targets for name in tags_of(client.workspace, target.kind, target.id)]
    rows = [(target.label, target.kind.value.replace("_", " "), tag.name, flags_text(tag)) for target, tag in borne]
    plain = [
        {"kind": target.kind.value, "id": target.id, "label": target.label, **tag.as_row()} for target, tag in borne
    ]
    columns = ("what", "kind", "tag", "flags")
    return listing(columns, rows, record=list(targets), plain=plain, as_json=as_json, widget="TagEditor")


@verb(commands, "history", "nbpipe tag history latest", "nbpipe tag history latest --limit 5 --json")
def history(
    tag: TagName,
    limit: Annotated[int, Option("--limit", metavar="N", help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> Answer:
    """List who bore a tag from when to when, newest first."""
    return plainly_listed(current_client().tags.history(tag, limit=limit), as_json=as_json)


@verb(commands, "list", "nbpipe tag list", "nbpipe tag list --prefix exp- --json")
def list_(
    prefix: Annotated[str, Option("--prefix", metavar="TEXT", help="Only those that begin so.")] = "",
    contains: Annotated[str, Option("--contains", metavar="TEXT", help="Only those with this in them.")] = "",
    as_json: AsJson = False,
) -> Answer:
    """List tags, newest first."""
    found = current_client().tags.list(prefix=prefix, contains=contains)
    return listed(found, as_json=as_json, noun="tags", asked={"prefix": prefix, "contains": contains})


@verb(commands, "rename", "nbpipe tag rename v1 v1.0")
def rename(
    tag: TagName, to: Annotated[str, Argument(metavar="NAME", help="Its new name.")], as_json: AsJson = False
) -> Answer:
    """Rename a tag on everything that bears it."""
    renamed = current_client().tags.rename(tag, to)
    return sentence(f"Tag {tag} is now named {renamed.name}.", renamed, renamed.as_row(), as_json=as_json)


@verb(commands, "delete", "nbpipe tag delete v1", "nbpipe tag delete v1 --dry-run")
def delete(tag: TagName, *, dry_run: DryRun = False, as_json: AsJson = False) -> Answer:
    """Delete a tag from everything that bears it."""
    tags = current_client().tags
    name = tags.get(tag).name
    dependents = tags.dependents(name)
    return deleted("tag", {name: name}, dependents, lambda: tags.delete(name), dry_run=dry_run, as_json=as_json)


def _check_says_on_what(*targets: list[str] | None) -> None:
    if not any(targets):
        raise BadValueError("Say on what: --run, --artifact, --model, --pipeline, --snapshot or --to.")


def _versions(count: int) -> str:
    return f"{count} artifact version" if count == 1 else f"{count} artifact versions"


def _many(count: int) -> str:
    return f"{count} tag" if count == 1 else f"{count} tags"
