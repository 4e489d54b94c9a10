"""References: what a pipeline's body is given for a value that is there only once the pipeline runs.

Whatever asks a reference for its value is refused, and told what can be done instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from nbpipe.errors import DefinitionError
from nbpipe.graph.graph import EitherOf, ExistingArtifact, Origin, OutputOf, ParameterOf


class Reference:
    """A value that a step will give once the pipeline runs."""

    __slots__ = ("origin",)

    def __init__(self, origin: Origin) -> None:
        self.origin = origin

    def _refuse(self, what: str) -> NoReturn:
        raise DefinitionError(
            f"The pipeline's body {what} {self}, which has no value yet: a body only says what flows where.\n"
            "Do this inside a step, or make it depend on a parameter of the pipeline."
        )

    def __str__(self) -> str:
        match self.origin:
            case OutputOf(node=node, output=output):
                return f"{node}.{output}"
            case ExistingArtifact(name=name):
                return name
            case EitherOf(of=outputs):
                return f"either({', '.join(f'{one.node}.{one.output}' for one in outputs)})"
            case ParameterOf(name=name):
                return f"the parameter {name!r}"
        return "a reference"

    def __repr__(self) -> str:
        return f"<what will be {self}>"

    def __bool__(self) -> bool:  # noqa: PLE0304 — it never returns
        self._refuse("asks for the truth of")

    def __iter__(self) -> Iterator[Any]:
        self._refuse("goes through")

    def __getitem__(self, key: object) -> Any:
        self._refuse("looks into")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse(f"asks for .{name} of")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reference):
            self._refuse("compares")
        return self is other

    def __hash__(self) -> int:
        return id(self)


def _refusing(what: str) -> Callable[..., NoReturn]:
    return lambda reference, *_: reference._refuse(what)


_REFUSED = {"len": "asks for the length of", "call": "calls", "contains": "looks into"}
for _operator, _doing in _REFUSED.items():
    setattr(Reference, f"__{_operator}__", _refusing(_doing))
for _operator in ("lt", "le", "gt", "ge"):
    setattr(Reference, f"__{_operator}__", _refusing("compares"))
for _operator in ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    for _side in ("", "r"):
        setattr(Reference, f"__{_side}{_operator}__", _refusing("computes with"))
for _operator in ("neg", "pos", "abs", "invert", "int", "float", "index"):
    setattr(Reference, f"__{_operator}__", _refusing("computes with"))
