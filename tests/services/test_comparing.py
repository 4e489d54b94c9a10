"""Runs side by side: how they are found, what of them is compared, and what counts as a difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.errors import AmbiguousNameError, BadValueError, NotFoundError
from nbpipe.records.operations import EndRun
from nbpipe.records.runs import Status
from nbpipe.records.tags import as_tags
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.compared import ComparedFact, ComparedRuns, code_text
from nbpipe.services.comparing import MOST_RUNS
from nbpipe.services.metadata import MetadataService
from nbpipe.services.runs import RunService
from nbpipe.services.workspace import Workspace
from tests.services.building import Built, case, open_version


@pytest.fixture
def runs(opened_workspace: Workspace) -> RunService:
    return RunService(opened_workspace)


def output(name: str, value: int, artifact_id: str = "") -> dict[str, Any]:
    return {
        "id": artifact_id or new_id(),
        "name": name,
        "output": name,
        "digest": f"digest-of-{value}",
        "type_name": "int",
        "materializer": "json:1",
        "size_bytes": 1,
        "inline": {"json": value},
        "blob": "",
        "member": None,
        "pickled": False,
        "preview": {"kind": "text", "text": str(value)},
    }


def step(node: str, *, source: str = "", status: str = "completed", **given: Any) -> dict[str, Any]:
    plain = {"pipeline": "training", "node": node, "step": node, "status": status, "source": source, "attempt": 1}
    plain |= {"started": now_text(), "ended": now_text(), "parameters": {}, "inputs": [], "outputs": []}
    return plain | {"not_carried": [], "metadata": [], "reused_from": "", "logs": ""} | given


def record(
    workspace: Workspace,
    name: str = "",
    *,
    parameters: Mapping[str, Any] | None = None,
    steps: Sequence[dict[str, Any]] = (),
    tags: Sequence[str] = (),
    run_id: str = "",
    version_id: str = "",
    status: Status | None = Status.COMPLETED,
    differences: Mapping[str, Any] | None = None,
) -> str:
    """Record a run and give its id; with `status=None` it goes on."""
    run_id = run_id or new_id()
    started = {"name": name or f"run-{run_id[:6]}", "pipeline": "training", "kind": "pipeline"}
    started |= {"parameters": dict(parameters or {}), "differences": dict(differences or {})}
    started |= {"model_version_id": version_id}
    done = [("step", new_id(), run_id, body) for body in steps]
    workspace.catalog.append_lines([("run_started", run_id, run_id, started), *done])
    if status is not None:
        request = EndRun.request_id_for(run_id)
        end = EndRun(request_id=request, run_id=run_id, pipeline="training", status=status, tags=as_tags(list(tags)))
        workspace.catalog.transact(end.model_copy(update={"model_version_id": version_id}))
    return run_id


def facts(compared: ComparedRuns, group: str) -> dict[str, ComparedFact]:
    return {fact.name: fact for fact in compared.facts if fact.group == group}


def differing(compared: ComparedRuns, group: str) -> set[str]:
    return {name for name, fact in facts(compared, group).items() if fact.differs}


# Which runs are meant ------------------------------------------------------------------------------


def test_runs_are_named_by_id_prefix_name_and_record_and_keep_their_order(
    runs: RunService, opened_workspace: Workspace
) -> None:
    ids = [record(opened_workspace, name) for name in ("one", "two", "three", "a@b")]
    opened_workspace.catalog.publish()
    ids.append(record(opened_workspace))

    found = runs.compare(ids[4], "two", ids[0][:8], runs.get(ids[2]), "a@b")

    assert [side.run.id for side in found.runs] == [ids[4], ids[1], ids[0], ids[2], ids[3]]
    assert [side.run for side in runs.compare(ids[1].upper(), f"run:{ids[0]}").runs] == [
        runs.get(ids[1]),
        runs.get(ids[0]),
    ]


def test_of_runs_with_one_name_the_id_decides_and_a_beginning_of_two_ids_is_refused_with_both(
    runs: RunService, opened_workspace: Workspace
) -> None:
    first = record(opened_workspace, "same", run_id="abcd0000-0000-4000-8000-000000000001")
    second = record(opened_workspace, "same", run_id="abcd0000-0000-4000-8000-000000000002")

    assert [side.run.id for side in runs.compare(second, first).runs] == [second, first]
    for ambiguous in ("same", "abcd0000"):
        with pytest.raises(AmbiguousNameError, match=r"abcd0000.*abcd0000"):
            runs.compare(first, ambiguous)


def test_a_name_that_looks_like_the_beginning_of_an_id_goes_before_it(
    runs: RunService, opened_workspace: Workspace
) -> None:
    by_id = record(opened_workspace, "other", run_id="beef0000-0000-4000-8000-000000000001")
    named = record(opened_workspace, "beef")

    assert [side.run.id for side in runs.compare("beef", "beef0").runs] == [named, by_id]


NO_RUNS: list[Any] = [
    "fist",
    "ffffffff",
    "",
    "'; DROP TABLE runs; --",
    "<script>",
    "x" * 5000,
    "日本語",
    7,
    None,
    new_id,
]


def test_what_is_no_run_is_refused_in_a_line_with_the_nearest_name(
    runs: RunService, opened_workspace: Workspace
) -> None:
    record(opened_workspace, "first")

    for ref in NO_RUNS:
        with case(ref):
            with pytest.raises((NotFoundError, BadValueError)) as refused:
                runs.compare("first", ref)

            assert len(str(refused.value)) < 400
            assert ("Did you mean 'first'?" in str(refused.value)) is (ref == "fist")


def test_fewer_than_two_one_twice_and_too_many_are_refused(runs: RunService, opened_workspace: Workspace) -> None:
    run_id = record(opened_workspace, "only")

    for too_few in ((), (run_id,)):
        with pytest.raises(BadValueError, match=r"needs two runs or more, and \d runs? was given"):
            runs.compare(*too_few)
    with pytest.raises(BadValueError, match="'only' is named twice"):
        runs.compare(run_id, "only")
    with pytest.raises(BadValueError, match=f"{MOST_RUNS} at most"):
        runs.compare(*[run_id] * (MOST_RUNS + 1))


# What is compared ----------------------------------------------------------------------------------


def test_parameters_differ_by_value_and_by_type_and_a_missing_one_is_a_difference(
    runs: RunService, opened_workspace: Workspace
) -> None:
    first = record(opened_workspace, parameters={"rate": 0.1, "n": 1, "same": [1], "old": None})
    second = record(opened_workspace, parameters={"rate": 0.2, "n": "1", "same": [1]}, differences={"fit.depth": 3})

    found = runs.compare(first, second)

    assert differing(found, "parameters") == {"rate", "n", "old", "fit.depth"}
    assert facts(found, "parameters")["old"].values == {0: None}
    assert facts(found, "parameters")["fit.depth"].values == {1: 3}


def test_of_a_metric_the_latest_value_counts_and_what_replaced_it_hides_it(
    runs: RunService, opened_workspace: Workspace
) -> None:
    first, second = record(opened_workspace), record(opened_workspace)
    log = MetadataService(opened_workspace).log
    log({"scores": {"f1": 0.5, "auc": 0.7}, "loss": math.nan, "note": "x", "flag": True}, run=first)
    log({"scores": {"f1": 0.6}, "gone": {"a": 1}}, run=first)
    opened_workspace.catalog.publish()
    log({"gone": "text"}, run=first)
    log({"scores": {"f1": 0.6}, "loss": math.nan}, run=second)

    found = runs.compare(first, second)

    assert dict(found.runs[0].metrics) == pytest.approx(
        {"scores.f1": 0.6, "scores.auc": 0.7, "loss": math.nan}, nan_ok=True
    )
    assert dict(found.runs[0].metrics).keys() == dict(runs.get(first).metrics).keys()
    assert differing(found, "metrics") == {"scores.auc"}


def test_what_a_step_logged_on_the_model_version_of_its_run_is_among_the_runs_metrics(
    runs: RunService, opened_workspace: Workspace
) -> None:
    version_id = open_version(opened_workspace, "iris")
    logged = {"kind": "model_version", "id": version_id, "values": {"accuracy": 0.9}}
    first = record(opened_workspace, steps=[step("evaluate", metadata=[logged])], version_id=version_id)
    second = record(opened_workspace, version_id=version_id)

    found = runs.compare(first, second)

    assert [dict(side.metrics) for side in found.runs] == [{"accuracy": 0.9}, {}]
    assert [side.model_version for side in found.runs] == ["iris@1", "iris@1"]


def test_steps_differ_by_how_they_ended_and_not_by_how_long_they_took(
    runs: RunService, opened_workspace: Workspace
) -> None:
    slow = {"started": "2026-11-20T08:00:00+00:00", "ended": "2026-11-20T08:01:00+00:00"}
    first = record(opened_workspace, steps=[step("load", **slow), step("fit"), step("extra")])
    second = record(opened_workspace, steps=[step("load"), step("fit", status="reused")])

    found = runs.compare(first, second)

    assert differing(found, "steps") == {"fit", "extra"}
    assert found.runs[0].steps["load"].duration_s == 60
    assert found.runs[1].steps["fit"].status is Status.REUSED


def test_data_differs_by_content_and_not_by_version(runs: RunService, opened_workspace: Workspace) -> None:
    foreign = output("prior", 7)
    record(opened_workspace, steps=[step("elsewhere", outputs=[foreign])])
    reads_file = {"files": [{"path": "a.csv", "size_bytes": 3, "digest": "1"}]}
    reads_other = {"files": [{"path": "a.csv", "size_bytes": 3, "digest": "2"}]}
    given = [{"name": "x", "artifact": foreign["id"], "digest": ""}]
    first = record(
        opened_workspace,
        steps=[step("load", outputs=[output("raw", 1), output("same", 5)], **reads_file), step("fit", inputs=given)],
    )
    second = record(
        opened_workspace, steps=[step("load", outputs=[output("raw", 2), output("same", 5)], **reads_other)]
    )

    found = runs.compare(first, second)

    assert differing(found, "data") == {"load.raw", "fit ← x", "file a.csv"}
    assert list(facts(found, "data")) == ["fit ← x", "load.raw", "load.same", "file a.csv"]
    assert found.runs[0].data["load.raw"].digest == "digest-of-1"


def test_code_differs_by_what_a_steps_source_is_made_of(runs: RunService, opened_workspace: Workspace) -> None:
    parts = {
        "one": {"": ["1", "return x"], "scale": ["1", "def scale"], "package pandas": ["2.2", "2.2"]},
        "two": {"": ["1", "return x"], "scale": ["2", "def scale(y)"], "package pandas": ["3.0", "3.0"]},
    }
    opened_workspace.catalog.append_lines(
        [("source", digest, "", {"parts": made_of}) for digest, made_of in parts.items()]
    )
    ids = [
        record(opened_workspace, steps=[step("fit", source=digest), step("load", source="kept")])
        for digest in ("one", "two", "one", "unknown")
    ]

    found = runs.compare(*ids)

    assert differing(found, "code") == {"fit"}
    assert facts(found, "code")["fit"].values == {
        0: "A",
        1: "B: source of scale changed; pandas 2.2 → 3.0",
        2: "A",
        3: "C: its source changed",
    }


def test_tags_the_model_and_the_error_are_compared(runs: RunService, opened_workspace: Workspace) -> None:
    first = record(opened_workspace, tags=["a", "b"])
    second = record(opened_workspace, tags=["b"], status=Status.FAILED)

    found = runs.compare(first, second)

    assert differing(found, "tags") == {"a"}
    assert differing(found, "run") == {"status"}
    assert [side.tags for side in found.runs] == [("a", "b"), ("b",)]


def test_a_run_that_goes_on_can_be_compared_and_compared_again_when_it_has_ended(
    runs: RunService, opened_workspace: Workspace
) -> None:
    first, going_on = record(opened_workspace), record(opened_workspace, status=None)

    assert runs.compare(first, going_on).runs[1].run.status is Status.RUNNING


# How it is handed on -------------------------------------------------------------------------------


def test_a_frame_has_a_row_for_each_run_and_a_column_for_each_difference(
    runs: RunService, opened_workspace: Workspace
) -> None:
    ids = [record(opened_workspace, parameters={"rate": rate, "n": 5}) for rate in (0.1, 0.2, 0.3)]
    found = runs.compare(*ids)

    frame, whole = found.df(), found.df(only_differences=False)

    assert list(frame["run"]) == ids
    assert list(frame["parameters.rate"]) == [0.1, 0.2, 0.3]
    assert "parameters.n" not in frame
    assert list(whole["parameters.n"]) == [5, 5, 5]


def test_plain_facts_hold_a_value_for_each_run_in_their_order(runs: RunService, opened_workspace: Workspace) -> None:
    ids = [record(opened_workspace, parameters={"rate": rate}, tags=[f"t{rate}"]) for rate in (1, 2)]

    plain = runs.compare(*reversed(ids)).as_plain()

    assert [run["id"] for run in plain["runs"]] == ids[::-1]
    assert plain["parameters"] == {"rate": [2, 1]}
    assert plain["tags"] == {"t2": [True, False], "t1": [False, True]}


@pytest.mark.parametrize(("variant", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (199, "GR")])
def test_sources_are_lettered_as_columns_of_a_sheet_are(variant: int, letters: str) -> None:
    assert code_text(variant, "") == letters


def test_a_run_that_was_renamed_goes_by_its_new_name_and_a_deleted_one_by_none(
    runs: RunService, opened_workspace: Workspace
) -> None:
    ids = [record(opened_workspace, name) for name in ("one", "two", "three")]
    runs.rename("one", "first")
    runs.delete("three")

    found = runs.compare("first", "two")

    assert [side.run.name for side in found.runs] == ["first", "two"]
    for gone in ("one", "three", ids[2]):
        with pytest.raises(NotFoundError):
            runs.compare("two", gone)


def test_data_of_which_the_version_was_deleted_is_still_told_apart(
    runs: RunService, opened_workspace: Workspace
) -> None:
    kept, gone = output("raw", 1), output("raw", 1)
    ids = [record(opened_workspace, steps=[step("load", outputs=[one])]) for one in (kept, gone)]
    ArtifactService(opened_workspace).delete(gone["id"], force=True)

    found = runs.compare(*ids)

    assert [side.data["load.raw"].label for side in found.runs] == ["raw", "deleted"]
    assert differing(found, "data") == {"load.raw"}


def test_runs_are_compared_whoever_publishes_while_they_are_looked_for(
    renumbered: list[Built], runs: RunService
) -> None:
    wanted = [run.id for run in renumbered]

    assert [side.run.id for side in runs.compare(*wanted).runs] == wanted
