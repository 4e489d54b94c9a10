"""How one step stands, as the page is told: small plain data, whoever found it out.

Pure: facts go in, a few words and numbers come out. Whatever is no finite number is left out, for
no page reads it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nbpipe.views.amounts import duration_text, items_text, shorten
from nbpipe.views.markup import one_line
from nbpipe.views.running import RunningFacts, amount_text
from nbpipe.views.steps_graph import DagNode

State = dict[str, Any]

_MOST_LETTERS = 160
# Of a step that is over at once nobody needs to know how long it usually takes.
_LEAST_USUAL_S = 0.5


def pending_state(usual_s: float | None = None) -> State:
    """Tell of a step that has not begun."""
    return _without_empty({"status": "pending", "about": about_text(usual_s)})


def running_state(facts: RunningFacts, usual_s: float | None = None) -> State:
    """Tell of a step that runs."""
    share = facts.share
    said = " · ".join(filter(None, (amount_text(facts), _line(facts.note))))
    return _without_empty(
        {
            "status": "running",
            "elapsed": round(facts.elapsed_s, 2),
            "about": about_text(usual_s),
            "share": round(share, 3) if share is not None and math.isfinite(share) else None,
            "said": said,
            "line": _line(facts.last_line),
        }
    )


def settled_state(
    status: str, *, took_s: float | None = None, why: str = "", items: Mapping[str, int] | None = None
) -> State:
    """Tell of a step that is over."""
    took = duration_text(took_s) if took_s is not None and status in ("completed", "failed", "interrupted") else ""
    counts = items or {}
    times = f"×{counts['total']:,}" if counts.get("total") else ""
    said = " · ".join(filter(None, (times, items_text(counts))))
    return _without_empty({"status": status, "took": took, "why": _line(why), "items": said})


def states_of_runs(nodes: Sequence[DagNode]) -> dict[str, State]:
    """Tell of the boxes of a graph that are runs of their own (`views.children`), by id."""
    return {
        node.id: _without_empty({"status": node.status, "items": one_line(node.subtitle), "why": _line(node.detail)})
        for node in nodes
        if node.is_run
    }


def about_text(usual_s: float | None) -> str:
    """Say how long something usually takes, in few words; nothing if that is not known."""
    if usual_s is None or not math.isfinite(usual_s) or usual_s < _LEAST_USUAL_S:
        return ""
    whole = float(round(usual_s)) if usual_s >= 2 else usual_s
    return f"~{duration_text(whole).replace('.0 s', ' s')}"


def differs(told: Mapping[str, Any] | None, state: Mapping[str, Any]) -> bool:
    """Tell whether there is news: that time goes by is none, for the page counts it itself."""
    if told is None or told is state:
        return told is None
    keys = (told.keys() | state.keys()) - {"elapsed"}
    return ("elapsed" in told) != ("elapsed" in state) or any(told.get(key) != state.get(key) for key in keys)


def _line(text: str) -> str:
    return shorten(one_line(text), _MOST_LETTERS)


def _without_empty(state: State) -> State:
    return {name: value for name, value in state.items() if value not in (None, "")}
