"""The face: what `from nbpipe import …` offers is there, in order, and says what it is."""

from __future__ import annotations

import inspect
import types

import nbpipe


def test_public_names_are_sorted_and_each_stands_once() -> None:
    assert list(nbpipe.__all__) == sorted(set(nbpipe.__all__))


def test_every_public_name_can_be_imported() -> None:
    missing = [name for name in nbpipe.__all__ if not hasattr(nbpipe, name)]

    assert missing == []


def test_every_public_name_says_in_a_docstring_of_its_own_what_it_is() -> None:
    objects = {name: getattr(nbpipe, name) for name in nbpipe.__all__ if name != "__version__"}

    silent = [name for name, thing in objects.items() if not has_own_docstring(thing)]

    assert silent == []


def test_dir_shows_every_public_name() -> None:
    assert set(nbpipe.__all__) <= set(dir(nbpipe))


def has_own_docstring(thing: object) -> bool:
    """Tell whether `thing` is described itself, not by the class it comes from."""
    if isinstance(thing, type | types.ModuleType) or inspect.isroutine(thing):
        return bool((vars(thing).get("__doc__") if isinstance(thing, type) else thing.__doc__) or "")
    return bool(getattr(thing, "__doc__", None)) and thing.__doc__ != type(thing).__doc__
