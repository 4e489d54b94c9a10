"""A pipeline put together with the mouse: it writes the `%%pipeline` cell that a user would have written.

Steps are picked from the notebook, fed with what others give, with parameters or with values, and what is
wrong is told at its field as one goes. Nothing is defined and nothing runs here: what comes of it is a cell,
which the reader runs. A pipeline of the notebook that only calls steps can be opened and changed.

A composer can be driven without a front end: `key = composer.add("train")`, `composer.wire(key, "data", "load")`,
`composer.name = "training"`, `composer.write_button.click()`, and then `composer.text`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from threading import RLock
from typing import Any

from traitlets import HasTraits, Unicode, observe, validate

from nbpipe.commands.composing import here
from nbpipe.commands.showing_compositions import composed_bundle, graph_of, offer_said
from nbpipe.commands.workbench import Workbench
from nbpipe.errors import BadValueError, DefinitionError, NbpipeError
from nbpipe.records.base import shorten
from nbpipe.records.composition import Composition
from nbpipe.views.frames import Bundle
from nbpipe.widgets.composer_draft import ComposerDraft
from nbpipe.widgets.composer_feeding import (
    AUTOMATIC,
    AnyLiteral,
    Choice,
    NewParameter,
    Unfed,
    feed_said,
    outputs_before,
)
from nbpipe.widgets.given import Given
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown, has_front_end

_TEXTS = ("name", "model", "version")


class PipelineComposer(ComposerDraft, Shown, HasTraits):
    """Puts a pipeline together and writes its cell.

    Args:
        bench: Where the steps are: the notebook, unless something else is given.
        open: The name of a pipeline to begin with.
        static: Show what is put together without controls.

    Attributes:
        name: The pipeline's name.
        tags: Its tags, as a first line writes them: `["training", "latest:exclusive"]`.
        model: The model its runs work on, or `""`.
        version: Which version of that, or `""`.
        cache: Whether equal executions may be reused.
        message: What the last press did.
        written: The text of the cell that was written last, or `""`.

    Raises:
        NotFoundError: There is no pipeline of that name.
        DefinitionError: It does more than calling steps one after the other.
    """

    name = Given("")
    tags = Given(())
    model = Given("")
    version = Given("")
    cache = Given(True)
    message = Unicode("")
    written = Unicode("")

    def __init__(self, bench: Workbench | None = None, *, open: str = "", static: bool = False) -> None:
        HasTraits.__init__(self)
        Shown.__init__(self, static=static)
        ComposerDraft.__init__(self, bench if bench is not None else here())
        self._lock = RLock()
        self._is_drawing = False
        self._message_status = ""
        self._former: dict[str, str] | None = None
        if open:
            self.open(open)

    def static(self) -> Bundle:
        """Give what is put together: its graph, its problems and the cell."""
        return composed_bundle(self._composition, self._materials, self.problems)

    # Buttons ---------------------------------------------------------------------------------

    @property
    def add_button(self) -> Any:
        """The Add button: `.click()` picks the step that is named beside it."""
        return self._controls.add

    @property
    def open_button(self) -> Any:
        """The Open button: `.click()` opens the pipeline that is chosen beside it."""
        return self._controls.open

    @property
    def look_button(self) -> Any:
        """The button that looks again which steps there are."""
        return self._controls.look

    @property
    def write_button(self) -> Any:
        """The button that writes the cell: `.click()` does what a press does."""
        return self._controls.write

    @property
    def widget(self) -> Any:
        """The live composer."""
        return self._controls.page

    # What can be set -------------------------------------------------------------------------

    @validate(*_TEXTS)
    def _valid_text(self, proposal: Any) -> str:
        text = proposal["value"]
        if not isinstance(text, str):
            raise BadValueError(f"{proposal['trait'].name}={shorten(text)} should be a text.")
        return text.strip()

    @validate("tags")
    def _valid_tags(self, proposal: Any) -> tuple[str, ...]:
        tags = proposal["value"]
        if isinstance(tags, str) or not isinstance(tags, Sequence) or not all(isinstance(tag, str) for tag in tags):
            raise BadValueError(f"tags={shorten(tags)} is no list of tags; write ['training', 'latest:exclusive'].")
        return tuple(tag.strip() for tag in tags if tag.strip())

    @validate("cache")
    def _valid_cache(self, proposal: Any) -> bool:
        if not isinstance(proposal["value"], bool):
            raise BadValueError(f"cache={shorten(proposal['value'])} should be True or False.")
        return bool(proposal["value"])

    @observe(*_TEXTS, "tags", "cache")
    def _decided_otherwise(self, change: Any) -> None:
        if not self._is_drawing:
            self._take(replace(self._composition, **{change["name"]: change["new"]}))

    # Changing --------------------------------------------------------------------------------

    def _take(self, draft: Composition) -> None:
        with self._lock:
            self._composition = draft
            self._is_drawing, was_drawing = True, self._is_drawing
            try:
                self.name, self.tags, self.model = draft.name, draft.tags, draft.model
                self.version, self.cache = draft.version, draft.cache
            finally:
                self._is_drawing = was_drawing
            self._refresh()

    # Pressed ---------------------------------------------------------------------------------

    def press_remove(self, key: str) -> None:
        """Do what a press of a call's Remove button does."""
        self._do(lambda: self.remove(key))

    def choose(self, key: str, name: str, choice: Choice) -> None:
        """Do what a choice in the list of an input does."""
        match choice:
            case Unfed():
                self._do(lambda: self._fed(key, name, None))
            case NewParameter():
                self._do(lambda: self.use_parameter(key, name))
            case AnyLiteral():
                self._do(lambda: self._begin_value(key, name))
            case _:
                self._do(lambda: self._fed(key, name, choice))

    def type_value(self, key: str, name: str, text: str) -> None:
        """Do what a value does that is typed in."""
        self._do(lambda: self.use_value(key, name, text))

    def retype(self, parameter: str, field: str, text: str) -> None:
        """Do what a change of a parameter's name, type or default does."""
        try:
            self.set_parameter(parameter, **{field: text})
        except NbpipeError as error:
            self._parts.parameters[parameter].refuse(field, text, error_text(error))
        else:
            self._tell("", "")

    def _do(self, act: Any) -> None:
        try:
            act()
        except NbpipeError as error:
            self._tell(error_text(error), "failed")
        else:
            self._tell("", "")

    def _press_open(self) -> None:
        name = self._controls.existing.value
        self._do(lambda: self.open(name))
        if self._message_status != "failed":
            lost = self._materials.left_out(name)
            said = f"{name} is opened; what is written is a new cell."
            if lost:
                self._tell(f"{said} A %%pipeline cell cannot say, and so leaves out, {' and '.join(lost)}.", "stale")
            else:
                self._tell(said, "")

    def _press_add(self) -> None:
        name = self._controls.step.value.strip()
        if not name:
            self._tell("Name a step first.", "failed")
            return
        self._pick(name)

    def _pick(self, name: str) -> None:
        self._do(lambda: self.add(name))
        if self._message_status != "failed":
            self._controls.step.value = ""

    def _press_write(self) -> None:
        with self._lock:
            self._missing = self._materials.look()
            try:
                text = self.text
            except DefinitionError as error:
                self._tell(str(error), "failed")
                return
            if not has_front_end():
                self.written = text
                self._tell("No notebook page is open here; copy the cell below.", "")
                return
            self._tell("If no cell appears below, copy the text shown here into one.", "")
            self._controls.writer.write(text, shown=self._controls.page.model_id, former=self._former)

    def _answered(self, answer: Mapping[str, Any]) -> None:
        with self._lock:
            if answer.get("do") == "written":
                text = str(answer.get("text", ""))
                self._former = {"id": str(answer.get("id", "")), "text": text}
                self.written = text
                where = {"again": "The cell that was written before is brought up to date", "below": "Written below"}
                said = where.get(str(answer.get("where")), "Written at the end of the notebook")
                self._tell(f"{said}; run it to have the pipeline.", "completed")
            elif answer.get("do") == "refused":
                why = f" ({shorten(answer['why'])})" if answer.get("why") else ""
                self._tell(
                    f"This page lets no cell be written{why}. Copy the text shown here into a new cell.", "stale"
                )

    def _tell(self, text: str, status: str) -> None:
        self.message, self._message_status = text, status
        self._refresh()

    # The live composer -----------------------------------------------------------------------

    @cached_property
    def _controls(self) -> Any:
        from nbpipe.widgets.composer_controls import ComposerControls
        from nbpipe.widgets.composer_shown import ShownParts

        controls = ComposerControls(self._pick, self._answered)
        self._parts = ShownParts(controls, self)
        controls.add.on_click(lambda _: self._press_add())
        controls.look.on_click(lambda _: self._do(self.reload))
        controls.open.on_click(lambda _: self._press_open())
        controls.write.on_click(lambda _: self._press_write())
        controls.existing.observe(lambda _: self._refresh(), "value")
        controls.step.observe(lambda _: controls.note_step(self._step_note(), self._missing), "value")
        for name in _TEXTS:
            getattr(controls, name).observe(lambda change, name=name: self._typed(name, change["new"]), "value")
        controls.tags.observe(lambda change: self._typed("tags", change["new"].split(",")), "value")
        controls.cache.observe(lambda change: self._typed("cache", change["new"]), "value")
        controls.returns.observe(lambda change: self._returned(change["new"]), "value")
        vars(self)["_controls"] = controls
        self._refresh()
        return controls

    def _typed(self, name: str, value: Any) -> None:
        if not self._is_drawing:
            setattr(self, name, value)

    def _returned(self, returns: Any) -> None:
        if not self._is_drawing:
            self._take(replace(self._composition, returns=None if returns == AUTOMATIC else returns))

    def _refresh(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self) or self._is_drawing:
            return
        with self._drawing():
            self._draw(self._controls)

    def _draw(self, controls: Any) -> None:
        draft, problems = self._composition, self.problems
        offers = {name: offer_said(offer) for name, offer in self._materials.offers.items()}
        controls.offer_steps(offers, self._step_note(), self._missing)
        controls.offer_pipelines(self._materials.pipelines())
        self._parts.show(draft, self._materials, problems, self._unwritten)
        for name in _TEXTS:
            getattr(controls, name).value = getattr(draft, name)
        controls.tags.value = ", ".join(draft.tags)
        controls.cache.value = draft.cache
        outputs = {feed_said(feed, draft, self._materials): (feed,) for feed in outputs_before(draft, self._materials)}
        controls.show_returns(outputs, draft.returns)
        controls.note(problems, self._remarks())
        first = next(iter(problems.items()), None)
        text = "" if problems else self._materials.text(draft)
        controls.offer_writing("" if first is None else ": ".join(first), text, graph_of(draft, self._materials))
        controls.say(self.message, self._message_status)

    def _step_note(self) -> str:
        """Say what the step takes and gives that is named beside Add."""
        offers = self._materials.offers
        if not offers:
            return "No step is in reach: run a cell with @step or %%step, then look again."
        named = offers.get(self._controls.step.value.strip())
        return offer_said(named) if named is not None else ""

    def _remarks(self) -> dict[str, str]:
        """Say what running the cell would replace."""
        name = self._composition.name
        if name not in self._materials.bench.names():
            return {}
        what = "the pipeline" if name in self._materials.pipelines() else "the variable"
        return {"name": f"running the cell replaces {what} of that name"}
