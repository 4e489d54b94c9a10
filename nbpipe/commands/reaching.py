"""Settings that reach into a parameter: `--set options.depth=3` changes one field of a model or one key of a dict.

A command line reads what stands before the last dot as a step. Where the pipeline has no step of that name but a
parameter, the parameter is meant, with all else in it as it is. It is then checked as if it had been given whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from nbpipe.commands.settable import settable_steps, traced_with
from nbpipe.errors import BadValueError
from nbpipe.records.config import PipelineRunConfiguration, StepConfiguration, merge_configurations
from nbpipe.records.parameters import as_json, is_hidden
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.starting import RunRequest

_Steps = Mapping[str, tuple[str, Mapping[str, Any]]]


def reached(given: PipelineRunConfiguration, found: Snapshot | RunRequest) -> PipelineRunConfiguration:
    """Give a configuration in which whole parameters stand for what reaches into them.

    What reaches nowhere is left as it is, and refused where the run is checked.

    Args:
        given: How the run is to differ.
        found: The snapshot that is to be run, or what a run of the pipeline asks for.

    Raises:
        BadValueError: The parameter holds a secret, which is not known here.
    """
    names = _parameter_names(found) if given.steps else ()
    if not any("." in name or name in names for name in given.steps):
        return given
    parameters, steps = _own(found, given)
    parameters = {**{name: {} for name in names}, **parameters}
    now = dict(given.parameters)
    left = {name: dict(said.parameters) for name, said in given.steps.items()}
    for name in given.steps:
        head, *path = name.split(".")
        if list(_targets(steps, name)):
            continue
        if head in parameters:
            values = left.pop(name)
            now[head] = _changed(now.get(head, parameters[head]), path, values, head)
        elif path and (nodes := [node for node in _targets(steps, head) if path[0] in steps[node][1]]):
            values = left.pop(name)
            for node in nodes:
                own = left.setdefault(node, {})
                base = own.get(path[0], steps[node][1][path[0]])
                own[path[0]] = _changed(base, path[1:], values, f"{node}.{path[0]}")
    said = {name: StepConfiguration(parameters=values) for name, values in left.items()}
    return given.model_copy(update={"parameters": now, "steps": said})


def _parameter_names(found: Snapshot | RunRequest) -> Sequence[str]:
    if isinstance(found, RunRequest):
        return found.definition.parameters.names
    return [field.name for field in found.content.parameters]


def _own(found: Snapshot | RunRequest, given: PipelineRunConfiguration) -> tuple[Mapping[str, Any], _Steps]:
    """Give the present values of parameters, and of each node its step and the values of its parameters."""
    if isinstance(found, RunRequest):
        others = PipelineRunConfiguration(parameters=given.parameters)
        traced = traced_with(found.definition, merge_configurations(found.configuration, others))
        step_of = {node.id: node.step for node in traced.graph.nodes}
        values = {node: as_json(dict(one.values)) for node, one in settable_steps(traced).items()}
        parameters = as_json(dict(traced.parameters))
    else:
        # Its packages need not be here, so that nothing of it is brought to life.
        content, template = found.content, found.content.config_template()
        step_of = {node.id: node.step for node in content.graph.nodes}
        values = {node: template.steps[node].parameters for node in step_of if node in template.steps}
        parameters = template.parameters
    return parameters, {node: (step, values.get(node, {})) for node, step in step_of.items()}


def _targets(steps: _Steps, name: str) -> Iterator[str]:
    return (node for node, (step, _) in steps.items() if name in (node, step))


def _changed(base: Any, path: Sequence[str], values: Mapping[str, Any], name: str) -> Any:
    """Put values into a parameter's value, each part on the way being made where it is not there."""
    if is_hidden(base):
        raise BadValueError(f"{name} holds a secret, which is not kept; give it whole: --set '{name}={{…}}'.")
    whole = deepcopy(base) if isinstance(base, dict) else {}
    inner = whole
    for part in path:
        if not isinstance(inner.get(part), dict):
            inner[part] = {}
        inner = inner[part]
    inner.update(values)
    return whole
