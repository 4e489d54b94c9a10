"""The normal form of a piece of Python: what remains when only what it does is looked at.

Comments, blank lines, docstrings, quotation marks and line breaks are gone; two texts that
differ in nothing else have one normal form, and so one digest.
"""

from __future__ import annotations

import ast
import io
import tokenize

from nbpipe.source.syntax import syntax_tree

_HAVE_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_IDLE_TOKENS = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING)


def normalise(source: str | ast.AST) -> str:
    """Write `source` in its normal form.

    A text whose tree is too deep to be written (an expression of some hundred nested parts)
    keeps its docstrings and quotation marks: its normal form is its tokens.

    Args:
        source: A text, or a tree; a tree is left as it is.

    Raises:
        SyntaxError, ValueError: The text is not Python.
    """
    text = source if isinstance(source, str) else ast.unparse(source)
    tree = syntax_tree(text)
    try:
        return ast.unparse(_without_docstrings(tree))
    except (RecursionError, ValueError):
        return _tokens(text)


def lines_of(text: str) -> list[str]:
    """Cut `text` into lines as Python counts them: a form feed or another exotic separator ends none."""
    return list(io.StringIO(text, newline=None))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, _HAVE_DOCSTRINGS) and _begins_with_text(node.body):
            # The only expression of a cell is its result.
            if len(node.body) > 1:
                del node.body[0]
            elif not isinstance(node, ast.Module):
                node.body[0] = ast.copy_location(ast.Pass(), node.body[0])
    return tree


def _begins_with_text(body: list[ast.stmt]) -> bool:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *_]:
            return True
    return False


def _tokens(text: str) -> str:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    # A token of kind INDENT holds the spaces themselves, which are formatting.
    words = ((t.type, "" if t.type == tokenize.INDENT else t.string.strip()) for t in tokens)
    return "\n".join(f"{kind} {word}" for kind, word in words if kind not in _IDLE_TOKENS)
