"""Listings as tables: which facts of each kind of record a row has, and in which order.

The terminal, the notebook and a listing that stands at the end of a cell show the same table. What
a program reads, every plain fact under its own name, is the listing's frame and not this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nbpipe.commands.answers import Answer, listing
from nbpipe.commands.reasons import explained_against
from nbpipe.commands.showing import flags_text
from nbpipe.commands.showing_steps import artifact_label
from nbpipe.schedule.words import instant_in_words
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.browsing_conditions import known_filters
from nbpipe.services.browsing_nouns import noun_named
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.explaining import Explanation
from nbpipe.services.listing import Listing
from nbpipe.services.model_records import ModelRecord
from nbpipe.services.pipelines import PipelineRecord
from nbpipe.services.runs import Run
from nbpipe.services.schedule_records import Firing, ScheduleRecord
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.tag_foresight import named
from nbpipe.services.tag_history import TagTenure
from nbpipe.services.tags import TagHolder, TagRecord
from nbpipe.services.tokens import TokenRecord
from nbpipe.services.versions import ModelVersion, StageChange
from nbpipe.views.amounts import size_text
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render
from nbpipe.views.tables import Table, scrolling_table, table_text
from nbpipe.views.theme import signed

_SHOWN = 50
_SHORT = 8


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind of record stands in a table.

    Attributes:
        columns: The headings.
        row: Gives the cells of one record.
        moving: Headings of what differs from one run of a notebook to the next: ids and instants.
    """

    columns: tuple[str, ...]
    row: Callable[[Any], tuple[object, ...]]
    moving: frozenset[str] = frozenset({"id", "run", "last run", "created", "started", "last started", "took", "since"})


def model_of(run: Run) -> str | None:
    """Name the model version that a run worked on: `iris@3`."""
    version = run.model_version
    return version.label if version is not None else None


def _run(run: Run) -> tuple[object, ...]:
    took = timedelta(seconds=run.duration_s) if run.duration_s is not None else None
    values = ", ".join(f"{name}={value}" for name, value in run.parameters.items())
    return run.id[:_SHORT], run.pipeline, signed(run.status), run.started, took, model_of(run), values


def _artifact(one: Artifact) -> tuple[object, ...]:
    size, run = size_text(one.size_bytes), one.run_id[:_SHORT]
    return artifact_label(one), one.type, size, one.step, run, one.created, one.id[:_SHORT]


def _pipeline(one: PipelineRecord) -> tuple[object, ...]:
    last = signed(one.last_status) if one.last_status else None
    return one.name, one.runs, one.snapshots, last, one.last_started, one.last_run[:_SHORT]


def _model(one: ModelRecord) -> tuple[object, ...]:
    return one.name, one.count, one.stages.get("staging"), one.stages.get("production"), one.created, one.description


def _version(one: ModelVersion) -> tuple[object, ...]:
    name = one.name if one.name != str(one.number) else None
    status = signed(one.mark) or None
    return f"{one.model}@{one.number}", name, one.stage.value, status, one.created, one.run_id[:_SHORT]


def _stage_change(one: StageChange) -> tuple[object, ...]:
    moved = f"{one.from_stage.value} → {one.to_stage.value}"
    return one.at, f"{one.model}@{one.number}", moved, "by force" if one.forced else "", one.by, one.note


def _snapshot(one: Snapshot) -> tuple[object, ...]:
    return one.name, one.pipeline, one.id[:_SHORT], one.created, one.description


def _deployment(one: Deployment) -> tuple[object, ...]:
    row = one.as_row()
    return one.name, signed(row["status"]), one.url, one.pipeline, row["snapshot"], one.started


def _schedule(one: ScheduleRecord) -> tuple[object, ...]:
    row, zone = one.as_row(), one.timezone
    next_fire = instant_in_words(one.next_fire, zone) if one.next_fire is not None else ""
    rules = f"{row['catchup']}, {row['overlap']}"
    return one.name, signed(one.status), one.words, next_fire, rules, one.pipeline, row["snapshot"]


def _firing(one: Firing) -> tuple[object, ...]:
    outcome = f"missed {one.number:,}" if one.outcome == "missed" and one.number > 1 else one.outcome
    return (
        one.schedule,
        one.due,
        signed(one.outcome) if outcome == one.outcome else outcome,
        one.run_id[:_SHORT],
        one.error,
    )


def _tag(one: TagRecord) -> tuple[object, ...]:
    return one.name, one.count, flags_text(one), one.created


def _token(one: TokenRecord) -> tuple[object, ...]:
    return one.name, one.scope.value, one.status, one.created, one.expires or "never", one.id[:_SHORT]


def _tenure(one: TagTenure) -> tuple[object, ...]:
    return named(one.kind, one.label), one.got, one.lost, one.lost_to, one.lost_by


def _holder(one: TagHolder) -> tuple[object, ...]:
    return one.kind.value.replace("_", " "), one.id, one.scope, one.since


def _explanation(one: Explanation) -> tuple[object, ...]:
    return (
        one.node,
        signed(one.status),
        "; ".join(change.said for change in one.changes) or one.why,
        explained_against(one),
    )


_FORMS: dict[type, Form] = {
    Run: Form(("run", "pipeline", "status", "started", "took", "model", "parameters"), _run),
    Artifact: Form(("artifact", "type", "size", "made by", "run", "created", "id"), _artifact),
    PipelineRecord: Form(("pipeline", "runs", "snapshots", "last status", "last started", "last run"), _pipeline),
    ModelRecord: Form(("model", "versions", "staging", "production", "created", "description"), _model),
    ModelVersion: Form(("version", "name", "stage", "status", "created", "run"), _version),
    StageChange: Form(("when", "version", "stage", "", "who", "note"), _stage_change, frozenset({"when", "who"})),
    Snapshot: Form(("name", "pipeline", "id", "created", "description"), _snapshot),
    Deployment: Form(("deployment", "status", "address", "pipeline", "snapshot", "started"), _deployment),
    ScheduleRecord: Form(
        ("schedule", "status", "fires", "next", "catch-up, overlap", "pipeline", "snapshot"),
        _schedule,
        frozenset({"next", "snapshot"}),
    ),
    Firing: Form(("schedule", "due", "outcome", "run", "why"), _firing, frozenset({"run"})),
    TagRecord: Form(("tag", "on", "flags", "created"), _tag),
    TokenRecord: Form(
        ("token", "scope", "status", "created", "expires", "id"), _token, frozenset({"id", "created", "expires"})
    ),
    Explanation: Form(("step", "status", "why", "compared with"), _explanation, frozenset({"compared with"})),
    TagHolder: Form(("kind", "id", "within", "since"), _holder),
    TagTenure: Form(("what", "since", "until", "lost to", "by"), _tenure, frozenset({"since", "until", "by"})),
}


def listed_table(listing: Listing[Any], *, stable: bool = False, most: int | None = None) -> Table:
    """Give a listing as a table.

    Args:
        listing: The listing.
        stable: Leave out what differs from one run to the next.
        most: How many rows at most; `None` for all.
    """
    columns, rows = _table(listing[:most] if most is not None else listing)
    form = _FORMS.get(listing.of) if listing.of is not None else None
    moving = form.moving if stable and form is not None else frozenset[str]()
    kept = [place for place, name in enumerate(columns) if name not in moving]
    return Table([columns[place] for place in kept], [[row[place] for place in kept] for row in rows])


def _table(listing: Listing[Any]) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
    form = _FORMS.get(listing.of) if listing.of is not None else None
    if form is not None:
        return form.columns, [form.row(record) for record in listing]
    columns = listing.columns or ("nothing",)
    return columns, [[row.get(name) for name in columns] for row in listing.as_rows()]


def listed(
    found: Listing[Any],
    *,
    as_json: bool,
    noun: str,
    plain: Any = None,
    asked: Mapping[str, Any] | None = None,
) -> Answer:
    """Answer with a listing; in a notebook with the browser, if that can ask the same.

    Args:
        found: The listing.
        as_json: Whether its facts were asked for.
        noun: What the browser calls it.
        plain: Those facts, where they are more than its rows.
        asked: What the listing was narrowed down by.
    """
    table, facts = listed_table(found), plain if plain is not None else found.as_rows()
    columns, rows = table.columns, table.rows
    said = {name: _single(name, value) for name, value in (asked or {}).items() if value not in (None, "", [], {})}
    can_browse = said.keys() <= set(known_filters(noun_named(noun)))
    widget = "CatalogBrowser" if can_browse and not isinstance(said.get("status"), list) else None
    return listing(
        columns, rows, record=found, plain=facts, as_json=as_json, widget=widget, asked={"noun": noun, **said}
    )


def plainly_listed(found: Listing[Any], *, as_json: bool) -> Answer:
    """Answer with a listing of what no browser shows."""
    table = listed_table(found)
    return listing(table.columns, table.rows, record=found, plain=found.as_rows(), as_json=as_json)


def _single(name: str, value: Any) -> Any:
    return value[0] if name == "status" and len(value) == 1 else value


def listing_bundle(listing: Listing[Any], *, stable: bool = False) -> Bundle:
    """Show a listing as a table: the first rows, and how many more there are."""
    table = listed_table(listing, stable=stable, most=_SHOWN)
    left = len(listing) - len(table.rows)
    more = f"… and {left:,} more" if left else ""
    html = scrolling_table(table, element("div", more, style="opacity:0.7; font-size:12px;") if more else None)
    return Bundle(render(html), "\n".join(filter(None, (table_text(table), more))))
