"""Parsing: one thread at a time, and a guard that nobody parses elsewhere."""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest

import nbpipe
from nbpipe.source.syntax import expression_tree, syntax_tree

PACKAGE = Path(nbpipe.__file__).parent


def test_text_becomes_the_tree_that_python_gives() -> None:
    assert ast.dump(syntax_tree("a = 1\nb = a")) == ast.dump(ast.parse("a = 1\nb = a"))
    assert ast.dump(expression_tree("a + 1")) == ast.dump(ast.parse("a + 1", mode="eval").body)
    with pytest.raises(SyntaxError):
        syntax_tree("a =")


def test_many_threads_parse_side_by_side() -> None:
    text = (PACKAGE / "services" / "starting.py").read_text(encoding="utf-8")
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                syntax_tree(text)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []


def test_no_other_module_of_the_package_asks_the_parser() -> None:
    asking = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "ast.parse(" in path.read_text(encoding="utf-8")
    ]

    assert asking == ["source/syntax.py"]
