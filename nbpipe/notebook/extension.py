"""`%load_ext nbpipe`: what is put into a shell, and taken out again.

Loading twice changes nothing; unloading brings back the shell as it was.
"""

from __future__ import annotations

import sys
from typing import Any

from nbpipe.commands.workbench import leave_notebook, use_notebook
from nbpipe.define.first_line import MAGICS
from nbpipe.define.texts import follow_notebook
from nbpipe.notebook import first_line
from nbpipe.notebook.completion import completer_for
from nbpipe.notebook.frontend import kernel_version, remark_on_kernel
from nbpipe.notebook.kernel import Kernel
from nbpipe.notebook.magics import NbpipeMagics
from nbpipe.notebook.surroundings import LiveNotebook, LivePieces
from nbpipe.notebook.viewing import load_ahead
from nbpipe.source.load import PIECES

_kernels: dict[int, tuple[Kernel, Any]] = {}


def load_ipython_extension(shell: Any) -> None:
    """Put nbpipe into a shell: `%load_ext nbpipe`."""
    if id(shell) in _kernels:
        return
    remark = remark_on_kernel(kernel_version())
    if remark:
        print(remark, file=sys.stderr)
    kernel = Kernel(shell)
    shell.input_transformers_cleanup.extend((first_line.mark_first_line, kernel.await_commands))
    shell.ast_transformers.append(kernel.transformer)
    shell.events.register("pre_run_cell", kernel.before_cell)
    shell.events.register("post_run_cell", kernel.after_cell)
    shell.register_magics(NbpipeMagics(shell, kernel))
    kernel.formatters.register()
    kernel.views.register()
    for name, thing in ((first_line.HOOK, kernel), (PIECES, LivePieces(lambda: kernel.session))):
        shell.user_ns[name] = thing
        shell.user_ns_hidden[name] = thing
    follow_notebook(LiveNotebook(lambda: kernel.session))
    use_notebook(kernel)
    kernel.take_in_history()
    matcher = completer_for(kernel)
    shell.Completer.custom_matchers.append(matcher)
    _kernels[id(shell)] = kernel, matcher
    if kernel.takes_widgets:
        load_ahead()


def unload_ipython_extension(shell: Any) -> None:
    """Take nbpipe out of a shell: `%unload_ext nbpipe`."""
    kernel, matcher = _kernels.pop(id(shell), (None, None))
    if kernel is None:
        return
    for transformer in (first_line.mark_first_line, kernel.await_commands):
        shell.input_transformers_cleanup.remove(transformer)
    shell.ast_transformers.remove(kernel.transformer)
    shell.events.unregister("pre_run_cell", kernel.before_cell)
    shell.events.unregister("post_run_cell", kernel.after_cell)
    for name in MAGICS:
        shell.magics_manager.magics["cell"].pop(name, None)
        shell.magics_manager.magics["line"].pop(name, None)
    shell.magics_manager.magics["line"].pop("nbpipe", None)
    shell.magics_manager.registry.pop(NbpipeMagics.__name__, None)
    kernel.formatters.unregister()
    kernel.views.unregister()
    for name in (first_line.HOOK, PIECES):
        shell.user_ns.pop(name, None)
        shell.user_ns_hidden.pop(name, None)
    shell.Completer.custom_matchers.remove(matcher)
    follow_notebook(None)
    leave_notebook(kernel)
    kernel.close()
