"""Artifact versions: found, listed, loaded, and followed to what they came from and went into.

The record here is what a caller sees of a version; the bytes are the store's, and reach it
through its one choke point. What this workspace's own log names is trusted, since this workspace
wrote it; a record that comes from elsewhere is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from nbpipe.base.ids import is_uuid_like
from nbpipe.catalog.finding import by_head, near
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.metadata import MetadataEntry
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.filters import bears, checked_text
from nbpipe.services.instants import as_instant
from nbpipe.services.lineage import Lineage, lineage_of
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.metadata import entries_of, metadata_of
from nbpipe.services.pointing import as_ref
from nbpipe.services.resolve import resolve
from nbpipe.services.tags import tags_of
from nbpipe.services.workspace import Workspace

# What a record shows; previews and inline values are read when they are asked for.
COLUMNS = """
    id, name, number, output, type_name, materializer, digest, size_bytes, pickled, run_id, step_id, created, node
"""
WITH_ID = f"{near('artifacts', 'id_head')} SELECT seq FROM near WHERE id = $id"  # noqa: S608 — made of constants
GIVEN_IN = f"""
    {near("lineage", "run_head")}, given AS MATERIALIZED (
        FROM keyed.artifacts WHERE id_head IN (SELECT artifact_head FROM near))
    SELECT {COLUMNS} FROM given
    WHERE {{fits}} AND id IN (SELECT artifact_id FROM near WHERE run_id = $run AND direction = 'out')
    ORDER BY seq DESC
"""  # noqa: S608
FITS = """
    ($name IS NULL OR name = $name)
    AND ($type IS NULL OR type_name = $type OR ends_with(type_name, '.' || $type)) AND
"""
STORED = f"""
    {near("artifacts", "id_head")}
    SELECT id, name, number, output, type_name, materializer, digest, size_bytes, inline, blob, member, pickled,
           preview, step_id AS made_by
    FROM near WHERE id = $id
"""  # noqa: S608
PREVIEW = f"{near('artifacts', 'id_head')} SELECT preview FROM near WHERE id = $id"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Artifact:
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

    @property
    def ref(self) -> EntityRef:
        """What points at this version."""
        return EntityRef(Kind.ARTIFACT_VERSION, self.id)

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
        rows = self._workspace.catalog.rows(PREVIEW, by_head(id=self.id))
        return dict(rows[0]["preview"] or {}) if rows else {}

    def load(self, *, trust: bool = False) -> Any:
        """Give the value; see `ArtifactService.load`."""
        return ArtifactService(self._workspace).load(self, trust=trust)

    def lineage(self) -> Lineage:
        """Say what made this version and what read it."""
        return lineage_of(self._workspace, self.id, self.step_id)

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
    return Listing(_artifact_in(row, workspace) for row in rows)


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
    return artifacts_in(workspace, workspace.catalog.rows(GIVEN_IN.format(fits="true"), by_head(run=run_id)))


class ArtifactService:
    """What may be asked of artifacts.

    A reference is a name (its newest version), `name@number`, an id or the beginning of one, or
    a record.

    Args:
        workspace: Where they are kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def get(self, ref: object, version: int | str | None = None) -> Artifact:
        """Give one version.

        Raises:
            NotFoundError: There is none.
            AmbiguousNameError: Several ids begin so.
        """
        written = as_ref(ref, Kind.ARTIFACT_VERSION).name if version is None else ""
        # A full id goes before all names, so what has it need not be looked for twice.
        rows = self._with_id(str(UUID(written))) if is_uuid_like(written) else []
        return artifacts_in(self._workspace, rows or self._with_id(self._id(ref, version)))[0]

    def _with_id(self, artifact_id: str) -> list[dict[str, Any]]:
        return self._workspace.catalog.found("artifacts", COLUMNS, WITH_ID, by_head(id=artifact_id))

    def stored(self, ref: object) -> ArtifactVersion:
        """Give the record by which the store knows a version.

        Raises:
            NotFoundError: There is none.
        """
        row = self._workspace.catalog.rows(STORED, by_head(id=self._id(ref)))[0]
        return _stored_in(row)

    def list(
        self,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        run: object = None,
        type: str | None = None,
        limit: int | None = None,
    ) -> Listing[Artifact]:
        """List versions, the newest first.

        Args:
            name: Those of one artifact.
            tags: Those that bear all of these.
            any_tags: Those that bear one of these.
            tag_prefix: Those with a tag that begins so.
            tag_contains: Those with a tag that holds this.
            run: Those that one run made or reused.
            type: Those of one type: `"pandas.DataFrame"`, or its last part.
            limit: How many at most; `None` for all.

        Raises:
            BadValueError: A filter of the wrong form.
            NotFoundError: There is no such run.
        """
        tagged = bears(
            Kind.ARTIFACT_VERSION,
            "id",
            tags=tags,
            any_tags=any_tags,
            tag_prefix=tag_prefix,
            tag_contains=tag_contains,
        )
        fits = FITS + tagged.sql
        asked = {
            "name": None if name is None else checked_text("name", name),
            "type": None if type is None else checked_text("type", type),
            **tagged.parameters,
        }
        limit = checked_limit(limit)
        catalog = self._workspace.catalog
        if run is not None:
            asked |= by_head(run=resolve(self._workspace, run, Kind.RUN).id)
            rows = catalog.rows(GIVEN_IN.format(fits=fits), asked)[:limit]
        else:
            rows = catalog.newest("artifacts", COLUMNS, fits, asked, limit=limit or 2**62)
        return artifacts_in(self._workspace, rows)

    def load(self, ref: object, *, trust: bool = False) -> Any:
        """Give a value.

        Args:
            ref: Which one. An `ArtifactVersion` may come from elsewhere, such as a bundle.
            trust: Whether to run the code of a pickle that this workspace did not write.

        Raises:
            NotFoundError: There is no such version.
            ArtifactDamagedError: Its bytes are gone, or are no longer what was stored.
            UntrustedArtifactError: A pickle from elsewhere, without `trust`.
        """
        if isinstance(ref, ArtifactVersion) and not self._is_ours(ref):
            return self._workspace.store.load(ref, trust=trust)
        return self._workspace.store.load(self.stored(ref), trust=True)

    def lineage(self, ref: object) -> Lineage:
        """Say what made a version and what read it.

        Raises:
            NotFoundError: There is no such version.
        """
        return self.get(ref).lineage()

    def _id(self, ref: object, version: int | str | None = None) -> str:
        if version is None:
            return resolve(self._workspace, ref, Kind.ARTIFACT_VERSION).id
        if not isinstance(ref, str):
            raise BadValueError("A version goes with an artifact's name, as in get('raw_data', 7).")
        return resolve(self._workspace, (ref, version), Kind.ARTIFACT_VERSION).id

    def _is_ours(self, artifact: ArtifactVersion) -> bool:
        try:
            own = self.stored(artifact)
        except NotFoundError:
            return False
        return (own.blob, own.inline, own.materializer) == (artifact.blob, artifact.inline, artifact.materializer)


def _stored_in(row: Mapping[str, Any]) -> ArtifactVersion:
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
