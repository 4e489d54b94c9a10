"""What a step leans on: the smallest set of pieces with which its text runs by itself.

The names that the step reads are looked up in the corpus, then what those statements read,
and so on. What a statement reads as it runs is what the name meant *there*; what a function
reads is what the name means when it is called. Whatever is neither text nor importable nor
given to the step is refused, with its name, its line and the cure.

This module decides and makes nothing live; that is `source.load`. Whether one statement can
be carried is `source.capture`.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, NoReturn, TypeAlias

from pydantic import BaseModel, ConfigDict

from nbpipe.base.digest import quick
from nbpipe.errors import DefinitionError, UncapturedNameError
from nbpipe.source.capture import (
    ABSENT,
    ValueOf,
    is_always_there,
    live_value,
    objection,
    objection_to_nothing,
)
from nbpipe.source.corpus import END, Binding, Corpus
from nbpipe.source.decorators import dotted_name, without_decorators
from nbpipe.source.modules import LocalModule, ModulesUsed, ModuleUse, modules_used
from nbpipe.source.names import Names, has_lazy_annotations, names_of
from nbpipe.source.normal import normalise
from nbpipe.source.pieces import Piece, Statement, Unit
from nbpipe.source.scopes import modules_imported
from nbpipe.source.stars import exports
from nbpipe.source.values import may_hold_code

__all__ = ["Kind", "LocalModule", "ModuleUse", "Source", "close_over"]

Kind: TypeAlias = Literal["function", "cell"]


class Source(BaseModel):
    """Everything needed to bring one step to life from text.

    Attributes:
        kind: Whether the step is a function or the body of a cell.
        step: The name of the step, by which tracebacks call it; no part of the digest.
        entry: The name of the function; empty for a cell.
        text: The function with its decorators, or the body.
        decorators: Our own decorators, as the text calls them; it is loaded without them.
        lazy_annotations: It stands under `from __future__ import annotations`.
        pieces: What it leans on, in an order in which they can be executed.
        late_pieces: Functions that read what the body of a cell is given or binds, and what leans on
            them; they are executed with the body, in its own namespace.
        modules: Installed packages that are imported.
        local_modules: Other modules that are imported, as text, also through one another.
        digest: Of all that decides what the step computes. Names of cells, order where it does not
            matter, comments, docstrings, formatting and our own decorators do not count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_number: Literal[1] = 1
    kind: Kind
    step: str
    entry: str
    text: str
    decorators: tuple[str, ...] = ()
    lazy_annotations: bool = False
    pieces: tuple[Piece, ...] = ()
    late_pieces: tuple[Piece, ...] = ()
    modules: tuple[ModuleUse, ...] = ()
    local_modules: tuple[LocalModule, ...] = ()
    digest: str


def close_over(
    text: str,
    *,
    kind: Kind,
    entry: str,
    step: str,
    units: Corpus | Sequence[Unit],
    provided: Collection[str] = (),
    value_of: ValueOf | None = None,
    search_path: Sequence[str] = (),
) -> Source:
    """Find what a step leans on.

    Args:
        text: The `def` of a function with its decorators, or the body of a cell without magics.
        kind: Which of the two it is.
        entry: The name of the function; empty for a cell.
        step: What to call the step in errors.
        units: What was executed, in order; a `Corpus` when several steps are closed over.
        provided: Names that the step is given (inputs, parameters); they are never captured.
        value_of: Gives the live value of a name, or raises `LookupError`. With it, any cell statement
            whose value is plain can be carried; without it, only what is constant by its text.
        search_path: Folders in which local modules are looked for before those of `sys.path`.

    Raises:
        UncapturedNameError: A name is read that nothing of this provides.
        DefinitionError: The text is not Python, has no such function, or imports a local module without text.
    """
    corpus = units if isinstance(units, Corpus) else Corpus(units)
    subject = _function(text, entry, step, corpus) if kind == "function" else _cell(text, step, corpus)
    closure = _Closure(corpus, step, subject, frozenset(provided), value_of, search_path)
    closure.follow_all()
    order = closure.in_order()
    late = closure.late()
    statements = [corpus.statements[position] for position in order]
    used = _modules(subject.tree, statements, step, search_path)
    pieces = tuple(corpus.statements[position].piece for position in order if position not in late)
    late_pieces = tuple(corpus.statements[position].piece for position in order if position in late)
    return Source(
        kind=kind,
        step=step,
        entry=entry,
        text=text,
        decorators=subject.decorators,
        lazy_annotations=subject.lazy_annotations,
        pieces=pieces,
        late_pieces=late_pieces,
        modules=used.installed,
        local_modules=used.local,
        digest=_digest(kind, subject, [*pieces, *late_pieces], used),
    )


@dataclass(frozen=True, slots=True)
class _Subject:
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


def _cell(text: str, step: str, corpus: Corpus) -> _Subject:
    tree = _parse(text, step)
    is_lazy = corpus.has_lazy_annotations or has_lazy_annotations(tree.body)
    return _Subject(text, tree, "", (), is_lazy, names_of(tree, lazy_annotations=is_lazy))


def _function(text: str, entry: str, step: str, corpus: Corpus) -> _Subject:
    is_lazy = corpus.has_lazy_annotations
    match _parse(text, step).body:
        case [(ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name)) as node] if name == entry:
            bare_text, bare = without_decorators(text, node, corpus.own_decorators)
            own = [dotted for decorator in node.decorator_list if (dotted := dotted_name(decorator))]
            decorators = tuple(dotted for dotted in own if dotted in corpus.own_decorators)
            names = names_of([bare], lazy_annotations=is_lazy)
            return _Subject(bare_text, ast.Module([bare], []), entry, decorators, is_lazy, names)
    raise DefinitionError(f"The text of {step} is not the definition of a function named {entry!r}.")


def _parse(text: str, step: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise DefinitionError(f"{step} is not Python: {error.msg} (line {error.lineno}).") from None
    except ValueError as error:
        raise DefinitionError(f"{step} is not Python: {error}.") from None


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


class _Closure:
    """One walk from a step to all that it leans on."""

    def __init__(
        self,
        corpus: Corpus,
        step: str,
        subject: _Subject,
        provided: frozenset[str],
        value_of: ValueOf | None,
        search_path: Sequence[str],
    ) -> None:
        self._corpus = corpus
        self._step = step
        self._subject = subject
        self._provided = provided
        self._value_of = value_of
        self._search_path = search_path
        self._waiting: list[_Wanted] = []
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
            if name not in self._provided and name != self._subject.entry:
                self._waiting.append(_Wanted(name, line, END, END, None, name in names.soft))
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
        others = [node for node in body if node not in imports]
        imported = {name for name in names_of(imports).binds if self._corpus.binding(name).binders}
        return frozenset(self._subject.names.binds.keys() - (imported - names_of(others).binds.keys()))

    def _follow(self, wanted: _Wanted) -> None:
        if wanted.through is not None and not self._subject.entry and wanted.name in self._provided:
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
            at_once = {position, wanted.called} if holds_code else {position}
            for name in names.reads:
                is_late = name in names.late
                before = wanted.called if is_late else position
                for called in {wanted.called} if is_late else at_once:
                    self._waiting.append(_Wanted(name, wanted.line, before, called, statement, name in names.soft))

    def _is_left_to_the_body(self, wanted: _Wanted) -> bool:
        """Tell whether a function reads a name that the body of the cell binds itself."""
        return wanted.through is not None and not self._subject.entry and wanted.name in self._subject.names.certain

    def _refuse(self, wanted: _Wanted, cure: str) -> NoReturn:
        if wanted.through is not None:
            name = next(iter(wanted.through.names.binds), "a statement")
            cure = f"{name!r} of {wanted.through.unit.name} leans on. It {cure}"
        raise UncapturedNameError(self._step, wanted.name, wanted.line, cure)


def _modules(tree: ast.Module, statements: Iterable[Statement], step: str, search_path: Sequence[str]) -> ModulesUsed:
    """Find the modules that a step and its pieces import.

    Raises:
        DefinitionError: One is imported relatively inside a function, where its package is not known.
    """
    names = modules_imported(tree).union(*(statement.modules for statement in statements))
    for name in names:
        if name.startswith("."):
            raise DefinitionError(f"{step} imports {name!r}, which has no package here. Write the module's full name.")
    return modules_used(names, search_path=search_path)


def _digest(kind: Kind, subject: _Subject, pieces: Sequence[Piece], used: ModulesUsed) -> str:
    digests = [piece.digest for piece in pieces]
    bound = [name for piece in pieces for name in piece.binds]
    # Pieces that bind different names may stand in any order; else the order is part of what they do.
    if len(set(bound)) == len(bound):
        digests.sort()
    modules = [f"{use.name} {use.distribution} {use.version}" for use in used.installed]
    local = [module.digest for module in used.local]
    parts = [kind, normalise(subject.text), "lazy annotations" if subject.lazy_annotations else ""]
    return quick("source", *parts, *(" ".join(part) for part in (digests, modules, local)))
