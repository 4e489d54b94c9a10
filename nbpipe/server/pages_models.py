"""Pages on models: which there are, who holds their stages, and for who may change things the moving of versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from nbpipe.records.models import SETTABLE
from nbpipe.records.tokens import TokenScope
from nbpipe.server.house import House, needs
from nbpipe.server.page_parts import is_admin, link, moment, pager, piece, search, table
from nbpipe.server.pages_snapshots import PAGE, TEXT
from nbpipe.services.browsing import BrowsingService
from nbpipe.services.browsing_questions import Question
from nbpipe.services.versions import ModelVersion, StageChange
from nbpipe.views.amounts import number_text
from nbpipe.views.markup import Child, Element, part

_COLUMNS = ("model", "versions", "staging", "production", "created", "description")
_MOST_METRICS = 6


def add_model_pages(router: APIRouter, house: House) -> None:
    """Put them among the routes."""

    @router.get("/models", response_class=HTMLResponse, **needs(TokenScope.READ, is_page=True))
    def models_page(page: Annotated[int, PAGE] = 1, text: Annotated[str, TEXT] = "") -> HTMLResponse:
        found = BrowsingService(house.client.workspace).page(Question(noun="models", text=text, page=page))
        rows = [
            (
                link(row.label, "models", row.id),
                row.values["versions"],
                row.values["staging"],
                row.values["production"],
                moment(row.values["created"]),
                row.values["description"],
            )
            for row in found.rows
        ]
        return piece(
            part("h1", "Models"),
            search("models", text, "Search names and descriptions"),
            table(_COLUMNS, rows, empty="No model fits." if text else "There are no models yet."),
            pager("models", found.number, found.count, found.total, text),
        )

    @router.get("/models/{model:path}", response_class=HTMLResponse, **needs(TokenScope.READ, is_page=True))
    def model_page(model: str, request: Request) -> HTMLResponse:
        found = house.client.models.get(model)
        may_move = is_admin(request.state)
        versions = list(found.versions)
        columns = ("version", "stage", "metrics", "created", "run", *(("move",) if may_move else ()))
        rows = [_version(version, may_move=may_move) for version in versions]
        history = [_moved(change) for change in house.client.models.history(found.name)]
        return piece(
            part("h1", found.name),
            part("p", found.description) if found.description else None,
            part("output", **{"class": "bad", "data-wrong": "", "aria-live": "assertive"}),
            table(columns, rows, empty="It has no versions yet."),
            part("h2", "History"),
            table(("when", "version", "stage", "who", "note"), history, empty="No version was moved yet."),
        )


def _version(version: ModelVersion, *, may_move: bool) -> tuple[Child, ...]:
    metrics = [f"{name} {number_text(value)}" for name, value in list(version.metrics.items())[:_MOST_METRICS]]
    run = link(version.run_id[:8], "runs", version.run_id) if version.run_id else None
    label = f"{version.number}" + (f" ({version.name})" if version.name != str(version.number) else "")
    stage = part("b", version.stage.value) if version.stage.value != "none" else "–"
    move = (_move(version),) if may_move else ()
    return label, stage, part("span", ", ".join(metrics)), moment(version.created), run, *move


def _moved(change: StageChange) -> tuple[Child, ...]:
    label, way = f"{change.model}@{change.number}", f"{change.from_stage.value} → {change.to_stage.value}"
    return moment(change.at), label, way, change.by, change.note


def _move(version: ModelVersion) -> Element:
    """Draw the form by which a version is moved."""
    number, present = version.number, version.stage
    options = [
        part("option", stage.value, value=stage.value, selected="" if stage is present else None) for stage in SETTABLE
    ]
    why = {"name": "note", "type": "text", "maxlength": "2000", "placeholder": "why"}
    return part(
        "form",
        part("select", options, name="stage", **{"aria-label": f"Stage of version {number}"}),
        part("input", **{**why, "aria-label": f"Why version {number} is moved"}),
        part("label", part("input", name="force", type="checkbox"), " replace its holder"),
        part("button", "Move", type="submit", **{"aria-label": f"Move version {number}"}),
        **{"class": "move", "data-model": version.model, "data-version": str(number)},
    )
