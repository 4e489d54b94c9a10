"""`nbpipe runs`: what ran, how it went, and how two runs differ."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer, Started, sentence
from nbpipe.commands.arguments import (
    RUN,
    SETTING,
    SNAPSHOT,
    STEP,
    AsJson,
    Limit,
    NameContains,
    NamePrefix,
    OfModelVersion,
    OfPipeline,
    OrderBy,
    RunName,
    Since,
    Statuses,
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
from nbpipe.commands.comparing import comparison_facts
from nbpipe.commands.deleting import DryRun, Force, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed, model_of
from nbpipe.commands.plain import run_plain
from nbpipe.commands.printed_logs import logs_bundle
from nbpipe.commands.reasons import explanation_bundle
from nbpipe.commands.running import begin_resumed
from nbpipe.commands.showing import run_bundle
from nbpipe.records.runs import Status
from nbpipe.services.logs import followed
from nbpipe.views.comparison import comparison_card

commands = noun("List, show, compare, rename and delete runs.")


@verb(
    commands,
    "list",
    "nbpipe runs list --pipeline training --status failed --since 2d",
    'nbpipe runs list --tag v1 --where "evaluation_metrics.accuracy > 0.8 and loss < 0.2" --json',
    'nbpipe runs list --tag-prefix exp- --metadata dataset.rows=344 --order-by "accuracy desc"',
)
def list_(
    *,
    pipeline: OfPipeline = None,
    status: Statuses = None,
    snapshot: Annotated[str | None, Option("--snapshot", metavar=SNAPSHOT, help="Only runs of this snapshot.")] = None,
    parent: Annotated[str | None, Option("--parent", metavar=RUN, help="Only those that this run triggered.")] = None,
    model_version: OfModelVersion = None,
    name: Annotated[str | None, Option("--name", metavar="NAME", help="Only the one of this name.")] = None,
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
    order_by: OrderBy = None,
    before: Annotated[str | None, Option("--before", metavar=RUN, help="Only those older than this run.")] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> Answer:
    """List runs, newest first."""
    client = current_client()
    asked: dict[str, Any] = {
        "pipeline": pipeline,
        "status": status or None,
        "snapshot": client.snapshots.get(snapshot).id if snapshot is not None else None,
        "parent": client.runs.get(parent).id if parent is not None else None,
        "model_version": model_version,
        "name": name,
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
        "order_by": order_by,
        "before": before,
    }
    found = client.runs.list(**asked, limit=limit)
    plain = [{**run.as_row(), "model_version": model_of(run)} for run in found]
    return listed(found, plain=plain, as_json=as_json, noun="runs", asked=asked)


@verb(commands, "show", "nbpipe runs show 1f3a9c", "nbpipe runs show 1f3a9c --json")
def show(run: RunName, as_json: AsJson = False) -> Answer:
    """Show a run: its steps, parameters, metrics and what went wrong."""
    found = current_client().runs.get(run)
    return Answer(run_bundle(found), found, run_plain(found, found.tags), "PipelineView", as_json)


@verb(
    commands,
    "compare",
    "nbpipe runs compare 1f3a9c 8d21e0",
    "nbpipe runs compare 1f3a9c 8d21e0 52c0aa --all",
)
def compare(
    runs: Annotated[list[str], Argument(metavar=RUN, help="Two runs or more: ids, beginnings of ids, or names.")],
    *,
    is_all: Annotated[bool, Option("--all", help="Show also in what they do not differ.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Show in what runs differ: parameters, metrics, steps, data, code and tags."""
    compared = current_client().runs.compare(*runs)
    bundle = comparison_card(comparison_facts(compared), only_differences=not is_all, width=current_call().width)
    plain = compared.as_plain(only_differences=not is_all)
    return Answer(bundle, compared, plain, "RunComparison", as_json)


@verb(
    commands,
    "explain",
    "nbpipe runs explain",
    "nbpipe runs explain 1f3a9c --step train",
)
def explain(
    run: Annotated[
        str | None, Argument(metavar=RUN, help="The run; the newest if none is given.", show_default=False)
    ] = None,
    *,
    step: Annotated[str | None, Option("--step", metavar=STEP, help="Only this step.")] = None,
    as_json: AsJson = False,
) -> Answer:
    """Say why each step of a run ran or was reused: what changed, and against which earlier run."""
    runs = current_client().runs
    found = runs.get(run) if run is not None else runs.newest()
    explained = runs.explain(found, step)
    plain = {"run": found.as_row(), "steps": [one.as_row() for one in explained]}
    return Answer(explanation_bundle(found, explained), explained, plain, as_json=as_json)


@verb(
    commands,
    "resume",
    "nbpipe runs resume 1f3a9c",
    "nbpipe runs resume 1f3a9c --set token=hunter2",
)
def resume(
    run: RunName,
    *,
    secrets: Annotated[
        list[str] | None, Option("--set", metavar=SETTING, help="A secret, which is not kept: token=…. Repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> Started:
    """Go on from a run that failed or was stopped: what was done is taken, the rest runs, with the code that it had."""
    return begin_resumed(run, secrets, as_json=as_json)


@verb(commands, "stop", "nbpipe runs stop 1f3a9c")
def stop(run: RunName, as_json: AsJson = False) -> Answer:
    """Stop a run, in whatever process it goes on; what was done before is kept."""
    found = current_client().runs.stop(run)
    if found.status.is_over:
        how = "" if found.status is Status.COMPLETED else f" Go on from it: nbpipe runs resume {found.id[:8]}"
        said = f"Run {found.name} is over: it is {found.status.value}.{how}"
        return sentence(said, found, found.as_row(), as_json=as_json)
    said = f"Run {found.name} was asked to stop, and does as soon as it can; what it is at now cannot be interrupted."
    return replace(sentence(said, found, found.as_row(), as_json=as_json), exit_code=1)


@verb(commands, "logs", "nbpipe runs logs 1f3a9c --step train", "nbpipe runs logs 1f3a9c --follow")
def logs(
    run: RunName,
    *,
    step: Annotated[str | None, Option("--step", metavar=STEP, help="Only this step.")] = None,
    follow: Annotated[bool, Option("--follow", help="Print each step's as it ends, until the run is over.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Print what the steps of a run printed."""
    found = current_client().runs.get(run)
    if not follow:
        kept = found.logs(step)
        shown = logs_bundle(kept, is_alone=step is not None)
        return Answer(shown, kept, [one.as_row() for one in kept], as_json=as_json)
    heard = []
    for log in followed(partial(found.logs, step), lambda: found.refresh().status.is_over):
        heard.append(log)
        if not as_json:
            print(logs_bundle([log], is_alone=step is not None).text, flush=True)
    over = found.refresh()
    said = f"Run {over.name} is over: {over.status.value}."
    return sentence(said, heard, [one.as_row() for one in heard], as_json=as_json)


@verb(commands, "rename", "nbpipe runs rename 1f3a9c baseline")
def rename(
    run: RunName, to: Annotated[str, Argument(metavar="NAME", help="Its new name.")], as_json: AsJson = False
) -> Answer:
    """Give a run another name."""
    runs = current_client().runs
    former = runs.get(run)
    renamed = runs.rename(former, to)
    said = f"Run {former.name} is now named {renamed.name}."
    return sentence(said, renamed, renamed.as_row(), as_json=as_json)


@verb(commands, "delete", "nbpipe runs delete 1f3a9c", "nbpipe runs delete 1f3a9c 8d21e0 --dry-run")
def delete(
    runs: Annotated[list[str], Argument(metavar=RUN, help="Runs: ids, beginnings of ids, or names.")],
    *,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> Answer:
    """Delete runs with their steps; the artifacts that they made stay."""
    service = current_client().runs
    found = list({run.id: run for run in map(service.get, runs)}.values())
    names = {run.id: run.name for run in found}
    dependents = service.dependents(found)
    return deleted(
        "run", names, dependents, lambda: service.delete(found, force=force), dry_run=dry_run, as_json=as_json
    )
