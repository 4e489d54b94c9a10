"""The lines of all trials, shown once more at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.crash.trials import LINES

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show them without what was printed meanwhile."""
    if LINES:
        terminalreporter.section("trials")
        for line in LINES:
            terminalreporter.write_line(line)
