"""`nbpipe runs`: what ran, how it went, and how two runs differ."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import (
    RUN,
    SNAPSHOT,
    STATUS,
    AsJson,
    Limit,
    OfPipeline,
    RunName,
    WithTags,
)
from nbpipe.commands.calling import current_client
from nbpipe.commands.deleting import DryRun, Force, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed, model_of
from nbpipe.commands.plain import run_plain
from nbpipe.commands.showing import explanation_bundle, run_bundle, run_facts
from nbpipe.services.runs import Run
from nbpipe.views.comparison import comparison_card

commands = noun("List, show, compare, rename and delete runs.")


@verb(
    commands,
    "list",
    "nbpipe runs list --pipeline training --status failed",
    'nbpipe runs list --tag v1 --where "evaluation_metrics.accuracy > 0.8" --json',
)
def list_(
    *,
    pipeline: OfPipeline = None,
    status: Annotated[str | None, Option("--status", metavar=STATUS, help="Only those that stand so.")] = None,
    snapshot: Annotated[str | None, Option("--snapshot", metavar=SNAPSHOT, help="Only runs of this snapshot.")] = None,
    parent: Annotated[str | None, Option("--parent", metavar=RUN, help="Only those that this run triggered.")] = None,
    tags: WithTags = None,
    where: Annotated[
        str | None, Option("--where", metavar="COMPARISON", help='A comparison of a metric: "accuracy > 0.8".')
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> Answer:
    """List runs, newest first."""
    client = current_client()
    snapshot_id = client.snapshots.get(snapshot).id if snapshot is not None else None
    parent_id = client.runs.get(parent).id if parent is not None else None
    found = client.runs.list(
        pipeline=pipeline, status=status, snapshot=snapshot_id, parent=parent_id, tags=tags, where=where, limit=limit
    )
    plain = [{**run.as_row(), "model_version": model_of(run)} for run in found]
    asked = {"noun": "runs", "pipeline": pipeline, "status": status, "tags": tags, "where": where}
    asked |= {"snapshot": snapshot_id, "parent": parent_id}
    return listed(found, plain=plain, as_json=as_json, asked=asked)


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
    found = [service.get(run) for run in runs]
    names = [run.name for run in found]
    return deleted(service, found, "run", names, force=force, dry_run=dry_run, as_json=as_json)


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
