"""The board on which a model version is promoted: the candidate beside who holds the stage now.

Taking a stage from another asks twice. What was done can be undone, as long as nobody has moved
the stage since. Every rule is the service's; a refusal is shown, and nothing has changed then.

A board can be driven without a front end: set `candidate`, `stage`, `note` and `force`, then
`promote_button.click()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait
from traitlets import HasTraits, Unicode, observe, validate

from nbpipe.errors import BadValueError, ConflictError
from nbpipe.records.base import shorten
from nbpipe.records.models import ModelStages, as_stage
from nbpipe.views.frames import Bundle, Card, Section, shown_table, written
from nbpipe.views.tables import Table, table_element
from nbpipe.widgets import appearance
from nbpipe.widgets.promotion_controls import PromotionControls
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown
from nbpipe.widgets.standing import (
    TARGETS,
    Standing,
    comparison_table,
    first_candidate,
    history_table,
    standing,
    versions_table,
)

if TYPE_CHECKING:
    from nbpipe.services.models import ModelService
    from nbpipe.services.versions import ModelVersion

_MOST_VERSIONS = 12
_MOST_MOVES = 8


@dataclass(frozen=True, slots=True)
class Done:
    """A promotion that can be undone."""

    number: int
    from_stage: ModelStages
    to_stage: ModelStages
    archived: int | None


class PromoteModel(Shown, HasTraits):
    """A board for promoting versions of one model.

    Args:
        models: The service.
        model: The model's name.
        version: The version to propose (number, name or stage); without, the newest that neither
            failed nor is in production.
        static: Show tables that need no front end instead.

    Attributes:
        candidate: The number of the version to promote; a name or a stage may be set as well.
        stage: Where to: staging, production or archived.
        note: Why; kept in the history.
        force: Whether the present holder may be archived.
        message: What the last press did.

    Raises:
        NotFoundError: There is no such model or version.
    """

    candidate = AnyTrait(None)
    stage = AnyTrait(ModelStages.PRODUCTION)
    note = AnyTrait("")
    force = AnyTrait(False)
    message = Unicode("")

    def __init__(self, models: ModelService, model: str, version: str | None = None, *, static: bool = False) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        self._models = models
        self._model = model
        self._lock = RLock()
        self._done: Done | None = None
        self._armed_for: tuple[int, int] | None = None
        self._message_status = ""
        self._is_drawing = False
        self._load()
        self.candidate = first_candidate(self._versions) if version is None else version

    @property
    def promote_button(self) -> Any:
        """The Promote button: `.click()` does what a press does."""
        return self._controls.promote

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
        return standing(self._model, self._versions, self.candidate, self.stage, force=self.force)

    @property
    def is_armed(self) -> bool:
        """Whether the next press of Promote does what was announced."""
        return self._armed_for is not None and self._armed_for == self.standing.pair

    def reload(self) -> None:
        """Ask the service again how things stand."""
        self._load()
        self._refresh()

    def static(self) -> Bundle:
        """Give versions, comparison and history as tables, without instants."""
        compared = self._compared()
        shown = [Section("versions", shown_table(self._versions_table(timed=False)))]
        shown += [Section("candidate", shown_table(compared))] if compared else []
        shown += [Section("history", shown_table(history_table(self._moves, timed=False)))] if self._moves else []
        return written(Card("model", self._model, sections=shown))

    @validate("candidate")
    def _valid_candidate(self, proposal: Any) -> int | None:
        wanted = proposal["value"]
        if wanted is None:
            return None
        if isinstance(wanted, bool) or not isinstance(wanted, int | str):
            raise BadValueError(f"candidate={shorten(wanted)} is no version: give a number, a name or a stage.")
        return self._models.version((self._model, str(wanted))).number

    @validate("stage")
    def _valid_stage(self, proposal: Any) -> ModelStages:
        stage = as_stage(proposal["value"])
        if stage not in TARGETS:
            raise BadValueError(f"{stage.value!r} is not where a version is promoted to: {', '.join(TARGETS)}.")
        return stage

    @validate("note", "force")
    def _valid_word(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if not isinstance(value, {"note": str, "force": bool}[name]):
            raise BadValueError(f"{name}={shorten(value)} should be {'a text' if name == 'note' else 'True or False'}.")
        return value

    @observe("candidate", "stage", "note", "force")
    def _decided_otherwise(self, _change: Any) -> None:
        # What was to be confirmed is no longer what would be done.
        self._armed_for = None
        self._refresh()

    def _load(self) -> None:
        self._versions = list(self._models.get(self._model).versions)
        self._moves = list(self._models.history(self._model))[:_MOST_MOVES]
        self._metrics: dict[int, dict[str, float]] = {}

    def _known_metrics(self, versions: Sequence[ModelVersion | None]) -> dict[int, dict[str, float]]:
        for version in versions:
            if version is not None and version.number not in self._metrics:
                self._metrics[version.number] = version.metrics
        return self._metrics

    def _versions_table(self, *, timed: bool) -> Table:
        newest = self._versions[:_MOST_VERSIONS]
        held = [version for version in self._versions[_MOST_VERSIONS:] if version.stage in TARGETS[:2]]
        shown = [*newest, *held]
        return versions_table(shown, self._known_metrics(shown), timed=timed)

    def _compared(self) -> Table | None:
        now = self.standing
        return comparison_table(now, self.stage, self._known_metrics([now.candidate, now.holder]))

    def _press(self) -> None:
        with self._lock:
            self._load()
            now = self.standing
            if now.obstacle or now.candidate is None:
                self._tell(now.obstacle, "failed")
            elif now.pair != self._armed_for:
                # Should another take the stage before the second press, that one was not announced.
                self._armed_for = now.pair
                self._tell("", "")
            else:
                self._promote(now.candidate, now.holder)

    def _promote(self, candidate: ModelVersion, holder: ModelVersion | None) -> None:
        self._armed_for = None
        former = holder.number if holder is not None else None
        try:
            self._models.promote(self._at(candidate.number), self.stage, force=holder is not None, note=self.note)
        except Exception as error:  # noqa: BLE001 — whatever it was, the board says so and stays
            self._load()
            self._tell(error_text(error), "failed")
            return
        self._done = Done(candidate.number, candidate.stage, self.stage, former)
        # Both were said of this promotion; the next one is asked about anew.
        self.force, self.note = False, ""
        also = f", and {self._model}@{former} is archived" if former is not None else ""
        self._load()
        self._tell(f"{self._model}@{candidate.number} is in {self.stage.value}{also}.", "completed")

    def _undo(self) -> None:
        with self._lock:
            if self._done is None:
                self._tell("There is nothing to undo.", "failed")
                return
            try:
                said = self._take_back(self._done)
            except Exception as error:  # noqa: BLE001 — as in `_promote`
                self._load()
                self._tell(error_text(error), "failed")
                return
            self._done = None
            self._load()
            self._tell(said, "completed")

    def _take_back(self, done: Done) -> str:
        moved = f"{self._model}@{done.number}"
        stage_now = self._models.version(self._at(done.number)).stage
        if stage_now != done.to_stage.value:
            raise BadValueError(f"{moved} is in {stage_now} by now, so nothing was undone.")
        note = f"undo: {moved} to {done.to_stage.value}"
        if done.archived is None:
            self._models.promote(self._at(done.number), done.from_stage, note=note)
            return f"{moved} is back in {done.from_stage.value}."
        former = f"{self._model}@{done.archived}"
        # The former holder first: it takes the stage in one transaction, so that nobody ever finds it empty.
        self._models.promote(self._at(done.archived), done.to_stage, force=True, note=note)
        try:
            self._models.promote(self._at(done.number), done.from_stage, note=note)
        except ConflictError as error:
            return f"{former} is back in {done.to_stage.value}; {moved} stays archived: {error}"
        return f"{former} is back in {done.to_stage.value}, and {moved} in {done.from_stage.value}."

    def _at(self, number: int) -> tuple[str, int]:
        return self._model, number

    def _tell(self, text: str, status: str) -> None:
        self.message = text
        self._message_status = status
        self._refresh()

    @cached_property
    def _controls(self) -> PromotionControls:
        controls = PromotionControls(self._model)
        controls.promote.on_click(lambda _: self._press())
        controls.undo.on_click(lambda _: self._undo())
        controls.cancel.on_click(lambda _: self._decided_otherwise(None))
        pairs = [
            ("candidate", controls.candidate),
            ("stage", controls.stage),
            ("note", controls.note),
            ("force", controls.force),
        ]
        vars(self)["_controls"] = controls
        self._refresh()
        for name, control in pairs:
            control.observe(lambda change, name=name: self._chosen(name, change["new"]), "value")
        return controls

    def _chosen(self, name: str, value: Any) -> None:
        if not self._is_drawing and value is not None:
            setattr(self, name, value)

    def _refresh(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self):
            return
        with self._lock:
            self._is_drawing = True
            try:
                self._draw(self._controls, self.standing)
            finally:
                self._is_drawing = False

    def _draw(self, controls: PromotionControls, now: Standing) -> None:
        controls.choose(self._versions, self.candidate)
        controls.stage.value = self.stage.value
        controls.note.value = self.note
        controls.ask_force(self._model, now.holder, self.stage, force=self.force)
        controls.offer(now, self.stage, armed=self.is_armed, can_undo=self._done is not None)
        compared = self._compared()
        controls.versions.value = appearance.framed(table_element(self._versions_table(timed=True)))
        controls.compared.value = appearance.framed(table_element(compared)) if compared else ""
        controls.said.value = appearance.said(self.message, self._message_status)
        history = history_table(self._moves, timed=True)
        controls.history.value = appearance.folded("History", table_element(history)) if self._moves else ""
