"""Runs that commands begin: what is to run, how it differs, and the card at its end.

The card is made from what this process saw, so that running asks the catalog nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nbpipe.commands.answers import Answer, Started
from nbpipe.commands.calling import Runnable, current_call, current_client
from nbpipe.commands.plain import run_plain
from nbpipe.commands.progress import told_on
from nbpipe.commands.reaching import reached
from nbpipe.commands.showing import run_bundle, run_facts
from nbpipe.commands.showing_schedules import schedule_bundle
from nbpipe.commands.sources import files_here, find_pipeline, here_named, is_importable, looks_like_source, names_here
from nbpipe.errors import BadValueError, Interrupted, NotFoundError
from nbpipe.records.config import (
    PipelineRunConfiguration,
    merge_configurations,
    parse_settings,
    read_configuration,
)
from nbpipe.records.executors import check_executor
from nbpipe.records.parts import WHOLE, Part
from nbpipe.records.schedules import Schedule
from nbpipe.records.tags import as_tags
from nbpipe.services.resuming import resumed_request
from nbpipe.services.run_code import code_of, work_in
from nbpipe.services.run_handle import RunHandle
from nbpipe.services.runs import Run
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.snapshot_running import enter_folder, notices_for, rebuilt_for, run_apart, snapshot_request
from nbpipe.services.starting import RunRequest
from nbpipe.services.watching import watch_runs
from nbpipe.views.cards import run_card

if TYPE_CHECKING:
    from nbpipe.services.apart import RunApart

_FAILED = 1


def configuration_of(
    settings: Sequence[str] | None,
    file: Path | None,
    *,
    no_cache: bool = False,
    executor: str | None = None,
    tags: Sequence[str] | None = None,
) -> PipelineRunConfiguration:
    """Read how a run is to differ; a setting wins over the file.

    Raises:
        BadValueError: A setting that sets nothing, a file that cannot be read, or a tag or an executor that is none.
    """
    said = parse_settings(settings or ())
    more = PipelineRunConfiguration(
        tags=as_tags(tags or ()),
        enable_cache=False if no_cache else None,
        executor=check_executor(executor) if executor is not None else None,
    )
    base = read_configuration(file) if file is not None else PipelineRunConfiguration()
    return merge_configurations(merge_configurations(base, said), more)


def look_up(wanted: str | None) -> Runnable | Snapshot:
    """Find the pipeline or the snapshot that is meant; nothing is a notebook's own pipeline.

    Raises:
        NotFoundError: It is neither.
        NbpipeError: The source cannot be used.
    """
    if wanted is None or looks_like_source(wanted.strip()):
        return find_pipeline(wanted)
    here = here_named(wanted)
    if here is not None:
        return here
    try:
        return current_client().snapshots.get(wanted)
    except NotFoundError as error:
        if type(error) is NotFoundError and is_importable(wanted.strip()):
            return find_pipeline(wanted)
        raise _neither(error, wanted) from None


def request_of(found: Runnable | Snapshot, given: PipelineRunConfiguration) -> RunRequest:
    """Say what a run of a pipeline or of a snapshot asks for.

    Raises:
        NbpipeError: It cannot be used.
    """
    return snapshot_request(found, given) if isinstance(found, Snapshot) else _request(found, given)


def begin_named(
    wanted: str | None,
    given: PipelineRunConfiguration,
    *,
    part: Part = WHOLE,
    debug: bool = False,
    as_json: bool,
) -> Started | Answer:
    """Start a run of what is named, or of a part of it; where the configuration says a schedule, make that.

    Raises:
        NbpipeError: It is neither a pipeline nor a snapshot, or is refused; nothing was written.
    """
    found = look_up(wanted)
    if isinstance(found, Snapshot):
        return begin_snapshot(found, given, part=part, debug=debug, as_json=as_json)
    request = _request(found, given)
    if request.configuration.schedule is not None:
        return _scheduled(request, request.configuration.schedule, part, as_json=as_json)
    wished = replace(request, part=request.part if part.is_whole else part, debug=debug or request.debug)
    return begin(wished, as_json=as_json)


def _scheduled(request: RunRequest, schedule: Schedule, part: Part, *, as_json: bool) -> Answer:
    """Freeze what is asked for, and have it run as its schedule says."""
    if not part.is_whole or not request.part.is_whole:
        raise BadValueError("All of a pipeline is scheduled, not a part; leave out --from, --until and --only.")
    client = current_client()
    made = client.snapshots.create(request.definition, configuration=request.configuration)
    record = client.schedules.take(made, schedule)
    return Answer(schedule_bundle(record), record, record.as_row(), widget="ScheduleBoard", as_json=as_json)


def _request(pipeline: Runnable, given: PipelineRunConfiguration) -> RunRequest:
    request = pipeline.request({})
    said = reached(given, request)
    return replace(request, configuration=merge_configurations(request.configuration, said))


def _neither(error: NotFoundError, wanted: str) -> NotFoundError:
    if type(error) is not NotFoundError or error.near:
        return error
    hint = "Name a snapshot, or a source such as flow.py:training."
    known = NotFoundError("snapshot or pipeline", wanted, [*names_here(), *files_here()])
    return known if known.near else NotFoundError("snapshot", wanted, hint=hint)


def begin_snapshot(
    snapshot: Snapshot,
    given: PipelineRunConfiguration,
    *,
    part: Part = WHOLE,
    debug: bool = False,
    isolated: bool = False,
    as_json: bool,
) -> Started:
    """Start a run of a snapshot in this process, where a notebook shows what its cells show, or in its own environment.

    Args:
        snapshot: The snapshot.
        given: How the run is to differ.
        part: What is to run of it; all of it, where it is isolated.
        debug: Whether it runs in the thread that waits for it.
        isolated: Run it in the environment that it was made in, which is rebuilt.
        as_json: Whether plain facts are asked for.

    Raises:
        EnvironmentMismatchError: A package that its steps import is not installed.
        EnvironmentBuildError: Its environment cannot be rebuilt.
        ParameterError: Values that do not fit.
    """
    given = reached(given, snapshot)
    place = None
    if isolated:
        with told_on(current_call().say) as tell:
            place = rebuilt_for(snapshot, tell)
    for notice in place.notices if place is not None else notices_for(snapshot):
        current_call().say(f"note: {notice}")
    if place is not None:
        return _begun_apart(lambda: run_apart(snapshot, given, is_bound=True, place=place), as_json=as_json)
    request = replace(snapshot_request(snapshot, given), part=part, debug=debug)
    if current_call().surroundings is None:
        # This process runs nothing else; a notebook stays where it is.
        enter_folder(snapshot)
    return begin(request, as_json=as_json)


def begin_resumed(run: str, secrets: Sequence[str] | None, *, as_json: bool) -> Started:
    """Start a run that goes on from another, in this process.

    Raises:
        NbpipeError: It is refused; nothing was written.
    """
    said = parse_settings(secrets or ())
    given = {
        **said.parameters,
        **{f"{step}.{name}": one for step, all_ in said.step_values.items() for name, one in all_.items()},
    }
    client = current_client()
    request = resumed_request(client.workspace, run, given)
    if current_call().surroundings is None:
        # As for a snapshot: relative paths among its values are meant from where it ran.
        work_in(client.workspace, code_of(client.workspace, run)[0].folder)
    return begin(request, as_json=as_json)


def _begun_apart(start: Callable[[], RunApart], *, as_json: bool) -> Started:
    handle, over = _started(start, as_json=as_json)

    def finish(run: Run) -> Answer:
        tags, metrics = run.tags, run.metrics
        facts = run_facts(run, tags=tags, metrics=metrics)
        return Answer(run_card(facts), run, run_plain(run, tags, metrics=metrics), as_json=as_json)

    return Started(handle, finish, over)


def begin(request: RunRequest, *, as_json: bool) -> Started:
    """Start a run in this process.

    Raises:
        NbpipeError: The request is refused; nothing was written.
    """
    # What moves on the screen would be in the way of a debugger.
    handle, over = _started(lambda: current_client().runs.start(request), as_json=as_json, is_watched=not request.debug)
    tags = [tag.name for tag in as_tags((*request.definition.tags, *request.configuration.tags))]

    def finish(run: Run) -> Answer:
        # What the run itself said: who started it must not wait for the engine.
        facts = run_facts(run, tags=tags, metrics=run.seen_metrics)
        return Answer(run_card(facts), run, run_plain(run, tags, metrics=run.seen_metrics), as_json=as_json)

    return Started(handle, finish, over)


def facts_of_broken(run_id: str) -> Answer:
    """Give the plain facts of a run that did not complete."""
    run = current_client().runs.get(run_id)
    return Answer(run_bundle(run), run, run_plain(run, run.tags), as_json=True, exit_code=_FAILED)


def _started(
    start: Callable[[], RunHandle | RunApart], *, as_json: bool, is_watched: bool = True
) -> tuple[RunHandle | RunApart, Callable[[bool], None]]:
    """Start a run that is reported on, and give it with what is to be called once it is over."""
    call = current_call()
    reporter = call.reporter if is_watched else None
    unwatch = watch_runs(reporter.begin) if reporter is not None else None

    def over(completed: bool) -> None:
        if reporter is not None and unwatch is not None:
            unwatch()
            reporter.end(completed=completed)

    try:
        handle = start()
        call.begun.append(handle)
    except BaseException as error:
        over(False)
        if as_json and isinstance(error, Interrupted) and error.run_id:
            call.told.append(error.run_id)
        raise
    if as_json:
        call.told.append(handle.id)
    return handle, over
