"""Who looks on: whatever shows runs is told of each that begins in this process, and of its steps.

A terminal that counts steps, a graph in a notebook and the process that asked for a run all hear
of it here. They come and go as they like; one that fails is told of, and the run goes on.

This module knows who wants to hear. It does not know how a run is started or ended, nor what is
shown of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nbpipe.execute.books import Listener
from nbpipe.execute.context import RunFacts
from nbpipe.execute.glimpses import Look, nothing_seen
from nbpipe.execute.settled import Settled
from nbpipe.records.base import shorten
from nbpipe.records.definitions import Traced
from nbpipe.services.relaying import Relay


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that has begun, here or in a process of its own, as those who watch it see it.

    Attributes:
        facts: The run.
        traced: Its pipeline for its values.
        started: When it began, ISO 8601.
        stop: How it is stopped.
        parent: The run and the step that asked for it, or two empty texts.
        look: Gives what is to be seen of the steps that run now; whoever shows them asks as often as suits it.
        is_over: Tells whether it has ended.
    """

    facts: RunFacts
    traced: Traced
    started: str
    stop: Stoppable
    parent: tuple[str, str] = ("", "")
    look: Look = nothing_seen
    is_over: Callable[[], bool] = bool


class Stoppable(Protocol):
    """What can be asked to stop."""

    def stop(self) -> None:
        """Ask it to stop."""


Observer = Callable[[StartedRun], Callable[[str, Settled | None], None] | None]
_observers: list[Observer] = []


def watch_runs(observer: Observer) -> Callable[[], None]:
    """Have `observer` told of every run that begins in this process; call the answer to end that.

    What the observer answers, if anything, is called as the run's nodes start and are settled.
    """
    _observers.append(observer)
    return lambda: _observers.remove(observer) if observer in _observers else None


def observe(started: StartedRun) -> list[Listener]:
    """Tell those who watch that a run has begun; the answer is what is to be told of its steps.

    Whoever fails at that is told of once, where this process prints its errors, and hears no more of this run.
    Neither the run nor the others who watch feel it.
    """
    listeners = []
    for observer in tuple(_observers):
        try:
            listener = observer(started)
        except Exception as error:  # noqa: BLE001 — what shows a run may fail in any way; it is said, and the run goes on
            _tell_failure(started, error)
            continue
        if listener is not None:
            listeners.append(_guarded(listener, started))
    return listeners


def _guarded(listener: Listener, started: StartedRun) -> Listener:
    has_failed = False

    def tell(node: str, settled: Settled | None) -> None:
        nonlocal has_failed
        if has_failed:
            return
        try:
            listener(node, settled)
        except Exception as error:  # noqa: BLE001 — as above
            has_failed = True
            _tell_failure(started, error)

    return tell


def _tell_failure(started: StartedRun, error: Exception) -> None:
    facts = started.facts
    said = f"What shows run {facts.id[:8]} of {facts.pipeline} failed, and shows no more of it: {shorten(error, 200)}\n"
    # A relay also knows when nothing may be printed any more.
    relay = Relay("stderr")
    relay.feed(said.encode(errors="replace"))
    relay.end()
