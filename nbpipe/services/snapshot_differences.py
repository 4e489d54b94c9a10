"""In what two snapshots differ: code, parameters, options of steps, and environment.

Both contents are read and compared as they are; nothing of them is run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.base.digest import canonical_json
from nbpipe.base.displaying import Displayed
from nbpipe.errors import DefinitionError
from nbpipe.execute.sources import changed_parts, described, said_of
from nbpipe.records.snapshots import Environment, FieldText, SnapshotContent, StepText
from nbpipe.services.explaining import text_diff
from nbpipe.services.snapshot_records import Snapshot

_BODY = "its body"
_PARAMETERS = "%%params"


@dataclass(frozen=True, slots=True)
class TextChange:
    """A piece of code that differs.

    Attributes:
        step: The step; what the pipeline is called, if it is its body.
        said: What happened to it, in a few words.
        diff: The lines that differ, as a unified diff writes them.
    """

    step: str
    said: str
    diff: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactChange:
    """A fact that differs.

    Attributes:
        name: What it is.
        before: What the first snapshot says; `None` if it says nothing.
        after: What the second says.
    """

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class SnapshotDifferences(Displayed):
    """In what a snapshot differs from another.

    Attributes:
        left: The first.
        right: The second.
        code: Where their code differs.
        parameters: Parameters of pipeline and steps whose value or type differs, `step.parameter` for those of a step.
        options: Settings of pipeline and steps that differ.
        environment: Python, platform and packages that differ.
    """

    left: Snapshot
    right: Snapshot
    code: tuple[TextChange, ...]
    parameters: tuple[FactChange, ...]
    options: tuple[FactChange, ...]
    environment: tuple[FactChange, ...]

    @property
    def is_empty(self) -> bool:
        """Whether they say the same."""
        return not (self.code or self.parameters or self.options or self.environment)

    def as_row(self) -> dict[str, Any]:
        """Give the differences as plain data."""

        def plain(changes: Iterable[FactChange]) -> list[dict[str, Any]]:
            return [{"name": change.name, "before": change.before, "after": change.after} for change in changes]

        return {
            "left": self.left.id,
            "right": self.right.id,
            "code": [{"step": one.step, "said": one.said, "diff": list(one.diff)} for one in self.code],
            "parameters": plain(self.parameters),
            "options": plain(self.options),
            "environment": plain(self.environment),
        }


def differences_of(left: Snapshot, right: Snapshot) -> SnapshotDifferences:
    """Compare two snapshots.

    Raises:
        CatalogDamagedError: The content of one is gone, or no longer what it was.
        DefinitionError: This Python cannot read the code of one.
    """
    old, new = left.content, right.content
    try:
        code = tuple(_code(old, new))
    except SyntaxError as error:
        raise DefinitionError(
            f"The code of {old.pipeline} cannot be read by this Python: {error.msg} (line {error.lineno})."
        ) from None
    return SnapshotDifferences(
        left,
        right,
        code,
        tuple(_parameters(_values(old), _values(new))),
        tuple(_facts(_options(old), _options(new))),
        tuple(_facts(_environment(old.environment), _environment(new.environment))),
    )


def _code(old: SnapshotContent, new: SnapshotContent) -> Iterable[TextChange]:
    before, after = _texts(old), _texts(new)
    for name in dict.fromkeys((*before, *after)):
        if name not in after or name not in before:
            yield TextChange(name, "is no longer a step" if name in before else "is a new step")
            continue
        now, then = described(new.source_of(after[name])), described(old.source_of(before[name]))
        for part, former, present in changed_parts(now, then):
            yield TextChange(name, said_of(part, former, present), text_diff(former, present))
    if old.parameters_text != new.parameters_text:
        yield TextChange(_PARAMETERS, "its source changed", text_diff(old.parameters_text, new.parameters_text))
    order = [[step.name for step in content.steps] for content in (old, new)]
    if old.kind == new.kind == "cells" and order[0] != order[1] and set(order[0]) == set(order[1]):
        yield TextChange(new.pipeline, "its steps come in another order", text_diff(*map("\n".join, order)))


def _texts(content: SnapshotContent) -> dict[str, StepText]:
    texts = {step.name: step for step in content.steps} | {hook.text.name: hook.text for hook in content.hooks}
    return texts if content.body is None else {**texts, f"{content.pipeline} ({_BODY})": content.body}


def _values(content: SnapshotContent) -> dict[str, tuple[str, Any]]:
    own = {field.name: _told(field) for field in content.parameters}
    of_steps = {
        f"{node}.{field.name}": _told(field) for node, fields in content.step_parameters.items() for field in fields
    }
    return own | of_steps


def _told(field: FieldText) -> tuple[str, Any]:
    return field.type, "required" if field.required else field.value


def _options(content: SnapshotContent) -> dict[str, Any]:
    found: dict[str, Any] = {
        "tags": [tag.model_dump(mode="json", exclude_defaults=True) for tag in content.tags],
        "model": content.model.model_dump(mode="json", exclude_defaults=True) if content.model is not None else None,
        "cache": content.cache,
    }
    for step in content.steps:
        for name, value in step.options.model_dump(mode="json").items():
            found[f"{step.name}.{name}"] = value
    return found


def _environment(environment: Environment) -> dict[str, Any]:
    own = {"python": environment.python, "platform": environment.platform}
    return own | {f"package {name}": version for name, version in environment.packages.items()}


def _parameters(before: Mapping[str, tuple[str, Any]], after: Mapping[str, tuple[str, Any]]) -> Iterable[FactChange]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old[0] != new[0]:
            yield FactChange(name, old and f"{old[0]} = {old[1]!r}", new and f"{new[0]} = {new[1]!r}")
        elif not _is_same(old[1], new[1]):
            yield FactChange(name, old[1], new[1])


def _facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[FactChange]:
    for name in dict.fromkeys((*before, *after)):
        if not _is_same(before.get(name), after.get(name)):
            yield FactChange(name, before.get(name), after.get(name))


def _is_same(left: Any, right: Any) -> bool:
    """Compare as it is written: 1, True and 1.0 are equal for Python, and another value each for a step."""
    return canonical_json(left) == canonical_json(right)
