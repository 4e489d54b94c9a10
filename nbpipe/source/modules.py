"""Where an imported module comes from, found without importing it.

The standard library is part of Python and nothing is noted of it, nor of nbpipe, whose newer
versions run what older ones kept. An installed package is noted by distribution and version.
Anything else is local: its text is carried, with that of the local modules it imports in turn.

This module looks at folders and at the metadata of distributions. How carried text is
imported again is `source.importing`.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import decode_source, find_spec, resolve_name
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel, ConfigDict

from nbpipe.base.digest import quick
from nbpipe.errors import DefinitionError
from nbpipe.source.normal import normalise
from nbpipe.source.scopes import modules_imported
from nbpipe.source.syntax import syntax_tree

_NOT_NOTED = frozenset([*sys.stdlib_module_names, "__main__", "nbpipe"])
_INSTALL_FOLDERS = frozenset(["site-packages", "dist-packages"])
_DISTRIBUTION_OF = {
    "Crypto": "pycryptodome",
    "OpenSSL": "pyOpenSSL",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "jwt": "PyJWT",
    "mpl_toolkits": "matplotlib",
    "pkg_resources": "setuptools",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "PyYAML",
}


class ModuleUse(BaseModel):
    """An installed package that is imported.

    Attributes:
        name: The name it is imported by, without dots.
        distribution: What to install to have it; empty if no distribution owns it.
        version: Of the distribution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    distribution: str
    version: str


class LocalModule(BaseModel):
    """A module that is neither installed nor part of Python, as text.

    Attributes:
        name: Its full name, with dots.
        text: Empty for a package without `__init__.py`.
        is_package: Other modules lie in it.
        digest: Of its name and its normalised text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: str
    text: str
    is_package: bool = False
    digest: str


@dataclass(frozen=True, slots=True)
class ModulesUsed:
    """What a set of imports leans on, each part sorted by name."""

    installed: tuple[ModuleUse, ...]
    local: tuple[LocalModule, ...]


def modules_used(names: Iterable[str], *, search_path: Sequence[str] = ()) -> ModulesUsed:
    """Find what `names` and the local modules among them import.

    A name that is found nowhere is left out: its import fails where it stands, and may be caught there.

    Args:
        names: Full names of modules, as `source.scopes.modules_imported` gives them.
        search_path: Folders in which to look before those of `sys.path`.

    Raises:
        DefinitionError: A local module is compiled and has no text.
    """
    installed: set[ModuleUse] = set()
    local: dict[str, LocalModule] = {}
    folders: dict[str, list[str]] = {"": [*search_path, *sys.path]}
    seen: set[str] = set()
    # A package comes before its modules, so that its folders are known when they are looked for.
    waiting = [part for name in names for part in reversed(_with_parents(name))]
    while waiting:
        name = waiting.pop()
        top, _, _ = name.partition(".")
        if name in seen or top in _NOT_NOTED:
            continue
        seen.add(name)
        spec = _find(name, folders)
        if spec is None:
            continue
        if _is_installed(spec):
            installed.update(_distributions(top))
            continue
        folders[name] = list(spec.submodule_search_locations or [])
        local[name] = module = _read(name, spec)
        waiting.extend(part for found in _imports_of(module) for part in reversed(_with_parents(found)))
    by_name = sorted(installed, key=lambda use: (use.name, use.distribution))
    return ModulesUsed(tuple(by_name), tuple(local[name] for name in sorted(local)))


def _with_parents(name: str) -> list[str]:
    """Give `a`, `a.b` and `a.b.c` for `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _find(name: str, folders: Mapping[str, list[str]]) -> ModuleSpec | None:
    """Find a module in the folders of its package, or `None` if the package is not a local one or has none such."""
    parent, _, _ = name.rpartition(".")
    if not folders.get(parent):
        return None
    spec = PathFinder.find_spec(name, folders[parent])
    if spec is not None or parent:
        return spec
    try:
        # Some editable installs are known only to a finder of their own.
        return find_spec(name)
    except (ImportError, ValueError):
        return None


def _is_installed(spec: ModuleSpec) -> bool:
    """Tell whether a module was installed or came with Python."""
    places = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or [])
    if not places:
        return True
    path = Path(places[0])
    return not _INSTALL_FOLDERS.isdisjoint(path.parts) or path.is_relative_to(sysconfig.get_path("stdlib"))


@cache
def _distributions(name: str) -> tuple[ModuleUse, ...]:
    """Say which distributions bring the installed package `name`; several share a namespace package."""
    for candidate in (_DISTRIBUTION_OF.get(name), name):
        try:
            if candidate:
                return (ModuleUse(name=name, distribution=candidate, version=version(candidate)),)
        except PackageNotFoundError:
            continue
    owners = sorted(set(_owners().get(name, [])))
    return tuple(ModuleUse(name=name, distribution=owner, version=version(owner)) for owner in owners) or (
        ModuleUse(name=name, distribution="", version=""),
    )


@cache
def _owners() -> dict[str, list[str]]:
    """Read the metadata of every distribution, which takes a while."""
    return {name: list(owners) for name, owners in packages_distributions().items()}


def _read(name: str, spec: ModuleSpec) -> LocalModule:
    is_package = spec.submodule_search_locations is not None
    if not spec.has_location or spec.origin is None:
        return _local_module(name, b"", is_package)
    if spec.origin.endswith(tuple(EXTENSION_SUFFIXES)):
        raise DefinitionError(
            f"The module {name!r} is compiled and not installed, so it cannot be carried as text. "
            "Install it as a package, then import it."
        )
    found = _local_module(name, Path(spec.origin).read_bytes(), is_package)
    is_loaded_as(found)
    return found


# The digest of the text that each loaded local module was made from; "" where its file was edited since.
_loaded: dict[str, str] = {}


def is_loaded_as(found: LocalModule) -> bool:
    """Tell whether a module is not loaded yet, or was made from this very text.

    Python does not keep what it executed. The first time we see a loaded module, its file says what that
    was, unless the file is younger than the bytecode that Python keeps beside it.
    """
    module = sys.modules.get(found.name)
    if module is None:
        return True
    if found.name not in _loaded:
        _loaded[found.name] = "" if _was_edited(module) else found.digest
    return _loaded[found.name] == found.digest


def _was_edited(module: ModuleType) -> bool:
    file, cached = getattr(module, "__file__", None), getattr(module, "__cached__", None)
    try:
        # PEP 552: after the magic number and the flags, the source's time of change in seconds.
        header = Path(str(cached)).read_bytes()[:16]
        return int.from_bytes(header[8:12], "little") != int(Path(str(file)).stat().st_mtime) & 0xFFFFFFFF
    except OSError:
        return False


@lru_cache(maxsize=1024)
def _local_module(name: str, data: bytes, is_package: bool) -> LocalModule:
    text = decode_source(data)
    try:
        normal = normalise(text)
    except (SyntaxError, ValueError):
        normal = text
    return LocalModule(name=name, text=text, is_package=is_package, digest=quick("module", name, normal))


@lru_cache(maxsize=1024)
def _imports_of(module: LocalModule) -> frozenset[str]:
    """Give the full names of the modules that a local module imports."""
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    try:
        names = modules_imported(syntax_tree(module.text))
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(full for name in names if (full := _full_name(name, package)))


def _full_name(name: str, package: str) -> str:
    """Resolve a relative name; one that leaves its package is no name."""
    try:
        return resolve_name(name, package)
    except ImportError:
        return ""
