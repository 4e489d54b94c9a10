"""From a pipeline's definition to a content that stands alone.

What steps and body lean on becomes one library; each step remembers which of its pieces are its
own, so that a thawed step has the very digest it had and finds the executions it had.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from nbpipe.define.cells import CellStep
from nbpipe.define.overrides import with_step_values
from nbpipe.define.pipeline import CellPipeline, FunctionPipeline, PipelineDefinition
from nbpipe.errors import BadValueError, DefinitionError
from nbpipe.graph.graph import OutputOf
from nbpipe.records.base import shorten
from nbpipe.records.config import PipelineRunConfiguration, StepConfiguration
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import HIDDEN, REQUIRED, Parameters, as_json, hide_secrets, type_text
from nbpipe.records.snapshots import Environment, FieldText, SnapshotContent, StepText
from nbpipe.source.closure import Source
from nbpipe.source.names import names_of


def freeze(
    definition: PipelineDefinition,
    configuration: PipelineRunConfiguration,
    environment: Environment,
    context: Any = None,
    folder: str = "",
) -> SnapshotContent:
    """Write a pipeline down.

    Args:
        definition: The pipeline.
        configuration: What the snapshot says of its runs; its values are checked.
        environment: Where it is frozen.
        context: What `get_pipeline_context().model` answers in the body.
        folder: The folder it works in, relative to the one that holds the workspace.

    Raises:
        UncapturedNameError: A step reads a name that is no text.
        ParameterError: The configuration's values do not fit.
        BadValueError: One of them is a secret.
    """
    traced = definition.trace(configuration.parameters, context, partial=True)
    traced = with_step_values(traced, configuration.step_values)
    _refuse_secrets(definition.parameters, configuration)
    body = definition.source() if isinstance(definition, FunctionPipeline) else None
    steps = _steps_of(definition, traced, body) if body is not None else dict(traced.steps)
    sources = {variable: step.source() for variable, step in steps.items()}
    lean = definition.parameters_source() if isinstance(definition, CellPipeline) else None
    everything = [source for source in (lean, *sources.values(), body) if source is not None]
    pieces = {piece.digest: piece for source in everything for piece in (*source.pieces, *source.late_pieces)}
    places = {digest: place for place, digest in enumerate(pieces)}
    return SnapshotContent(
        pipeline=definition.name,
        kind="cells" if body is None else "function",
        body=StepText.of(body, places, name=definition.name, variable=body.entry) if body is not None else None,
        parameters_text=definition.parameters_text if isinstance(definition, CellPipeline) else "",
        graph=traced.graph,
        library=tuple(pieces.values()),
        local_modules=tuple({module.name: module for source in everything for module in source.local_modules}.values()),
        modules=tuple({use.name: use for source in everything for use in source.modules}.values()),
        steps=tuple(
            StepText.of(source, places, variable=variable, **_facts(steps[variable]))
            for variable, source in sources.items()
        ),
        parameters=_fields(definition.parameters, traced.parameters),
        step_parameters={node: _node_fields(traced, node) for node in traced.graph.by_id},
        configuration=_as_written(configuration),
        tags=definition.tags,
        model=definition.model,
        cache=definition.cache,
        environment=environment,
        folder=folder,
    )


def _steps_of(definition: PipelineDefinition, traced: Traced, body: Source) -> dict[str, Any]:
    """Give the steps that the body calls, by the name it calls them by."""
    assert isinstance(definition, FunctionPipeline), "only a function has a body that calls steps"
    texts = [body.text, *(piece.text for piece in (*body.pieces, *body.late_pieces))]
    read = {name for text in texts for name in names_of(ast.parse(text)).reads}
    steps = {name: step for name, step in definition.steps_in_reach().items() if name in read}
    known = {step.identity for step in steps.values()}
    for node, step in traced.steps.items():
        if step.identity not in known:
            raise DefinitionError(
                f"{definition.name} calls step {node!r} by no name of its own module; "
                "bind it to a name where the pipeline is defined."
            )
    return steps


def _refuse_secrets(parameters: Parameters, configuration: PipelineRunConfiguration) -> None:
    types = {name: info.annotation for name, info in parameters.model.model_fields.items()}
    hidden = hide_secrets(configuration.parameters, types)
    given = {**configuration.parameters}
    given |= {f"{node}.{name}": v for node, step in configuration.steps.items() for name, v in step.parameters.items()}
    for name, value in given.items():
        # Kept as it is, it would lie there for all to read; kept hidden, a run would be given stars.
        if hidden.get(name) == HIDDEN or HIDDEN in json.dumps(as_json(value)):
            raise BadValueError(
                f"{shorten(name)} is a secret, and a snapshot keeps none. Leave it out, and give it when it is run."
            )


def _as_written(configuration: PipelineRunConfiguration) -> PipelineRunConfiguration:
    """Write a configuration's values as JSON data, as a thawed pipeline reads them."""
    steps = {
        name: StepConfiguration(parameters={key: as_json(value) for key, value in step.parameters.items()})
        for name, step in configuration.steps.items()
    }
    parameters = {name: as_json(value) for name, value in configuration.parameters.items()}
    return configuration.model_copy(update={"parameters": parameters, "steps": steps})


def _facts(step: Any) -> dict[str, Any]:
    facts = {"name": step.name, "options": step.options}
    if isinstance(step, CellStep):
        facts |= {"takes": step.takes, "gives": step.gives, "changed": tuple(sorted(step.changed))}
    return facts


def _fields(parameters: Parameters, values: Mapping[str, Any]) -> tuple[FieldText, ...]:
    return tuple(
        FieldText(
            name=name,
            type=type_text(info.annotation),
            required=name not in values,
            value=as_json(values[name]) if name in values else None,
            description=info.description or "",
        )
        for name, info in parameters.model.model_fields.items()
    )


def _node_fields(traced: Traced, node: str) -> tuple[FieldText, ...]:
    """Say what can be set on one node: every argument that no other step feeds."""
    step, inputs = traced.steps[node], traced.graph.by_id[node].inputs
    found = []
    for name, (annotation, default) in step.signature.inputs.items():
        if isinstance(inputs.get(name), OutputOf):
            continue
        bound = traced.values.get(node, {})
        plain = default.get_default() if isinstance(default, FieldInfo) else default
        value = bound.get(name, plain)
        found.append(
            FieldText(
                name=name,
                type=type_text(annotation if annotation is not REQUIRED else Any),
                required=name not in bound and default is REQUIRED,
                value=as_json(value) if name in bound or default is not REQUIRED else None,
            )
        )
    return tuple(found)
