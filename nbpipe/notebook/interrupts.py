"""An interrupt that was obeyed: the kernel's, while a cell waited for a run.

It is a `KeyboardInterrupt` for whoever catches one; shown, it is a line and not our frames.
"""

from __future__ import annotations


class Interrupted(KeyboardInterrupt):
    """The run that the cell waited for was stopped."""

    def __init__(self) -> None:
        super().__init__("the run was stopped; what was done before is kept.")

    def _render_traceback_(self) -> list[str]:
        """Answer IPython's hook: the lines to show in place of a traceback."""
        return [f"KeyboardInterrupt: {self}"]
