"""Cards: a run, a step, an artifact, a model, a snapshot or a pipeline at one glance.

Which facts of each matter, and in which order; how a card looks is `views.frames`. With
`stable=True` a card leaves out what differs between two equal runs, ids, instants and
durations, so that a notebook that shows it can be compared with what it showed before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from nbpipe.views.amounts import duration_text, items_text, size_text, time_text
from nbpipe.views.children import with_children
from nbpipe.views.dag import DagEdge, DagNode, dag_element, dag_text
from nbpipe.views.facts import (
    ArtifactFacts,
    Instant,
    ModelFacts,
    ModelVersionFacts,
    ParameterFacts,
    PipelineFacts,
    RunFacts,
    SnapshotFacts,
    StageChange,
    StepFacts,
    TagFacts,
)
from nbpipe.views.frames import Bundle, Card, Section, shown_facts, shown_table, written
from nbpipe.views.previews import Shown, shown_preview, shown_text
from nbpipe.views.running import shown_running
from nbpipe.views.tables import Table
from nbpipe.views.theme import signed

_FEW = 8
_MOST_FAILED = 100
_MOST_PIECES = 20


def run_card(facts: RunFacts, *, stable: bool = False) -> Bundle:
    """Show a run: its graph or steps, parameters, metrics and what went wrong."""
    model = _without_ids(facts.model_version) if stable else facts.model_version
    moving = [] if stable else [("run", facts.name), *_timing(facts.started, facts.ended), ("id", facts.id)]
    asker, step = facts.asked_by
    asked_by = f"{step} of run {asker[:8]}" if asker and not stable else step
    nodes, edges = with_children(
        facts.id, [_node(step, stable=stable) for step in facts.steps], facts.edges, facts.children, stable=stable
    )
    return written(
        Card(
            "run",
            facts.pipeline or facts.name,
            facts.status,
            [
                *moving,
                ("snapshot", facts.snapshot),
                ("schedule", facts.schedule),
                ("differs in", ", ".join(facts.differences)),
                ("model", model),
                ("part", facts.part),
                ("triggered by", asked_by),
                ("goes on from", "another run" if stable and facts.resumed_from else facts.resumed_from[:8]),
            ],
            facts.tags,
            facts.error,
            [
                *_graph(facts.pipeline, nodes, edges),
                *([Section("now", shown_running(facts.running))] if facts.running else []),
                *_triggered(facts, stable=stable),
                *_values("parameters", facts.parameters),
                *_values("metrics", facts.metrics),
                *_steps(facts, stable=stable),
            ],
        )
    )


def step_card(facts: StepFacts, *, stable: bool = False) -> Bundle:
    """Show a step: why it ran, what went in and came out, its logs and its source."""
    took = None if stable or facts.duration_s is None else duration_text(facts.duration_s)
    return written(
        Card(
            "step",
            facts.node,
            facts.status,
            [
                ("took", took),
                ("why", facts.why),
                ("items", " · ".join(filter(None, (facts.times, items_text(facts.items))))),
                ("outputs", ", ".join(facts.outputs)),
            ],
            facts.tags,
            facts.error,
            [
                *_failed_items(facts),
                *_values("inputs", facts.inputs),
                *_values("parameters", facts.parameters),
                *_values("metrics", facts.metrics),
                *_values("metadata", facts.metadata),
                *[Section(name, shown_preview(preview)) for name, preview in facts.previews.items()],
                *_long("traceback", facts.traceback),
                *_long("logs", facts.logs),
                *_long("source", facts.source),
                *_leant_on(facts.leans_on),
            ],
        )
    )


def _leant_on(texts: Mapping[str, str]) -> list[Section]:
    """Show what a step leans on: each text under its name, and the packages in a line."""
    packages = {name.removeprefix("package "): text for name, text in texts.items() if name.startswith("package ")}
    pieces = [_long(f"source: {name}", text) for name, text in texts.items() if not name.startswith("package ")]
    found = [section for sections in pieces[:_MOST_PIECES] for section in sections]
    more = f"{len(pieces) - _MOST_PIECES:,} more pieces are left out" if len(pieces) > _MOST_PIECES else ""
    return [*found, *_long("more", more), *_values("packages", packages)]


def _failed_items(facts: StepFacts) -> list[Section]:
    rows = [(f"[{place}]", error) for place, error in facts.failed_items[:_MOST_FAILED]]
    if len(facts.failed_items) > len(rows):
        rows.append(("…", f"and {len(facts.failed_items) - len(rows):,} more"))
    return [Section("failed items", shown_table(Table(("item", "error"), rows)))] if rows else []


def artifact_card(facts: ArtifactFacts, *, stable: bool = False) -> Bundle:
    """Show a version of an artifact, with its preview; a pickle says that it is one."""
    size = None if facts.size_bytes is None else size_text(facts.size_bytes)
    kept = "pickle: loading it runs code" if facts.is_pickle else facts.materializer
    moving = [] if stable else [("created", time_text(facts.created)), ("run", facts.run), ("id", facts.id)]
    return written(
        Card(
            "artifact",
            facts.name if facts.version is None else f"{facts.name}@{facts.version}",
            facts=[
                ("type", facts.type_name),
                ("size", size),
                ("kept as", kept),
                ("made by", facts.step),
                ("made from", _first_few(facts.made_from)),
                ("went into", _first_few(facts.went_into)),
                ("load it", facts.load),
                *moving,
            ],
            tags=facts.tags,
            sections=[
                *([Section("preview", shown_preview(facts.preview))] if facts.preview else []),
                *_values("metadata", facts.metadata),
            ],
        )
    )


def model_version_card(facts: ModelVersionFacts, *, stable: bool = False) -> Bundle:
    """Show a version of a model: its stage, its metrics and what it is made of."""
    moving = [] if stable else [("created", time_text(facts.created)), ("run", facts.run), ("name", facts.name)]
    return written(
        Card(
            "model version",
            f"{facts.model}@{facts.number}",
            facts.status,
            [
                ("stage", facts.stage),
                ("description", facts.description),
                *moving,
                ("artifacts", ", ".join(facts.artifacts)),
            ],
            facts.tags,
            sections=[*_values("metrics", facts.metrics), *_history(facts.history, stable=stable)],
        )
    )


def model_card(facts: ModelFacts, *, stable: bool = False) -> Bundle:
    """Show a model: its versions with their stages, and how they came to them."""
    names = list(dict.fromkeys(name for version in facts.versions for name in version.metrics))[:_FEW]
    rows = [
        (
            version.number,
            None if stable else version.name,
            version.stage,
            signed(version.status),
            *(version.metrics.get(name) for name in names),
            None if stable else time_text(version.created),
        )
        for version in facts.versions
    ]
    table = _without_empty(Table(("version", "name", "stage", "status", *names, "created"), rows))
    return written(
        Card(
            "model",
            facts.name,
            facts=[("description", facts.description)],
            tags=facts.tags,
            sections=[Section("versions", shown_table(table)), *_history(facts.history, stable=stable)],
        )
    )


def tag_card(facts: TagFacts, *, stable: bool = False) -> Bundle:
    """Show a tag: its flags, and how many things bear it."""
    moving = [] if stable else [("since", time_text(facts.created))]
    flags = ", ".join(facts.flags) or "none"
    return written(Card("tag", facts.name, facts=[("flags", flags), ("on", facts.count), *moving]))


def pipeline_card(facts: PipelineFacts, *, stable: bool = False) -> Bundle:  # noqa: ARG001 — nothing in it moves
    """Show a pipeline: its graph and its parameters."""
    return written(
        Card(
            "pipeline",
            facts.name,
            facts=[("description", facts.description), ("model", facts.model), *facts.known],
            tags=facts.tags,
            sections=[*_graph(facts.name, facts.nodes, facts.edges), *_parameters(facts.parameters)],
        )
    )


def snapshot_card(facts: SnapshotFacts, *, stable: bool = False) -> Bundle:
    """Show a snapshot: what it would run, with which values and in which environment."""
    moving = [] if stable else [("created", time_text(facts.created)), ("id", facts.id)]
    packages = None if facts.packages is None else f"{facts.packages:,} packages"
    environment = ", ".join(filter(None, (f"Python {facts.python}" if facts.python else "", packages)))
    return written(
        Card(
            "snapshot",
            facts.name,
            facts=[
                ("pipeline", facts.pipeline),
                ("description", facts.description),
                ("environment", None if stable else environment),
                *moving,
                ("content", None if stable else facts.digest[:12]),
            ],
            tags=facts.tags,
            sections=[
                *_warnings(facts.warnings),
                *_graph(facts.pipeline, facts.nodes, facts.edges),
                *_parameters(facts.parameters),
                *_long("source", facts.source),
            ],
        )
    )


def _first_few(words: Sequence[str]) -> str:
    more = [f"and {len(words) - _FEW:,} more"] if len(words) > _FEW else []
    return ", ".join([*words[:_FEW], *more])


def _timing(started: Instant, ended: Instant) -> list[tuple[str, object]]:
    begin, end = _moment(started), _moment(ended)
    took = duration_text((end - begin).total_seconds()) if begin and end else None
    return [("started", time_text(started)), ("took", took)]


def _moment(instant: Instant) -> datetime | None:
    try:
        found = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _without_ids(model_version: str) -> str:
    """Give the model's name alone: a version may be named after its run's id or its time."""
    return model_version.partition("@")[0]


def _node(step: StepFacts, *, stable: bool) -> DagNode:
    # Nothing is what a step takes that does not run.
    took = "" if stable or not step.duration_s else duration_text(step.duration_s)
    subtitle = items_text(step.items) or ("" if step.status == "not taken" else took)
    return DagNode(step.node, subtitle=subtitle, status=step.status, detail=step.error or step.why, times=step.times)


def _graph(name: str, nodes: Sequence[DagNode], edges: Sequence[DagEdge]) -> list[Section]:
    if not nodes:
        return []
    return [Section("steps", Shown(dag_element(nodes, edges, name=name), dag_text(nodes, edges, name=name)))]


def _triggered(facts: RunFacts, *, stable: bool) -> list[Section]:
    pipelines = {child.id: child.pipeline for child in facts.children}
    rows = [
        (
            child.pipeline,
            signed(child.status),
            None if stable or child.duration_s is None else duration_text(child.duration_s),
            child.step if child.parent == facts.id else f"{child.step} of {pipelines.get(child.parent, '')}",
            child.note,
            None if stable else child.id[:8],
        )
        for child in facts.children
    ]
    columns = ("pipeline", "status", "took", "triggered by", "note", "run")
    table = _without_empty(Table(columns, rows, frozenset({"took"})))
    return [Section("triggered runs", shown_table(table), is_folded=len(rows) > _FEW)] if rows else []


def _steps(facts: RunFacts, *, stable: bool) -> list[Section]:
    rows = [
        (
            step.node,
            signed(step.status),
            ": ".join(filter(None, (step.times, items_text(step.items)))),
            None if stable or step.duration_s is None else duration_text(step.duration_s),
            step.why,
            ", ".join(step.outputs),
        )
        for step in facts.steps
    ]
    table = _without_empty(Table(("step", "status", "items", "took", "why", "outputs"), rows, frozenset({"took"})))
    return [Section("step by step", shown_table(table), is_folded=True)] if rows else []


def _values(title: str, values: Mapping[str, object]) -> list[Section]:
    return [Section(title, shown_facts(list(values.items())), is_folded=len(values) > _FEW)] if values else []


def _parameters(parameters: Sequence[ParameterFacts]) -> list[Section]:
    rows = [
        (each.name, each.type_name, "required" if each.is_required else _as_python(each.value), each.description)
        for each in parameters
    ]
    table = _without_empty(Table(("parameter", "type", "value", "description"), rows))
    return [Section("parameters", shown_table(table))] if rows else []


def _warnings(warnings: Sequence[tuple[str, str, str]]) -> list[Section]:
    if not warnings:
        return []
    table = _without_empty(Table(("where", "name", "looks like"), warnings))
    return [Section("warnings: this may be a secret, and is kept with the snapshot", shown_table(table))]


def _as_python(value: object) -> object:
    """Give a parameter's value as Python would write it where that tells more: `"1"` is not `1`."""
    return repr(value) if isinstance(value, str | None) else value


def _history(history: Sequence[StageChange], *, stable: bool) -> list[Section]:
    rows = [
        (
            None if stable else time_text(change.when),
            change.version,
            f"{change.from_stage} → {change.to_stage}{', by force' if change.is_forced else ''}",
            None if stable else change.who,
            change.note,
        )
        for change in history
    ]
    table = _without_empty(Table(("when", "version", "stage", "who", "note"), rows))
    return [Section("history", shown_table(table), is_folded=True)] if rows else []


def _long(title: str, text: str) -> list[Section]:
    return [Section(title, shown_text(text), is_folded=True)] if text.strip() else []


def _without_empty(table: Table) -> Table:
    """Leave out the columns in which no row has anything."""
    kept = [place for place, _ in enumerate(table.columns) if any(row[place] not in (None, "") for row in table.rows)]
    return Table(
        [table.columns[place] for place in kept], [[row[place] for place in kept] for row in table.rows], table.right
    )
