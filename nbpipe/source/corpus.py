"""All that was executed, by the names it binds.

Units stand in their order of execution, a cell that was executed again at its last place. In
that order a name means what the last statement before made of it; this module says which
statements those are. Whether they can be carried, and what they lean on, is `source.closure`.

A corpus is made once for a list of units and serves any number of steps.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nbpipe.source.decorators import STEP, own_decorators, without_decorators
from nbpipe.source.names import names_of
from nbpipe.source.pieces import Statement, Unit, is_defining
from nbpipe.source.settings import set_up_by

END = sys.maxsize
"""A position after every statement."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The statements that make a name what it is, by position, in their order.

    Attributes:
        binders: Those that bind it: the last certain one and what may bind it again.
        changers: Those that change what it is bound to.
        deleted_in: The unit that deletes it in the end; then there are no binders.
    """

    binders: tuple[int, ...] = ()
    changers: tuple[int, ...] = ()
    deleted_in: str = ""


class Corpus:
    """Statements in their order of execution, and an index of what they bind.

    Args:
        units: Cells and files in their order of execution.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        raw = list(_in_order(units))
        imports = [statement.node for statement in raw if isinstance(statement.node, ast.Import | ast.ImportFrom)]
        bound = {name for statement in raw for name in statement.names.binds}
        self.own_decorators = own_decorators(imports, bound)
        self.has_lazy_annotations = any(unit.has_lazy_annotations for unit in units)
        own_steps = {name for name, meaning in self.own_decorators.items() if meaning == STEP}
        self.statements = tuple(_without_step(statement, own_steps) for statement in raw)
        self.star_imports: list[int] = []
        self._settings: list[tuple[int, str]] = []
        self._events: dict[str, list[int]] = {}
        self._changers: dict[str, list[int]] = {}
        self._bindings: dict[tuple[str, int], Binding] = {}
        for position, statement in enumerate(self.statements):
            self._index(position, statement)

    @property
    def names(self) -> Iterable[str]:
        """Every name that is bound somewhere."""
        return self._events.keys()

    def binding(self, name: str, *, before: int = END) -> Binding:
        """Say what makes `name` what it is at the position `before`."""
        key = name, before
        if key not in self._bindings:
            self._bindings[key] = self._find_binding(name, before)
        return self._bindings[key]

    @cached_property
    def imported(self) -> frozenset[str]:
        """The names that mean something imported by now."""
        return frozenset(name for name in self._events if self._imports(name, END) is not None)

    def _imports(self, name: str, before: int) -> ast.Import | ast.ImportFrom | None:
        binders = self.binding(name, before=before).binders
        node = self.statements[binders[-1]].node if binders else None
        return node if isinstance(node, ast.Import | ast.ImportFrom) else None

    @cached_property
    def settings(self) -> Mapping[int, str]:
        """The statements that set up an imported library, by position, each with the library's name."""
        found = {}
        for position, root in self._settings:
            node = self._imports(root, position)
            if node is not None:
                module = node.names[0].name if isinstance(node, ast.Import) else node.module or ""
                found[position] = module.partition(".")[0]
        return found

    def is_defined_in(self, name: str, units: Collection[Unit]) -> bool:
        """Tell whether `name` means what one of `units` defines: a function, a class, an import or a constant."""
        binders = self.binding(name).binders
        if not binders:
            return False
        last = self.statements[binders[-1]]
        # What a function may bind through `global`, it binds when it is called, and not where it stands.
        is_here = name not in last.names.declared and any(last.unit is unit for unit in units)
        return is_here and last.is_defining

    def merely_defines(self, tree: ast.Module) -> bool:
        """Tell whether a cell's statements only define something, given what the units here have bound."""
        if is_defining(tree):
            return True
        names = names_of(tree)
        if names.reads.keys() & names.binds.keys():
            # `x = x + 1` makes something new of what is there: it computes.
            return False
        constants = set()
        for name in names.reads:
            binders = self.binding(name).binders
            if binders and all(self.statements[place].is_defining for place in binders):
                constants.add(name)
        return bool(constants) and is_defining(tree, constants=constants)

    def _find_binding(self, name: str, before: int) -> Binding:
        events = [position for position in self._events.get(name, ()) if position < before]
        direct = [position for position in events if name not in self.statements[position].names.declared]
        binders: list[int] = []
        for position in reversed(direct or events):
            names = self.statements[position].names
            if name in names.deletes:
                return Binding(deleted_in=self.statements[position].unit.name) if not binders else _in_turn(binders)
            binders.append(position)
            if name in names.certain and not is_rebinding(self.statements[position], name):
                break
        if not binders:
            return Binding()
        changers = (position for position in self._changers.get(name, ()) if binders[-1] < position < before)
        return replace(_in_turn(binders), changers=tuple(self._that_count(changers, binders[-1])))

    def _index(self, position: int, statement: Statement) -> None:
        names = statement.names
        for name in names.binds.keys() | names.deletes:
            self._events.setdefault(name, []).append(position)
        for name in names.changes - names.binds.keys():
            self._changers.setdefault(name, []).append(position)
        if names.star_imports:
            self.star_imports.append(position)
        root = set_up_by(statement.node)
        if root:
            self._settings.append((position, root))

    def _that_count(self, changers: Iterable[int], binder: int) -> Iterator[int]:
        """Pick the changes that are carried.

        A file runs as a whole, so what it registers in a table belongs to the table. In cells
        only the attributes set on a function or a class do; anything else that can be changed is
        live, and changes to a module are the notebook's affair.
        """
        is_definition = isinstance(self.statements[binder].node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for position in changers:
            statement = self.statements[position]
            if statement.unit.is_file:
                if statement.unit is self.statements[binder].unit:
                    yield position
            elif is_definition and isinstance(statement.node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
                yield position


def is_rebinding(statement: Statement, name: str) -> bool:
    """Tell whether `statement` makes the new `name` out of the former one: `n += 1`, `f = wrap(f)`."""
    names = statement.names
    return name in names.binds and name in names.reads and name not in names.late | names.soft


def _in_turn(backwards: Sequence[int]) -> Binding:
    return Binding(binders=tuple(reversed(backwards)))


def _in_order(units: Sequence[Unit]) -> Iterator[Statement]:
    """Give all statements; a cell leaves `from __future__ import annotations` to the cells after it."""
    is_lazy = False
    for unit in units:
        is_lazy = is_lazy or (not unit.is_file and unit.has_lazy_annotations)
        yield from unit.statements(lazy_annotations=is_lazy and not unit.is_file)


def _without_step(statement: Statement, own_steps: set[str]) -> Statement:
    """Take `@step` off a function, which another step calls as the plain function it is."""
    node = statement.node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.decorator_list:
        return statement
    text, bare = without_decorators(statement.text, node, own_steps, first_line=statement.line)
    if bare is node:
        return statement
    kept = text.lstrip("\n")
    return replace(statement, text=kept, node=bare, line=statement.line + len(text) - len(kept))
