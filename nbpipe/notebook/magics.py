"""The magics that IPython knows by name: for `?`, for scripts, and `%nbpipe`.

In a notebook the cell magics never come here: their first line is rewritten before IPython looks
for a magic. A script made of a notebook calls `run_cell_magic`, and `%%step?` asks for help.
"""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from nbpipe.notebook.kernel import Kernel
from nbpipe.notebook.usage import NBPIPE, USAGE


@magics_class
class NbpipeMagics(Magics):
    """Our magics in one shell.

    Args:
        shell: The shell.
        kernel: What does the work.
    """

    def __init__(self, shell: Any, kernel: Kernel) -> None:
        super().__init__(shell)
        self._kernel = kernel

    @no_var_expand
    @line_cell_magic
    def step(self, line: str, cell: str | None = None) -> None:  # noqa: D102 — its usage is its docstring
        self._run("step", line, cell)

    @no_var_expand
    @line_cell_magic
    def params(self, line: str, cell: str | None = None) -> None:  # noqa: D102 — its usage is its docstring
        self._run("params", line, cell)

    @no_var_expand
    @line_cell_magic
    def pipeline(self, line: str, cell: str | None = None) -> None:  # noqa: D102 — its usage is its docstring
        self._run("pipeline", line, cell)

    @no_var_expand
    @line_cell_magic
    def catalog(self, line: str, cell: str | None = None) -> None:  # noqa: D102 — its usage is its docstring
        self._run("catalog", line, cell)

    @no_var_expand
    @line_magic
    def nbpipe(self, line: str) -> Any:  # noqa: D102 — its usage is its docstring
        return self._kernel.answer(line)

    def _run(self, magic: str, line: str, cell: str | None) -> None:
        __tracebackhide__ = True
        if cell is None:
            print(USAGE[magic])
            return
        self._kernel.run_marked(magic, line, cell)


for _name, _usage in (*USAGE.items(), ("nbpipe", NBPIPE)):
    getattr(NbpipeMagics, _name).__doc__ = _usage
