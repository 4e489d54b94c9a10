"""From a kind to its control: which widget shows it, and how a value is put in and taken out.

This module knows ipywidgets' widgets one by one. It decides nothing about types: `choosing` did.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import PurePath
from types import GenericAlias
from typing import Any

import ipywidgets as widgets
from pydantic import TypeAdapter, ValidationError

from nbpipe.widgets.appearance import NARROW, control, layout
from nbpipe.widgets.controls import (
    Control,
    PerhapsControl,
    PlaceControl,
    SecretControl,
    SwitchControl,
    Unreadable,
    Unshowable,
    WrittenControl,
)
from nbpipe.widgets.kinds import (
    UNSET,
    Choice,
    Clock,
    Day,
    Hidden,
    Kind,
    Moment,
    Number,
    Perhaps,
    Place,
    Several,
    Switch,
    Words,
    Written,
    is_showable,
)
from nbpipe.widgets.written import same


def control_of(kind: Kind, accepts: Callable[[Any], bool], sample: Any) -> Control:
    """Make the control for a kind, except a group.

    Args:
        kind: What `kinds.kind_of` said.
        accepts: Tells whether the type takes a value; for texts that may be read in several ways.
        sample: The value to begin with; not written yet.
    """
    match kind:
        case Number():
            return _number(kind)
        case Choice():
            return _choice(kind)
        case Switch():
            return SwitchControl(_lax(bool))
        case Words(long=True):
            return Control(control(widgets.Textarea, height="90px"), _exactly(str))
        case Words():
            return Control(control(widgets.Text), _one_line)
        case Day():
            return Control(control(widgets.DatePicker), _lax(date), _given)
        case Moment(aware=True):
            return Control(control(widgets.DatetimePicker), _aware, _given)
        case Moment():
            return Control(control(widgets.NaiveDatetimePicker), _naive, _given)
        case Clock():
            return Control(control(widgets.TimePicker), _naive_time, _given)
        case Place():
            return PlaceControl(control(widgets.Text, placeholder="path"), _path_text, _given)
        case Hidden():
            return SecretControl(kind.make)
        case Several():
            return _several(kind)
        case Perhaps():
            return PerhapsControl(control_of(kind.inner, accepts, sample))
        case Written():
            return WrittenControl(kind, accepts, sample)
    raise TypeError(f"{kind!r} is no control of its own")


def _number(kind: Number) -> Control:
    whole: Any = int if kind.whole else float
    options: dict[str, Any] = {"step": whole(kind.step)} if kind.step else {}
    if kind.low is None or kind.high is None:
        make = widgets.IntText if kind.whole else widgets.FloatText
        return Control(control(make, NARROW, **options), lambda value: _within(kind, value))
    low, high = whole(kind.low), whole(kind.high)
    options |= {"min": low, "max": high, "value": min(max(whole(0), low), high)}
    if kind.few:
        slider = widgets.IntSlider if kind.whole else widgets.FloatSlider
        reading = {} if kind.whole else {"readout_format": ".6"}
        made = control(slider, continuous_update=False, **options, **reading)
        return Control(made, lambda value: _within(kind, value))
    make = widgets.BoundedIntText if kind.whole else widgets.BoundedFloatText
    return Control(control(make, NARROW, **options), lambda value: _within(kind, value))


def _within(kind: Number, value: Any) -> Any:
    number = _lax(int if kind.whole else float)(value)
    if not is_showable(number):
        raise Unshowable(value)
    # With one limit only, the control has none: the model says what is wrong with the number.
    if kind.low is not None and kind.high is not None and not kind.low <= number <= kind.high:
        raise Unshowable(value)
    return number


def _choice(kind: Choice) -> Control:
    few = len(kind.values) <= 4 and sum(map(len, kind.labels)) <= 40
    if few:
        style = {"button_width": "auto"}
        widget = widgets.ToggleButtons(options=kind.labels, index=None, style=style, layout=layout(width="auto"))
    else:
        widget = control(widgets.Dropdown, options=kind.labels, index=None)
    return Control(widget, lambda value: _place_in(kind, value), lambda index: kind.values[_given(index)], "index")


def _place_in(kind: Choice, value: Any) -> int:
    for place, candidate in enumerate(kind.values):
        if same(candidate, value) or same(getattr(candidate, "value", UNSET), value):
            return place
    raise Unshowable(value)


def _several(kind: Several) -> Control:
    if kind.item is str:
        box = control(widgets.TagsInput, placeholder="type, then Enter")
    elif kind.item is int:
        box = control(widgets.IntsInput, format="d", placeholder="type, then Enter")
    else:
        box = control(widgets.FloatsInput, format=".12", placeholder="type, then Enter")
    checked = _lax(GenericAlias(list, (kind.item,)))

    def shown(value: Any) -> list[Any]:
        ordered = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        found: list[Any] = checked(ordered)
        if not all(map(is_showable, found)):
            raise Unshowable(value)
        return found

    return Control(box, shown, kind.container)


def _lax(wanted: Any) -> Callable[[Any], Any]:
    """Make what turns a value into a plain type, as pydantic does: a date may come as text from a record."""
    adapter: TypeAdapter[Any] = TypeAdapter(wanted)

    def shown(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            raise Unshowable(value) from error

    return shown


def _exactly(wanted: type) -> Callable[[Any], Any]:
    def shown(value: Any) -> Any:
        if not isinstance(value, wanted):
            raise Unshowable(value)
        return value

    return shown


def _one_line(value: Any) -> str:
    if not isinstance(value, str) or "\n" in value or "\r" in value:
        raise Unshowable(value)
    return value


def _path_text(value: Any) -> str:
    if not isinstance(value, str | PurePath):
        raise Unshowable(value)
    return str(value)


def _aware(value: Any) -> datetime:
    moment: datetime = _lax(datetime)(value)
    if moment.tzinfo is None:
        raise Unshowable(value)
    return moment


def _naive(value: Any) -> datetime:
    moment: datetime = _lax(datetime)(value)
    if moment.tzinfo is not None:
        raise Unshowable(value)
    return moment


def _naive_time(value: Any) -> time:
    clock: time = _lax(time)(value)
    if clock.tzinfo is not None:
        raise Unshowable(value)
    return clock


def _given(held: Any) -> Any:
    # An emptied control must not fall back to a default that is nowhere to be seen.
    if held is None or held == "":
        raise Unreadable("needs a value")
    return held
