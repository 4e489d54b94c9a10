"""The command line on a real terminal: what is drawn, and that an interrupt from the keyboard still works."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths

FLOW = """
import sys
import time

from nbpipe import pipeline, progress, step


@step(cache=False)
def load() -> int:
    print("[red]reading[/red] [/oops]")
    print("\\r 10 %", end="", file=sys.stderr, flush=True)
    progress(3, 7, "third of seven")
    while not TOLD.exists():
        time.sleep(0.01)
    return 1


@pipeline
def training():
    return load()
"""
# In a session of its own, the first terminal that is opened is the one that it can be interrupted from.
STARTED = "import os; os.open(os.ttyname(0), os.O_RDWR); from nbpipe.cli import main; raise SystemExit(main())"
LIMIT_S = 60


class OnATerminal:
    """A command on a terminal of its own.

    Args:
        folder: Where it works.
        words: What stands behind `nbpipe`.
        term: What kind of terminal it is told to be on.
    """

    def __init__(self, folder: Path, *words: str, term: str = "xterm-256color") -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", STARTED, *words],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": term, "COLUMNS": "80", "LINES": "24"},
        )
        os.close(theirs)
        self.drawn = ""

    def until(self, is_there: Callable[[str], object]) -> str:
        """Read until something is drawn, or to the end."""
        deadline_s = time.monotonic() + LIMIT_S
        while not is_there(self.drawn):
            assert time.monotonic() < deadline_s, self.drawn
            if not select.select([self._ours], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._ours, 1 << 16)
            except OSError:
                # So ends a terminal whose last process is gone.
                break
            self.drawn += data.decode(errors="replace")
        return self.drawn

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def ended(self) -> int:
        """Read to the end and give the exit code."""
        self.until(lambda _: False)
        os.close(self._ours)
        return self._process.wait(LIMIT_S)


@pytest.fixture
def folder(workspace: WorkspacePaths, tmp_path: Path) -> Path:
    told = tmp_path / "told"
    flow = FLOW.replace("TOLD", f"__import__('pathlib').Path({str(told)!r})")
    (tmp_path / "flow.py").write_text(flow)
    return tmp_path


def test_a_step_is_seen_while_it_runs_and_its_prints_stay(folder: Path) -> None:
    command = OnATerminal(folder, "run", "flow.py:training")
    plain = command.until(lambda drawn: "third of seven" in drawn and "  10 %" in drawn)
    (folder / "told").touch()

    assert command.ended() == 0
    assert "[red]reading[/red] [/oops]" in plain
    assert "42 %, 3 of 7" in plain
    assert "✓ run training: completed" in _plain(command.drawn)
    # The cursor that was hidden is shown again.
    assert command.drawn.rindex("\x1b[?25h") > command.drawn.rindex("\x1b[?25l")


def test_an_interrupt_from_the_keyboard_stops_the_run(folder: Path) -> None:
    command = OnATerminal(folder, "run", "flow.py:training")
    command.until(lambda drawn: "third of seven" in drawn)

    command.press(b"\x03")

    assert command.ended() == 1
    assert "Stopped; what was done before is kept." in command.drawn
    assert command.drawn.rindex("\x1b[?25h") > command.drawn.rindex("\x1b[?25l")


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(folder: Path) -> None:
    (folder / "told").touch()
    command = OnATerminal(folder, "run", "flow.py:training", term="dumb")

    assert command.ended() == 0
    assert "✓ load  " in command.drawn
    assert "third of seven" not in command.drawn
    assert "\x1b[?25l" not in command.drawn


def _plain(drawn: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
