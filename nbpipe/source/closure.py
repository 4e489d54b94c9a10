"""What a step leans on: the smallest set of pieces with which its text runs by itself.

The names that the step reads are looked up among what was executed, then what those
statements read, and so on. What a statement reads as it runs is what the name meant *there*;
what a function reads is what the name means when it is called. Whatever is neither text nor
importable nor given to the step is refused, with its name, its line and the cure.

This module reads the step and writes down what was found. The way there is `source.walk`,
whether one statement can be carried `source.capture`, and to life it comes in `source.load`.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict

from nbpipe.base.digest import quick
from nbpipe.errors import DefinitionError
from nbpipe.source.capture import ValueOf
from nbpipe.source.corpus import Corpus
from nbpipe.source.decorators import dotted_name, without_decorators
from nbpipe.source.modules import LocalModule, ModulesUsed, ModuleUse, modules_used
from nbpipe.source.names import has_lazy_annotations, names_of
from nbpipe.source.normal import normalise
from nbpipe.source.pieces import Piece, Statement, Unit
from nbpipe.source.scopes import modules_imported
from nbpipe.source.settings import set_up_by, setting_in
from nbpipe.source.syntax import syntax_tree
from nbpipe.source.walk import Subject, Walk

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
        inputs: Those of the names it is given that it reads, itself or, in a cell, through a piece.
        pieces: What it leans on, in an order in which they can be executed.
        late_pieces: Functions that read what the body of a cell is given or binds, and what leans on
            them; they are executed with the body, in its own namespace.
        modules: Installed packages that are imported.
        local_modules: Other modules that are imported, as text, also through one another.
        digest: Of all that decides what the step computes. Names of cells, order where it does not
            matter, comments, docstrings, formatting and our own decorators do not count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_number: Literal[1] = 1
    kind: Kind
    step: str
    entry: str
    text: str
    decorators: tuple[str, ...] = ()
    lazy_annotations: bool = False
    inputs: tuple[str, ...] = ()
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
    walk = Walk(
        subject, step=step, corpus=corpus, provided=frozenset(provided), value_of=value_of, search_path=search_path
    )
    walk.follow_all()
    found = _found(walk, subject, step, corpus, search_path)
    digest_of = found
    if corpus.settings:
        # What sets up a library holds for every step of the process, but decides only for those that use it.
        # What the step sets up itself is in force only when it says so.
        own = {normalise(setting) for node in subject.tree.body if set_up_by(setting := setting_in(node))}
        settings = {
            position: package
            for position, package in corpus.settings.items()
            if not own or normalise(corpus.statements[position].node) not in own
        }
        used = {use.name for use in found.used.installed}
        walk.add_settings(position for position, package in settings.items() if package in used)
        digest_of = _found(walk, subject, step, corpus, search_path)
        walk.add_settings(settings)
        found = _found(walk, subject, step, corpus, search_path)
    return Source(
        kind=kind,
        step=step,
        entry=entry,
        text=text,
        decorators=subject.decorators,
        lazy_annotations=subject.lazy_annotations,
        inputs=tuple(sorted(walk.inputs)),
        pieces=found.pieces,
        late_pieces=found.late_pieces,
        modules=found.used.installed,
        local_modules=found.used.local,
        digest=_digest(kind, subject, [*digest_of.pieces, *digest_of.late_pieces], digest_of.used),
    )


class _Found(NamedTuple):
    """What a walk has found so far."""

    pieces: tuple[Piece, ...]
    late_pieces: tuple[Piece, ...]
    used: ModulesUsed


def _found(walk: Walk, subject: Subject, step: str, corpus: Corpus, search_path: Sequence[str]) -> _Found:
    order, late = walk.in_order(), walk.late()
    used = _modules(subject.tree, [corpus.statements[position] for position in order], step, search_path)
    pieces = tuple(corpus.statements[position].piece for position in order if position not in late)
    late_pieces = tuple(corpus.statements[position].piece for position in order if position in late)
    return _Found(pieces, late_pieces, used)


def _cell(text: str, step: str, corpus: Corpus) -> Subject:
    tree = _parse(text, step)
    is_lazy = corpus.has_lazy_annotations or has_lazy_annotations(tree.body)
    return Subject(text, tree, "", (), is_lazy, names_of(tree, lazy_annotations=is_lazy))


def _function(text: str, entry: str, step: str, corpus: Corpus) -> Subject:
    is_lazy = corpus.has_lazy_annotations
    match _parse(text, step).body:
        case [(ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name)) as node] if name == entry:
            bare_text, bare = without_decorators(text, node, corpus.own_decorators)
            own = [dotted for decorator in node.decorator_list if (dotted := dotted_name(decorator))]
            decorators = tuple(dotted for dotted in own if dotted in corpus.own_decorators)
            names = names_of([bare], lazy_annotations=is_lazy)
            return Subject(bare_text, ast.Module([bare], []), entry, decorators, is_lazy, names)
    raise DefinitionError(f"The text of {step} is not the definition of a function named {entry!r}.")


def _parse(text: str, step: str) -> ast.Module:
    try:
        return syntax_tree(text)
    except SyntaxError as error:
        raise DefinitionError(f"{step} is not Python: {error.msg} (line {error.lineno}).") from None
    except ValueError as error:
        raise DefinitionError(f"{step} is not Python: {error}.") from None


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


def _digest(kind: Kind, subject: Subject, pieces: Sequence[Piece], used: ModulesUsed) -> str:
    digests = [piece.digest for piece in pieces]
    bound = [name for piece in pieces for name in piece.binds]
    # Pieces that bind different names may stand in any order; else the order is part of what they do.
    if len(set(bound)) == len(bound):
        digests.sort()
    modules = [f"{use.name} {use.distribution} {use.version}" for use in used.installed]
    local = [module.digest for module in used.local]
    parts = [kind, normalise(subject.text), "lazy annotations" if subject.lazy_annotations else ""]
    return quick("source", *parts, *(" ".join(part) for part in (digests, modules, local)))
