"""Steps made of cells: a body that reads names and binds names, in a notebook that has an order.

A cell's inputs are the names it may read before it binds them and that a parameter or an earlier
step provides; its outputs are the names it binds, and the inputs it was seen to change in place.
An explicit signature says it outright. Imports, functions and classes that a computing cell binds
are text for later steps, not outputs.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nbpipe.base.digest import quick
from nbpipe.define.texts import notebook_surroundings
from nbpipe.define.trace import current_trace
from nbpipe.errors import DefinitionError, meant
from nbpipe.records.definitions import Output, StepSignature
from nbpipe.records.parameters import REQUIRED, Parameters
from nbpipe.records.steps import StepOptions
from nbpipe.source.closure import Source, close_over
from nbpipe.source.names import Names, names_of
from nbpipe.source.pieces import normalise
from nbpipe.source.places import Places
from nbpipe.source.syntax import syntax_tree


@dataclass(frozen=True)
class CellStep:
    """One computing cell.

    Attributes:
        name: Its name in graphs, records and messages.
        text: The body, magics and the first line left out; as many lines as in the cell.
        options: How it is run.
        takes: The inputs, where the first line names them.
        gives: The outputs, where the first line names them.
        changed: Inputs that its last execution changed in place.
        as_text: Names that an earlier step gives and that mean text by now: a plain cell has defined them since.
        provided: The inputs that parameters and earlier steps provide, once its place is known.
        frozen: What it is made of, where that is fixed: in a plan, or in a snapshot.
        parameters: What the notebook takes, for the types of the inputs that are parameters.
        namespace: Says what its text can lean on, where that is not the live notebook's cells.
    """

    name: str
    text: str
    options: StepOptions = StepOptions()
    takes: tuple[str, ...] | None = None
    gives: tuple[str, ...] | None = None
    changed: frozenset[str] = frozenset()
    as_text: frozenset[str] = frozenset()
    provided: tuple[str, ...] = ()
    frozen: Source | None = field(default=None, repr=False, compare=False)
    parameters: Parameters | None = field(default=None, repr=False, compare=False)
    namespace: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    kind = "cell"

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree of the body.

        Raises:
            DefinitionError: The body does not compile.
        """
        try:
            return syntax_tree(self.text)
        except SyntaxError as error:
            raise DefinitionError(f"Step {self.name!r} does not compile: {error.msg} (line {error.lineno}).") from None

    @cached_property
    def names(self) -> Names:
        """What the body reads, binds and may change."""
        return names_of(self.tree)

    @cached_property
    def defines(self) -> frozenset[str]:
        """Names that are bound to imports, functions and classes only: text, not outputs."""
        bound: dict[str, bool] = {}
        for statement in self.tree.body:
            is_text = isinstance(
                statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
            )
            for name in names_of([statement]).binds:
                bound[name] = bound.get(name, True) and is_text
        return frozenset(name for name, is_text in bound.items() if is_text)

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """The names it gives, in the order in which they are first bound."""
        if self.gives is not None:
            return self.gives
        found = [name for name in self.names.binds if name not in self.defines and name not in self.names.deletes]
        return tuple(dict.fromkeys((*(name for name in found if not name.startswith("__")), *sorted(self.changed))))

    def inputs(self, available: Collection[str]) -> tuple[str, ...]:
        """Name the inputs, given what parameters and earlier steps provide.

        Raises:
            DefinitionError: The first line names an input that nothing provides.
        """
        if self.takes is not None:
            for name in self.takes:
                if name not in available:
                    raise DefinitionError(
                        f"Step {self.name!r} takes {name!r}, which neither a parameter nor an earlier step provides."
                        f"{meant(name, available)}"
                    )
            return self.takes
        return tuple(name for name in self.names.reads if name in available)

    def placed(self, available: Collection[str], parameters: Parameters) -> CellStep:
        """Give this step with its inputs known, and what it is made of read as it is now.

        Raises:
            UncapturedNameError: It reads a name that is neither text nor provided.
        """
        available = [name for name in available if name not in self.as_text]
        own = self.inputs(available)
        source = self.frozen or self._read(available if self.takes is None else own)
        # A function of another cell reads what the body is given: then that is an input, too.
        more = [name for name in source.inputs if name in available and name not in own]
        return replace(self, provided=(*own, *more), frozen=source, parameters=parameters)

    @property
    def signature(self) -> StepSignature:
        """What it takes and gives, as a function's signature would say it."""
        fields = self.parameters.model.model_fields if self.parameters is not None else {}
        inputs: dict[str, tuple[Any, Any]] = {
            name: (fields[name].annotation, fields[name]) if name in fields else (Any, REQUIRED)
            for name in self.provided
        }
        outputs = tuple(Output(name, name) for name in self.outputs)
        return StepSignature(inputs, outputs, is_tuple=len(outputs) > 1)

    @property
    def identity(self) -> str:
        """Tells this step from another of the same name."""
        return quick("step", self.name, normalise(self.tree))

    def source(self, seen: Places | None = None) -> Source:  # noqa: ARG002 — a cell lies in no file
        """Read what the step is made of, as it is now.

        Raises:
            UncapturedNameError: It reads a name that is neither text nor provided.
        """
        return self.frozen or self._read(self.provided)

    def _read(self, provided: Collection[str]) -> Source:
        around = notebook_surroundings(self.namespace)
        return close_over(
            self.text,
            kind="cell",
            entry="",
            step=self.name,
            units=around.corpus,
            provided=provided,
            value_of=around.value_of,
            search_path=around.search_path,
        )


def with_step(steps: Mapping[str, CellStep], cell: CellStep, former: str = "") -> dict[str, CellStep]:
    """Give the steps with `cell` in its place: that of its own name, else of its former one, else the last."""
    if cell.name in steps:
        kept = {name: step for name, step in steps.items() if name == cell.name or name != former}
        return kept | {cell.name: cell}
    if former not in steps:
        return {**steps, cell.name: cell}
    return {(cell.name if name == former else name): (cell if name == former else step) for name, step in steps.items()}


class CellCall:
    """A computing cell under its step's name, to be called in a pipeline's body.

    Arguments go to the cell's inputs in order or by name; an input that is not given is the parameter of
    the pipeline that has its name.

    Args:
        step: The cell, with its inputs known.
    """

    def __init__(self, step: CellStep) -> None:
        self._step = step

    @property
    def step(self) -> CellStep:
        """The cell."""
        return self._step

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Leave a node in the pipeline whose body is running.

        Raises:
            DefinitionError: No body is running, or an input is missing.
        """
        trace = current_trace()
        if trace is None:
            raise DefinitionError(f"{self._step.name} is a cell; call it in the body of a pipeline, or run its cell.")
        given = {*self._step.provided[: len(args)], *kwargs}
        for name in self._step.provided:
            if name in given:
                continue
            if name not in trace.parameters:
                raise DefinitionError(f"{trace.pipeline} calls {self._step.name} without {name!r}; pass it on.")
            kwargs[name] = trace.parameters[name]
        return trace.call(self._step, args, kwargs)

    def map(self, *_: Any, **__: Any) -> Any:
        """Refuse: a cell works on the names of its notebook, of which there is one each.

        Raises:
            DefinitionError: Always; the cure is named.
        """
        name = self._step.name
        raise DefinitionError(
            f"{name} is a cell and cannot be mapped; write it as a function under @step, and map that."
        )

    def when(self, *_: Any, **__: Any) -> Any:
        """Refuse: a cell changes names that later cells read, taken or not.

        Raises:
            DefinitionError: Always; the cure is named.
        """
        name = self._step.name
        raise DefinitionError(f"{name} is a cell and cannot have conditions; write it as a function under @step.")

    unless = when

    def __repr__(self) -> str:
        return f"<step {self._step.name}({', '.join(self._step.provided)}) -> {', '.join(self._step.outputs)}>"
