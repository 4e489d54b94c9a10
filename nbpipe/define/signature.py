"""What a step takes and gives, read from a function's signature.

Every argument can be bound to the output of another step or to a plain value. Outputs are named
by the return annotation: `Annotated[T, "name"]`, `Annotated[T, ArtifactConfig(...)]`, or a tuple
of such. One unnamed output is called `output`, and its artifact goes by the step's name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

from nbpipe.errors import DefinitionError
from nbpipe.records.base import plain_name
from nbpipe.records.definitions import Output, StepSignature
from nbpipe.records.parameters import REQUIRED, signature_fields
from nbpipe.records.steps import ArtifactConfig, UnmaterializedArtifact

UNNAMED_OUTPUT = "output"


def signature_of(function: Callable[..., Any], step: str) -> StepSignature:
    """Read the signature of a step's function.

    Raises:
        DefinitionError: `*args`, `**kwargs`, positional-only arguments or two outputs of one name.
    """
    check_arguments(function, f"Step {step!r}")
    inputs = signature_fields(function)
    pointers = frozenset(name for name, (annotation, _) in inputs.items() if annotation is UnmaterializedArtifact)
    try:
        returns = get_type_hints(function, include_extras=True).get("return", REQUIRED)
    except (NameError, TypeError, AttributeError):
        returns = REQUIRED
    outputs, is_tuple = outputs_of(returns, step)
    filled = {
        name: default.get_default(call_default_factory=True, validated_data={})
        for name, (_, default) in inputs.items()
        if isinstance(default, FieldInfo) and not default.is_required()
    }
    return StepSignature(inputs, outputs, is_tuple, pointers, filled)


def check_arguments(function: Callable[..., Any], subject: str) -> None:
    """Check that each argument can be given by its name.

    Raises:
        DefinitionError: `*args`, `**kwargs` or positional-only arguments.
    """
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
            raise DefinitionError(f"{subject} takes {str(parameter)!r}; give each input a name of its own.")


def outputs_of(returns: Any, step: str) -> tuple[tuple[Output, ...], bool]:
    """Read the outputs from a return annotation; the flag says whether the function returns a tuple of them.

    Raises:
        DefinitionError: Two outputs of one name.
        BadValueError: A name that is none.
    """
    if returns is None or returns is type(None):
        return (), False
    items = get_args(returns)
    if get_origin(returns) is tuple and items and Ellipsis not in items:
        outputs = tuple(_output(item, f"{UNNAMED_OUTPUT}_{n}", f"{step}_{n}") for n, item in enumerate(items))
        names = [output.name for output in outputs]
        if len(set(names)) != len(names):
            raise DefinitionError(f"Step {step!r} gives two outputs one name: {', '.join(names)}.")
        return outputs, True
    return (_output(returns, UNNAMED_OUTPUT, step),), False


def _output(annotation: Any, name: str, artifact: str) -> Output:
    if get_origin(annotation) is not Annotated:
        return Output(name, artifact, annotation=Any if annotation is REQUIRED else annotation)
    inner, *notes = get_args(annotation)
    for note in notes:
        if isinstance(note, str):
            named = plain_name("output", note)
            return Output(named, named, annotation=inner)
        if isinstance(note, ArtifactConfig):
            return Output(note.name or name, note.name or artifact, note.tags, inner)
    return Output(name, artifact, annotation=inner)
