"""A composition written as a `%%pipeline` cell, and read from a pipeline's text again.

What is written is what a user would have written: one line a call, the result last. What is read is
a body of that kind, whoever wrote it: calls of steps one after the other, fed with names and values.
A body that does more (loops, conditions, `.map`) is no composition, and is refused.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import shlex
from collections.abc import Mapping

from nbpipe.define.grammar import PipelineLine
from nbpipe.define.offering import arguments_of
from nbpipe.errors import DefinitionError
from nbpipe.records.composition import (
    ComposedCall,
    ComposedParameter,
    Composition,
    Feed,
    FromCall,
    FromParameter,
    Literal,
    OfferedStep,
    new_key,
)
from nbpipe.records.definitions import Output
from nbpipe.records.tags import Tag
from nbpipe.source.syntax import syntax_tree

_WIDEST = 110
Offers = Mapping[str, OfferedStep]


# Writing ---------------------------------------------------------------------------------------


def cell_text(composition: Composition, offers: Offers) -> str:
    """Write a composition without problems as a cell."""
    draft = composition.in_order()
    lines = [first_line(draft)]
    if draft.description:
        lines.append(_docstring(draft.description))
    called = _called(draft, offers)
    lines += [
        f"from {offer.module} import {_own_name(offer)}" + (f" as {called[name]}" * (called[name] != _own_name(offer)))
        for name in dict.fromkeys(call.step for call in draft.calls)
        if (offer := offers[name]).module
    ]
    names = _variables(draft, offers, set(called.values()))
    last = draft.calls[-1] if draft.calls else None
    returns = results(draft, offers)
    ends_with_call = last is not None and returns == _all_of(last, offers) and not _is_read(draft, last.key)
    for call in draft.calls:
        is_awaited = any(call.key in other.after for other in draft.calls)
        bound = "" if call is last and ends_with_call else _targets(call, names, offers, is_awaited=is_awaited)
        lines.append(_written(bound, called[call.step], _arguments(call, offers[call.step], names)))
    if returns and not ends_with_call:
        lines.append(f"return {', '.join(names[feed.call, feed.output] for feed in returns)}")
    return "\n".join(lines)


def first_line(draft: Composition) -> str:
    """Write the first line of the cell."""
    signature = ", ".join(one.text for one in draft.parameters)
    parts = [f"%%pipeline {draft.name}({signature})" if signature else f"%%pipeline {draft.name}"]
    parts += [f"--tag {shlex.quote(tag)}" for tag in draft.tags]
    if draft.model:
        model = f"{draft.model}@{draft.version}" if draft.version else draft.model
        parts.append(f"--model {shlex.quote(model)}")
    if not draft.cache:
        parts.append("--no-cache")
    return " ".join(parts)


def results(draft: Composition, offers: Offers) -> tuple[FromCall, ...]:
    """Give what the pipeline gives back."""
    if draft.returns is not None:
        return draft.returns
    last = draft.in_order().calls[-1:]
    return _all_of(last[0], offers) if last else ()


def _all_of(call: ComposedCall, offers: Offers) -> tuple[FromCall, ...]:
    return tuple(FromCall(call.key, name) for name in offers[call.step].outputs) if call.step in offers else ()


def _is_read(draft: Composition, key: str) -> bool:
    return any(key in call.upstream for call in draft.calls)


def _own_name(offer: OfferedStep) -> str:
    return offer.name.rpartition(".")[2]


def _called(draft: Composition, offers: Offers) -> dict[str, str]:
    """Say what each step is called by in the body; two of one name are told apart by their modules."""
    own = list(dict.fromkeys(call.step for call in draft.calls))
    short = {name: _own_name(offers[name]) for name in own}
    taken = [short[name] for name in own]
    return {
        name: name.replace(".", "_") if offers[name].module and taken.count(short[name]) > 1 else short[name]
        for name in own
    }


def _variables(draft: Composition, offers: Offers, called: set[str]) -> dict[tuple[str, str], str]:
    """Name what each call gives: by its own name, else by what its first taker calls it."""
    taken = {*called, draft.name, *(one.name for one in draft.parameters)}
    takers: dict[FromCall, str] = {}
    for call in draft.calls:
        for name, feed in call.inputs.items():
            if isinstance(feed, FromCall):
                takers.setdefault(feed, name)
    found: dict[tuple[str, str], str] = {}
    for call in draft.calls:
        offer = offers[call.step]
        for output in offer.step.signature.outputs or (Output("", ""),):
            feed = FromCall(call.key, output.name)
            base = call.key.replace(".", "_")
            wishes = [
                *([output.name] if not output.name.startswith("output") else []),
                *([takers[feed]] if feed in takers else []),
                f"{base}_{output.name}" if output.name else f"{base}_done",
            ]
            name = next((wish for wish in wishes if _is_free(wish, taken)), "")
            count = 1
            while not name:
                count += 1
                wish = f"value_{count}"
                name = wish if _is_free(wish, taken) else ""
            taken.add(name)
            found[call.key, output.name] = name
    return found


def _is_free(name: str, taken: set[str]) -> bool:
    is_name = name.isidentifier() and not keyword.iskeyword(name) and not hasattr(builtins, name)
    return is_name and name not in taken and not name.startswith("__")


def _targets(call: ComposedCall, names: Mapping[tuple[str, str], str], offers: Offers, *, is_awaited: bool) -> str:
    signature = offers[call.step].step.signature
    if not signature.outputs:
        return f"{names[call.key, '']} = " if is_awaited else ""
    targets = [names[call.key, output.name] for output in signature.outputs]
    if signature.is_tuple and len(targets) == 1:
        return f"({targets[0]},) = "
    return f"{', '.join(targets)} = "


def _arguments(call: ComposedCall, offer: OfferedStep, names: Mapping[tuple[str, str], str]) -> list[str]:
    """Write the arguments: what is required by its place, as long as none is left out; the rest by name."""
    given, by_place = [], True
    for one in offer.inputs:
        feed = call.inputs.get(one.name)
        by_place = by_place and feed is not None and one.is_required
        if feed is not None:
            said = _feed_text(feed, names)
            given.append(said if by_place else f"{one.name}={said}")
    if call.after:
        waited = [names[key, next(iter(n for k, n in names if k == key))] for key in call.after]
        given.append(f"after={waited[0]}" if len(waited) == 1 else f"after=[{', '.join(waited)}]")
    return given


def _feed_text(feed: Feed, names: Mapping[tuple[str, str], str]) -> str:
    match feed:
        case FromCall():
            return names[feed.call, feed.output]
        case FromParameter():
            return feed.name
        case Literal():
            return feed.text


def _written(bound: str, called: str, arguments: list[str]) -> str:
    line = f"{bound}{called}({', '.join(arguments)})"
    if len(line) <= _WIDEST:
        return line
    return "\n".join([f"{bound}{called}(", *(f"    {argument}," for argument in arguments), ")"])


def _docstring(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped} """' if escaped.endswith('"') else f'"""{escaped}"""'


# Reading ---------------------------------------------------------------------------------------


def composition_of(
    text: str, offers: Offers, *, line: PipelineLine, called: Mapping[str, str] | None = None
) -> Composition:
    """Read a composition from the text of a pipeline's function.

    Args:
        text: The function, decorators included.
        offers: The steps in reach.
        line: What else is known of the pipeline: name, tags, model.
        called: What a step that the function calls by a name is offered as, where that is another.

    Raises:
        DefinitionError: The body does more than calling steps one after the other.
    """
    node = syntax_tree(text).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef), "a pipeline's text is a function"
    parameters = tuple(ComposedParameter(*one) for one in arguments_of(node, text))
    reader = _Reader(line.name, offers, {one.name for one in parameters}, dict(called or {}))
    body = list(node.body)
    description = ast.get_docstring(node) or ""
    for statement in body[1:] if description else body:
        reader.take(statement)
    return Composition(
        name=line.name,
        calls=tuple(reader.calls),
        parameters=parameters,
        tags=tuple(map(tag_text, line.tags)),
        model=line.model.name if line.model is not None else "",
        version=str(line.model.version or "") if line.model is not None else "",
        cache=line.cache,
        returns=_told(reader, offers),
        description=description.replace("\n", " ").strip(),
    )


def tag_text(tag: Tag) -> str:
    """Write a tag as a first line does."""
    return ":".join([tag.name, *(flag for flag in ("exclusive", "cascade") if getattr(tag, flag))])


def _told(reader: _Reader, offers: Offers) -> tuple[FromCall, ...] | None:
    """Say what is given back; `None` where that is what the last call gives."""
    returns = reader.returns or ()
    last = reader.calls[-1:]
    return None if last and returns == _all_of(last[0], offers) else returns


class _Reader:
    """Reads the statements of a body, one after the other."""

    def __init__(self, name: str, offers: Offers, parameters: set[str], called: dict[str, str]) -> None:
        self._name = name
        self._offers = offers
        self._parameters = parameters
        self._called = called
        self._variables: dict[str, FromCall] = {}
        self.calls: list[ComposedCall] = []
        self.returns: tuple[FromCall, ...] | None = None

    def take(self, statement: ast.stmt) -> None:
        if self.returns is not None:
            raise self._refused(statement, "goes on after its result")
        match statement:
            case ast.Pass():
                return
            case ast.ImportFrom(module=str() as module, level=0):
                for alias in statement.names:
                    self._called[alias.asname or alias.name] = f"{module}.{alias.name}"
            case ast.Assign(targets=[target], value=ast.Call() as call):
                self._bind(target, self._call(call))
            case ast.Expr(value=ast.Call() as call):
                self._call(call)
            case ast.Return(value=None):
                self.returns = ()
            case ast.Return(value=ast.Tuple(elts=items)):
                self.returns = tuple(self._output(item) for item in items)
            case ast.Return(value=ast.Call() as call):
                self.returns = _all_of(self._call(call), self._offers)
            case ast.Return(value=ast.Name() as name):
                self.returns = (self._output(name),)
            case _:
                raise self._refused(statement, "does more than calling steps one after the other")

    def _call(self, node: ast.Call) -> ComposedCall:
        name = _dotted(node.func)
        step = self._called.get(name, name)
        offer = self._offers.get(step)
        if offer is None:
            raise self._refused(node, f"calls {ast.unparse(node.func)}, which is no step that can be picked")
        if len(node.args) > len(offer.inputs):
            raise self._refused(node, f"gives {name} more than it takes")
        given: dict[str, ast.expr] = {}
        for one, argument in zip(offer.inputs, node.args, strict=False):
            given[one.name] = argument
        after: tuple[str, ...] = ()
        for word in node.keywords:
            if word.arg == "after" and offer.input("after") is None:
                items = word.value.elts if isinstance(word.value, ast.List | ast.Tuple) else [word.value]
                after = tuple(self._output(item).call for item in items)
            elif word.arg is None or offer.input(word.arg) is None or word.arg in given:
                raise self._refused(node, f"gives {name} an argument that it does not take")
            else:
                given[word.arg] = word.value
        inputs = {argument: self._feed(value) for argument, value in given.items()}
        key = new_key(step, [call.key for call in self.calls])
        # In the order in which the step takes them, however they were given.
        ordered = {one.name: inputs[one.name] for one in offer.inputs if one.name in inputs}
        self.calls.append(ComposedCall(key, step, ordered, after))
        return self.calls[-1]

    def _feed(self, node: ast.expr) -> Feed:
        if isinstance(node, ast.Call) and self._is_step(_dotted(node.func)):
            return self._only(self._call(node), node)
        if isinstance(node, ast.Name):
            if node.id in self._variables:
                return self._variables[node.id]
            if node.id in self._parameters:
                return FromParameter(node.id)
        names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        if names & (self._variables.keys() | self._parameters) or any(map(self._is_step, names)):
            raise self._refused(
                node, f"passes on {ast.unparse(node)}: only outputs, parameters and plain values can be"
            )
        return Literal(ast.unparse(node))

    def _is_step(self, name: str) -> bool:
        return self._called.get(name, name) in self._offers

    def _output(self, node: ast.expr) -> FromCall:
        found = self._variables.get(node.id) if isinstance(node, ast.Name) else None
        if found is None:
            raise self._refused(node, f"gives back {ast.unparse(node)}, which is no step's output")
        return found

    def _only(self, call: ComposedCall, node: ast.expr) -> FromCall:
        outputs = _all_of(call, self._offers)
        if len(outputs) != 1 or self._offers[call.step].step.signature.is_tuple:
            raise self._refused(node, f"passes on all that {call.step} gives")
        return outputs[0]

    def _bind(self, target: ast.expr, call: ComposedCall) -> None:
        outputs = _all_of(call, self._offers)
        is_tuple = self._offers[call.step].step.signature.is_tuple
        match target:
            case ast.Name(id=name) if not is_tuple:
                self._variables[name] = outputs[0] if outputs else FromCall(call.key, "")
            case ast.Tuple(elts=items) | ast.List(elts=items) if is_tuple and len(items) == len(outputs):
                for item, output in zip(items, outputs, strict=True):
                    if not isinstance(item, ast.Name):
                        raise self._refused(target, "binds what is no name")
                    self._variables[item.id] = output
            case _:
                raise self._refused(target, f"binds what {call.step} gives to {ast.unparse(target)}")

    def _refused(self, node: ast.AST, said: str) -> DefinitionError:
        line = getattr(node, "lineno", 0)
        return DefinitionError(f"{self._name} {said} (line {line}); change that cell itself.")


def _dotted(node: ast.expr) -> str:
    """Give what is called as one writes it: `load`, `flow.load`; `""` where it is no name."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
