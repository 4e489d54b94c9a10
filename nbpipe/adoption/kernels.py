"""Cells run in a kernel of their own, looked at after each.

Nothing of the kernel outlives the block it is opened in. Both the plain notebook and the pipeline are
run like this, from the same state of the sources of random numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory
from typing import Any

from nbpipe.adoption.looking import Seen, read_look
from nbpipe.base.settings import ARTIFACTS
from nbpipe.errors import BadValueError, StepTimeoutError

_STARTS = 3
_SHOWN = frozenset({"stream", "display_data", "execute_result", "error"})
_PATIENCE_S = 1.0
_REPLY_LIMIT_S = 60.0
# A plain notebook that nobody seeded is made comparable with itself.
_PRELUDE = "import random, numpy; random.seed(0); numpy.random.seed(0); del random, numpy"
_LOOK = "from nbpipe.adoption.looking import write_look; write_look(globals(), {path!r}); del write_look"
_STEPS = "from nbpipe.notebook.stepsheet import write_steps; write_steps(globals(), {path!r}); del write_steps"


@dataclass(frozen=True, slots=True)
class CellRun:
    """What came of one cell.

    Attributes:
        error: What it raised, in one line; `""` if it did not.
        has_result: Whether its last expression was shown.
        has_output: Whether it showed anything.
        seen: What the kernel held after it.
    """

    error: str = ""
    has_result: bool = False
    has_output: bool = False
    seen: Seen = field(default_factory=lambda: Seen({}, {}, {}))


class OpenKernel:
    """A kernel that runs cells, until `opened_kernel` closes it.

    Args:
        manager: The kernel.
        client: Its client.
        folder: Where looks are written.
        timeout_s: How long a cell may take.
    """

    def __init__(self, manager: Any, client: Any, folder: Path, timeout_s: float) -> None:
        self._manager = manager
        self._client = client
        self._folder = folder
        self._timeout_s = timeout_s
        self._silently(_PRELUDE)

    def run(self, text: str) -> CellRun:
        """Run a cell and look at what the variables hold then.

        Raises:
            StepTimeoutError: It took longer than it was given.
        """
        outputs: list[str] = []
        reply = self._execute(text, silent=False, outputs=outputs)
        error = ""
        if reply["status"] != "ok":
            said = " ".join(str(reply.get("evalue", "")).split())
            error = f"{reply.get('ename', 'the kernel ended')}: {said}"
        path = self._folder / "look.json"
        if reply.get("ename") == "KernelDied":
            return CellRun(error)
        self._silently(_LOOK.format(path=str(path)))
        return CellRun(error, "execute_result" in outputs, bool(outputs), read_look(path))

    def steps(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Give the steps of a notebook that has loaded nbpipe, and those that are refused by now, each with why."""
        path = self._folder / "steps.json"
        self._silently(_STEPS.format(path=str(path)))
        said = json.loads(path.read_text(encoding="utf-8"))
        return said["steps"], said["refused"]

    def _silently(self, code: str) -> None:
        reply = self._execute(code, silent=True, outputs=[])
        if reply["status"] != "ok":
            raise BadValueError(f"The kernel cannot be looked at: {reply.get('ename')}: {reply.get('evalue')}.")

    def _execute(self, code: str, *, silent: bool, outputs: list[str]) -> Any:
        """Execute code to its end; the answer is the kernel's reply, or tells that the kernel is gone."""
        asked = self._client.execute(code, silent=silent, store_history=not silent, allow_stdin=False)
        deadline = time.monotonic() + self._timeout_s
        while time.monotonic() < deadline:
            try:
                said = self._client.get_iopub_msg(timeout=_PATIENCE_S)
            except Empty:
                if not self._manager.is_alive():
                    return {"status": "error", "ename": "KernelDied", "evalue": "the process of the kernel ended"}
                continue
            if said["parent_header"].get("msg_id") != asked:
                continue
            if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                return self._reply_to(asked)
            if said["msg_type"] in _SHOWN:
                outputs.append(said["msg_type"])
        raise StepTimeoutError(code.strip().partition("\n")[0][:40], self._timeout_s)

    def _reply_to(self, asked: str) -> Any:
        while True:
            reply = self._client.get_shell_msg(timeout=_REPLY_LIMIT_S)
            if reply["parent_header"].get("msg_id") == asked:
                return reply["content"]


@contextmanager
def opened_kernel(folder: Path, *, workspace: Path | None = None, timeout_s: float = 600) -> Iterator[OpenKernel]:
    """Open a fresh kernel that works in `folder`.

    Args:
        folder: The notebook's own folder, where its relative paths lead from.
        workspace: The workspace for nbpipe in that kernel, if it is to be loaded there.
        timeout_s: How long a cell may take.
    """
    environment = {**os.environ, "MPLBACKEND": "agg", "NBPIPE_DISPLAY": "static"}
    if workspace is not None:
        environment["NBPIPE_HOME"] = str(workspace)
        # What it makes is compared and thrown away.
        environment.pop(ARTIFACTS, None)
    manager, client = _started(folder, environment)
    try:
        with TemporaryDirectory(prefix="nbpipe-looks-") as looks:
            yield OpenKernel(manager, client, Path(looks), timeout_s)
    finally:
        _end(manager, client)


def _started(folder: Path, environment: Mapping[str, str]) -> tuple[Any, Any]:
    """Start a kernel and wait until it answers.

    Its ports are free when they are chosen and bound a second later: where somebody took one in between, as kernels
    that start at once do, it dies, and others are chosen.
    """
    from jupyter_client.manager import KernelManager

    left = _STARTS
    while True:
        manager = KernelManager(kernel_name="python3")
        # What the kernel itself says belongs to no cell.
        manager.start_kernel(
            cwd=str(folder), env=dict(environment), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        client = manager.client()
        client.start_channels()
        left -= 1
        try:
            client.wait_for_ready(timeout=60)
        except BaseException as error:
            has_died = isinstance(error, RuntimeError) and not manager.is_alive()
            _end(manager, client)
            if not (has_died and left):
                raise
        else:
            return manager, client


def _end(manager: Any, client: Any) -> None:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()
