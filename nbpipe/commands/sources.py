"""From what a user writes for a pipeline to the pipeline: `flow.py:training`, `analysis.ipynb`, a name.

A file is imported as Python itself would import it: its folder first on the path, under its own
name, so that what it imports beside it is found and classes can be pickled. What goes wrong in
the import is the file's author's affair and is told with the line.

Snapshots are no sources; who takes either looks here first (`looks_like_source`).
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from nbpipe.commands.calling import Runnable, current_call
from nbpipe.commands.notebooks import is_pipeline, pipeline_in_notebook
from nbpipe.errors import (
    AmbiguousNameError,
    BadValueError,
    DefinitionError,
    EnvironmentMismatchError,
    NbpipeError,
    SourceNotFoundError,
)
from nbpipe.records.base import shorten

_MODULE = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<name>[^\W\d]\w*)")
_DOTTED = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*)\.(?P<name>[^\W\d]\w*)")
_FORMS = "write flow.py:training, flow:training or analysis.ipynb"
_NONE_HERE = (
    "This notebook has no pipeline yet: run a %%step cell that computes, or a %%pipeline cell that calls its steps."
)
_stamps: dict[str, tuple[int, int]] = {}


def find_pipeline(source: str | None) -> Runnable:
    """Give the pipeline that is meant; nothing is a notebook's own.

    Raises:
        BadValueError: Nothing, outside a notebook, or a text that is no source.
        SourceNotFoundError: The file, the module or the pipeline in it is not there.
        AmbiguousNameError: A file with several pipelines, and none is named.
        DefinitionError: The file cannot be imported.
        EnvironmentMismatchError: It imports a package that is not installed.
    """
    here = here_named(source)
    if here is not None:
        return here
    text = (source or "").strip()
    if looks_like_source(text):
        return load_source(text)
    dotted = _DOTTED.fullmatch(text)
    if dotted is not None:
        return _in_module(dotted["module"], dotted["name"], text)
    raise SourceNotFoundError(text, f"No pipeline is named {shorten(text)} here; {_FORMS}.", names_here())


def here_named(source: str | None) -> Runnable | None:
    """Give the notebook's pipeline of that name, or its own if none is named; `None` if there is no such.

    Raises:
        BadValueError: None is named, and there is none to take.
    """
    surroundings = current_call().surroundings
    if source is None:
        own = surroundings.own() if surroundings is not None else None
        if own is not None:
            return own
        if surroundings is None:
            raise BadValueError(f"Say which pipeline: {_FORMS}.")
        named = names_here()
        if len(named) == 1:
            return surroundings.pipelines()[named[0]]
        if not named:
            raise BadValueError(_NONE_HERE)
        raise BadValueError(f"Say which pipeline: {', '.join(named)}.")
    return surroundings.pipelines().get(source.strip()) if surroundings is not None else None


def names_here() -> list[str]:
    """Name the pipelines of the notebook; none in a terminal."""
    surroundings = current_call().surroundings
    return list(surroundings.pipelines()) if surroundings is not None else []


def files_here() -> list[str]:
    """Name the Python files and notebooks in this folder: one of them may be meant."""
    return sorted(path.name for pattern in ("*.py", "*.ipynb") for path in Path.cwd().glob(pattern))


def looks_like_source(text: str) -> bool:
    """Tell whether a text can only be a source: it names a file, or a module and an attribute."""
    if text.startswith("snapshot:"):
        return False
    return _in_file(text)[0] != "" or _MODULE.fullmatch(text) is not None


def is_importable(text: str) -> bool:
    """Tell whether a dotted text such as `flow.training` names something in a module that exists."""
    dotted = _DOTTED.fullmatch(text)
    if dotted is None:
        return False
    _look_in(Path.cwd())
    try:
        return importlib.util.find_spec(dotted["module"]) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def load_source(text: str) -> Runnable:
    """Import what a source names and give the pipeline in it.

    Raises:
        NbpipeError: As for `find_pipeline`.
    """
    path, name = _in_file(text)
    if path.endswith(".ipynb"):
        place = Path(path).expanduser()
        _look_in(place.resolve().parent)
        return pipeline_in_notebook(place, name)
    if path:
        return _in_python_file(Path(path).expanduser(), name, text)
    found = _MODULE.fullmatch(text)
    if found is None:
        raise BadValueError(f"{shorten(text)} names no pipeline; {_FORMS}.")
    return _in_module(found["module"], found["name"], text)


def _in_file(text: str) -> tuple[str, str]:
    """Take `flow.py:training` apart; the path is empty if there is no file in it."""
    path, colon, name = text.rpartition(":")
    if not colon:
        path, name = text, ""
    return (path, name.strip()) if path.endswith((".py", ".ipynb")) else ("", "")


def _in_module(module: str, name: str, text: str) -> Runnable:
    _look_in(Path.cwd())
    with _import_of(module, text):
        found = importlib.import_module(module)
    return _pipeline_in(found, name, module)


def _in_python_file(path: Path, name: str, text: str) -> Runnable:
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.glob("*.py"))
        raise SourceNotFoundError(path.name, f"There is no file {shorten(str(path))}.", beside)
    module, folder = _module_name(path.resolve())
    _look_in(folder)
    with _import_of(module, text):
        found = _imported(module, path.resolve())
    return _pipeline_in(found, name, str(path))


def _module_name(path: Path) -> tuple[str, Path]:
    """Say under which name Python would import a file, and from which folder."""
    parts, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts), folder


def _imported(name: str, path: Path) -> ModuleType:
    """Import a file, anew if it was changed since; one whose name is taken goes by another."""
    stat = path.stat()
    stamp = (stat.st_mtime_ns, stat.st_size)
    known = sys.modules.get(name)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() == path:
        if _stamps.get(str(path)) == stamp:
            return known
        # Not reloaded in place, which would leave what is no longer in the file.
        module = _instead_of(known, name)
    elif known is None and _leads_to(name, path):
        module = importlib.import_module(name)
    else:
        module = _under_another_name(path)
    _stamps[str(path)] = stamp
    return module


def _instead_of(former: ModuleType, name: str) -> ModuleType:
    del sys.modules[name]
    try:
        return importlib.import_module(name)
    except BaseException:
        sys.modules[name] = former
        raise


def _leads_to(name: str, path: Path) -> bool:
    """Tell whether an import of `name` would import the file at `path`."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None and Path(spec.origin).resolve() == path


def _under_another_name(path: Path) -> ModuleType:
    name = re.sub(r"\W", "_", f"source_{path.stem}")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _look_in(folder: Path) -> None:
    """Put a folder first on the path, to stay there: steps may import later what lies in it."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


@contextmanager
def _import_of(module: str, text: str) -> Iterator[None]:
    """Turn what an import raises into an error that says whose it is."""
    try:
        yield
    except NbpipeError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and (module == missing or module.startswith(f"{missing}.")):
            raise SourceNotFoundError(text, f"There is no module {missing!r} in this folder or installed.") from None
        raise EnvironmentMismatchError(text, [f"it imports {missing!r}, which is not installed"]) from None
    except (Exception, SystemExit) as error:
        raise DefinitionError(f"{text} cannot be imported: {_said(error)}") from error


def _said(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})."
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}."


def _pipeline_in(module: ModuleType, name: str, place: str) -> Runnable:
    found: dict[str, Runnable] = {key: value for key, value in vars(module).items() if is_pipeline(value)}
    if not name:
        return _only(found, module, place)
    if name in found:
        return found[name]
    for value in found.values():
        if value.name == name:
            return value
    text = f"{place}:{name}"
    if hasattr(module, name):
        raise BadValueError(f"{text} is no pipeline but {shorten(getattr(module, name))}; {_there_are(found, place)}.")
    raise SourceNotFoundError(text, f"{place} has no {name!r}.", [f"{place}:{key}" for key in found])


def _only(found: dict[str, Runnable], module: ModuleType, place: str) -> Runnable:
    """Give a module's only pipeline; those that it imported count if it has none of its own."""
    own = {key: value for key, value in found.items() if getattr(value, "__module__", "") == module.__name__}
    names: dict[int, str] = {}
    for key, value in (own or found).items():
        names.setdefault(id(value), key)
    if len(names) == 1:
        return found[next(iter(names.values()))]
    if not names:
        raise SourceNotFoundError(place, f"{place} has no pipeline; put @pipeline above a function that calls steps.")
    raise AmbiguousNameError("pipeline", place, [f"{place}:{key}" for key in names.values()])


def _there_are(found: dict[str, Runnable], place: str) -> str:
    return f"there are {', '.join(f'{place}:{key}' for key in found)}" if found else "the file has no pipeline"
