"""Which statements merely define something, told from their text alone.

A cell of definitions always executes and makes no step: imports, functions, classes and
constants. A constant is built from literals, from names that are constant themselves and by
constructors of immutable values; a list or a dict is not one, for anybody may change it.

This module looks at no live value; where one is at hand, `source.values` knows better.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Collection, Iterable

from nbpipe.source.scopes import bound_by_alias

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Pass)
_CONSTRUCTORS = re.compile(
    "bool|bytes|complex|float|frozenset|int|range|slice|str|tuple|"
    "Path|PurePath|PosixPath|WindowsPath|PurePosixPath|PureWindowsPath|"
    "date|datetime|time|timedelta|timezone|ZoneInfo|Timestamp|Timedelta|"
    "Decimal|Fraction|UUID|TypeVar|ParamSpec|TypeVarTuple|NewType|partial|namedtuple|NamedTuple|getLogger"
)
_FUNCTIONS = frozenset(["re.compile", "Path.home", "Path.cwd", "os.getenv", "os.environ.get", "os.path.join"])
_BUILTINS = frozenset(dir(builtins))


def is_defining(tree: ast.Module, *, constants: Collection[str] = ()) -> bool:
    """Tell whether every statement of `tree` merely defines something.

    Statements that do count: `def`, `class`, imports, constant bindings, lambdas bound to a
    name, texts, `pass`, annotations without a value, and `if` and `try` around such statements.

    Args:
        tree: A cell.
        constants: Names that earlier cells have bound by such statements.
    """
    known = {*_BUILTINS, *constants}
    return all(_defines(node, known) for node in tree.body)


def is_constant(node: ast.expr, is_known: Callable[[str], bool]) -> bool:
    """Tell whether an expression builds an immutable value from constants.

    Args:
        node: The expression.
        is_known: Tells whether a name is constant.
    """
    match node:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return is_known(name)
        case ast.Attribute(value=value):
            return is_constant(value, is_known)
        case ast.Call():
            return _is_constructor(node.func, is_known) and all(
                _is_constant_argument(part, is_known)
                for part in [*node.args, *(keyword.value for keyword in node.keywords)]
            )
        case (
            ast.UnaryOp()
            | ast.BinOp()
            | ast.BoolOp()
            | ast.Compare()
            | ast.IfExp()
            | ast.Tuple()
            | ast.JoinedStr()
            | ast.FormattedValue()
            | ast.Subscript()
        ):
            return all(is_constant(part, is_known) for part in _operands(node))
    return False


def _defines(node: ast.stmt, known: set[str]) -> bool:
    """Tell whether `node` defines something, and add to `known` what it does."""
    match node:
        case ast.Import() | ast.ImportFrom():
            known.update(bound_by_alias(alias, node) for alias in node.names)
            return True
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            known.add(name)
            return True
        case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.AnnAssign(target=ast.Name(), value=None):
            return True
        case ast.Assign(targets=targets, value=value):
            return _binds_constant(targets, value, known)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return _binds_constant([target], value, known)
        case ast.If(test=test, body=body, orelse=orelse):
            return is_constant(test, known.__contains__) and _all_define([*body, *orelse], known)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            caught = [statement for handler in handlers for statement in handler.body]
            return _all_define([*body, *caught, *orelse, *finalbody], known)
    return type(node).__name__ == "TypeAlias"


def _all_define(nodes: Iterable[ast.stmt], known: set[str]) -> bool:
    return all(_defines(node, known) for node in nodes)


def _binds_constant(targets: list[ast.expr], value: ast.expr, known: set[str]) -> bool:
    names: list[str] = []
    for target in targets:
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        if not all(isinstance(part, ast.Name) for part in parts):
            return False
        names.extend(part.id for part in parts if isinstance(part, ast.Name))
    if not isinstance(value, ast.Lambda) and not is_constant(value, known.__contains__):
        return False
    known.update(names)
    return True


def _is_constructor(function: ast.expr, is_known: Callable[[str], bool]) -> bool:
    if not is_constant(function, is_known):
        return False
    dotted = ast.unparse(function)
    return _CONSTRUCTORS.fullmatch(dotted.rpartition(".")[2]) is not None or dotted in _FUNCTIONS


def _is_constant_argument(node: ast.expr, is_known: Callable[[str], bool]) -> bool:
    """Tell whether a constructor may be given `node`: it copies what it finds in a list, a set or a dict."""
    if isinstance(node, ast.List | ast.Set):
        return all(_is_constant_argument(part, is_known) for part in node.elts)
    if isinstance(node, ast.Starred | ast.Lambda):
        return False
    return is_constant(node, is_known)


def _operands(node: ast.expr) -> list[ast.expr]:
    return [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
