"""The card of one node of a graph: all that is known of a step, whether it has run or is only defined.

What a listing shows of a step is little (`showing_steps`); here is what somebody sees who asks
about one: where its inputs came from, its tags and metadata, its text with all that it leans on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from nbpipe.commands.reasons import explained_against
from nbpipe.commands.shapes import ShownDefinition
from nbpipe.commands.showing import parameter_facts, run_facts
from nbpipe.commands.showing_steps import artifact_label, step_facts, steps_not_reached
from nbpipe.errors import NbpipeError, NotFoundError
from nbpipe.records.definitions import AnyStep, Traced
from nbpipe.records.parameters import as_json, type_text
from nbpipe.services.explaining import explain
from nbpipe.services.runs import Run, StepRun
from nbpipe.services.step_history import texts_of_step
from nbpipe.views.amounts import value_text
from nbpipe.views.cards import pipeline_card, run_card, step_card
from nbpipe.views.facts import PipelineFacts, StepFacts
from nbpipe.views.frames import Bundle
from nbpipe.views.graphs import times_of

OWN = ""


def run_node_bundle(run: Run, node: str) -> Bundle:
    """Show a step of a run in full.

    Raises:
        NotFoundError: The run has no such step.
    """
    steps = run.steps
    found = next((one for one in run.graph.nodes if one.id == node), None)
    step = steps.get(node)
    if step is None:
        facts = next((one for one in steps_not_reached(run, steps) if one.node == node), None)
        if facts is None or found is None:
            raise NotFoundError("step", node, [one.id for one in run.graph.nodes])
        return step_card(replace(facts, inputs=_origins(found)))
    texts = texts_of_step(run.workspace, step.id)
    failed = [(item.place, item.error) for item in step.items.failed] if step.items is not None else []
    return step_card(
        replace(
            step_facts(step),
            inputs=_origins(found) if found is not None else {},
            why=_why(run, step),
            tags=_tags(step),
            metadata={name: value for name, value in step.metadata.items() if not _is_metric(value)},
            previews={artifact_label(artifact): artifact.preview for artifact in step.outputs.values()},
            failed_items=failed,
            traceback=step.traceback,
            source=texts.get(OWN, ""),
            leans_on={name: text for name, text in texts.items() if name != OWN},
        )
    )


def defined_node_bundle(traced: Traced, node: str, *, status: str = "", why: str = "") -> Bundle:
    """Show a step of a pipeline as it is defined.

    Args:
        traced: The pipeline.
        node: The step's name in its graph.
        status: How it stands, such as `stale`.
        why: Why.

    Raises:
        NotFoundError: The pipeline has no such step.
    """
    found = next((one for one in traced.graph.nodes if one.id == node), None)
    if found is None:
        raise NotFoundError("step", node, traced.steps)
    step = traced.steps[node]
    texts = _texts(step)
    outputs = step.signature.outputs
    tags = [tag.name for tag in (*step.options.tags, *(tag for output in outputs for tag in output.tags))]
    return step_card(
        StepFacts(
            node,
            status,
            why,
            outputs=[f"{output.artifact}: {type_text(output.annotation)}" for output in outputs],
            inputs=_origins(found),
            parameters={name: as_json(value) for name, value in traced.values.get(node, {}).items()},
            tags=list(dict.fromkeys(tags)),
            source=texts.get(OWN, ""),
            leans_on={name: text for name, text in texts.items() if name != OWN},
            times=times_of(found),
        )
    )


def run_without_graph(run: Run) -> Bundle:
    """Show a run whose graph stands beside: all of its card but that."""
    return run_card(replace(run_facts(run, tags=run.tags), steps=[], edges=[]))


def pipeline_without_graph(definition: ShownDefinition, traced: Traced) -> Bundle:
    """Show a pipeline whose graph stands beside: its parameters, tags and model."""
    return pipeline_card(
        PipelineFacts(
            definition.name,
            definition.description,
            parameters=parameter_facts(definition.parameters, traced.parameters),
            tags=[tag.name for tag in definition.tags],
            model=definition.model.name if definition.model is not None else "",
        )
    )


def _texts(step: AnyStep) -> Mapping[str, str]:
    """Give the text of a step and of what it leans on; of one that reads what is no text, its own alone."""
    try:
        source = step.source()
    except NbpipeError:
        return {OWN: str(getattr(step, "text", "")).strip("\n")}
    texts = {OWN: source.text.strip("\n")}
    for piece in (*source.pieces, *source.late_pieces):
        texts |= dict.fromkeys(piece.binds, piece.text)
    texts |= {f"module {module.name}": module.text for module in source.local_modules}
    return texts | {f"package {use.name}": use.version for use in source.modules}


def _why(run: Run, step: StepRun) -> str:
    """Say why a step ran or was reused, and against which earlier run that was found."""
    try:
        told = explain(run.workspace, run, step.node)
    except NbpipeError:
        return step.why
    said = "; ".join(change.said for one in told for change in one.changes) or step.why
    against = next((explained_against(one) for one in told if one.against is not None), "")
    return f"{said} (compared with run {against})" if against else said


def _origins(node: Any) -> dict[str, str]:
    """Say where each argument of a node comes from."""
    said = {name: _origin(origin) for name, origin in node.inputs.items()}
    if node.conditions:
        said["only"] = " and ".join(f"{one.said} {_origin(one.origin)}" for one in node.conditions)
    if node.after:
        said["after"] = ", ".join(node.after)
    return said


def _origin(origin: Any) -> str:
    match origin.kind:
        case "output":
            return _output(origin)
        case "either":
            return " or ".join(map(_output, origin.of))
        case "parameter":
            return f"the parameter {origin.name}"
        case "artifact":
            return f"the artifact {origin.name}"
    return value_text(origin.value, most=80)


def _output(origin: Any) -> str:
    named = "" if origin.output in ("", "output") else f"{origin.output} of "
    return f"{named}{origin.node}"


def _tags(step: StepRun) -> list[str]:
    return _each_once(tag for artifact in step.outputs.values() for tag in artifact.tags)


def _each_once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _is_metric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
