"""Text into a syntax tree: the one place that asks Python's parser.

CPython counts how deep a tree is that it hands out in one counter for all threads, and raises a
`SystemError` ("AST constructor recursion depth mismatch") where two threads are at it at once: seen
in 3.11 with runs that start side by side. So one thread parses at a time.
"""

from __future__ import annotations

import ast
import threading

# The same thread may come again: the collector runs code of others in the middle of it.
_parser = threading.RLock()


def syntax_tree(text: str, filename: str = "<unknown>") -> ast.Module:
    """Parse a piece of Python.

    Raises:
        SyntaxError: It is none.
    """
    with _parser:
        return ast.parse(text, filename)


def expression_tree(text: str) -> ast.expr:
    """Parse one expression.

    Raises:
        SyntaxError: It is none.
    """
    with _parser:
        return ast.parse(text, mode="eval").body
