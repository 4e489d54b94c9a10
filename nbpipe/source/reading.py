"""What expressions, functions and classes read and bind, as Python scopes it.

`Reading` walks a tree in the order in which Python would evaluate it and keeps account of
the module's own names: those of functions, comprehensions and class bodies stay in their
frames. A function's body is not evaluated where it stands, so what it reads is put aside
and counted when the function is first mentioned, or at the end.

Branches, loops and the other statements that may or may not run are `source.names`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from nbpipe.source.scopes import COMPREHENSIONS, FUNCTIONS, Comprehension, Function, arguments_of, own_names, targets_of
from nbpipe.source.syntax import expression_tree


@dataclass(slots=True)
class _Frame:
    """A scope between the module and the node that is being read."""

    kind: Literal["function", "class", "comprehension", "type parameters"]
    names: set[str]
    shared: frozenset[str] = frozenset()


@dataclass(slots=True)
class Account:
    """What was found so far; lines are counted from 1.

    Attributes:
        bound: Names that are certainly bound at this point.
        once_bound: Names that were certainly bound after some statement.
        aside: For each function that was not mentioned yet, what it will read when called.
    """

    reads: dict[str, int] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)
    soft: dict[str, int] = field(default_factory=dict)
    binds: dict[str, int] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    touches: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    star_imports: list[str] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    once_bound: set[str] = field(default_factory=set)
    aside: dict[str, dict[str, int]] = field(default_factory=dict)


class Reading:
    """One walk over one piece of Python.

    Args:
        lazy_annotations: Annotations are not evaluated (`from __future__ import annotations`).
    """

    def __init__(self, *, lazy_annotations: bool) -> None:
        self.account = Account()
        self._lazy_annotations = lazy_annotations
        self._frames: list[_Frame] = []
        self._when_called: dict[str, int] | None = None
        self._is_soft = False
        self._is_argument = False
        self._visitors: dict[type[ast.AST], Callable[[Any], None]] = {
            ast.Name: self._name,
            ast.NamedExpr: self._named_expression,
            ast.Call: self._call,
            ast.Attribute: self._part,
            ast.Subscript: self._part,
            ast.BinOp: self._binary,
            **dict.fromkeys(COMPREHENSIONS, self._comprehension),
            **dict.fromkeys(FUNCTIONS, self._function),
            ast.ClassDef: self._class,
            ast.arg: self._argument,
        }

    def visit(self, node: ast.AST) -> None:
        """Read `node` and all that is in it."""
        visitor = self._visitors.get(type(node))
        if visitor is not None:
            visitor(node)
            return
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    def visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        """Read `nodes` in their order, leaving out what is not there."""
        for node in nodes:
            if node is not None:
                self.visit(node)

    @property
    def is_in_function(self) -> bool:
        """Whether what is read now runs only when a function is called."""
        return self._when_called is not None

    # --- names -------------------------------------------------------------------------

    def read(self, name: str, line: int) -> None:
        """Count a read of `name`, unless a scope on the way to the module has it."""
        if not self._is_of_module(name):
            return
        account = self.account
        if self._is_argument:
            account.touches.add(name)
        if self._is_soft:
            account.soft.setdefault(name, line)
        elif self._when_called is not None:
            self._when_called.setdefault(name, line)
        else:
            self._settle(name)
            if name not in account.bound:
                account.reads.setdefault(name, line)

    def bind(self, name: str, line: int) -> None:
        """Count a binding of `name` in the scope that is being read."""
        frame = self._frames[-1] if self._frames else None
        if frame is not None and name not in frame.shared:
            frame.names.add(name)
            return
        account = self.account
        if name not in account.binds and self.is_in_function:
            account.declared.add(name)
        account.binds.setdefault(name, line)
        if self.is_in_function:
            return
        account.declared.discard(name)
        account.deletes.discard(name)
        account.bound.add(name)
        account.aside.pop(name, None)

    def touch(self, node: ast.expr, *, certainly: bool) -> None:
        """Count that the object at the root of `node` (`df` in `df.loc[0]`) may be changed in place."""
        root: ast.expr = node
        while isinstance(root, ast.Attribute | ast.Subscript | ast.Starred):
            root = root.value
        if not isinstance(root, ast.Name) or not self._is_of_module(root.id):
            return
        self.account.touches.add(root.id)
        if certainly and not self.is_in_function:
            self.account.changes.add(root.id)

    def finish(self) -> None:
        """Count what functions that were never mentioned read: whatever the piece itself does not bind."""
        account = self.account
        for reads in account.aside.values():
            for name, line in reads.items():
                if name not in account.once_bound:
                    account.late.setdefault(name, line)
        account.aside.clear()

    def _settle(self, name: str) -> None:
        """Count what the function `name` reads, now that it may be called."""
        waiting = [name]
        while waiting:
            for read, line in self.account.aside.pop(waiting.pop(), {}).items():
                waiting.append(read)
                if read not in self.account.bound:
                    self.account.reads.setdefault(read, line)

    def _is_of_module(self, name: str) -> bool:
        is_innermost = True
        for frame in reversed(self._frames):
            if name in frame.shared:
                return True
            # What a class binds is seen by its own statements, not by its functions or comprehensions.
            if name in frame.names and (is_innermost or frame.kind != "class"):
                return False
            is_innermost = is_innermost and frame.kind == "type parameters"
        return True

    # --- expressions -------------------------------------------------------------------

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.bind(node.id, node.lineno)
        else:
            self.read(node.id, node.lineno)

    def _named_expression(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        frames = self._frames
        while self._frames and self._frames[-1].kind == "comprehension":
            self._frames = self._frames[:-1]
        self.bind(node.target.id, node.lineno)
        self._frames = frames

    def _call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute):
            self.touch(node.func.value, certainly=False)
        self.visit(node.func)
        former, self._is_argument = self._is_argument, True
        self.visit_all([*node.args, *node.keywords])
        self._is_argument = former

    def _part(self, node: ast.Attribute | ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.touch(node.value, certainly=True)
        self.visit(node.value)
        if isinstance(node, ast.Subscript):
            self.visit(node.slice)

    def _binary(self, node: ast.BinOp) -> None:
        # A sum of a thousand terms is a thousand deep on its left side.
        rights = [node.right]
        left = node.left
        while isinstance(left, ast.BinOp):
            rights.append(left.right)
            left = left.left
        self.visit(left)
        self.visit_all(reversed(rights))

    def _comprehension(self, node: Comprehension) -> None:
        first, *others = node.generators
        self.visit(first.iter)
        with self._framed(_Frame("comprehension", set(targets_of(node)))):
            self.visit(first.target)
            self.visit_all(first.ifs)
            for generator in others:
                self.visit_all([generator.iter, generator.target, *generator.ifs])
            self.visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])

    # --- functions and classes ---------------------------------------------------------

    def _function(self, node: Function) -> None:
        self._before_the_body(node)
        if isinstance(node, ast.Lambda):
            self.read_aside(self._body_of(node))
        else:
            self.bind(node.name, node.lineno)
            self.read_aside(self._body_of(node), name=node.name)

    def lambda_named(self, name: str, node: ast.Lambda) -> None:
        """Read `name = lambda …`: a function that waits to be called, like a `def`."""
        self._before_the_body(node)
        self.bind(name, node.lineno)
        self.read_aside(self._body_of(node), name=name)

    def read_aside(self, reads: dict[str, int], *, name: str = "") -> None:
        """Keep what a function reads until `name` is mentioned; a function without name counts at once."""
        account = self.account
        if self._when_called is not None:
            for read, line in reads.items():
                self._when_called.setdefault(read, line)
        elif name and not self._frames:
            account.aside[name] = reads
        elif self._frames and any(frame.kind == "class" for frame in self._frames):
            # A method: it waits with its class, under a name that no Python can mention.
            account.aside.setdefault("", {}).update(reads)
        else:
            account.aside[" "] = reads
            self._settle(" ")

    def _before_the_body(self, node: Function) -> None:
        """Read what runs where the function stands: decorators, defaults, annotations."""
        if not isinstance(node, ast.Lambda):
            self.visit_all(node.decorator_list)
        self.visit_all([*node.args.defaults, *node.args.kw_defaults])
        if not isinstance(node, ast.Lambda):
            with self._framed(_type_parameters(node)):
                self.visit_all(getattr(node, "type_params", []))
                self.visit_all(arguments_of(node))
                if node.returns is not None:
                    self.annotation(node.returns)

    def _body_of(self, node: Function) -> dict[str, int]:
        """Read the body of `node` and give what it needs of the module."""
        own = own_names(node)
        former, self._when_called = self._when_called, {}
        argument, self._is_argument = self._is_argument, False
        try:
            with self._framed(_type_parameters(node)), self._framed(_Frame("function", set(own.local), own.shared)):
                self.visit_all([node.body] if isinstance(node, ast.Lambda) else node.body)
            return self._when_called
        finally:
            self._when_called = former
            self._is_argument = argument

    def _class(self, node: ast.ClassDef) -> None:
        self.visit_all(node.decorator_list)
        with self._framed(_type_parameters(node)):
            self.visit_all([*getattr(node, "type_params", []), *node.bases, *node.keywords])
            with self._framed(_Frame("class", set())):
                self.visit_all(node.body)
        methods = self.account.aside.pop("", {}) if not self.is_in_function else {}
        self.bind(node.name, node.lineno)
        if methods:
            self.read_aside(methods, name=node.name)

    def _argument(self, node: ast.arg) -> None:
        if node.annotation is not None:
            self.annotation(node.annotation)

    def annotation(self, node: ast.expr) -> None:
        """Read an annotation; what stands in quotation marks in it may stay unknown."""
        former, self._is_soft = self._is_soft, self._is_soft or self._lazy_annotations
        self.visit(node)
        self._is_soft = True
        for quoted in _quoted_in(node):
            self.visit(quoted)
        self._is_soft = former

    @contextmanager
    def _framed(self, frame: _Frame) -> Iterator[None]:
        self._frames = [*self._frames, frame]
        try:
            yield
        finally:
            self._frames = self._frames[:-1]


def _type_parameters(node: ast.AST) -> _Frame:
    return _Frame("type parameters", {parameter.name for parameter in getattr(node, "type_params", [])})


def _quoted_in(annotation: ast.expr) -> list[ast.expr]:
    """Give the expressions that stand as text in an annotation, as in `list["Row"]`."""
    found: list[ast.expr] = []
    waiting: list[ast.AST] = [annotation]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Subscript) and _last_name(node.value) == "Literal":
            continue
        if isinstance(node, ast.Subscript) and _last_name(node.value) == "Annotated":
            # Only the first is a type; a text among the others is a text.
            inner = node.slice.elts[:1] if isinstance(node.slice, ast.Tuple) else [node.slice]
            waiting.extend([node.value, *inner])
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = expression_tree(node.value.strip())
            except (SyntaxError, ValueError):
                continue
            for part in ast.walk(quoted):
                ast.copy_location(part, node)
            found.append(quoted)
        waiting.extend(ast.iter_child_nodes(node))
    return found


def _last_name(node: ast.expr) -> str:
    """Give `Literal` for both `Literal` and `typing.Literal`."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
