"""What `from … import *` brings in.

A local module is judged by its text. Any other is imported if it is not loaded yet: only the
module itself knows what it exports.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from importlib.util import resolve_name

from nbpipe.source.modules import LocalModule, modules_used
from nbpipe.source.names import names_of
from nbpipe.source.syntax import syntax_tree


def exports(module_name: str, name: str, *, search_path: Sequence[str] = ()) -> bool:
    """Tell whether `from module_name import *` binds `name`.

    Args:
        module_name: The full name of the module.
        name: The name that is read.
        search_path: Folders in which local modules are looked for before those of `sys.path`.
    """
    local = {module.name: module for module in modules_used([module_name], search_path=search_path).local}
    if module_name in local:
        return _is_exported(local[module_name], name, local)
    module = sys.modules.get(module_name)
    if module is None:
        with suppress(ImportError):
            module = import_module(module_name)
    if module is None:
        return False
    public = getattr(module, "__all__", None)
    return name in public if public is not None else not name.startswith("_") and hasattr(module, name)


def _is_exported(module: LocalModule, name: str, local: dict[str, LocalModule]) -> bool:
    named, bound, stars = _exports_by_text(module)
    if named is not None:
        return name in named
    if name.startswith("_") or name in bound:
        return name in bound and not name.startswith("_")
    others = {key: value for key, value in local.items() if key != module.name}
    return any(
        _is_exported(others[star], name, others) if star in others else star not in local and exports(star, name)
        for star in stars
    )


@lru_cache(maxsize=256)
def _exports_by_text(module: LocalModule) -> tuple[frozenset[str] | None, frozenset[str], tuple[str, ...]]:
    """Give what the text lists in `__all__`, what it binds, and the modules of its own star imports."""
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    try:
        tree = syntax_tree(module.text)
    except (SyntaxError, ValueError):
        return None, frozenset(), ()
    names = names_of(tree)
    stars: list[str] = []
    for star in names.star_imports:
        with suppress(ImportError):
            stars.append(resolve_name(star, package))
    return _listed(tree), frozenset(names.binds), tuple(stars)


def _listed(tree: ast.Module) -> frozenset[str] | None:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=parts) | ast.Tuple(elts=parts)):
                return frozenset(str(part.value) for part in parts if isinstance(part, ast.Constant))
    return None
