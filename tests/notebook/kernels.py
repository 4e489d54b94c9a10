"""A real IPython kernel in a process of its own, asked as a front end asks it."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import nbformat
from jupyter_client import KernelManager
from nbclient import NotebookClient
from nbformat import v4

LIMIT_S = 60
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Answer:
    """What came of one request.

    Attributes:
        status: `ok`, `error` or `aborted`.
        text: What was printed, and the text of displays and results.
        said: The traceback, without colours.
        live: How many displays were updated in place.
        updates: The text of each of these updates.
        told: What widgets were told, as text.
    """

    status: str = ""
    text: str = ""
    said: str = ""
    live: int = 0
    updates: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    widgets: list[str] = field(default_factory=list)


class LiveKernel:
    """One kernel, until `close`.

    Args:
        folder: Where it works.
    """

    def __init__(self, folder: str) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=folder)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=LIMIT_S)

    def ask(self, code: str) -> str:
        """Send a cell; do not wait for it."""
        return self._client.execute(code)

    def answer(self, asked: str, *, until: str = "") -> Answer:
        """Gather what comes of a request: all of it, or as far as `until` was printed."""
        answer = Answer()
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            message = self._client.get_iopub_msg(timeout=LIMIT_S)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                reply = self._client.get_shell_msg(timeout=LIMIT_S)
                while reply["parent_header"].get("msg_id") != asked:
                    reply = self._client.get_shell_msg(timeout=LIMIT_S)
                answer.status = reply["content"]["status"]
                return answer
            _take_in(answer, kind, content)
            if until and until in answer.text:
                return answer
        raise AssertionError(f"no answer in {LIMIT_S} s; so far: {answer}")

    def run(self, code: str) -> Answer:
        """Run a cell to its end."""
        return self.answer(self.ask(code))

    def ok(self, *codes: str) -> Answer:
        """Run cells that must not raise; give the last answer."""
        for code in codes:
            answer = self.run(code)
            assert answer.status == "ok", answer.said
        return answer

    def interrupt(self) -> None:
        """Interrupt the kernel, as the front end's button does."""
        self._manager.interrupt_kernel()

    def press(self, comm_id: str) -> None:
        """Press the button that is this widget, as a page does."""
        pressed = {"comm_id": comm_id, "data": {"method": "custom", "content": {"event": "click"}}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", pressed))

    def kill(self) -> None:
        """Kill the kernel's process without a word."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def close(self) -> None:
        """End the kernel."""
        self._client.stop_channels()
        if self._manager.is_alive():
            self._manager.shutdown_kernel(now=False)
        self._manager.cleanup_resources()


def _take_in(answer: Answer, kind: str, content: Any) -> None:
    match kind:
        case "stream":
            answer.text += content["text"]
        case "display_data" | "execute_result":
            answer.text += content["data"].get("text/plain", "") + "\n"
        case "update_display_data":
            answer.live += 1
            answer.updates.append(content["data"].get("text/plain", ""))
        case "comm_msg":
            answer.told.append(str(content["data"]))
        case "error":
            answer.said = _COLOURS.sub("", "\n".join(content["traceback"]))


def execute(cells: Sequence[str], folder: str) -> list[Any]:
    """Run a notebook top to bottom as nbclient does; give each cell's outputs."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": folder}})
    client.execute()
    nbformat.validate(notebook)
    return [cell.outputs for cell in notebook.cells]
