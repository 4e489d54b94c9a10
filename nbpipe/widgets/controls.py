"""The controls: each shows one value, and says what the user made of it.

A control never bends a value to what it can show: `write` refuses, and the field then shows the
value as text. What it reads is what pydantic is given; whether that will do is the model's
business, not the control's.

This module knows widgets and kinds. It knows no labels, no messages and no form.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any

import ipywidgets as widgets
from pydantic import Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError

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
from nbpipe.widgets.written import read, same, text_of

WIDE = "min(100%, 440px)"


class Unshowable(ValueError):
    """A control cannot show this value as it is."""


class Unreadable(ValueError):
    """What the user left in a control is no value; the message says what is wanted."""


class Control:
    """A widget that shows one value.

    Args:
        widget: The widget.
        shown: Turns a value into what the widget holds; raises `Unshowable`.
        meant: Turns what the widget holds into a value.
        trait: The trait that holds it.

    Attributes:
        is_given: Whether there is a value at all; a required one is not given before it is touched.
    """

    def __init__(
        self,
        widget: Any,
        shown: Callable[[Any], Any],
        meant: Callable[[Any], Any] = lambda held: held,
        trait: str = "value",
    ) -> None:
        self.widget = widget
        self.is_given = False
        self._shown = shown
        self._meant = meant
        self._trait = trait
        self._blank = getattr(widget, trait)
        widget.observe(self._touch, trait)

    def write(self, value: Any) -> None:
        """Show `value`; `UNSET` empties the control.

        Raises:
            Unshowable: It cannot be shown as it is, and the control is as it was.
        """
        setattr(self.widget, self._trait, self._blank if value is UNSET else self._shown(value))
        self.is_given = value is not UNSET

    def read(self) -> Any:
        """Give the value that is shown, or `UNSET`.

        Raises:
            Unreadable: The control was emptied.
        """
        return self._meant(getattr(self.widget, self._trait)) if self.is_given else UNSET

    def remark(self) -> str:
        """Say what is worth knowing about the value beside whether it will do."""
        return ""

    def enable(self, *, on: bool) -> None:
        """Let the user change it, or not."""
        self.widget.disabled = not on

    def name(self, text: str) -> None:
        """Say what it is for, to who points at it or cannot see it."""
        self.widget.tooltip = text

    def watch(self, react: Callable[[], None]) -> None:
        """Call `react` after every change."""
        self.widget.observe(lambda _: react(), self._trait)

    def _touch(self, _change: Any) -> None:
        self.is_given = True


class WrittenControl(Control):
    """A text that stands for a value; untouched, it stands for the very value that was written."""

    def __init__(self, kind: Written, accepts: Callable[[Any], bool], sample: Any) -> None:
        text = text_of(sample, as_text=kind.as_text)
        make = widgets.Textarea if "\n" in text else widgets.Text
        layout = widgets.Layout(width=WIDE, height="90px") if "\n" in text else widgets.Layout(width=WIDE)
        placeholder = "" if kind.as_text else "as JSON"
        super().__init__(make(layout=layout, placeholder=placeholder), self._hold, self._release)
        self._kind = kind
        self._accepts = accepts
        self._held: tuple[str, Any] = ("", UNSET)

    def _hold(self, value: Any) -> str:
        text = text_of(value, as_text=self._kind.as_text)
        self._held = (text, value)
        return text

    def _release(self, text: str) -> Any:
        written, value = self._held
        if text == written and value is not UNSET:
            return value
        return read(text, self._accepts, as_text=self._kind.as_text)


class SecretControl(Control):
    """A secret: typed, taken, and at once wiped from the widget, whose state a notebook may save."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        box = widgets.Password(continuous_update=False, layout=widgets.Layout(width=WIDE))
        super().__init__(box, lambda _: "")
        self._make = make
        self._held: Any = UNSET

    def write(self, value: Any) -> None:
        """Keep `value`, and show only that there is one."""
        is_hidden = value is UNSET or isinstance(value, SecretStr | SecretBytes | Secret)
        self._keep(value if is_hidden else self._make(value.decode() if isinstance(value, bytes) else str(value)))

    def read(self) -> Any:
        """Give the secret in the type that hides it."""
        return self._held if self._held is not UNSET or not self.is_given else _given(None)

    def _touch(self, change: Any) -> None:
        if change["new"]:
            self._keep(self._make(change["new"]))

    def _keep(self, value: Any) -> None:
        self._held = value
        self.is_given = value is not UNSET
        self.widget.placeholder = "set, and not shown" if self.is_given else ""
        self.widget.value = ""


class PlaceControl(Control):
    """A path, with a mark that says whether something is there."""

    def remark(self) -> str:
        """Say whether the path exists."""
        if not self.widget.value:
            return ""
        return "✓ exists" if os.path.exists(os.path.expanduser(self.widget.value)) else "○ nothing is there yet"  # noqa: PTH110,PTH111


class PerhapsControl(Control):
    """Another control behind a box that says whether there is a value; without, it is `None`."""

    def __init__(self, inner: Control) -> None:
        self.inner = inner
        self.box = widgets.Checkbox(
            description="set", indent=False, layout=widgets.Layout(width="auto", margin="2px 8px 0 0")
        )
        inner.widget.layout.flex = "1 1 0"
        row = widgets.HBox([self.box, inner.widget], layout=widgets.Layout(width="100%", align_items="flex-start"))
        super().__init__(self.box, bool)
        self.widget = row
        inner.enable(on=False)
        self.box.observe(self._tick, "value")

    def write(self, value: Any) -> None:
        """Show `value`, or that there is none."""
        if value is not None and value is not UNSET:
            self.inner.write(value)
        self.box.value = value is not None and value is not UNSET
        self.is_given = True

    def read(self) -> Any:
        """Give the inner value, or `None`."""
        return self.inner.read() if self.box.value else None

    def name(self, text: str) -> None:
        """Say what it is for, to who points at it or cannot see it."""
        self.box.tooltip = f"{text} (tick to set)"
        self.inner.name(text)

    def remark(self) -> str:
        """Say what the inner control says, if it counts."""
        return self.inner.remark() if self.box.value else ""

    def enable(self, *, on: bool) -> None:
        """Let the user change it, or not."""
        self.box.disabled = not on
        self.inner.enable(on=on and self.box.value)

    def watch(self, react: Callable[[], None]) -> None:
        """Call `react` after every change of either."""
        self.box.observe(lambda _: react(), "value")
        self.inner.watch(react)

    def _tick(self, change: Any) -> None:
        self.inner.enable(on=change["new"])
        # From now on what is seen counts, even if nobody typed it.
        self.inner.is_given = True


def control_of(kind: Kind, accepts: Callable[[Any], bool], sample: Any) -> Control:
    """Make the control for a kind, except a group.

    Args:
        kind: What `kinds.kind_of` said.
        accepts: Tells whether the type takes a value; for texts that may be read in several ways.
        sample: The value to begin with; not written yet.
    """
    wide = {"layout": widgets.Layout(width=WIDE)}
    match kind:
        case Number():
            return _number(kind)
        case Choice():
            return _choice(kind)
        case Switch():
            box = widgets.Checkbox(indent=False, layout=widgets.Layout(width="auto"))
            return Control(box, _lax(bool))
        case Words(long=True):
            layout = widgets.Layout(width=WIDE, height="90px")
            return Control(widgets.Textarea(layout=layout), _exactly(str))
        case Words():
            return Control(widgets.Text(**wide), _one_line)
        case Day():
            return Control(widgets.DatePicker(**wide), _lax(date), _given)
        case Moment(aware=True):
            return Control(widgets.DatetimePicker(**wide), _aware, _given)
        case Moment():
            return Control(widgets.NaiveDatetimePicker(**wide), _naive, _given)
        case Clock():
            return Control(widgets.TimePicker(**wide), _naive_time, _given)
        case Place():
            return PlaceControl(widgets.Text(placeholder="path", **wide), _path_text, _given)
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
    narrow = {"layout": widgets.Layout(width="min(100%, 200px)")}
    if kind.low is None or kind.high is None:
        make = widgets.IntText if kind.whole else widgets.FloatText
        return Control(make(**options, **narrow), lambda value: _within(kind, value))
    low, high = whole(kind.low), whole(kind.high)
    options |= {"min": low, "max": high, "value": min(max(whole(0), low), high)}
    if kind.few:
        wide = {"continuous_update": False, "layout": widgets.Layout(width=WIDE)}
        slider = widgets.IntSlider if kind.whole else widgets.FloatSlider
        reading = {} if kind.whole else {"readout_format": ".6"}
        return Control(slider(**options, **wide, **reading), lambda value: _within(kind, value))
    make = widgets.BoundedIntText if kind.whole else widgets.BoundedFloatText
    return Control(make(**options, **narrow), lambda value: _within(kind, value))


def _within(kind: Number, value: Any) -> Any:
    number = _lax(int if kind.whole else float)(value)
    # With one limit only, the control has none: the model says what is wrong with the number.
    is_bounded = kind.low is not None and kind.high is not None
    if not is_showable(number) or (is_bounded and not kind.low <= number <= kind.high):  # type: ignore[operator]
        raise Unshowable(value)
    return number


def _choice(kind: Choice) -> Control:
    few = len(kind.values) <= 4 and sum(map(len, kind.labels)) <= 40
    if few:
        style = {"button_width": "auto"}
        widget = widgets.ToggleButtons(
            options=kind.labels, index=None, style=style, layout=widgets.Layout(width="auto")
        )
    else:
        widget = widgets.Dropdown(options=kind.labels, index=None, layout=widgets.Layout(width=WIDE))
    return Control(widget, lambda value: _place_in(kind, value), lambda index: kind.values[_given(index)], "index")


def _place_in(kind: Choice, value: Any) -> int:
    for place, candidate in enumerate(kind.values):
        if same(candidate, value) or same(getattr(candidate, "value", UNSET), value):
            return place
    raise Unshowable(value)


def _several(kind: Several) -> Control:
    layout = widgets.Layout(width=WIDE)
    if kind.item is str:
        box = widgets.TagsInput(layout=layout, placeholder="type, then Enter")
    elif kind.item is int:
        box = widgets.IntsInput(layout=layout, format="d", placeholder="type, then Enter")
    else:
        box = widgets.FloatsInput(layout=layout, format=".12", placeholder="type, then Enter")
    items: TypeAdapter[Any] = TypeAdapter(list[kind.item])  # type: ignore[name-defined]

    def shown(value: Any) -> list[Any]:
        ordered = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        found: list[Any] = _checked(items, ordered)
        if not all(map(is_showable, found)):
            raise Unshowable(value)
        return found

    return Control(box, shown, kind.container)


def _lax(wanted: type) -> Callable[[Any], Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(wanted)
    return lambda value: _checked(adapter, value)


def _checked(adapter: TypeAdapter[Any], value: Any) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise Unshowable(value) from error


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
