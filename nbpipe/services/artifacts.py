"""Artifact versions: found, listed, loaded, deleted, followed to what they came from and went into.

The bytes are the store's, and are reached through its one choke point. What this workspace's own
log names is trusted, since this workspace wrote it; a record that comes from elsewhere is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from nbpipe.base.ids import is_uuid_like
from nbpipe.catalog.finding import Moment, by_head, near
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.refs import Kind
from nbpipe.services.artifact_records import COLUMNS, Artifact, artifacts_in, stored_version
from nbpipe.services.deleting import delete_artifacts, dependents_of_artifacts
from nbpipe.services.dependents import Dependent, each_of
from nbpipe.services.filters import IS_OF_TYPE, Conditions, all_of, bears, checked_text, during, named, refuse_unknown
from nbpipe.services.lineage import Lineage
from nbpipe.services.listing import Listing, checked_limit
from nbpipe.services.noted import notes
from nbpipe.services.ordering import check_one_order, in_order
from nbpipe.services.pointing import as_ref
from nbpipe.services.resolve import linked, resolve
from nbpipe.services.walking import lineage_of
from nbpipe.services.workspace import Workspace

WITH_ID = f"{near('artifacts', 'id_head')} SELECT seq FROM near WHERE id = $id"  # noqa: S608 — made of constants
WAS_GIVEN = """seq IN (
    WITH near AS MATERIALIZED (FROM keyed.lineage WHERE run_head = $head),
    given AS MATERIALIZED (
        SELECT seq, id FROM keyed.artifacts WHERE id_head IN (SELECT artifact_head FROM near))
    SELECT seq FROM given WHERE id IN (SELECT artifact_id FROM near WHERE run_id = $run AND direction = 'out'))"""
TYPE_IS = IS_OF_TYPE.format(column="type_name")
LINKED_TO = """id IN (
    SELECT entity_id FROM keyed.model_links WHERE version_id = $model_version AND kind = 'artifact_version')"""
# By which columns versions can be ordered, beside their metrics.
IS_OLDER = "seq < $older_than"
SORTABLE = ("seq", "created", "name", "number", "size_bytes", "type_name")


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
        return stored_version(self._workspace, self._id(ref))

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
        fits = all_of(
            named("name", name=name, name_prefix=name_prefix, name_contains=name_contains),
            Conditions() if type is None else Conditions(TYPE_IS, {"type": checked_text("type", type)}),
            during("created", since, until),
            bears(kind, "id", tags=tags, any_tags=any_tags, tag_prefix=tag_prefix, tag_contains=tag_contains),
            notes(kind, where=where, metadata=metadata, view="artifacts" if is_windowed else ""),
            linked(self._workspace, LINKED_TO, model_version),
            Conditions() if run is None else Conditions(WAS_GIVEN, self._run(run)),
        )
        limit = checked_limit(limit)
        check_one_order(order_by, before)
        last_id = None if before is None else self._id(before)
        with self._workspace.catalog.moment() as moment:
            older_than = None if last_id is None else self._number(moment, last_id)
            if is_windowed:
                asked, most = fits.parameters, limit or 2**62
                rows: Sequence[Mapping[str, Any]] = moment.newest(
                    "artifacts", COLUMNS, fits.sql, asked, limit=most, before=older_than
                )
            else:
                older = Conditions() if older_than is None else Conditions(IS_OLDER, {"older_than": older_than})
                rows = in_order(
                    moment,
                    kind,
                    view="artifacts",
                    columns=COLUMNS,
                    fits=all_of(fits, older),
                    order_by=order_by if order_by is not None else "-seq",
                    sortable=SORTABLE,
                    limit=limit,
                )
        return artifacts_in(self._workspace, rows)

    def _run(self, run: object) -> dict[str, Any]:
        return by_head(run=resolve(self._workspace, run, Kind.RUN).id)

    def _number(self, moment: Moment, artifact_id: str) -> int:
        found = moment.rows(WITH_ID, by_head(id=artifact_id))
        if not found:
            # Somebody deleted it since it was found.
            raise NotFoundError("artifact version", artifact_id)
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
