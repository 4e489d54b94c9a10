"""`nbpipe pipeline`: what was run, and what a source would run; `pipeline snapshot …` is `snapshot …`."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from nbpipe.commands.answers import Answer, listing
from nbpipe.commands.arguments import SOURCE, TAG, AsJson
from nbpipe.commands.calling import Runnable, current_client
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.plain import definition_plain
from nbpipe.commands.showing import pipeline_bundle, recorded_bundle
from nbpipe.commands.snapshots import commands as snapshot_commands
from nbpipe.commands.sources import find_pipeline, here_named, is_importable, looks_like_source
from nbpipe.errors import NotFoundError
from nbpipe.services.foreseeing import foresee
from nbpipe.views.theme import signed

commands = noun("List and show pipelines.")
commands.add_typer(snapshot_commands, name="snapshot")


@verb(commands, "list", "nbpipe pipeline list", "nbpipe pipeline list --json")
def list_(
    tags: Annotated[list[str] | None, Option("--tag", metavar=TAG, help="Only those that bear this tag.")] = None,
    as_json: AsJson = False,
) -> Answer:
    """List the pipelines that have runs or snapshots, the one that ran last first."""
    found = current_client().pipelines.list(tags=tags)
    rows = [
        (one.name, one.runs, one.snapshots, signed(one.last_status), one.last_started, one.last_run[:8])
        for one in found
    ]
    columns = ("pipeline", "runs", "snapshots", "last status", "last started", "last run")
    asked = {"noun": "pipelines", "tags": tags}
    plain = found.as_rows()
    return listing(columns, rows, record=found, plain=plain, as_json=as_json, widget="CatalogBrowser", asked=asked)


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


def _defined(pipeline: Runnable, *, as_json: bool) -> Answer:
    request = pipeline.request({})
    foreseen = foresee(current_client().workspace, request)
    bundle = pipeline_bundle(request.definition, request.configuration, foreseen)
    return Answer(bundle, pipeline, definition_plain(request), "PipelineView", as_json)


def _recorded(name: str, *, as_json: bool) -> Answer:
    """Show a pipeline as its newest run left it: its definition lives in code that is not at hand."""
    client = current_client()
    record = client.pipelines.get(name)
    newest = client.runs.list(pipeline=record.name, limit=1)
    facts = {**record.as_row(), "tags": record.tags}
    return Answer(recorded_bundle(record, newest[0] if newest else None), record, facts, as_json=as_json)
