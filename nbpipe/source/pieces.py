"""Pieces: top-level statements, each of which can be carried as text on its own.

What was executed comes in units, a cell or a module file each. A unit falls into statements,
and an import of several names into one statement a name, so that what a step leans on can be
told finely and an unrelated edit changes nothing. A piece is what is written down of one.

This module cuts and writes. Which pieces a step needs is `source.closure`; whether a
statement merely defines something is `source.constants`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import resolve_name

from pydantic import BaseModel, ConfigDict

from nbpipe.base.digest import quick
from nbpipe.errors import DefinitionError
from nbpipe.source.constants import is_defining
from nbpipe.source.magics import strip_magics
from nbpipe.source.names import Names, has_lazy_annotations, names_of
from nbpipe.source.normal import lines_of, normalise
from nbpipe.source.scopes import FUNCTIONS, bound_by_alias, modules_imported
from nbpipe.source.settings import set_up_by, setting_in
from nbpipe.source.suspicion import FINE
from nbpipe.source.syntax import syntax_tree

__all__ = ["Piece", "Statement", "Unit", "definitions_in", "first_line", "is_defining", "normalise", "read_unit"]

_IS_FINE = re.compile(rf"\s*#.*{re.escape(FINE)}.*\s*")
_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Piece(BaseModel):
    """One statement as it is carried.

    Attributes:
        text: The statement, decorators included, without the indentation of a line it shares.
        binds: The names it may bind.
        origin: Where it stands: `"cell 3"` or the name of a file.
        line: Its first line there, counted from 1.
        lazy_annotations: It stands under `from __future__ import annotations`.
        digest: Of its normalised text: comments, docstrings and formatting do not count.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    text: str
    binds: tuple[str, ...]
    origin: str
    line: int
    lazy_annotations: bool = False
    digest: str


@dataclass(frozen=True, eq=False)
class Statement:
    """A top-level statement of a unit. It has no slots, for what is read off it is kept.

    Attributes:
        text: As in `Piece`.
        node: Its tree; the lines in it are those of its unit.
        unit: The unit it stands in.
        line: Its first line there, counted from 1.
        lazy_annotations: It stands under `from __future__ import annotations`.
    """

    text: str
    node: ast.stmt
    unit: Unit
    line: int
    lazy_annotations: bool

    @cached_property
    def names(self) -> Names:
        """What it reads and binds."""
        return names_of([self.node], lazy_annotations=self.lazy_annotations)

    @cached_property
    def modules(self) -> frozenset[str]:
        """The modules that it may import, wherever in it."""
        return modules_imported(self.node)

    @cached_property
    def recalls(self) -> frozenset[str]:
        """The names that it both binds and mentions: a function that calls itself calls whatever has its name then."""
        loads = (node for node in ast.walk(self.node) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load))
        return frozenset(node.id for node in loads) & self.names.binds.keys()

    @cached_property
    def is_defining(self) -> bool:
        """Whether it merely defines something, if what it reads is constant."""
        return is_defining(ast.Module([self.node], []), constants=self.names.reads)

    @cached_property
    def awaits(self) -> bool:
        """Whether it waits for something itself, and not in a function that it defines."""
        return _awaits(self.node)

    @cached_property
    def piece(self) -> Piece:
        """What is carried of it."""
        marks = ("lazy annotations",) if self.lazy_annotations else ()
        return Piece(
            text=self.text,
            binds=tuple(sorted(self.names.binds)),
            origin=self.unit.name,
            line=self.line,
            lazy_annotations=self.lazy_annotations,
            digest=quick("piece", normalise(self.text), *marks),
        )


@dataclass(frozen=True, eq=False)
class Unit:
    """One executed cell, or one module file, whose lines that are not Python were stripped.

    Keep it as long as its text holds: what was read off its statements is kept with it.

    Attributes:
        name: `"cell 3"`, or the name of the file.
        text: Its text.
        tree: The tree of `text`.
        is_file: It is a module file, which runs once from top to bottom.
        package: The package a file belongs to, by which its relative imports are resolved.
    """

    name: str
    text: str
    tree: ast.Module
    is_file: bool = False
    package: str = ""
    _cut: dict[bool, tuple[Statement, ...]] = field(default_factory=dict, repr=False)

    def statements(self, *, lazy_annotations: bool = False) -> tuple[Statement, ...]:
        """Give its statements in their order.

        Args:
            lazy_annotations: An earlier cell has put this one under `from __future__ import annotations`.
        """
        is_lazy = lazy_annotations or self.has_lazy_annotations
        if is_lazy not in self._cut:
            self._cut[is_lazy] = tuple(_statements(self, is_lazy))
        return self._cut[is_lazy]

    @cached_property
    def has_lazy_annotations(self) -> bool:
        """Whether it holds `from __future__ import annotations`."""
        return has_lazy_annotations(self.tree.body)


def read_unit(name: str, text: str, *, is_file: bool = False, package: str = "") -> Unit:
    """Make a unit of the text of a plain cell or a file.

    Magics and shell lines leave nothing behind, and so does a text that is not Python: a cell
    that could not run has bound no name.
    """
    python, _ = strip_magics(text)
    try:
        tree = syntax_tree(python)
    except (SyntaxError, ValueError):
        python, tree = "", ast.Module(body=[], type_ignores=[])
    return Unit(name, python, tree, is_file=is_file, package=package)


def _statements(unit: Unit, lazy_annotations: bool) -> Iterator[Statement]:
    lines = lines_of(unit.text)
    for node in unit.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for single in _single_imports(node, unit):
                yield Statement(ast.unparse(single), single, unit, node.lineno, lazy_annotations)
        elif not (unit.is_file and _is_main_guard(node)):
            line = first_line(node)
            yield Statement(_segment(lines, node, line), node, unit, line, lazy_annotations)


def definitions_in(text: str, imported: Collection[str] = ()) -> str:
    """Give a step's body with everything blanked but its imports, functions, classes and settings of libraries.

    Args:
        text: The body.
        imported: Names that earlier cells have imported: what sets up one of these is a setting.
    """
    known = set(imported)
    lines = text.splitlines()
    kept: dict[int, str] = {}
    for statement in syntax_tree(text).body:
        node = setting_in(statement)
        if isinstance(node, ast.Import | ast.ImportFrom):
            known.update(bound_by_alias(alias, node) for alias in node.names)
        if not isinstance(node, _DEFINITIONS) and set_up_by(node) not in known:
            continue
        first = first_line(node)
        kept |= {number: lines[number - 1] for number in range(first, (node.end_lineno or node.lineno) + 1)}
        if node is not statement:
            # What the name before it is bound to is a value of the step's, and no text.
            kept[first] = kept[first].encode()[node.col_offset :].decode()
    return "\n".join(kept.get(number, "") for number in range(1, len(lines) + 1))


def first_line(node: ast.stmt) -> int:
    """Give the first line of a statement, that of its first decorator if it has any."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _single_imports(node: ast.Import | ast.ImportFrom, unit: Unit) -> Iterator[ast.stmt]:
    """Cut an import into one statement for each name that it binds."""
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return
    for alias in node.names:
        if isinstance(node, ast.Import):
            single: ast.stmt = ast.Import([alias])
        else:
            single = ast.ImportFrom(_absolute(node, unit), [alias], level=0)
        yield ast.fix_missing_locations(ast.copy_location(single, node))


def _absolute(node: ast.ImportFrom, unit: Unit) -> str:
    """Give the full name of the module from which `node` imports."""
    relative = "." * node.level + (node.module or "")
    if not node.level:
        return relative
    try:
        return resolve_name(relative, unit.package)
    except ImportError:
        names = ", ".join(bound_by_alias(alias, node) for alias in node.names)
        raise DefinitionError(
            f"{unit.name} imports {names} from {relative!r} (line {node.lineno}), and its package is not known. "
            "Write the full name of the module."
        ) from None


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")


def _awaits(node: ast.AST) -> bool:
    if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
        return True
    return any(_awaits(child) for child in ast.iter_child_nodes(node) if not isinstance(child, FUNCTIONS))


def _segment(lines: list[str], node: ast.stmt, line: int) -> str:
    """Give the text of a statement without what shares its first and last lines."""
    last = (node.end_lineno or node.lineno) - 1
    parts = lines[line - 1 : last + 1]
    # Columns count bytes of UTF-8, and the end is cut first, for it may be on the first line.
    whole = parts[-1].encode()
    parts[-1] = whole[: node.end_col_offset].decode()
    remark = whole[node.end_col_offset :].decode()
    if _IS_FINE.fullmatch(remark):
        # What is said of its constants is carried with them.
        parts[-1] += remark.rstrip()
    if line == node.lineno:
        parts[0] = parts[0].encode()[node.col_offset :].decode()
    return "".join(parts)
