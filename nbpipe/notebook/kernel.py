"""One kernel with nbpipe in it: the cells that pass through, and what each magic does.

This is the room's middle: it holds the session, is told by the shell of every cell, and decides
what a marked cell becomes.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
from collections.abc import Mapping
from typing import Any

from nbpipe.base.workspace import find_workspace
from nbpipe.commands.answers import Answer
from nbpipe.commands.showing import pipeline_bundle
from nbpipe.define.cells import CellCall
from nbpipe.define.pipeline import FunctionPipeline
from nbpipe.define.step import Step
from nbpipe.define.texts import Notebook
from nbpipe.errors import BadValueError, DefinitionError, NbpipeError, nearest
from nbpipe.handles import Pipeline
from nbpipe.notebook import first_line
from nbpipe.notebook.cells import HOOK, CellTransformer, StepCells, definitions_in
from nbpipe.notebook.display import LiveRun, RecordFormatters
from nbpipe.notebook.frontend import is_watched, notebook_name
from nbpipe.notebook.session import Session
from nbpipe.services.client import Client
from nbpipe.services.starting import StartedRun, watch_runs
from nbpipe.services.workspace import open_workspace
from nbpipe.source.constants import is_defining
from nbpipe.source.corpus import Corpus
from nbpipe.source.magics import strip_magics
from nbpipe.views.frames import Bundle


class Kernel:
    """nbpipe in one shell.

    Args:
        shell: The shell.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self._session: Session | None = None
        self._cell_id: str | None = None
        self._text = ""
        self._count = 0
        self._refusal: Exception | None = None
        self._frame: Any = None
        self._step_cells = StepCells(shell, lambda: self.session, self._tell_reused)
        self.transformer = CellTransformer(self._decide)
        self.formatters = RecordFormatters(shell, lambda: self.is_watched)
        self._unwatch = watch_runs(self._watch)

    @property
    def session(self) -> Session:
        """What this kernel knows; begun when it is first asked for."""
        if self._session is None:
            namespace = self.shell.user_ns
            self._session = Session(namespace, open_workspace(find_workspace()), notebook_name(namespace))
        return self._session

    @property
    def is_watched(self) -> bool:
        """Whether a front end shows what the present cell gives."""
        return is_watched(self._cell_id)

    def close(self) -> None:
        """Let go of the shell."""
        self._unwatch()
        if self._session is not None:
            self._session.end()

    def pipelines(self) -> dict[str, Pipeline]:
        """Give the pipelines that the notebook defines, by name."""
        return {value.name: value for value in list(self.shell.user_ns.values()) if isinstance(value, Pipeline)}

    def own(self) -> Pipeline | None:
        """Give the notebook's own pipeline: its computing cells, else the one that was defined last."""
        if self.session.steps:
            return Pipeline(self.session.pipeline())
        defined = list(self.pipelines().values())
        return defined[-1] if defined else None

    def as_notebook(self) -> Notebook:
        """Give what definitions ask of a notebook."""
        return _LiveNotebook(self)

    # Told by the shell -----------------------------------------------------------------------

    def before_cell(self, info: Any) -> None:
        """A cell is about to run."""
        self._cell_id = getattr(info, "cell_id", None)
        self._text = info.raw_cell
        self._count = self.shell.execution_count if info.store_history else self._count + 1

    def after_cell(self, result: Any) -> None:
        """A cell is over."""
        error = result.error_in_exec or result.error_before_exec
        self._step_cells.finished(error)
        self._take_in(result.info.raw_cell, is_whole=error is None)

    def _take_in(self, text: str, *, is_whole: bool) -> None:
        magic, _, _ = text.partition("\n")[0].strip().partition(" ")
        name = f"cell [{self._count}]"
        key = f"{self._cell_id or ''}{hashlib.sha256(text.encode(errors='replace')).hexdigest()}"
        if magic in ("%%params", "%%pipeline", "%%catalog") or (magic == "%%step" and not is_whole):
            return
        if magic == "%%step":
            body, _ = strip_magics("\n" + text.partition("\n")[2])
            text = body if is_defining(ast.parse(body)) else definitions_in(body)
        if text.strip():
            self.session.add_cell(key, name, text)

    def _decide(self, magic: str, arguments: str, sql: str, tree: ast.Module) -> list[ast.stmt]:
        try:
            return self._statements(magic, arguments, sql, tree)
        except Exception as error:  # noqa: BLE001 — what leaves a transformer would unregister it without a word
            self._refusal = error
            return ast.parse(f"raise {HOOK}.refusal()").body

    def run_marked(self, magic: str, arguments: str, body: str) -> None:
        """Do what a magic does from `run_cell_magic`: no `await`, and no display of a last expression."""
        self._text = f"%%{magic} {arguments}\n{body}"
        tree = ast.parse("\n" + body) if magic != "catalog" else ast.Module([], [])
        statements = self._decide(magic, arguments, body, tree)
        module = ast.fix_missing_locations(ast.Module(statements, []))
        error: BaseException | None = None
        try:
            exec(compile(module, f"<%%{magic}>", "exec", dont_inherit=True), self.shell.user_ns)  # noqa: S102 — the user's own cell
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._step_cells.finished(error)
            self._take_in(self._text, is_whole=error is None)

    def _statements(self, magic: str, arguments: str, sql: str, tree: ast.Module) -> list[ast.stmt]:
        if arguments.split()[:1] in (["-h"], ["--help"]):
            print(first_line.HELP[magic])
            return []
        body = "\n" + self._text.partition("\n")[2]
        match magic:
            case "step":
                return self._step(first_line.parse_step(arguments), tree, body)
            case "params":
                self._params(first_line.parse_params(arguments), body)
            case "pipeline":
                self._pipeline(first_line.parse_pipeline(arguments), body)
            case "catalog":
                return self._catalog(arguments, sql)
        return []

    # What each magic does --------------------------------------------------------------------

    def _step(self, line: first_line.StepLine, tree: ast.Module, body: str) -> list[ast.stmt]:
        if line.wants_help:
            print(first_line.HELP["step"])
            return []
        if not body.strip():
            self._show_card(line.name)
            return []
        self._session_follows_parameters()
        return self._step_cells.statements(line, tree, body, self._cell_id or self._text)

    def _session_follows_parameters(self) -> None:
        session = self.session
        given = {name: session.namespace[name] for name in session.parameters.names if name in session.namespace}
        session.parameters.check(given, partial=True)

    def _params(self, line: first_line.ParamsLine, body: str) -> None:
        values = self.session.define_parameters(body)
        self.session.declare(line.name, line.tags, first_line.parse_model(line.model))
        self.shell.user_ns.update(values)
        self._show_form()

    def _show_form(self) -> None:
        from nbpipe.widgets.opening import pipeline_form

        self._display(pipeline_form(Pipeline(self.session.pipeline()), static=not self.is_watched))

    def shown(self, answer: Answer) -> Any:
        """Give what a command's answer looks like here: a widget, or the answer itself."""
        if answer.widget is None:
            is_card = type(answer.record) in self.formatters.kinds and not answer.as_json
            return answer.record if is_card and not self.is_watched else answer
        from nbpipe.widgets.opening import widget_for

        return widget_for(answer, static=not self.is_watched)

    def _pipeline(self, line: first_line.PipelineLine, body: str) -> None:
        if line.wants_help:
            print(first_line.HELP["pipeline"])
            return
        try:
            text = first_line.function_text(line.name, line.signature, body.removeprefix("\n"))
            place = f"<nbpipe %%pipeline {line.name}>"
            code = compile(text, place, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise DefinitionError(f"%%pipeline {line.name} does not compile: {error.msg} (line {error.lineno}).") from None
        linecache.cache[place] = (len(text), None, text.splitlines(keepends=True), place)
        namespace = self.shell.user_ns
        former = namespace.get(line.name)
        self._offer_cells()
        try:
            exec(code, namespace)  # noqa: S102 — the user's own cell
            function = namespace[line.name]
            model = first_line.parse_model(line.model)
            definition = FunctionPipeline.of(function, text=text, tags=line.tags, model=model, cache=line.cache)
            handle = Pipeline(definition)
            bundle = pipeline_bundle(definition)
        except BaseException:
            # A body that cannot be wired leaves the former pipeline.
            namespace[line.name] = former
            if former is None:
                del namespace[line.name]
            raise
        namespace[line.name] = handle
        self.display_bundle(bundle)

    def _offer_cells(self) -> None:
        """Let a pipeline's body call the computing cells by name, where no variable has that name."""
        own = self.session.pipeline()
        placed = own.trace({}, partial=True).steps
        for name, step in placed.items():
            held = self.shell.user_ns.get(name)
            if name.isidentifier() and (held is None or isinstance(held, CellCall)):
                self.shell.user_ns[name] = CellCall(step)

    def _catalog(self, arguments: str, sql: str) -> list[ast.stmt]:
        name = arguments.strip()
        if name and not name.isidentifier():
            raise BadValueError(f"%%catalog: {name!r} is no name of a variable; write %%catalog df.")
        self._frame = Client().query(sql)
        if name:
            self.shell.user_ns[name] = self._frame
        return ast.parse(f"{HOOK}.frame()").body

    def _show_card(self, name: str) -> None:
        steps: Mapping[str, Any] = {
            **self.session.steps,
            **{step.name: step for step in self.shell.user_ns.values() if isinstance(step, Step)},
        }
        if name not in steps:
            near = nearest(name, steps)
            hint = f" Did you mean {near[0]!r}?" if near else " Write its body below the first line."
            raise BadValueError(f"%%step {name}: there is no step of that name yet.{hint}")
        step = steps[name]
        print(f"step {name}")
        print(step.text.strip())

    # Called by cells -------------------------------------------------------------------------

    def refusal(self) -> Exception:
        """Give the refusal that the cell raises."""
        assert self._refusal is not None, "only a refused cell asks"
        return self._refusal

    def frame(self) -> Any:
        """Give the table that the cell asked for."""
        return self._frame

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

    def display_bundle(self, bundle: Bundle) -> None:
        """Show a card."""
        from IPython.display import display

        display({"text/html": bundle.html, "text/plain": bundle.text}, raw=True)

    def _display(self, thing: Any) -> None:
        from IPython.display import display

        display(thing)

    def _tell_reused(self, name: str) -> None:
        if self.is_watched:
            from IPython.display import display

            said = f"↺ {name} reused: nothing it depends on changed"
            html = f'<span style="color:#8a8f98;font-size:12px">{said}</span>'
            display({"text/html": html, "text/plain": said}, raw=True)

    def _watch(self, started: StartedRun) -> Any:
        if not self.is_watched:
            return None
        from IPython.display import display

        return LiveRun(started, display)


class _LiveNotebook:
    """The notebook as definitions see it, whichever session is the present one."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def corpus(self) -> Corpus:
        """Give the executed cells, indexed."""
        return self._kernel.session.corpus()

    def value_of(self, name: str) -> object:
        """Give the live value of a name."""
        return self._kernel.session.value_of(name)
