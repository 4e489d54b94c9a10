"""What one kernel session knows: its plain cells, its steps in their order, and its parameters.

How a step is planned, reused or run is `notebook.executing`; who made which value is
`notebook.ledger`. The shell is only looked at through its namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from nbpipe.define.cells import CellStep, with_step
from nbpipe.define.grammar import ParamsLine
from nbpipe.define.params import parameters_from_text
from nbpipe.define.pipeline import CellPipeline
from nbpipe.errors import DefinitionError, meant
from nbpipe.execute.prepared import Prepared
from nbpipe.notebook.chance import SessionChance
from nbpipe.notebook.ledger import Ledger
from nbpipe.records.models import ModelConfig
from nbpipe.records.parameters import Parameters, parameters_of
from nbpipe.records.tags import Tag
from nbpipe.services.interactive import InteractiveRun
from nbpipe.services.workspace import Workspace
from nbpipe.source.capture import GOING_ON
from nbpipe.source.corpus import Corpus
from nbpipe.source.pieces import Unit, read_unit


class Session:
    """The state of one kernel.

    Args:
        namespace: The notebook's names and values.
        workspace: Where steps are recorded.
        name: The notebook's name, and so its pipeline's.
        so_far: Gives what has been executed of the plain cell that is running, and the names that are being bound.

    Attributes:
        namespace: As given.
        workspace: As given.
        name: As given, or as `%%params --name` says.
        steps: The computing cells, in the order of their first definition.
        ledger: Who made which value.
        tags: The tags of its pipeline's runs.
        model: The model that they work on, if any.
        parameters: What the notebook's pipeline takes.
        executed: How many plain cells were executed.
        defining: The classes that the running step's own body defines, each with the text that it is known by.
    """

    def __init__(
        self,
        namespace: MutableMapping[str, Any],
        workspace: Workspace,
        name: str,
        so_far: Callable[[], tuple[str, tuple[str, ...]]] = lambda: ("", ()),
    ) -> None:
        self.namespace = namespace
        self.workspace = workspace
        self.name = name
        self.steps: dict[str, CellStep] = {}
        self.ledger = Ledger()
        self.tags: tuple[Tag, ...] = ()
        self.model: ModelConfig | None = None
        self.parameters = parameters_of(name, {})
        self._parameters_text = ""
        self._given: dict[str, Any] = {}
        self.executed = 0
        self.defining: Mapping[str, str] = {}
        self._units: dict[str, tuple[int, Unit]] = {}
        self._so_far = so_far
        self._corpus: Corpus | None = None
        self._corpus_with: tuple[tuple[str, tuple[str, ...]], Corpus] | None = None
        self._chance: SessionChance | None = None
        self._run: InteractiveRun | None = None

    # The notebook as others see it -----------------------------------------------------------

    def units(self) -> Sequence[Unit]:
        """Give the executed cells, oldest first."""
        return [unit for _, unit in self._units.values()]

    def units_since(self, executed: int) -> Sequence[Unit]:
        """Give the cells that were executed after the first `executed`, the newest first."""
        return [unit for number, unit in reversed(self._units.values()) if number > executed]

    def corpus(self) -> Corpus:
        """Give the executed cells, indexed; what has been executed of the one that is running is the last."""
        if self._corpus is None:
            self._corpus, self._corpus_with = Corpus(self.units()), None
        text, live = so_far = self._so_far()
        if not (text.strip() or live):
            return self._corpus
        if self._corpus_with is None or self._corpus_with[0] != so_far:
            deleting = "".join(f"del {name}\n" for name in live)
            running = [read_unit("this cell", text), read_unit(GOING_ON, deleting)]
            self._corpus_with = so_far, Corpus([*self.units(), *running])
        return self._corpus_with[1]

    def value_of(self, name: str) -> object:
        """Give the live value of a name.

        Raises:
            KeyError: There is none.
        """
        return self.namespace[name]

    def add_cell(self, key: str, name: str, text: str) -> None:
        """Take in a cell that was executed; the same cell executed again moves to the end."""
        self._units.pop(key, None)
        self.executed += 1
        self._units[key] = self.executed, read_unit(name, text)
        self._corpus = None

    def pipeline(self) -> CellPipeline:
        """Give the notebook's own pipeline: its computing cells in their order."""
        return CellPipeline(
            name=self.name,
            parameters=self.parameters,
            tags=self.tags,
            model=self.model,
            cells=list(self.steps.values()),
            parameters_text=self._parameters_text,
        )

    # The run ---------------------------------------------------------------------------------

    @property
    def run(self) -> InteractiveRun:
        """The session's interactive run."""
        if self._run is None:
            self._run = InteractiveRun(self.workspace, self.name, self.model.name if self.model else "")
        return self._run

    @property
    def chance(self) -> SessionChance:
        """Where the cells' random numbers come from."""
        if self._chance is None:
            is_seeded = any("seed" in unit.text for unit in self.units())
            self._chance = SessionChance(is_seeded=is_seeded)
        return self._chance

    def declare(self, line: ParamsLine) -> None:
        """Take what `%%params` says of the notebook's own pipeline; what was recorded keeps the former name."""
        named = line.name or self.name
        if (named, line.tags, line.model) != (self.name, self.tags, self.model):
            self.end()
        self.name, self.tags, self.model = named, line.tags, line.model
        self.parameters = Parameters(named, self.parameters.model)

    def end(self) -> None:
        """End the session's run."""
        if self._run is not None:
            self._run.end()
            self._run = None

    # Parameters ------------------------------------------------------------------------------

    def define_parameters(self, text: str, line: ParamsLine) -> None:
        """Take the body of `%%params` and bind the values; what is refused leaves the former.

        Args:
            text: The body.
            line: What the first line says.

        Raises:
            DefinitionError: It cannot be read.
            ParameterError: A default does not fit its own type.
        """
        parameters = parameters_from_text(line.name or self.name, text, self.namespace)
        values = parameters.check({}, partial=True)
        self.declare(line)
        self.parameters, self._parameters_text, self._given = parameters, text, {}
        self.ledger.doubt(parameters.names)
        self.namespace.update(values)

    def parameter_values(self) -> dict[str, Any]:
        """Give the parameters' values: what the notebook has bound to their names, else their defaults.

        A plain assignment after `%%params` wins: that is how papermill hands values in. A value that
        a step gave to a parameter's name is the step's, and not meant.

        Raises:
            ParameterError: A value does not fit.
        """
        for name in self.parameters.names:
            if name in self.namespace and self.ledger.owner(name) is None:
                self._given[name] = self.namespace[name]
        return self.parameters.check(self._given, partial=True)

    def overridden(self) -> dict[str, Any]:
        """Give those values of parameters that are not the defaults.

        Raises:
            ParameterError: A value does not fit.
        """
        defaults = self.parameters.check({}, partial=True)
        values = self.parameter_values()
        content = self.run.content
        return {
            name: value
            for name, value in values.items()
            if name not in defaults or content(value) != content(defaults[name])
        }

    # Steps -----------------------------------------------------------------------------------

    def define(self, cell: CellStep, *, former: str = "") -> Prepared:
        """Take a step in, or update it in place, and read what it is made of; what is refused changes nothing.

        Args:
            cell: The step.
            former: The name that the same cell had before, whose place it takes.

        Raises:
            DefinitionError: It does not compile, or its first line names what nothing provides.
            UncapturedNameError: It reads a live value.
        """
        known = self.steps.get(cell.name)
        if known is not None and known.changed and known.identity == cell.identity:
            cell = replace(cell, changed=known.changed)
        cell = replace(cell, as_text=self._defined_since(cell))
        ordered = with_step(self.steps, cell, former)
        # What it was seen to change is an output, but no part of what the execution is known by.
        prepared = Prepared.of(self._placed(replace(cell, changed=frozenset()), ordered))
        self.steps = ordered
        if former != cell.name:
            self.ledger.forget(former)
            self.chance.forget(former)
        return prepared

    def _defined_since(self, cell: CellStep) -> frozenset[str]:
        """Name what earlier steps gave and a plain cell has defined since: `with open(…) as f`, then `def f()`."""
        found = set()
        for name in cell.names.reads:
            producer = self.producer_of(name, cell.name)
            done = self.ledger.done(producer) if producer is not None else None
            if done is not None and self.corpus().is_defined_in(name, self.units_since(done.executed)):
                found.add(name)
        return frozenset(found)

    def forget(self, step: str) -> None:
        """Drop a step whose cell is a step no longer."""
        self.steps = {name: cell for name, cell in self.steps.items() if name != step}
        self.ledger.forget(step)
        self.chance.forget(step)

    def earlier(self, step: str) -> list[str]:
        """Name the steps before `step`, in their order."""
        return list(takewhile(lambda name: name != step, self.steps))

    def producer_of(self, name: str, step: str) -> str | None:
        """Name the step that gives a name its value for `step`: the last one before it; else it is a parameter."""
        found = None
        for other in self.earlier(step):
            if name in self.steps[other].outputs:
                found = other
        return found

    def note_changed(self, step: str, names: frozenset[str]) -> None:
        """Take note of the inputs that a step was seen to change in place."""
        cell = self.steps[step]
        if not names <= cell.changed:
            self.steps[step] = replace(cell, changed=cell.changed | names)

    def _placed(self, cell: CellStep, ordered: Mapping[str, CellStep]) -> CellStep:
        available: dict[str, Any] = dict.fromkeys(self.parameters.names)
        earlier = []
        for name, other in ordered.items():
            if name == cell.name:
                break
            earlier.append(name)
            available |= dict.fromkeys(other.outputs)
        for wanted in cell.options.after:
            if wanted not in earlier:
                raise DefinitionError(
                    f"Step {cell.name!r} comes --after {wanted!r}, which is no step before it.{meant(wanted, earlier)}"
                )
        return cell.placed(available, self.parameters)
