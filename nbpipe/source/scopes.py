"""Which names belong to a function or a comprehension, and which modules a tree imports.

Python decides both from the text alone, before anything runs: a name bound anywhere in a
function is local to all of it. This module looks at one scope at a time and never inside
the scopes nested in it; how scopes lie in one another is `source.names`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class OwnNames:
    """The names of one function scope.

    Attributes:
        local: Bound in it, parameters included.
        shared: Declared `global` in it.
    """

    local: frozenset[str]
    shared: frozenset[str]


def own_names(function: Function) -> OwnNames:
    """Give the names that `function` itself binds or declares."""
    local = {argument.arg for argument in arguments_of(function)}
    shared: set[str] = set()
    outer: set[str] = set()
    waiting: list[ast.AST] = [function.body] if isinstance(function, ast.Lambda) else list(function.body)
    while waiting:
        node = waiting.pop()
        local |= names_bound_by(node)
        if isinstance(node, ast.Global):
            shared.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            outer.update(node.names)
        waiting.extend(_within_the_scope(node))
    return OwnNames(frozenset(local - shared - outer), frozenset(shared))


def arguments_of(function: Function) -> list[ast.arg]:
    """Give every parameter of `function`, `*args` and `**kwargs` included."""
    signature = function.args
    starred = [argument for argument in (signature.vararg, signature.kwarg) if argument]
    return [*signature.posonlyargs, *signature.args, *signature.kwonlyargs, *starred]


def names_bound_by(node: ast.AST) -> set[str]:
    """Give the names that this very node binds, whatever lies inside it."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return {name}
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import() | ast.ImportFrom():
            return {bound_by_alias(alias, node) for alias in node.names if alias.name != "*"}
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return {name}
        case ast.MatchMapping(rest=str(name)):
            return {name}
    return set()


def bound_by_alias(alias: ast.alias, statement: ast.Import | ast.ImportFrom) -> str:
    """Give the name that one part of an import binds: `import a.b` binds `a`."""
    if alias.asname:
        return alias.asname
    return alias.name.partition(".")[0] if isinstance(statement, ast.Import) else alias.name


def targets_of(comprehension: Comprehension) -> frozenset[str]:
    """Give the names that a comprehension keeps to itself."""
    targets = [part for generator in comprehension.generators for part in ast.walk(generator.target)]
    return frozenset(part.id for part in targets if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store))


def modules_imported(tree: ast.AST) -> frozenset[str]:
    """Give, dotted, every module that an import anywhere in `tree` may load.

    `from a import b` may load `a.b`, so both are given; a relative import keeps its dots.
    """
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            joint = "" if base.endswith(".") else "."
            found.add(base)
            found.update(f"{base}{joint}{alias.name}" for alias in node.names if alias.name != "*")
    return frozenset(found)


def _within_the_scope(node: ast.AST) -> list[ast.AST]:
    """Give the children of `node` that stand in the same scope as `node`."""
    if isinstance(node, ast.Lambda):
        return list(node.args.defaults)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases]
    if isinstance(node, COMPREHENSIONS):
        # Its targets are its own, but `:=` inside it binds out here.
        return [part.target for part in ast.walk(node) if isinstance(part, ast.NamedExpr)]
    return list(ast.iter_child_nodes(node))
