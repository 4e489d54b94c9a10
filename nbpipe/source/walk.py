"""The walk from a step to every statement that it leans on.

A name is followed to the statements that bind it, and what those read is followed in turn,
each name with the meaning that it had where it is read. The walk looks at text, and at live
values only to tell whether they can be made again.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from nbpipe.errors import UncapturedNameError
from nbpipe.source.capture import (
    ABSENT,
    ValueOf,
    is_always_there,
    live_value,
    objection,
    objection_to_nothing,
)
from nbpipe.source.corpus import END, Binding, Corpus
from nbpipe.source.names import Names, binds_by_other_means, names_of
from nbpipe.source.pieces import Statement
from nbpipe.source.stars import exports
from nbpipe.source.values import may_hold_code


@dataclass(frozen=True, slots=True)
class Subject:
    """The text of a step, read.

    Attributes:
        text: It, without our own decorators.
        tree: Its tree, without them.
        entry: The name of its function; empty for a cell.
    """

    text: str
    tree: ast.Module
    entry: str
    decorators: tuple[str, ...]
    lazy_annotations: bool
    names: Names


class _Wanted(NamedTuple):
    """A name to be followed.

    Attributes:
        line: The line of the step's own text that leads to it.
        before: The position at which it is read; `END` when the step runs.
        called: The position at which it may be called, if it is a function or holds one.
        through: The statement that reads it; `None` for the step itself.
        is_soft: Nothing fails without it.
    """

    name: str
    line: int
    before: int
    called: int
    through: Statement | None
    is_soft: bool


class Walk:
    """One walk from one step.

    Attributes:
        inputs: Those of the names provided that the step or what it leans on reads.

    Args:
        subject: The text of the step.
        step: What to call it in errors.
        corpus: What was executed.
        provided: Names that the step is given.
        value_of: Gives the live value of a name, or raises `LookupError`.
        search_path: Folders in which local modules are looked for first.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        step: str,
        corpus: Corpus,
        provided: frozenset[str],
        value_of: ValueOf | None,
        search_path: Sequence[str],
    ) -> None:
        self.inputs: set[str] = set()
        self._corpus = corpus
        self._step = step
        self._subject = subject
        self._provided = provided
        self._value_of = value_of
        self._search_path = search_path
        self._waiting: list[_Wanted] = []
        self._wanted: set[tuple[str, int, int, bool]] = set()
        self._seen: set[tuple[int, int, bool]] = set()
        self._needs: dict[int, list[int]] = {}
        self._carried: set[int] = set()

    def follow_all(self) -> None:
        """Follow every name that the step reads, and all that those lead to.

        Raises:
            UncapturedNameError: One of them leads nowhere.
        """
        names = self._subject.names
        for name, line in names.reads.items():
            if name in self._provided:
                self.inputs.add(name)
            elif name != self._subject.entry:
                self._want(_Wanted(name, line, END, END, None, name in names.soft))
        while self._waiting:
            self._follow(self._waiting.pop())

    def add_settings(self, positions: Iterable[int]) -> None:
        """Carry statements that set up libraries, with the imports that they need."""
        for position in positions:
            self._carried.add(position)
            for name in self._corpus.statements[position].names.reads:
                self._want(_Wanted(name, 1, position, position, self._corpus.statements[position], is_soft=True))
        while self._waiting:
            self._follow(self._waiting.pop())

    def in_order(self) -> list[int]:
        """Give what is carried in the order in which it was executed.

        A statement whose needs stand only after it (a cell above was executed again) comes after them.
        """
        order: dict[int, None] = {}
        begun: set[int] = set()
        for first in sorted(self._carried):
            waiting = [first]
            while waiting:
                position = waiting[-1]
                ahead = [] if position in begun else sorted(set(self._needs.get(position, ())) - begun, reverse=True)
                begun.add(position)
                if ahead:
                    waiting.extend(ahead)
                else:
                    order.setdefault(waiting.pop())
        return list(order)

    def late(self) -> frozenset[int]:
        """Give what must share the namespace in which a cell's body runs.

        In a notebook a function sees what the cell that calls it is given and binds. So what
        reads such names, or sets any through `global`, is executed with the body, and so is
        whatever reads what *that* binds.
        """
        if self._subject.entry:
            return frozenset()
        names = {position: self._corpus.statements[position].names for position in self._carried}
        shared = {name for found in names.values() for name in found.declared}
        seen_in_body = self._provided | shared | self._bound_by_the_body()
        late = {position for position, found in names.items() if shared & found.binds.keys()}
        while True:
            visible = seen_in_body.union(*(names[position].binds for position in late))
            more = {at for at, found in names.items() if visible & (found.reads.keys() - found.soft)} - late
            if not more:
                return frozenset(late)
            late |= more

    def _bound_by_the_body(self) -> frozenset[str]:
        """Give the names that the body binds, but not those that it only imports as the corpus does."""
        body = self._subject.tree.body
        imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        if not imports:
            return frozenset(self._subject.names.binds)
        others = [node for node in body if node not in imports]
        imported = {name for name in names_of(imports).binds if self._corpus.binding(name).binders}
        return frozenset(self._subject.names.binds.keys() - (imported - names_of(others).binds.keys()))

    def _want(self, wanted: _Wanted) -> None:
        key = wanted.name, wanted.before, wanted.called, wanted.is_soft
        if key not in self._wanted:
            self._wanted.add(key)
            self._waiting.append(wanted)

    def _follow(self, wanted: _Wanted) -> None:
        if not self._subject.entry and wanted.name in self._provided:
            self.inputs.add(wanted.name)
            return
        binding = self._corpus.binding(wanted.name, before=wanted.before)
        if not binding.binders and wanted.before < END:
            binding = self._corpus.binding(wanted.name)
        if not binding.binders:
            self._follow_unbound(wanted, binding.deleted_in)
            return
        live = self._live_value(wanted.name, binding)
        cure = self._objection(wanted.name, binding, live)
        if not cure:
            holds_code = live is ABSENT or may_hold_code(live)
            self._carry([*binding.binders, *binding.changers], wanted, holds_code=holds_code)
        elif not (wanted.is_soft or self._is_left_to_the_body(wanted)):
            self._refuse(wanted, cure)

    def _live_value(self, name: str, binding: Binding) -> object:
        """Give the live value that `binding` made, if no later statement made another."""
        is_last = binding.binders[-1] == self._corpus.binding(name).binders[-1]
        return live_value(name, self._value_of) if is_last else ABSENT

    def _objection(self, name: str, binding: Binding, live: object) -> str:
        """Say why what binds `name` may not be carried; the live value speaks for the last statement alone."""
        for position in binding.binders:
            made = live if position == binding.binders[-1] else ABSENT
            if cure := objection(self._corpus.statements[position], name, made):
                return cure
        return ""

    def _follow_unbound(self, wanted: _Wanted, deleted_in: str) -> None:
        name = wanted.name
        for position in reversed(self._corpus.star_imports):
            statement = self._corpus.statements[position]
            if any(self._exports(module, name) for module in statement.names.star_imports):
                self._carry([position], wanted, holds_code=True)
                return
        if is_always_there(name) or wanted.is_soft or name in self._subject.names.binds:
            return
        if any(self._exports(module, name) for module in self._subject.names.star_imports):
            return
        if wanted.through is None and not self._subject.entry and binds_by_other_means(self._subject.names):
            # Whether it is there, only running the cell tells.
            return
        live = live_value(name, self._value_of)
        existing = [*self._provided, *self._corpus.names]
        self._refuse(wanted, objection_to_nothing(name, live, existing, deleted_in=deleted_in))

    def _exports(self, module: str, name: str) -> bool:
        return exports(module, name, search_path=self._search_path)

    def _carry(self, positions: Sequence[int], wanted: _Wanted, *, holds_code: bool) -> None:
        """Carry statements for a name, and want what they read.

        Args:
            positions: The statements.
            wanted: The name.
            holds_code: What it is bound to may keep functions that the statements read.
        """
        if wanted.before < END:
            self._needs.setdefault(wanted.before, []).extend(p for p in positions if p != wanted.before)
        for position in positions:
            key = position, wanted.called, holds_code
            if key in self._seen:
                continue
            self._seen.add(key)
            self._carried.add(position)
            statement = self._corpus.statements[position]
            names = statement.names
            for name in statement.recalls:
                self._want(_Wanted(name, wanted.line, wanted.called, wanted.called, statement, is_soft=False))
            at_once = {position, wanted.called} if holds_code else {position}
            for name in names.reads:
                is_late = name in names.late
                before = wanted.called if is_late else position
                for called in {wanted.called} if is_late else at_once:
                    self._want(_Wanted(name, wanted.line, before, called, statement, name in names.soft))

    def _is_left_to_the_body(self, wanted: _Wanted) -> bool:
        """Tell whether a function reads a name that the body of the cell binds itself."""
        return wanted.through is not None and not self._subject.entry and wanted.name in self._subject.names.certain

    def _refuse(self, wanted: _Wanted, cure: str) -> NoReturn:
        if wanted.through is not None:
            name = next(iter(wanted.through.names.binds), "a statement")
            cure = f"{name!r} of {wanted.through.unit.name} leans on. It {cure}"
        raise UncapturedNameError(self._step, wanted.name, wanted.line, cure)
