"""`nbpipe schedule`: snapshots that are to run at instants to come; `pipeline schedule …` is `schedule …`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.base.clock import now
from nbpipe.commands.answers import Answer, listing, sentence
from nbpipe.commands.arguments import SCHEDULE, SNAPSHOT, AsJson, OfPipeline
from nbpipe.commands.calling import current_client
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed_table, plainly_listed
from nbpipe.commands.showing_schedules import NOBODY, explained_bundle, schedule_bundle
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.schedules import Schedule
from nbpipe.schedule.firing import fires_after, settled
from nbpipe.schedule.words import instant_in_words
from nbpipe.services.instants import meant_span
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.services.scheduler_process import schedulers

commands = noun("Have snapshots run at instants to come.")

Name = Annotated[str, Argument(metavar=SCHEDULE, help="A schedule: its name or id.")]
Cron = Annotated[
    str | None,
    Option(
        "--cron", "--cron-expression", metavar="EXPR", help="Five fields of cron: '0 2 * * *' is at two each night."
    ),
]
Every = Annotated[str | None, Option("--every", metavar="TIME", help="Or every so often: 30m, 2h, 1d.")]
At = Annotated[str | None, Option("--at", metavar="TIME", help="Or once: 2026-12-24T02:00, or in so long: 2h.")]
Zone = Annotated[
    str | None,
    Option("--timezone", metavar="ZONE", help="Whose wall clock is meant: Europe/Berlin. This machine's."),
]
Start = Annotated[str | None, Option("--start", metavar="TIME", help="Not before then.")]
End = Annotated[str | None, Option("--end", metavar="TIME", help="Not after then.")]
CatchUpOption = Annotated[
    str | None,
    Option("--catchup", metavar="RULE", help="Of what was missed fires the last, all (ten at most), or none."),
]
OverlapOption = Annotated[
    str | None,
    Option("--overlap", metavar="RULE", help="While the run before goes on: skip, queue or parallel."),
]


@verb(
    commands,
    "create",
    "nbpipe schedule create every_night --snapshot nightly --cron '0 2 * * *' --timezone Europe/Berlin",
    "nbpipe schedule create often --snapshot nightly --every 30m --overlap queue",
    "nbpipe schedule create once --snapshot nightly --at 2026-12-24T02:00",
)
def create(
    name: Annotated[str, Argument(metavar="NAME", help="The schedule's name.")],
    *,
    snapshot: Annotated[str, Option("--snapshot", metavar=SNAPSHOT, help="What is to run.")],
    cron: Cron = None,
    every: Every = None,
    once: At = None,
    timezone: Zone = None,
    start: Start = None,
    end: End = None,
    catchup: CatchUpOption = None,
    overlap: OverlapOption = None,
    replace: Annotated[bool, Option("--replace", help="Change the schedule of that name, if there is one.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Have a snapshot run at instants to come."""
    said = _said(
        cron=cron, every=every, once=once, timezone=timezone, start=start, end=end, catchup=catchup, overlap=overlap
    )
    made = current_client().schedules.create(name, snapshot, replace=replace, **said)
    return made_answer(made, as_json=as_json)


def made_answer(made: ScheduleRecord, *, as_json: bool) -> Answer:
    """Answer with a schedule that was made or changed."""
    return Answer(schedule_bundle(made), made, made.as_row(), widget="ScheduleBoard", as_json=as_json)


@verb(commands, "list", "nbpipe schedule list", "nbpipe schedule list --all --json")
def list_(
    *,
    pipeline: OfPipeline = None,
    every: Annotated[bool, Option("--all", help="Those too that were deleted.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """List schedules, newest first, each with when it fires next."""
    client = current_client()
    found = client.schedules.list(pipeline=pipeline, include_deleted=every)
    is_waiting = any(one.status == "active" for one in found) and not schedulers(client.workspace.paths)
    table = listed_table(found)
    return listing(
        table.columns,
        table.rows,
        record=found,
        plain=found.as_rows(),
        as_json=as_json,
        widget="ScheduleBoard",
        note=NOBODY if is_waiting else "",
        asked={"pipeline": pipeline},
    )


@verb(commands, "show", "nbpipe schedule show every_night")
def show(schedule: Name, *, as_json: AsJson = False) -> Answer:
    """Show a schedule: when it fires next, and what became of the last times."""
    schedules = current_client().schedules
    found = schedules.get(schedule)
    coming = found.next_fires(5)
    plain = {**found.as_row(), "words": found.words, "next_fires": coming, "firings": schedules.fires(found, limit=5)}
    plain["firings"] = [one.as_row() for one in plain["firings"]]
    return Answer(schedule_bundle(found), found, plain, widget="ScheduleBoard", as_json=as_json)


@verb(
    commands,
    "update",
    "nbpipe schedule update every_night --cron '0 3 * * *'",
    "nbpipe schedule update every_night --snapshot newer --catchup none",
)
def update(
    schedule: Name,
    *,
    cron: Cron = None,
    every: Every = None,
    once: At = None,
    timezone: Zone = None,
    start: Start = None,
    end: End = None,
    catchup: CatchUpOption = None,
    overlap: OverlapOption = None,
    snapshot: Annotated[str | None, Option("--snapshot", metavar=SNAPSHOT, help="What is to run from now on.")] = None,
    name: Annotated[str | None, Option("--name", metavar="NAME", help="What it is to be called.")] = None,
    as_json: AsJson = False,
) -> Answer:
    """Say anew when a schedule fires, what it runs, or what it is called; the rest stays as it is."""
    said = _said(
        cron=cron, every=every, once=once, timezone=timezone, start=start, end=end, catchup=catchup, overlap=overlap
    )
    changed = current_client().schedules.update(schedule, name=name, snapshot=snapshot, **said)
    return made_answer(changed, as_json=as_json)


@verb(commands, "activate", "nbpipe schedule activate every_night")
def activate(schedule: Name, *, as_json: AsJson = False) -> Answer:
    """Let a schedule fire again, from now on."""
    record = current_client().schedules.activate(schedule)
    coming = record.next_fire
    when = f"fires next at {instant_in_words(coming, record.timezone)}" if coming is not None else "fires no more"
    return sentence(f"Schedule {record.name} is active and {when}.", record, record.as_row(), as_json=as_json)


@verb(commands, "deactivate", "nbpipe schedule deactivate every_night")
def deactivate(schedule: Name, *, as_json: AsJson = False) -> Answer:
    """Keep a schedule from firing until it is activated."""
    record = current_client().schedules.deactivate(schedule)
    return sentence(
        f"Schedule {record.name} is paused; nbpipe schedule activate {record.name} lets it fire again.",
        record,
        record.as_row(),
        as_json=as_json,
    )


@verb(commands, "delete", "nbpipe schedule delete every_night", "nbpipe schedule delete every_night --hard")
def delete(
    schedule: Name,
    *,
    hard: Annotated[bool, Option("--hard", help="Its history too; its runs stay in any case.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Delete a schedule; its history stays, and its name is free."""
    schedules = current_client().schedules
    found = schedules.get(schedule)
    schedules.delete(found, hard=hard)
    stays = "with its history" if hard else "its history stays"
    said = f"Schedule {found.name} is deleted, {stays}; its runs stay."
    return sentence(said, None, {"deleted": found.id, "hard": hard}, as_json=as_json)


@verb(commands, "fires", "nbpipe schedule fires", "nbpipe schedule fires every_night --limit 20")
def fires(
    schedule: Annotated[str | None, Argument(metavar=SCHEDULE, help="Of which; of all if none is given.")] = None,
    *,
    limit: Annotated[int, Option("--limit", metavar="N", help="How many at most.", min=1)] = 20,
    as_json: AsJson = False,
) -> Answer:
    """List what became of the times at which schedules were due, the latest first."""
    return plainly_listed(current_client().schedules.fires(schedule, limit=limit), as_json=as_json)


@verb(commands, "tick", "nbpipe schedule tick", "nbpipe schedule tick --now 2026-12-24T02:00")
def tick(
    *,
    at: Annotated[
        str | None, Option("--now", metavar="TIME", help="As if it were then: what is fired for then is fired.")
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Fire what is due now, and wait for the runs: for machines where no scheduler is to stay."""
    return plainly_listed(current_client().schedules.tick(at), as_json=as_json)


@verb(commands, "explain", "nbpipe schedule explain '30 9 * * mon-fri' --timezone Europe/Berlin")
def explain(
    expression: Annotated[str, Argument(metavar="EXPR", help="Five fields of cron.")],
    *,
    timezone: Zone = None,
    as_json: AsJson = False,
) -> Answer:
    """Say in words when a cron expression fires, and when next; nothing is written."""
    at = now()
    schedule = settled(Schedule(cron_expression=expression, timezone=timezone), at)
    coming = [instant for instant, _ in zip(fires_after(schedule, at), range(5), strict=False)]
    plain = {"cron_expression": schedule.cron_expression, "timezone": schedule.timezone, "next_fires": coming}
    return Answer(explained_bundle(schedule, coming), schedule, plain, as_json=as_json)


def _said(
    *,
    cron: str | None,
    every: str | None,
    once: str | None,
    timezone: str | None,
    start: str | None,
    end: str | None,
    catchup: str | None,
    overlap: str | None,
) -> dict[str, Any]:
    """Give the fields of a schedule that options say."""
    said: dict[str, Any] = {
        "cron_expression": cron,
        "interval_second": meant_span("--every", every).total_seconds() if every is not None else None,
        "run_once_start_time": _instant("--at", once),
        "timezone": timezone,
        "start_time": _instant("--start", start),
        "end_time": _instant("--end", end),
        "catchup": catchup,
        "overlap": overlap,
    }
    return {name: value for name, value in said.items() if value is not None}


def _instant(option: str, said: str | None) -> datetime | None:
    """Read an instant: one without a zone is left so, for the schedule's own; `2h` is in two hours."""
    if said is None:
        return None
    try:
        return datetime.fromisoformat(said.strip())
    except ValueError:
        pass
    try:
        return now() + meant_span(option, said)
    except (BadValueError, OverflowError):
        raise BadValueError(
            f"{option}={shorten(said)} is no time; write it as in 2026-12-24T02:00, or as so long from now: 2h, 3d."
        ) from None
