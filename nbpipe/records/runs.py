"""Runs: what can become of one, and how its name and a version's template are written.

A template is read by a parser of its own, field and slice only; nothing in it is ever called or
evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from nbpipe.errors import BadValueError, nearest

NOT_TAKEN = "not taken"
"""How the reason begins of a step that was skipped because its condition did not hold."""


class Status(StrEnum):
    """What has become of a run or of one of its steps."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    REUSED = "reused"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (Status.PENDING, Status.RUNNING)


@dataclass(frozen=True, slots=True)
class Triggered:
    """A run of another pipeline that a step asked for.

    Attributes:
        run: Its id.
        pipeline: Its pipeline's name.
        workspace: The folder of the workspace in which it is recorded, if that is another one than the step's.
    """

    run: str
    pipeline: str
    workspace: str = ""

    def as_record(self) -> dict[str, str]:
        """Give it as plain data."""
        said = {"run": self.run, "pipeline": self.pipeline}
        return {**said, "workspace": self.workspace} if self.workspace else said


def run_name(pipeline: str, at: datetime) -> str:
    """Name a run after its pipeline and its start: `training-2026_11_20-08_15_30_123456`."""
    return f"{pipeline}-{at.strftime('%Y_%m_%d-%H_%M_%S_%f')}"


_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<field>[^{}]*)\}|[{}]")
_FIELD = re.compile(
    r"^(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\[(?P<first>-?\d+)?(?P<colon>:)?(?P<last>-?\d+)?\])?$"
)


def fill_template(template: str, values: Mapping[str, Any]) -> str:
    """Fill the `{fields}` of a template such as `"run-{run.id[:8]}"`.

    A field is a known dotted name, perhaps with an index or a slice; `{{` and `}}` are braces.

    Args:
        template: The text.
        values: What each dotted name stands for.

    Raises:
        BadValueError: A field that is not known or not of this form.
    """
    return _TOKEN.sub(lambda found: _filled(found, template, values), template)


def _filled(found: re.Match[str], template: str, values: Mapping[str, Any]) -> str:
    match found[0]:
        case "{{" | "}}":
            return found[0][0]
        case "{":
            raise BadValueError(f"The template {template!r} has a brace that is never closed.")
        case "}":
            raise BadValueError(f"The template {template!r} closes a brace that was never opened.")
    return _fill(found["field"], template, values)


def _fill(field: str, template: str, values: Mapping[str, Any]) -> str:
    found = _FIELD.match(field.strip())
    if found is None:
        raise BadValueError(f"The template {template!r} holds {{{field}}}; a field is a name, perhaps with [:8].")
    name = found["name"]
    if name not in values:
        near = nearest(name, values)
        hint = f" Did you mean {{{near[0]}}}?" if near else f" There are {', '.join(sorted(values))}."
        raise BadValueError(f"The template {template!r} holds {{{name}}}, which is not known.{hint}")
    text = str(values[name])
    if "[" not in field:
        return text
    first = int(found["first"]) if found["first"] else None
    last = int(found["last"]) if found["last"] else None
    if found["colon"]:
        return text[first:last]
    if first is None or not -len(text) <= first < len(text):
        raise BadValueError(f"The template {template!r} asks for {{{field}}}, which {text!r} does not have.")
    return text[first]
