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

from nbpipe.commands.composing import Materials, Workbench, here
from nbpipe.commands.showing_compositions import call_title, composed_bundle, graph_of, offer_said
from nbpipe.errors import BadValueError, ConflictError, DefinitionError, NbpipeError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.composition import (
    ComposedCall,
    Composition,
    FromCall,
    FromParameter,
    Literal,
    OfferedInput,
)
from nbpipe.views.frames import Bundle
from nbpipe.widgets.composer_feeding import (
    AnyLiteral,
    Choice,
    NewParameter,
    choices,
    feed_said,
    outputs_before,
    picked,
    with_parameter,
)
from nbpipe.widgets.given import Given
from nbpipe.widgets.running import error_text
from nbpipe.widgets.showing import Shown, has_front_end

_TEXTS = ("name", "model", "version")


class PipelineComposer(Shown, HasTraits):
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
        self._lock = RLock()
        self._is_drawing = False
        self._message_status = ""
        self._former: dict[str, str] | None = None
        # Inputs for which a value is to be written that is not there yet.
        self._unwritten: set[tuple[str, str]] = set()
        self._materials = Materials(bench if bench is not None else here())
        self._composition = Composition()
        self._missing = self._materials.look()
        if open:
            self.open(open)

    # What is put together --------------------------------------------------------------------

    @property
    def composition(self) -> Composition:
        """What is put together so far."""
        return self._composition

    @property
    def steps(self) -> list[str]:
        """The steps that can be picked, by name."""
        return list(self._materials.offers)

    @property
    def problems(self) -> dict[str, str]:
        """A sentence for each field that will not do: `name`, `train`, `train.rate`, `parameter rate.default`."""
        found = self._materials.problems(self._composition)
        for key, name in sorted(self._unwritten):
            found.setdefault(f"{key}.{name}", "write a value, as Python does")
        return found

    @property
    def text(self) -> str:
        """The cell as it would be written.

        Raises:
            DefinitionError: Something is wrong; the first problem is told.
        """
        problems = self.problems
        if problems:
            field, said = next(iter(problems.items()))
            raise DefinitionError(f"The pipeline cannot be written yet: {field}: {said}.")
        return self._materials.text(self._composition)

    def add(self, step: str) -> str:
        """Call a step once more, each input fed by what most likely is meant; give the call's key.

        Raises:
            NotFoundError: There is no such step.
        """
        self._missing = self._materials.look()
        if step not in self._materials.offers:
            raise NotFoundError("step", str(step), existing=self.steps)
        draft, key = picked(self._composition, step, self._materials)
        self._take(draft)
        return key

    def remove(self, key: str) -> None:
        """Take a call out; what it fed is fed by nothing then.

        Raises:
            NotFoundError: There is no such call.
        """
        self._call(key)
        self._unwritten = {place for place in self._unwritten if place[0] != key}
        self._take(self._composition.without(key).used())

    def wire(self, key: str, name: str, source: str) -> None:
        """Feed an input with what another call gives.

        Args:
            key: The call.
            name: Its input.
            source: `"load"`, or `"split.training"` if it gives several things.

        Raises:
            NotFoundError: There is no such call, input or output.
            DefinitionError: The types contradict, or it would run in a circle.
        """
        call, one = self._input(key, name)
        feed = self._source(source)
        said = self._materials.misfit(feed, one, call, self._composition)
        if said:
            raise DefinitionError(f"{key}.{name} {said}." if said.startswith("takes") else f"{key}.{name}: {said}.")
        self._fed(key, name, feed)

    def use_parameter(self, key: str, name: str, parameter: str = "") -> None:
        """Feed an input with a parameter of the pipeline; one that is not there yet is made.

        Raises:
            NotFoundError: There is no such call or input.
        """
        _, one = self._input(key, name)
        self._unwritten.discard((key, name))
        self._take(with_parameter(self._composition, key, one, parameter))

    def use_value(self, key: str, name: str, text: str) -> None:
        """Feed an input with a value, written as Python does; what is wrong with it is told in `problems`.

        Raises:
            NotFoundError: There is no such call or input.
            BadValueError: It is no text.
        """
        self._input(key, name)
        if not isinstance(text, str):
            raise BadValueError(f"{shorten(text)} is no text; write the value as Python does: {shorten(repr(text))}.")
        self._fed(key, name, Literal(text.strip()))

    def use_default(self, key: str, name: str) -> None:
        """Feed an input with nothing: it takes its step's own default.

        Raises:
            NotFoundError: There is no such call or input.
            DefinitionError: It has no default.
        """
        _, one = self._input(key, name)
        if one.is_required:
            raise DefinitionError(f"{key}.{name} has no default; feed it with an output, a parameter or a value.")
        self._fed(key, name, None)

    def set_parameter(
        self,
        parameter: str,
        *,
        name: str | None = None,
        type: str | None = None,
        default: str | None = None,
    ) -> None:
        """Change a parameter's name, type or default; what is wrong with them is told in `problems`.

        Raises:
            NotFoundError: There is no such parameter.
            ConflictError: Another has that name already.
        """
        known = self._composition.parameter(parameter)
        if known is None:
            raise NotFoundError("parameter", parameter, existing=[one.name for one in self._composition.parameters])
        draft = self._composition
        if name is not None and name.strip() != parameter:
            if draft.parameter(name.strip()) is not None:
                raise ConflictError(f"There is a parameter {name.strip()!r} already; choose it where it is wanted.")
            draft = draft.renamed(parameter, name.strip())
            parameter = name.strip()
        changes = {key: text.strip() for key, text in (("type", type), ("default", default)) if text is not None}
        changed = tuple(replace(one, **changes) if one.name == parameter else one for one in draft.parameters)
        self._take(replace(draft, parameters=changed))

    def give_back(self, *sources: str, automatic: bool = False) -> None:
        """Say what the pipeline gives back: nothing, or outputs such as `"split.training"`.

        Args:
            sources: The outputs.
            automatic: Give back what the last call gives, as at first.

        Raises:
            NotFoundError: There is no such output.
        """
        returns = None if automatic else tuple(self._source(source) for source in sources)
        self._take(replace(self._composition, returns=returns))

    def open(self, name: str) -> None:
        """Begin anew with a pipeline of the notebook.

        Raises:
            NotFoundError: There is no such pipeline.
            DefinitionError: It does more than calling steps one after the other.
        """
        self._missing = self._materials.look()
        self._unwritten.clear()
        self._take(self._materials.opened(name))

    def reload(self) -> None:
        """Look again which steps and pipelines there are, and whether what is put together still fits."""
        self._missing = self._materials.look()
        self._refresh()

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

    def _fed(self, key: str, name: str, feed: FromCall | FromParameter | Literal | None) -> None:
        self._unwritten.discard((key, name))
        self._take(self._composition.fed(key, name, feed).used())

    def _call(self, key: str) -> ComposedCall:
        call = self._composition.call(key)
        if call is None:
            raise NotFoundError("call", str(key), existing=[one.key for one in self._composition.calls])
        return call

    def _input(self, key: str, name: str) -> tuple[ComposedCall, OfferedInput]:
        call = self._call(key)
        offer = self._materials.offers.get(call.step)
        one = offer.input(name) if offer is not None else None
        if one is None:
            existing = [other.name for other in offer.inputs] if offer is not None else []
            raise NotFoundError(f"input of {key}", str(name), existing=existing)
        return call, one

    def _source(self, source: str) -> FromCall:
        known = list(outputs_before(self._composition, self._materials))
        for feed in known:
            if source == f"{feed.call}.{feed.output}":
                return feed
        only = [feed for feed in known if feed.call == source]
        if len(only) == 1:
            return only[0]
        names = [f"{feed.call}.{feed.output}" for feed in known]
        hint = f"Say which: {', '.join(f'{feed.call}.{feed.output}' for feed in only)}." if only else ""
        raise NotFoundError("output", str(source), existing=names, hint=hint)

    # Pressed ---------------------------------------------------------------------------------

    def _do(self, act: Any) -> None:
        try:
            act()
        except NbpipeError as error:
            self._tell(error_text(error), "failed")
        else:
            self._tell("", "")

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

    def _chosen(self, key: str, name: str, choice: Choice) -> None:
        match choice:
            case NewParameter():
                self._do(lambda: self.use_parameter(key, name))
            case AnyLiteral():
                _, one = self._input(key, name)
                if one.default:
                    self._do(lambda: self.use_value(key, name, one.default))
                    return
                self._composition = self._composition.fed(key, name, None).used()
                self._unwritten.add((key, name))
                self._refresh()
            case _:
                self._do(lambda: self._fed(key, name, choice))

    def _retyped(self, parameter: str, field: str, text: str) -> None:
        try:
            self.set_parameter(parameter, **{field: text})
        except NbpipeError as error:
            self._parameter_rows[parameter].refuse(field, text, error_text(error))
        else:
            self._tell("", "")

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

        controls = ComposerControls(self._pick, self._answered)
        self._boxes: dict[str, Any] = {}
        self._parameter_rows: dict[str, Any] = {}
        controls.add.on_click(lambda _: self._press_add())
        controls.look.on_click(lambda _: self._do(self.reload))
        controls.open.on_click(lambda _: self._do(lambda: self.open(controls.existing.value)))
        controls.write.on_click(lambda _: self._press_write())
        controls.existing.observe(lambda _: self._refresh(), "value")
        controls.step.observe(lambda _: self._refresh(), "value")
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
            self._take(replace(self._composition, returns=returns))

    def _refresh(self) -> None:
        # Before anybody has looked there is nothing to draw.
        if "_controls" not in vars(self) or self._is_drawing:
            return
        with self._lock:
            self._is_drawing = True
            try:
                self._draw(self._controls)
            finally:
                self._is_drawing = False

    def _draw(self, controls: Any) -> None:
        draft, problems = self._composition, self.problems
        offers = {name: offer_said(offer) for name, offer in self._materials.offers.items()}
        typed = controls.step.value.strip()
        note = offers.get(
            typed, "" if offers else "No step is in reach: run a cell with @step or %%step, then look again."
        )
        controls.offer_steps(offers, note, self._missing)
        controls.offer_pipelines(self._materials.pipelines())
        self._draw_calls(controls, problems)
        self._draw_parameters(controls, problems)
        for name in _TEXTS:
            getattr(controls, name).value = getattr(draft, name)
        controls.tags.value = ", ".join(draft.tags)
        controls.cache.value = draft.cache
        self._draw_returns(controls)
        controls.note(problems, self._remarks())
        first = next(iter(problems.items()), None)
        obstacle = "" if first is None else f"{first[0]}: {first[1]}"
        text = "" if problems else self._materials.text(draft)
        controls.offer_writing(obstacle, text, graph_of(draft, self._materials))
        controls.say(self.message, self._message_status)

    def _draw_calls(self, controls: Any, problems: Mapping[str, str]) -> None:
        from nbpipe.widgets.composer_rows import CallBox, InputRow

        keys = [call.key for call in self._composition.calls]
        gone = [self._boxes.pop(key) for key in list(self._boxes) if key not in keys]
        for call in self._composition.calls:
            key = call.key
            if key not in self._boxes:
                self._boxes[key] = CallBox(key, lambda key=key: self._do(lambda: self.remove(key)))
            box = self._boxes[key]
            offer = self._materials.offers.get(call.step)
            inputs = list(offer.inputs) if offer is not None else []
            inputs += [OfferedInput(name) for name in call.inputs if offer is None or offer.input(name) is None]
            rows = {
                one.name: box.rows.get(one.name)
                or InputRow(
                    key,
                    one.name,
                    lambda choice, key=key, name=one.name: self._chosen(key, name, choice),
                    lambda text, key=key, name=one.name: self._do(lambda: self.use_value(key, name, text)),
                )
                for one in inputs
            }
            box.show(call_title(call, offer), problems.get(key, ""), rows)
            for one in inputs:
                options = choices(self._composition, call, one, self._materials)
                is_unwritten = (key, one.name) in self._unwritten
                now: Choice = AnyLiteral() if is_unwritten else call.inputs.get(one.name)
                rows[one.name].show(one, options, now, problems.get(f"{key}.{one.name}", ""))
        controls.show_calls([self._boxes[key] for key in keys])
        for box in gone:
            box.close()

    def _draw_parameters(self, controls: Any, problems: Mapping[str, str]) -> None:
        from nbpipe.widgets.composer_rows import ParameterRow

        names = [one.name for one in self._composition.parameters]
        gone = [self._parameter_rows.pop(name) for name in list(self._parameter_rows) if name not in names]
        for one in self._composition.parameters:
            if one.name not in self._parameter_rows:
                self._parameter_rows[one.name] = ParameterRow(
                    one.name, lambda field, text, name=one.name: self._retyped(name, field, text)
                )
            own = f"parameter {one.name}"
            told = {field: said for field, said in problems.items() if field in (own, f"{own}.type", f"{own}.default")}
            self._parameter_rows[one.name].show(one, told)
        controls.show_parameters([self._parameter_rows[name] for name in names])
        for row in gone:
            row.close()

    def _draw_returns(self, controls: Any) -> None:
        options: dict[str, Any] = {"what the last step gives": None, "nothing": ()}
        for feed in outputs_before(self._composition, self._materials):
            options[feed_said(feed, self._composition, self._materials)] = (feed,)
        now = self._composition.returns
        if now not in options.values() and now is not None:
            options[", ".join(f"{feed.call}.{feed.output}" for feed in now)] = now
        pairs = tuple(options.items())
        if controls.returns.options != pairs:
            controls.returns.options = pairs
        controls.returns.value = now

    def _remarks(self) -> dict[str, str]:
        """Say what running the cell would replace."""
        known = self._materials.bench.names().get(self._composition.name) if self._composition.name else None
        if known is None:
            return {}
        is_own = self._composition.name in self._materials.pipelines()
        return {
            "name": "running the cell replaces the pipeline of that name"
            if is_own
            else "running the cell replaces a variable of that name"
        }
