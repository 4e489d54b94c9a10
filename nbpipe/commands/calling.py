"""Who asks: the workspace a command works in, what is around it, and how much room it has.

A command finds this here, so that its signature holds what a user can write and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from nbpipe.services.apart import RunApart
    from nbpipe.services.client import Client
    from nbpipe.services.run_handle import RunHandle
    from nbpipe.services.starting import RunRequest
    from nbpipe.services.watching import StartedRun


class Runnable(Protocol):
    """A pipeline that can be run, as `nbpipe.pipeline` makes it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def definition(self) -> Any:
        """What it is."""

    def request(self, parameters: Mapping[str, Any]) -> RunRequest:
        """Say what a run with these values asks for."""


class Surroundings(Protocol):
    """What a notebook session has to offer; a terminal has none."""

    def pipelines(self) -> Mapping[str, Runnable]:
        """Give the pipelines that are defined there, by name."""

    def own(self) -> Runnable | None:
        """Give the pipeline that the notebook itself is, if it is one."""


class Reporter(Protocol):
    """Who shows how a run goes on."""

    def begin(self, started: StartedRun) -> Callable[[str, Any], None] | None:
        """Take note of a run that begins; the answer is told of each step."""

    def end(self, *, completed: bool) -> None:
        """Take note that it is over."""


class OpenedOnUse:
    """A client that is made when it is first needed: `--help` and `version` need none."""

    @cached_property
    def client(self) -> Client:
        """The client."""
        from nbpipe.services.client import Client

        return Client()

    def close(self) -> None:
        """Close its workspace, if it was opened; what is being published is finished first."""
        made = vars(self).get("client")
        if made is not None and "workspace" in vars(made):
            made.close()


def say_on_stderr(text: str) -> None:
    """Print a remark where it is no part of the answer."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Call:
    """One command being asked.

    Attributes:
        surroundings: The notebook it is asked in; `None` in a terminal.
        reporter: Who shows how a run goes on, if anybody.
        say: Takes remarks that are no part of the answer.
        width: How many columns a table may take.
        opened: The client, once one is needed.
        begun: The runs that the command has begun.
        told: The ids of those of which plain facts are asked for: a program reads them whatever came of the run.
    """

    surroundings: Surroundings | None = None
    reporter: Reporter | None = None
    say: Callable[[str], None] = say_on_stderr
    width: int = 100
    opened: OpenedOnUse = field(default_factory=OpenedOnUse)
    begun: list[RunHandle | RunApart] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


_call: ContextVar[Call] = ContextVar("nbpipe_call")


def current_call() -> Call:
    """Give the call that is being answered."""
    return _call.get()


def current_client() -> Client:
    """Give the client of the call that is being answered."""
    return current_call().opened.client


@contextmanager
def calling(call: Call) -> Iterator[None]:
    """Answer `call` in the block."""
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)
