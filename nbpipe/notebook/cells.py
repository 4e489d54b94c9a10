"""What a marked cell becomes, decided on its syntax tree just before it runs.

A step that is reused becomes one expression that shows again what was shown; one that runs keeps
its body and gets a call around its end that keeps the outputs and may raise. A refusal becomes a
statement that raises: an exception that left a transformer would unregister it without a word.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from itertools import count
from typing import Any

from nbpipe.define.cells import CellStep
from nbpipe.define.step import Step
from nbpipe.notebook import first_line
from nbpipe.notebook.outputs import Output, Recorder, replay
from nbpipe.notebook.session import Session
from nbpipe.services.interactive import Execution
from nbpipe.source.constants import is_defining
from nbpipe.source.magics import refuse_unreplayable, strip_magics

HOOK = "__nbpipe_cell__"


class CellTransformer(ast.NodeTransformer):
    """IPython's view of us: every cell's tree passes through, ours come out changed.

    Args:
        decide: Gives the statements of a marked cell, from the magic, its arguments, its body as SQL, and its tree.
    """

    def __init__(self, decide: Callable[[str, str, str, ast.Module], list[ast.stmt]]) -> None:
        self._decide = decide

    def visit(self, node: Any) -> Any:
        """Change a marked cell; leave any other as it is."""
        marked = first_line.marker_in(node) if isinstance(node, ast.Module) else None
        if marked is None:
            return node
        magic, arguments, sql = marked
        body = ast.Module(node.body[1:], node.type_ignores)
        node.body = self._decide(magic, arguments, sql, body) or [ast.Pass()]
        return ast.fix_missing_locations(node)


class StepCells:
    """The `%%step` cells of one kernel.

    Args:
        shell: The shell that runs them.
        session: Gives what the kernel knows.
        tell_reused: Called when a cell is reused, to say so.
    """

    def __init__(self, shell: Any, session: Callable[[], Session], tell_reused: Callable[[str], None]) -> None:
        self._shell = shell
        self._session = session
        self._tell_reused = tell_reused
        self._running: Execution | None = None
        self._placed: CellStep | None = None
        self._recorder: Recorder | None = None
        self._replayed: list[Output] = []
        self._names_by_cell: dict[str, str] = {}
        self._defined: tuple[tuple[str, ...], first_line.StepLine] | None = None

    def statements(self, line: first_line.StepLine, tree: ast.Module, text: str, key: str) -> list[ast.stmt]:
        """Give what a `%%step` cell runs.

        Args:
            line: What stands behind the magic.
            tree: The body as IPython will run it.
            text: The body as it was written, a blank line in place of the magic.
            key: What tells this cell from others.

        Raises:
            NbpipeError: It is refused.
        """
        stripped, dropped = strip_magics(text)
        if line.takes is None and line.gives is None and is_defining(ast.parse(stripped)):
            functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            self._defined = tuple(functions), line
            return [*tree.body, _call("define")]
        name = line.name or self._name_for(key)
        refuse_unreplayable(name, dropped)
        cell = CellStep(name=name, text=stripped, options=line.options, takes=line.takes, gives=line.gives)
        return self._computing(cell, tree, is_only_defined=line.is_only_defined)

    def _computing(self, cell: CellStep, tree: ast.Module, *, is_only_defined: bool) -> list[ast.stmt]:
        session = self._session()
        placed = session.define(cell)
        if is_only_defined:
            placed.source()
            return []
        execution = session.plan(placed)
        if execution.record is not None:
            shown = session.run.shown(execution)
            if session.restore(execution, placed):
                self._replayed = shown
                self._tell_reused(placed.name)
                return [_call("replay")]
        session.bind_inputs(execution, placed)
        self._running, self._placed = execution, placed
        return [_call("begin"), *_with_commit(tree.body)]

    def _name_for(self, key: str) -> str:
        """Name a step that has no name: the same cell always has the same."""
        if key not in self._names_by_cell:
            taken = {*self._session().steps, *self._names_by_cell.values()}
            self._names_by_cell[key] = next(name for n in count(1) if (name := f"step_{n}") not in taken)
        return self._names_by_cell[key]

    # Called by the cells ---------------------------------------------------------------------

    def begin(self) -> None:
        """The body is about to run."""
        if self._running is not None:
            self._recorder = Recorder(self._shell)
            self._recorder.start()
            self._session().begin(self._running)

    def commit(self, value: Any = None) -> Any:
        """The body has run: keep what it gave; its last value passes through."""
        if self._running is not None and self._placed is not None:
            self._session().commit(self._running, self._placed)
        return value

    def replay(self) -> Any:
        """The cell is reused: show again what it showed."""
        return replay(self._shell, self._replayed)

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
        running, self._running, self._placed = self._running, None, None
        recorder, self._recorder = self._recorder, None
        outputs = recorder.stop() if recorder is not None else []
        if running is None:
            return
        run = self._session().run
        run.leave(running)
        if error is not None:
            run.fail(running, error)
        elif running.settled.status.is_over:
            run.show(running, outputs)


def _with_commit(body: list[ast.stmt]) -> list[ast.stmt]:
    last = body[-1]
    if isinstance(last, ast.Expr):
        wrapped = ast.copy_location(_call("commit", last.value), last)
        return [*body[:-1], wrapped]
    return [*body, ast.copy_location(_call("commit"), last)]


def _call(method: str, *arguments: ast.expr) -> ast.Expr:
    hook = ast.Attribute(ast.Name(HOOK, ast.Load()), method, ast.Load())
    return ast.Expr(ast.Call(hook, list(arguments), []))


def definitions_in(text: str) -> str:
    """Give a step's body with everything blanked but its imports, functions and classes."""
    tree = ast.parse(text)
    kept: set[int] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
            kept.update(range(first, (node.end_lineno or node.lineno) + 1))
    lines = text.splitlines()
    return "\n".join(line if n in kept else "" for n, line in enumerate(lines, 1))
