"""What is being put together, and all that can be done to it: the composer without its face.

Whoever drives it without a front end calls these; so does every press. What cannot be done is refused with
a typed error and changes nothing; what is merely unfinished or wrong is kept and told in `problems`.
"""

from __future__ import annotations

from dataclasses import replace

from nbpipe.commands.composing import Materials
from nbpipe.commands.workbench import Workbench
from nbpipe.errors import BadValueError, ConflictError, DefinitionError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.composition import (
    ComposedCall,
    Composition,
    FromCall,
    FromParameter,
    Literal,
    OfferedInput,
)
from nbpipe.widgets.composer_feeding import outputs_before, picked, with_parameter


class ComposerDraft:
    """A composition that changes.

    Args:
        bench: Where the steps are.
    """

    def __init__(self, bench: Workbench) -> None:
        # Inputs for which a value is to be written that is not there yet.
        self._unwritten: set[tuple[str, str]] = set()
        self._materials = Materials(bench)
        self._composition = Composition()
        self._missing = self._materials.look()

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
        for field, text in (("name", name), ("type", type), ("default", default)):
            if text is not None and not isinstance(text, str):
                raise BadValueError(f"{field}={shorten(text)} is no text; write it as Python does.")
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

    def _begin_value(self, key: str, name: str) -> None:
        """Let a value be written for an input: it begins with the step's own, if that is known."""
        _, one = self._input(key, name)
        if one.default:
            self.use_value(key, name, one.default)
            return
        self._unwritten.add((key, name))
        self._take(self._composition.fed(key, name, None).used())

    def _take(self, draft: Composition) -> None:
        """Go on with a changed composition."""
        self._composition = draft

    def _refresh(self) -> None:
        """Show how it stands; here nobody looks."""

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
