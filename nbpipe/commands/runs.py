"""`nbpipe runs`: what ran, how it went, and how two runs differ."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import (
    RUN,
    SNAPSHOT,
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
from nbpipe.commands.calling import current_client
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed, model_of
from nbpipe.commands.plain import run_plain
from nbpipe.commands.reasons import explanation_bundle
from nbpipe.commands.showing import run_bundle, run_facts
from nbpipe.services.runs import Run
from nbpipe.views.comparison import comparison_card

commands = noun("List, show and compare runs.")


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
    found = client.runs.list(
        pipeline=pipeline,
        status=status or None,
        snapshot=client.snapshots.get(snapshot).id if snapshot is not None else None,
        parent=client.runs.get(parent).id if parent is not None else None,
        model_version=model_version,
        name=name,
        name_prefix=name_prefix,
        name_contains=name_contains,
        tags=tags,
        any_tags=any_tags,
        tag_prefix=tag_prefix,
        tag_contains=tag_contains,
        where=where,
        metadata=metadata_said(metadata),
        since=since,
        until=until,
        order_by=order_by,
        before=before,
        limit=limit,
    )
    plain = [{**run.as_row(), "model_version": model_of(run)} for run in found]
    return listed(found, plain=plain, as_json=as_json)


@verb(commands, "show", "nbpipe runs show 1f3a9c", "nbpipe runs show 1f3a9c --json")
def show(run: RunName, as_json: AsJson = False) -> Answer:
    """Show a run: its steps, parameters, metrics and what went wrong."""
    found = current_client().runs.get(run)
    return Answer(run_bundle(found), found, run_plain(found, found.tags), as_json=as_json)


@verb(commands, "compare", "nbpipe runs compare 1f3a9c 8d21e0")
def compare(left: RunName, right: RunName, as_json: AsJson = False) -> Answer:
    """Show what differs between two runs."""
    runs = current_client().runs
    first, second = runs.get(left), runs.get(right)
    bundle = comparison_card(run_facts(first), run_facts(second))
    return Answer(bundle, (first, second), _differences(first, second), "RunComparison", as_json)


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
    step: Annotated[str | None, Option("--step", metavar="STEP", help="Only this step.")] = None,
    as_json: AsJson = False,
) -> Answer:
    """Say why each step of a run ran or was reused: what changed, and against which earlier run."""
    runs = current_client().runs
    found = runs.get(run) if run is not None else runs.newest()
    explained = runs.explain(found, step)
    plain = {"run": found.as_row(), "steps": [one.as_row() for one in explained]}
    return Answer(explanation_bundle(found, explained), explained, plain, as_json=as_json)


def _differences(left: Run, right: Run) -> dict[str, Any]:
    statuses = [{node: step.status for node, step in run.steps.items()} for run in (left, right)]
    return {
        "left": left.as_row(),
        "right": right.as_row(),
        "parameters": _differing(dict(left.parameters), dict(right.parameters)),
        "metrics": _differing(dict(left.metrics), dict(right.metrics)),
        "steps": _differing(*statuses),
    }


def _differing(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Give both sides of what is not the same, by name; what a side does not have is `None`."""
    return {
        name: {"left": left.get(name), "right": right.get(name)}
        for name in dict.fromkeys((*left, *right))
        if left.get(name) != right.get(name)
    }
