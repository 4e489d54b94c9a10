"""Artifact versions, as a caller meets them: what one is, and how to come to its value.

A record says what was so when it was read; its value, tags, metadata and preview are read when
they are asked for. What this workspace's own log names is trusted, since this workspace wrote it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.finding import by_head, near
from nbpipe.errors import NotFoundError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.base import shorten
from nbpipe.records.metadata import MetadataEntry
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.instants import as_instant
from nbpipe.services.lineage import Lineage
from nbpipe.services.listing import Listing
from nbpipe.services.metadata import entries_of, metadata_of
from nbpipe.services.tags import tags_of
from nbpipe.services.walking import lineage_of
from nbpipe.services.workspace import Workspace

# What a record shows; previews and inline values are read when they are asked for.
COLUMNS = """
    id, name, number, output, type_name, materializer, digest, size_bytes, pickled, run_id, step_id, created, node
"""
_GIVEN = f"""
    {near("lineage", "run_head")}, given AS MATERIALIZED (
        FROM keyed.artifacts WHERE id_head IN (SELECT artifact_head FROM near))
    SELECT {{columns}} FROM given WHERE id IN (SELECT artifact_id FROM near WHERE run_id = $run AND direction = 'out')
    ORDER BY seq DESC
"""  # noqa: S608 — made of constants
GIVEN_IN = _GIVEN.format(columns=COLUMNS)
PREVIEWS_IN = _GIVEN.format(columns="id, preview")
STORED = f"""
    {near("artifacts", "id_head")}
    SELECT id, name, number, output, type_name, materializer, digest, size_bytes, inline, blob, member, pickled,
           preview, step_id AS made_by
    FROM near WHERE id = $id
"""  # noqa: S608 — made of constants
PREVIEW = f"{near('artifacts', 'id_head')} SELECT preview FROM near WHERE id = $id"  # noqa: S608 — made of constants


@dataclass(frozen=True, slots=True)
class Artifact(Displayed):
    """One version of an artifact.

    Attributes:
        id: Its id.
        name: The artifact's name.
        version: Its number; `None` until the run that made it has ended.
        type: The type of the value.
        digest: The digest of its content; empty where there is no canonical form.
        size_bytes: The size of its encoding, in bytes.
        materializer: How it is written.
        pickled: Whether loading it runs code.
        created: When it was made.
        run_id: The run that made it.
        step: The node that made it.
        step_id: The execution that made it.
        output: The name that the step gave it.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "version": "int",
        "type": "text",
        "size_bytes": "int",
        "created": "instant",
        "step": "text",
        "run_id": "text",
        "id": "text",
    }

    id: str
    name: str
    version: int | None
    type: str
    digest: str
    size_bytes: int
    materializer: str
    pickled: bool
    created: datetime
    run_id: str
    step: str
    step_id: str
    output: str
    _workspace: Workspace = field(repr=False, compare=False)
    # A part of a list stands beside its item, and not among the artifacts: then this is its record.
    _part: ArtifactVersion | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        number = "" if self.version is None else f"@{self.version}"
        return f"<Artifact {shorten(self.name)}{number}: {self.type}, {self.size_bytes:,} bytes>"

    @property
    def ref(self) -> EntityRef:
        """What points at this version."""
        return EntityRef(Kind.ARTIFACT_VERSION, self.id)

    @property
    def is_part(self) -> bool:
        """Whether it is what one item of a mapped step gave: a part of a list, and no version by itself."""
        return self._part is not None

    @property
    def tags(self) -> list[str]:
        """The tags it bears now."""
        return tags_of(self._workspace, Kind.ARTIFACT_VERSION, self.id)

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata as plain nested data."""
        return metadata_of(self._workspace, Kind.ARTIFACT_VERSION, self.id).values

    @property
    def run_metadata(self) -> dict[str, MetadataEntry]:
        """Its metadata, each top-level key with its history."""
        return entries_of(self._workspace, Kind.ARTIFACT_VERSION, self.id)

    @property
    def preview(self) -> dict[str, Any]:
        """What a card shows of the value."""
        if self._part is not None:
            return dict(self._part.preview)
        rows = self._workspace.catalog.rows(PREVIEW, by_head(id=self.id))
        return dict(rows[0]["preview"] or {}) if rows else {}

    def load(self) -> Any:
        """Give the value.

        Raises:
            NotFoundError: The version was deleted.
            ArtifactDamagedError: Its bytes are gone, or are no longer what was stored.
        """
        stored = self._part or stored_version(self._workspace, self.id)
        return self._workspace.store.load(stored, trust=True)

    def lineage(self, *, up: int | str | None = 1, down: int | str | None = 1) -> Lineage:
        """Say where this version came from and what it went into; see `ArtifactService.lineage`."""
        return lineage_of(self._workspace, self.id, up=up, down=down)

    def as_row(self) -> dict[str, Any]:
        """Give the version's facts by column."""
        return {
            "name": self.name,
            "version": self.version,
            "type": self.type,
            "size_bytes": self.size_bytes,
            "created": self.created,
            "step": self.step,
            "run_id": self.run_id,
            "id": self.id,
        }


def artifacts_in(workspace: Workspace, rows: Iterable[Mapping[str, Any]]) -> Listing[Artifact]:
    """Make the records of rows of `COLUMNS`."""
    return Listing((_artifact_in(row, workspace) for row in rows), Artifact)


def _artifact_in(row: Mapping[str, Any], workspace: Workspace) -> Artifact:
    return Artifact(
        id=row["id"],
        name=row["name"],
        version=row["number"],
        type=row["type_name"],
        digest=row["digest"] or "",
        size_bytes=row["size_bytes"],
        materializer=row["materializer"],
        pickled=row["pickled"],
        created=as_instant(row["created"]),
        run_id=row["run_id"] or "",
        step=row["node"] or "",
        step_id=row["step_id"] or "",
        output=row["output"],
        _workspace=workspace,
    )


def outputs_of(workspace: Workspace, run_id: str) -> Listing[Artifact]:
    """Give the versions that a run made or reused, the newest first."""
    return artifacts_in(workspace, workspace.catalog.rows(GIVEN_IN, by_head(run=run_id)))


def previews_of(workspace: Workspace, run_id: str) -> dict[str, dict[str, Any]]:
    """Give what cards show of the values that a run made or reused, by the id of the version."""
    rows = workspace.catalog.rows(PREVIEWS_IN, by_head(run=run_id))
    return {row["id"]: dict(row["preview"] or {}) for row in rows}


def stored_version(workspace: Workspace, artifact_id: str) -> ArtifactVersion:
    """Give the record by which the store knows a version.

    Raises:
        NotFoundError: There is none.
    """
    rows = workspace.catalog.rows(STORED, by_head(id=artifact_id))
    if not rows:
        raise NotFoundError("artifact version", artifact_id)
    row = rows[0]
    return ArtifactVersion.from_record(
        {
            **row,
            "digest": row["digest"] or "",
            "blob": row["blob"] or "",
            "preview": row["preview"] or {},
            "member": None if row["member"] is None else int(row["member"]),
            "tags": (),
        }
    )
