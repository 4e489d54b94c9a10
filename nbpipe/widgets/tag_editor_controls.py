"""The widgets of the tag editor: chips that can be taken off, a name that is completed, what it would do.

They are told what to show and decide nothing. What a tag would do stands below the buttons: what
grows while somebody types must not move a button away from under the pointer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ipywidgets as widgets

from nbpipe.services.tag_foresight import TagEffect
from nbpipe.views.amounts import shorten
from nbpipe.views.markup import one_line
from nbpipe.widgets import appearance

_MOST_CHIPS = 60
_LONGEST_CHIP = 40


@dataclass(frozen=True, slots=True)
class Chip:
    """A tag that is there.

    Attributes:
        name: The tag.
        text: What the chip says.
        flags: What kind of tag it is.
        bearer: What bears it.
    """

    name: str
    text: str
    flags: str
    bearer: str


class TagEditorControls:
    """The widgets of the editor; what they show is told them."""

    def __init__(self) -> None:
        self.title, self.none, self.effects, self.said = (appearance.markup() for _ in range(4))
        self.chips = appearance.bar([])
        self.name = appearance.control(
            widgets.Combobox, placeholder="a tag, or several with commas", continuous_update=True
        )
        appearance.name(self.name, "tag")
        self.exclusive = widgets.Checkbox(
            description="exclusive: one holder at a time", indent=False, layout=widgets.Layout(width="auto")
        )
        self.add = widgets.Button(icon="plus", layout=widgets.Layout(width="auto", min_width="90px"))
        self.remove = widgets.Button(
            description="Remove", icon="minus", tooltip="take these tags off", layout=widgets.Layout(width="auto")
        )
        rows = [appearance.markup(appearance.label("tag")), self.name, appearance.markup(""), self.exclusive]
        bar = appearance.bar([self.add, self.remove])
        parts = [self.title, self.none, self.chips, appearance.columns(rows), bar, self.effects, self.said]
        self.page = appearance.page(parts)
        self._shown: list[Chip] = []

    def show_chips(self, title: str, chips: Sequence[Chip], remove: Callable[[str], None]) -> None:
        """Show what is there, each to be taken off by a press."""
        self.title.value = appearance.heading(f"Tags of {title}")
        rest = len(chips) - _MOST_CHIPS
        self.none.value = appearance.said("no tags yet" if not chips else f"and {rest} more" if rest > 0 else "")
        shown = list(chips[:_MOST_CHIPS])
        if shown == self._shown:
            # A chip that is pressed must not be replaced under the pointer.
            return
        self._shown = shown
        former = self.chips.children
        self.chips.children = [_chip(chip, remove) for chip in shown]
        appearance.close(former)

    def suggest(self, names: Sequence[str]) -> None:
        """Offer known tags for completion, but for those that would be read as others once they are typed."""
        options = tuple(name for name in names if "," not in name and one_line(name) == name)
        if self.name.options != options:
            self.name.options = options

    def offer(
        self, effects: Sequence[TagEffect], problem: str, *, is_any_new: bool, exclusive: bool, bears: bool
    ) -> None:
        """Say what would be done, and offer what can be pressed."""
        self.exclusive.disabled = not is_any_new
        self.exclusive.value = exclusive
        problems = [problem, *(effect.problem for effect in effects)]
        is_moving = any(effect.losers for effect in effects)
        self.add.disabled = any(problems) or not effects
        self.add.description = "Add and move" if is_moving else "Add"
        self.add.button_style = "warning" if is_moving else "primary"
        self.add.tooltip = " ".join(effect.said for effect in effects) or "name a tag first"
        self.remove.disabled = not bears
        refused = "\n".join(filter(None, problems))
        told = [effect for effect in effects if not effect.problem]
        self.effects.value = "".join(
            (
                # What somebody else loses is to be noticed.
                appearance.said("\n".join(effect.said for effect in told if effect.losers), "stale"),
                appearance.said("\n".join(effect.said for effect in told if not effect.losers)),
                appearance.said(refused, "failed") if refused else "",
            )
        )

    def say(self, text: str, status: str) -> None:
        """Say what the last press did."""
        self.said.value = appearance.said(text, status)


def _chip(chip: Chip, remove: Callable[[str], None]) -> widgets.Button:
    flags = f" · {chip.flags}" if chip.flags else ""
    button = widgets.Button(
        description=f"{shorten(one_line(chip.text), _LONGEST_CHIP)}{flags} ✕",
        tooltip=f"take {shorten(one_line(chip.name), 300)} off {shorten(one_line(chip.bearer), 100)}",
        layout=widgets.Layout(width="auto", height="26px"),
        style={"font_size": "12px"},
    )
    button.on_click(lambda _: remove(chip.name))
    return button
