"""Runs through the service: found, listed, filtered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.runs import Status
from nbpipe.services.metadata import MetadataService
from nbpipe.services.runs import RunService
from nbpipe.services.tags import TagService
from nbpipe.services.where import parse_where
from nbpipe.services.workspace import Workspace
from tests.services.building import Built, case, record_run


@pytest.fixture
def runs(opened_workspace: Workspace) -> RunService:
    return RunService(opened_workspace)


def test_a_run_is_found_by_id_prefix_name_and_record(runs: RunService, opened_workspace: Workspace) -> None:
    made = record_run(opened_workspace, outputs={"x": 1}, name="the-run")

    record = runs.get(made.id)

    assert [runs.get(ref).id for ref in (made.id[:8], "the-run", f"run:{made.id[:6]}", record, made.id.upper())] == [
        made.id
    ] * 5
    assert (record.name, record.pipeline, record.kind, record.status) == (
        "the-run",
        "training",
        "pipeline",
        Status.COMPLETED,
    )
    assert record.duration_s is not None
    assert str(record.ref) == f"run:{made.id}"


@pytest.mark.parametrize("ref", ["the-rum", "ffffffff", "", 7, None])
def test_what_does_not_exist_is_refused(runs: RunService, opened_workspace: Workspace, ref: Any) -> None:
    record_run(opened_workspace, name="the-run")

    with pytest.raises((NotFoundError, BadValueError)):
        runs.get(ref)


def test_runs_are_listed_newest_first_and_narrowed_down(runs: RunService, opened_workspace: Workspace) -> None:
    first = record_run(opened_workspace, tags=["a", "b"])
    second = record_run(opened_workspace, status=Status.FAILED, tags=["a"])
    other = record_run(opened_workspace, pipeline="other")
    going_on = record_run(opened_workspace, status=None)

    def ids(**filters: Any) -> list[str]:
        return [run.id for run in runs.list(**filters)]

    assert ids() == [going_on.id, other.id, second.id, first.id]
    assert ids(limit=2) == [going_on.id, other.id]
    assert ids(pipeline="training") == [going_on.id, second.id, first.id]
    assert ids(status="failed") == ids(status=Status.FAILED) == [second.id]
    assert ids(status="running") == [going_on.id]
    assert ids(tags=["a"]) == [second.id, first.id]
    assert ids(tags=["a", "b"]) == [first.id]
    assert ids(any_tags=["b", "c"]) == [first.id]
    assert ids(tag_prefix="b") == ids(tag_contains="b") == [first.id]
    assert ids(pipeline="'; drop table runs; --") == []
    assert len(runs.list().df()) == 4


def test_the_last_run_of_a_page_begins_the_next(runs: RunService, opened_workspace: Workspace) -> None:
    made = [record_run(opened_workspace, tags=["a"] if n % 2 else []).id for n in range(5)]

    first = runs.list(limit=2)
    second = runs.list(limit=2, before=first[-1])
    last = runs.list(limit=2, before=second[-1].id)

    assert [run.id for run in (*first, *second, *last)] == made[::-1]
    assert [run.id for run in runs.list(tags=["a"], before=made[3])] == [made[1]]
    assert runs.list(before=made[0]) == []
    with pytest.raises(NotFoundError):
        runs.list(before="ffffffff")


def test_a_page_begins_after_the_last_run_of_the_former_whoever_publishes_meanwhile(
    renumbered: list[Built], runs: RunService
) -> None:
    found = runs.list(before=renumbered[-1].id)

    assert [run.id for run in found] == [run.id for run in reversed(renumbered[:-1])]


def test_a_full_id_goes_before_a_name_and_a_name_before_the_beginning_of_an_id(
    runs: RunService, opened_workspace: Workspace
) -> None:
    made = record_run(opened_workspace, name="one")
    named_like_it = record_run(opened_workspace, name=made.id[:8])
    record_run(opened_workspace, name=made.id)

    assert runs.get(made.id).id == made.id
    assert runs.get(made.id[:8]).id == named_like_it.id
    assert runs.get(made.id[:9]).id == made.id


def test_runs_are_found_by_what_a_metric_is(runs: RunService, opened_workspace: Workspace) -> None:
    made = {}
    for accuracy in (0.5, 0.8, 0.9):
        made[accuracy] = record_run(opened_workspace).id
        MetadataService(opened_workspace).log({"evaluation": {"accuracy": accuracy}}, run=made[accuracy])
    MetadataService(opened_workspace).log({"evaluation": {"accuracy": 0.95}}, run=made[0.5])
    TagService(opened_workspace).add(["best"], run=made[0.9])

    def found(where: str, **more: Any) -> set[str]:
        return {run.id for run in runs.list(where=f"evaluation.accuracy {where}", **more)}

    assert found(">= 0.8") == set(made.values())
    assert found("> 0.9") == {made[0.5]}
    assert found("< 0.85") == {made[0.8]}
    assert found("== 0.9") == found("= 0.9") == {made[0.9]}
    assert found("!= 0.9") == {made[0.5], made[0.8]}
    assert found("> 0.5", tags=["best"]) == {made[0.9]}


@pytest.mark.parametrize(
    "bad",
    [
        {"status": "done"},
        {"where": "accuracy"},
        {"where": "accuracy > high"},
        {"where": ""},
        {"limit": 0},
        {"tags": "a"},
    ],
)
def test_a_filter_of_the_wrong_form_is_refused(runs: RunService, bad: Any) -> None:
    with pytest.raises(BadValueError) as refused:
        runs.list(**bad)

    assert len(str(refused.value).splitlines()) <= 2


@given(
    name=st.text(st.characters(categories=["L", "N"], include_characters="._"), min_size=1),
    sign=st.sampled_from([">=", "<=", "!=", "==", ">", "<", "="]),
    bound=st.floats(allow_nan=False),
)
def test_a_comparison_is_read_as_it_is_written(name: str, sign: str, bound: float) -> None:
    (read,) = parse_where(f"{name} {sign} {bound!r}")

    assert (read.metric, read.sign, read.bound) == (name, sign, bound)


def test_a_run_with_many_outputs_tells_them_all(runs: RunService, opened_workspace: Workspace) -> None:
    made = record_run(opened_workspace, outputs={f"o{n}": n for n in range(120)})

    outputs = runs.get(made.id).steps["make"].outputs

    assert {name: artifact.load() for name, artifact in outputs.items()} == {f"o{n}": n for n in range(120)}
    with pytest.raises(BadValueError, match="120 outputs"):
        _ = runs.get(made.id).steps["make"].output


PRINTED: list[Any] = ['"quoted" and more\n', '"', "null", "{}", "plain"]


def test_a_step_tells_what_it_printed_whatever_that_begins_with(runs: RunService, opened_workspace: Workspace) -> None:
    for logs in PRINTED:
        with case(logs):
            run = record_run(opened_workspace, logs=logs)

            assert runs.get(run.id).steps["make"].logs == logs


def test_a_run_of_an_interactive_session_has_an_empty_graph(runs: RunService, opened_workspace: Workspace) -> None:
    run = runs.get(record_run(opened_workspace).id)

    assert run.graph.nodes == ()
    assert run.output is None
    assert run.model_version is None
