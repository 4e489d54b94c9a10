"""One execution of a step's cell: planned, then restored from what is recorded, or run and kept.

The rules of 3.1 live here. Each input is bound to the version that its producer made, earlier in
the order of steps; what a plain cell changed since is refused; a constant that a step has rebound
is bound anew; what the body binds, and the inputs it changed in place, are kept.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from nbpipe.define.cells import CellStep
from nbpipe.errors import ArtifactError, DefinitionError, NotStorableError, StaleInputError
from nbpipe.execute.prepared import Inputs, Prepared
from nbpipe.execute.randomness import drawn_in
from nbpipe.execute.settled import artifacts_in
from nbpipe.notebook.session import Session
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.services.interactive import Execution
from nbpipe.source.load import own_classes
from nbpipe.source.names import binds_by_other_means, names_of
from nbpipe.source.settings import set_up_by, setting_in


class CellExecution:
    """A step's cell on its way; made by planning it.

    Args:
        session: The session.
        prepared: The step, read by `Session.define`.

    Attributes:
        execution: What is recorded of it.

    Raises:
        ParameterError: A parameter's value does not fit.
        StaleInputError: A plain cell changed one of its inputs.
        DefinitionError: An input's producer has not run in this session.
        NotStorableError: An input stayed in the kernel and cannot be handed on.
    """

    def __init__(self, session: Session, prepared: Prepared) -> None:
        assert isinstance(prepared.step, CellStep), "only cells are executed here"
        self._session = session
        self._step: CellStep = prepared.step
        random = session.chance.tokens_for(session.earlier(self._step.name))
        self.execution: Execution = session.run.plan(prepared, self._inputs(), self._step.name, random)
        self._set_aside: dict[str, Any] = {}
        self._before: dict[str, str] = {}
        self._began_s = 0.0
        self._known: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The step's name."""
        return self._step.name

    def _inputs(self) -> Inputs:
        session, step = self._session, self._step
        given = session.parameter_values()
        artifacts: dict[str, ArtifactVersion] = {}
        digests: dict[str, str] = {}
        values: dict[str, Any] = {}
        for name in step.provided:
            producer = session.producer_of(name, step.name)
            if producer is None:
                values[name] = given[name]
                continue
            artifacts[name], digests[name] = self._version_of(name, producer)
            for fellow in self._fellows_of(artifacts[name], producer):
                if fellow not in step.provided:
                    artifacts[fellow], digests[fellow] = self._version_of(fellow, producer)
        for name in artifacts:
            self._refuse_if_stale(name)
        return Inputs(artifacts, values, digests)

    def _fellows_of(self, artifact: ArtifactVersion, producer: str) -> list[str]:
        """Name what shares something with an input and still is what it was: to change one changes it, too."""
        done = self._session.ledger.done(producer)
        together = done.artifacts.items() if done is not None else ()
        return [
            name
            for name, other in together
            if other.is_bundled_with(artifact) and self._session.producer_of(name, self.name) == producer
        ]

    def _version_of(self, name: str, producer: str) -> tuple[ArtifactVersion, str]:
        done = self._session.ledger.done(producer)
        if done is None:
            raise DefinitionError(
                f"Step {self.name!r} reads {name!r} from {producer!r}, which has not run yet; run that cell first."
            )
        lost = done.not_carried.get(name)
        if lost is not None:
            raise NotStorableError(name, lost.type_name, f"{lost.why}; {self.name} reads it.")
        if name not in done.artifacts:
            raise DefinitionError(f"Step {self.name!r} reads {name!r}, which {producer!r} ended without binding.")
        return done.artifacts[name], done.tokens[name]

    def _refuse_if_stale(self, name: str) -> None:
        owner = self._session.ledger.owner(name)
        if owner is None or name not in self._session.namespace or not owner.artifact.digest:
            return
        if owner.step == self.name:
            # Its own former output is never what it reads: its producer's version is bound anyway.
            return
        digest = self._session.run.content(self._session.namespace[name])
        if digest and digest != owner.artifact.digest:
            raise StaleInputError(self.name, name, owner.step, self._who_changed(name, owner.executed))

    def _who_changed(self, name: str, executed: int) -> str:
        """Name the cell that changed a name: the last that certainly does, else the last that may."""
        seen = [(unit.name, names_of(unit.tree)) for unit in self._session.units_since(executed)]
        certain = (cell for cell, names in seen if name in {*names.binds, *names.changes, *names.deletes})
        possible = (cell for cell, names in seen if name in names.touches)
        return next(certain, None) or next(possible, "something outside the notebook's cells")

    # Reusing ---------------------------------------------------------------------------------

    def restore(self) -> bool:
        """Bind the outputs of an equal execution that is known; false if there is none to be had: then it runs."""
        execution = self.execution
        record = execution.record
        if record is None:
            return False
        why = self._restored(record)
        if why:
            execution.record, execution.why, execution.settled.why = None, why, why
            return False
        settled = self._session.run.reuse(execution)
        self._session.chance.reuse(self.name, drawn_in(record))
        self._settle(settled.artifacts)
        return True

    def _restored(self, record: Mapping[str, Any]) -> str:
        """Bind what is recorded; the answer is what stands against it, or `""`."""
        if self._misses_a_live_name(record):
            return "a value that it leaves in the kernel is read elsewhere"
        # Before the values, which may be instances of the classes; what reads the values itself, after them.
        later = self._defined_of(self._definitions())
        try:
            values = self._session.run.load(artifacts_in(record))
        except ArtifactError:
            return "a stored output is gone"
        self._session.namespace.update(values)
        if self._defined_of(later):
            return "what it defines cannot be defined without running it"
        for name in self._step.names.deletes:
            self._session.namespace.pop(name, None)
        return ""

    def _misses_a_live_name(self, record: Mapping[str, Any]) -> bool:
        missing = {lost["name"] for lost in record["not_carried"] if lost["name"] not in self._session.namespace}
        if not missing:
            return False
        cells = (names_of(unit.tree).reads for unit in self._session.units())
        steps = (step.names.reads for step in self._session.steps.values() if step.name != self.name)
        return any(missing & reads.keys() for reads in (*cells, *steps))

    def _definitions(self) -> list[ast.stmt]:
        """Give what the cell only defines or sets up: imports, functions and classes are text, not outputs."""
        definitions: list[ast.stmt] = []
        imported = self._session.corpus().imported | self._step.defines
        for statement in self._step.tree.body:
            binds = names_of([statement]).binds.keys()
            setting = setting_in(statement)
            if (binds and binds <= self._step.defines) or set_up_by(setting) in imported:
                definitions.append(setting)
        return definitions

    def _defined_of(self, definitions: list[ast.stmt]) -> list[ast.stmt]:
        """Execute definitions one by one; give those that cannot be executed as things are."""
        failed = []
        for statement in definitions:
            try:
                exec(compile(ast.Module([statement], []), f"<{self.name}>", "exec"), self._namespace)  # noqa: S102
            except Exception:  # noqa: BLE001 — whatever stands in the way, running the cell will show it natively
                failed.append(statement)
        return failed

    # Running ---------------------------------------------------------------------------------

    def bind_inputs(self) -> None:
        """Bind each input to the version its producer made, where the name holds something else by now.

        Raises:
            ArtifactError: A version is gone; its step has to run again.
        """
        namespace, ledger, inputs = self._session.namespace, self._session.ledger, self.execution.inputs
        absent = []
        for name, artifact in inputs.artifacts.items():
            owner = ledger.owner(name)
            if owner is None or owner.artifact.id != artifact.id or name not in namespace:
                absent.append(artifact)
        others = {
            name: artifact
            for name, artifact in inputs.artifacts.items()
            # What was stored together is read together, or it would not share any more what it shared.
            if any(artifact is one or artifact.is_bundled_with(one) for one in absent)
        }
        if others:
            namespace.update(self._session.run.load(others))
        namespace.update(inputs.values)
        self._bind_constants()
        self._set_outputs_aside()
        self._before = {name: artifact.digest for name, artifact in inputs.artifacts.items() if artifact.digest}
        others = {name: namespace[name] for name in (*inputs.artifacts, *inputs.values) if name not in self._before}
        self._before |= self._session.run.fingerprints(others)

    def _bind_constants(self) -> None:
        """Bind anew what the step reads as a constant of a plain cell and a step has rebound since."""
        for piece in self.execution.prepared.source.pieces:
            own = self._step.names.binds
            if any(name in own or self._session.ledger.owner(name) is not None for name in piece.binds):
                exec(compile(piece.text, f"<{piece.origin}>", "exec"), self._namespace)  # noqa: S102

    def _set_outputs_aside(self) -> None:
        """Unbind for a while what the body need not bind, so that a former value is not taken for its output."""
        names = self._step.names
        for name in self._step.outputs:
            is_bound_for_sure = name in names.certain or name in names.reads or name not in names.binds
            if not is_bound_for_sure and name in self._session.namespace:
                self._set_aside[name] = self._session.namespace.pop(name)

    def begin(self) -> None:
        """Say that the cell's body is about to run."""
        if binds_by_other_means(self._step.names):
            self._known = frozenset(self._session.namespace)
        self._session.defining = own_classes(self.execution.prepared.source)
        self._session.chance.begin()
        self._session.run.begin(self.execution)
        self._began_s = time.perf_counter()

    def commit(self) -> None:
        """Keep what the body bound, and which of its inputs it changed in place.

        Raises:
            NotRecordedError: It could not be written.
        """
        duration_s = time.perf_counter() - self._began_s
        session, namespace = self._session, self._session.namespace
        self.execution.settled.drawn = session.chance.end(self.name)
        given = {name: namespace[name] for name in self._before if name in namespace}
        session.run.watched(self.execution, given)
        values = {name: namespace[name] for name in (*self._step.outputs, *self._unforeseen()) if name in namespace}
        beside: dict[str, Any] = {}
        # All of them as before, so that what is told by a part of another is told by the same again.
        now = session.run.fingerprints(given)
        for name in (one for one in given if one not in values):
            (values if self._is_changed(name, now[name]) else beside)[name] = given[name]
        settled = session.run.commit(self.execution, values, beside, duration_s)
        self._settle(settled.artifacts)

    def _unforeseen(self) -> list[str]:
        """Name what the cell has bound by means that its text does not show: `exec("x = 1")`."""
        if not self._known:
            return []
        new = [name for name in self._session.namespace if name not in self._known and not name.startswith("_")]
        return [name for name in new if not isinstance(self._session.namespace[name], ModuleType | FunctionType | type)]

    def _is_changed(self, name: str, now: str) -> bool:
        before = self._before[name]
        # Where nothing tells, a statement that does nothing but change it does.
        return before != now if before and now else name in self._step.names.changes

    def fail(self, error: BaseException) -> None:
        """Record that the body raised; what the names hold that it had in its hands is not known any more."""
        self._session.chance.abandon()
        self._session.run.watched(self.execution, {})
        self._session.ledger.doubt([*self._before, *self._step.outputs])
        self._session.run.fail(self.execution, error)

    def leave(self) -> None:
        """Let what comes next know that the cell is over, and give back what was set aside and not bound."""
        for name, value in self._set_aside.items():
            self._session.namespace.setdefault(name, value)
        self._session.defining = {}
        self._session.run.leave(self.execution)

    def _settle(self, artifacts: Mapping[str, ArtifactVersion]) -> None:
        session, execution = self._session, self.execution
        session.ledger.settle(
            self.name,
            artifacts,
            execution.settled.not_carried,
            key=execution.keys.key,
            executed=session.executed,
        )
        session.note_changed(self.name, frozenset(artifacts) - frozenset(self._step.outputs))

    @property
    def _namespace(self) -> dict[str, Any]:
        return self._session.namespace  # type: ignore[return-value]
