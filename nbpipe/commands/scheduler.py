"""`nbpipe scheduler`: what fires schedules, started, stopped, looked at, and set up to start with the machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from typer import Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.calling import current_call, current_client
from nbpipe.commands.grammar import noun, verb
from nbpipe.errors import BadValueError
from nbpipe.schedule.words import instant_in_words
from nbpipe.services.scheduler import USUAL_WORKERS
from nbpipe.services.scheduler_process import (
    SchedulerSettings,
    log_place,
    running,
    schedulers,
    start_scheduler,
    stop_schedulers,
)
from nbpipe.services.scheduler_units import KINDS, kind_here, unit_for
from nbpipe.views.amounts import time_text

commands = noun("Start, stop and look at what fires schedules.")

Workers = Annotated[int, Option("--workers", metavar="N", help="How many runs go on at once.")]


@verb(commands, "run", "nbpipe scheduler run", "nbpipe scheduler run --workers 4")
def run(
    *,
    workers: Workers = USUAL_WORKERS,
    background: Annotated[bool, Option("--background", hidden=True)] = False,
) -> Answer:
    """Fire what is due until it is interrupted; what it began goes on then."""
    if current_call().surroundings is not None:
        raise BadValueError("A scheduler runs as long as its process: start one with `%nbpipe scheduler start`.")
    return sentence("`nbpipe scheduler run` fires schedules.").to_schedule(SchedulerSettings(workers, background))


@verb(commands, "start", "nbpipe scheduler start")
def start(*, workers: Workers = USUAL_WORKERS, as_json: AsJson = False) -> Answer:
    """Start a scheduler that goes on by itself, until it is stopped or the machine is."""
    paths = current_client().workspace.paths
    there = schedulers(paths)
    made = there[0] if there else start_scheduler(paths, workers=workers)
    how = "is there already" if there else "has started"
    said = f"A scheduler {how} (process {made.pid}). `nbpipe scheduler stop` ends it."
    return sentence(said, made, asdict(made), as_json=as_json)


@verb(commands, "stop", "nbpipe scheduler stop")
def stop(*, as_json: AsJson = False) -> Answer:
    """Stop the schedulers of this workspace; runs that they began go on."""
    paths = current_client().workspace.paths
    gone = stop_schedulers(paths)
    left = running(paths)
    goes_on = f" {left} run{'s go' if left > 1 else ' goes'} on." if left else ""
    said = (
        f"{len(gone)} scheduler{'s have' if len(gone) > 1 else ' has'} ended.{goes_on}" if gone else "None was there."
    )
    return sentence(said, gone, {"ended": [one.pid for one in gone], "running": left}, as_json=as_json)


@verb(commands, "status", "nbpipe scheduler status")
def status(*, as_json: AsJson = False) -> Answer:
    """Say whether a scheduler is there, what fires next, and what goes on."""
    client = current_client()
    paths = client.workspace.paths
    there = schedulers(paths)
    active = [one for one in client.schedules.list() if one.status == "active"]
    coming = sorted((one.next_fire, one.name, one.timezone) for one in active if one.next_fire is not None)
    lines = [
        f"process {one.pid}, since {time_text(one.since)}, {one.workers} runs at once"
        + (", in the background" if one.background else "")
        for one in there
    ] or ["No scheduler is there: `nbpipe scheduler start` starts one."]
    lines.append(f"{len(active)} active schedule{'s' if len(active) != 1 else ''}, {running(paths)} running")
    if coming:
        at, name, zone = coming[0]
        lines.append(f"next: {name} at {instant_in_words(at, zone)}")
    if there:
        lines.append(f"log: {log_place(paths)}")
    plain = {
        "schedulers": [asdict(one) for one in there],
        "active": len(active),
        "running": running(paths),
        "next": {"schedule": coming[0][1], "at": coming[0][0]} if coming else None,
    }
    return sentence("\n".join(lines), there, plain, as_json=as_json)


@verb(commands, "install", "nbpipe scheduler install", "nbpipe scheduler install --kind systemd --print")
def install(
    *,
    kind: Annotated[
        str | None, Option("--kind", metavar="KIND", help=f"{', '.join(KINDS)}; what this machine has if not given.")
    ] = None,
    workers: Workers = USUAL_WORKERS,
    is_printed: Annotated[bool, Option("--print", help="Print it, and write nothing.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Write what starts a scheduler of this workspace with the machine, and say how it is switched on."""
    unit = unit_for(kind or kind_here(), current_client().workspace.paths, workers=workers)
    if is_printed:
        return sentence(unit.text, None, asdict(unit), as_json=as_json)
    unit.write()
    said = f"{unit.path} is written. Switch it on: {unit.switch_on}\nSwitch it off: {unit.switch_off}"
    return sentence(said, None, asdict(unit), as_json=as_json)
