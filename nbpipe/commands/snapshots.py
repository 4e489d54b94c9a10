"""`nbpipe snapshot`: pipelines frozen under a name, shown, run, renamed and deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer, Started, sentence
from nbpipe.commands.arguments import (
    SOURCE,
    TAG,
    AsJson,
    Configuration,
    NameContains,
    NamePrefix,
    NoCache,
    OfPipeline,
    RunTags,
    Settings,
    Since,
    SnapshotName,
    TagContains,
    TagPrefix,
    Until,
    Where,
    WithAnyTag,
    WithMetadata,
    WithTags,
    metadata_said,
)
from nbpipe.commands.calling import current_call, current_client
from nbpipe.commands.deleting import DryRun, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed
from nbpipe.commands.plain import snapshot_plain
from nbpipe.commands.running import begin, configuration_of, request_for_snapshot
from nbpipe.commands.showing import snapshot_bundle
from nbpipe.commands.sources import find_pipeline
from nbpipe.errors import BadValueError
from nbpipe.records.config import merge_configurations
from nbpipe.records.tags import as_tags

commands = noun("Freeze pipelines under a name, and run them again.")


@verb(
    commands,
    "create",
    "nbpipe snapshot create flow.py --name nightly",
    "nbpipe snapshot create flow:training --name nightly --set rate=0.2 --replace",
)
def create(
    source: Annotated[
        str | None, Argument(metavar=SOURCE, help="file.py:attr, module:attr or a pipeline of this notebook.")
    ] = None,
    *,
    name: Annotated[str, Option("--name", metavar="NAME", help="Its name among the pipeline's snapshots.")],
    settings: Settings = None,
    config: Configuration = None,
    replace_former: Annotated[bool, Option("--replace", help="Take the name from a former snapshot.")] = False,
    description: Annotated[str, Option("--description", metavar="TEXT", help="What it is for.")] = "",
    tags: Annotated[list[str] | None, Option("--tag", metavar=TAG, help="A tag for the snapshot. Repeatable.")] = None,
    as_json: AsJson = False,
) -> Answer:
    """Freeze a pipeline under a name, so that it can be run again with nothing else at hand."""
    if not name.strip():
        raise BadValueError("--name '' names no snapshot; give a word, as in --name nightly.")
    given = configuration_of(settings, config)
    request = find_pipeline(source).request({})
    wanted = as_tags(tags or ())
    made = current_client().snapshots.create(
        request.definition,
        name=name,
        configuration=merge_configurations(request.configuration, given),
        description=description,
        tags=wanted,
        replace=replace_former,
    )
    names = [tag.name for tag in wanted]
    return Answer(snapshot_bundle(made, tags=names), made, snapshot_plain(made, names), as_json=as_json)


@verb(commands, "list", "nbpipe snapshot list --since 2d", "nbpipe snapshot list --pipeline training --json")
def list_(
    *,
    pipeline: OfPipeline = None,
    name_prefix: NamePrefix = "",
    name_contains: NameContains = "",
    tags: WithTags = None,
    any_tags: WithAnyTag = None,
    tag_prefix: TagPrefix = "",
    tag_contains: TagContains = "",
    where: Where = None,
    metadata: WithMetadata = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, Option("--limit", metavar="N", help="How many at most; all if none is given.")] = None,
    as_json: AsJson = False,
) -> Answer:
    """List snapshots, newest first."""
    asked: dict[str, Any] = {
        "pipeline": pipeline,
        "name_prefix": name_prefix,
        "name_contains": name_contains,
        "tags": tags,
        "any_tags": any_tags,
        "tag_prefix": tag_prefix,
        "tag_contains": tag_contains,
        "where": where,
        "metadata": metadata_said(metadata),
        "since": since,
        "until": until,
    }
    found = current_client().snapshots.list(**asked, limit=limit)
    return listed(found, as_json=as_json, noun="snapshots", asked=asked)


@verb(commands, "show", "nbpipe snapshot show nightly", "nbpipe snapshot show nightly --code > nightly.py")
def show(
    snapshot: SnapshotName,
    code: Annotated[bool, Option("--code", help="Print it as one Python module that runs by itself.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Show a snapshot: its steps and parameters, or its code."""
    found = current_client().snapshots.get(snapshot)
    bundle = snapshot_bundle(found, with_code=code)
    if code:
        # Nothing around it, so that it can be written to a file.
        bundle = replace(bundle, text=found.code)
    return Answer(bundle, found, snapshot_plain(found, found.tags, with_code=code), as_json=as_json)


@verb(commands, "run", "nbpipe snapshot run nightly", "nbpipe snapshot run nightly --set rate=0.2 --set train.depth=3")
def run(
    snapshot: SnapshotName,
    *,
    settings: Settings = None,
    config: Configuration = None,
    no_cache: NoCache = False,
    tags: RunTags = None,
    as_json: AsJson = False,
) -> Started:
    """Run a snapshot in this process, with no notebook and no source file."""
    given = configuration_of(settings, config, no_cache=no_cache, tags=tags)
    found = current_client().snapshots.get(snapshot)
    return begin(request_for_snapshot(found, given), as_json=as_json)


@verb(commands, "form", "%nbpipe snapshot form nightly")
def form(snapshot: SnapshotName) -> Answer:
    """Show a form that runs a snapshot with other values; in a notebook only."""
    found = current_client().snapshots.get(snapshot)
    if current_call().surroundings is None:
        name = found.name or found.id[:8]
        raise BadValueError(f"A form needs a notebook. Here, write nbpipe snapshot run {name} --set NAME=VALUE.")
    return Answer(snapshot_bundle(found), found, snapshot_plain(found, found.tags), "ParameterForm")


@verb(commands, "rename", "nbpipe snapshot rename nightly weekly")
def rename(
    snapshot: SnapshotName,
    to: Annotated[str, Argument(metavar="NAME", help="Its new name.")],
    as_json: AsJson = False,
) -> Answer:
    """Give a snapshot another name."""
    former = current_client().snapshots.get(snapshot)
    renamed = current_client().snapshots.rename(former, to)
    said = f"Snapshot {former.name or former.id[:8]} of {renamed.pipeline} is now named {renamed.name}."
    return sentence(said, renamed, renamed.as_row(), as_json=as_json)


@verb(commands, "delete", "nbpipe snapshot delete nightly", "nbpipe snapshot delete nightly --dry-run")
def delete(snapshot: SnapshotName, *, dry_run: DryRun = False, as_json: AsJson = False) -> Answer:
    """Delete a snapshot; its runs stay."""
    snapshots = current_client().snapshots
    found = snapshots.get(snapshot)
    names = {found.id: f"{found.name or found.id[:8]} of {found.pipeline}"}
    dependents = snapshots.dependents(found)
    return deleted("snapshot", names, dependents, lambda: snapshots.delete(found), dry_run=dry_run, as_json=as_json)
