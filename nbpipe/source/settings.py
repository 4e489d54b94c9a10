"""Statements that set up a library for the whole process: `pd.set_option("display.width", 200)`.

They bind no name, so no step reads them, and yet they decide how a frame is printed or a figure
looks. They are told by their form: a part of an imported module is set to a plain value, or one of
the functions by which libraries are set up is called with plain values. What seeds random numbers
is none: it would seed every step anew.
"""

from __future__ import annotations

import ast
import re

_FUNCTIONS = re.compile(
    r"(?:.*\.)?(?:set_option|reset_option|set_eng_float_format|set_printoptions|seterr|setbufsize|rc|rcdefaults|"
    r"rcParams\.update|style\.use|set_theme|set_style|set_context|set_palette|set_config|set_matplotlib_formats|"
    r"filterwarnings|simplefilter|basicConfig|disable|setlocale|setrecursionlimit|set_default_dtype|"
    r"set_float32_matmul_precision|set_loglevel|Config\.set_\w+|options\.\w+)"
)


def set_up_by(node: ast.stmt) -> str:
    """Give the name to which a statement speaks if it sets up a library: `pd`; `""` for any other statement."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute() as function, args=args, keywords=keywords)):
            values = [*args, *(keyword.value for keyword in keywords)]
            is_known = _FUNCTIONS.fullmatch(ast.unparse(function)) is not None
            return _root(function) if is_known and all(map(_is_plain, values)) else ""
        case ast.Assign(targets=[(ast.Attribute() | ast.Subscript()) as target], value=value) if _is_plain(value):
            return _root(target)
    return ""


def setting_in(node: ast.stmt) -> ast.stmt:
    """Give what sets up a library in a statement that keeps what was set before: `old = np.seterr(all="ignore")`."""
    match node:
        case ast.Assign(targets=[ast.Name()], value=ast.Call() as call):
            setting = ast.copy_location(ast.Expr(call), call)
            return setting if set_up_by(setting) else node
    return node


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_plain(node: ast.expr) -> bool:
    """Tell whether an expression is made of literals and parts of modules alone."""
    match node:
        case ast.Constant():
            return True
        case ast.Attribute(value=value) | ast.UnaryOp(operand=value) | ast.Starred(value=value):
            return isinstance(value, ast.Name) or _is_plain(value)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all(map(_is_plain, parts))
        case ast.Dict(keys=keys, values=values):
            return all(key is not None and _is_plain(key) for key in keys) and all(map(_is_plain, values))
        case ast.BinOp(left=left, right=right):
            return _is_plain(left) and _is_plain(right)
        case ast.Call(func=ast.Attribute(), args=args, keywords=keywords):
            return all(map(_is_plain, [*args, *(keyword.value for keyword in keywords)]))
    return False
