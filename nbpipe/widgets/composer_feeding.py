"""With what an input begins when its step is picked, and what else could be chosen for it.

Pure: a composition and what is offered go in, choices come out. An output is offered where the types
do not contradict and no circle would close.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from nbpipe.commands.composing import Materials
from nbpipe.records.composition import (
    ComposedCall,
    ComposedParameter,
    Composition,
    Feed,
    FromCall,
    FromParameter,
    Literal,
    OfferedInput,
    new_key,
)
from nbpipe.records.parameters import type_text

_PLAIN_MODULES = {"builtins", "datetime", "decimal", "fractions", "uuid", "pathlib", "typing", "types"}
_SCALARS = (bool, int, float, complex, str, bytes)
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class NewParameter:
    """To be fed by a parameter that the pipeline does not have yet."""

    name: str


@dataclass(frozen=True, slots=True)
class AnyLiteral:
    """To be fed by a value that is still to be written."""


@dataclass(frozen=True, slots=True)
class Unfed:
    """To be fed by nothing: a list of choices takes `None` as none being chosen."""


UNFED = Unfed()
AUTOMATIC = "automatic"
Choice = Feed | NewParameter | AnyLiteral | Unfed


def picked(composition: Composition, step: str, materials: Materials) -> tuple[Composition, str]:
    """Give a composition with one more call, each input fed by what most likely is meant; and the call's key."""
    offer = materials.offers[step]
    key = new_key(step, [call.key for call in composition.calls])
    draft = replace(composition, calls=(*composition.calls, ComposedCall(key, step)))
    for one in offer.inputs:
        feed = _likely_output(draft, key, one, materials)
        if feed is not None:
            draft = draft.fed(key, one.name, feed)
        elif (one.is_required and is_plain_type(one.annotation)) or one.default:
            draft = with_parameter(draft, key, one)
    return draft, key


def with_parameter(composition: Composition, key: str, one: OfferedInput, name: str = "") -> Composition:
    """Feed an input with a parameter of its type and default; an equal one that is there is shared."""
    wanted = ComposedParameter(name or free_parameter(composition, key, one), one.type, one.default)
    draft = composition.fed(key, one.name, FromParameter(wanted.name))
    if draft.parameter(wanted.name) is None:
        draft = replace(draft, parameters=(*draft.parameters, wanted))
    return draft.used()


def free_parameter(composition: Composition, key: str, one: OfferedInput) -> str:
    """Name the parameter that an input would be fed by: its own name, unless that means something else."""
    wanted = ComposedParameter(one.name, one.type, one.default)
    known = composition.parameter(one.name)
    called = {name for call in composition.calls for name in (call.step, call.step.rpartition(".")[2])}
    if known in (None, wanted) and one.name not in called | {composition.name} and not one.name.startswith("_"):
        return one.name
    taken = [other.name for other in composition.parameters]
    return new_key(f"{key.rpartition('.')[2]}_{one.name}", [*taken, *called])


def choices(composition: Composition, call: ComposedCall, one: OfferedInput, materials: Materials) -> dict[str, Choice]:
    """Give what an input can be fed with, by what is shown; what it is fed with now is always among them."""
    now = call.inputs.get(one.name)
    found: dict[str, Choice] = {}
    if not one.is_required:
        found[f"the step's own default ({_cut(one.default)})" if one.default else "the step's own default"] = UNFED
    elif now is None:
        found["choose…"] = UNFED
    for feed in outputs_before(composition, materials):
        if not materials.misfit(feed, one, call, composition):
            found[feed_said(feed, composition, materials)] = feed
    for parameter in composition.parameters:
        found[f"parameter {parameter.name}"] = FromParameter(parameter.name)
    new = free_parameter(composition, call.key, one)
    if composition.parameter(new) is None:
        found[f"new parameter {new}"] = NewParameter(new)
    found["a value…"] = now if isinstance(now, Literal) else AnyLiteral()
    if now is not None and now not in found.values():
        found[f"{feed_said(now, composition, materials)} (does not fit)"] = now
    return found


def outputs_before(composition: Composition, materials: Materials) -> Iterator[FromCall]:
    """Give all that the calls give, in their order."""
    for call in composition.calls:
        if call.step in materials.offers:
            yield from (FromCall(call.key, name) for name in materials.offers[call.step].outputs)


def feed_said(feed: Feed | None, composition: Composition, materials: Materials) -> str:
    """Say where a value comes from: `load → raw_data: DataFrame`."""
    match feed:
        case FromCall():
            source = composition.call(feed.call)
            offer = materials.offers.get(source.step) if source is not None else None
            output = offer.step.signature.output(feed.output) if offer is not None else None
            kind = (
                f": {_cut(type_text(output.annotation))}" if output is not None and output.annotation is not Any else ""
            )
            name = "" if feed.output == "output" else f" {feed.output}"
            return f"{feed.call} →{name}{kind}"
        case FromParameter():
            return f"parameter {feed.name}"
        case Literal():
            return _cut(feed.text)
    return "nothing"


def is_plain_type(annotation: Any) -> bool:
    """Tell whether somebody could type in a value of this type: then a parameter makes sense of it."""
    origin = get_origin(annotation)
    if origin is not None:
        inner = [part for part in get_args(annotation) if isinstance(part, type) or get_origin(part) is not None]
        module = getattr(origin, "__module__", "")
        return module in _PLAIN_MODULES and all(is_plain_type(part) for part in inner)
    if not isinstance(annotation, type):
        return annotation is Any
    return annotation.__module__ in _PLAIN_MODULES or issubclass(annotation, Enum | BaseModel)


def _likely_output(composition: Composition, key: str, one: OfferedInput, materials: Materials) -> FromCall | None:
    call = composition.call(key)
    assert call is not None, "the call was just made"
    fitting = [
        feed
        for feed in outputs_before(composition, materials)
        if feed.call != key and not materials.misfit(feed, one, call, composition)
    ]
    for feed in reversed(fitting):
        if feed.output == one.name:
            return feed
    if not one.is_required or one.annotation in _SCALARS:
        # A number is a setting more often than it is what another step gives.
        return None
    if one.annotation is Any:
        # Nothing is said of what it takes: what the step before it gives is a good guess, if that is one thing.
        before = [feed for feed in fitting if feed.call == composition.calls[-2].key] if fitting else []
        return before[0] if len(before) == 1 else None
    same = [feed for feed in fitting if _annotation_of(feed, composition, materials) == one.annotation]
    unused = [feed for feed in same if not _is_taken(feed, composition)]
    if is_plain_type(one.annotation):
        return unused[-1] if unused else None
    guessed = unused or same or fitting
    return guessed[-1] if guessed else None


def _annotation_of(feed: FromCall, composition: Composition, materials: Materials) -> Any:
    source = composition.call(feed.call)
    output = materials.offers[source.step].step.signature.output(feed.output) if source is not None else None
    return output.annotation if output is not None else Any


def _is_taken(feed: FromCall, composition: Composition) -> bool:
    return any(feed in call.inputs.values() for call in composition.calls)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
