"""A snapshot run in a process of its own.

The child is handed one JSON line, the request, and answers with two: the run's id once it has
begun, and how it ended. What its steps print goes to standard error. An answer that never comes
means the child died; its run is then told as interrupted by its log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nbpipe.errors import ConflictError, NbpipeError, RunInterruptedError, StepFailedError, UserError
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import Status
from nbpipe.records.secrets import revealed
from nbpipe.services.runs import RunService
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    from nbpipe.snapshot.rebuilt import Rebuilt

DEEPEST = 8
_DEPTH = "NBPIPE_TRIGGER_DEPTH"
_CHILD = "nbpipe.services.child"


class RunApart:
    """A run that goes on in another process.

    Args:
        workspace: Where it is recorded.
        snapshot_id: What is run.
        configuration: How the run is to differ.
        parent: The run and the step that ask, or two empty texts.
        place: The environment in which it runs; that of this process if not given.

    Raises:
        ConflictError: Pipelines trigger one another too deeply.
        NbpipeError: The child refused the request.
    """

    def __init__(
        self,
        workspace: Workspace,
        snapshot_id: str,
        configuration: PipelineRunConfiguration,
        parent: tuple[str, str] = ("", ""),
        place: Rebuilt | None = None,
    ) -> None:
        depth = int(os.environ.get(_DEPTH, "0"))
        if depth >= DEEPEST:
            raise ConflictError(
                f"Pipelines trigger one another {depth} levels deep, which is the limit; look for a ring."
            )
        self._workspace = workspace
        self._last: dict[str, Any] | None = None
        ours = {"NBPIPE_HOME": str(workspace.paths.root), _DEPTH: str(depth + 1)}
        self._process = _started(place, ours)
        request = {
            "snapshot": snapshot_id,
            "configuration": as_json(revealed(configuration.model_dump(exclude_unset=True))),
            "parent": list(parent),
        }
        self._send(request)
        first = self._receive()
        if first is None or "run" not in first:
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            raise _refusal(first)
        self.id: str = first["run"]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.id

    @property
    def status(self) -> Status:
        """How the run stands."""
        if self._last is not None:
            return Status(self._last["status"])
        return Status.RUNNING if self._process.poll() is None else self.run.status

    @property
    def run(self) -> Any:
        """The run as the catalog knows it."""
        return RunService(self._workspace).get(self.id)

    def stop(self) -> None:
        """Ask the run to stop; what was done before is kept."""
        self._process.terminate()

    def wait_quietly(self) -> None:
        """Wait for the end of a run that was stopped, whatever came of it."""
        with suppress(NbpipeError):
            self.wait()

    def wait(self) -> Any:
        """Wait for the run's end and give the run.

        Raises:
            StepFailedError: A step failed in it.
            RunInterruptedError: It was stopped, or its process died.
        """
        try:
            self._last = self._last or self._receive()
            self._process.wait()
        except BaseException:
            self._process.terminate()
            self._process.wait()
            raise
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()
        end = self._last
        if end is None or end["status"] == Status.INTERRUPTED:
            raise RunInterruptedError(self.id)
        error = end["error"]
        if error is not None:
            raise StepFailedError(error["step"], self.id, error["type"], error["message"], error["traceback"])
        return self.run

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None, "the child was given a pipe"
        with self._process.stdin as pipe:
            pipe.write(json.dumps(request).encode() + b"\n")

    def _receive(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None, "the child was given a pipe"
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def __repr__(self) -> str:
        return f"<run {self.id[:8]} in process {self._process.pid}>"


def _started(place: Rebuilt | None, ours: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start the child, here or in a rebuilt environment, which it keeps from being removed as long as it lives."""
    words = place.command(_CHILD) if place is not None else [sys.executable, "-m", _CHILD]
    variables = place.variables() if place is not None else dict(os.environ)
    held = (place.hold(),) if place is not None else ()
    try:
        return subprocess.Popen(  # noqa: S603 — an interpreter and the name of a module of ours
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**variables, **ours}, pass_fds=held
        )
    finally:
        for descriptor in held:
            os.close(descriptor)


class RefusedApartError(UserError):
    """The process that was to run a snapshot refused it."""


def _refusal(answer: dict[str, Any] | None) -> NbpipeError:
    if answer is None:
        return RefusedApartError(
            "The process that was to run the snapshot ended before it began; see what it printed above."
        )
    return RefusedApartError(answer["refused"])
