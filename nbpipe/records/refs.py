"""One way to point at anything: kind, name, version.

Written `model:iris@production`, `artifact:raw_data@7`, `run:1f3a9c`. Tags and metadata hang on
what a reference resolves to; who resolves it is `services`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nbpipe.errors import BadValueError, nearest


class Kind(StrEnum):
    """The kinds of things that can be pointed at."""

    RUN = "run"
    STEP = "step"
    PIPELINE = "pipeline"
    ARTIFACT = "artifact"
    ARTIFACT_VERSION = "artifact_version"
    MODEL = "model"
    MODEL_VERSION = "model_version"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class EntityRef:
    """A pointer as a user writes it.

    Attributes:
        kind: What is pointed at.
        name: A name, an id or a unique prefix of an id.
        version: A number, a version's name or a stage; empty if none was given.
    """

    kind: Kind
    name: str
    version: str = ""

    @property
    def whole(self) -> str:
        """The name and what follows it, as one text: what has no versions may have an @ in its name."""
        return f"{self.name}@{self.version}" if self.version else self.name

    def __str__(self) -> str:
        return f"{self.kind}:{self.whole}"


def parse_ref(text: str, default: Kind | None = None) -> EntityRef:
    """Read a reference, as in `model:iris@production`.

    Args:
        text: The reference; the kind may be left out if `default` is given.
        default: The kind to take where the text names none.

    Raises:
        BadValueError: No kind, an unknown kind, or no name.
    """
    if not isinstance(text, str) or not text.strip():
        if default is not None:
            raise BadValueError(f"{text!r} names no {default.value.replace('_', ' ')}.")
        raise BadValueError(f"{text!r} points at nothing; write it as in 'model:iris@production'.")
    head, colon, rest = text.strip().partition(":")
    if colon and head.casefold() in {kind.value for kind in Kind}:
        kind, body = Kind(head.casefold()), rest
    elif default is not None:
        kind, body = default, text.strip()
    else:
        near = nearest(head, [kind.value for kind in Kind])
        hint = f" Did you mean '{near[0]}:'?" if near and colon else ""
        raise BadValueError(f"{text!r} does not say what it points at; write it as in 'run:{body_of(text)}'.{hint}")
    name, _, version = body.rpartition("@") if "@" in body else (body, "", "")
    if not name.strip():
        raise BadValueError(f"{text!r} names no {kind.value}.")
    return EntityRef(kind, name.strip(), version.strip())


def body_of(text: str) -> str:
    """Give what stands after the first colon, or the whole text."""
    return text.partition(":")[2] or text


@dataclass(frozen=True, slots=True)
class Target:
    """What a reference resolved to: one row of the catalog.

    Attributes:
        kind: What it is; never `ARTIFACT` or `MODEL` where a version is meant.
        id: Its id, or its name where it is known by name alone.
        scope: Within what an exclusive tag has one holder: a pipeline's, an artifact's or a model's name; empty where
            exclusive tags make no sense.
        label: How a message names it.
    """

    kind: Kind
    id: str
    scope: str
    label: str
