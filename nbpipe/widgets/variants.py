"""One of several types: a list to choose from, and below it the control of the one that is chosen.

A control is made when its variant is first chosen. Which variant a value belongs to, its type
decides; data that came from a record belongs to the first that takes it.

This module knows which control is in view. It does not know how one is made, nor any field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from nbpipe.records.base import problems_of
from nbpipe.widgets import appearance
from nbpipe.widgets.controls import Control, Unreadable, Unshowable
from nbpipe.widgets.kinds import UNSET, Kind, Variants


class VariantControl(Control):
    """A choice of type, and the control of that type.

    Args:
        kind: What there is to choose from.
        make: Makes the control of one variant.
        path: The dotted name of the field.
    """

    def __init__(self, kind: Variants, make: Callable[[Kind], Control], path: str) -> None:
        self._kind = kind
        self._make = make
        self._path = path
        self._made: dict[int, Control] = {}
        self._making: int | None = None
        self._reacts: list[Callable[[], None]] = []
        self._adapters = [_adapter(member) for member in kind.members]
        self.choice = appearance.control(widgets.Dropdown, options=kind.labels, index=None)
        super().__init__(self.choice, lambda value: value, trait="index")
        self.widget = appearance.stack([self.choice])
        self.choice.observe(self._choose, "index")

    @property
    def chosen(self) -> Control | None:
        """The control of the variant that is chosen, if one is."""
        place = self.choice.index
        # While its fields are made, whoever hears of them may ask already.
        return None if place is None or place == self._making else self._control(place)

    @property
    def fields(self) -> tuple[Any, ...]:  # type: ignore[override]
        """The fields of the variant that is chosen, if it is a model."""
        return self.chosen.fields if self.chosen is not None else ()

    def write(self, value: Any) -> None:
        """Show a value under the variant that it belongs to."""
        if value is UNSET:
            self.choice.index = None
            self.is_given = False
            return
        place = self._place_of(value)
        self._control(place).write(value)
        self.choice.index = place
        self.is_given = True

    def read(self) -> Any:
        """Give what the chosen variant holds: of that variant's own type, whichever else would take it too."""
        chosen = self.chosen
        if chosen is None:
            return UNSET
        value = chosen.read()
        if value is UNSET:
            raise Unreadable("needs a value")
        adapter = self._adapters[self.choice.index]
        if adapter is None:
            return value
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise UnreadableFields(problems_of(error), self._path) from None
        except Exception as error:
            # A rule of the user's may raise anything; the field says what, so nothing is lost.
            raise Unreadable(f"a rule of the model failed: {type(error).__name__}: {error}") from error

    def remark(self) -> str:
        """Say what the chosen variant's control says."""
        return self.chosen.remark() if self.chosen is not None else ""

    def enable(self, *, on: bool) -> None:
        """Show the choice and the control, or hide them."""
        appearance.lay_out(self.widget, display=None if on else "none")

    def name(self, text: str) -> None:
        """Name the choice for who cannot see the label beside it."""
        appearance.name(self.choice, f"{text}: which")

    def watch(self, react: Callable[[], None]) -> None:
        """Call `react` after every change of the choice or of what is chosen."""
        self._reacts.append(react)
        self.choice.observe(lambda _: react(), "index")
        for control in self._made.values():
            control.watch(react)

    def _control(self, place: int) -> Control:
        if place not in self._made:
            self._making = place
            control = self._made[place] = self._make(self._kind.kinds[place])
            self._making = None
            control.name(self._path)
            # What is chosen counts as it is seen.
            control.is_given = True
            for react in self._reacts:
                control.watch(react)
        return self._made[place]

    def _choose(self, _: Any) -> None:
        chosen = self.chosen
        self.widget.children = (self.choice, *([chosen.widget] if chosen is not None else []))

    def _place_of(self, value: Any) -> int:
        for place, member in enumerate(self._kind.members):
            if isinstance(member, type) and type(value) is member:
                return place
        for is_strict in (True, None):
            for place, adapter in enumerate(self._adapters):
                try:
                    if adapter is not None:
                        adapter.validate_python(value, strict=is_strict)
                        return place
                except Exception:  # noqa: BLE001, S112 — a rule of the user's may raise anything; then it does not fit
                    # Nothing is lost: what fits no variant is told as `Unshowable`.
                    continue
        raise Unshowable(value)


class UnreadableFields(Unreadable):
    """What the user left in some fields of a group is no value.

    Attributes:
        problems: What is wanted, by dotted name.
    """

    def __init__(self, problems: dict[str, str], prefix: str = "") -> None:
        super().__init__("; ".join(problems.values()))
        named = {name if name != "value" else "": said for name, said in problems.items()}
        self.problems = {".".join(filter(None, (prefix, name))): said for name, said in named.items()}


def _adapter(member: Any) -> TypeAdapter[Any] | None:
    try:
        is_model = isinstance(member, type) and issubclass(member, BaseModel)
        return TypeAdapter(member, config=None if is_model else ConfigDict(arbitrary_types_allowed=True))
    except (PydanticUserError, TypeError, NameError):
        return None
