"""What steps printed, shown: a heading for each, and its text as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nbpipe.services.logs import StepLog
from nbpipe.views.amounts import duration_text
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, plain, render
from nbpipe.views.theme import signed


def logs_bundle(logs: Sequence[StepLog], *, is_alone: bool = False) -> Bundle:
    """Show what steps printed.

    Args:
        logs: What each attempt printed.
        is_alone: Whether it is one step that was asked for: if it was tried once, its text stands alone.
    """
    if not logs:
        nothing = "Nothing has been printed."
        return Bundle(render(element("p", nothing)), nothing)
    if is_alone and len(logs) == 1:
        text = plain(logs[0].text).rstrip("\n") or "Nothing was printed."
        return Bundle(render(element("pre", text)), text)
    parts = [(_heading(log), plain(log.text).rstrip("\n")) for log in logs]
    html = "".join(
        render(element("p", element("strong", heading))) + (render(element("pre", text)) if text else "")
        for heading, text in parts
    )
    return Bundle(html, "\n".join(f"── {heading}\n{text}" if text else f"── {heading}" for heading, text in parts))


def log_bundle(log: StepLog, *, stable: bool = False) -> Bundle:
    """Show what one attempt printed.

    Args:
        log: What it printed.
        stable: Leave out how long it took.
    """
    heading = _heading(replace(log, duration_s=None) if stable else log)
    text = plain(log.text).rstrip("\n") or "Nothing was printed."
    html = render(element("div", element("strong", heading), element("pre", text)))
    return Bundle(html, f"── {heading}\n{text}")


def _heading(log: StepLog) -> str:
    tried = f", attempt {log.attempt}" if log.attempt > 1 else ""
    took = f", {duration_text(log.duration_s)}" if log.duration_s is not None else ""
    return f"{log.node}: {signed(log.status)}{tried}{took}"
