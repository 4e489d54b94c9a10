"""The walls of the house: which room may import which.

`FLOORS` is table 2.2 of the design, row by row. An import inside a function, under
`TYPE_CHECKING` or through `import_module` counts like any other: there is no back door.
"""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import nbpipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PACKAGE = Path(nbpipe.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Whoever stands on `base` may raise our errors: every room does, so every room may import both.
GROUND = {"base", "errors"}
BELOW_SERVICES = {"source", "graph", "records", "define", "store", "catalog", "execute", "snapshot", "schedule"}
ROOMS = BELOW_SERVICES | {"adoption", "services", "views", "commands", "server", "export", "widgets", "notebook"}
FLOORS: dict[str, set[str]] = {
    "errors": set(),
    "base": {"errors"},
    "source": GROUND,
    "graph": GROUND,
    "records": GROUND | {"source", "graph"},
    "define": GROUND | {"records", "source", "graph"},
    "store": GROUND | {"records"},
    "catalog": GROUND | {"records"},
    "execute": GROUND | {"store", "records", "source", "graph"},
    "snapshot": GROUND | {"define", "source", "records", "graph"},
    "schedule": GROUND | {"records"},
    "services": GROUND | BELOW_SERVICES,
    "views": GROUND | {"records", "graph"},
    # An ordinary notebook as a pipeline: it runs both, and asks each room that has a part in that.
    "adoption": GROUND | {"define", "execute", "store", "records", "source"},
    "commands": GROUND | {"services", "records", "views", "define", "graph", "adoption", "schedule"},
    "server": GROUND | {"services", "records", "views"},
    "export": GROUND | {"services", "records"},
    "widgets": GROUND | {"services", "records", "views", "commands", "schedule"},
    "notebook": GROUND
    | {"commands", "widgets", "views", "source", "define", "services", "records", "execute", "handles"},
    # The five at the door import what they hand on; none of them is imported by a room.
    "inside": GROUND | ROOMS,
    "handles": GROUND | ROOMS - {"notebook"} | {"inside"},
    "model_handle": GROUND | {"services", "records"},
    "__init__": GROUND | ROOMS | {"inside", "handles", "model_handle"},
    "cli": GROUND | ROOMS | {"inside", "handles", "__init__"},
    "__main__": {"cli"},
}

# One room each, and never at the top of a module: whoever does not need one does not wait for it.
HEAVY = {
    "duckdb": {"catalog"},
    # The answer of a query is a frame: `QueryResult.df`.
    "pandas": {"store", "catalog"},
    "pyarrow": {"store"},
    "numpy": {"store"},
    "fsspec": {"store"},
    "croniter": {"schedule"},
    "cron_descriptor": {"schedule"},
    "dask": {"execute"},
    "distributed": {"execute"},
    "ipywidgets": {"widgets"},
    "anywidget": {"widgets"},
    "IPython": {"notebook"},
    "fastapi": {"server"},
    "starlette": {"server"},
    "uvicorn": {"server"},
}
# A widget or a page is a class of the library's own, which cannot be written before the import.
SUBCLASSED = {"ipywidgets", "anywidget", "IPython", "fastapi", "starlette", "uvicorn"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc"}
PICKLES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib"}
LOADS_A_PICKLE = {"load", "loads", "Unpickler"}


def module_name(path: Path) -> str:
    parts = ("nbpipe", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path): path for path in MODULES}


def room_of(module: str) -> str:
    """Give the room of one of our modules: the folder or file under the package, or `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


def names_imported(node: ast.AST, package: str) -> Iterator[tuple[str, str | None]]:
    """Give each (module, name in it) that `node` imports; the name is `None` for a plain import."""
    match node:
        case ast.Import():
            yield from ((alias.name, None) for alias in node.names)
        case ast.ImportFrom():
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            yield from ((module, alias.name) for alias in node.names)
        case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__")):
            yield from ((a.value, None) for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def telling(path: Path) -> list[ast.AST]:
    """Give the nodes of a module that may import something or load a pickle: one walk for all who ask."""
    kinds = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.keyword)
    return [node for node in ast.walk(parsed(path)) if isinstance(node, kinds)]


def our_imports(nodes: Iterable[ast.AST], package: str, known: set[str]) -> set[str]:
    """Give the modules among `known` that a tree of these nodes imports, wherever in it the import stands."""
    found = set()
    for node in nodes:
        for module, name in names_imported(node, package):
            if module.split(".")[0] == "nbpipe":
                found.add(f"{module}.{name}" if f"{module}.{name}" in known else module)
    return found


def package_of(path: Path) -> str:
    return ".".join(("nbpipe", *path.relative_to(PACKAGE).parent.parts))


@cache
def imports_of(path: Path) -> set[str]:
    return our_imports(telling(path), package_of(path), set(NAMES)) - {module_name(path)}


def imports_at_run_time(path: Path) -> Iterator[tuple[str, bool]]:
    """Give each top-level package imported, and whether that happens as soon as the module is."""
    package = package_of(path)

    def walk(node: ast.AST, at_once: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            children: list[ast.AST] = [*node.orelse]
        else:
            children = list(ast.iter_child_nodes(node))
        yield from ((module.split(".")[0], at_once) for module, _ in names_imported(node, package))
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in children:
            yield from walk(child, at_once and not deferred)

    yield from walk(parsed(path), True)


def pickle_loading(nodes: Iterable[ast.AST]) -> bool:
    """Tell whether one of these nodes calls, or takes by name, something that loads a pickle."""
    for node in nodes:
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in PICKLES and name in LOADS_A_PICKLE:
                return True
            case ast.ImportFrom(module=owner) if owner in PICKLES and LOADS_A_PICKLE & {a.name for a in node.names}:
                return True
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                return True
            case ast.Attribute(attr="read_pickle"):
                return True
    return False


def test_no_module_imports_from_a_floor_above_its_own() -> None:
    assert len(NAMES) > len(FLOORS)

    above = {}
    for module, path in NAMES.items():
        room = room_of(module)
        above[module] = {room_of(imported) for imported in imports_of(path)} - {room} - FLOORS[room]

    assert {module: rooms for module, rooms in above.items() if rooms} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    imports = {module_name(path): imports_of(path) for path in MODULES}

    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_a_heavy_library_is_imported_in_its_own_room_on_first_use() -> None:
    misplaced, hasty = [], []
    for module, path in NAMES.items():
        room = room_of(module)
        for library, at_once in imports_at_run_time(path):
            if room not in HEAVY.get(library, {room}):
                misplaced.append((module, library))
            if library in HEAVY and library not in SUBCLASSED and at_once:
                hasty.append((module, library))

    assert misplaced == []
    assert hasty == [], "import it where it is used"


def test_pickles_are_loaded_in_one_module_at_most_and_that_is_in_the_store() -> None:
    loading = [module_name(path) for path in MODULES if pickle_loading(telling(path))]

    assert len(loading) <= 1
    assert all(room_of(module) == "store" for module in loading)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [module for module in NAMES if VAGUE & set(module.split("."))] == []


@pytest.mark.parametrize(
    "source",
    [
        "from nbpipe.catalog.reader import Reader",
        "from nbpipe.catalog import reader",
        "from nbpipe import catalog",
        "import nbpipe.catalog.reader",
        "def ask():\n    from nbpipe.catalog.reader import Reader",
        "if TYPE_CHECKING:\n    from nbpipe.catalog.reader import Reader",
        "from ..catalog import reader",
        "importlib.import_module('nbpipe.catalog.reader')",
    ],
)
def test_an_import_is_seen_however_it_is_written(source: str) -> None:
    known = {"nbpipe", "nbpipe.catalog", "nbpipe.catalog.reader"}

    found = our_imports(ast.walk(ast.parse(source)), "nbpipe.views", known)

    assert {room_of(module) for module in found} == {"catalog"}


@pytest.mark.parametrize(
    ("source", "loads"),
    [
        ("value = pickle.loads(data)", True),
        ("from cloudpickle import loads", True),
        ("frame = pandas.read_pickle(path)", True),
        ("array = numpy.load(path, allow_pickle=True)", True),
        ("data = pickle.dumps(value)", False),
        ("value = json.loads(text)", False),
        ("array = numpy.load(path, allow_pickle=False)", False),
    ],
)
def test_loading_a_pickle_is_told_from_other_loading(source: str, loads: bool) -> None:
    assert pickle_loading(ast.walk(ast.parse(source))) is loads
