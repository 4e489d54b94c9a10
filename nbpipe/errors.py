"""Every exception that nbpipe raises.

    NbpipeError                        catch this to catch all of them
    ├── UserError                      the caller can mend it; shown without our frames
    │   ├── BadValueError              a value of the wrong type, form or size
    │   │   └── ParameterError         values that a pipeline or step does not take
    │   ├── DefinitionError            a step or pipeline is written wrongly
    │   │   └── UncapturedNameError    a step reads a name that is neither text nor a step's output
    │   ├── StaleInputError            a plain cell changed what a step is about to read
    │   ├── NotFoundError              nothing in the workspace goes by that name
    │   │   ├── AmbiguousNameError     several things do
    │   │   └── SourceNotFoundError    a file, module or attribute that was to hold a pipeline is not there
    │   ├── ConflictError              the name is taken, or the move is not allowed
    │   ├── QueueFullError             as many runs wait for their turn as may
    │   ├── NotStorableError           a value that cannot be kept and is needed elsewhere
    │   ├── EnvironmentMismatchError   a package is missing, or another Python is
    │   │   └── EnvironmentBuildError  the environment of a snapshot cannot be rebuilt here
    │   └── RefusedApartError          the process that was to run a snapshot refused it
    ├── StepFailedError                the user's own code raised; its frames are shown
    ├── ItemsFailedError               some of the items failed over which a step was mapped
    ├── RunInterruptedError            somebody stopped the run
    ├── StepTimeoutError               a step ran longer than it was given
    ├── ExecutorError                  what was to run the steps is not to be had
    │   └── WorkerLostError            the process of a step ended without an answer
    ├── DeploymentError                a deployment does not answer, or cannot be brought to
    ├── SchedulerError                 a scheduler does not come up, or does not end
    ├── WorkspaceError                 the workspace folder cannot be used
    │   ├── NotRecordedError           a record could not be written in full
    │   │   └── NotUploadedError       a value did not reach the artifact root on object storage
    │   └── ArtifactRootError          the artifact root on object storage cannot be used
    ├── ArtifactError                  a stored value cannot be given back
    │   ├── ArtifactDamagedError       its bytes are gone or are not what they were
    │   ├── ArtifactUnreadableError    its bytes are sound, but something to read them is missing here
    │   └── UntrustedArtifactError     it would run code that this workspace did not write
    ├── CatalogError                   the catalog cannot serve us
    │   ├── CatalogBusyError           another process holds the operation log
    │   ├── CatalogDamagedError        a log, a state or a generation is not what it was
    │   └── CatalogNewerError          it was written by a newer nbpipe
    └── BundleDamagedError             an exported file is not what was written into it

    UserWarning
    ├── SecretWarning                  what is about to be kept looks like a password or a key
    └── HookWarning                    a hook raised; the run is what it is

    KeyboardInterrupt
    └── Interrupted                    a run that was waited for was stopped, as asked

Each says what happened and what to do next, in one or two lines. The facts it speaks of
are attributes too, so that a program need never parse the sentence. `exit_code` is what
the command line answers with.

They stand in one module, though it is long: whoever catches one wants to see it among its kin, and
whoever adds one sees at once whether it is there already.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

# How many of the names that there are a message tells, and how much of each.
_SHOWN = 5
_LONGEST_NAME = 40


class NbpipeError(Exception):
    """Base of all errors that nbpipe raises on purpose."""

    exit_code: ClassVar[int] = 5

    def _render_traceback_(self) -> list[str]:
        """Answer IPython's hook: the lines to show in place of a traceback."""
        return f"{type(self).__name__}: {self}".splitlines()


class UserError(NbpipeError):
    """The caller can mend this, so a notebook shows the sentence alone."""

    exit_code = 2


class BadValueError(UserError, ValueError):
    """A value of the wrong type, form or size."""


class SecretWarning(UserWarning):
    """What is about to be kept looks like a password or a key; where it stands is said, and never what it is."""


class HookWarning(UserWarning):
    """A function that was to be called after a run or a step raised; nothing of the run is changed by that."""


class ParameterError(BadValueError):
    """Values that a pipeline or a step does not take.

    Attributes:
        subject: The pipeline or step, such as `"training"`.
        problems: A sentence for each field, by the field's dotted name.
    """

    def __init__(self, subject: str, problems: Mapping[str, str], said: str = "") -> None:
        self.subject = subject
        self.problems = dict(problems)
        lines = [f"  {name}  {said}" for name, said in self.problems.items()]
        super().__init__("\n".join([said or f"{subject} does not take these values.", *lines]))


class DefinitionError(UserError):
    """A step or a pipeline is written wrongly; it was not defined."""


class UncapturedNameError(DefinitionError):
    """A step reads a name that is neither text nor the output of a step.

    Attributes:
        step: The step that reads it.
        name: The name.
        line: The line of the step's own text, counted from 1, or `None` if it is not known.
    """

    def __init__(self, step: str, name: str, line: int | None, cure: str) -> None:
        self.step = step
        self.name = name
        self.line = line
        where = f" (line {line})" if line is not None else ""
        super().__init__(f"{step} reads {name!r}{where}, which {cure}")


class StaleInputError(UserError):
    """A plain cell changed what a step is about to read.

    Attributes:
        step: The step that was refused.
        name: The input that is no longer what its producer made.
        cell: What is known of the cell that changed it.
    """

    def __init__(self, step: str, name: str, producer: str, cell: str) -> None:
        self.step = step
        self.name = name
        self.producer = producer
        self.cell = cell
        super().__init__(
            f"{step} would read {name!r} as {producer} made it, but {cell} changed it since.\n"
            f"Make that cell a step (%%step), or run {producer} again."
        )


class NotFoundError(UserError, LookupError):
    """Nothing of this kind goes by this name.

    Attributes:
        kind: What was looked for, such as `"model"`.
        name: The name as the caller gave it.
        near: Up to three existing names that resemble it, best first; where none does, the message tells a few of them.
    """

    exit_code = 3

    def __init__(self, kind: str, name: str, existing: Iterable[str] = (), *, hint: str = "") -> None:
        self.kind = kind
        self.name = name
        existing = list(existing)
        self.near = nearest(name, existing)
        if not hint:
            # Names of runs are instants; a few of thousands tell nothing.
            hint = f"Did you mean {self.near[0]!r}?" if self.near else _there_is(existing if kind != "run" else ())
        shown = name if len(name) <= 80 else f"{name[:79]}…"
        super().__init__(f"No {kind} is named {shown!r} in this workspace.{' ' + hint if hint else ''}")


class AmbiguousNameError(NotFoundError):
    """Several things of this kind go by this name or prefix.

    Attributes:
        matches: Up to five of them, as a caller could name each.
    """

    def __init__(self, kind: str, name: str, matches: Iterable[str]) -> None:
        self.matches = list(matches)[:5]
        super().__init__(kind, name)
        self.args = (f"{name!r} names more than one {kind}: {', '.join(self.matches)}. Name one of them in full.",)


class SourceNotFoundError(NotFoundError):
    """A file, a module or an attribute that was to hold a pipeline is not there."""

    def __init__(self, source: str, why: str, existing: Iterable[str] = ()) -> None:
        self.why = why
        super().__init__("pipeline", source, existing)
        hint = f" Did you mean {self.near[0]!r}?" if self.near else ""
        self.args = (f"{why}{hint}",)


class ConflictError(UserError):
    """The name is taken, or the move is not allowed."""

    exit_code = 4


class QueueFullError(UserError):
    """As many runs wait for their turn as may; ask again later.

    Attributes:
        most: How many may wait.
    """

    exit_code = 4

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"{most:,} runs wait for their turn already. Nothing was written down; ask again later.")


class NotStorableError(UserError, TypeError):
    """A value that cannot be kept, and is needed where only kept values come.

    Attributes:
        name: The output or input it belongs to.
        type_name: Its type.
        why: What stood against it.
    """

    def __init__(self, name: str, type_name: str, why: str) -> None:
        self.name = name
        self.type_name = type_name
        self.why = why
        super().__init__(f"{name!r} is a {type_name}, which cannot be stored: {why}")


class EnvironmentMismatchError(UserError):
    """A package is missing, or this is another Python than the one that was recorded.

    Attributes:
        differences: A sentence for each difference that matters.
    """

    exit_code = 6

    def __init__(self, subject: str, differences: Iterable[str], cure: str = "") -> None:
        self.differences = list(differences)
        said = f"{subject} does not fit this environment: {'; '.join(self.differences)}."
        super().__init__(f"{said}\n{cure}" if cure else said)


class EnvironmentBuildError(EnvironmentMismatchError):
    """The environment of a snapshot cannot be rebuilt here; nothing was run.

    Attributes:
        package: The package that is to blame, such as `"numpy==2.1"`, or `""`.
        why: What went wrong.
        cure: What to do next.
    """

    def __init__(self, why: str, cure: str, package: str = "") -> None:
        self.package, self.why, self.cure = package, why, cure
        self.differences = [why]
        NbpipeError.__init__(self, f"The snapshot's environment cannot be rebuilt here: {why}.\n{cure}")


class RefusedApartError(UserError):
    """The process that was to run a snapshot refused it; its exit code is that of the refusal."""

    def __init__(self, said: str, exit_code: int = UserError.exit_code) -> None:
        super().__init__(said)
        self.exit_code = exit_code  # type: ignore[misc]


class StepFailedError(NbpipeError):
    """A step raised. The original is the cause, with the user's own frames.

    Attributes:
        step: The node that failed.
        run_id: The run in which it did.
        type_name: The type of the original exception.
        message: What the original said.
        traceback_text: The user's frames, formatted.
        pipeline: The pipeline, where it ran in a process of its own: then it is named, with its run.
    """

    exit_code = 1

    def __init__(
        self, step: str, run_id: str, type_name: str, message: str, traceback_text: str = "", *, pipeline: str = ""
    ) -> None:
        self.pipeline = pipeline
        self.step = step
        self.run_id = run_id
        self.type_name = type_name
        self.message = message
        self.traceback_text = traceback_text
        where = f" of {pipeline} (run {run_id[:8]})" if pipeline else ""
        who = f"Step {step!r}{where}" if step else f"The run{where}"
        super().__init__(f"{who} failed: {type_name}: {message}")

    def _render_traceback_(self) -> list[str]:
        return [*self.traceback_text.rstrip().splitlines(), f"{type(self).__name__}: {self}"]


class ItemsFailedError(NbpipeError):
    """Some of the items failed over which a step was mapped; the others finished and are kept.

    Attributes:
        step: The step.
        failed: How many items failed.
        total: How many there were.
        first: The first few that failed: the place of each in its list, and the type and text of what it raised.
        said: All of it but the step's name.
    """

    exit_code = 1

    def __init__(self, step: str, failed: int, total: int, first: Sequence[tuple[int, str, str]]) -> None:
        self.step, self.failed, self.total, self.first = step, failed, total, tuple(first)
        told = [f"[{place}] {kind}: {' '.join(message.split())[:120]}" for place, kind, message in self.first]
        more = f"; and {failed - len(told):,} more" if failed > len(told) else ""
        self.said = f"{failed:,} of {total:,} items failed: {'; '.join(told)}{more}"
        super().__init__(f"Step {step!r}: {self.said}.")


class RunInterruptedError(NbpipeError):
    """Somebody stopped the run; what was done before is kept."""

    exit_code = 1

    def __init__(self, run_id: str, step: str | None = None, *, pipeline: str = "") -> None:
        self.run_id = run_id
        self.step = step
        self.pipeline = pipeline
        where = f" in step {step!r}" if step else ""
        which = f" {run_id[:8]} of {pipeline}" if pipeline else ""
        super().__init__(f"The run{which} was stopped{where}; what was done before is kept.")


class Interrupted(KeyboardInterrupt):
    """Somebody interrupted a wait for a run, and the run was stopped.

    A `KeyboardInterrupt` for whoever catches one; shown, it is a line and not our frames.

    Attributes:
        run_id: The run's id, where only this says which run it was; else empty.
    """

    def __init__(self, run_id: str = "") -> None:
        super().__init__("the run was stopped; what was done before is kept.")
        self.run_id = run_id

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


class StepTimeoutError(NbpipeError, TimeoutError):
    """A step ran longer than it was given."""

    exit_code = 1

    def __init__(self, step: str, timeout_s: float) -> None:
        self.step = step
        self.timeout_s = timeout_s
        super().__init__(f"Step {step!r} ran longer than its timeout of {timeout_s:g} s.")


class ExecutorError(NbpipeError):
    """What was to run the steps is not to be had, or cannot do what is asked of it."""


class WorkerLostError(ExecutorError):
    """The process in which a step ran ended without an answer.

    Attributes:
        step: The step.
    """

    def __init__(self, step: str, how: str) -> None:
        self.step = step
        super().__init__(f"The process of step {step!r} {how} before the step ended.")


class DeploymentError(NbpipeError):
    """A deployment does not answer, cannot be brought to, or does not let us."""


class SchedulerError(NbpipeError):
    """A scheduler does not come up, or does not end."""


class WorkspaceError(NbpipeError):
    """The workspace folder cannot be used as it is."""


class NotRecordedError(WorkspaceError, OSError):
    """A record could not be written in full, and what was written of it was taken back."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        cure = "Free some space or mend the folder, then try again."
        super().__init__(f"Nothing was recorded in {path.name}: {why}. {cure}")


class NotUploadedError(NotRecordedError):
    """A value did not reach the artifact root on object storage, so nothing was recorded that speaks of it.

    Attributes:
        url: The artifact root.
        cure: What to do next.
    """

    def __init__(self, url: str, why: str, cure: str) -> None:
        self.url = url
        self.why = why
        self.cure = cure
        OSError.__init__(self, f"Nothing was stored in {url}: {why}.\n{cure}")


class ArtifactRootError(WorkspaceError):
    """The artifact root on object storage cannot be used as it is.

    Attributes:
        url: The artifact root.
        why: What went wrong.
        cure: What to do next.
    """

    def __init__(self, url: str, why: str, cure: str) -> None:
        self.url = url
        self.why = why
        self.cure = cure
        super().__init__(f"The artifact root {url} cannot be used: {why}.\n{cure}")


class ArtifactError(NbpipeError):
    """A stored value cannot be given back."""


class ArtifactDamagedError(ArtifactError):
    """Its bytes are gone, or are no longer what was stored.

    Attributes:
        artifact: The artifact as a caller would name it.
    """

    def __init__(self, artifact: str, why: str) -> None:
        self.artifact = artifact
        self.why = why
        super().__init__(f"Artifact {artifact} cannot be loaded: {why}. Run the step that made it again.")


class ArtifactUnreadableError(ArtifactError):
    """Its bytes are sound, but a class, module or materializer that reads them is missing here.

    Attributes:
        artifact: The artifact as a caller would name it.
        why: What is missing, or what went wrong.
    """

    def __init__(self, artifact: str, why: str) -> None:
        self.artifact = artifact
        self.why = why
        super().__init__(f"Artifact {artifact} cannot be read here: {why}.")


class UntrustedArtifactError(ArtifactError):
    """Loading it would run code that this workspace did not write."""

    def __init__(self, artifact: str) -> None:
        self.artifact = artifact
        super().__init__(
            f"Artifact {artifact} is a pickle from elsewhere; loading it would run its code. "
            "Pass trust=True if you know who made it."
        )


class CatalogError(NbpipeError):
    """The catalog cannot serve us as it is."""


class CatalogBusyError(CatalogError, TimeoutError):
    """Another process held the operation log for longer than we were told to wait.

    Attributes:
        holder_pid: The process that holds it, if it is known.
        waited_s: How long we waited, in seconds.
    """

    def __init__(self, holder_pid: int | None, waited_s: float) -> None:
        self.holder_pid = holder_pid
        self.waited_s = waited_s
        who = f"Process {holder_pid}" if holder_pid else "Another process"
        super().__init__(
            f"{who} has held the operation log for {waited_s:.1f} s. "
            "No result is lost: steps are recorded without it; try again."
        )


class CatalogDamagedError(CatalogError):
    """A log, a state or a generation is not what it was.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, why: str, *, cure: str = "Run `nbpipe catalog recover`.") -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path.name} is damaged: {why}. {cure}")


class CatalogNewerError(CatalogError):
    """It was written by a newer nbpipe than this one."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        self.path = path
        self.found = found
        self.known = known
        super().__init__(f"{path.name} has schema {found}; this nbpipe knows up to {known}. Upgrade nbpipe.")


class BundleDamagedError(NbpipeError):
    """An exported file is not what was written into it.

    Attributes:
        path: The file.
        why: What is wrong with it.
    """

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(f"{path.name} is damaged or was changed: {why}. Export it again; nothing was imported.")


def _there_is(existing: Iterable[str]) -> str:
    """Tell a few of the names that there are."""
    names = sorted(existing, key=str.casefold)
    if not names:
        return ""
    short = (name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in names[:_SHOWN])
    shown = ", ".join(map(repr, short))
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"There {'is' if len(names) == 1 else 'are'} {shown}{more}."


def meant(name: str, existing: Iterable[str]) -> str:
    """Ask whether the nearest of `existing` was meant, as a sentence behind others; nothing if none resembles it."""
    near = nearest(name, existing)
    return f" Did you mean {near[0]!r}?" if near else ""


def nearest(name: str, existing: Iterable[str]) -> list[str]:
    """Give up to three of `existing` that resemble `name`, best first, whatever their letter case."""
    by_folded = {candidate.casefold(): candidate for candidate in existing}
    return [by_folded[match] for match in get_close_matches(name.casefold(), list(by_folded), n=3)]
