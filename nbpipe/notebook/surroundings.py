"""What a notebook is to the rest of nbpipe: text to lean on, and a pipeline to run.

Both are looked up anew each time they are asked for: cells come and go while a form or a
definition made from them lives on.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nbpipe.commands.calling import Runnable
from nbpipe.errors import BadValueError
from nbpipe.notebook.session import Session
from nbpipe.services.starting import RunRequest
from nbpipe.source.corpus import Corpus


class LiveNotebook:
    """The notebook as definitions see it.

    Args:
        session: Gives the present session.
    """

    def __init__(self, session: Callable[[], Session]) -> None:
        self._session = session

    def corpus(self) -> Corpus:
        """Give the executed cells, indexed."""
        return self._session().corpus()

    def value_of(self, name: str) -> object:
        """Give the live value of a name.

        Raises:
            KeyError: There is none.
        """
        return self._session().value_of(name)


class LivePieces:
    """Which text each name of the live notebook was bound by, for whoever identifies a class by its text.

    Args:
        session: Gives the present session.
    """

    def __init__(self, session: Callable[[], Session]) -> None:
        self._session = session

    def get(self, name: str, default: str = "") -> str:
        """Give the digest of the text that last bound a name."""
        session = self._session()
        if name in session.defining:
            return session.defining[name]
        corpus = session.corpus()
        binders = corpus.binding(name).binders
        return corpus.statements[binders[-1]].piece.digest if binders else default


class OwnPipeline:
    """The notebook's own pipeline as its form sees it: what is run is what the notebook holds by then.

    Args:
        session: Gives the present session.
        own: Gives the notebook's own pipeline, if it has one yet.
    """

    def __init__(self, session: Callable[[], Session], own: Callable[[], Runnable | None]) -> None:
        self._session = session
        self._own = own

    @property
    def name(self) -> str:
        """Its name."""
        return self._session().name

    @property
    def definition(self) -> Any:
        """What it is, the notebook's steps so far."""
        return self._session().pipeline()

    def request(self, parameters: Mapping[str, Any]) -> RunRequest:
        """Say what a run with these values asks for.

        Raises:
            BadValueError: The notebook has no step yet.
        """
        own = self._own()
        if own is None:
            raise BadValueError("This notebook has nothing to run yet; run a %%step cell first.")
        return own.request(parameters)


def cells_before(shell: Any) -> Iterator[tuple[str, str]]:
    """Give the cells that were executed before nbpipe was loaded, each with its name, oldest first.

    They are what the shell's compiler knows, for `In` is empty where no history is stored.
    """
    for name, number in getattr(shell.compile, "_filename_map", {}).items():
        entry = linecache.cache.get(name)
        if entry is not None and len(entry) == 4:
            yield f"cell [{number}]", "".join(entry[2])
