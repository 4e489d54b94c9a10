"""What is wrong with a composition, each told at the field that it is about.

Fields are named as they stand in a form: `name`, `tags`, `train` (a call), `train.rate` (its input),
`parameter rate`, `parameter rate.type`, `parameter rate.default`, `returns`. Nothing is run to find
out, but for the rules of the types themselves where a value is written out.
"""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Iterable, Mapping
from typing import Any

from nbpipe.define.composing import Offers, cell_text, first_line
from nbpipe.define.grammar import parse_pipeline, parse_tag
from nbpipe.define.offering import expression, unknown_names
from nbpipe.errors import BadValueError, NbpipeError, ParameterError
from nbpipe.records.base import shorten
from nbpipe.records.composition import (
    ComposedCall,
    ComposedParameter,
    Composition,
    Feed,
    FromCall,
    FromParameter,
    Literal,
    OfferedInput,
    OfferedStep,
)
from nbpipe.records.models import ModelConfig
from nbpipe.records.parameters import REQUIRED, contradict, type_text
from nbpipe.source.syntax import syntax_tree

_RESERVED = ("model_config",)


def problems_of(composition: Composition, offers: Offers, namespace: Mapping[str, Any]) -> dict[str, str]:
    """Give a sentence for each field of a composition that will not do; none if it can be written.

    Args:
        composition: The composition.
        offers: The steps that can be called.
        namespace: The names that mean something where it is written.
    """
    found: dict[str, str] = {}
    found |= _of_name(composition)
    if not composition.calls:
        found["steps"] = "pick at least one step"
    for call in composition.calls:
        found |= _of_call(call, composition, offers, namespace)
    circle = composition.circle
    for call in composition.calls:
        for name, feed in call.inputs.items():
            if call.key in circle and isinstance(feed, FromCall) and feed.call in circle:
                found.setdefault(f"{call.key}.{name}", circle_said(circle))
    for place, parameter in enumerate(composition.parameters):
        found |= _of_parameter(parameter, place, composition, offers, namespace)
    found |= _of_tags(composition.tags)
    found |= _of_model(composition)
    for feed in composition.returns or ():
        if not _gives(feed, composition, offers):
            found["returns"] = f"{feed.call} gives no {feed.output!r}"
    if not found:
        found |= _of_text(composition, offers)
    return found


def misfit(feed: Feed, wanted: OfferedInput, call: ComposedCall, composition: Composition, offers: Offers) -> str:
    """Say why an output cannot be fed to an input; `""` if it can, as far as the types say."""
    if not isinstance(feed, FromCall):
        return ""
    source = composition.call(feed.call)
    if source is None or source.step not in offers:
        return f"{feed.call} is not called any more"
    output = offers[source.step].step.signature.output(feed.output)
    if output is None:
        return f"{feed.call} gives no {feed.output!r}"
    if contradict(output.annotation, wanted.annotation):
        return f"takes a {wanted.said}, but {feed.call} gives a {type_text(output.annotation)}"
    if feed.call in composition.waits_for(call.key):
        return circle_said((feed.call, call.key, feed.call) if feed.call != call.key else (call.key, call.key))
    return ""


def circle_said(circle: Iterable[str]) -> str:
    """Say that calls wait for each other."""
    return f"runs in a circle: {' → '.join(circle)}"


def identifier_problem(name: str) -> str:
    """Say why a text is no name of a variable; `""` if it is one."""
    if not name:
        return "needs a name"
    if keyword.iskeyword(name) or name == "__debug__":
        return f"{name!r} is a word of Python's own; choose another"
    if not name.isidentifier():
        return f"{shorten(name)} is no name: use letters, digits and _, no digit first"
    return ""


def _of_name(composition: Composition) -> dict[str, str]:
    said = identifier_problem(composition.name)
    if not said and any(composition.name in (call.step, call.step.rpartition(".")[2]) for call in composition.calls):
        said = f"{composition.name!r} is the name of a step that is called; choose another"
    if not said and len(composition.name) > 255:
        said = "is longer than 255 letters"
    return {"name": said} if said else {}


def _of_call(
    call: ComposedCall, composition: Composition, offers: Offers, namespace: Mapping[str, Any]
) -> dict[str, str]:
    offer = offers.get(call.step)
    if offer is None:
        return {call.key: f"{call.step} is no step of this notebook any more; remove it, or run its cell"}
    found = {
        f"{call.key}.{name}": f"{call.step} takes no {name!r} any more; run its cell again, or leave it out"
        for name in call.inputs
        if offer.input(name) is None
    }
    for one in offer.inputs:
        said = _of_input(one, call, composition, offers, namespace)
        if said:
            found[f"{call.key}.{one.name}"] = said
    missing = [key for key in call.after if composition.call(key) is None]
    if missing:
        found[call.key] = f"comes after {missing[0]}, which is not called any more"
    return found


def _of_input(
    one: OfferedInput, call: ComposedCall, composition: Composition, offers: Offers, namespace: Mapping[str, Any]
) -> str:
    feed = call.inputs.get(one.name)
    match feed:
        case None:
            return "needs a value" if one.is_required else ""
        case FromParameter():
            return "" if composition.parameter(feed.name) is not None else f"there is no parameter {feed.name!r}"
        case Literal():
            return _of_literal(feed.text, [(offers[call.step], one.name)], namespace)
    if composition.circle:
        # Which wire it is that closes the circle is told where the circle is.
        source = composition.call(feed.call)
        return "" if source is not None else f"{feed.call} is not called any more"
    return misfit(feed, one, call, composition, offers)


def _of_literal(text: str, takers: Iterable[tuple[OfferedStep, str]], namespace: Mapping[str, Any]) -> str:
    said = _expression_problem(text, namespace)
    if said:
        return said
    try:
        value = _value_of(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        # What is computed is known when the cell runs.
        return ""
    for offer, name in takers:
        if offer.step.signature.inputs[name][0] is REQUIRED:
            continue
        try:
            offer.step.signature.parameters(offer.step.name, (name,)).check({name: value})
        except ParameterError as error:
            return next(iter(error.problems.values()))
        except NbpipeError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 — a user's own type may raise anything, and would when it is run
            return f"is not taken: {type(error).__name__}: {shorten(str(error), 160)}"
    return ""


def _value_of(text: str) -> Any:
    if text in ('float("inf")', 'float("-inf")', 'float("nan")'):
        return math.nan if "nan" in text else math.inf
    return ast.literal_eval(text.strip())


def _expression_problem(text: str, namespace: Mapping[str, Any]) -> str:
    tree = expression(text)
    if tree is None or "\n" in text.strip():
        return f"{shorten(text)} is no value as Python writes it"
    unknown = unknown_names(tree, namespace)
    if unknown:
        return f"{unknown[0]!r} means nothing here; a text stands in quotes"
    return ""


def _of_parameter(
    one: ComposedParameter, place: int, composition: Composition, offers: Offers, namespace: Mapping[str, Any]
) -> dict[str, str]:
    field = f"parameter {one.name}"
    found = {}
    said = identifier_problem(one.name)
    called = {name for call in composition.calls for name in (call.step, call.step.rpartition(".")[2])}
    if not said and (one.name.startswith("_") or one.name in _RESERVED):
        said = f"{one.name!r} cannot be a parameter's name; choose another"
    elif not said and one.name in {other.name for other in composition.parameters[:place]}:
        said = "is there twice; give one another name"
    elif not said and one.name in called | {composition.name}:
        said = f"{one.name!r} is the name of a step or of the pipeline; choose another"
    if said:
        found[field] = said
    if one.type:
        tree = expression(one.type)
        unknown = unknown_names(tree, namespace) if tree is not None else []
        if tree is None or "\n" in one.type:
            found[f"{field}.type"] = f"{shorten(one.type)} is no type as Python writes it"
        elif unknown:
            found[f"{field}.type"] = f"{unknown[0]!r} means nothing here; import it first, or leave the type out"
    if one.default:
        takers = [
            (offers[call.step], name)
            for call in composition.calls
            for name, feed in call.inputs.items()
            if feed == FromParameter(one.name) and call.step in offers and offers[call.step].input(name) is not None
        ]
        said = _of_literal(one.default, takers, namespace)
        if said:
            found[f"{field}.default"] = said
    return found


def _of_tags(tags: Iterable[str]) -> dict[str, str]:
    seen: set[str] = set()
    for text in tags:
        try:
            name = parse_tag(text).name
        except BadValueError as error:
            return {"tags": str(error)}
        if name in seen:
            return {"tags": f"{shorten(name)} is there twice"}
        seen.add(name)
    return {}


def _of_model(composition: Composition) -> dict[str, str]:
    if not composition.model:
        return {"version": "needs a model"} if composition.version else {}
    if "@" in composition.model:
        return {"model": "the version stands in a field of its own, not behind an @"}
    try:
        ModelConfig(name=composition.model, version=composition.version or None)
    except BadValueError as error:
        said = str(error).removeprefix("ModelConfig: ")
        return {"version" if said.startswith("version") else "model": said}
    return {}


def _of_text(composition: Composition, offers: Offers) -> dict[str, str]:
    """See whether what would be written is read as it was meant: a bracket in a text may part the first line."""
    draft = composition.in_order()
    text = cell_text(composition, offers)
    try:
        line = parse_pipeline(first_line(draft).removeprefix("%%pipeline "))
        syntax_tree(f"def _({line.signature}):\n" + "".join(f"    {row}\n" for row in text.splitlines()[1:]))
    except (NbpipeError, SyntaxError, ValueError) as error:
        return {"steps": f"this cannot be written as a cell: {error}"}
    signature = ", ".join(one.text for one in draft.parameters)
    said = (line.name, line.signature, len(line.tags), line.model and line.model.name, line.cache)
    if said != (draft.name, signature, len(draft.tags), draft.model or None, draft.cache):
        return {"steps": "this cannot be written on one line; is there a lone bracket or quotation mark in a default?"}
    return {}


def _gives(feed: FromCall, composition: Composition, offers: Offers) -> bool:
    call = composition.call(feed.call)
    return call is not None and call.step in offers and feed.output in offers[call.step].outputs
