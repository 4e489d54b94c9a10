"""What the cells of a notebook file define, executed in a module of its own; what computes is not.

Statements that merely define something run as they do on an import: imports, `def`, `class`,
constants. Of any other statement nothing is done but to note which names it would have bound, so
that whoever needs one can be told where it is computed. A definition that fails (a package that is
not installed, say) is no hindrance to those that do not lean on it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from nbpipe.errors import DefinitionError, EnvironmentMismatchError, NbpipeError, UncapturedNameError
from nbpipe.source.closure import Source
from nbpipe.source.constants import is_defining
from nbpipe.source.listing import compile_listed
from nbpipe.source.load import PIECES
from nbpipe.source.pieces import Statement, Unit

_BINDINGS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


@dataclass(frozen=True, slots=True)
class _Absence:
    """Why a name is not there.

    Attributes:
        cell: Where it would have been bound.
        error: What its definition raised; `None` if it is computed.
    """

    cell: str
    error: BaseException | None = None


class Definitions:
    """The definitions of one notebook file.

    Args:
        path: The file.

    Attributes:
        module: The module that they are executed in.
        namespace: Its names and values.
    """

    def __init__(self, path: Path) -> None:
        self.module = ModuleType(re.sub(r"\W", "_", f"nbpipe_notebook_{path.stem}"), f"What {path.name} defines.")
        self.namespace: dict[str, Any] = vars(self.module)
        self.namespace["__file__"] = f"<nbpipe {path.name}>"
        # Classes are known by their text, as in the notebook itself; pydantic and pickles look modules up by name.
        self.namespace[PIECES] = {}
        sys.modules[self.module.__name__] = self.module
        self._file = path.name
        self._is_lazy = False
        self._known: set[str] = set()
        self._functions: set[str] = set()
        self._absent: dict[str, _Absence] = {}
        self._failed: dict[tuple[str, int], _Absence] = {}

    def execute(self, unit: Unit) -> list[Statement]:
        """Execute what a cell defines; give the statements that were left alone.

        Raises:
            NbpipeError: A step or a pipeline in it is written wrongly.
        """
        self._is_lazy = self._is_lazy or unit.has_lazy_annotations
        left = []
        for statement in unit.statements(lazy_annotations=self._is_lazy):
            if self._is_definition(statement):
                self._define(statement)
            else:
                left.append(statement)
                self._lose({*statement.names.binds, *statement.names.deletes}, _Absence(unit.name))
        return left

    def bind(self, values: dict[str, Any]) -> None:
        """Bind names to values that are known otherwise."""
        self.namespace.update(values)
        for name in values:
            self._absent.pop(name, None)

    def refuse_absent(self, names: Iterable[tuple[str, int]], reader: str) -> None:
        """Refuse whoever reads a name that no definition has bound.

        Args:
            names: The names that are read, each with its line.
            reader: Who reads them.

        Raises:
            UncapturedNameError: One is computed.
            DefinitionError: The definition of one failed.
            EnvironmentMismatchError: One is imported from a package that is not installed.
        """
        for name, line in names:
            absence = self._absent.get(name)
            if absence is not None and name not in self.namespace:
                self._refuse(absence, name, line, reader)

    def refuse_failed(self, source: Source) -> None:
        """Refuse what leans on a definition that failed.

        Raises:
            NbpipeError: As for `refuse_absent`.
        """
        for piece in (*source.pieces, *source.late_pieces):
            absence = self._failed.get((piece.origin, piece.line))
            if absence is not None:
                self._refuse(absence, next(iter(piece.binds), ""), piece.line, source.step)

    def _refuse(self, absence: _Absence, name: str, line: int, reader: str) -> NoReturn:
        error = absence.error
        if error is None:
            cure = f"is computed in {absence.cell}. Make that cell a step (%%step), or pass it as a parameter."
            raise UncapturedNameError(reader, name, line, cure)
        if isinstance(error, ModuleNotFoundError):
            missing = f"{absence.cell} imports {error.name!r}, which is not installed"
            raise EnvironmentMismatchError(self._file, [missing])
        if isinstance(error, NameError) and error.name in self._absent:
            self._refuse(self._absent[error.name], error.name, line, reader)
        said = " ".join(str(error).split())
        raise DefinitionError(f"{self._file}, {absence.cell}: {name} is not defined: {type(error).__name__}: {said}.")

    def _is_definition(self, statement: Statement) -> bool:
        names, node = statement.names, statement.node
        if isinstance(node, _BINDINGS) and names.reads.keys() & names.binds.keys():
            # `x = x + 1` makes something new of what is there: it computes.
            return False
        if not is_defining(ast.Module([node], []), constants=self._known):
            return False
        return not any(call.id in self._functions for call in _called_at_once(node))

    def _define(self, statement: Statement) -> None:
        unit, binds = statement.unit, statement.names.binds
        try:
            place = f"{self._file} {unit.name}"
            tree = ast.Module([statement.node], [])
            code = compile_listed(unit.text, place, tree=tree, lazy_annotations=statement.lazy_annotations)
            exec(code, self.namespace)  # noqa: S102 — a definition of the user's own notebook
        except NbpipeError:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 — told to whoever leans on it, and to nobody else
            absence = self._failed[unit.name, statement.line] = _Absence(unit.name, error)
            self._lose(binds, absence)
            return
        self._known.update(binds)
        self.namespace[PIECES] |= dict.fromkeys(binds, statement.piece.digest)
        for name in binds:
            self._absent.pop(name, None)
        if isinstance(statement.node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._functions.add(statement.node.name)

    def _lose(self, names: Iterable[str], absence: _Absence) -> None:
        for name in names:
            self.namespace.pop(name, None)
            self._known.discard(name)
            self._functions.discard(name)
            self._absent[name] = absence


def _called_at_once(node: ast.AST) -> Iterator[ast.Name]:
    """Give the names that a definition calls where it stands: in a default, in a class, behind a decorator."""
    for part in _evaluated_at_once(node):
        for inner in ast.walk(part):
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name):
                yield inner.func


def _evaluated_at_once(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from (default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None)
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call):
                    yield from (*decorator.args, *(keyword.value for keyword in decorator.keywords))
        case ast.ClassDef():
            for statement in node.body:
                yield from _evaluated_at_once(statement)
        case ast.If() | ast.Try():
            for inner in ast.iter_child_nodes(node):
                yield from _evaluated_at_once(inner)
        case ast.stmt():
            yield node
