"""How the steps of a run are shown: each one's facts, and its card.

The cards of what a run is a part of, or made, are `showing`; how a graph is drawn is `views.graphs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nbpipe.commands.shapes import HasStatus
from nbpipe.records.runs import NOT_TAKEN, Status
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.runs import Run, StepRun
from nbpipe.views import facts as shown
from nbpipe.views.cards import step_card
from nbpipe.views.frames import Bundle
from nbpipe.views.graphs import times_of


def standing_of(step: HasStatus) -> str:
    """Say how a step stands, as it is shown: of a branch that was not taken, that."""
    is_untaken = step.status is Status.SKIPPED and step.why.startswith(NOT_TAKEN)
    return NOT_TAKEN if is_untaken else step.status.value


def step_facts(step: StepRun) -> shown.StepFacts:
    """Give the facts of one step of a run."""
    return shown.StepFacts(
        node=step.node,
        status=standing_of(step),
        why=step.why,
        duration_s=step.duration_s,
        outputs=[artifact_label(artifact) for artifact in step.outputs.values()],
        parameters=dict(step.parameters),
        metrics=dict(step.metrics),
        error=step.error,
        logs=step.logs,
        times=f"×{len(step.items):,}" if step.items is not None else "",
        items=dict(step.items.counts) if step.items is not None else {},
    )


def step_bundle(step: StepRun, *, stable: bool = False) -> Bundle:
    """Show what became of one step of a run."""
    previews = {artifact_label(artifact): artifact.preview for artifact in step.outputs.values()}
    failed = [(item.place, item.error) for item in step.items.failed] if step.items is not None else []
    return step_card(replace(step_facts(step), previews=previews, failed_items=failed), stable=stable)


def artifact_label(artifact: Artifact) -> str:
    """Name an artifact version in a line: `raw_data@7`."""
    return artifact.name if artifact.version is None else f"{artifact.name}@{artifact.version}"


def steps_not_reached(run: Run, steps: Mapping[str, StepRun]) -> list[shown.StepFacts]:
    """Give the steps of which nothing is recorded: the run goes on, or died before them."""
    status = Status.SKIPPED if run.status.is_over else Status.PENDING
    return [
        shown.StepFacts(node.id, status.value, times=times_of(node)) for node in run.graph.nodes if node.id not in steps
    ]
