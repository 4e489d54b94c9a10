"""What is meant by what a caller wrote."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from nbpipe.errors import AmbiguousNameError, BadValueError, NotFoundError
from nbpipe.records.models import ModelConfig
from nbpipe.records.refs import EntityRef, Kind, Target
from nbpipe.services.pointing import as_ref
from nbpipe.services.resolve import resolve, resolve_all
from nbpipe.services.workspace import Workspace
from tests.services.building import case, create_snapshot, open_version, record_run


def test_a_run_is_found_by_id_prefix_name_uuid_and_record(opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)

    ways: list[object] = [run.id, run.id[:12], run.id[:12].upper(), run.name, f"run:{run.id[:12]}", UUID(run.id), run]
    ways += [run.id.replace("-", ""), Target(Kind.RUN, run.id, "", "")]
    ways += [SimpleNamespace(ref=EntityRef(Kind.RUN, run.id))]

    assert {resolve(opened_workspace, way, Kind.RUN) for way in ways} == {
        Target(Kind.RUN, run.id, "training", run.name)
    }


def test_what_an_exclusive_tag_is_scoped_by_is_the_pipeline_artifact_or_model(opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, outputs={"raw": 1}, model="iris")
    create_snapshot(opened_workspace)

    scopes = {
        text: resolve(opened_workspace, text).scope
        for text in (f"run:{run.id}", "snapshot:nightly", "artifact:raw@1", "model:iris@1", "pipeline:training")
    }

    assert list(scopes.values()) == ["training", "training", "raw", "iris", ""]
    assert resolve(opened_workspace, "artifact:raw").scope == resolve(opened_workspace, "model:iris").scope == ""


def test_fewer_than_four_letters_are_no_prefix(opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)

    with pytest.raises(NotFoundError):
        resolve(opened_workspace, run.id[:3], Kind.RUN)


def test_what_begins_two_ids_is_refused_with_at_most_five_of_them(
    opened_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter([f"abcd{n:04}-0000-4000-8000-000000000000" for n in range(100)])
    monkeypatch.setattr("tests.services.building.new_id", lambda: next(ids))
    for _ in range(8):
        record_run(opened_workspace)

    with pytest.raises(AmbiguousNameError, match="more than one run") as refusal:
        resolve(opened_workspace, "abcd", Kind.RUN)

    assert len(refusal.value.matches) == 5


def test_a_name_goes_before_the_beginning_of_an_id(
    opened_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_run(opened_workspace, outputs={"other": 1})
    prefix = record_run(opened_workspace, outputs={"more": 1}).artifacts["more"][:8]
    named = record_run(opened_workspace, outputs={prefix: 1}).artifacts[prefix]

    assert resolve(opened_workspace, prefix, Kind.ARTIFACT_VERSION).id == named


def test_the_name_of_one_run_goes_before_the_beginning_of_another_ones_id(opened_workspace: Workspace) -> None:
    other = record_run(opened_workspace)
    named = record_run(opened_workspace, name=other.id[:8])

    assert resolve(opened_workspace, other.id[:8], Kind.RUN).id == named.id
    assert resolve(opened_workspace, other.id[:9], Kind.RUN).id == other.id


def test_a_step_is_found_by_id_and_by_its_node_in_a_run(opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, node="train")

    assert resolve(opened_workspace, run.step_id[:13], Kind.STEP).id == run.step_id
    assert resolve(opened_workspace, f"{run.id[:13]}@train", Kind.STEP).id == run.step_id
    with pytest.raises(NotFoundError, match=f"Did you mean '{run.id[:13]}@train'"):
        resolve(opened_workspace, f"{run.id[:13]}@trian", Kind.STEP)


def test_a_snapshot_of_the_same_name_in_two_pipelines_needs_its_pipeline(opened_workspace: Workspace) -> None:
    mine, _ = create_snapshot(opened_workspace, "training"), create_snapshot(opened_workspace, "inference")

    with pytest.raises(AmbiguousNameError) as refusal:
        resolve(opened_workspace, "nightly", Kind.SNAPSHOT)

    assert set(refusal.value.matches) == {"training/nightly", "inference/nightly"}
    assert resolve(opened_workspace, "training/nightly", Kind.SNAPSHOT).id == mine
    assert resolve(opened_workspace, mine[:13], Kind.SNAPSHOT).scope == "training"


def test_a_pipeline_is_known_by_its_runs_or_snapshots_and_its_definition_names_it(
    opened_workspace: Workspace,
) -> None:
    record_run(opened_workspace, "training")
    create_snapshot(opened_workspace, "serving")

    assert resolve(opened_workspace, SimpleNamespace(name="training"), Kind.PIPELINE).id == "training"
    assert resolve(opened_workspace, "serving", Kind.PIPELINE).id == "serving"
    with pytest.raises(NotFoundError, match="Did you mean 'training'"):
        resolve(opened_workspace, "trainign", Kind.PIPELINE)


def test_a_declared_model_is_the_model_or_the_version_it_names(opened_workspace: Workspace) -> None:
    version = open_version(opened_workspace, "iris", "1.0")

    assert resolve(opened_workspace, ModelConfig(name="iris"), Kind.MODEL) == Target(Kind.MODEL, "iris", "", "iris")
    assert resolve(opened_workspace, ModelConfig(name="iris", version="1.0"), Kind.MODEL).id == version
    assert resolve(opened_workspace, ModelConfig(name="iris"), Kind.MODEL_VERSION).id == version


@pytest.mark.parametrize(
    ("thing", "kind"),
    [
        (None, Kind.RUN),
        ("", Kind.RUN),
        ("   ", Kind.ARTIFACT),
        (7, Kind.RUN),
        (object(), None),
        ("nightly", None),
        ("runs:abc", None),
        ("model:iris", Kind.ARTIFACT),
        (EntityRef(Kind.RUN, "abcd"), Kind.PIPELINE),
        (ModelConfig(name="iris"), Kind.RUN),
    ],
)
def test_what_points_at_nothing_or_at_another_kind_is_refused(thing: object, kind: Kind | None) -> None:
    with pytest.raises(BadValueError):
        as_ref(thing, kind)


def test_several_targets_are_found_all_or_none_and_each_once(opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace, outputs={"raw": 1})

    found = resolve_all(opened_workspace, {Kind.RUN: [run.id, run.name], Kind.ARTIFACT: "raw", None: "artifact:raw"})

    assert [target.label for target in found] == [run.name, "raw"]
    with pytest.raises(NotFoundError):
        resolve_all(opened_workspace, {Kind.RUN: [run.id, "absent"]})
    with pytest.raises(BadValueError):
        resolve_all(opened_workspace, {Kind.RUN: None, Kind.PIPELINE: []})


STRANGE: list[Any] = ["' OR 1=1 --", "%", "_", "a" * 10_000, "\x00", "☃", "$ref", "abcd'"]


def test_a_name_is_only_ever_compared(opened_workspace: Workspace) -> None:
    record_run(opened_workspace, outputs={"raw": 1})

    for text in STRANGE:
        with case(text):
            for kind in (
                Kind.RUN,
                Kind.ARTIFACT,
                Kind.ARTIFACT_VERSION,
                Kind.PIPELINE,
                Kind.MODEL,
                Kind.SNAPSHOT,
                Kind.STEP,
            ):
                with pytest.raises(NotFoundError):
                    resolve(opened_workspace, text, kind)
