"""Artifact versions: found, listed, loaded, and followed to what they came from and went into.

The record here is what a caller sees of a version; the bytes are the store's, and reach it
through its one choke point. What this workspace's own log names is trusted, since this workspace
wrote it; a record that comes from elsewhere is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from nbpipe.base.displaying import Displayed
from nbpipe.base.ids import is_uuid_like
from nbpipe.catalog.finding import by_head, near
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.base import shorten
from nbpipe.records.metadata import MetadataEntry
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.deleting import delete_artifacts, dependents_of_artifacts
from nbpipe.services.dependents import Dependent, each_of
from nbpipe.services.filters import Conditions, all_of, bears, checked_text, during, named, refuse_unknown
from nbpipe.services.instants import as_instant
from nbpipe.services.lineage import Lineage
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.metadata import entries_of, metadata_of
from nbpipe.services.noted import notes
from nbpipe.services.ordering import check_one_order, in_order
from nbpipe.services.pointing import as_ref
from nbpipe.services.resolve import linked, resolve
from nbpipe.services.tags import tags_of
from nbpipe.services.walking import lineage_of
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
GIVEN_IN = f"""
    {near("lineage", "run_head")}, given AS MATERIALIZED (
        FROM keyed.artifacts WHERE id_head IN (SELECT artifact_head FROM near))
    SELECT {COLUMNS} FROM given WHERE id IN (SELECT artifact_id FROM near WHERE run_id = $run AND direction = 'out')
    ORDER BY seq DESC
"""  # noqa: S608
WAS_GIVEN = """seq IN (
    WITH near AS MATERIALIZED (FROM keyed.lineage WHERE run_head = $head),
    given AS MATERIALIZED (
        SELECT seq, id FROM keyed.artifacts WHERE id_head IN (SELECT artifact_head FROM near))
    SELECT seq FROM given WHERE id IN (SELECT artifact_id FROM near WHERE run_id = $run AND direction = 'out'))"""
TYPE_IS = "(type_name = $type OR ends_with(type_name, '.' || $type))"
LINKED_TO = """id IN (
    SELECT entity_id FROM keyed.model_links WHERE version_id = $model_version AND kind = 'artifact_version')"""
# By which columns versions can be ordered, beside their metrics.
SORTABLE = ("seq", "created", "name", "number", "size_bytes", "type_name")
STORED = f"""
    {near("artifacts", "id_head")}
    SELECT id, name, number, output, type_name, materializer, digest, size_bytes, inline, blob, member, pickled,
           preview, step_id AS made_by
    FROM near WHERE id = $id
"""  # noqa: S608
PREVIEW = f"{near('artifacts', 'id_head')} SELECT preview FROM near WHERE id = $id"  # noqa: S608


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

    def __repr__(self) -> str:
        number = "" if self.version is None else f"@{self.version}"
        return f"<Artifact {shorten(self.name)}{number}: {self.type}, {self.size_bytes:,} bytes>"

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
        name_prefix: str = "",
        name_contains: str = "",
        type: str | None = None,
        run: object = None,
        model_version: object = None,
        tags: Sequence[str] | None = None,
        any_tags: Sequence[str] | None = None,
        tag_prefix: str = "",
        tag_contains: str = "",
        where: str | Sequence[str] | None = None,
        metadata: Mapping[Any, Any] | None = None,
        since: object = None,
        until: object = None,
        order_by: str | None = None,
        before: object = None,
        limit: int | None = None,
        **unknown: object,
    ) -> Listing[Artifact]:
        """List versions, the newest first.

        The last of one page is `before` of the next.

        Args:
            name: Those of one artifact.
            name_prefix: Those whose name begins so.
            name_contains: Those whose name has this in it.
            type: Those of one type: `"pandas.DataFrame"`, or its last part.
            run: Those that one run made or reused.
            model_version: Those that belong to this model version: `"iris@3"`, an id or a record.
            tags: Those that bear all of these.
            any_tags: Those that bear one of these.
            tag_prefix: Those with a tag that begins so.
            tag_contains: Those with a tag that holds this.
            where: Comparisons of metrics: `"rows > 100 and nulls = 0"`, or a list of them.
            metadata: Values in the metadata, by dotted path: `{"dataset.source": "s3"}`.
            since: Those made then or later: a `datetime`, ISO text, a `timedelta` or `"2h"` ago.
            until: Those made before then.
            order_by: Another order than the newest first: `"-size_bytes"`, `"rows desc"`; by a metric only those that
                have it.
            before: Only those that are older than this one.
            limit: How many at most; `None` for all.
            unknown: Whatever is no filter, to be refused.

        Raises:
            BadValueError: A filter that there is not, or whose value does not fit.
            NotFoundError: There is no such run, model version or artifact.
        """
        refuse_unknown("Artifacts", self.list, unknown)
        kind = Kind.ARTIFACT_VERSION
        is_windowed = order_by is None and run is None
        older_than = None if before is None else self._number(before)
        fits = all_of(
            named("name", name=name, name_prefix=name_prefix, name_contains=name_contains),
            Conditions() if type is None else Conditions(TYPE_IS, {"type": checked_text("type", type)}),
            during("created", since, until),
            bears(kind, "id", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains),
            notes(kind, where=where, metadata=metadata, view="artifacts" if is_windowed else ""),
            linked(self._workspace, LINKED_TO, model_version),
            Conditions() if run is None else Conditions(WAS_GIVEN, self._run(run)),
            Conditions() if older_than is None else Conditions("seq < $older_than", {"older_than": older_than}),
        )
        limit, asked = checked_limit(limit), fits.parameters
        if is_windowed:
            newest = self._workspace.catalog.newest
            rows = newest("artifacts", COLUMNS, fits.sql, asked, limit=limit or 2**62, before=older_than)
            return artifacts_in(self._workspace, rows)
        check_one_order(order_by, before)
        found = in_order(
            self._workspace,
            kind,
            view="artifacts",
            columns=COLUMNS,
            fits=fits,
            order_by=order_by if order_by is not None else "-seq",
            sortable=SORTABLE,
            limit=limit,
        )
        return artifacts_in(self._workspace, found)

    def _run(self, run: object) -> dict[str, Any]:
        return by_head(run=resolve(self._workspace, run, Kind.RUN).id)

    def _number(self, ref: object) -> int:
        found = self._workspace.catalog.rows(WITH_ID, by_head(id=self._id(ref)))
        return int(found[0]["seq"])

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

    def lineage(
        self, ref: object, *, up: int | str | None = 1, down: int | str | None = 1, most: int = 1000
    ) -> Lineage:
        """Say where a version came from and what it went into.

        Args:
            ref: Which one, as for `get`.
            up: How many steps back; `None` or `"all"` for all.
            down: How many steps on, likewise.
            most: How many executions at most, the nearest and newest; more of them are cut off, which is told.

        Raises:
            BadValueError: No such number.
            NotFoundError: There is no such version.
        """
        return lineage_of(self._workspace, self._id(ref), up=up, down=down, most=most)

    def dependents(self, ref: object) -> Listing[Dependent]:
        """Say what depends on a version, or on several.

        Raises:
            BadValueError: The reference names an artifact and no version.
            NotFoundError: There is no such version.
        """
        return dependents_of_artifacts(self._workspace, [self._named(one)[0] for one in each_of(ref)])

    def delete(self, ref: object, *, force: bool = False) -> int:
        """Delete a version, or a list of versions; what runs recorded of it stays.

        Its bytes go with the next `catalog gc`, unless something else is made of them. A step
        that made it runs again where it would have been reused.

        Args:
            ref: One as in `get`, but with its version, or a list of those.
            force: Also if it belongs to a model version in staging or production.

        Returns:
            How many were deleted.

        Raises:
            BadValueError: The reference names an artifact and no version.
            NotFoundError: There is no such version; nothing was deleted.
            ConflictError: It is in use and `force` is off.
        """
        named = dict(self._named(one) for one in each_of(ref))
        return delete_artifacts(self._workspace, named, force=force)

    def _named(self, ref: object) -> tuple[str, str]:
        """Find a version that is really named, and what it is called: what deletes does not guess at the newest."""
        target = resolve(self._workspace, ref, Kind.ARTIFACT)
        if target.kind is Kind.ARTIFACT:
            raise BadValueError(f"{target.id!r} is an artifact; say which version, as in '{target.id}@3'.")
        return target.id, target.label

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
