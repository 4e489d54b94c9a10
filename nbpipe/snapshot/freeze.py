"""From a pipeline's definition to a content that stands alone.

What steps and body lean on becomes one library; each step remembers which of its pieces are its
own, so that a thawed step has the very digest it had and finds the executions it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo

from nbpipe.define.cells import CellStep
from nbpipe.define.hooks import NO_HOOKS, Hook
from nbpipe.define.overrides import with_step_values, without_secrets
from nbpipe.define.pipeline import CellPipeline, FunctionPipeline, PipelineDefinition
from nbpipe.errors import DefinitionError
from nbpipe.graph.graph import outputs_behind
from nbpipe.records.config import PipelineRunConfiguration, StepConfiguration
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import REQUIRED, Parameters, as_json, type_text
from nbpipe.records.secrets import holds_secret
from nbpipe.records.snapshots import Environment, FieldText, HookText, SnapshotContent, StepText
from nbpipe.snapshot.literals import expression_of
from nbpipe.snapshot.thaw import thaw
from nbpipe.source.closure import Source
from nbpipe.source.names import names_of
from nbpipe.source.syntax import syntax_tree


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
    return freeze_traced(definition, traced, configuration, environment, folder)


def freeze_traced(
    definition: PipelineDefinition,
    traced: Traced,
    configuration: PipelineRunConfiguration,
    environment: Environment,
    folder: str = "",
) -> SnapshotContent:
    """Write a pipeline down that was traced for the configuration's values already.

    Raises:
        UncapturedNameError: A step, or the body, reads a name that is no text.
        DefinitionError: The body calls a step by no name of its own module.
    """
    body = definition.source() if isinstance(definition, FunctionPipeline) else None
    steps = _steps_of(definition, traced, body) if body is not None else dict(traced.steps)
    sources = {variable: step.source() for variable, step in steps.items()}
    lean = definition.parameters_source() if isinstance(definition, CellPipeline) else None
    hooks = _hooks_of(definition, steps)
    of_hooks = [hook.source() for _, hook in hooks]
    everything = [source for source in (lean, *sources.values(), body, *of_hooks) if source is not None]
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
        configuration=_as_written(configuration, traced),
        tags=definition.tags,
        model=definition.model,
        cache=definition.cache,
        environment=environment,
        folder=folder,
        hooks=tuple(
            HookText(
                step=step,
                when=hook.when,
                text=StepText.of(source, places, name=f"{hook.when} of {hook.owner}", variable=source.entry),
            )
            for (step, hook), source in zip(hooks, of_hooks, strict=True)
        ),
    )


def with_values(
    content: SnapshotContent, configuration: PipelineRunConfiguration, environment: Environment, context: Any = None
) -> SnapshotContent:
    """Write the same code down with other values, and for another environment.

    Args:
        content: The code.
        configuration: What the snapshot says of its runs; its values are checked.
        environment: Where it is to run.
        context: What `get_pipeline_context().model` answers in the body.

    Raises:
        ParameterError: The configuration's values do not fit.
        DefinitionError: The code cannot be executed here.
    """
    definition = thaw(content)
    traced = definition.trace(configuration.parameters, context, partial=True)
    traced = with_step_values(traced, configuration.step_values)
    changed = {
        "graph": traced.graph,
        "parameters": _fields(definition.parameters, traced.parameters),
        "step_parameters": {node: _node_fields(traced, node) for node in traced.graph.by_id},
        "configuration": _as_written(configuration, traced),
        "environment": environment,
    }
    return content.model_copy(update=changed)


def _hooks_of(definition: PipelineDefinition, steps: Mapping[str, Any]) -> list[tuple[str, Hook]]:
    """Give the hooks of a pipeline and of its steps, each with the name by which its step is called."""
    own = [("", hook) for hook in definition.hooks]
    return own + [(name, hook) for name, step in steps.items() for hook in getattr(step, "hooks", NO_HOOKS)]


def _steps_of(definition: PipelineDefinition, traced: Traced, body: Source) -> dict[str, Any]:
    """Give the steps that the body calls, by the name it calls them by."""
    assert isinstance(definition, FunctionPipeline), "only a function has a body that calls steps"
    texts = [body.text, *(piece.text for piece in (*body.pieces, *body.late_pieces))]
    read = {name for text in texts for name in names_of(syntax_tree(text)).reads}
    steps = {name: step for name, step in definition.steps_in_reach().items() if name in read}
    known = {step.identity for step in steps.values()}
    for node, step in traced.steps.items():
        if step.identity not in known:
            raise DefinitionError(
                f"{definition.name} calls step {node!r} by no name of its own module; "
                "bind it to a name where the pipeline is defined."
            )
    return steps


def _as_written(configuration: PipelineRunConfiguration, traced: Traced) -> PipelineRunConfiguration:
    """Write a configuration's values as JSON data, as a thawed pipeline reads them; secrets are left out."""
    steps = {
        name: StepConfiguration(parameters={key: as_json(value) for key, value in given.items()})
        for name, given in without_secrets(traced, configuration.step_values).items()
    }
    parameters = {
        name: as_json(value)
        for name, value in configuration.parameters.items()
        if not holds_secret(traced.parameters.get(name))
    }
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
            # A secret that was given is not kept: it has to be given again.
            required=name not in values or (info.is_required() and holds_secret(values[name])),
            value=as_json(values[name]) if name in values else None,
            python=expression_of(values[name]) if name in values else None,
            description=info.description or "",
        )
        for name, info in parameters.model.model_fields.items()
    )


def _node_fields(traced: Traced, node: str) -> tuple[FieldText, ...]:
    """Say what can be set on one node: every argument that no other step feeds."""
    inputs = traced.graph.by_id[node].inputs
    found = []
    for name, (annotation, default) in traced.signature(node).inputs.items():
        if name in inputs and outputs_behind(inputs[name]):
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
                python=expression_of(value) if name in bound or default is not REQUIRED else None,
            )
        )
    return tuple(found)
