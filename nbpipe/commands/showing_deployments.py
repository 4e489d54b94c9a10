"""Deployments as cards: where one answers, how to call it from a shell and from Python, and its last requests."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from keyword import iskeyword
from typing import Any

from nbpipe.services.deployment_records import Deployment
from nbpipe.services.invoking import Answer
from nbpipe.views.amounts import time_text
from nbpipe.views.frames import Bundle, Card, Section, shown_facts, shown_table, written
from nbpipe.views.markup import element, plain, render
from nbpipe.views.previews import Shown
from nbpipe.views.tables import Table

_SHOWN_REQUESTS = 10
# Arguments of `invoke` itself: a parameter of such a name is given in a dict.
_TAKEN = ("self", "api_key", "timeout_s")


def deployment_bundle(deployment: Deployment, *, stable: bool = False) -> Bundle:
    """Show a deployment.

    Args:
        deployment: The deployment.
        stable: Leave out what differs from one run to the next.
    """
    sections = [
        Section("from a shell", _code(curl_text(deployment))),
        Section("from Python", _code(python_text(deployment))),
    ]
    requests = deployment.requests(_SHOWN_REQUESTS) if not stable else []
    if requests:
        sections.append(Section("last requests", shown_table(_requests_table(requests))))
    status = deployment.status.value
    moving = [] if stable else [("address", deployment.url), ("started", time_text(deployment.started))]
    card = Card(
        "deployment",
        deployment.name,
        status,
        facts=[
            ("pipeline", deployment.pipeline),
            ("snapshot", None if stable else deployment.as_row()["snapshot"]),
            *moving,
            ("api key", "needed" if deployment.has_key else None),
            ("restarts", deployment.restarts or None),
            ("id", None if stable else deployment.id),
        ],
        problem=deployment.error if status in ("failed", "down", "starting") else "",
        sections=[] if stable else sections,
    )
    return written(card)


def curl_text(deployment: Deployment, parameters: Mapping[str, Any] | None = None) -> str:
    """Write the call of a deployment as a line for a shell.

    Args:
        deployment: The deployment.
        parameters: Values, as JSON data; those of its snapshot if not given.
    """
    body = json.dumps({"parameters": dict(parameters) if parameters is not None else _defaults(deployment)})
    key = ' -H "Authorization: Bearer $NBPIPE_API_KEY"' if deployment.has_key else ""
    return (
        f"curl -X POST {shlex.quote(deployment.url + '/invoke')} "
        f"-H 'Content-Type: application/json'{key} -d {shlex.quote(body)}"
    )


def python_text(deployment: Deployment, parameters: Mapping[str, Any] | None = None) -> str:
    """Write the call of a deployment as Python; `parameters` as for `curl_text`."""
    given = dict(parameters) if parameters is not None else _defaults(deployment)
    named = all(name.isidentifier() and not iskeyword(name) and name not in _TAKEN for name in given)
    values = ", ".join(f"{name}={value!r}" for name, value in given.items()) if named else repr(given)
    return f"Client().deployments.invoke({deployment.name!r}{', ' if values else ''}{values})"


def answer_bundle(answer: Answer, *, stable: bool = False) -> Bundle:
    """Show what a deployment answered.

    Args:
        answer: The answer.
        stable: Leave out the run and how long it took.
    """
    facts: list[tuple[str, object]] = [(name, _said(value)) for name, value in answer.outputs.items()]
    if not stable:
        facts += [("run", answer.run_id), ("took", f"{answer.execution_time_s * 1e3:.3g} ms")]
    shown = shown_facts([(name, value) for name, value in facts if value is not None])
    return Bundle(render(shown.element), shown.text)


def requests_bundle(requests: Sequence[Mapping[str, Any]]) -> Bundle:
    """Show requests, the newest first."""
    if not requests:
        return printed_bundle(["There were no requests yet."])
    shown = shown_table(_requests_table(requests))
    return Bundle(render(shown.element), shown.text)


def printed_bundle(lines: Sequence[str]) -> Bundle:
    """Show lines as they were printed."""
    text = plain("\n".join(lines)) or "Nothing was printed."
    return Bundle(render(element("pre", text)), text)


def _requests_table(requests: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        (
            time_text(one.get("at")),
            f"{one.get('method', '')} {one.get('path', '')}",
            one.get("status"),
            one.get("took_ms"),
            str(one.get("run_id") or "")[:8],
        )
        for one in requests
    ]
    return Table(("when", "request", "status", "ms", "run"), rows)


def _defaults(deployment: Deployment) -> dict[str, Any]:
    try:
        return {field.name: field.value for field in deployment.snapshot.content.parameters}
    except LookupError:
        # Its snapshot was deleted; what it serves goes on.
        return {}


def _code(text: str) -> Shown:
    style = "white-space:pre-wrap; overflow-wrap:anywhere; margin:0; font-size:12px;"
    return Shown(element("pre", text, style=style), text)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
