"""The parts of a form around its rows: buttons, what there is to say, the same as code, and what came of a run.

This module knows widgets and where they stand. What a press does and what is said is the form's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from nbpipe.widgets import appearance
from nbpipe.widgets.form_keys import FormKeys


class Passage:
    """A piece of code with a button that copies it.

    Args:
        caption: What it is.
    """

    def __init__(self, caption: str) -> None:
        self._text = appearance.markup()
        self.copy_button = widgets.Button(
            description="Copy",
            icon="copy",
            tooltip=f"copy the {caption}",
            layout=appearance.layout(width="auto", height="24px"),
        )
        self.copy_button.add_class("nbpipe-copy")
        head = appearance.bar([appearance.markup(appearance.said(caption)), self.copy_button])
        self.widget = appearance.stack([head, self._text])
        self.widget.add_class("nbpipe-passage")

    def show(self, code: str) -> None:
        """Show a piece of code."""
        html = appearance.code(code)
        if self._text.value != html:
            self._text.value = html


class FormPage:
    """Everything of a form but its rows.

    Args:
        captions: What each piece of code is.
        press: Called when a run is asked for, by the button or by Ctrl+Enter.
        stop: Called when the Stop button is pressed.
        reset: Called when the Reset button is pressed.
        verb: What stands on the button that runs.
    """

    def __init__(
        self,
        captions: Sequence[str],
        press: Callable[[], None],
        stop: Callable[[], None],
        reset: Callable[[], None],
        verb: str,
    ) -> None:
        self._verb = verb
        self.run_button = widgets.Button(description=verb, icon="play", button_style="primary")
        self.run_button.on_click(lambda _: press())
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True, tooltip="nothing runs")
        self.stop_button.on_click(lambda _: stop())
        self.reset_button = widgets.Button(
            description="Reset", icon="undo", tooltip="back to the values the form began with"
        )
        self.reset_button.on_click(lambda _: reset())
        self.keys = FormKeys(press, self._tell_copied)
        self.passages = [Passage(caption) for caption in captions]
        self._state, self._said, self._remark, self._result = (appearance.markup() for _ in range(4))
        self._code = appearance.stack([passage.widget for passage in self.passages])
        self._result.add_class("jp-RenderedHTMLCommon")  # tables look as they do under a cell

    def laid_out(self, title: str, rows: Any, steps: Any, *, can_run: bool, can_stop: bool) -> Any:
        """Give the whole form.

        Args:
            title: What stands above it.
            rows: The rows of the parameters.
            steps: The folded rows of single steps, if there are any.
            can_run: Whether it has a Run button.
            can_stop: Whether what runs can be stopped.
        """
        head = [appearance.markup(appearance.heading(title))] if title else []
        folded = [appearance.markup(appearance.said("For single steps only:")), steps] if steps is not None else []
        buttons = [(self.run_button, can_run), (self.stop_button, can_run and can_stop), (self.reset_button, True)]
        bar = appearance.bar([*(button for button, is_there in buttons if is_there), self._state])
        parts = [*head, rows, *folded, bar, self._said, self._result, self._code, self._remark, self.keys]
        page = appearance.page(parts)
        page.add_class("nbpipe-form")
        return page

    def show_state(self, reason: str, *, is_running: bool, is_stopping: bool, said: str) -> None:
        """Show whether it can run, and why not.

        Args:
            reason: Why it cannot run now; empty if it can.
            is_running: Whether a run goes on.
            is_stopping: Whether that was asked to stop.
            said: What stands beside the buttons.
        """
        self.run_button.disabled = bool(reason)
        self.run_button.description = "Running…" if is_running else self._verb
        self.run_button.tooltip = reason or f"{self._verb.lower()} with these values (Ctrl+Enter)"
        self.stop_button.disabled = not is_running or is_stopping
        self.stop_button.description = "Stopping…" if is_stopping else "Stop"
        self.stop_button.tooltip = "stop the run; what is done is kept" if is_running else "nothing runs"
        self._put(self._state, appearance.said(said))

    def show_message(self, text: str) -> None:
        """Show what went wrong, if anything."""
        self._put(self._said, appearance.said(text, "failed"))

    def show_code(self, codes: Sequence[str] | None, left_out: Sequence[str]) -> None:
        """Show the same as code; `None` while there is none."""
        appearance.lay_out(self._code, display=None if codes is not None else "none")
        for passage, code in zip(self.passages, codes or (), strict=False):
            passage.show(code)
        said = ""
        if codes is None and self.passages:
            said = "The same as code: once the values will do."
        elif left_out:
            said = f"Not written down, being secret: {', '.join(left_out)}"
        self._put(self._remark, appearance.said(said))

    def show_result(self, html: str) -> None:
        """Show how a run goes on, or what came of it."""
        self._put(self._result, html)

    def _tell_copied(self, is_done: bool) -> None:
        said = "Copied." if is_done else "Your browser does not let a page copy; the text is selected."
        self._put(self._remark, appearance.said(said))

    def _put(self, place: Any, html: str) -> None:
        if place.value != html:
            place.value = html
