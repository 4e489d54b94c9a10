"""Other values for the parameters of single steps: the strongest say of all.

An override names a step (every call of it) or a node (one call), and an argument that is not fed
by another step. It is checked like any other value, before anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from nbpipe.errors import NotFoundError, ParameterError, nearest
from nbpipe.graph.graph import Constant, Origin, outputs_behind
from nbpipe.records.base import shorten
from nbpipe.records.definitions import StepSignature, Traced
from nbpipe.records.parameters import HIDDEN, as_json
from nbpipe.records.secrets import holds_secret


def with_step_values(traced: Traced, overrides: Mapping[str, Mapping[str, Any]]) -> Traced:
    """Give the same pipeline with other plain values for single steps.

    Args:
        traced: The pipeline.
        overrides: Values by argument, by step or node.

    Raises:
        NotFoundError: No such step.
        ParameterError: No such parameter, one that another step feeds, or a value that does not fit; where several
            steps are concerned, all of them are named, an unknown one among them.
    """
    if not overrides:
        return traced
    bound = {node: dict(given) for node, given in traced.values.items()}
    inputs: dict[str, dict[str, Origin]] = {node.id: dict(node.inputs) for node in traced.graph.nodes}
    called = {node.step for node in traced.graph.nodes}
    # What is said of one call is stronger than what is said of all calls of its step.
    refused: dict[str, NotFoundError | ParameterError] = {}
    for name in sorted(overrides, key=lambda name: name not in called):
        given = overrides[name]
        targets = [node.id for node in traced.graph.nodes if name in (node.id, node.step)]
        if not targets:
            refused[name] = _no_step(traced, name)
        for target in targets:
            try:
                checked = _check(target, traced.signature(target), inputs[target], given)
            except ParameterError as error:
                refused[target] = error
                continue
            now = bound.setdefault(target, {})
            checked = {argument: _as_secret(value, now.get(argument)) for argument, value in checked.items()}
            now.update(checked)
            inputs[target].update({argument: Constant(value=as_json(value)) for argument, value in checked.items()})
    if refused:
        raise _all_of(traced.pipeline, refused)
    nodes = tuple(node.model_copy(update={"inputs": inputs[node.id]}) for node in traced.graph.nodes)
    graph = type(traced.graph)(nodes=nodes, results=traced.graph.results)
    return replace(traced, graph=graph, values=bound)


def _no_step(traced: Traced, name: str) -> NotFoundError:
    """Say that a pipeline has no such step; who reaches into a parameter is told how that is written."""
    error = NotFoundError("step", name, [node.id for node in traced.graph.nodes])
    step, dot, argument = name.partition(".")
    near = f" Did you mean {error.near[0]!r}?" if error.near else ""
    if step in traced.parameters:
        cure = f" Within a parameter, give it whole: {step}={{…}}."
    elif dot and any(step in (node.id, node.step) for node in traced.graph.nodes):
        cure = f" Within a parameter, give it whole: {step}.{argument.partition('.')[0]}={{…}}."
    else:
        cure = near
    error.args = (f"Pipeline {traced.pipeline} has no step {shorten(name)}.{cure}",)
    return error


def without_secrets(traced: Traced, overrides: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give overrides as they may be written down: those whose value is a secret, once it is checked, are left out.

    Args:
        traced: The pipeline with these overrides.
        overrides: Values by argument, by step or node.
    """

    def is_kept(name: str, argument: str) -> bool:
        targets = [node.id for node in traced.graph.nodes if name in (node.id, node.step)]
        return not any(holds_secret(traced.values.get(target, {}).get(argument)) for target in targets)

    return {
        name: {argument: value for argument, value in given.items() if is_kept(name, argument)}
        for name, given in overrides.items()
    }


def with_secrets_hidden(traced: Traced, differences: Mapping[str, Any]) -> dict[str, Any]:
    """Give what differs by parameter and by `step.parameter` as it may be written down: a secret hides itself.

    Args:
        traced: The pipeline with these values.
        differences: The values as they were given.
    """

    def is_secret(name: str) -> bool:
        if holds_secret(traced.parameters.get(name)):
            return True
        step, _, argument = name.rpartition(".")
        targets = [node.id for node in traced.graph.nodes if step in (node.id, node.step)]
        return any(holds_secret(traced.values.get(target, {}).get(argument)) for target in targets)

    return {name: HIDDEN if is_secret(name) else value for name, value in differences.items()}


def _as_secret(value: Any, replaced: Any) -> Any:
    """Give what takes the place of a secret as one too, where its argument has no type that says so."""
    return type(replaced)(value) if isinstance(replaced, SecretStr) and isinstance(value, str) else value


def _all_of(pipeline: str, refused: Mapping[str, NotFoundError | ParameterError]) -> NotFoundError | ParameterError:
    """Make one error of those of several steps; one alone stands for itself."""
    if len(refused) == 1:
        return next(iter(refused.values()))
    problems: dict[str, str] = {}
    for name, error in refused.items():
        if isinstance(error, ParameterError):
            problems |= {f"{name}.{argument}": said for argument, said in error.problems.items()}
        else:
            problems[name] = "is no step" + (f"; did you mean {error.near[0]!r}?" if error.near else "")
    return ParameterError(pipeline, problems)


def check_complete(traced: Traced) -> None:
    """Check that every argument without a default has a value, before anything runs.

    Raises:
        ParameterError: One has none; step and argument are named.
    """
    for node in traced.graph.nodes:
        required, inputs = traced.steps[node.id].signature.required, node.inputs
        if len(required) == 1 and required[0] in inputs:
            continue
        missing = [name for name in required if name not in inputs]
        if missing:
            raise ParameterError(f"{traced.pipeline}, step {node.id}", dict.fromkeys(missing, "needs a value"))


def _check(
    node: str, signature: StepSignature, inputs: Mapping[str, Origin], given: Mapping[str, Any]
) -> dict[str, Any]:
    problems = {}
    for name in given:
        if name not in signature.inputs:
            near = nearest(name, parameters_of_node(signature.inputs, inputs))
            problems[name] = "is not a parameter" + (f"; did you mean {near[0]!r}?" if near else "")
        elif name in inputs and (sources := outputs_behind(inputs[name])):
            problems[name] = f"comes from step {sources[0].node!r}; it cannot be set"
    known = {name: value for name, value in given.items() if name not in problems}
    try:
        checked = signature.parameters(node, tuple(known)).check(known)
    except ParameterError as error:
        problems |= error.problems
    if problems:
        raise ParameterError(node, problems)
    return checked


def parameters_of_node(names: Mapping[str, Any], inputs: Mapping[str, Origin]) -> tuple[str, ...]:
    """Name the arguments of a node that no other step feeds: those that can be set."""
    return tuple(name for name in names if name not in inputs or not outputs_behind(inputs[name]))
