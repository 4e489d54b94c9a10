"""The step that is running, as seen from inside it.

It collects what the step says of itself, metadata and tags, and passes on how far it is. It knows
nothing of where any of that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.execute.glimpses import Progress
from nbpipe.records import metadata
from nbpipe.records.runs import Triggered
from nbpipe.records.tags import Tag, as_tags

RUN, STEP, MODEL = "run", "step", "model"


def artifact_target(output: str) -> str:
    """Name an output of the running step as a target of notes."""
    return f"artifact:{output}"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a step may know of the run it is part of.

    Attributes:
        id: The run's id.
        name: Its name.
        pipeline: Its pipeline.
        parameters: The checked values of the pipeline's parameters.
        model: The name of the model it works on, or `""`.
        model_version: The name of the version it works on, or `""`.
        model_version_id: That version's id, or `""`.
        tags: The tags that its pipeline declares.
    """

    id: str
    name: str
    pipeline: str
    parameters: Mapping[str, Any]
    model: str = ""
    model_version: str = ""
    model_version_id: str = ""
    tags: tuple[Tag, ...] = ()


@dataclass(slots=True)
class StepContext:
    """The running step, and what it has said so far.

    Attributes:
        run: The run.
        step: The node that is running.
        step_run_id: The id of this execution.
        outputs: The names of its outputs.
        workspace: The folder of the workspace in which all of it is recorded.
        notes: Metadata by target, encoded.
        tags: Tags by target.
        triggered: The runs of other pipelines that it asked for.
        report: Takes how far it is, each time that it says so; `None` if nobody wants to know.
    """

    run: RunFacts
    step: str
    step_run_id: str
    outputs: tuple[str, ...]
    workspace: str = ""
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, list[Tag]] = field(default_factory=dict)
    triggered: list[Triggered] = field(default_factory=list)
    report: Callable[[Progress], None] | None = None

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.id

    @property
    def name(self) -> str:
        """The name of the running step."""
        return self.step

    def output_target(self, artifact_name: str | None) -> str:
        """Name the output that is meant: the one given, or the only one.

        Raises:
            BadValueError: There are several and none was named, or there is none.
            NotFoundError: There is no such output.
        """
        if not self.outputs:
            raise BadValueError(f"Step {self.step!r} has no output that could be meant.")
        if artifact_name is None:
            if len(self.outputs) > 1:
                raise BadValueError(
                    f"Step {self.step!r} has several outputs; name one: artifact_name= {', '.join(self.outputs)}."
                )
            return artifact_target(self.outputs[0])
        if artifact_name not in self.outputs:
            raise NotFoundError("output", artifact_name, self.outputs)
        return artifact_target(artifact_name)

    def model_target(self) -> str:
        """Name the model version that the run works on as a target.

        Raises:
            ConflictError: The run works on no model.
        """
        if not self.run.model:
            raise ConflictError(
                f"Pipeline {self.run.pipeline!r} works on no model; declare one: @pipeline(model=Model(name=…))."
            )
        return MODEL

    def is_own(self, run: str) -> bool:
        """Tell whether this names the run that the step is part of."""
        return run in (self.run.id, self.run.name) or (len(run) >= 4 and self.run.id.startswith(run.casefold()))

    def check(self, tags: Iterable[Tag]) -> None:
        """Refuse tags that contradict what was said of them before, in this step or by the pipeline.

        Raises:
            ConflictError: One does.
        """
        as_tags((*self.run.tags, *chain.from_iterable(self.tags.values()), *tags))

    def give(self, target: str, tags: Iterable[Tag]) -> None:
        """Take in tags for a target: the run, or an output."""
        self.tags.setdefault(target, []).extend(tags)

    def note(self, targets: list[str], values: Mapping[str, Any]) -> None:
        """Take in metadata for all of the targets, or, if it cannot be kept, for none."""
        encoded = metadata.encode(values)
        for target in targets:
            kept = self.notes.setdefault(target, {})
            for key, value in encoded.items():
                # One key at a time: a loop that logs thousands of keys must not copy them all each time.
                kept[key] = metadata.merge({key: kept[key]}, {key: value})[key] if key in kept else value


_running: ContextVar[StepContext | None] = ContextVar("nbpipe_step", default=None)


def current_step() -> StepContext | None:
    """Give the step that is running here, if one is."""
    return _running.get() or _cell_step


class running:  # noqa: N801 — it is written as a function is: `with running(context):`
    """Let what is called in the block know which step it is part of."""

    __slots__ = ("_context", "_token")

    def __init__(self, context: StepContext) -> None:
        self._context = context

    def __enter__(self) -> StepContext:
        self._token = _running.set(self._context)
        return self._context

    def __exit__(self, *_: object) -> None:
        _running.reset(self._token)


# A cell is no block: its step begins before its first line and ends after its last, in contexts that
# the shell chooses. The process then has one such step, and a pipeline's own steps come before it.
_cell_step: StepContext | None = None


def enter_step(context: StepContext) -> StepContext:
    """Let what runs in this process know which cell's step it is part of, until `leave_step`."""
    global _cell_step
    _cell_step = context
    return context


def leave_step(context: StepContext) -> None:
    """Say that the cell's step is over."""
    global _cell_step
    if _cell_step is context:
        _cell_step = None
