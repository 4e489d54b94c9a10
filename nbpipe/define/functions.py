"""Functions that are no steps and travel as text all the same: routes and middleware of deployments."""

from __future__ import annotations

import inspect
from typing import Any

from nbpipe.define.reading import read_source
from nbpipe.define.texts import Surroundings, text_of
from nbpipe.errors import DefinitionError
from nbpipe.records.base import shorten
from nbpipe.source.closure import Source, close_over
from nbpipe.source.places import Places


def source_of_function(function: Any, label: str) -> Source:
    """Read what a function is made of.

    Args:
        function: The function, written with `def` or `async def` at the top of a file or a cell.
        label: What it is, for messages: `"Route 'GET /model'"`.

    Raises:
        DefinitionError: It is no such function, or has no text.
        UncapturedNameError: It reads a name that is no text.
    """
    if not inspect.isfunction(function) or function.__name__ == "<lambda>":
        raise DefinitionError(f"{label} is {shorten(function)}; give a function that is written with def.")
    text = text_of(function, label)

    def read(around: Surroundings) -> Source:
        return close_over(
            text,
            kind="function",
            entry=function.__name__,
            step=label,
            units=around.corpus,
            value_of=around.value_of,
            search_path=around.search_path,
        )

    return read_source(function, read, Places())[0]
