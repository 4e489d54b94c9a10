"""Local modules, imported from their text.

Where a module can be imported from a file that holds the same text, Python imports it and
nothing here is needed. Else a library has an `__import__` of its own: its code, and that of
its local modules, gets the modules it was captured with, whatever lies on disk or is loaded
by now. So an older snapshot and a live notebook can share a process.

A module made from text also stands in `sys.modules` under its name, for the sake of pickles,
unless another one of that name that is not ours is there.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from importlib.util import resolve_name
from types import ModuleType
from typing import Any

from nbpipe.source.listing import compile_listed
from nbpipe.source.modules import LocalModule, is_loaded_as, modules_used


def builtins_for(local_modules: Iterable[LocalModule]) -> dict[str, Any] | None:
    """Give the builtins with which code finds `local_modules`, or `None` if any code finds them.

    The modules are imported on the way: a pickle may need one before the code does. One that
    fails is left to fail again where it is imported.
    """
    wanted = {module.name: module for module in local_modules}
    found = {module.name: module.digest for module in modules_used(wanted).local}
    as_captured = all(found.get(name) == module.digest for name, module in wanted.items())
    if as_captured and all(is_loaded_as(module) for module in wanted.values()):
        return None
    importer = _Importer(wanted)
    for name in wanted:
        with suppress(Exception):
            importer.load(name)
    return importer.builtins


class _Importer:
    """The `import` statement as the code of one library knows it."""

    def __init__(self, modules: Mapping[str, LocalModule]) -> None:
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self._import}
        self._modules = modules
        self._loaded: dict[str, ModuleType] = {}

    def load(self, name: str) -> ModuleType:
        """Give the module `name`, executed once, after the packages it lies in."""
        if name in self._loaded:
            return self._loaded[name]
        parent, _, last = name.rpartition(".")
        package = self.load(parent) if parent else None
        text = self._modules.get(name)
        if text is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        module = self._loaded[name] = _new_module(text)
        module.__dict__["__builtins__"] = self.builtins
        stands_aside = not _is_free(name)
        if not stands_aside:
            sys.modules[name] = module
        try:
            exec(compile_listed(text.text, f"{name}.py"), module.__dict__)  # noqa: S102  # this is what importing is
        except BaseException:
            del self._loaded[name]
            if not stands_aside:
                sys.modules.pop(name, None)
            raise
        if package is not None:
            setattr(package, last, module)
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # the signature of `__import__`
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        package = str((globals or {}).get("__package__") or "")
        full = resolve_name("." * level + name, package) if level else name
        top = full.partition(".")[0]
        if top not in self._modules:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self.load(full)
        if not fromlist:
            return self.load(top)
        names = getattr(module, "__all__", ()) if "*" in fromlist else fromlist
        for part in names:
            if not hasattr(module, part) and f"{full}.{part}" in self._modules:
                self.load(f"{full}.{part}")
        return module


def _new_module(text: LocalModule) -> ModuleType:
    module = ModuleType(text.name)
    spec = ModuleSpec(text.name, None, origin=f"<nbpipe {text.name}.py>", is_package=text.is_package)
    module.__spec__ = spec
    module.__package__ = spec.parent
    module.__file__ = spec.origin
    if text.is_package:
        module.__path__ = []
    return module


def _is_free(name: str) -> bool:
    """Tell whether a module made from text may stand in `sys.modules` under `name`."""
    present = sys.modules.get(name)
    return present is None or str(getattr(present, "__file__", "")).startswith("<nbpipe ")
