"""The controls: each shows one value, and says what the user made of it.

A control never bends a value to what it can show: `write` refuses, and the field then shows the
value as text. What it reads is what pydantic is given; whether that will do is the model's
business, not the control's.

This module knows widgets and kinds. It knows no labels, no messages and no form.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
from pydantic import Secret, SecretBytes, SecretStr

from nbpipe.widgets import appearance
from nbpipe.widgets.kinds import (
    UNSET,
    Written,
)
from nbpipe.widgets.written import json_problem, read, text_of


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
        fields: The fields within it, if it shows a model.
    """

    fields: tuple[Any, ...] = ()

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
        """Let the user change it, or not; what cannot be locked is hidden."""
        if self.widget.has_trait("disabled"):
            self.widget.disabled = not on
        else:
            appearance.lay_out(self.widget, display=None if on else "none")

    def name(self, text: str) -> None:
        """Name the control for who cannot see the label beside it."""
        appearance.name(self.widget, text)

    def watch(self, react: Callable[[], None]) -> None:
        """Call `react` after every change."""
        self.widget.observe(lambda _: react(), self._trait)

    def _touch(self, _change: Any) -> None:
        self.is_given = True


class WrittenControl(Control):
    """A text that stands for a value; untouched, it stands for the very value that was written."""

    def __init__(self, kind: Written, accepts: Callable[[Any], bool], sample: Any) -> None:
        text = text_of(sample, as_text=kind.as_text)
        has_lines = kind.is_long or "\n" in text
        make = widgets.Textarea if has_lines else widgets.Text
        placeholder = "" if kind.as_text else "as JSON"
        box = appearance.control(make, height="90px" if has_lines else None, placeholder=placeholder)
        super().__init__(box, self._hold, self._release)
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
        meant = read(text, self._accepts, as_text=self._kind.as_text)
        if meant == text and not self._kind.as_text and (wrong := json_problem(text)) and not self._accepts(text):
            raise Unreadable(wrong)
        return meant


class SecretControl(Control):
    """A secret: typed, taken, and at once wiped from the widget, whose state a notebook may save."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        box = appearance.control(widgets.Password, continuous_update=False)
        super().__init__(box, lambda _: "")
        self._make = make
        self._held: Any = UNSET

    def write(self, value: Any) -> None:
        """Keep `value`, and show only that there is one."""
        is_hidden = value is UNSET or isinstance(value, SecretStr | SecretBytes | Secret)
        self._keep(value if is_hidden else self._make(value.decode() if isinstance(value, bytes) else str(value)))

    def read(self) -> Any:
        """Give the secret in the type that hides it."""
        if self._held is UNSET and self.is_given:
            raise Unreadable("needs a value")
        return self._held

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
        return "✓ exists" if os.path.exists(self.widget.value) else "○ nothing is there yet"


class SwitchControl(Control):
    """A box to tick; of its name only the box is seen, since the label beside it says the same."""

    def __init__(self, shown: Callable[[Any], Any]) -> None:
        box = widgets.Checkbox(indent=False, layout=appearance.layout(width="18px", overflow="hidden"))
        super().__init__(box, shown)

    def name(self, text: str) -> None:
        """Name the box for who cannot see the label beside it."""
        self.widget.description = text


class PerhapsControl(Control):
    """Another control behind a box that says whether there is a value; without, it is `None`."""

    def __init__(self, inner: Control) -> None:
        self.inner = inner
        self.box = widgets.Checkbox(
            description="set", indent=False, layout=appearance.layout(width="auto", margin="2px 8px 0 0")
        )
        appearance.lay_out(inner.widget, flex="1 1 0")
        row = widgets.HBox([self.box, inner.widget], layout=appearance.layout(width="100%", align_items="flex-start"))
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
        """Name both controls for who cannot see the label beside them."""
        self.box.description = f"set {text.rpartition('.')[2]}"
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
