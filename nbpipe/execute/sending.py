"""A step on its way to another process, and what came of it on its way back: plain data, both ways.

Code travels as text, values as references to what the store holds. Pickled are only these records
themselves and the plain values that a step's arguments are bound to. An exception is sent as its type, its
arguments and its text; it is made anew where its class can be found, and no class of a library or of the
user is called for it.

This module knows forms. Who sends them is `execute.parallel`, who carries them an executor, and who acts on
them `execute.performing`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from nbpipe.errors import NbpipeError, NotStorableError
from nbpipe.execute.context import RunFacts
from nbpipe.execute.files import NO_FILES, FilesUsed
from nbpipe.execute.randomness import Drawn, State
from nbpipe.execute.worker import Failure
from nbpipe.records.artifacts import ArtifactVersion, NotCarried, type_name_of
from nbpipe.records.runs import Triggered
from nbpipe.records.tags import Tag
from nbpipe.source.closure import Source
from nbpipe.store import pickles

# An exception that carries more than this with it is told by its text alone.
_MOST_ARGUMENT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class SentPlan:
    """What all steps of one run have in common.

    Attributes:
        run: The run's id.
        workspace: The folder of its workspace.
        sources: What its steps are made of.
        search_path: Where modules are looked for.
        environment: The environment variables.
    """

    run: str
    workspace: str
    sources: tuple[Source, ...]
    search_path: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SentTask:
    """One attempt at one step.

    Attributes:
        id: The id of this execution.
        node: The node.
        source: The digest of what the step is made of; the plan has it.
        outputs: The name of each output and the name its artifact goes by.
        is_tuple: Whether a function returns a tuple with one item for each output.
        inputs: The artifact behind each argument that has one.
        pointers: The arguments that ask for a pointer instead of a value.
        values: The pickled plain values of the other arguments, and what the step may know of the run.
        folder: The working directory.
        random: For a cell: the states of random numbers that it finds, and what they are known by.
        triggered: What an earlier attempt asked for.
        timeout_s: How long the body may run, in seconds; `None` for as long as it takes.
        resources: What the step says it needs.
    """

    id: str
    node: str
    source: str
    outputs: tuple[tuple[str, str], ...]
    is_tuple: bool
    inputs: Mapping[str, ArtifactVersion]
    pointers: frozenset[str]
    values: bytes
    folder: str
    random: tuple[Mapping[str, State], Mapping[str, str]] = ({}, {})
    triggered: tuple[Triggered, ...] = ()
    timeout_s: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SentFailure:
    """An exception as data.

    Attributes:
        module: Where its class is found.
        name: The class's name there.
        carried: Its pickled arguments and attributes; empty if they cannot be sent.
        type_name: Its type, for people.
        message: What it said.
        traceback_text: The user's frames, formatted.
        is_users_own: Whether it came out of the user's code.
    """

    module: str
    name: str
    carried: bytes
    type_name: str
    message: str
    traceback_text: str
    is_users_own: bool


@dataclass(frozen=True, slots=True)
class SentOutcome:
    """What came of a task.

    Attributes:
        artifacts: What was stored, by output.
        not_carried: The outputs that could not be stored.
        failure: What went wrong; `None` if nothing did.
        duration_s: How long the body took, in seconds.
        metadata: What the step noted, by target, encoded.
        tags: The tags it gave, by target.
        triggered: The runs of other pipelines that it asked for.
        logs: What it printed.
        files: The files that it read and wrote.
        drawn: For a cell: what it did to the sources of random numbers.
    """

    artifacts: Mapping[str, ArtifactVersion] = field(default_factory=dict)
    not_carried: tuple[NotCarried, ...] = ()
    failure: SentFailure | None = None
    duration_s: float = 0.0
    metadata: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    tags: Mapping[str, list[Tag]] = field(default_factory=dict)
    triggered: tuple[Triggered, ...] = ()
    logs: str = ""
    files: FilesUsed = NO_FILES
    drawn: Sequence[Drawn] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What a step printed while it runs.

    Attributes:
        node: The node.
        stream: `"stdout"` or `"stderr"`.
        text: What it printed.
    """

    node: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of steps that run; see `execute.glimpses`.

    Attributes:
        news: What a `Watch` tells.
    """

    news: Mapping[str, Mapping[str, Any]]


def values_to_send(step: str, values: Mapping[str, Any], facts: RunFacts) -> bytes:
    """Pack the plain values of a step's arguments, and what it may know of its run.

    Raises:
        NotStorableError: One of them cannot leave this process.
    """
    try:
        return pickles.sent((dict(values), facts))
    except Exception:  # whichever value it is, what is raised names it; else it is raised as it is
        for name, value in {**facts.parameters, **values}.items():
            try:
                pickles.sent(value)
            except Exception as error:  # noqa: BLE001 — likewise
                why = f"{type(error).__name__}: {error}; step {step} runs in another process. Hand in plain data"
                raise NotStorableError(name, type_name_of(type(value)), why) from None
        raise


def values_sent(packed: bytes) -> tuple[dict[str, Any], RunFacts]:
    """Unpack what `values_to_send` packed."""
    values, facts = pickles.received(packed)
    return values, facts


def failure_to_send(failure: Failure) -> SentFailure:
    """Take an exception apart."""
    exception = failure.exception
    kind = type(exception)
    try:
        made_of = tuple(exception.__reduce__())[1]
        carried = pickles.sent((made_of, exception.args, _plain_attributes(exception)))
    except Exception:  # noqa: BLE001 — whatever a user's exception carries; its text is sent in any case
        carried = b""
    return SentFailure(
        kind.__module__,
        kind.__qualname__,
        carried if len(carried) <= _MOST_ARGUMENT_BYTES else b"",
        failure.type_name,
        failure.message,
        failure.traceback_text,
        failure.is_users_own,
    )


def _plain_attributes(exception: BaseException) -> dict[str, Any]:
    return {name: value for name, value in vars(exception).items() if name != "__notes__"}


class RemoteError(NbpipeError):
    """Stands for an exception whose class is not to be had in this process; its text says which it was."""


def failure_sent(sent: SentFailure) -> Failure:
    """Put an exception together again, with the frames that it had over there as a note."""
    exception = _rebuilt(sent)
    if exception is None:
        said = f"{sent.type_name}: {sent.message}" if sent.message else sent.type_name
        exception = RemoteError(said)
    if sent.is_users_own:
        exception.add_note(f"In another process:\n{sent.traceback_text.rstrip()}")
    return Failure(exception, sent.type_name, sent.message, sent.traceback_text, sent.is_users_own)


def _rebuilt(sent: SentFailure) -> BaseException | None:
    module = sys.modules.get(sent.module)
    if module is None or not sent.carried:
        return None
    try:
        kind = reduce(getattr, sent.name.split("."), module)
        made_of, args, attributes = pickles.received(sent.carried)
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            return None
        # Python's own keep what they say where only their making puts it; what others do there is not done twice.
        found: BaseException = kind(*made_of) if sent.module == "builtins" else kind.__new__(kind, *made_of)
        found.args = args
        vars(found).update(attributes)
        return found if str(found) == sent.message else None
    except Exception:  # noqa: BLE001 — a class with ideas of its own; then its text has to do
        return None
