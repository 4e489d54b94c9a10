"""Pages on snapshots: which there are and how they are used, and for each the form by which it is run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse

from nbpipe.records.tokens import TokenScope
from nbpipe.server.form_fields import drawn_field, fields_of, fields_of_steps
from nbpipe.server.house import House, needs
from nbpipe.server.page_parts import facts, link, moment, pager, piece, search, status, table
from nbpipe.services.browsing import BrowsingService
from nbpipe.services.browsing_questions import Question
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.usage import SnapshotUse, use_of_snapshots
from nbpipe.views.amounts import value_text
from nbpipe.views.markup import Child, Element, part

PAGE = Query(ge=1, le=10**9)
TEXT = Query(max_length=2000)
_COLUMNS = ("snapshot", "pipeline", "description", "created", "runs", "failed", "last run")
_FEW = 10


def add_snapshot_pages(router: APIRouter, house: House) -> None:
    """Put them among the routes."""

    @router.get("/snapshots", response_class=HTMLResponse, **needs(TokenScope.INVOKE, is_page=True))
    def snapshots_page(page: Annotated[int, PAGE] = 1, text: Annotated[str, TEXT] = "") -> HTMLResponse:
        found = BrowsingService(house.client.workspace).page(Question(noun="snapshots", text=text, page=page))
        uses = use_of_snapshots(house.client.workspace, [row.id for row in found.rows])
        rows = [
            (
                link(row.label, "snapshots", row.id),
                row.values["pipeline"],
                row.values["description"],
                moment(row.values["created"]),
                *_used(uses[row.id]),
            )
            for row in found.rows
        ]
        empty = (
            "No snapshot fits." if text else "There are no snapshots yet: `nbpipe snapshot create FILE --name NAME`."
        )
        return piece(
            part("h1", "Snapshots"),
            search("snapshots", text, "Search names, pipelines and descriptions"),
            table(_COLUMNS, rows, empty=empty),
            pager("snapshots", found.number, found.count, found.total, text),
        )

    @router.get("/snapshots/{snapshot}", response_class=HTMLResponse, **needs(TokenScope.INVOKE, is_page=True))
    def snapshot_page(snapshot: str) -> HTMLResponse:
        found = house.client.snapshots.get(snapshot)
        use = use_of_snapshots(house.client.workspace, [found.id])[found.id]
        return piece(
            part("h1", found.label),
            part("p", found.description) if found.description else None,
            run_form(found),
            part("h2", "Usage"),
            _usage(use),
            _last_runs(house, found) if use.runs else None,
        )


def run_form(snapshot: Snapshot) -> Element:
    """Draw the form by which a snapshot is run."""
    parameters, values = snapshot.parameters
    content = snapshot.content
    hidden = {one.name for one in snapshot.warnings if one.is_value}
    own = fields_of(parameters, values, hidden)
    single = list(fields_of_steps(content.step_parameters, hidden))
    for_steps: Child = None
    if single:
        for_steps = part("details", part("summary", "For single steps"), [drawn_field(field) for field in single])
    return part(
        "form",
        part("h2", f"Run {snapshot.pipeline}"),
        [drawn_field(field) for field in own] or part("p", "It takes no parameters.", **{"class": "quiet"}),
        for_steps,
        part("button", "Run", type="submit"),
        part("output", **{"class": "bad", "data-wrong": "", "aria-live": "assertive"}),
        **{"class": "run", "data-run": snapshot.id},
    )


def _used(use: SnapshotUse) -> tuple[Child, ...]:
    last: Child = None
    if use.last_run:
        last = [
            link(use.last_run[:8], "runs", use.last_run),
            " ",
            status(use.last_status),
            " ",
            moment(use.last_started),
        ]
    return use.runs, use.failed, last


def _usage(use: SnapshotUse) -> Element:
    runs, failed, last = _used(use)
    if not use.runs:
        return part("p", "It was never run.", **{"class": "quiet"})
    return facts([("runs", runs), ("failed", failed), ("last run", last)])


def _last_runs(house: House, snapshot: Snapshot) -> Element:
    rows = []
    for run in house.client.runs.list(snapshot=snapshot.id, limit=_FEW):
        differs = ", ".join(f"{name}={value_text(value, most=60)}" for name, value in run.differences.items())
        rows.append((link(run.name, "runs", run.id), status(run.status.value), moment(run.started), differs))
    return table(("run", "status", "started", "differs in"), rows, empty="")
