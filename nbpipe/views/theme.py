"""Colours, signs and words: how each status looks.

A status is never told by colour alone: it has a sign and a word as well. Boxes bring their own
background and text colour, so that they read as well on a dark page as on a light one, and
whatever has no background of its own is a grey that shows on both. Page and picture cannot know
each other's scheme (a dark JupyterLab on a light desktop is common), so nothing depends on it.

This module knows looks. It does not know what has a status.
"""

from __future__ import annotations

from dataclasses import dataclass

FONT = "system-ui, -apple-system, 'segoe ui', roboto, 'helvetica neue', arial, sans-serif"
MONOSPACE = "ui-monospace, menlo, consolas, monospace"
EDGE = "#8a8f98"
HAIRLINE = "rgba(128,128,128,0.35)"
TINT = "rgba(128,128,128,0.12)"
FAINT = "rgba(128,128,128,0.06)"


@dataclass(frozen=True, slots=True)
class Look:
    """How a status is shown.

    Attributes:
        sign: One character.
        word: The status in words.
        fill: The background of a box.
        line: Its border and its sign; at least 3:1 against `fill`.
        text: The text in it; at least 4.5:1 against `fill`.
        weight: How much it matters in a group: the weightiest status is the group's.
    """

    sign: str
    word: str
    fill: str
    line: str
    text: str
    weight: int


DEFINED = Look("", "", "#f6f7f9", "#6b7280", "#1f2328", 0)

LOOKS = {
    "pending": Look("○", "pending", "#f3f4f6", "#6b7280", "#374151", 3),
    "running": Look("◐", "running", "#e0efff", "#1668c7", "#0b3d78", 7),
    "completed": Look("✓", "completed", "#e3f6e8", "#1a7f37", "#0f4a21", 2),
    "reused": Look("↺", "reused", "#e2f4f4", "#0b7285", "#0a4650", 1),
    "failed": Look("✗", "failed", "#ffe7e5", "#c62828", "#7d1414", 9),
    "skipped": Look("–", "skipped", "#f3f4f6", "#6b7280", "#4b5563", 4),
    "not taken": Look("⊘", "not taken", "#f3f4f6", "#6b7280", "#4b5563", 4),
    "interrupted": Look("■", "interrupted", "#fff0db", "#b35900", "#6e3600", 8),
    "stale": Look("△", "stale", "#fdf6d3", "#8a6d00", "#574500", 5),
    # What a deployment is besides running and failed.
    "starting": Look("◔", "starting", "#e0efff", "#1668c7", "#0b3d78", 7),
    "stopping": Look("◕", "stopping", "#fff0db", "#b35900", "#6e3600", 8),
    "stopped": Look("□", "stopped", "#f3f4f6", "#6b7280", "#374151", 3),
    # How a schedule stands, and what becomes of an instant at which it is due.
    "active": Look("▶", "active", "#e3f6e8", "#1a7f37", "#0f4a21", 2),
    "paused": Look("‖", "paused", "#fdf6d3", "#8a6d00", "#574500", 5),
    "over": Look("◌", "over", "#f3f4f6", "#6b7280", "#374151", 3),
    "stuck": Look("⚠", "stuck", "#ffe7e5", "#c62828", "#7d1414", 9),
    "deleted": Look("×", "deleted", "#f3f4f6", "#6b7280", "#4b5563", 4),
    "fired": Look("●", "fired", "#e3f6e8", "#1a7f37", "#0f4a21", 2),
    "missed": Look("▽", "missed", "#fdf6d3", "#8a6d00", "#574500", 5),
    "refused": Look("⊗", "refused", "#ffe7e5", "#c62828", "#7d1414", 9),
    "down": Look("▼", "down", "#ffe7e5", "#c62828", "#7d1414", 9),
}


def look(status: str) -> Look:
    """Give the look of a status: plain for none, plain with its own word for one not known here."""
    if status in LOOKS or not status:
        return LOOKS.get(status, DEFINED)
    return Look("•", status, DEFINED.fill, DEFINED.line, DEFINED.text, 0)


def weightiest(statuses: list[str]) -> str:
    """Give the status that speaks for all of them: a failed one before a running one, and so on."""
    return max(statuses, key=lambda status: look(status).weight, default="")


def signed(status: str) -> str:
    """Write a status as text: `✓ completed`."""
    shown = look(status)
    return f"{shown.sign} {shown.word}".strip()
