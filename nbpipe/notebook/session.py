"""What one kernel session knows: its plain cells, its steps in their order, and who made which value.

The rules of 3.1 live here: a step's inputs are what earlier steps and parameters provide, each
bound to the version its producer made; what a plain cell changed since is refused; a constant
that a step rebinds is bound anew before it runs. The shell is only looked at through its
namespace.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbpipe.define.cells import CellStep
from nbpipe.define.params import parameters_from_text
from nbpipe.define.pipeline import CellPipeline
from nbpipe.errors import ArtifactError, DefinitionError, NotStorableError, StaleInputError
from nbpipe.execute.prepared import Inputs, Prepared
from nbpipe.records.artifacts import ArtifactVersion, NotCarried
from nbpipe.records.models import ModelConfig
from nbpipe.records.parameters import Parameters, parameters_of
from nbpipe.records.tags import Tag
from nbpipe.services.interactive import Execution, InteractiveRun
from nbpipe.services.workspace import Workspace
from nbpipe.source.corpus import Corpus
from nbpipe.source.names import names_of
from nbpipe.source.pieces import Unit, read_unit


@dataclass(slots=True)
class Owner:
    """Who last gave a name its value.

    Attributes:
        step: The step.
        artifact: The version that it made.
        token: What tells its content from another: a digest, or the key of the execution.
    """

    step: str
    artifact: ArtifactVersion
    token: str


@dataclass(slots=True)
class Done:
    """What a step's latest execution in this session gave.

    Attributes:
        artifacts: The versions, by name.
        not_carried: The names that could not be stored.
        tokens: What identifies each version's content.
    """

    artifacts: Mapping[str, ArtifactVersion]
    not_carried: Mapping[str, NotCarried]
    tokens: Mapping[str, str]


class Session:
    """The state of one kernel.

    Args:
        namespace: The notebook's names and values.
        workspace: Where steps are recorded.
        name: The notebook's name, and so its pipeline's.
    """

    def __init__(self, namespace: MutableMapping[str, Any], workspace: Workspace, name: str) -> None:
        self.namespace = namespace
        self.workspace = workspace
        self.name = name
        self.steps: dict[str, CellStep] = {}
        self.parameters = parameters_of(name, {})
        self.parameters_text = ""
        self.tags: tuple[Tag, ...] = ()
        self.model: ModelConfig | None = None
        self._units: dict[str, Unit] = {}
        self._corpus: Corpus | None = None
        self._owners: dict[str, Owner] = {}
        self._done: dict[str, Done] = {}
        self._run: InteractiveRun | None = None
        self._began_s = 0.0

    # The notebook as others see it -----------------------------------------------------------

    def units(self) -> Sequence[Unit]:
        """Give the executed cells, oldest first."""
        return list(self._units.values())

    def corpus(self) -> Corpus:
        """Give the executed cells, indexed."""
        if self._corpus is None:
            self._corpus = Corpus(self.units())
        return self._corpus

    def value_of(self, name: str) -> object:
        """Give the live value of a name.

        Raises:
            KeyError: There is none.
        """
        return self.namespace[name]

    def add_cell(self, key: str, name: str, text: str) -> None:
        """Take in a cell that was executed; the same cell executed again moves to the end."""
        self._units.pop(key, None)
        self._units[key] = read_unit(name, text)
        self._corpus = None

    @property
    def run(self) -> InteractiveRun:
        """The session's interactive run."""
        if self._run is None:
            self._run = InteractiveRun(self.workspace, self.name, self.model.name if self.model else "")
        return self._run

    def declare(self, name: str, tags: tuple[Tag, ...], model: ModelConfig | None) -> None:
        """Say what the notebook's own pipeline is called, and the tags and the model of its runs.

        What was recorded under a former name keeps it.
        """
        self.tags, self.model = tags, model
        if name not in ("", self.name):
            self.name = name
            self.parameters = Parameters(name, self.parameters.model)
        self.end()

    def end(self) -> None:
        """End the session's run."""
        if self._run is not None:
            self._run.end()
            self._run = None

    def pipeline(self) -> CellPipeline:
        """Give the notebook's own pipeline: its computing cells in their order."""
        return CellPipeline(
            name=self.name,
            parameters=self.parameters,
            tags=self.tags,
            model=self.model,
            cells=list(self.steps.values()),
            parameters_text=self.parameters_text,
        )

    def define_parameters(self, text: str) -> dict[str, Any]:
        """Take the body of `%%params`; answer with the values to bind.

        Raises:
            DefinitionError: It cannot be read.
            ParameterError: A default does not fit its own type.
        """
        parameters = parameters_from_text(self.name, text, self.namespace)
        self.parameters, self.parameters_text = parameters, text
        return parameters.check({}, partial=True)

    # One step --------------------------------------------------------------------------------

    def define(self, cell: CellStep) -> CellStep:
        """Take a step in, or update it in place; one that cannot be placed changes nothing.

        Raises:
            DefinitionError: It does not compile, or its first line names what nothing provides.
            UncapturedNameError: It reads a live value.
        """
        former = self.steps.get(cell.name)
        if former is not None and former.identity == cell.identity:
            cell = replace(cell, changed=former.changed)
        ordered = {**self.steps, cell.name: cell}
        placed = self._placed(cell, ordered)
        self.steps = ordered
        return placed

    def _placed(self, cell: CellStep, ordered: Mapping[str, CellStep]) -> CellStep:
        available: dict[str, Any] = dict.fromkeys(self.parameters.names)
        for name, other in ordered.items():
            if name == cell.name:
                break
            available |= dict.fromkeys(other.outputs)
        for other in cell.options.after:
            if other not in ordered:
                raise DefinitionError(f"Step {cell.name!r} comes --after {other!r}, which is no step of this notebook.")
        return cell.placed(available, self.parameters)

    def plan(self, placed: CellStep) -> Execution:
        """Say whether a step runs or is reused, with its inputs bound to what their producers made.

        Raises:
            UncapturedNameError: It reads a live value.
            StaleInputError: A plain cell changed one of its inputs.
            DefinitionError: An input's producer has not run in this session.
        """
        prepared = Prepared.of(placed)
        artifacts: dict[str, ArtifactVersion] = {}
        digests: dict[str, str] = {}
        values: dict[str, Any] = {}
        for name in placed.provided:
            producer = self._producer_of(name, placed)
            if producer is None:
                values[name] = self._parameter(name)
                continue
            done = self._done.get(producer)
            if done is None:
                raise DefinitionError(f"Step {placed.name!r} reads {name!r} from {producer!r}, which has not run yet; run that cell first.")
            if name not in done.artifacts:
                lost = done.not_carried.get(name)
                if lost is not None:
                    raise NotStorableError(name, lost.type_name, f"{lost.why}; {placed.name} reads it")
                raise DefinitionError(f"Step {placed.name!r} reads {name!r}, which {producer!r} ended without binding.")
            self._refuse_if_stale(name, placed.name, producer)
            artifacts[name], digests[name] = done.artifacts[name], done.tokens[name]
        return self.run.plan(prepared, Inputs(artifacts, values, digests), placed.name)

    def _producer_of(self, name: str, placed: CellStep) -> str | None:
        found = None
        for other in self.steps.values():
            if other.name == placed.name:
                break
            if name in other.outputs:
                found = other.name
        return found

    def _parameter(self, name: str) -> Any:
        # A later plain assignment wins: that is how papermill hands values in.
        values = {name: self.namespace[name]} if name in self.namespace else {}
        return self.parameters.check(values, partial=True)[name]

    def _refuse_if_stale(self, name: str, step: str, producer: str) -> None:
        owner = self._owners.get(name)
        if owner is None or name not in self.namespace:
            return
        digest = self.run.content(self.namespace[name])
        if digest and owner.artifact.digest and digest != owner.artifact.digest:
            raise StaleInputError(step, name, owner.step, self._who_changed(name))

    def _who_changed(self, name: str) -> str:
        for unit in reversed(self.units()):
            if unit.name.startswith("step "):
                continue
            names = names_of(unit.tree)
            if name in names.binds or name in names.touches or name in names.deletes:
                return unit.name
        return "something outside the notebook's cells"

    # Reusing and running ---------------------------------------------------------------------

    def restore(self, execution: Execution, placed: CellStep) -> bool:
        """Bind the outputs of an execution that is reused; false if they cannot be had: then it runs."""
        if execution.record is None or self._misses_a_live_name(execution, placed):
            return False
        outputs = {output["output"]: ArtifactVersion.from_record(output) for output in execution.record["outputs"]}
        try:
            values = self.run.load(outputs)
        except ArtifactError:
            return False
        if not self._restore_definitions(placed):
            return False
        self.namespace.update(values)
        self._settle(execution, placed, self.run.reuse(execution).artifacts)
        return True

    def _misses_a_live_name(self, execution: Execution, placed: CellStep) -> bool:
        """Tell whether some cell reads a name that was not carried and would be missing."""
        record = execution.record or {}
        missing = {lost["name"] for lost in record["not_carried"] if lost["name"] not in self.namespace}
        readers = (names_of(unit.tree).reads for unit in self.units())
        others = (step.names.reads for step in self.steps.values() if step.name != placed.name)
        return bool(missing) and any(missing & reads.keys() for reads in (*readers, *others))

    def _restore_definitions(self, placed: CellStep) -> bool:
        """Execute what the cell only defines: imports, functions and classes are text, not outputs."""
        definitions = [
            statement
            for statement in placed.tree.body
            if set(names_of([statement]).binds) and set(names_of([statement]).binds) <= placed.defines
        ]
        if not definitions:
            return True
        try:
            exec(compile(ast.Module(definitions, []), f"<{placed.name}>", "exec", dont_inherit=True), self.namespace)  # type: ignore[arg-type]  # noqa: S102
        except Exception:  # noqa: BLE001 — whatever stands in the way, running the cell will show it natively
            return False
        return True

    def bind_inputs(self, execution: Execution, placed: CellStep) -> None:
        """Bind each input to the version its producer made, where the name holds something else by now.

        Raises:
            ArtifactError: A version is gone; its step has to run again.
        """
        stale = {}
        for name, artifact in execution.inputs.artifacts.items():
            owner = self._owners.get(name)
            if owner is None or owner.artifact.id != artifact.id or name not in self.namespace:
                stale[name] = artifact
        if stale:
            self.namespace.update(self.run.load(stale))
        self.namespace.update({name: value for name, value in execution.inputs.values.items() if name not in stale})
        self._bind_constants(execution, placed)

    def _bind_constants(self, execution: Execution, placed: CellStep) -> None:
        """Bind anew what the step reads as a constant of a plain cell and a step has rebound since."""
        for piece in execution.prepared.source.pieces:
            if any(name in self._owners or name in placed.names.binds for name in piece.binds):
                exec(compile(piece.text, f"<{piece.origin}>", "exec", dont_inherit=True), self.namespace)  # type: ignore[arg-type]  # noqa: S102

    def begin(self, execution: Execution) -> None:
        """Say that the cell's body is about to run."""
        self.run.begin(execution)
        self._began_s = time.perf_counter()

    def commit(self, execution: Execution, placed: CellStep) -> None:
        """Keep what the body bound, and which of its inputs it changed in place.

        Raises:
            NotRecordedError: It could not be written.
        """
        duration_s = time.perf_counter() - self._began_s
        values = {name: self.namespace[name] for name in placed.outputs if name in self.namespace}
        changed = self._changed_inputs(execution, placed, values)
        settled = self.run.commit(execution, {**values, **changed}, duration_s)
        if changed:
            self.steps[placed.name] = replace(self.steps[placed.name], changed=frozenset(changed) | placed.changed)
        self._settle(execution, placed, settled.artifacts)

    def _changed_inputs(
        self, execution: Execution, placed: CellStep, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        changed = {}
        for name, artifact in execution.inputs.artifacts.items():
            if name in values or name not in placed.touches or name not in self.namespace:
                continue
            digest = self.run.content(self.namespace[name])
            if digest and digest != artifact.digest:
                changed[name] = self.namespace[name]
        return changed

    def _settle(self, execution: Execution, placed: CellStep, artifacts: Mapping[str, ArtifactVersion]) -> None:
        tokens = {name: artifact.digest or f"{execution.keys.key}/{name}" for name, artifact in artifacts.items()}
        self._done[placed.name] = Done(artifacts, execution.settled.not_carried, tokens)
        for name, artifact in artifacts.items():
            self._owners[name] = Owner(placed.name, artifact, tokens[name])
        changed = frozenset(artifacts) - frozenset(placed.outputs)
        if changed:
            self.steps[placed.name] = replace(self.steps[placed.name], changed=changed | placed.changed)
