"""Artifact versions: what a step made, and where it is kept.

A version is a fact written once, when its step ended: what the value was called, what it is
equal to, which materializer wrote it, and where the bytes lie. It is made on the hot path of
every step, so it is a plain dataclass and not a pydantic model; it knows nothing of files.

The record (schema 1) is one JSON object::

    id            uuid4 text
    name          the artifact's name; by default that of the output
    output        the name that the step's body gave it
    digest        content digest, 32 hexadecimal letters; "" where the value has no canonical form
    type_name     "int", "pandas.DataFrame"
    materializer  name and version of what wrote it, "arrow@1"
    size_bytes    bytes of its encoding; for a member of a bundle, those of the whole bundle
    inline        {"json": …} or {"base64": "…"} if the encoding has at most 4,096 bytes, else null
    blob          sha256 of the encoding, 64 hexadecimal letters, or "" if it is inline
    member        its place in a bundle shared with other outputs, or null if it is alone
    pickled       whether loading it runs code
    preview       {"kind": "table" | "text" | "image" | "json", …}
    made_by       id of the step run
    aliases       how its parts are shared among each other or with its bundle, 32 hexadecimal letters;
                  absent where nothing is shared, or where that cannot be told
    tags          names of tags given while the step ran
    number        its number among the artifact's versions, once the catalog gave one; else absent
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbpipe.errors import BadValueError


@dataclass(frozen=True, slots=True)
class ArtifactVersion:
    """One value that a step made. The module's docstring says what each field holds."""

    id: str
    name: str
    output: str
    digest: str
    type_name: str
    materializer: str
    size_bytes: int
    inline: Mapping[str, Any] | None
    blob: str
    member: int | None
    pickled: bool
    preview: Mapping[str, Any]
    made_by: str
    tags: tuple[str, ...] = ()
    number: int | None = None
    aliases: str = ""

    @property
    def token(self) -> str:
        """What identifies its content for a step that may change it; `""` if only the key of its execution does.

        Equal values that share their parts differently are not the same to whoever changes one.
        """
        if self.aliases:
            return f"{self.digest}{self.aliases}"
        return self.digest if self.member is None else ""

    def is_bundled_with(self, other: ArtifactVersion) -> bool:
        """Tell whether both were stored together, because they share something."""
        return self.member is not None and (self.made_by, self.blob) == (other.made_by, other.blob)

    def as_record(self) -> dict[str, Any]:
        """Give the record as plain JSON."""
        record: dict[str, Any] = {
            "id": self.id,
            "name": self.name,
            "output": self.output,
            "digest": self.digest,
            "type_name": self.type_name,
            "materializer": self.materializer,
            "size_bytes": self.size_bytes,
            "inline": self.inline,
            "blob": self.blob,
            "member": self.member,
            "pickled": self.pickled,
            "preview": self.preview,
            "made_by": self.made_by,
            "tags": self.tags,
        }
        if self.number is not None:
            record["number"] = self.number
        if self.aliases:
            record["aliases"] = self.aliases
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ArtifactVersion:
        """Read a record back; fields that this version does not know are passed over.

        Raises:
            BadValueError: It is no artifact record.
        """
        try:
            return cls(
                record["id"],
                record["name"],
                record["output"],
                record["digest"],
                record["type_name"],
                record["materializer"],
                record["size_bytes"],
                record["inline"],
                record["blob"],
                record["member"],
                record["pickled"],
                record["preview"],
                record["made_by"],
                tuple(record["tags"]),
                record.get("number"),
                record.get("aliases", ""),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise BadValueError(f"This is no artifact record: {error!r}. Pass what `as_record` gave.") from error


@dataclass(frozen=True, slots=True)
class NotCarried:
    """An output that stays where it was made, because it cannot be stored.

    Attributes:
        name: The output.
        type_name: Its type.
        why: What stood against storing it.
    """

    name: str
    type_name: str
    why: str

    def as_record(self) -> dict[str, Any]:
        """Give the record as plain JSON."""
        return {"name": self.name, "type_name": self.type_name, "why": self.why}


def type_name_of(kind: type) -> str:
    """Say a type as a reader knows it: `int`, `pandas.DataFrame`."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
