"""What the views show: one history, whichever way it reached them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.views import COLUMNS
from nbpipe.records.metadata import encode, metrics_in
from nbpipe.records.models import ModelConfig, ModelStages
from nbpipe.records.operations import (
    AddTags,
    ChangeSnapshot,
    ClaimFirings,
    CreateSchedule,
    CreateSnapshot,
    DeleteArtifacts,
    DeleteModelVersion,
    DeletePipeline,
    DeleteRuns,
    DeleteTag,
    OpenModelVersion,
    PointedAt,
    Promise,
    RemoveTags,
    RenameRun,
    RenameTag,
    SetStage,
    StartDeployment,
    Timing,
)
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from tests.catalog.histories import ENDED, STARTED, Recording, everything, small_run


def test_the_documented_columns_are_those_that_the_views_have(catalog):
    for view, columns in COLUMNS.items():
        found = [row["column_name"] for row in catalog.rows(f"SELECT column_name FROM (DESCRIBE {view})")]

        assert found == list(columns), view


def test_a_run_shows_what_was_recorded_of_it(catalog):
    run = small_run(catalog, status=Status.FAILED, error_step="step_0", error_type="ValueError", error_message="no")

    (row,) = catalog.rows("SELECT * FROM runs")

    assert row["id"] == run.id
    assert (row["pipeline"], row["kind"], row["status"]) == ("training", "pipeline", "failed")
    assert (row["parameters"], row["snapshot_id"], row["user_name"], row["pid"]) == ({"rate": 0.1}, None, "ada", 7)
    assert (row["error_step"], row["error_type"], row["error_message"]) == ("step_0", "ValueError", "no")
    assert row["started"].tzinfo is UTC
    assert row["duration_s"] == (row["ended"] - row["started"]).total_seconds()


def test_a_step_shows_what_was_recorded_of_it(catalog):
    run = Recording(catalog).start()
    error = {"type": "KeyError", "message": "'x'", "traceback": "line 3"}
    run.step("train", status="failed", error=error, logs={"blob": "b" * 64})

    (row,) = catalog.rows("SELECT * FROM steps")

    assert (row["run_id"], row["node"], row["status"], row["attempt"]) == (run.id, "train", "failed", 1)
    assert (row["error_type"], row["error_message"], row["error_traceback"]) == ("KeyError", "'x'", "line 3")
    assert (row["started"], row["ended"]) == (datetime.fromisoformat(STARTED), datetime.fromisoformat(ENDED))
    assert (row["duration_s"], row["parameters"], row["logs"]) == (1.5, {"limit": 3}, {"blob": "b" * 64})


def test_an_artifact_gets_its_number_when_its_run_ends(catalog):
    run = Recording(catalog).start()
    run.step("clean")
    before = catalog.rows("SELECT number FROM artifacts")
    run.end()
    small = small_run(catalog)

    rows = catalog.rows("SELECT * FROM artifacts ORDER BY seq")

    assert before == [{"number": None}]
    assert [(row["name"], row["number"], row["run_id"]) for row in rows] == [
        ("clean_data", 1, run.id),
        ("step_0_data", 1, small.id),
    ]
    assert (rows[0]["inline"], rows[0]["preview"]) == ({"plain": 7}, {"kind": "json", "value": 7})


def test_lineage_goes_in_and_out_of_each_step(catalog):
    run = Recording(catalog).start()
    (first,) = run.step("clean")
    (second,) = run.step("train")

    rows = catalog.rows("SELECT node, direction, artifact_id FROM lineage ORDER BY node, direction")

    assert [tuple(row.values()) for row in rows] == [
        ("clean", "out", first["id"]),
        ("train", "in", first["id"]),
        ("train", "out", second["id"]),
    ]


@pytest.mark.parametrize("published_between", [False, True])
def test_a_reused_output_stays_the_one_version_that_it_is(catalog, published_between):
    made = Recording(catalog).start()
    (output,) = made.step("clean")
    made.end()
    if published_between:
        catalog.publish()
    again = Recording(catalog).start()
    again.step("clean", reuse=[output])
    again.end()

    assert catalog.rows("SELECT id, run_id, number FROM artifacts") == [
        {"id": output["id"], "run_id": made.id, "number": 1}
    ]
    uses = catalog.rows("SELECT run_id FROM lineage WHERE artifact_id = $id ORDER BY run_id", {"id": output["id"]})
    assert [row["run_id"] for row in uses] == sorted([made.id, again.id])


@pytest.mark.parametrize("published_between", [False, True])
def test_a_step_goes_on_until_its_end_is_recorded(catalog, published_between):
    run = Recording(catalog).start()
    step_id = run.begin_step("train")
    before = catalog.rows("SELECT id, status FROM steps")
    if published_between:
        catalog.publish()
    run.end_step(step_id, "train")

    assert before == [{"id": step_id, "status": "running"}]
    assert catalog.rows("SELECT id, status FROM steps") == [{"id": step_id, "status": "completed"}]


@pytest.mark.parametrize("published_between", [False, True])
def test_a_step_that_never_ended_is_interrupted_once_its_run_is_over(catalog, published_between):
    run = Recording(catalog).start()
    run.begin_step("train")
    if published_between:
        catalog.publish()
    run.end(Status.INTERRUPTED)

    assert catalog.rows("SELECT status FROM steps") == [{"status": "interrupted"}]


@pytest.mark.parametrize("published_between", [False, True])
def test_displays_that_come_later_are_shown_with_their_step(catalog, published_between):
    run = Recording(catalog).start()
    step_id = run.begin_step()
    run.end_step(step_id)
    if published_between:
        catalog.publish()
    catalog.append("displays", id=step_id, run=run.id, body={"displays": [{"text/plain": "7"}]})
    catalog.append("displays", id=step_id, run=run.id, body={"displays": [{"text/plain": "8"}]})

    assert catalog.rows("SELECT displays FROM steps") == [{"displays": [{"text/plain": "8"}]}]


def test_numbers_in_metadata_are_metrics_by_their_dotted_path(catalog):
    run = Recording(catalog).start()
    values = encode(
        {
            "loss": 0.5,
            "epochs": 3,
            "scores": {"f1": 0.25, "learning rate": 1.5, 'a "quoted" [one]': 2.5, "value": 4.5},
            "bad": float("nan"),
            "done": True,
            "curve": [1, 2, {"deep": 3}],
            "pair": (1, 2),
            "note": "7",
            "odd": {"$type": 9, "inner": 8},
            "value": 6,
        }
    )
    run.log(values)

    rows = catalog.rows("SELECT key, value FROM metrics WHERE entity_kind = 'run' AND entity_id = $id", {"id": run.id})

    assert {row["key"]: repr(row["value"]) for row in rows} == {key: repr(value) for key, value in metrics_in(values)}
    names = catalog.rows("SELECT key, value FROM metadata")
    assert {row["key"]: row["value"] for row in names} == values


KEYS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6) | st.sampled_from(
    ["value", "$type", "a.value.b", 'q"q', "[0]", "\\"]
)
LEAVES = st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.booleans() | KEYS | st.just(float("nan"))
NESTED = st.recursive(
    LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2), max_leaves=8
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(KEYS, NESTED, min_size=1, max_size=4))
def test_metrics_are_those_that_the_rule_finds(catalog, values):
    run = Recording(catalog)
    run.log(encode(values))

    rows = catalog.rows("SELECT key, value FROM metrics WHERE entity_id = $id", {"id": run.id})

    assert sorted((row["key"], repr(row["value"])) for row in rows) == sorted(
        (key, repr(value)) for key, value in metrics_in(encode(values))
    )


def test_metadata_in_a_step_belongs_to_what_it_names_or_to_the_step(catalog):
    run = Recording(catalog).start()
    step_id = run.begin_step()
    entries = [{"kind": "step", "id": "", "values": {"rows": 5}}, {"kind": "run", "id": run.id, "values": {"f1": 0.5}}]
    run.end_step(step_id, metadata=entries)

    rows = catalog.rows("SELECT entity_kind, entity_id, key, value, step_id FROM metadata ORDER BY key")

    assert [tuple(row.values()) for row in rows] == [
        ("run", run.id, "f1", 0.5, step_id),
        ("step", step_id, "rows", 5, step_id),
    ]


@pytest.mark.parametrize("published_between", [False, True])
def test_an_exclusive_tag_has_one_holder(catalog, published_between):
    latest = Tag(name="latest", exclusive=True)
    small_run(catalog, tags=(latest,))
    if published_between:
        catalog.publish()
    last = small_run(catalog, tags=(latest,))

    assert catalog.rows("SELECT tag, exclusive, entity_id, scope FROM tags") == [
        {"tag": "latest", "exclusive": True, "entity_id": last.id, "scope": "training"}
    ]


@pytest.mark.parametrize("published_between", [False, True])
def test_a_deleted_tag_is_on_nothing_and_a_renamed_one_on_the_same(catalog, published_between):
    run = small_run(catalog, tags=(Tag(name="old"), Tag(name="gone")))
    if published_between:
        catalog.publish()
    catalog.transact(RenameTag(name="old", to="new"))
    catalog.transact(DeleteTag(name="gone"))

    assert catalog.rows("SELECT tag, entity_id FROM tags") == [{"tag": "new", "entity_id": run.id}]


# One history, three ways ---------------------------------------------------------------------


HAS_ENDED = "SELECT id FROM runs WHERE id = $id AND ended IS NOT NULL"


def act(catalog: Catalog, what: str, nth: int, known: list[Recording]) -> None:
    """Do one thing that leaves something in the logs."""
    run = known[nth % len(known)]
    pointed = PointedAt(kind=Kind.RUN, id=run.id, scope=run.pipeline, label="run")
    match what:
        case "run":
            known.append(small_run(catalog, steps=nth % 3, tags=(Tag(name="latest", exclusive=True),)))
        case "start":
            known.append(Recording(catalog, "other").start())
        case "begin step":
            run.begin_step(f"node_{nth}")
        case "step":
            run.step(f"node_{nth}")
        case "reuse":
            if run.outputs:
                Recording(catalog).start().step("again", reuse=run.outputs)
        case "log":
            run.log({"loss": nth / 7 if nth % 3 else "none", "nested": {"n": nth} if nth % 4 else None})
        case "end":
            run.end(Status.FAILED if nth % 2 else Status.COMPLETED)
        case "tag":
            catalog.transact(AddTags(tags=(Tag(name=f"tag-{nth % 3}"),), targets=(pointed,)))
        case "untag":
            catalog.transact(RemoveTags(names=(f"tag-{nth % 3}",), targets=(pointed,)))
        case "version":
            catalog.transact(OpenModelVersion(model=ModelConfig(name="iris"), version=None, run_id=run.id))
        case "promote":
            if any(catalog.state().versions.values()):
                stage = ModelStages.PRODUCTION if nth % 2 else ModelStages.STAGING
                catalog.transact(SetStage(model="iris", version=None, stage=stage, force=True))
        case "delete version":
            if any(catalog.state().versions.values()):
                catalog.transact(DeleteModelVersion(model="iris", version="latest", force=True))
        case "snapshot":
            catalog.transact(CreateSnapshot(id=new_id(), pipeline="p", name=f"s{nth % 2}", digest="d", replace=True))
        case "rename run":
            catalog.transact(RenameRun(id=run.id, to=f"run {nth}"))
        case "delete run":
            # One that goes on is not deleted.
            ended = [one for one in known[1:] if catalog.rows(HAS_ENDED, {"id": one.id})]
            for one in ended[: nth % 3]:
                known.remove(one)
                catalog.transact(DeleteRuns(ids=(one.id,)))
        case "delete artifact":
            if run.outputs:
                catalog.transact(DeleteArtifacts(ids=(run.outputs[0]["id"],)))
        case "tag pipeline":
            named = PointedAt(kind=Kind.PIPELINE, id=run.pipeline)
            catalog.transact(AddTags(tags=(Tag(name=f"tag-{nth % 3}"),), targets=(named,)))
        case "delete pipeline":
            ended = [one for one in known[1:] if catalog.rows(HAS_ENDED, {"id": one.id})]
            known[1:] = [one for one in known[1:] if one not in ended]
            catalog.transact(DeletePipeline(name="training", runs=tuple(one.id for one in ended)))
        case "describe":
            for snapshot in [key for key, row in catalog.state().snapshots.items() if row][:1]:
                catalog.transact(ChangeSnapshot(id=snapshot, description=f"about {nth}"))


DEEDS = [
    "run", "start", "begin step", "step", "reuse", "log", "end", "tag", "untag", "version", "promote",
    "delete version", "snapshot", "describe", "rename run", "delete run", "delete artifact", "tag pipeline",
    "delete pipeline", "publish", "publish", "look",
]  # fmt: skip


# Each example publishes, rebuilds and asks for every view each time.
@settings(max_examples=settings().max_examples // 5)
@given(deeds=st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 9)), min_size=3, max_size=25))
def test_all_views_are_the_same_over_the_logs_over_a_published_file_and_after_a_rebuild(tmp_path_factory, deeds):
    paths = WorkspacePaths(tmp_path_factory.mktemp("workspace") / ".nbpipe").ensure()
    catalog, follower = Catalog(paths), Catalog(paths)
    known = [small_run(catalog)]
    for what, nth in deeds:
        if what == "publish":
            catalog.publish()
        elif what == "look":
            follower.rows("SELECT count(*) AS n FROM runs")
        else:
            act(catalog, what, nth, known)

    over_a_layer = everything(catalog)
    followed = everything(follower)
    catalog.publish()
    published = everything(catalog)
    catalog.rebuild()
    rebuilt = everything(catalog)
    catalog.close()
    follower.close()

    assert followed == over_a_layer
    assert published == over_a_layer
    assert rebuilt == over_a_layer


@pytest.mark.parametrize("is_published", [False, True], ids=["in the logs", "published"])
def test_schedules_their_firings_and_deployments_are_shown(catalog, is_published):
    due = datetime(2026, 11, 21, 2, tzinfo=UTC)
    timing = Timing(cron_expression="0 2 * * *", catchup="last", overlap="skip", timezone="UTC")
    told = {"timing": timing, "since": due - timedelta(hours=1)}
    catalog.transact(CreateSchedule(id="s", name="nightly", pipeline="training", snapshot_id="snap", **told))
    promises = (Promise(run_id="r", due=due, alone=False),)
    catalog.transact(ClaimFirings(id="s", since=told["since"], until=due, promises=promises))
    served = {"url": "http://127.0.0.1:8000", "settings": {"timeout_s": 30}}
    catalog.transact(StartDeployment(id="d", name="predictor", pipeline="training", snapshot_id="snap", **served))
    if is_published:
        catalog.publish()

    (schedule,) = catalog.rows("SELECT * FROM schedules")
    (firing,) = catalog.rows("SELECT * FROM firings")
    (deployment,) = catalog.rows("SELECT * FROM deployments")

    assert (schedule["name"], schedule["active"], schedule["last_fired"]) == ("nightly", True, due)
    assert (firing["schedule_id"], firing["due"], firing["outcome"]) == ("s", due, "fired")
    assert (deployment["name"], deployment["generation"], deployment["stopped"]) == ("predictor", 1, None)
    assert deployment["settings"] == {"timeout_s": 30}
