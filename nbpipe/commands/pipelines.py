"""`nbpipe pipeline`: what was run, and what a source would run; `snapshot` and `schedule` stand below it too."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import (
    PIPELINE,
    SOURCE,
    AsJson,
    NameContains,
    NamePrefix,
    Since,
    Statuses,
    TagContains,
    TagPrefix,
    Until,
    WithAnyTag,
    WithTags,
)
from nbpipe.commands.calling import Runnable, current_call, current_client
from nbpipe.commands.composing import Materials
from nbpipe.commands.deleting import DryRun, Force, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed
from nbpipe.commands.plain import definition_plain
from nbpipe.commands.schedules import commands as schedule_commands
from nbpipe.commands.showing import pipeline_bundle, recorded_bundle
from nbpipe.commands.showing_compositions import composed_bundle
from nbpipe.commands.snapshots import commands as snapshot_commands
from nbpipe.commands.sources import find_pipeline, here_named, is_importable, looks_like_source
from nbpipe.commands.workbench import Workbench
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.composition import Composition
from nbpipe.services.foreseeing import foresee

commands = noun("List, show and delete pipelines.")
commands.add_typer(snapshot_commands, name="snapshot")
commands.add_typer(schedule_commands, name="schedule")


@verb(commands, "list", "nbpipe pipeline list", "nbpipe pipeline list --since 2d --status failed --json")
def list_(
    *,
    name_prefix: NamePrefix = "",
    name_contains: NameContains = "",
    status: Statuses = None,
    tags: WithTags = None,
    any_tags: WithAnyTag = None,
    tag_prefix: TagPrefix = "",
    tag_contains: TagContains = "",
    since: Since = None,
    until: Until = None,
    order_by: Annotated[
        str | None, Option("--order-by", metavar="NAME", help="A column: name, -runs, snapshots.")
    ] = None,
    limit: Annotated[int | None, Option("--limit", metavar="N", help="How many at most; all if none is given.")] = None,
    as_json: AsJson = False,
) -> Answer:
    """List the pipelines that have runs or snapshots, the one that ran last first."""
    asked: dict[str, Any] = {
        "name_prefix": name_prefix,
        "name_contains": name_contains,
        "status": status or None,
        "tags": tags,
        "any_tags": any_tags,
        "tag_prefix": tag_prefix,
        "tag_contains": tag_contains,
        "since": since,
        "until": until,
        "order_by": order_by,
    }
    found = current_client().pipelines.list(**asked, limit=limit)
    return listed(found, as_json=as_json, noun="pipelines", asked=asked)


@verb(commands, "show", "nbpipe pipeline show flow.py", "nbpipe pipeline show training --json")
def show(
    source: Annotated[
        str | None, Argument(metavar=SOURCE, help="A source, a pipeline of this notebook, or the name of one that ran.")
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Show a pipeline: its steps, what flows between them, and its parameters."""
    if source is None or looks_like_source(source):
        return _defined(find_pipeline(source), as_json=as_json)
    here = here_named(source)
    if here is not None:
        return _defined(here, as_json=as_json)
    try:
        return _recorded(source, as_json=as_json)
    except NotFoundError:
        if is_importable(source):
            return _defined(find_pipeline(source), as_json=as_json)
        raise


@verb(commands, "compose", "nbpipe pipeline compose", "nbpipe pipeline compose training")
def compose(
    name: Annotated[
        str | None, Argument(metavar=PIPELINE, help="A pipeline of this notebook to begin with; none to begin anew.")
    ] = None,
) -> Answer:
    """Put a pipeline together with the mouse, in a notebook: pick steps, wire them, write the cell."""
    bench = current_call().surroundings
    if not isinstance(bench, Workbench):
        raise BadValueError(
            "A pipeline is composed in a notebook, where there are steps and a place for the cell: "
            "%nbpipe pipeline compose"
        )
    materials = Materials(bench)
    materials.look()
    composition = materials.opened(name) if name else Composition()
    bundle = composed_bundle(composition, materials, materials.problems(composition))
    return Answer(bundle, bench, widget="PipelineComposer", asked={"open": name or ""})


@verb(commands, "delete", "nbpipe pipeline delete training --dry-run", "nbpipe pipeline delete training --force")
def delete(
    pipeline: Annotated[str, Argument(metavar=PIPELINE, help="A pipeline that ran.")],
    *,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> Answer:
    """Delete a pipeline with its runs and snapshots; the artifacts that they made stay."""
    service = current_client().pipelines
    found = service.get(pipeline)
    dependents = service.dependents(found)
    return deleted(
        "pipeline",
        {found.name: found.name},
        dependents,
        lambda: service.delete(found, force=force),
        dry_run=dry_run,
        as_json=as_json,
    )


def _defined(pipeline: Runnable, *, as_json: bool) -> Answer:
    request = pipeline.request({})
    foreseen = foresee(current_client().workspace, request)
    bundle = pipeline_bundle(request.definition, request.configuration, foreseen)
    return Answer(bundle, pipeline, definition_plain(request), "PipelineView", as_json)


def _recorded(name: str, *, as_json: bool) -> Answer:
    """Show a pipeline as its newest run left it: its definition lives in code that is not at hand."""
    record = current_client().pipelines.get(name)
    facts = {**record.as_row(), "tags": record.tags}
    return Answer(recorded_bundle(record), record, facts, as_json=as_json)
