"""The board on which a model version is promoted: the candidate beside who holds the stage now.

Taking a stage from another, passing a gate that does not hold and promoting what failed ask twice:
what was announced is confirmed with a button of its own, which a double click does not reach.
What was done can be undone, as long as nobody has moved a version since. Every rule is the
service's; a refusal is shown, and nothing has changed then.

A board can be driven without a front end: set `candidate`, `stage`, `note`, `gates` and `force`,
then `promote_button.click()`, and `confirm_button.click()` where it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait
from traitlets import HasTraits, Unicode, observe, validate

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.models import SINGLE_HOLDER, ModelStages, as_stage, stage_said
from nbpipe.services.gates import parse_gates
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.widgets import appearance
from nbpipe.widgets.given import Given
from nbpipe.widgets.promotion_controls import PromotionControls
from nbpipe.widgets.promotion_known import KnownModel
from nbpipe.widgets.promotion_tables import differing, judged_table
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown
from nbpipe.widgets.standing import TARGETS, Standing, first_candidate, standing

if TYPE_CHECKING:
    from nbpipe.services.models import ModelService
    from nbpipe.services.promoting import Promotion


class PromoteModel(Shown, HasTraits):
    """A board for promoting versions of one model.

    Args:
        models: The service.
        model: The model's name.
        version: The version to propose (number, name or stage); without, the newest that is not in production
            and that a whole run has made.
        gates: What must hold, as in `"accuracy >= production.accuracy"`.
        static: Show tables that need no front end instead.

    Attributes:
        candidate: The number of the version to promote; a name or a stage may be set as well.
        stage: Where to: staging, production or archived.
        note: Why; kept in the history.
        gates: What must hold: a list of texts.
        force: Whether the present holder may be archived, and gates passed that do not hold.
        message: What the last press did.

    Raises:
        BadValueError: A text that is no gate.
        NotFoundError: There is no such model or version.
    """

    candidate = AnyTrait(None)
    stage = Given(ModelStages.PRODUCTION)
    note = Given("")
    gates = Given(())
    force = Given(False)
    message = Unicode("")

    def __init__(
        self,
        models: ModelService,
        model: str,
        version: str | None = None,
        *,
        gates: Sequence[str] = (),
        static: bool = False,
    ) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        self._models = models
        self._model = model
        self._lock = RLock()
        self._done: Promotion | None = None
        self._armed_for: tuple[object, ...] | None = None
        self._message_status = ""
        self._gates_problem = ""
        self._is_drawing = False
        self._known = KnownModel(models, model)
        self.candidate = first_candidate(self._known.versions) if version is None else version
        self.gates = gates

    @property
    def promote_button(self) -> Any:
        """The Promote button: `.click()` does what a press does."""
        return self._controls.promote

    @property
    def confirm_button(self) -> Any:
        """The Confirm button, which is there while a press is to be confirmed."""
        return self._controls.confirm

    @property
    def undo_button(self) -> Any:
        """The Undo button: `.click()` does what a press does."""
        return self._controls.undo

    @property
    def cancel_button(self) -> Any:
        """The Cancel button, which is there while a press is to be confirmed."""
        return self._controls.cancel

    @property
    def widget(self) -> Any:
        """The live board."""
        return self._controls.page

    @property
    def standing(self) -> Standing:
        """What a promotion would mean now."""
        gates = self._known.judged(self.candidate, self.gates)
        return standing(self._model, self._known.versions, self.candidate, self.stage, force=self.force, gates=gates)

    @property
    def is_armed(self) -> bool:
        """Whether Confirm does what was announced."""
        return self._armed_for is not None and self._armed_for == self.standing.to_confirm

    def reload(self) -> None:
        """Ask the service again how things stand."""
        self._known.reload()
        self._refresh()

    def static(self) -> Bundle:
        """Give versions, gates, comparison and history as tables, without instants."""
        now = self.standing
        tables = {
            "versions": self._known.versions_table(timed=False),
            "gates": judged_table(now.gates),
            "candidate": self._known.compared(now, self.stage),
            "history": self._known.history_table(timed=False),
        }
        shown = [Section(title, shown_table(table)) for title, table in tables.items() if table is not None]
        at = len(shown) - (tables["history"] is not None)
        shown[at:at] = differing(self._known.comparison(now), self.stage)
        return written(Card("model", self._model, sections=shown))

    # What can be set -------------------------------------------------------------------------

    @validate("candidate")
    def _valid_candidate(self, proposal: Any) -> int | None:
        wanted = proposal["value"]
        if wanted is None:
            return None
        if isinstance(wanted, bool) or not isinstance(wanted, int | str):
            raise BadValueError(f"candidate={shorten(wanted)} is no version: give a number, a name or a stage.")
        number = self._models.version((self._model, str(wanted))).number
        if all(version.number != number for version in self._known.versions):
            # It was made since the last look.
            self._known.reload()
        return number

    @validate("stage")
    def _valid_stage(self, proposal: Any) -> ModelStages:
        stage = as_stage(proposal["value"])
        if stage not in TARGETS:
            raise BadValueError(f"{stage.value!r} is not where a version is promoted to: {', '.join(TARGETS)}.")
        return stage

    @validate("gates")
    def _valid_gates(self, proposal: Any) -> tuple[str, ...]:
        wanted = proposal["value"]
        if not isinstance(wanted, list | tuple):
            raise BadValueError(f"gates={shorten(wanted)} should be a list of texts.")
        return tuple(dict.fromkeys(gate.text for gate in parse_gates(wanted)))

    @validate("note", "force")
    def _valid_word(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if not isinstance(value, {"note": str, "force": bool}[name]):
            raise BadValueError(f"{name}={shorten(value)} should be {'a text' if name == 'note' else 'True or False'}.")
        return value

    @observe("candidate", "stage", "note", "gates", "force")
    def _decided_otherwise(self, change: Any) -> None:
        # What was to be confirmed is no longer what would be done.
        self._armed_for = None
        if change is not None and change["name"] == "gates":
            self._gates_problem = ""
        self._refresh()

    # Presses ---------------------------------------------------------------------------------

    def _press(self) -> None:
        with self._lock:
            self._known.reload()
            now = self.standing
            obstacle = self._gates_problem or now.obstacle
            if self._is_done(now):
                # The second press of a double click: what the first did stays told.
                self._refresh()
            elif obstacle or now.candidate is None:
                self._tell(obstacle, "failed")
            elif now.to_confirm is not None:
                self._announce(now)
            else:
                self._do(lambda: self._promoted(now))

    def _confirm(self) -> None:
        with self._lock:
            if self._armed_for is None:
                return
            self._known.reload()
            now = self.standing
            if now.obstacle or now.candidate is None:
                self._tell(now.obstacle, "failed")
            elif now.to_confirm != self._armed_for:
                # Should another have taken the stage meanwhile, that one was not announced.
                self._announce(now)
            else:
                self._do(lambda: self._promoted(now))

    def _announce(self, now: Standing) -> None:
        self._armed_for = now.to_confirm
        self._tell("", "")

    def _is_done(self, now: Standing) -> bool:
        """Tell whether what is asked for is what the last press did."""
        done, candidate = self._done, now.candidate
        if done is None or candidate is None or self._message_status != "completed":
            return False
        return candidate.id == done.version.id and candidate.stage is self.stage

    def _promoted(self, now: Standing) -> str:
        assert now.candidate is not None, "somebody is to be promoted"
        holder = now.holder
        # No more than was announced: a gate that fails only now, or another holder, is refused by the service.
        # Without gates the ticked box is what takes a stage; with gates that hold, they do.
        done = self._models.move(
            self._at(now.candidate.number),
            self.stage,
            force=bool(now.failing) or not self.gates,
            replace=holder is not None and bool(self.gates),
            note=self.note,
            gates=self.gates,
            instead_of=(holder.id if holder is not None else "") if self.stage in SINGLE_HOLDER else None,
        )
        self._done = done
        # Both were said of this promotion; the next one is asked about anew.
        self.force, self.note = False, ""
        also = f", and {self._model}@{done.archived.number} is archived" if done.archived is not None else ""
        passed = [f" Forced: {result}." for result in done.overridden]
        return f"{self._model}@{done.version.number} is in {self.stage.value}{also}.{''.join(passed)}"

    def _undo(self) -> None:
        with self._lock:
            if self._done is None and self._message_status == "completed":
                # The second press of a double click: the first has undone it, and that stays told.
                self._refresh()
            elif self._done is None:
                self._tell("There is nothing to undo.", "failed")
            else:
                self._do(self._taken_back)

    def _taken_back(self) -> str:
        assert self._done is not None, "something was done"
        moved = self._models.undo(self._model, of=self._done.operation)
        self._done = None
        told = [f"{self._model}@{version.number} in {stage_said(version.stage)}" for version in moved]
        last = told.pop().replace(" in ", " is back in ", 1)
        return f"{', and '.join([last, *told])}."

    def _do(self, work: Callable[[], str]) -> None:
        self._armed_for = None
        try:
            said, status = work(), "completed"
        except Exception as error:  # noqa: BLE001 — whatever it was, the board says so and stays
            said, status = error_text(error), "failed"
        self._known.reload()
        self._tell(said, status)

    def _at(self, number: int) -> tuple[str, int]:
        return self._model, number

    def _tell(self, text: str, status: str) -> None:
        self.message = text
        self._message_status = status
        self._refresh()

    # The live board --------------------------------------------------------------------------

    @cached_property
    def _controls(self) -> PromotionControls:
        controls = PromotionControls(self._model)
        controls.promote.on_click(lambda _: self._press())
        controls.confirm.on_click(lambda _: self._confirm())
        controls.undo.on_click(lambda _: self._undo())
        controls.cancel.on_click(lambda _: self._decided_otherwise(None))
        vars(self)["_controls"] = controls
        self._refresh()
        for name in ("candidate", "stage", "note", "gates", "force"):
            control = getattr(controls, name)
            control.observe(lambda change, name=name: self._chosen(name, change["new"]), "value")
        return controls

    def _chosen(self, name: str, value: Any) -> None:
        if self._is_drawing or value is None:
            return
        if name == "gates":
            self._write_gates(value)
        else:
            setattr(self, name, value)

    def _write_gates(self, text: str) -> None:
        """Take in gates as they are written, one a line; what is none is told below and stops the promotion."""
        self._gates_problem = ""
        try:
            self.gates = [line.strip() for line in text.splitlines() if line.strip()]
        except BadValueError as error:
            self._gates_problem = str(error)
        self._decided_otherwise(None)

    def _refresh(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self):
            return
        with self._drawing():
            self._draw(self._controls, self.standing)

    def _draw(self, controls: PromotionControls, now: Standing) -> None:
        controls.choose(self._known.versions, self.candidate)
        controls.stage.value = self.stage.value
        controls.note.value = self.note
        controls.set_gates(self.gates, self._gates_problem)
        controls.ask_force(now, self.stage, force=self.force)
        obstacle = self._gates_problem or now.obstacle
        controls.offer(now, self.stage, obstacle, armed=self.is_armed, can_undo=self._done is not None)
        known, stage = self._known, self.stage
        judged, history = judged_table(now.gates), known.history_table(timed=True)
        controls.show(known.versions_table(timed=True), judged, known.compared(now, stage), history)
        controls.show_differences(differing(known.comparison(now), stage))
        controls.said.value = appearance.said(self.message, self._message_status)
