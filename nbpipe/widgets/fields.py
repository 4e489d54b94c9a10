"""The rows of a form: a label, a control, and under it what there is to say.

A field begins with a value and knows whether it still has it. A value that its control cannot
show is shown as text instead, so that what is seen is always what would be used. A model within
a model is a group of fields.

This module knows rows. Whether all the values together will do is `checking`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticUndefined
from traitlets import TraitError

from nbpipe.records.limits import limits_text
from nbpipe.records.parameters import ParameterModel
from nbpipe.widgets import appearance
from nbpipe.widgets.choosing import key_in_data, kind_of
from nbpipe.widgets.controls import Control, PerhapsControl, Unreadable, Unshowable, WrittenControl
from nbpipe.widgets.kinds import UNSET, Choice, Group, Hidden, Kind, Perhaps, Several, Variants, Written
from nbpipe.widgets.making import control_of
from nbpipe.widgets.variants import UnreadableFields, VariantControl
from nbpipe.widgets.written import SECRET, line_of, same

React = Callable[[], None]


class Field:
    """One row.

    Args:
        model: The model that declares it.
        name: Its name there.
        start: The value to begin with, or `UNSET`.
        react: Called after every change.
        prefix: What its dotted name begins with, if it lies in a group.
        models: The models around it.

    Attributes:
        path: Its dotted name in the form.
        label: The widget of its label.
        cell: The widget of everything else.
    """

    def __init__(
        self,
        model: type[BaseModel],
        name: str,
        start: Any,
        *,
        react: React,
        prefix: str = "",
        models: tuple[Any, ...] = (),
    ) -> None:
        info = model.model_fields[name]
        self.name = name
        self.path = f"{prefix}{name}"
        self.start = start
        self._info = info
        self._react = react
        self.kind = kind_of(info.annotation, info.metadata, start, models)
        self.label = appearance.markup(appearance.label(name))
        self._note: Any = None
        self.cell = appearance.stack([])
        self._own = self._make(self.kind)
        self.control = self._own
        self.write(start)
        self._begun = self._now()
        self._about = " · ".join(filter(None, [info.description, limits_text(info.annotation, info.metadata)]))
        self.show("")

    def write(self, value: Any) -> None:
        """Show `value` in its own control, or as text where that cannot show it."""
        try:
            self._own.write(value)
            self._use(self._own)
        except (Unshowable, TraitError, TypeError, ValueError, OverflowError):
            plain = Written(as_text=not isinstance(self.kind, Group | Several | Perhaps | Variants))
            text = WrittenControl(plain, self._accepts, value)
            text.write(value)
            text.name(self.path)
            text.watch(self._react)
            self._use(text)

    def read(self) -> Any:
        """Give the value that is shown, or `UNSET`.

        Raises:
            Unreadable: What is shown is no value.
        """
        return self.control.read()

    def shown(self) -> Any:
        """Give what is shown whether it is a value or not."""
        try:
            return self.read()
        except UnreadableFields:
            return {field.name: field.shown() for field in self.inner()}
        except Unreadable:
            return UNSET

    def reset(self) -> None:
        """Show again what it began with."""
        self.write(self.start)

    def follow(self, value: Any) -> None:
        """Begin with another value from now on, unless it was changed by hand."""
        if not self.is_changed and not same(value, self.start):
            self.start = value
            self.write(value)
            self._begun = self._now()

    @property
    def is_changed(self) -> bool:
        """Whether it shows another value than it began with."""
        return not same(self._now(), self._begun)

    @property
    def is_fixed(self) -> bool:
        """Whether there is only one value that it can have, and has."""
        return isinstance(self.kind, Choice) and len(self.kind.values) == 1 and self.start is not UNSET

    @property
    def is_secret(self) -> bool:
        """Whether its value must not be seen."""
        kind = self.kind.inner if isinstance(self.kind, Perhaps) else self.kind
        return isinstance(kind, Hidden)

    def show(self, problem: str) -> None:
        """Show what is wrong with the value, if anything, and whether it is changed."""
        is_changed = self.is_changed
        self.label.value = appearance.label(self.name, changed=is_changed, title=self._info.description or "")
        quiet = (self._about, self.control.remark(), self._former() if is_changed else "")
        self._tell(appearance.note(quiet, problem))

    def _tell(self, html: str) -> None:
        if self._note is None and html:
            self._note = appearance.markup(html)
            self._use(self.control)
        elif self._note is not None and self._note.value != html:
            self._note.value = html

    def inner(self) -> tuple[Field, ...]:
        """Give the fields of its group, if it is one."""
        return self.control.inner.fields if isinstance(self.control, PerhapsControl) else self.control.fields

    def _former(self) -> str:
        if self.start is UNSET or self.inner():
            return ""
        return f"was {SECRET if self.is_secret else line_of(self.start)}"

    def _now(self) -> Any:
        try:
            return self.read()
        except Unreadable as error:
            return Unreadable, str(error)

    def _make(self, kind: Kind) -> Control:
        control = self._group_or_control(kind)
        control.name(self.path)
        control.watch(self._react)
        return control

    def _group_or_control(self, kind: Kind) -> Control:
        match kind:
            case Group():
                return GroupControl(kind, self.start, self._react, f"{self.path}.")
            case Variants():
                return VariantControl(kind, self._variant, self.path)
            case Perhaps(inner=(Group() | Variants()) as inside):
                return PerhapsControl(self._group_or_control(inside))
        return control_of(kind, self._accepts, self.start)

    def _variant(self, kind: Kind) -> Control:
        if isinstance(kind, Group):
            return GroupControl(kind, UNSET, self._react, f"{self.path}.", is_variant=True)
        control = self._group_or_control(kind)
        control.watch(self._react)
        return control

    def _use(self, control: Control) -> None:
        self.control = control
        shown = (control.widget, self._note) if self._note is not None else (control.widget,)
        if self.cell.children != shown:
            self.cell.children = shown

    def _accepts(self, value: Any) -> bool:
        try:
            self._probe(value=value)
        except Exception:  # noqa: BLE001 — a rule of the user's may raise anything; then it does not accept
            return False
        return True

    @cached_property
    def _probe(self) -> Callable[..., Any]:
        rules = tuple(self._info.metadata)
        annotation: Any = Annotated[(self._info.annotation, *rules)] if rules else self._info.annotation
        try:
            return create_model("Probe", __base__=ParameterModel, value=(annotation, ...))
        except (PydanticUserError, TypeError, NameError):
            return dict


class GroupControl(Control):
    """The fields of a model within a model; unchanged, they stand for the very instance that was written."""

    def __init__(self, kind: Group, start: Any, react: React, prefix: str, *, is_variant: bool = False) -> None:
        self.model = kind.model
        self.is_given = True
        values = self._taken_apart(start) if isinstance(start, BaseModel | Mapping) else {}
        self.fields = tuple(
            Field(kind.model, name, value, react=react, prefix=prefix, models=kind.models)
            for name, value in starting_values(kind.model, values).items()
        )
        self._held: tuple[Any, Any] = (UNSET, UNSET)
        # What tells a variant from the others has been said by choosing it.
        shown = tuple(field for field in self.fields if not (is_variant and field.is_fixed))
        self.widget = appearance.columns(cells(shown), inner=True)

    def write(self, value: Any) -> None:
        """Show an instance of the model, or a mapping with some of its fields."""
        values = starting_values(self.model, {} if value is UNSET else self._taken_apart(value))
        for field in self.fields:
            field.write(values[field.name])
        self._held = (value, self._data()) if isinstance(value, BaseModel) else (UNSET, UNSET)

    def read(self) -> Any:
        """Give the instance that was written, or the fields as data."""
        data = self._data()
        instance, unchanged = self._held
        return instance if instance is not UNSET and same(data, unchanged) else data

    def enable(self, *, on: bool) -> None:
        """Show the fields, or hide them."""
        appearance.lay_out(self.widget, display=None if on else "none")

    def name(self, text: str) -> None:
        """Do nothing: its fields have names of their own."""

    def watch(self, react: Callable[[], None]) -> None:
        """Do nothing: its fields are watched already."""

    def _data(self) -> dict[str, Any]:
        values, problems = read_all(self.fields)
        if problems:
            raise UnreadableFields(problems)
        return {str(key_in_data(self.model, name)): value for name, value in values.items()}

    def _taken_apart(self, value: Any) -> dict[str, Any]:
        if type(value) is self.model and not value.__pydantic_extra__:
            return {name: getattr(value, name) for name in self.model.model_fields}
        names = {key_in_data(self.model, name): name for name in self.model.model_fields}
        if isinstance(value, Mapping) and value.keys() <= names.keys():
            return {str(names[key]): inner for key, inner in value.items()}
        raise Unshowable(value)


def starting_values(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Give for each field of a model the value to begin with: the one given, its default, or `UNSET`."""
    return {name: values[name] if name in values else _default(model, name) for name in model.model_fields}


def read_all(fields: tuple[Field, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """Give the values that fields show, by name, and what is wanted of those that show none, by dotted name."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field in fields:
        try:
            value = field.read()
        except UnreadableFields as error:
            problems |= error.problems
        except Unreadable as error:
            problems[field.path] = str(error)
        else:
            if value is not UNSET:
                values[field.name] = value
    return values, problems


def walk(fields: tuple[Field, ...]) -> Iterator[Field]:
    """Walk through fields, each before those of its group."""
    for field in fields:
        yield field
        yield from walk(field.inner())


def cells(fields: tuple[Field, ...]) -> list[Any]:
    """Give the widgets of fields, label and cell by turns."""
    return [widget for field in fields for widget in (field.label, field.cell)]


def _default(model: type[BaseModel], name: str) -> Any:
    try:
        value = model.model_fields[name].get_default(call_default_factory=True, validated_data={})
    except Exception:  # noqa: BLE001 — a user's factory may raise, also because it asks for other fields
        return UNSET
    return UNSET if value is PydanticUndefined else value
