"""The plain facts of each record, for `--json`: what a program reads, named as in Python.

A record's own row says what a listing says; these say what a card does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nbpipe.commands.showing import drawn, parameter_facts
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.listing import Listing
from nbpipe.services.model_records import ModelRecord
from nbpipe.services.runs import Run, StepRun
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.starting import RunRequest
from nbpipe.services.versions import ModelVersion, StageChange


def step_plain(step: StepRun) -> dict[str, Any]:
    """Give the facts of a step of a run."""
    return {
        "node": step.node,
        "status": step.status,
        "why": step.why,
        "duration_s": step.duration_s,
        "parameters": step.parameters,
        "outputs": {name: artifact.as_row() for name, artifact in step.outputs.items()},
        "metrics": step.metrics,
        "metadata": step.metadata,
        "error": step.error,
        **({"items": dict(step.items.counts)} if step.items is not None else {}),
    }


def run_plain(run: Run, tags: Sequence[str], *, metrics: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Give the facts of a run; its metrics as they are now unless they are given."""
    version = run.model_version
    return {
        **run.as_row(),
        "ended": run.ended,
        "snapshot_id": run.snapshot,
        "schedule_id": run.schedule,
        "differences": run.differences,
        "parent_run_id": run.parent_run_id,
        "parent_step": run.parent_step,
        "resumed_from": run.resumed_from,
        "part": run.part,
        "children": [asdict(child) for child in run.children],
        "model_version": version.label if version is not None else None,
        "tags": list(tags),
        "metrics": metrics if metrics is not None else run.metrics,
        "steps": [step_plain(step) for step in run.steps.values()],
    }


def artifact_plain(artifact: Artifact) -> dict[str, Any]:
    """Give the facts of an artifact version."""
    return {
        **artifact.as_row(),
        "digest": artifact.digest,
        "materializer": artifact.materializer,
        "pickled": artifact.pickled,
        "tags": artifact.tags,
        "metadata": artifact.metadata,
    }


def version_plain(version: ModelVersion) -> dict[str, Any]:
    """Give the facts of a model version."""
    return {
        **version.as_row(),
        "description": version.description,
        "tags": version.tags,
        "metrics": version.metrics,
        "artifacts": {name: artifact.as_row() for name, artifact in version.artifacts.items()},
        "runs": version.runs,
        "history": version.history.as_rows(),
    }


def model_plain(model: ModelRecord, history: Listing[StageChange]) -> dict[str, Any]:
    """Give the facts of a model, its versions among them."""
    return {
        **model.as_row(),
        "tags": model.tags,
        "versions": [{**version.as_row(), "metrics": version.metrics} for version in model.versions],
        "history": history.as_rows(),
    }


def definition_plain(request: RunRequest) -> dict[str, Any]:
    """Give the facts of a pipeline as it is defined."""
    definition = request.definition
    traced = drawn(definition, request.configuration)
    return {
        "name": definition.name,
        "description": definition.description,
        "steps": [node.id for node in traced.graph.nodes],
        "edges": [list(edge) for edge in traced.graph.edges],
        "parameters": [
            {
                "name": one.name,
                "type": one.type_name,
                "required": one.is_required,
                "value": one.value,
                "description": one.description,
            }
            for one in parameter_facts(definition.parameters, traced.parameters)
        ],
        "tags": [tag.name for tag in definition.tags],
        "model": definition.model.name if definition.model is not None else None,
    }


def snapshot_plain(snapshot: Snapshot, tags: Sequence[str], *, with_code: bool = False) -> dict[str, Any]:
    """Give the facts of a snapshot."""
    content = snapshot.content
    facts = {
        **snapshot.as_row(),
        "run_id": snapshot.run_id,
        "python": content.environment.python,
        "steps": [node.id for node in content.graph.nodes],
        "parameters": [field.model_dump() for field in content.parameters],
        "configuration": snapshot.config_template.model_dump(mode="json"),
        "tags": list(tags),
        "warnings": [{"where": one.where, "name": one.name, "looks_like": one.looks_like} for one in snapshot.warnings],
    }
    return {**facts, "code": snapshot.code} if with_code else facts
