"""Values that live by what they are tied to, and so cannot be stored.

An iterator stands somewhere in something else, a file is a place in the system's table of open
files, a memoryview is somebody else's memory, a lazy frame of polars' reads its sources when it is run.
Pickle writes some of them as what they happen to show: a file as a `StringIO`, a memoryview as bytes,
an iterator as one over a copy. What is read back would look alike and no longer follow what it followed.

Views of a dictionary are tied to it too, but can be made again from the dictionary, if it is found.
"""

from __future__ import annotations

import gc
import io
import sys
from collections import OrderedDict
from types import FunctionType, MappingProxyType
from typing import Any

_VIEWS_OF_DICTIONARIES = {
    type(view): name
    for made in ({}, OrderedDict())  # type: ignore[var-annotated]
    for name, view in (("keys", made.keys()), ("values", made.values()), ("items", made.items()))
}
_PLANS_OF_POLARS = frozenset({"LazyFrame", "LazyGroupBy"})
MAPPING_VIEWS = frozenset({*_VIEWS_OF_DICTIONARIES, MappingProxyType})


def refusal(kind: type) -> str:
    """Say why no value of a type can be stored; `""` if nothing is known against it."""
    if kind is memoryview:
        return "a memoryview cannot be stored"
    step = getattr(kind, "__next__", None)
    if step is not None:
        if issubclass(kind, (io.StringIO, io.BytesIO)):
            return ""
        if issubclass(kind, io.IOBase):
            return "a file cannot be stored"
        # A class written in Python keeps its position in attributes, and these are stored.
        return "" if isinstance(step, FunctionType) else "an iterator cannot be stored"
    if kind.__module__.startswith("polars.") and kind.__name__ in _PLANS_OF_POLARS:
        return "a lazy frame is a plan, which reads its sources when it is run. Store what its collect() gives"
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.memmap):
        return "an array that is mapped from a file cannot be stored"
    return ""


def mapping_behind(view: Any) -> Any:
    """Give the mapping that a view of one of `MAPPING_VIEWS` follows.

    Raises:
        TypeError: The interpreter does not tell.
    """
    found = gc.get_referents(view)
    if len(found) != 1:
        raise TypeError("the mapping behind this view is not known")
    return found[0]


def view_of_mapping(mapping: Any, name: str) -> Any:
    """Make the view again: `keys`, `values` or `items` of a dictionary, or with no name a read-only proxy."""
    return getattr(mapping, name)() if name else MappingProxyType(mapping)


def name_of_view(view: Any) -> str:
    """Say which view of its mapping this is, as `view_of_mapping` is told."""
    return _VIEWS_OF_DICTIONARIES.get(type(view), "")
