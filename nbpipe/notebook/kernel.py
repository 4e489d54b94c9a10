"""One kernel with nbpipe in it: the cells that pass through, and what is said to each magic.

This is the room's middle: it holds the session, is told by the shell of every cell, and lets each
marked cell become what its magic means.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
from collections.abc import Callable
from types import CodeType
from typing import Any

from IPython.display import display

from nbpipe.base.workspace import find_workspace
from nbpipe.commands.calling import Runnable
from nbpipe.define import grammar
from nbpipe.define.cells import CellStep
from nbpipe.define.first_line import as_marked, asks_for_help, magic_on
from nbpipe.errors import DefinitionError
from nbpipe.handles import Pipeline
from nbpipe.notebook.answering import answered, awaited
from nbpipe.notebook.cells import CellTransformer, StepCell, StepCells, call
from nbpipe.notebook.defining import callable_cells, define_pipeline, offer_cells
from nbpipe.notebook.display import RecordFormatters, show_reused
from nbpipe.notebook.first_line import await_commands
from nbpipe.notebook.frontend import cell_underway, is_watched, notebook_name, takes_widgets
from nbpipe.notebook.hearing import Hearing
from nbpipe.notebook.live import LiveRun
from nbpipe.notebook.session import Session
from nbpipe.notebook.stepcard import step_bundle
from nbpipe.notebook.surroundings import OwnPipeline, cells_before
from nbpipe.notebook.underway import Underway
from nbpipe.notebook.usage import USAGE
from nbpipe.notebook.viewing import ViewFormatters, show_bundle, show_live
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.services.client import Client
from nbpipe.services.watching import StartedRun, watch_runs
from nbpipe.services.workspace import open_workspace
from nbpipe.source.magics import strip_magics
from nbpipe.source.pieces import definitions_in
from nbpipe.source.syntax import syntax_tree
from nbpipe.widgets.pipeline_view import PipelineView
from nbpipe.widgets.running import is_beside


class Kernel:
    """nbpipe in one shell.

    Args:
        shell: The shell.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._session: Session | None = None
        self._cell_id = cell_underway(shell)
        self._text = ""
        self._count = 0
        self._is_in_cell = False
        self._underway = Underway(shell.user_ns)
        self._pictures: dict[str, LiveRun] = {}
        self._hearing = Hearing()
        self._pending: Callable[[], Any] = _nothing
        self._step_cells = StepCells(shell, lambda: self.session, self._tell_reused, lambda: self.is_watched)
        self.transformer = CellTransformer(self._decide)
        self.formatters = RecordFormatters(shell, lambda: self.is_watched, self._pictures.__contains__)
        self.views = ViewFormatters(shell, lambda: self.takes_widgets)
        self._own = OwnPipeline(lambda: self.session, self.own)
        self._unwatch = watch_runs(self._watch)

    @property
    def session(self) -> Session:
        """What this kernel knows; begun when it is first asked for."""
        if self._session is None:
            namespace = self.shell.user_ns
            name = notebook_name(namespace)
            self._session = Session(namespace, open_workspace(find_workspace()), name, self._underway.so_far)
        return self._session

    @property
    def is_watched(self) -> bool:
        """Whether a front end shows what the present cell gives."""
        return is_watched(self._cell_id)

    @property
    def takes_widgets(self) -> bool:
        """Whether what the present cell gives may be a widget where a picture would do."""
        return takes_widgets(self._cell_id, self.shell.user_ns)

    def close(self) -> None:
        """Let go of the shell."""
        self._unwatch()
        if self._session is not None:
            self._session.end()

    # What the notebook offers to commands ----------------------------------------------------

    def pipelines(self) -> dict[str, Runnable]:
        """Give the pipelines that the notebook defines, by name; its own goes by the notebook's."""
        own: dict[str, Runnable] = {self.session.name: self._own} if self.session.steps else {}
        return own | self._defined()

    def _defined(self) -> dict[str, Runnable]:
        return {value.name: value for value in list(self.shell.user_ns.values()) if isinstance(value, Pipeline)}

    def own(self) -> Runnable | None:
        """Give the notebook's own pipeline: its computing cells, else the one that was defined last.

        Raises:
            ParameterError: A plain cell gave a parameter a value that does not fit.
        """
        if self.session.steps:
            given = PipelineRunConfiguration(parameters=self.session.overridden())
            return Pipeline(self.session.pipeline(), given)
        defined = list(self._defined().values())
        return defined[-1] if defined else None

    def names(self) -> dict[str, Any]:
        """Give the notebook's names and values."""
        found: dict[str, Any] = self.shell.user_ns
        return found

    def cells(self) -> dict[str, CellStep]:
        """Give the computing cells that a pipeline's body can call, by name.

        Raises:
            DefinitionError: One of them cannot be read any more.
        """
        return callable_cells(self.session)

    # Told by the shell -----------------------------------------------------------------------

    def before_cell(self, info: Any) -> None:
        """A cell is about to run."""
        self._cell_id = getattr(info, "cell_id", None)
        self._text = as_marked(info.raw_cell)
        self._underway.begin("" if magic_on(self._text.partition("\n")[0])[0] else self._text)
        self._pictures.clear()
        self._hearing = Hearing()
        self._is_in_cell = True

    def after_cell(self, result: Any) -> None:
        """A cell is over."""
        self._is_in_cell = False
        self._underway.end()
        for live in self._pictures.values():
            live.leave_cell()
        error = result.error_in_exec or result.error_before_exec
        self._step_cells.finished(error)
        self._count = (result.execution_count if result.info.store_history else None) or self._count + 1
        self._take_in(as_marked(result.info.raw_cell), is_whole=error is None)

    def take_in_history(self) -> None:
        """Take in the cells that were executed before nbpipe was loaded."""
        for name, text in cells_before(self.shell):
            self.session.add_cell(_digest(text), name, text)

    def _take_in(self, text: str, *, is_whole: bool) -> None:
        magic, _ = magic_on(text.partition("\n")[0])
        if magic in ("params", "pipeline", "catalog") or (magic and not is_whole):
            return
        if magic == "step":
            body, _ = strip_magics("\n" + text.partition("\n")[2])
            corpus = self.session.corpus()
            text = body if corpus.merely_defines(syntax_tree(body)) else definitions_in(body, corpus.imported)
            offer_cells(self.session, only_known=True)
        elif self._cell_id:
            self._step_cells.forget(self._cell_id)
        if text.strip():
            self.session.add_cell(f"{self._cell_id or ''}{_digest(text)}", f"cell [{self._count}]", text)

    # What each magic means -------------------------------------------------------------------

    def _decide(self, magic: str, arguments: str, sql: str, tree: ast.Module) -> list[ast.stmt]:
        body = self._text.partition("\n")[2]
        try:
            if asks_for_help(arguments):
                return self._later(lambda: print(USAGE[magic]))
            match magic:
                case "step":
                    return self._step(grammar.parse_step(arguments), tree, body)
                case "params":
                    return self._params(grammar.parse_params(arguments), body)
                case "pipeline":
                    return self._pipeline(grammar.parse_pipeline(arguments), body)
                case _:
                    return self._catalog(grammar.parse_catalog(arguments), sql)
        except Exception as error:  # noqa: BLE001 — what left a transformer would unregister it; the cell raises it
            return self._later(_raiser(error))

    def _later(self, action: Callable[[], Any]) -> list[ast.stmt]:
        """Let the cell do something when it runs."""
        self._pending = action
        return [call("perform")]

    def _step(self, line: grammar.StepLine, tree: ast.Module, body: str) -> list[ast.stmt]:
        if line.wants_help:
            return self._later(lambda: print(USAGE["step"]))
        if not body.strip():
            return self._later(lambda: show_bundle(step_bundle(line.name, self.session)))
        # A parameter that a plain cell gave a wrong value is told at every step, as at every run.
        self.session.parameter_values()
        first = self._text.partition("\n")[0]
        return self._step_cells.statements(StepCell(line, first, "\n" + body, tree, self._cell_id or self._text))

    def _params(self, line: grammar.ParamsLine, body: str) -> list[ast.stmt]:
        if line.wants_help:
            return self._later(lambda: print(USAGE["params"]))

        def define() -> None:
            from nbpipe.notebook.form import own_form

            self.session.define_parameters("\n" + body, line)
            display(own_form(self._own, static=not self.is_watched))  # type: ignore[no-untyped-call]

        return self._later(define)

    def _pipeline(self, line: grammar.PipelineLine, body: str) -> list[ast.stmt]:
        if line.wants_help:
            return self._later(lambda: print(USAGE["pipeline"]))

        def define() -> None:
            bundle = define_pipeline(line, body, self.session)
            if self.takes_widgets:
                show_live(PipelineView(self.session.namespace[line.name]))
            else:
                show_bundle(bundle)

        return self._later(define)

    def _catalog(self, name: str, sql: str) -> list[ast.stmt]:
        def ask() -> Any:
            frame = Client().query(sql)
            if name:
                self.shell.user_ns[name] = frame
            return frame

        return self._later(ask)

    def run_marked(self, magic: str, arguments: str, body: str) -> None:
        """Do what a magic does from `run_cell_magic`: no `await`, and no display of a last expression.

        Raises:
            DefinitionError: The body awaits something.
        """
        __tracebackhide__ = True
        self._text = f"%%{magic} {arguments}\n{body}"
        tree = syntax_tree("\n" + body) if magic != "catalog" else ast.Module([], [])
        place = self.shell.compile.cache("\n" + body, self._count)
        error: BaseException | None = None
        try:
            module = ast.fix_missing_locations(ast.Module(self._decide(magic, arguments, body, tree), []))
            exec(_compiled(module, place, magic), self.shell.user_ns)  # noqa: S102 — the user's own cell
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._step_cells.finished(error)
            self._take_in(self._text, is_whole=error is None)

    def answer(self, line: str) -> Any:
        """Answer a line as it stands behind `%nbpipe`; see `answered`."""
        return answered(line, self, is_watched=self.is_watched, takes_widgets=self.takes_widgets)

    def await_commands(self, lines: list[str]) -> list[str]:
        """Have a cell of `%nbpipe` lines await them, where cells can: see `first_line.await_commands`."""
        return await_commands(lines) if self._can_await() else lines

    def _can_await(self) -> bool:
        # What a cell's magic runs (`%%capture`) cannot await, and neither can a shell outside an event loop.
        if self._is_in_cell or not self.shell.autoawait:
            return False
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True

    # Called by cells -------------------------------------------------------------------------

    def perform(self) -> Any:
        """Do what the cell's magic means."""
        __tracebackhide__ = True
        action, self._pending = self._pending, _nothing
        return action()

    async def awaited(self, line: str) -> Any:
        """Answer a line as it stands behind `%nbpipe`, and await the run that it begins; see `awaited`."""
        __tracebackhide__ = True
        return await awaited(line, self, is_watched=self.is_watched, takes_widgets=self.takes_widgets)

    def begin(self) -> None:
        """See `StepCells.begin`."""
        self._step_cells.begin()

    def commit(self, value: Any = None) -> Any:
        """See `StepCells.commit`."""
        return self._step_cells.commit(value)

    def replay(self) -> Any:
        """See `StepCells.replay`."""
        return self._step_cells.replay()

    def define(self) -> None:
        """See `StepCells.define`."""
        self._step_cells.define()

    # Showing ---------------------------------------------------------------------------------

    def _tell_reused(self, name: str) -> None:
        if self.is_watched:
            show_reused(name)

    def _watch(self, started: StartedRun) -> Any:
        # A form's run belongs to no cell: what it displayed would land nowhere.
        if not self.is_watched or not self._is_in_cell or is_beside():
            return None
        parent = self._pictures.get(started.parent[0])
        if parent is not None:
            # A run that a step asked for stands in that step's graph.
            return parent.child(started)
        live = LiveRun(started, takes_widgets=self.takes_widgets, is_deaf=self._hearing.is_deaf)
        self._pictures[started.facts.id] = live
        return live


def _nothing() -> None:
    """Do nothing: the cell has no magic's work to do."""


def _raiser(error: Exception) -> Callable[[], Any]:
    def refuse() -> None:
        __tracebackhide__ = True
        raise error

    return refuse


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _compiled(module: ast.Module, place: str, magic: str) -> CodeType:
    try:
        return compile(module, place, "exec")
    except SyntaxError as error:
        if "await" not in str(error):
            raise
        raise DefinitionError(f"%%{magic}: await works in a cell of a notebook, not through run_cell_magic.") from None
