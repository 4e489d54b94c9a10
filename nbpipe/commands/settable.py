"""What can be set on a pipeline's steps: the arguments of each node that no other step feeds.

The same is asked by a form, which shows a row for each, and by the help of a command, which
lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nbpipe.commands.shapes import ShownDefinition
from nbpipe.commands.showing import drawn
from nbpipe.graph.graph import Constant, ParameterOf
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.definitions import Traced
from nbpipe.records.parameters import REQUIRED, Parameters


@dataclass(frozen=True, slots=True)
class Settable:
    """What can be set on one node.

    Attributes:
        parameters: Its arguments.
        values: The value that each has as things stand; one that has none is left out.
        required: Those that nothing gives a value.
        follows: The pipeline's parameter that gives each its value, where one does.
    """

    parameters: Parameters
    values: Mapping[str, Any]
    required: frozenset[str]
    follows: Mapping[str, str]


def settable_steps(traced: Traced) -> dict[str, Settable]:
    """Say what can be set on each node, in order; a node that takes nothing from outside is left out."""
    found = {}
    for node in traced.graph.nodes:
        signature = traced.signature(node.id)
        names = tuple(name for name in signature.inputs if _is_open(node.inputs.get(name)))
        if not names:
            continue
        bound = traced.values.get(node.id, {})
        values = {name: bound.get(name, _default(signature.inputs[name][1])) for name in names}
        found[node.id] = Settable(
            signature.parameters(node.id, names),
            {name: value for name, value in values.items() if value is not REQUIRED},
            frozenset(name for name in names if name in signature.required and name not in node.inputs),
            {name: origin.name for name in names if isinstance(origin := node.inputs.get(name), ParameterOf)},
        )
    return found


def traced_with(definition: ShownDefinition, configuration: PipelineRunConfiguration) -> Traced:
    """Trace a pipeline as it is drawn, with what a configuration says of its steps."""
    from nbpipe.define.overrides import with_step_values

    return with_step_values(drawn(definition, configuration), configuration.step_values)


def _is_open(origin: Any) -> bool:
    return origin is None or isinstance(origin, Constant | ParameterOf)


def _default(default: Any) -> Any:
    if not isinstance(default, FieldInfo):
        return default
    value = default.get_default(call_default_factory=True, validated_data={})
    return REQUIRED if value is PydanticUndefined else value
