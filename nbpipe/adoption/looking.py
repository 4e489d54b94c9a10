"""What the variables of a kernel hold at one moment, written down so that two kernels can be compared.

This runs inside the kernel that is looked at. It changes nothing there: values are digested, never
kept. Modules, functions and classes are text and no variables; but a function that remembers
something, and a class whose attributes are changed, have a state that no text tells, and that is
looked at, too.

The digests serve the comparison of two looks alone. Unlike content digests they tell functions
from each other, by their code.
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from xxhash import xxh3_128_hexdigest

from nbpipe.errors import NotStorableError
from nbpipe.records.artifacts import type_name_of
from nbpipe.source.corpus import Corpus
from nbpipe.source.load import PIECES
from nbpipe.source.pieces import read_unit
from nbpipe.store.content import form_of
from nbpipe.store.content_walk import Form, NoCanonicalForm, Walk, identity_by_source, is_of_a_notebook, node
from nbpipe.store.encoding import encoded
from nbpipe.store.randomness import states

_OF_THE_SHELL = frozenset({"In", "Out", "get_ipython", "exit", "quit", "open"})
_REMEMBERING = type(lru_cache(lambda: None))
_TEXT = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType, _REMEMBERING)
_DEEPEST = 8
# What has a canonical form and is of one of these can be stored, and is not tried: a look should be quick.
_ALWAYS_STORED = frozenset({"builtins", "numpy", "pandas", "datetime", "decimal", "uuid", "pathlib", "collections"})
_PLAIN_PARTS = (types.FunctionType, classmethod, staticmethod, property, types.MemberDescriptorType)


@dataclass(frozen=True, slots=True)
class Look:
    """What one variable holds.

    Attributes:
        type_name: Its type; of a notebook's class the name alone, for such a class belongs to no module.
        digest: Of its content; of a figure, of its picture; `""` where nothing tells.
        why_not: Why it cannot be stored; `""` if it can.
        classes: The notebook's classes of which instances are in it.
    """

    type_name: str
    digest: str
    why_not: str
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a whole kernel.

    Attributes:
        variables: What every variable holds.
        states: For each function and class with a state of its own, what tells that state.
        random: What the states of the sources of random numbers are known by.
    """

    variables: Mapping[str, Look]
    states: Mapping[str, str]
    random: Mapping[str, str]


def write_look(namespace: Mapping[str, Any], path: str) -> None:
    """Write to `path` what a kernel holds; `read_look` reads it."""
    tokens = {name: state.token for name, state in states().items()}
    Path(path).write_text(json.dumps(asdict(Seen(*_looks(namespace), tokens))), encoding="utf-8")


def read_look(path: Path) -> Seen:
    """Read what `write_look` wrote."""
    said = json.loads(path.read_text(encoding="utf-8"))
    return Seen({name: look_in(look) for name, look in said["variables"].items()}, said["states"], said["random"])


def look_in(said: Mapping[str, Any]) -> Look:
    """Read one look back from JSON."""
    return Look(said["type_name"], said["digest"], said["why_not"], tuple(said["classes"]))


def _looks(namespace: Mapping[str, Any]) -> tuple[dict[str, Look], dict[str, str]]:
    held = {name: value for name, value in namespace.items() if not name.startswith("_") and name not in _OF_THE_SHELL}
    _pictures.clear()
    with _classes_known(namespace):
        variables = {name: look_at(name, value) for name, value in held.items() if not isinstance(value, _TEXT)}
        remembered = {name: _state_of(value) for name, value in held.items() if isinstance(value, _TEXT)}
    return variables, {name: state for name, state in remembered.items() if state}


def look_at(name: str, value: Any) -> Look:
    """Look at one variable."""
    kind = type(value)
    type_name = kind.__qualname__ if is_of_a_notebook(kind) else type_name_of(kind)
    classes: set[str] = set()
    digest = _digest(value, classes)
    why_not = ""
    told = digest or _picture(value)
    if not digest or kind.__module__.partition(".")[0] not in _ALWAYS_STORED:
        why_not = _why_not(name, value, told)
    return Look(type_name, told, why_not, tuple(sorted(classes)))


# What was tried last, by name: the value's identity, what told it then, and why it could not be stored. Storing a
# figure to see whether that can be done takes longer than drawing it, and every later cell looks at it again. The
# values themselves are not kept: what the notebook lets go must be gone.
_tried: dict[str, tuple[int, str, str]] = {}


def _why_not(name: str, value: Any, told: str) -> str:
    """Try whether a value can be stored, unless it is the same and looks as it did when that was tried."""
    identity, told_then, why_not = _tried.get(name, (0, "", ""))
    if told and (identity, told_then) == (id(value), told):
        return why_not
    try:
        encoded(name, value, paths_as_files=False)
        why_not = ""
    except NotStorableError as error:
        why_not = error.why
    _tried[name] = id(value), told, why_not
    return why_not


def _digest(value: Any, classes: set[str]) -> str:
    """Digest a value as the store does, but functions by their code."""

    def identity(kind: type) -> str:
        classes.add(kind.__qualname__.partition(".")[0])
        return identity_by_source(kind).replace("nbpipe_library.", "__main__.")

    try:
        return xxh3_128_hexdigest(Walk(_form_with_functions, identity).token(value))
    except Exception:  # noqa: BLE001 — the user's own classes tell their state here, and may raise anything
        return ""


def _form_with_functions(kind: type) -> Form:
    if kind is types.FunctionType:
        return _function_form
    return _builtin_form if kind is types.BuiltinFunctionType else form_of(kind)


def _builtin_form(walk: Walk, value: Any) -> bytes:
    owner = getattr(value, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType | type):
        raise NoCanonicalForm
    return node(b"F", walk.token(f"{value.__module__}.{value.__qualname__}"))


def _function_form(walk: Walk, value: Any) -> bytes:
    if value.__module__ != "__main__" and not value.__module__.startswith("nbpipe_"):
        return node(b"F", walk.token(f"{value.__module__}.{value.__qualname__}"))
    cells = [cell.cell_contents for cell in value.__closure__ or ()]
    kept = {name: part for name, part in vars(value).items() if name != "__wrapped__"}
    parts = map(walk.token, (value.__defaults__, value.__kwdefaults__, cells, kept))
    return node(b"F", _code_form(walk, value.__code__), *parts)


def _code_form(walk: Walk, code: types.CodeType) -> bytes:
    constants = [
        _code_form(walk, part) if isinstance(part, types.CodeType) else walk.token(part) for part in code.co_consts
    ]
    return node(b"K", walk.token(code.co_code), walk.token(code.co_names), walk.token(code.co_varnames), *constants)


def _state_of(value: Any, depth: int = 0) -> str:
    """Tell the state of a function or a class of the notebook; `""` where it has none."""
    if depth > _DEEPEST:
        return ""
    if isinstance(value, _REMEMBERING):
        info = value.cache_info()
        return f"{info.misses} {info.currsize} {info.hits}" if info.misses else ""
    if isinstance(value, type) and is_of_a_notebook(value):
        parts = {
            name: part
            for name, part in vars(value).items()
            if not name.startswith("__") and not isinstance(part, _PLAIN_PARTS) and not callable(part)
        }
        added = sorted(name for name, part in vars(value).items() if isinstance(part, _PLAIN_PARTS))
        return _digest((parts, added), set())
    if isinstance(value, types.FunctionType) and is_of_a_notebook(value):  # type: ignore[arg-type]
        cells = [cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType()]
        held = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values(), *cells, *vars(value).values()]
        states = [_state_of(part, depth + 1) if isinstance(part, _TEXT) else _digest(part, set()) for part in held]
        return " ".join(filter(None, states))
    return ""


_pictures: dict[int, str] = {}


def _picture(value: Any) -> str:
    """Digest what a figure looks like, or the figure that axes are part of; once a look."""
    figures = sys.modules.get("matplotlib.figure")
    if figures is None:
        return ""
    if len(getattr(value, "flat", value) if hasattr(value, "__len__") else ()) and not isinstance(value, dict | str):
        # Several panels or bars: the figure that they are part of.
        value = next(iter(getattr(value, "flat", value)))
    figure = value if isinstance(value, figures.Figure) else getattr(value, "figure", None)
    if not isinstance(figure, figures.Figure):
        return ""
    if id(figure) not in _pictures:
        _pictures[id(figure)] = _drawn(figure)
    return _pictures[id(figure)]


def _drawn(figure: Any) -> str:
    from importlib import import_module

    # On a canvas of its own: looking at a figure must not change the one that the notebook shows.
    canvas = figure.canvas
    try:
        drawn = import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
        drawn.draw()
        return xxh3_128_hexdigest(bytes(drawn.buffer_rgba()))
    except Exception:  # noqa: BLE001 — the user's own artists draw here
        return ""
    finally:
        figure.set_canvas(canvas)


class _ExecutedPieces:
    """Which text each name was bound by, for a kernel without nbpipe."""

    def __init__(self, cells: list[str]) -> None:
        self._corpus = Corpus([read_unit(f"cell [{number}]", cell) for number, cell in enumerate(cells)])

    def get(self, name: str, default: str = "") -> str:
        """Give the digest of the text that last bound a name."""
        binders = self._corpus.binding(name).binders
        return self._corpus.statements[binders[-1]].piece.digest if binders else default


@contextmanager
def _classes_known(namespace: Mapping[str, Any]) -> Iterator[None]:
    """Let classes of the notebook be known by their text while it is looked at, as nbpipe itself does."""
    main = sys.modules["__main__"]
    if PIECES in namespace or hasattr(main, PIECES):
        yield
        return
    setattr(main, PIECES, _ExecutedPieces(list(namespace.get("In", ()))))
    try:
        yield
    finally:
        delattr(main, PIECES)
