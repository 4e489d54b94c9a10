"""What a marked cell becomes, decided on its syntax tree just before it runs.

A step that is reused becomes one expression that shows again what was shown; one that runs keeps
its body and gets a call around its end that keeps the outputs and may raise. A refusal becomes a
statement that raises: an exception that left a transformer would unregister it without a word.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from nbpipe.define.cells import CellStep
from nbpipe.define.grammar import StepLine
from nbpipe.define.step import Step
from nbpipe.errors import NbpipeError
from nbpipe.notebook.executing import CellExecution
from nbpipe.notebook.first_line import HOOK, MARKER, marker_in
from nbpipe.notebook.live import LiveBar
from nbpipe.notebook.outputs import Recorder, Replay
from nbpipe.notebook.redefining import Redefined, redefinition, tell_redefined
from nbpipe.notebook.session import Session
from nbpipe.records.runs import Status
from nbpipe.source.magics import refuse_unreplayable, strip_magics
from nbpipe.source.syntax import syntax_tree


class CellTransformer(ast.NodeTransformer):
    """IPython's view of us: every cell's tree passes through, ours come out changed.

    Args:
        decide: Gives the statements of a marked cell, from the magic, its arguments, its body as SQL, and its tree.
    """

    def __init__(self, decide: Callable[[str, str, str, ast.Module], list[ast.stmt]]) -> None:
        self._decide = decide

    def visit(self, node: Any) -> Any:
        """Change a marked cell; leave any other as it is."""
        marked = marker_in(node) if isinstance(node, ast.Module) else None
        if marked is None:
            return node
        magic, arguments, sql = marked
        body = ast.Module(node.body[1:], node.type_ignores)
        node.body = self._decide(magic, arguments, sql, body) or [ast.Pass()]
        return ast.fix_missing_locations(node)


@dataclass(frozen=True, slots=True)
class StepCell:
    """A `%%step` cell as it was written.

    Attributes:
        line: What stands behind the magic.
        first: The first line.
        text: The body, a blank line in place of the first.
        tree: The body as IPython will run it.
        key: What tells this cell from others.
    """

    line: StepLine
    first: str
    text: str
    tree: ast.Module
    key: str


class StepCells:
    """The `%%step` cells of one kernel.

    Args:
        shell: The shell that runs them.
        session: Gives what the kernel knows.
        tell_reused: Called when a cell is reused, to say so.
        is_watched: Tells whether somebody looks at the present cell.
    """

    def __init__(
        self,
        shell: Any,
        session: Callable[[], Session],
        tell_reused: Callable[[str], None],
        is_watched: Callable[[], bool],
    ) -> None:
        self._shell = shell
        self._session = session
        self._tell_reused = tell_reused
        self._is_watched = is_watched
        self._bar: LiveBar | None = None
        self._running: CellExecution | None = None
        self._recorder: Recorder | None = None
        self._replay: Replay | None = None
        self._redefined: Redefined | None = None
        self._first_line = ""
        self._names_by_cell: dict[str, str] = {}
        self._defined: tuple[tuple[str, ...], StepLine] | None = None

    def statements(self, cell: StepCell) -> list[ast.stmt]:
        """Give what a `%%step` cell runs.

        Raises:
            NbpipeError: It is refused.
        """
        self._first_line = cell.first
        stripped, dropped = strip_magics(cell.text)
        line = cell.line
        has_signature = line.takes is not None or line.gives is not None
        has_shell_lines = any(not line.is_harmless for line in dropped)
        if not (has_signature or has_shell_lines) and self._session().corpus().merely_defines(syntax_tree(stripped)):
            self.forget(cell.key)
            functions = (node for node in cell.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
            self._defined = tuple(function.name for function in functions), line
            return [call("begin"), *cell.tree.body, call("define")]
        name = line.name or self._name_for(cell.key)
        refuse_unreplayable(name, dropped)
        step = CellStep(name=name, text=stripped, options=line.options, takes=line.takes, gives=line.gives)
        self._redefined = redefinition(step, self._session().steps, self._names_by_cell, cell.key)
        prepared = self._session().define(step, former=self._names_by_cell.get(cell.key, ""))
        self._take_name(name, cell.key)
        if line.is_only_defined:
            return []
        return self._computing(CellExecution(self._session(), prepared), cell)

    def _computing(self, execution: CellExecution, cell: StepCell) -> list[ast.stmt]:
        record = execution.execution.record or {}
        shown = self._session().run.shown(execution.execution)
        if execution.restore():
            self._tell_reused(execution.name)
            if "displays" in record:
                self._replay = Replay(self._shell, shown)
                return [call("replay")]
            # A pipeline's run executed it, which keeps what was printed; a value that is only looked up is shown anew.
            printed = (
                [{"output_type": "stream", "name": "stdout", "text": record["logs"]}] if record.get("logs") else []
            )
            self._replay = Replay(self._shell, printed)
            return [call("replay"), *_looked_up(cell.tree.body[-1:])]
        execution.bind_inputs()
        self._running = execution
        return [call("begin"), *_with_commit(cell.tree.body)]

    def _take_name(self, name: str, key: str) -> None:
        """Take note of which cell is the step of this name: this one, and no other any more."""
        others = {other: named for other, named in self._names_by_cell.items() if named != name}
        self._names_by_cell = others | {key: name}

    def _name_for(self, key: str) -> str:
        """Name a step that has no name: the same cell always has the same."""
        if key in self._names_by_cell:
            return self._names_by_cell[key]
        taken = {*self._session().steps, *self._names_by_cell.values()}
        return next(name for n in count(1) if (name := f"step_{n}") not in taken)

    def forget(self, key: str) -> None:
        """Take note that a cell is no computing step any more, if it was one."""
        name = self._names_by_cell.pop(key, None)
        if name is not None and name not in self._names_by_cell.values():
            self._session().forget(name)

    # Called by the cells ---------------------------------------------------------------------

    def begin(self) -> None:
        """The body is about to run."""
        _show_own_first_line(self._first_line)
        if self._running is not None:
            publish = self._shell.display_pub.publish
            self._recorder = Recorder(self._shell)
            self._recorder.start()
            self._running.begin()
            if self._is_watched():
                self._bar = LiveBar(publish, self._session().run.look)

    def commit(self, value: Any = None) -> Any:
        """The body has run: keep what it gave; its last value passes through."""
        if self._running is not None:
            self._running.commit()
        return value

    def replay(self) -> Any:
        """The cell is reused: show again what it showed."""
        return self._replay.show() if self._replay is not None else None

    def define(self) -> None:
        """Functions were defined: make each a step."""
        if self._defined is None:
            return
        names, line = self._defined
        namespace = self._session().namespace
        for name in names:
            value = namespace.get(name)
            if inspect.isfunction(value):
                title = line.name if line.name and len(names) == 1 else name
                namespace[name] = Step(value, name=title, options=line.options)

    def finished(self, error: BaseException | None) -> None:
        """The cell is over, well or not; what it showed is kept with what it gave."""
        running, self._running = self._running, None
        recorder, self._recorder = self._recorder, None
        replay, self._replay = self._replay, None
        redefined, self._redefined = self._redefined, None
        outputs = recorder.stop() if recorder is not None else []
        if replay is not None and error is None:
            replay.finish()
        if running is not None:
            self._ended(running, error, outputs)
        # Not before: what the cell shows is kept, and shown again when it is reused.
        if redefined is not None and error is None and self._is_watched():
            tell_redefined(redefined, self._session())

    def _ended(self, running: CellExecution, error: BaseException | None, outputs: list[Any]) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.end(_became(error))
        running.leave()
        try:
            if error is not None:
                running.fail(error)
            elif running.execution.settled.status.is_over:
                self._session().run.show(running.execution, outputs)
        except NbpipeError as unwritten:
            # Nobody above us could show it: the cell is over.
            print(f"{type(unwritten).__name__}: {unwritten}", file=sys.stderr)


def _became(error: BaseException | None) -> Status:
    if error is None:
        return Status.COMPLETED
    return Status.INTERRUPTED if isinstance(error, KeyboardInterrupt) else Status.FAILED


def call(method: str, *arguments: ast.expr) -> ast.Expr:
    """Make the statement that calls one of our methods from a cell."""
    hook = ast.Attribute(ast.Name(HOOK, ast.Load()), method, ast.Load())
    return ast.Expr(ast.Call(hook, list(arguments), []))


def _with_commit(body: list[ast.stmt]) -> list[ast.stmt]:
    last = body[-1]
    if isinstance(last, ast.Expr):
        return [*body[:-1], ast.copy_location(call("commit", last.value), last)]
    return [*body, ast.copy_location(call("commit"), last)]


def _looked_up(last: list[ast.stmt]) -> list[ast.stmt]:
    """Give a last statement that merely looks something up; nothing if it does anything else."""
    harmless = ast.Name | ast.Attribute | ast.Subscript | ast.Tuple | ast.List | ast.Constant | ast.expr_context
    return [
        one for one in last if isinstance(one, ast.Expr) and all(isinstance(n, harmless) for n in ast.walk(one.value))
    ]


def _show_own_first_line(line: str) -> None:
    """Let a traceback show the line that the user wrote, not our marker."""
    frame = inspect.currentframe()
    while frame is not None:
        name = frame.f_code.co_filename
        entry = linecache.cache.get(name)
        if entry is not None and len(entry) == 4 and entry[2][:1] and entry[2][0].startswith(f"{MARKER}("):
            size, stamp, lines, _ = entry
            linecache.cache[name] = size, stamp, [f"{line}\n", *lines[1:]], name
            return
        frame = frame.f_back
