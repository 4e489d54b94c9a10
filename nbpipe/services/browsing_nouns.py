"""What can be browsed, noun by noun: where its rows are, what they show, and what they are filtered by.

Everything here is a constant of ours: names of columns and pieces of SQL that `services.browsing`
puts together. What a caller asks for never becomes part of a statement; it is bound.
"""

from __future__ import annotations

from typing import Any

from nbpipe.records.models import SETTABLE
from nbpipe.records.refs import Kind
from nbpipe.services.browsing_columns import Column, Filter, Form, Noun, unknown
from nbpipe.services.filters import IS_OF_TYPE
from nbpipe.services.workspace import Workspace

_STATUSES = ("running", "completed", "failed", "interrupted")
_STAGES = tuple(stage.value for stage in SETTABLE)

_MODEL_OF_RUN = "(SELECT v.model || '@' || v.name FROM model_versions AS v WHERE v.id = it.model_version_id)"
_SNAPSHOT_OF = "(SELECT coalesce(nullif(s.name, ''), left(s.id, 8)) FROM snapshots AS s WHERE s.id = it.snapshot_id)"

_MODELS = """(
    SELECT m.name, m.description, m.created, count(v.id) AS versions,
           max(v.name) FILTER (v.stage = 'staging') AS staging,
           max(v.name) FILTER (v.stage = 'production') AS production
    FROM models AS m LEFT JOIN model_versions AS v ON v.model = m.name
    GROUP BY m.name, m.description, m.created)"""
_VERSIONS = "(SELECT *, CASE WHEN failed THEN 'failed' ELSE 'sound' END AS status FROM model_versions)"
_PIPELINES = """(
    SELECT p.name, count(r.id) AS runs, max(r.started) AS last_started, arg_max(r.status, r.seq) AS last_status,
           max(r.seq) AS newest, (SELECT count(*) FROM snapshots AS s WHERE s.pipeline = p.name) AS snapshots
    FROM (SELECT pipeline AS name FROM runs UNION SELECT pipeline FROM snapshots) AS p
    LEFT JOIN runs AS r ON r.pipeline = p.name
    WHERE p.name IS NOT NULL AND p.name <> ''
    GROUP BY p.name)"""
# A tag that nothing bears is in no view, but in the state.
_TAGS = """(
    SELECT known.name, known.exclusive, known.cascade, known.created::TIMESTAMPTZ AS created,
           coalesce(held.holders, 0) AS holders
    FROM (SELECT unnest($tag_names::VARCHAR[]) AS name, unnest($tag_exclusive::BOOLEAN[]) AS exclusive,
                 unnest($tag_cascade::BOOLEAN[]) AS cascade, unnest($tag_created::VARCHAR[]) AS created) AS known
    LEFT JOIN (SELECT tag, count(*) AS holders FROM tags GROUP BY tag) AS held ON held.tag = known.name)"""
_SCHEDULES = """(
    SELECT *, CASE WHEN deleted IS NOT NULL THEN 'deleted' WHEN active THEN 'active' ELSE 'paused' END AS status,
           coalesce(cron_expression, 'every ' || interval_s::VARCHAR || ' s', run_at::VARCHAR) AS fires
    FROM schedules)"""
# Whether one that was started answers, its own card says: that is no fact of the catalog.
_DEPLOYMENTS = """(
    SELECT *, CASE WHEN stopped IS NULL THEN 'started' ELSE 'stopped' END AS status FROM deployments)"""


def _known_tags(workspace: Workspace) -> dict[str, Any]:
    rows = [row for row in list(workspace.catalog.state().tags.values()) if row is not None]
    columns = ("name", "exclusive", "cascade", "created")
    return {f"tag_{column}{'s' if column == 'name' else ''}": [row[column] for row in rows] for column in columns}


_OF_NAME = Filter("it.name = $name")
_OF_PIPELINE = Filter("it.pipeline = $pipeline", values="it.pipeline")

NOUNS: dict[str, Noun] = {
    noun.name: noun
    for noun in (
        Noun(
            "runs",
            "run",
            Kind.RUN,
            "keyed.runs",
            "seq",
            "id",
            "started",
            "it.seq",
            (
                Column("name", label="run"),
                Column("pipeline"),
                Column("status", Form.STATUS),
                Column("started", Form.INSTANT),
                Column("duration_s", Form.DURATION, label="took"),
                Column("model", sql=_MODEL_OF_RUN),
                Column("parameters", Form.VALUES, is_wide=True),
                Column("snapshot", sql=_SNAPSHOT_OF, is_shown=False),
                Column("error_type", label="error", is_shown=False),
                Column("error_message", is_shown=False),
                Column("ended", Form.INSTANT, is_shown=False),
                Column("id", Form.ID, is_shown=False),
            ),
            ("name", "id", "pipeline", "status", "error_type", "error_message"),
            {
                "pipeline": _OF_PIPELINE,
                "status": Filter("it.status = $status", _STATUSES),
                "snapshot": Filter("it.snapshot_id = $snapshot"),
                "parent": Filter("it.parent_run_id = $parent"),
                "model": Filter(
                    "it.model_version_id IN (SELECT id FROM model_versions WHERE model = $model)",
                    values="(SELECT v.model FROM model_versions AS v WHERE v.id = it.model_version_id)",
                ),
            },
            is_measured=True,
            noted_kind=Kind.RUN,
        ),
        Noun(
            "artifacts",
            "artifact",
            Kind.ARTIFACT_VERSION,
            "keyed.artifacts",
            "seq",
            "id",
            "created",
            "it.seq",
            (
                Column("name", label="artifact"),
                Column("number", Form.NUMBER, label="version"),
                Column("type_name", label="type"),
                Column("size_bytes", Form.SIZE, label="size"),
                Column("node", label="made by"),
                Column("created", Form.INSTANT),
                Column("run_id", Form.ID, label="run"),
                Column("materializer", is_shown=False),
                Column("pickled", Form.FLAG, is_shown=False),
                Column("id", Form.ID),
            ),
            ("name", "id", "type_name", "node"),
            {
                "name": Filter("it.name = $name", values="it.name"),
                "type": Filter(IS_OF_TYPE.format(column="it.type_name"), values="it.type_name"),
                "step": Filter("it.node = $step", values="it.node"),
                "run": Filter("it.id IN (SELECT artifact_id FROM lineage WHERE run_id = $run AND direction = 'out')"),
            },
            is_measured=True,
            noted_kind=Kind.ARTIFACT_VERSION,
        ),
        Noun(
            "models",
            "model",
            Kind.MODEL,
            _MODELS,
            "name",
            "name",
            "created",
            "it.created",
            (
                Column("name", label="model"),
                Column("versions", Form.NUMBER),
                Column("staging"),
                Column("production"),
                Column("created", Form.INSTANT),
                Column("description", is_wide=True),
            ),
            ("name", "description"),
            {"stage": Filter("it.name IN (SELECT model FROM model_versions WHERE stage = $stage)", _STAGES)},
            noted_kind=Kind.MODEL_VERSION,
            noted_in="it.name IN (SELECT model FROM model_versions WHERE {fits})",
        ),
        Noun(
            "model_versions",
            "model version",
            Kind.MODEL_VERSION,
            _VERSIONS,
            "id",
            "id",
            "created",
            "it.created",
            (
                Column("model"),
                Column("number", Form.NUMBER, label="version"),
                Column("name"),
                Column("stage"),
                Column("status", Form.STATUS),
                Column("created", Form.INSTANT),
                Column("run_id", Form.ID, label="run"),
                Column("description", is_wide=True),
                Column("id", Form.ID, is_shown=False),
            ),
            ("model", "name", "stage", "id", "description"),
            {
                "model": Filter("it.model = $model", values="it.model"),
                "stage": Filter("it.stage = $stage", _STAGES),
                "status": Filter("it.status = $status", ("sound", "failed")),
                "run": Filter("it.run_id = $run"),
            },
            is_measured=True,
            noted_kind=Kind.MODEL_VERSION,
        ),
        Noun(
            "snapshots",
            "snapshot",
            Kind.SNAPSHOT,
            "snapshots",
            "id",
            "id",
            "created",
            "it.created",
            (
                Column("name", label="snapshot"),
                Column("pipeline"),
                Column("description", is_wide=True),
                Column("created", Form.INSTANT),
                Column("digest", Form.ID, is_shown=False),
                Column("run_id", Form.ID, label="run", is_shown=False),
                Column("id", Form.ID),
            ),
            ("name", "pipeline", "description", "id"),
            {"name": _OF_NAME, "pipeline": _OF_PIPELINE},
        ),
        Noun(
            "pipelines",
            "pipeline",
            Kind.PIPELINE,
            _PIPELINES,
            "name",
            "name",
            "last_started",
            "it.newest",
            (
                Column("name", label="pipeline"),
                Column("runs", Form.NUMBER),
                Column("snapshots", Form.NUMBER),
                Column("last_status", Form.STATUS),
                Column("last_started", Form.INSTANT),
            ),
            ("name",),
            {"name": _OF_NAME, "status": Filter("it.last_status = $status", _STATUSES)},
        ),
        Noun(
            "tags",
            "tag",
            None,
            _TAGS,
            "name",
            "name",
            "created",
            "it.created",
            (
                Column("name", label="tag"),
                Column("holders", Form.NUMBER, label="on"),
                Column("exclusive", Form.FLAG),
                Column("cascade", Form.FLAG),
                Column("created", Form.INSTANT),
            ),
            ("name",),
            {"prefix": Filter("starts_with(it.name, $prefix)"), "contains": Filter("contains(it.name, $contains)")},
            given=_known_tags,
        ),
        Noun(
            "schedules",
            "schedule",
            None,
            _SCHEDULES,
            "id",
            "id",
            "created",
            "it.created",
            (
                Column("name", label="schedule"),
                Column("pipeline"),
                Column("status", Form.STATUS),
                Column("fires", label="when"),
                Column("snapshot", sql=_SNAPSHOT_OF),
                Column("last_fired", Form.INSTANT),
                Column("created", Form.INSTANT),
                Column("id", Form.ID, is_shown=False),
            ),
            ("name", "pipeline", "fires", "id"),
            {"pipeline": _OF_PIPELINE, "status": Filter("it.status = $status", ("active", "paused", "deleted"))},
        ),
        Noun(
            "deployments",
            "deployment",
            None,
            _DEPLOYMENTS,
            "id",
            "id",
            "started",
            "it.started",
            (
                Column("name", label="deployment"),
                Column("pipeline"),
                Column("status", Form.STATUS),
                Column("url"),
                Column("snapshot", sql=_SNAPSHOT_OF),
                Column("started", Form.INSTANT),
                Column("stopped", Form.INSTANT),
                Column("id", Form.ID, is_shown=False),
            ),
            ("name", "pipeline", "url", "id"),
            {"pipeline": _OF_PIPELINE, "status": Filter("it.status = $status", ("started", "stopped"))},
        ),
    )
}


def noun_named(name: object) -> Noun:
    """Give a noun by its name; one of them stands for all, a blank for an underscore.

    Raises:
        BadValueError: There is none of that name.
    """
    if isinstance(name, str):
        plain = name.strip().casefold().replace(" ", "_").replace("-", "_")
        for known in (plain, f"{plain}s"):
            if known in NOUNS:
                return NOUNS[known]
    raise unknown("The catalog has no", name, list(NOUNS))
