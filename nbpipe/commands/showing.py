"""How each record is shown: facts gathered from the services, handed to the card of their kind.

Services know records and no cards, views know cards and no records; here they meet, for the
terminal, the notebook and the pages alike. What a card shows of steps is `showing_steps`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbpipe.commands.shapes import ShownDefinition
from nbpipe.commands.showing_steps import artifact_label, step_facts, steps_not_reached
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import Parameters, as_json, type_text
from nbpipe.records.parts import part_said
from nbpipe.records.snapshots import FieldText
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.bound_model import DrawnModel
from nbpipe.services.children import Child
from nbpipe.services.foreseeing import Foreseen
from nbpipe.services.lineage import Lineage, Use
from nbpipe.services.model_records import ModelRecord
from nbpipe.services.pipelines import PipelineRecord
from nbpipe.services.runs import Run
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.tags import TagRecord
from nbpipe.services.versions import ModelVersion, StageChange
from nbpipe.views import facts as shown
from nbpipe.views.cards import (
    artifact_card,
    model_card,
    model_version_card,
    pipeline_card,
    run_card,
    snapshot_card,
    tag_card,
)
from nbpipe.views.frames import Bundle, shown_facts
from nbpipe.views.graphs import graph_edges, graph_nodes
from nbpipe.views.markup import render
from nbpipe.views.running import RunningFacts
from nbpipe.views.theme import look, signed

_HIDDEN = "••••••"


def parameter_facts(parameters: Parameters, values: Mapping[str, Any]) -> list[shown.ParameterFacts]:
    """Give the facts of each parameter of a pipeline."""
    return [
        shown.ParameterFacts(
            name,
            type_text(info.annotation),
            as_json(values[name]) if name in values else None,
            name not in values,
            info.description or "",
        )
        for name, info in parameters.model.model_fields.items()
    ]


def drawn(definition: ShownDefinition, configuration: PipelineRunConfiguration | None = None) -> Traced:
    """Trace a pipeline as far as it can be without running: required parameters may stand open."""
    given = configuration.parameters if configuration is not None else {}
    return definition.trace(given, DrawnModel(definition.model), partial=True)


def pipeline_bundle(
    definition: ShownDefinition,
    configuration: PipelineRunConfiguration | None = None,
    foreseen: Mapping[str, Foreseen] | None = None,
) -> Bundle:
    """Show a pipeline: its graph and its parameters.

    Args:
        definition: The pipeline.
        configuration: How a run of it differs from what it says.
        foreseen: What a run would do with each node; those that are stale are marked, with why.
    """
    traced = drawn(definition, configuration)
    model = definition.model
    stale = {node: one.why for node, one in (foreseen or {}).items() if one.standing == "stale"}
    card = pipeline_card(
        shown.PipelineFacts(
            definition.name,
            definition.description,
            graph_nodes(traced.graph, dict.fromkeys(stale, "stale")),
            graph_edges(traced.graph),
            parameter_facts(definition.parameters, traced.parameters),
            [tag.name for tag in definition.tags],
            model.name if model is not None else "",
        )
    )
    if not stale:
        return card
    reasons = shown_facts(list(stale.items()))
    return Bundle(card.html + render(reasons.element), f"{card.text}\n\nwould run again\n{reasons.text}")


def recorded_bundle(record: PipelineRecord, *, stable: bool = False) -> Bundle:
    """Show a pipeline as the workspace knows it: its newest run's graph, and how much there is of it."""
    newest = record.newest
    graph = newest.graph if newest is not None else None
    known: list[tuple[str, object]] = [("runs", record.runs), ("snapshots", record.snapshots)]
    if newest is not None:
        name = "" if stable else f"{newest.id[:8]} "
        known += [("last run", name + signed(newest.status)), *([] if stable else [("started", newest.started)])]
    return pipeline_card(
        shown.PipelineFacts(
            record.name,
            nodes=graph_nodes(graph) if graph is not None else [],
            edges=graph_edges(graph) if graph is not None else [],
            parameters=[shown.ParameterFacts(name, "", value) for name, value in newest.parameters.items()]
            if newest is not None
            else [],
            tags=record.tags,
            known=known,
        )
    )


def run_facts(run: Run, *, tags: Sequence[str] = (), metrics: Mapping[str, float] | None = None) -> shown.RunFacts:
    """Give the facts of a run; its metrics as they are now unless they are given."""
    version, steps = run.model_version, run.steps
    # What was set for single steps only; the others stand among the parameters already.
    for_steps = {name: value for name, value in run.differences.items() if name not in run.parameters}
    return shown.RunFacts(
        id=run.id,
        name=run.name,
        pipeline=run.pipeline,
        status=run.status.value,
        started=run.started,
        ended=run.ended,
        parameters={**run.parameters, **for_steps},
        steps=[*(step_facts(step) for step in steps.values()), *steps_not_reached(run, steps)],
        edges=graph_edges(run.graph),
        tags=list(tags),
        metrics=dict(metrics if metrics is not None else run.metrics),
        model_version=f"{version.model}@{version.name}" if version is not None else "",
        error=run.error,
        asked_by=(run.parent_run_id, run.parent_step),
        children=[child_facts(child) for child in run.children],
        snapshot=run.snapshot_name,
        schedule=run.schedule_name,
        differences=list(run.differences),
        resumed_from=run.resumed_from,
        part=part_said(run.part) if run.part else "",
    )


def child_facts(child: Child) -> shown.ChildFacts:
    """Give the facts of a run that a step asked for."""
    notes = ["not triggered again"] if child.is_former else []
    if child.workspace:
        notes.append(f"in the workspace {child.workspace}")
    status = child.status.value if child.status is not None else "gone" if child.workspace else "deleted"
    return shown.ChildFacts(
        child.run,
        child.pipeline,
        child.step,
        child.parent,
        status,
        child.duration_s,
        "; ".join(notes),
        child.is_former,
    )


def run_bundle(run: Run, *, stable: bool = False, running: Sequence[RunningFacts] = ()) -> Bundle:
    """Show a run.

    Args:
        run: The run.
        stable: Leave out what differs from one run to the next.
        running: What is seen of the steps that run now, if somebody sees them.
    """
    return run_card(replace(run_facts(run, tags=run.tags), running=running), stable=stable)


def artifact_bundle(artifact: Artifact, *, stable: bool = False) -> Bundle:
    """Show an artifact version with its preview, and one step of its lineage each way."""
    lineage = artifact.lineage() if not artifact.is_part else None
    facts = shown.ArtifactFacts(
        name=artifact.name,
        version=artifact.version,
        id=artifact.id,
        type_name=artifact.type,
        size_bytes=artifact.size_bytes,
        created=artifact.created,
        step=artifact.step,
        run=artifact.run_id[:8],
        materializer=artifact.materializer,
        is_pickle=artifact.pickled,
        tags=artifact.tags,
        metadata=artifact.metadata,
        preview=artifact.preview,
        made_from=_labels(lineage, lineage.made_by.inputs.values()) if lineage and lineage.made_by is not None else (),
        went_into=list(dict.fromkeys(_use_said(lineage, use) for use in lineage.used_by)) if lineage else (),
        load=f"load_artifact({artifact_label(artifact)!r})" if artifact.version is not None else "",
    )
    return artifact_card(facts, stable=stable)


def _labels(lineage: Lineage, ids: Iterable[str]) -> list[str]:
    return [lineage.versions[one].label for one in dict.fromkeys(ids) if one in lineage.versions]


def _use_said(lineage: Lineage, use: Use) -> str:
    given = ", ".join(_labels(lineage, use.outputs.values()))
    return f"{use.node} → {given}" if given else use.node


def tag_bundle(tag: TagRecord, *, stable: bool = False) -> Bundle:
    """Show a tag."""
    return tag_card(shown.TagFacts(tag.name, _flags(tag), tag.created, tag.count), stable=stable)


def flags_text(tag: TagRecord) -> str:
    """Say what kind of tag it is: `exclusive, cascade`."""
    return ", ".join(_flags(tag))


def _flags(tag: TagRecord) -> list[str]:
    return [flag for flag in ("exclusive", "cascade") if getattr(tag, flag)]


def version_facts(version: ModelVersion, *, deep: bool = True) -> shown.ModelVersionFacts:
    """Give the facts of a model version; `deep` adds its artifacts, tags and history."""
    return shown.ModelVersionFacts(
        model=version.model,
        number=version.number,
        name=version.name if version.name != str(version.number) else "",
        stage=version.stage,
        status=version.mark,
        created=version.created,
        run=version.run_id[:8],
        tags=version.tags if deep else (),
        metrics=version.metrics,
        artifacts=[artifact_label(artifact) for artifact in version.artifacts.values()] if deep else (),
        history=[stage_change(change) for change in version.history] if deep else (),
        description=version.description if deep else "",
    )


def stage_change(change: StageChange) -> shown.StageChange:
    """Give the facts of one move between stages."""
    return shown.StageChange(
        change.at,
        change.by,
        f"{change.model}@{change.number}",
        change.from_stage,
        change.to_stage,
        change.note,
        change.forced,
    )


def version_bundle(version: ModelVersion, *, stable: bool = False) -> Bundle:
    """Show a model version."""
    return model_version_card(version_facts(version), stable=stable)


def model_bundle(model: ModelRecord, history: Sequence[StageChange] = (), *, stable: bool = False) -> Bundle:
    """Show a model: its versions and, where they are given, the moves between stages."""
    facts = shown.ModelFacts(
        name=model.name,
        description=model.description,
        tags=model.tags,
        versions=[version_facts(version, deep=False) for version in model.versions],
        history=[stage_change(change) for change in history],
    )
    return model_card(facts, stable=stable)


def _field_facts(field: FieldText, *, is_hidden: bool = False) -> shown.ParameterFacts:
    # What may be a secret is not put on a screen.
    value = _HIDDEN if is_hidden else field.value
    return shown.ParameterFacts(field.name, field.type, value, field.required, field.description)


def snapshot_bundle(
    snapshot: Snapshot, *, with_code: bool = False, stable: bool = False, tags: Sequence[str] | None = None
) -> Bundle:
    """Show a snapshot: its graph, its parameters and, if asked, its code.

    Args:
        snapshot: The snapshot.
        with_code: Show its code too.
        stable: Leave out what differs between two equal snapshots.
        tags: Its tags, where they are known; else the catalog is asked.
    """
    content = snapshot.content
    warnings = snapshot.warnings
    suspect = {one.name for one in warnings if one.is_value}
    own = [_field_facts(field, is_hidden=field.name in suspect) for field in content.parameters]
    of_steps = [
        replace(_field_facts(field, is_hidden=field.name in suspect), name=f"{node}.{field.name}")
        for node, fields in content.step_parameters.items()
        for field in fields
    ]
    facts = shown.SnapshotFacts(
        id=snapshot.id,
        name=snapshot.name,
        pipeline=snapshot.pipeline,
        digest=snapshot.digest,
        description=snapshot.description,
        created=snapshot.created,
        python=content.environment.python,
        packages=len(content.environment.packages),
        nodes=graph_nodes(content.graph),
        edges=graph_edges(content.graph),
        parameters=[*own, *of_steps],
        tags=snapshot.tags if tags is None else tags,
        source=snapshot.code if with_code else "",
        warnings=[(one.where, one.name, one.looks_like) for one in warnings],
    )
    return snapshot_card(facts, stable=stable)


def mark(status: str) -> str:
    """Give the sign of a status."""
    return look(status).sign
