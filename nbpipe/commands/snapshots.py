"""`nbpipe snapshot`: pipelines frozen under a name, shown, run, renamed and deleted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer, Started, sentence
from nbpipe.commands.arguments import (
    SOURCE,
    TAG,
    AsJson,
    Configuration,
    Debug,
    Executor,
    FromSteps,
    Isolated,
    NameContains,
    NamePrefix,
    NoCache,
    OfPipeline,
    OnlySteps,
    RunTags,
    Settings,
    Since,
    SnapshotName,
    TagContains,
    TagPrefix,
    Until,
    UntilSteps,
    Where,
    WithAnyTag,
    WithMetadata,
    WithTags,
    metadata_said,
)
from nbpipe.commands.calling import current_call, current_client
from nbpipe.commands.deleting import DryRun, deleted
from nbpipe.commands.grammar import RunVerb, noun, verb
from nbpipe.commands.listed import listed
from nbpipe.commands.plain import snapshot_plain
from nbpipe.commands.reaching import reached
from nbpipe.commands.running import begin_snapshot, configuration_of
from nbpipe.commands.showing import snapshot_bundle
from nbpipe.commands.snapshot_differences import differences_bundle
from nbpipe.commands.sources import find_pipeline
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.config import merge_configurations
from nbpipe.records.parts import as_part
from nbpipe.records.tags import as_tags

commands = noun("Freeze pipelines under a name, and run them again.")


@verb(
    commands,
    "create",
    "nbpipe snapshot create flow.py --name nightly",
    "nbpipe snapshot create flow:training --name nightly --set rate=0.2 --replace",
    "nbpipe snapshot create --run training-2026_11_20-08_15_30_123456 --name nightly",
)
def create(
    source: Annotated[
        str | None,
        Argument(metavar=SOURCE, help="file.py:attr, module:attr, notebook.ipynb or a pipeline of this one."),
    ] = None,
    *,
    name: Annotated[str, Option("--name", metavar="NAME", help="Its name among the pipeline's snapshots.")],
    run: Annotated[
        str | None, Option("--run", metavar="RUN", help="Freeze what a run ran, with its values, instead of a source.")
    ] = None,
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
    wanted = as_tags(tags or ())
    if run is None:
        request = find_pipeline(source).request({})
        given = merge_configurations(request.configuration, reached(given, request))
    elif source is not None:
        raise BadValueError(f"Give either a source or --run, not both {source} and {shorten(run)}.")
    made = current_client().snapshots.create(
        request.definition if run is None else None,
        run=run,
        name=name,
        configuration=given,
        description=description,
        tags=wanted,
        replace=replace_former,
    )
    names = [tag.name for tag in wanted]
    if left_out := made.not_kept(given):
        current_call().say(left_out)
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


@verb(
    commands,
    "run",
    "nbpipe snapshot run nightly --set rate=0.2 --set train.depth=3",
    "nbpipe snapshot run nightly --isolated",
    "nbpipe snapshot run nightly --only evaluate",
    cls=RunVerb,
)
def run(
    snapshot: SnapshotName,
    *,
    settings: Settings = None,
    config: Configuration = None,
    no_cache: NoCache = False,
    executor: Executor = None,
    tags: RunTags = None,
    from_steps: FromSteps = None,
    until_steps: UntilSteps = None,
    only_steps: OnlySteps = None,
    debug: Debug = False,
    isolated: Isolated = False,
    as_json: AsJson = False,
) -> Started:
    """Run a snapshot, with no notebook and no source file."""
    given = configuration_of(settings, config, no_cache=no_cache, executor=executor, tags=tags)
    part = as_part(from_steps, until_steps, only_steps)
    if isolated and not part.is_whole:
        raise BadValueError("In its own environment a snapshot runs as a whole; leave --isolated out, or the steps.")
    if isolated and debug:
        raise BadValueError("--debug runs in this process, --isolated in one of its own; leave one of them out.")
    found = current_client().snapshots.get(snapshot)
    return begin_snapshot(found, given, part=part, debug=debug, isolated=isolated, as_json=as_json)


@verb(
    commands,
    "dockerfile",
    "nbpipe snapshot dockerfile nightly --output image/Dockerfile",
    "nbpipe snapshot dockerfile nightly --output -",
)
def dockerfile(
    snapshot: SnapshotName,
    output: Annotated[
        str | None,
        Option(
            "--output",
            metavar="FILE",
            help="Where the Dockerfile goes, with what it copies; NAME-image/Dockerfile if not given, - prints it.",
        ),
    ] = None,
    overwrite: Annotated[bool, Option("--replace", help="Overwrite what is there.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Write what a container image is built from that runs a snapshot in its own environment."""
    from nbpipe.commands.imaging import dockerfile_answer

    found = current_client().snapshots.get(snapshot)
    return dockerfile_answer(found, output, replace=overwrite, as_json=as_json)


@verb(commands, "form", "%nbpipe snapshot form nightly")
def form(snapshot: SnapshotName) -> Answer:
    """Show a form that runs a snapshot with other values; in a notebook only."""
    found = current_client().snapshots.get(snapshot)
    if current_call().surroundings is None:
        name = found.label
        raise BadValueError(f"A form needs a notebook. Here, write nbpipe snapshot run {name} --set NAME=VALUE.")
    return Answer(snapshot_bundle(found), found, snapshot_plain(found, found.tags), "ParameterForm")


@verb(commands, "diff", "nbpipe snapshot diff nightly weekly")
def diff(
    snapshot: SnapshotName,
    other: Annotated[str, Argument(metavar="OTHER", help="The snapshot to compare it with.")],
    as_json: AsJson = False,
) -> Answer:
    """Say in what two snapshots differ: code, parameters, options and environment."""
    found = current_client().snapshots.diff(snapshot, other)
    return Answer(differences_bundle(found), found, found.as_row(), as_json=as_json)


@verb(commands, "export", "nbpipe snapshot export nightly", "nbpipe snapshot export nightly /mnt/share --overwrite")
def export(
    snapshot: SnapshotName,
    to: Annotated[
        Path | None, Argument(metavar="FILE", help="A file or a folder; this folder if none is given.")
    ] = None,
    *,
    overwrite: Annotated[bool, Option("--overwrite", help="Replace a file of that name.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Write a snapshot into one file, which another workspace can import."""
    snapshots = current_client().snapshots
    found = snapshots.get(snapshot)
    place = snapshots.export(found, to, overwrite=overwrite)
    said = f"Snapshot {found.label} of {found.pipeline} is in {place}, digest {found.digest[:16]}."
    return sentence(said, place, {"file": str(place), "digest": found.digest, "id": found.id}, as_json=as_json)


@verb(
    commands,
    "import",
    "nbpipe snapshot import nightly.nbsnapshot",
    "nbpipe snapshot import nightly.nbsnapshot --name from_ann --digest 4f1c09ab77e2d3c1",
)
def import_(
    file: Annotated[Path, Argument(metavar="FILE", help="A file that `snapshot export` wrote.")],
    *,
    name: Annotated[str | None, Option("--name", metavar="NAME", help="Another name than the one it had.")] = None,
    replace_former: Annotated[bool, Option("--replace", help="Take the name from a former snapshot.")] = False,
    digest: Annotated[str, Option("--digest", metavar="DIGEST", help="The digest that it must have.")] = "",
    as_json: AsJson = False,
) -> Answer:
    """Take in a snapshot that was exported; it is verified, and nothing of it is run."""
    made = current_client().snapshots.import_(file, name=name, replace=replace_former, digest=digest)
    return Answer(snapshot_bundle(made), made, snapshot_plain(made, made.tags), as_json=as_json)


@verb(commands, "describe", 'nbpipe snapshot describe nightly "what runs every night"')
def describe(
    snapshot: SnapshotName,
    description: Annotated[str, Argument(metavar="TEXT", help="What it is for.")],
    as_json: AsJson = False,
) -> Answer:
    """Say what a snapshot is for."""
    changed = current_client().snapshots.describe(snapshot, description)
    said = f"Snapshot {changed.label} of {changed.pipeline}: {changed.description or 'no description'}"
    return sentence(said, changed, changed.as_row(), as_json=as_json)


@verb(commands, "prune", "nbpipe snapshot prune --dry-run", "nbpipe snapshot prune --older-than 30d --keep 3")
def prune(
    *,
    pipeline: OfPipeline = None,
    older_than: Annotated[
        str | None, Option("--older-than", metavar="AGE", help="Only those made before then: 30d, 2026-05-01.")
    ] = None,
    keep: Annotated[int, Option("--keep", metavar="N", help="How many of each pipeline stay.")] = 0,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> Answer:
    """Delete snapshots without a name; what is scheduled or deployed stays, and so do all runs."""
    gone = current_client().snapshots.prune(pipeline=pipeline, older_than=older_than, keep=keep, dry_run=dry_run)
    what = f"{len(gone):,} unnamed {'snapshot' if len(gone) == 1 else 'snapshots'}"
    done = "would be deleted" if dry_run else "deleted; all runs stay"
    return sentence(f"{what} {done}.", gone, gone.as_rows(), as_json=as_json)


@verb(commands, "rename", "nbpipe snapshot rename nightly weekly")
def rename(
    snapshot: SnapshotName,
    to: Annotated[str, Argument(metavar="NAME", help="Its new name.")],
    as_json: AsJson = False,
) -> Answer:
    """Give a snapshot another name."""
    former = current_client().snapshots.get(snapshot)
    renamed = current_client().snapshots.rename(former, to)
    said = f"Snapshot {former.label} of {renamed.pipeline} is now named {renamed.name}."
    return sentence(said, renamed, renamed.as_row(), as_json=as_json)


@verb(commands, "delete", "nbpipe snapshot delete nightly", "nbpipe snapshot delete nightly --dry-run")
def delete(snapshot: SnapshotName, *, dry_run: DryRun = False, as_json: AsJson = False) -> Answer:
    """Delete a snapshot; its runs stay."""
    snapshots = current_client().snapshots
    found = snapshots.get(snapshot)
    names = {found.id: f"{found.label} of {found.pipeline}"}
    dependents = snapshots.dependents(found)
    return deleted("snapshot", names, dependents, lambda: snapshots.delete(found), dry_run=dry_run, as_json=as_json)
