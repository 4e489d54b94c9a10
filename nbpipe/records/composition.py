"""A pipeline as somebody puts it together: which steps it calls, what flows where, what it takes from outside.

A composition may be unfinished or wrong, as a draft is; what is wrong with one, and how it is
written as a cell, is `define.composing`. Everything here is plain values, and each change gives a
new composition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nbpipe.graph.order import cycle_in, descendants, in_order
from nbpipe.records.definitions import AnyStep


@dataclass(frozen=True, slots=True)
class FromCall:
    """What another call of the composition gives.

    Attributes:
        call: The key of the call.
        output: The name of the output; `""` where only that it is done matters.
    """

    call: str
    output: str


@dataclass(frozen=True, slots=True)
class FromParameter:
    """A parameter of the pipeline."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as Python writes it."""

    text: str


Feed = FromCall | FromParameter | Literal


@dataclass(frozen=True, slots=True)
class ComposedCall:
    """One call of a step.

    Attributes:
        key: Its name in the composition: the step's, with `_2`, `_3`, … for later calls.
        step: The name by which the step is called.
        inputs: Where arguments come from; those left out take the step's own default, if it has one.
        after: The keys of calls that come first though nothing flows from them.
    """

    key: str
    step: str
    inputs: Mapping[str, Feed] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def upstream(self) -> tuple[str, ...]:
        """The calls that this one waits for, each once."""
        fed = [feed.call for feed in self.inputs.values() if isinstance(feed, FromCall)]
        return tuple(dict.fromkeys((*fed, *self.after)))


@dataclass(frozen=True, slots=True)
class ComposedParameter:
    """A parameter of the pipeline, as Python writes it.

    Attributes:
        name: Its name.
        type: Its annotation, or `""`.
        default: Its default, or `""` for none.
    """

    name: str
    type: str = ""
    default: str = ""

    @property
    def text(self) -> str:
        """The parameter as it stands in a signature."""
        if self.type:
            return f"{self.name}: {self.type}" + (f" = {self.default}" if self.default else "")
        return f"{self.name}={self.default}" if self.default else self.name


@dataclass(frozen=True)
class Composition:
    """A pipeline as it is put together.

    Attributes:
        name: Its name.
        calls: The calls, in the order in which they were picked.
        parameters: What it takes.
        tags: Its tags, as a first line writes them: `latest:exclusive`.
        model: The model that its runs work on, or `""`.
        version: The version of that, or `""`.
        cache: Whether equal executions may be reused.
        returns: What it gives back; what the last call gives, if it is `None`.
        description: What it is for.
    """

    name: str = ""
    calls: tuple[ComposedCall, ...] = ()
    parameters: tuple[ComposedParameter, ...] = ()
    tags: tuple[str, ...] = ()
    model: str = ""
    version: str = ""
    cache: bool = True
    returns: tuple[FromCall, ...] | None = None
    description: str = ""

    def call(self, key: str) -> ComposedCall | None:
        """Find a call by its key."""
        return self._by_key.get(key)

    def parameter(self, name: str) -> ComposedParameter | None:
        """Find a parameter by its name."""
        return next((one for one in self.parameters if one.name == name), None)

    @cached_property
    def _by_key(self) -> dict[str, ComposedCall]:
        return {call.key: call for call in reversed(self.calls)}

    @cached_property
    def _upstream(self) -> dict[str, list[str]]:
        """What each call waits for, without what is not there."""
        return {call.key: [key for key in call.upstream if key in self._by_key] for call in self.calls}

    @cached_property
    def circle(self) -> tuple[str, ...]:
        """The keys of calls that wait for each other, the first one last again; none if no calls do."""
        return tuple(cycle_in(self._upstream))

    def waits_for(self, key: str) -> frozenset[str]:
        """Name the calls that wait for a call, directly or through others, and the call itself."""
        known = self._waiting.get(key)
        if known is None:
            known = self._waiting[key] = frozenset({key, *descendants(self._upstream, [key])})
        return known

    @cached_property
    def _waiting(self) -> dict[str, frozenset[str]]:
        return {}

    # Changes ---------------------------------------------------------------------------------

    def fed(self, key: str, name: str, feed: Feed | None) -> Composition:
        """Give it with one input fed otherwise; without a feed the input takes its step's own default."""

        def changed(call: ComposedCall) -> ComposedCall:
            inputs = {**call.inputs, name: feed} if feed is not None else dict(call.inputs)
            if feed is None:
                inputs.pop(name, None)
            return replace(call, inputs=inputs)

        return replace(self, calls=tuple(changed(call) if call.key == key else call for call in self.calls))

    def without(self, key: str) -> Composition:
        """Give it without a call; what it fed is fed by nothing."""
        calls = tuple(
            replace(
                call,
                inputs={name: feed for name, feed in call.inputs.items() if not _is_of(feed, key)},
                after=tuple(other for other in call.after if other != key),
            )
            for call in self.calls
            if call.key != key
        )
        returns = None if self.returns is None else tuple(feed for feed in self.returns if feed.call != key)
        # What it gave back was that call's alone: then it gives back what the last one gives, as at first.
        return replace(self, calls=calls, returns=returns or None if self.returns else returns)

    def used(self) -> Composition:
        """Give it without the parameters that no call takes."""
        taken = {feed.name for call in self.calls for feed in call.inputs.values() if isinstance(feed, FromParameter)}
        return replace(self, parameters=tuple(one for one in self.parameters if one.name in taken))

    def renamed(self, former: str, name: str) -> Composition:
        """Give it with a parameter under another name."""
        calls = tuple(
            replace(
                call,
                inputs={
                    key: FromParameter(name) if feed == FromParameter(former) else feed
                    for key, feed in call.inputs.items()
                },
            )
            for call in self.calls
        )
        parameters = tuple(replace(one, name=name) if one.name == former else one for one in self.parameters)
        return replace(self, calls=calls, parameters=parameters)

    def in_order(self) -> Composition:
        """Give it as it is written: each call after all that it waits for, each key by its place, defaults last.

        A composition that runs in a circle, or waits for what is not there, stays as it is.
        """
        known = {call.key for call in self.calls}
        if self.circle or any(not known.issuperset(call.upstream) for call in self.calls):
            return self
        by_key = {call.key: call for call in self.calls}
        ordered = [by_key[key] for key in in_order({call.key: call.upstream for call in self.calls})]
        keys = keys_of([call.step for call in ordered])
        place = dict(zip((call.key for call in ordered), keys, strict=True))

        def moved(feed: Feed) -> Feed:
            return replace(feed, call=place[feed.call]) if isinstance(feed, FromCall) else feed

        calls = tuple(
            replace(
                call,
                key=place[call.key],
                inputs={name: moved(feed) for name, feed in call.inputs.items()},
                after=tuple(place[key] for key in call.after),
            )
            for call in ordered
        )
        returns = self.returns
        if returns is not None:
            returns = tuple(replace(feed, call=place[feed.call]) for feed in returns if feed.call in place)
        required = [one for one in self.parameters if not one.default]
        optional = [one for one in self.parameters if one.default]
        return replace(self, calls=calls, parameters=(*required, *optional), returns=returns)


def keys_of(steps: Sequence[str]) -> list[str]:
    """Give the key of each call, from the names of the steps in the order of their calls."""
    found: list[str] = []
    for step in steps:
        found.append(new_key(step, found))
    return found


def new_key(step: str, taken: Sequence[str]) -> str:
    """Give the key of another call of a step; of an imported one (`flow.load`) the module is left out."""
    name = step.rpartition(".")[2]
    key, count = name, 1
    while key in taken:
        count += 1
        key = f"{name}_{count}"
    return key


@dataclass(frozen=True, slots=True)
class OfferedInput:
    """What a step that can be picked takes.

    Attributes:
        name: The argument's name.
        annotation: Its type.
        said: The type, for people; `""` if anything is taken.
        type: The annotation as the notebook would write it; `""` where it cannot.
        default: The default as the notebook would write it; `""` if there is none or it cannot.
        is_required: Whether it has no default.
    """

    name: str
    annotation: Any = Any
    said: str = ""
    type: str = ""
    default: str = ""
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class OfferedStep:
    """A step that can be picked.

    Attributes:
        name: What a pipeline's body calls it by.
        step: The step.
        inputs: What it takes.
        module: Where it is imported from; `""` for one of the notebook's own.
    """

    name: str
    step: AnyStep
    inputs: tuple[OfferedInput, ...]
    module: str = ""

    def input(self, name: str) -> OfferedInput | None:
        """Find an input by name."""
        return next((one for one in self.inputs if one.name == name), None)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it gives."""
        return tuple(output.name for output in self.step.signature.outputs)


def _is_of(feed: Feed, key: str) -> bool:
    return isinstance(feed, FromCall) and feed.call == key
