"""Runs that commands begin: what is to run, how it differs, and the card at its end.

The card is made from what this process saw, so that running asks the catalog nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nbpipe.commands.answers import Answer, Started
from nbpipe.commands.calling import current_call, current_client
from nbpipe.commands.plain import run_plain
from nbpipe.commands.progress import told_on
from nbpipe.commands.showing import run_facts
from nbpipe.commands.sources import files_here, find_pipeline, here_named, is_importable, looks_like_source, names_here
from nbpipe.errors import NotFoundError
from nbpipe.records.config import (
    PipelineRunConfiguration,
    merge_configurations,
    parse_settings,
    read_configuration,
)
from nbpipe.records.tags import as_tags
from nbpipe.services.runs import Run
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.snapshot_running import enter_folder, notices_for, rebuilt_for, run_apart, snapshot_request
from nbpipe.services.starting import RunRequest, watch_runs
from nbpipe.views.cards import run_card


def configuration_of(
    settings: Sequence[str] | None,
    file: Path | None,
    *,
    no_cache: bool = False,
    tags: Sequence[str] | None = None,
) -> PipelineRunConfiguration:
    """Read how a run is to differ; a setting wins over the file.

    Raises:
        BadValueError: A setting that sets nothing, a file that cannot be read, or a tag that is none.
    """
    said = parse_settings(settings or ())
    more = PipelineRunConfiguration(tags=as_tags(tags or ()), enable_cache=False if no_cache else None)
    base = read_configuration(file) if file is not None else PipelineRunConfiguration()
    return merge_configurations(merge_configurations(base, said), more)


def request_for(wanted: str | None, given: PipelineRunConfiguration) -> RunRequest:
    """Say what a run of a source or of a snapshot asks for; nothing is a notebook's own pipeline.

    Raises:
        NotFoundError: It is neither.
        NbpipeError: The source or the snapshot cannot be used.
    """
    if wanted is None or looks_like_source(wanted.strip()):
        return _request(find_pipeline(wanted), given)
    here = here_named(wanted)
    if here is not None:
        return _request(here, given)
    snapshots = current_client().snapshots
    try:
        snapshot = snapshots.get(wanted)
    except NotFoundError as error:
        if type(error) is NotFoundError and is_importable(wanted.strip()):
            return _request(find_pipeline(wanted), given)
        raise _neither(error, wanted) from None
    return request_for_snapshot(snapshot, given)


def _request(pipeline: object, given: PipelineRunConfiguration) -> RunRequest:
    request: RunRequest = pipeline.request({})  # type: ignore[attr-defined]
    return replace(request, configuration=merge_configurations(request.configuration, given))


def _neither(error: NotFoundError, wanted: str) -> NotFoundError:
    if type(error) is not NotFoundError or error.near:
        return error
    hint = "Name a snapshot, or a source such as flow.py:training."
    known = NotFoundError("snapshot or pipeline", wanted, [*names_here(), *files_here()])
    return known if known.near else NotFoundError("snapshot", wanted, hint=hint)


def request_for_snapshot(snapshot: Snapshot, given: PipelineRunConfiguration) -> RunRequest:
    """Bring a snapshot to life, and tell where this environment differs from its own.

    Raises:
        EnvironmentMismatchError: A package that its steps import is not installed.
        ParameterError: Values that do not fit.
    """
    request = snapshot_request(snapshot, given)
    if current_call().surroundings is None:
        # This process runs nothing else; a notebook stays where it is.
        enter_folder(snapshot)
    for notice in notices_for(snapshot):
        current_call().say(f"note: {notice}")
    return request


def begin_isolated(snapshot: Snapshot, given: PipelineRunConfiguration, *, as_json: bool) -> Started:
    """Start a run in the snapshot's own environment, which is rebuilt first if it is not there.

    Raises:
        EnvironmentBuildError: It cannot be rebuilt; nothing was run.
        NbpipeError: The request is refused; nothing was written.
    """
    with told_on(current_call().say) as tell:
        place = rebuilt_for(snapshot, tell)
    for notice in place.notices:
        current_call().say(f"note: {notice}")
    handle = run_apart(snapshot, given, is_bound=True, place=place)
    current_call().begun.append(handle)

    def finish(run: Run) -> Answer:
        tags, metrics = run.tags, run.metrics
        facts = run_facts(run, tags=tags, metrics=metrics)
        return Answer(run_card(facts), run, run_plain(run, tags, metrics=metrics), as_json=as_json)

    return Started(handle, finish, lambda _: None)


def begin(request: RunRequest, *, as_json: bool) -> Started:
    """Start a run in this process.

    Raises:
        NbpipeError: The request is refused; nothing was written.
    """
    reporter = current_call().reporter
    unwatch = watch_runs(reporter.begin) if reporter is not None else None

    def over(completed: bool) -> None:
        if reporter is not None and unwatch is not None:
            unwatch()
            reporter.end(completed=completed)

    try:
        handle = current_client().runs.start(request)
        current_call().begun.append(handle)
    except BaseException:
        over(False)
        raise
    tags = [tag.name for tag in as_tags((*request.definition.tags, *request.configuration.tags))]

    def finish(run: Run) -> Answer:
        # What the run itself said: who started it must not wait for the engine.
        facts = run_facts(run, tags=tags, metrics=run.seen_metrics)
        return Answer(run_card(facts), run, run_plain(run, tags, metrics=run.seen_metrics), as_json=as_json)

    return Started(handle, finish, over)
