"""Pages on runs: which there are, and each as it goes on, with its graph, what its steps printed and what they made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from nbpipe.errors import NotFoundError
from nbpipe.records.tokens import TokenScope
from nbpipe.server.house import House, needs
from nbpipe.server.page_parts import facts, is_admin, link, moment, pager, piece, quiet, search, status, table
from nbpipe.server.pages_snapshots import PAGE, TEXT
from nbpipe.services.artifact_records import Artifact, previews_of
from nbpipe.services.browsing import BrowsingService
from nbpipe.services.browsing_questions import Question
from nbpipe.services.logs import StepLog
from nbpipe.services.queueing import QUEUED, QueuedRun
from nbpipe.services.runs import Run
from nbpipe.views.amounts import duration_text, size_text
from nbpipe.views.frames import shown_facts
from nbpipe.views.markup import Child, Element, part
from nbpipe.views.previews import shown_preview, shown_text
from nbpipe.views.running import RunningFacts, shown_running

_COLUMNS = ("run", "pipeline", "status", "started", "took", "snapshot", "model")
_LOOK_AGAIN_MS = 1000


def add_run_pages(router: APIRouter, house: House) -> None:
    """Put them among the routes."""

    @router.get("/runs", response_class=HTMLResponse, **needs(TokenScope.READ, is_page=True))
    def runs_page(page: Annotated[int, PAGE] = 1, text: Annotated[str, TEXT] = "") -> HTMLResponse:
        found = BrowsingService(house.client.workspace).page(Question(noun="runs", text=text, page=page, metrics=()))
        rows = [
            (
                link(str(row.values["name"] or ""), "runs", row.id),
                row.values["pipeline"],
                status(str(row.values["status"])),
                moment(row.values["started"]),
                _took(row.values["duration_s"]),
                row.values["snapshot"],
                row.values["model"],
            )
            for row in found.rows
        ]
        return piece(
            part("h1", "Runs"),
            _waiting(house.queue.all()) if page == 1 and not text else None,
            search("runs", text, "Search names, pipelines, statuses and errors"),
            table(_COLUMNS, rows, empty="No run fits." if text else "Nothing has run yet."),
            pager("runs", found.number, found.count, found.total, text),
        )

    @router.get("/runs/{run}", response_class=HTMLResponse, **needs(TokenScope.INVOKE, is_page=True))
    def run_page(run: str, request: Request) -> HTMLResponse:
        found = _run_or_queued(house, run)
        if isinstance(found, QueuedRun):
            return _waiting_page(found)
        if request.state.admission.scope == TokenScope.INVOKE:
            return piece(_head(found, can_stop=False), _standing(found))
        found = _read_once(found)
        can_stop = is_admin(request.state) and not found.status.is_over
        return piece(
            _head(found, can_stop=can_stop), card=found, after=[_seen(house, found.id), _results(found), _logs(found)]
        )

    @router.get("/artifacts/{artifact:path}", response_class=HTMLResponse, **needs(TokenScope.READ, is_page=True))
    def artifact_page(artifact: str) -> HTMLResponse:
        found = house.client.artifacts.get(artifact)
        made_by = part("p", "Made by ", link(found.step or "a step", "runs", found.run_id)) if found.run_id else None
        return piece(part("h1", found.name), made_by, card=found)


def _run_or_queued(house: House, run: str) -> Run | QueuedRun:
    """Give a run as the catalog knows it, or else as it waits; it may begin between the two looks.

    Raises:
        NotFoundError: There is neither.
    """
    for look in (house.client.runs.get, house.queue.get):
        with suppress(NotFoundError):
            return look(run)
    return house.client.runs.get(run)


def _standing(run: Run) -> Element:
    """Say how a run stands, and no more: for who may start runs and not look into them."""
    took = _took(run.duration_s)
    return facts([("status", status(run.status.value)), ("started", moment(run.started)), ("took", took)])


def _read_once(run: Run) -> Run:
    """Give a run whose steps and graph were read already: each part of the page asks for them."""
    steps, graph = run.steps, run.graph
    return replace(run, seen=lambda: steps, seen_graph=graph)


def _head(run: Run, *, can_stop: bool) -> Element:
    refresh = str(_LOOK_AGAIN_MS) if not run.status.is_over else None
    stop = part("button", "Stop", type="button", **{"data-stop": run.id, "class": "plain"}) if can_stop else None
    of = part("p", "Of the snapshot ", link(run.snapshot_name, "snapshots", run.snapshot)) if run.snapshot else None
    said = part("output", **{"class": "bad", "data-wrong": ""})
    return part("header", part("h1", run.name), of, stop, said, **{"data-refresh": refresh})


def _seen(house: House, run_id: str) -> Child:
    """Draw how far the steps are that run now, and what they printed last, where this server started the run."""
    seen = house.workers.look(run_id) if house.workers is not None else {}
    steps = []
    for node, glimpse in seen.items():
        done, total, note = glimpse.progress if glimpse.progress is not None else (None, None, "")
        steps.append(RunningFacts(node, glimpse.elapsed_s, done, total, note, glimpse.last_line))
    return [part("h2", "Now"), shown_running(steps).element] if steps else None


def _results(run: Run) -> Child:
    """Draw what the steps made, each with its preview."""
    made = [(step.node, artifact) for step in run.steps.values() for artifact in step.outputs.values()]
    if not made:
        return None
    previews = previews_of(run.workspace, run.id)
    return [part("h2", "Results"), [_result(node, artifact, previews.get(artifact.id, {})) for node, artifact in made]]


def _result(node: str, artifact: Artifact, preview: Mapping[str, Any]) -> Element:
    about = quiet(f"{artifact.type}, {size_text(artifact.size_bytes)}, from {node}")
    whole = part("p", link("All about it", "artifacts", artifact.id))
    shown = part("div", shown_preview(preview).element, whole)
    return part("details", part("summary", f"{artifact.name} ", about), shown)


def _logs(run: Run) -> Child:
    printed = [log for log in run.logs() if log.text]
    if not printed:
        return None
    return [part("h2", "Logs"), [_log(log) for log in printed]]


def _log(log: StepLog) -> Element:
    attempt = quiet(f"attempt {log.attempt}") if log.attempt > 1 else None
    return part("details", part("summary", f"{log.node} ", attempt), part("div", shown_text(log.text).element))


def _waiting(queued: list[QueuedRun]) -> Child:
    if not queued:
        return None
    rows = [(link(one.id[:8], "runs", one.id), one.pipeline, one.status, one.asked_by, one.error) for one in queued]
    return table(("run", "pipeline", "status", "asked by", ""), rows, empty="", caption="Waiting for their turn")


def _waiting_page(asked: QueuedRun) -> HTMLResponse:
    is_waiting = asked.status == QUEUED
    said = "It waits for its turn." if is_waiting else f"It could not be started: {asked.error}"
    values = asked.configuration.get("parameters") or {}
    of = link(asked.snapshot_id[:8], "snapshots", asked.snapshot_id)
    return piece(
        part(
            "header",
            part("h1", f"A run of {asked.pipeline}"),
            part("p", said, **{"class": "quiet" if is_waiting else "bad"}),
            **{"data-refresh": str(_LOOK_AGAIN_MS) if is_waiting else None},
        ),
        facts([("id", asked.id), ("snapshot", of), ("asked by", asked.asked_by)]),
        shown_facts(list(values.items())).element if values else None,
    )


def _took(seconds: object) -> str:
    return duration_text(float(seconds)) if isinstance(seconds, int | float) else ""
