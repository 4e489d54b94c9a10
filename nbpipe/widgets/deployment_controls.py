"""The widgets of a deployment's card: what stands where, and what can be pressed when.

They are told what to show and decide nothing. What changes in height while somebody uses the card
stands below what is pressed, so that no button moves away from under a press.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from nbpipe.services.invoking import Answer
from nbpipe.views.amounts import shorten
from nbpipe.views.frames import shown_facts
from nbpipe.views.markup import element
from nbpipe.views.tables import table_element
from nbpipe.widgets import appearance
from nbpipe.widgets.controls import SecretControl
from nbpipe.widgets.deployment_seen import SeenDeployment, requests_table

_KEY = "api key"
_LONGEST_LINE = 150
_LONGEST_ANSWER = 100_000


class DeploymentControls:
    """The widgets of the card; what they show is told them.

    Args:
        name: The deployment's name.
        has_key: Whether requests need a key.
    """

    def __init__(self, name: str, *, has_key: bool) -> None:
        self.stop = self._button("Stop", "stop")
        self.restart = self._button("Restart", "power-off")
        self.refresh = self._button("Refresh", "refresh")
        self.refresh.tooltip = "look again; nothing is asked for by itself"
        self.show_run = self._button("", "search")
        # Typed, taken, and at once wiped: a saved notebook holds what its widgets show.
        self.key = SecretControl(str)
        self.key.name(_KEY)
        self._facts, self._standing, self._said, self._problem, self._key_note = (appearance.markup() for _ in range(5))
        self._requests, self._run, self._form_note, self._whole = (appearance.markup() for _ in range(4))
        for place in (self._requests, self._run):
            place.add_class("jp-RenderedHTMLCommon")  # tables look as they do under a cell
        self._form = appearance.stack([])
        for place in (self._problem, self._said, self._form_note, self._key_note, self._run, self._whole):
            appearance.lay_out(place, display="none")
        key = appearance.columns(
            [appearance.markup(appearance.label(_KEY)), appearance.stack([self.key.widget, self._key_note])]
        )
        parts = [
            appearance.markup(appearance.heading(f"Deployment {name}")),
            self._standing,
            self._problem,
            self._facts,
            appearance.bar([self.stop, self.restart, self.refresh]),
            self._said,
            *([key] if has_key else []),
            appearance.markup(appearance.label("Try it")),
            self._form_note,
            self._form,
            self._whole,
            appearance.bar([self.show_run]),
            self._run,
            self._requests,
        ]
        self.page = appearance.page(parts)
        self.page.add_class("nbpipe-deployment")

    @staticmethod
    def _button(text: str, icon: str) -> Any:
        return widgets.Button(description=text, icon=icon, layout=widgets.Layout(width="auto"))

    def on_press(self, **does: Callable[[], None]) -> None:
        """Say what a press of each button does, by its name here."""
        for name, do in does.items():
            getattr(self, name).on_click(lambda _, do=do: do())

    def show(self, now: SeenDeployment) -> None:
        """Show how it stands."""
        self._put(self._standing, appearance.said(now.said, now.status))
        self._put(self._problem, appearance.said(now.problem, "failed"))
        self._put(self._facts, appearance.framed(shown_facts(now.facts()).element))
        title = f"Recent requests: {len(now.requests)}" if now.requests else "No requests yet"
        table = table_element(requests_table(now.requests)) if now.requests else None
        self._put(self._requests, appearance.said(title) + (appearance.framed(table) if table is not None else ""))

    def offer(self, now: SeenDeployment, *, doing: str) -> None:
        """Offer what can be pressed; `doing` says what goes on already."""
        is_up = now.status not in ("stopped", "failed", "down")
        self.restart.description = "Restart" if is_up else "Start"
        for button, is_possible, tooltip in (
            (self.stop, now.can_stop, "stop it; what it has accepted is finished first"),
            (self.restart, now.can_start, "another process takes over" if is_up else "have it answer again"),
            (self.refresh, True, self.refresh.tooltip),
        ):
            button.disabled = bool(doing) or not is_possible
            if button is not self.refresh:
                button.tooltip = doing or (tooltip if is_possible else f"it is {now.status}")

    def say(self, text: str, status: str) -> None:
        """Say what was done, or what was wrong."""
        self._put(self._said, appearance.said(text, status))

    def say_of_key(self, remark: str, problem: str) -> None:
        """Say where the key comes from, or what is wrong with it."""
        self._put(self._key_note, appearance.note([remark], problem))

    def put_form(self, form: Any, remark: str) -> None:
        """Show the form, or why there is none."""
        if form is not None:
            # Its frame is the card's.
            edges = dict.fromkeys(("border_top", "border_bottom", "border_left", "border_right"))
            appearance.lay_out(form, **edges, padding="0", margin="0")
        former, self._form.children = self._form.children, [form] if form is not None else []
        appearance.close(former)
        self._put(self._form_note, appearance.said(remark))

    def show_whole(self, answer: Answer | None) -> None:
        """Offer all of an answer, where the lines above have cut it."""
        outputs = dict(answer.outputs) if answer is not None else {}
        html = ""
        if any(len(json.dumps(value)) > _LONGEST_LINE for value in outputs.values()):
            text = json.dumps(outputs, ensure_ascii=False, indent=1)
            whole = element("pre", shorten(text, _LONGEST_ANSWER), style="white-space:pre-wrap; font-size:12px;")
            html = appearance.folded(f"All outputs as JSON: {len(text):,} characters", whole)
        self._put(self._whole, html)

    def offer_run(self, run_id: str, html: str) -> None:
        """Offer the run of the last answer, and show it if it is opened."""
        appearance.lay_out(self.show_run, display=None if run_id else "none")
        self.show_run.description = f"{'Close' if html else 'Open'} run {run_id[:8]}"
        self.show_run.icon = "times" if html else "search"
        self.show_run.tooltip = "close its card" if html else "what ran, with what, and what it made"
        self._put(self._run, html)

    @staticmethod
    def _put(place: Any, html: str) -> None:
        if place.value != html:
            place.value = html
            # What says nothing takes no room.
            appearance.lay_out(place, display=None if html else "none")
