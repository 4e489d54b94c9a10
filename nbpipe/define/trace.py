"""Calling steps inside a pipeline's body leaves nodes instead of running them.

The body is run once with the values of the pipeline's parameters; plain Python in it runs. A
step called there answers with references to what it will give, and a reference passed to
another step is an edge.

A body mostly calls what it called the last time. It is run all the same, since nobody can tell; but
a call that passes on the very references of the last time leaves the very node of the last time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field, replace
from operator import is_
from types import CodeType
from typing import Any

from nbpipe.define.references import Reference
from nbpipe.define.written import held_by, parameters_behind
from nbpipe.errors import DefinitionError, ParameterError, meant
from nbpipe.graph.graph import (
    Condition,
    Constant,
    Graph,
    Node,
    Origin,
    OutputOf,
    ParameterOf,
    outputs_behind,
)
from nbpipe.records.base import shorten
from nbpipe.records.definitions import AnyStep, StepSignature
from nbpipe.records.mapping import check_mappable, items_given
from nbpipe.records.parameters import as_json, contradict, is_plain, type_text


@dataclass(slots=True)
class _Calls:
    """The calls of one step so far: the step, and how many."""

    step: AnyStep
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of a step.

    Attributes:
        step: The step.
        args: What it was given by place; `None` where it was given anything but references.
        node: The node that it left.
        values: The plain values bound to the node's arguments.
        answer: What the body was given for it.
        count: How many calls of this step there were by then.
        is_plain: Whether it is neither mapped nor under a condition, and was given nothing but references.
    """

    step: AnyStep
    args: tuple[Reference, ...] | None
    node: Node
    values: dict[str, Any]
    answer: Any
    count: int = 0
    is_plain: bool = False


@dataclass(frozen=True, slots=True)
class TracedCalls:
    """What a body called when it was traced, in order, and what came of it: a graph, and what is behind its nodes."""

    calls: Sequence[_Call] = ()
    graph: Graph = field(default_factory=Graph)
    steps: Mapping[str, AnyStep] = field(default_factory=dict)
    values: Mapping[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Trace:
    """What a body has called so far.

    Attributes:
        pipeline: The pipeline's name, for messages.
        parameters: The checked values that the body was given.
        model: What `get_pipeline_context().model` answers, if anything.
        before: What the body called the last time.
        code: The body's code, whose text says which parameter is passed on.
        calls: The calls so far.
        steps: The step that each node calls.
        values: The plain values bound to each node's arguments, each of its declared type.
        mapped: The nodes that are executed once for each item of a list.
    """

    pipeline: str
    parameters: Mapping[str, Any]
    model: Any = None
    before: TracedCalls = field(default_factory=TracedCalls)
    code: CodeType | None = None
    calls: list[_Call] = field(default_factory=list)
    steps: dict[str, AnyStep] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    mapped: set[str] = field(default_factory=set)
    # How many calls there were; those that `calls` lacks are those of the last time.
    _place: int = field(default=0, repr=False)
    _calls: dict[str, _Calls] = field(default_factory=dict, repr=False)
    _is_as_before: bool = field(default=True, repr=False)

    def call(
        self,
        step: AnyStep,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        is_mapped: bool = False,
        conditions: tuple[Condition, ...] = (),
    ) -> Any:
        """Add a node for one call of `step`; answer with what it will give.

        Args:
            step: The step.
            args: What it is given by place: lists, if it is mapped.
            kwargs: What it is given by name.
            is_mapped: Whether it is executed once for each item of the lists.
            conditions: All that must hold for it to run.

        Raises:
            DefinitionError: Arguments that do not fit, or another step that goes by this name.
            ParameterError: A plain value of the wrong type.
        """
        before = None
        if self._is_as_before and self._place < len(self.before.calls):
            # The call that was made at this place the last time, when everything up to here was as it is now.
            former = self.before.calls[self._place]
            before = former if former.step is step else None
        if before is not None and before.is_plain and not (kwargs or is_mapped or conditions):
            known = before.args
            if known is not None and len(known) == len(args) and all(map(is_, known, args)):
                self._place += 1
                return before.answer
        self._catch_up()
        node_id = self._new_id(step)
        call = self._new_call(node_id, step, args, kwargs, is_mapped=is_mapped)
        if conditions:
            call = replace(call, node=call.node.model_copy(update={"conditions": conditions}), is_plain=False)
        if before is not None and _are_written_alike(before.node, call.node):
            # Whoever passes on what it gives then does as before.
            call = replace(call, node=before.node, answer=before.answer)
        else:
            self._is_as_before = False
        self._place += 1
        self._take(call)
        return call.answer

    def _catch_up(self) -> None:
        """Write down the calls that were those of the last time."""
        for call in self.before.calls[len(self.calls) : self._place]:
            self._calls.setdefault(call.step.name, _Calls(call.step)).count = call.count
            self._take(call)

    def _take(self, call: _Call) -> None:
        node_id = call.node.id
        self.calls.append(call)
        self.steps[node_id] = call.step
        if call.node.mapped:
            self.mapped.add(node_id)
        self.values[node_id] = call.values

    def _new_call(
        self, node_id: str, step: AnyStep, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, is_mapped: bool
    ) -> _Call:
        only_references = not kwargs and all(type(value) is Reference for value in args)
        kwargs = dict(kwargs)
        waited = kwargs.pop("after", None) if "after" not in step.signature.inputs else None
        bound = self._bind(step, args, kwargs)
        after: tuple[str, ...] = ()
        if waited is not None or step.options.after:
            after = tuple(dict.fromkeys((*self._nodes_of(waited), *self._named_after(step))))
        mapped = tuple(step.signature.inputs)[: len(args)] if is_mapped else ()
        if step.signature.pointers.intersection(mapped):
            raise DefinitionError(
                f"{step.name} asks for a pointer, and the items of a list have none; let it take the value."
            )
        signature = step.signature.mapped(mapped)
        said, bound = bound, {**signature.filled, **bound} if signature.filled else bound
        given = {name: value for name, value in bound.items() if not isinstance(value, Reference)}
        given |= {name: items_given(step.name, name, given[name]) for name in mapped if name in given}
        values = self._checked(step, signature, node_id, given) if given else {}
        # What the step itself fills in comes from nowhere else.
        passed = {name: given[name] for name in given if name in said}
        parameters = parameters_behind(passed, signature.inputs, self.parameters, self.code)
        inputs: dict[str, Origin] = {
            name: self._fed_by(value, step, name, is_list=name in mapped)
            if isinstance(value, Reference)
            else self._origin(node_id, name, values[name], parameters.get(name))
            for name, value in bound.items()
        }
        node = Node(id=node_id, step=step.name, inputs=inputs, after=after, mapped=mapped)
        count, is_plain = self._calls[step.name].count, only_references and not is_mapped
        return _Call(step, args if only_references else None, node, values, _answer(node_id, step), count, is_plain)

    def condition(self, value: Any, *, equals: tuple[Any, ...], negated: bool, name: str = "") -> Condition:
        """Say what a value must be for a step to run; `name` is what the body calls it, if that is known.

        Raises:
            DefinitionError: It is the output of a step that gives nothing, or no plain value.
        """
        for one in equals:
            if isinstance(one, Reference) or not is_plain(one):
                raise DefinitionError(f"{self.pipeline} compares with {shorten(one)}; equals= takes a plain value.")
        if not isinstance(value, Reference):
            is_named = name in self.parameters and self.parameters[name] is value
            parameter = name if is_named else held_by(value, self.parameters)
            return Condition(origin=self._origin("a condition", name, value, parameter), equals=equals, negated=negated)
        for output in outputs_behind(value.origin):
            if not output.output:
                raise DefinitionError(f"{self.pipeline} asks what {output.node} gave, but that gives nothing.")
        return Condition(origin=value.origin, equals=equals, negated=negated)

    def _fed_by(self, value: Reference, step: AnyStep, name: str, *, is_list: bool) -> Origin:
        origin = value.origin
        if isinstance(origin, OutputOf) and not origin.output:
            raise DefinitionError(
                f"{self.pipeline} passes {step.name} the output of {origin.node} as {name!r}, but {origin.node} gives "
                f"nothing; to run after it, write {step.name}(…, after=…)."
            )
        for output in outputs_behind(origin):
            self._check_types(output, step, name, is_list=is_list)
        return origin

    def _check_types(self, origin: OutputOf, step: AnyStep, name: str, *, is_list: bool) -> None:
        output = self.steps[origin.node].signature.output(origin.output)
        if output is None:
            return
        gives = list if origin.node in self.mapped else output.annotation
        if is_list:
            check_mappable(step.name, name, gives, said=f"{origin.node} gives")
            return
        wanted, _ = step.signature.inputs[name]
        if contradict(gives, wanted):
            takes = type_text(wanted)
            raise DefinitionError(
                f"{step.name} takes a {takes} as {name!r}, but {origin.node} gives a {type_text(gives)}."
            )

    def _new_id(self, step: AnyStep) -> str:
        calls = self._calls.get(step.name)
        if calls is None:
            calls = self._calls[step.name] = _Calls(step)
        if calls.step is not step and calls.step.identity != step.identity:
            raise DefinitionError(
                f"{self.pipeline} calls two different steps named {step.name!r}; give one another name: @step(name=…)."
            )
        node_id = ""
        while not node_id or node_id in self.steps:
            calls.count += 1
            node_id = step.name if calls.count == 1 else f"{step.name}_{calls.count}"
        return node_id

    def _bind(self, step: AnyStep, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        names = tuple(step.signature.inputs)
        if len(args) <= len(names) and kwargs.keys() <= set(names[len(args) :]):
            return {**dict(zip(names, args, strict=False)), **kwargs}
        signature = inspect.Signature(
            [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
        )
        try:
            return dict(signature.bind_partial(*args, **kwargs).arguments)
        except TypeError as error:
            unknown = next((name for name in kwargs if name not in names), "")
            hint = meant(unknown, names) if unknown else ""
            raise DefinitionError(f"{self.pipeline} calls {step.name} wrongly: {error}.{hint}") from None

    def _nodes_of(self, after: Any) -> tuple[str, ...]:
        waited = after if isinstance(after, list | tuple | None) else [after]
        found = []
        for item in waited or ():
            if isinstance(item, Reference) and isinstance(item.origin, OutputOf):
                found.append(item.origin.node)
            elif isinstance(item, str) and item in self.steps:
                found.append(item)
            else:
                raise DefinitionError(f"after= names {shorten(item)}, which {self.pipeline} has not called before.")
        return tuple(found)

    def _named_after(self, step: AnyStep) -> tuple[str, ...]:
        return tuple(name for name in step.options.after if name in self.steps)

    def _checked(
        self, step: AnyStep, signature: StepSignature, node_id: str, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        for name, value in given.items():
            if isinstance(value, list | tuple | dict) and _holds_reference(value):
                raise DefinitionError(
                    f"{self.pipeline} passes {step.name} a {type(value).__name__} of step outputs as {name!r}; "
                    "pass each output as an argument of its own."
                )
        try:
            return signature.parameters(step.name, tuple(given)).check(given)
        except ParameterError as error:
            raise ParameterError(f"{self.pipeline}, step {node_id}", error.problems) from None

    def _origin(self, node_id: str, name: str, value: Any, parameter: str | None) -> Origin:
        if parameter is not None:
            return ParameterOf(name=parameter)
        if not is_plain(value):
            raise DefinitionError(
                f"{self.pipeline} passes {node_id} a {type(value).__name__} as {name!r}, which is alive in this "
                "process only; make a step that gives it, and pass that step's output."
            )
        return Constant(value=as_json(value))

    def close(self, returned: Any) -> TracedCalls:
        """Close the trace; `returned` is what the body gave back."""
        results = _results(returned)
        before = self.before
        if self._is_as_before and self._place == len(before.calls) and results == before.graph.results:
            # Where the calls are those of the last time, so are their steps; plain values may be others.
            calls = (*self.calls, *before.calls[len(self.calls) :])
            return TracedCalls(calls, before.graph, before.steps, {**before.values, **self.values})
        self._catch_up()
        graph = Graph(nodes=tuple(call.node for call in self.calls), results=results)
        return TracedCalls(self.calls, graph, self.steps, self.values)


def _are_written_alike(one: Node, other: Node) -> bool:
    """Tell whether two nodes are the same. Of constants, equal is not enough: `1` is not `True`."""
    if any(isinstance(origin, Constant) for origin in other.inputs.values()) or other.conditions:
        return one.model_dump_json() == other.model_dump_json()
    return one == other


def _answer(node_id: str, step: AnyStep) -> Any:
    """Give the references to what a call will give."""
    outputs = [Reference(OutputOf(node=node_id, output=output.name)) for output in step.signature.outputs]
    if not outputs:
        return Reference(OutputOf(node=node_id, output=""))
    return tuple(outputs) if step.signature.is_tuple else outputs[0]


def _holds_reference(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return any(
        isinstance(item, Reference) or (isinstance(item, list | tuple | dict) and _holds_reference(item))
        for item in items
    )


def _results(returned: Any) -> dict[str, Origin]:
    items = returned if isinstance(returned, tuple | list) else [returned]
    found: dict[str, Origin] = {}
    for item in items:
        if isinstance(item, Reference) and not (isinstance(item.origin, OutputOf) and not item.origin.output):
            origin = item.origin
            name = origin.output if isinstance(origin, OutputOf) else str(item)
            if name == "output" and isinstance(origin, OutputOf):
                name = origin.node
            found[name if name not in found else f"{name}_{len(found)}"] = origin
    return found


_tracing: ContextVar[Trace | None] = ContextVar("nbpipe_tracing", default=None)


def current_trace() -> Trace | None:
    """Give the trace of the pipeline's body that is running, if one is."""
    return _tracing.get()


def traced_by(trace: Trace, body: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """Call `body` with these values and give what it gives; steps that are called in it leave nodes in `trace`.

    Raises:
        DefinitionError: It is called in the body of another pipeline.
    """
    if _tracing.get() is not None:
        raise DefinitionError(f"{trace.pipeline} is called in the body of another pipeline; call its steps instead.")
    # In a context of its own: wherever an interrupt comes, nobody else's body seems to run afterwards.
    return copy_context().run(_traced, trace, body, values)


def _traced(trace: Trace, body: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    _tracing.set(trace)
    return body(**values)
