"""What a caller gave to say which thing is meant, read as one `EntityRef`.

A text, an id, a pair of name and version, a record, a definition: each says a kind, a name and
perhaps a version. Whether there is such a thing, `services.resolve` finds out.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from nbpipe.errors import BadValueError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.base import is_whole, shorten
from nbpipe.records.models import ModelConfig
from nbpipe.records.refs import EntityRef, Kind, Target, parse_ref
from nbpipe.records.steps import UnmaterializedArtifact

_VERSION_OF = {Kind.ARTIFACT: Kind.ARTIFACT_VERSION, Kind.MODEL: Kind.MODEL_VERSION}
_FAMILY = {version: thing for thing, version in _VERSION_OF.items()}


def as_ref(thing: object, kind: Kind | None = None) -> EntityRef:
    """Read what a caller pointed with.

    Args:
        thing: A text (`"iris@3"`, `"model:iris@3"`, an id or a prefix of one), a UUID, a pair
            (name, version), a record, or anything with a `ref`, an `id` or a `name`.
        kind: What is expected; `None` where the thing itself has to say it. A version stands
            for its artifact or model, and the other way round: what a name alone then means is
            up to who asks.

    Raises:
        BadValueError: It points at nothing, at another kind of thing than expected, or holds half of a character.
    """
    ref = _with_whole_name(_read(thing, kind))
    if not is_whole(ref.whole):
        raise BadValueError(f"{shorten(ref.whole)} holds half of a character, which no name does.")
    if kind is not None and _FAMILY.get(ref.kind, ref.kind) != _FAMILY.get(kind, kind):
        raise BadValueError(f"{shorten(str(ref))} is a {said(ref.kind)}, and a {said(kind)} is wanted here.")
    if ref.version or kind in _FAMILY:
        return replace(ref, kind=_VERSION_OF.get(ref.kind, ref.kind))
    return ref


def said(kind: Kind) -> str:
    """Say a kind as a reader does: `model version`."""
    return kind.value.replace("_", " ")


def _read(thing: object, kind: Kind | None) -> EntityRef:
    match thing:
        case EntityRef():
            return thing
        case Target():
            return EntityRef(thing.kind, thing.id)
        case str():
            return parse_ref(thing, kind)
        case UUID() if kind is not None:
            return EntityRef(kind, str(thing))
        case (str(name), str() | int() as version) if kind is not None:
            return EntityRef(kind, name, str(version))
        case ModelConfig():
            return EntityRef(Kind.MODEL, thing.name, "" if thing.version is None else str(thing.version))
        case ArtifactVersion() | UnmaterializedArtifact():
            return EntityRef(Kind.ARTIFACT_VERSION, thing.id)
    return _read_record(thing, kind)


def _with_whole_name(ref: EntityRef) -> EntityRef:
    """Take what follows an artifact's @ as part of its name, unless it can be a version."""
    is_artifact = ref.kind in (Kind.ARTIFACT, Kind.ARTIFACT_VERSION)
    if not is_artifact or not ref.version or ref.version.isdecimal() or ref.version.casefold() == "latest":
        return ref
    return EntityRef(ref.kind, ref.whole)


def _read_record(thing: object, kind: Kind | None) -> EntityRef:
    ref = getattr(thing, "ref", None)
    if isinstance(ref, EntityRef):
        return ref
    names = {part: value for part in ("id", "name") if isinstance(value := getattr(thing, part, None), str)}
    # A pipeline's definition has a name and nothing else to go by.
    part = "name" if kind is Kind.PIPELINE or "id" not in names else "id"
    if kind is None or part not in names:
        raise BadValueError(
            f"{shorten(thing)} points at nothing; give a name, an id or a record, as in 'run:1f3a9c' or 'model:iris@3'."
        )
    return EntityRef(_VERSION_OF.get(kind, kind) if part == "id" else kind, names[part])
