"""A real InteractiveShell that keeps what each cell showed, as a front end would get it.

It differs from a kernel's shell in one thing: displays, results and errors go to a list and not
over a wire.
"""

from __future__ import annotations

import atexit
import io
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Cell:
    """What came of one cell.

    Attributes:
        outputs: What it showed, in order: kind and text; displays and results by their plain text.
        errors: The lines of the traceback that was shown.
        error: The exception.
        value: Its result.
    """

    outputs: list[tuple[str, str]] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    error: BaseException | None = None
    value: Any = None

    @property
    def text(self) -> str:
        """All that was shown, as text."""
        return "".join(text for _, text in self.outputs)

    @property
    def said(self) -> str:
        """The traceback as it was shown, without colours."""
        return "\n".join(self.errors)


class _Stream(io.TextIOBase):
    def __init__(self, cell: Cell, name: str) -> None:
        self._cell = cell
        self._name = name

    def write(self, text: str) -> int:
        outputs = self._cell.outputs
        if outputs and outputs[-1][0] == self._name:
            outputs[-1] = self._name, outputs[-1][1] + text
        else:
            outputs.append((self._name, text))
        return len(text)


class _Publisher(DisplayPublisher):
    def publish(self, data: Any, metadata: Any = None, **options: Any) -> None:
        kind = "update" if options.get("update") else "display"
        self.shell.cell.outputs.append((kind, data.get("text/plain", "")))
        self.shell.cell.html.append(data.get("text/html", ""))

    def clear_output(self, wait: bool = False) -> None:
        self.shell.cell.outputs.append(("clear", ""))


class _Hook(DisplayHook):
    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        self.shell.cell.outputs.append(("result", format_dict["text/plain"]))
        self.shell.cell.html.append(format_dict.get("text/html", ""))

    def finish_displayhook(self) -> None:
        pass


class KeepingShell(InteractiveShell):
    """A shell that keeps what its present cell shows."""

    display_pub_class = _Publisher
    displayhook_class = _Hook
    cell: Cell

    def _showtraceback(self, etype: Any, evalue: Any, stb: Any) -> None:
        lines = stb if isinstance(stb, list) else [stb]
        self.cell.errors += _COLOURS.sub("", "\n".join(lines)).splitlines()


class Notebook:
    """Cells run one after another in one shell with nbpipe loaded."""

    def __init__(self, shell: KeepingShell) -> None:
        self.shell = shell

    def run(self, text: str, *, cell_id: str | None = None) -> Cell:
        """Run a cell, whatever comes of it."""
        self.shell.cell = cell = Cell()
        with redirect_stdout(_Stream(cell, "stdout")), redirect_stderr(_Stream(cell, "stderr")):
            result = self.shell.run_cell(text, store_history=True, cell_id=cell_id)
        cell.error = result.error_in_exec or result.error_before_exec
        cell.value = result.result
        return cell

    def ok(self, *texts: str) -> Cell:
        """Run cells that must not raise; give the last."""
        for text in texts:
            cell = self.run(text)
            assert cell.error is None, cell.said or repr(cell.error)
        return cell

    def refused(self, text: str, *, cell_id: str | None = None) -> str:
        """Run a cell that must be refused in one or two lines; give them."""
        cell = self.run(text, cell_id=cell_id)
        assert cell.error is not None, f"this was accepted: {text}"
        assert "Traceback" not in cell.said
        assert 1 <= len(cell.errors) <= 2, cell.said
        return cell.said

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.shell.user_ns


def make_shell(folder: str) -> KeepingShell:
    """Start a shell; `end_shell` ends it."""
    KeepingShell.clear_instance()
    shell = KeepingShell.instance(ipython_dir=folder)
    shell.cell = Cell()
    shell.history_manager.enabled = False
    return shell


def end_shell(shell: InteractiveShell) -> None:
    """Let the process be as it was."""
    if "nbpipe" in shell.extension_manager.loaded:
        shell.extension_manager.unload_extension("nbpipe")
    # A shell that was let go must not be kept alive, and cleaned in turn, until the process ends.
    atexit.unregister(shell.atexit_operations)
    shell.history_manager.end_session()
    shell.history_manager.close()
    shell.restore_sys_module_state()
    type(shell).clear_instance()
    sys.displayhook = sys.__displayhook__
