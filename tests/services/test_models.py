"""Models through the service: promotion with its gates, look-ups, comparison, history."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import AmbiguousNameError, BadValueError, ConflictError, NotFoundError
from nbpipe.records.models import ModelStages
from nbpipe.records.runs import Status
from nbpipe.services.comparing import compare_runs
from nbpipe.services.comparison import compared
from nbpipe.services.gates import CANDIDATE, find_metric, parse_gate, results
from nbpipe.services.metadata import MetadataService
from nbpipe.services.models import ModelService
from nbpipe.services.tags import TagService
from nbpipe.services.workspace import Workspace
from tests.services.building import case, lines_written, open_version, record_run

NUMBERS = st.floats(allow_nan=False, width=32)


@pytest.fixture
def models(opened_workspace: Workspace) -> ModelService:
    return ModelService(opened_workspace)


def make_versions(workspace: Workspace, *accuracies: float) -> list[str]:
    """Make a version of `iris` for each accuracy and give their ids."""
    ids = []
    for accuracy in accuracies:
        ids.append(open_version(workspace, "iris"))
        MetadataService(workspace).log({"evaluation_metrics": {"accuracy": accuracy}}, model_version=ids[-1])
    return ids


# Gates ---------------------------------------------------------------------------------------


@given(NUMBERS, NUMBERS, st.sampled_from([">=", "<=", ">", "<", "==", "!="]))
def test_a_gate_holds_exactly_when_python_says_so(mine: float, theirs: float, sign: str) -> None:
    gate = parse_gate(f"m.accuracy {sign} production.accuracy")

    (result,) = results([gate], {CANDIDATE: {"m.accuracy": mine}, "production": {"m.accuracy": theirs}})

    assert (result.left, result.right) == (mine, theirs)
    assert result.passed is eval(f"{mine!r} {sign} {theirs!r}", {"inf": math.inf})


@pytest.mark.parametrize("sign", [">=", "<=", ">", "<", "==", "!="])
def test_a_number_that_is_none_passes_no_gate(sign: str) -> None:
    told = results([parse_gate(f"accuracy {sign} 0.5")], {CANDIDATE: {"accuracy": math.nan}})

    assert [str(result) for result in told] == [f"'accuracy {sign} 0.5' does not hold: accuracy is nan"]


def test_the_end_of_a_path_names_a_metric_if_no_other_ends_so() -> None:
    metrics = {"test.accuracy": 0.9, "train.accuracy": 0.99, "test.recall": 0.8, "loss": 1.0, "val.loss": 2.0}

    assert find_metric(metrics, "recall") == 0.8
    assert find_metric(metrics, "loss") == 1.0
    with pytest.raises(AmbiguousNameError, match=r"test\.accuracy, train\.accuracy"):
        find_metric(metrics, "accuracy")
    with pytest.raises(NotFoundError, match=r"Did you mean 'test.recall'"):
        find_metric(metrics, "test.recal")
    with pytest.raises(NotFoundError):
        find_metric(metrics, "ecall")


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy >=", ">= 3", "a >= b >= c", "a = b", "a >== b", "__import__('os')", "a; b", 7, None],
)
def test_a_text_that_is_no_comparison_is_refused(text: Any) -> None:
    with pytest.raises(BadValueError, match="is no gate"):
        parse_gate(text)


# Promotion -----------------------------------------------------------------------------------


def test_a_gate_that_does_not_hold_refuses_with_both_numbers_and_moves_nothing(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.95, 0.91)
    models.promote("iris@1", "production")
    before = lines_written(opened_workspace)

    with pytest.raises(ConflictError) as refusal:
        models.promote("iris@2", "staging", gates=["accuracy >= production.accuracy", "accuracy > 0.5"])

    said = str(refusal.value)
    assert "accuracy is 0.91" in said
    assert "production.accuracy is 0.95" in said
    assert "force" in said
    assert lines_written(opened_workspace) == before


def test_gates_that_hold_let_the_version_pass_and_force_passes_those_that_do_not(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.95, 0.96, 0.5)
    models.promote("iris@1", "production", gates=["accuracy >= production.accuracy", "accuracy >= 0.9"])

    second = models.promote("iris@2", "staging", gates=["accuracy >= Production.accuracy"])
    third = models.promote("iris@3", "production", gates=["accuracy >= production.accuracy"], force=True)

    assert (second.stage, third.stage) == (ModelStages.STAGING, ModelStages.PRODUCTION)
    assert models.version("iris@1").stage is ModelStages.ARCHIVED


@pytest.mark.parametrize("gates", [["acuracy >= 0.5"], ["accuracy >= production.acuracy"]])
def test_a_gate_on_a_metric_that_is_not_there_refuses_even_with_force(
    models: ModelService, opened_workspace: Workspace, gates: list[str]
) -> None:
    make_versions(opened_workspace, 0.95, 0.96)
    models.promote("iris@1", "production")

    with pytest.raises(NotFoundError, match=r"evaluation_metrics.accuracy|acuracy"):
        models.promote("iris@2", "production", gates=gates, force=True)

    assert models.version("iris@production").number == 1


def test_taking_a_stage_needs_force_and_archives_its_holder_with_a_history(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.9, 0.8)
    models.promote("iris@1", ModelStages.PRODUCTION, note="the first")

    with pytest.raises(ConflictError, match="iris@1 is in production"):
        models.promote("iris@2", "Production")
    taken = models.version("iris@2").set_stage("PRODUCTION", force=True, note="better")

    assert taken.stage is ModelStages.PRODUCTION
    assert models.get("iris").stages == {"production": "2"}
    moves = [(move.number, move.from_stage, move.to_stage, move.note, move.forced) for move in models.history("iris")]
    assert moves == [
        (2, "none", "production", "better", True),
        (1, "production", "archived", "replaced by 2", True),
        (1, "none", "production", "the first", False),
    ]
    assert [move.to_stage for move in models.version("iris@1").history] == ["archived", "production"]
    assert models.history("iris@1") == models.version("iris@1").history


def test_any_number_of_versions_can_be_archived(models: ModelService, opened_workspace: Workspace) -> None:
    make_versions(opened_workspace, 0.9, 0.8)

    for ref in ("iris@1", "iris@2"):
        models.promote(ref, "archived")

    assert {version.stage for version in models.versions("iris")} == {ModelStages.ARCHIVED}


NO_PROMOTIONS: list[Any] = [
    ("iris@9", "production", NotFoundError, "iris@9"),
    ("iris@9.9.9", "production", NotFoundError, "iris@9.9.9"),
    ("irs@1", "production", NotFoundError, "Did you mean 'iris'"),
    ("irs", "production", NotFoundError, "Did you mean 'iris'"),
    ("iris@staging", "production", NotFoundError, "iris@staging"),
    ("iris@1", "latest", BadValueError, "is a question"),
    ("iris@1", "prod", BadValueError, "is no stage"),
    ("iris@1", "productoin", BadValueError, "Did you mean .*production"),
    ("", "production", BadValueError, "names no model version"),
]


def test_promoting_what_does_not_exist_is_refused_and_makes_nothing(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.9)
    before = lines_written(opened_workspace)

    for ref, stage, error, said in NO_PROMOTIONS:
        with case(ref, stage, error, said):
            with pytest.raises(error, match=said):
                models.promote(ref, stage, force=True)

            assert lines_written(opened_workspace) == before
            assert [model.name for model in models.list()] == ["iris"]
            assert [version.name for version in models.versions("iris")] == ["1"]


# Look-ups ------------------------------------------------------------------------------------


def test_a_version_is_found_by_number_name_stage_id_pair_and_record(
    models: ModelService, opened_workspace: Workspace
) -> None:
    open_version(opened_workspace, "iris")
    wanted = open_version(opened_workspace, "iris", "2.0")
    models.promote("iris@2.0", "staging")
    record = models.version(wanted)

    ways: list[object] = ["iris@2", "iris@2.0", "iris@Staging", "iris@latest", "iris", wanted, wanted[:13], record]
    ways += [("iris", 2), ("iris", "2.0"), "model:iris@2", f"model_version:{wanted}", f"iris@{wanted}"]

    assert [models.version(way).id for way in ways] == [wanted] * len(ways)
    assert models.version("iris@1").name == "1"


def test_latest_passes_over_failed_versions_unless_there_is_no_other(
    models: ModelService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, model="iris", status=Status.FAILED)
    only = models.version("iris@latest")
    record_run(opened_workspace, model="iris")
    record_run(opened_workspace, model="iris", status=Status.FAILED)

    assert only.failed
    assert models.version("iris").number == 2
    assert [version.failed for version in models.versions("iris")] == [True, False, True]


def test_the_id_of_another_models_version_is_not_one_of_this_models(
    models: ModelService, opened_workspace: Workspace
) -> None:
    open_version(opened_workspace, "iris")
    other = open_version(opened_workspace, "wine")

    with pytest.raises(NotFoundError):
        models.version(("iris", other))


def test_an_artifact_of_a_version_is_the_newest_that_belongs_to_it(
    models: ModelService, opened_workspace: Workspace
) -> None:
    for value in ("old", "new"):
        record_run(opened_workspace, outputs={"trained_model": value}, model="iris", version="1.0")
    record_run(opened_workspace, outputs={"trained_model": "elsewhere"})

    version = models.version("iris@1.0")

    assert version.get_model_artifact("trained_model").load() == "new"
    assert version.get_data_artifact("trained_model") == version.artifacts["trained_model"]
    assert len(version.runs) == 2
    with pytest.raises(NotFoundError, match="Did you mean 'trained_model'"):
        version.get_artifact("trained_modle")


def test_models_are_listed_newest_first_and_by_their_own_tags(
    models: ModelService, opened_workspace: Workspace
) -> None:
    for name in ("iris", "wine", "digits"):
        open_version(opened_workspace, name)
    TagService(opened_workspace).add(["public"], model=["iris", "digits"])
    TagService(opened_workspace).add(["public"], model_version="wine@1")

    assert [model.name for model in models.list()] == ["digits", "wine", "iris"]
    assert [model.name for model in models.list(tags=["public"])] == ["digits", "iris"]
    assert [model.name for model in models.list(limit=1)] == ["digits"]
    assert models.get("iris").tags == ["public"]
    assert models.get("iris@1").name == "iris"
    assert [version.number for version in models.get("iris").versions] == [1]


# Changes -------------------------------------------------------------------------------------


def test_a_version_is_renamed_and_its_number_stays(models: ModelService, opened_workspace: Workspace) -> None:
    make_versions(opened_workspace, 0.9, 0.8)

    renamed = models.rename("iris@1", "stable")

    assert (renamed.number, renamed.name) == (1, "stable")
    assert models.version("iris@stable").id == models.version("iris@1").id
    for taken, error in (("2", BadValueError), ("production", BadValueError), ("stable", ConflictError)):
        with pytest.raises(error):
            models.rename("iris@2", taken)


def test_a_version_in_production_is_deleted_only_with_force_and_its_number_is_not_given_again(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.9, 0.8)
    models.promote("iris@2", "production")

    with pytest.raises(ConflictError, match="is in production"):
        models.delete("iris@2")
    gone = models.delete("iris@2", force=True)
    open_version(opened_workspace, "iris")

    assert gone.number == 2
    assert [version.number for version in models.versions("iris")] == [3, 1]
    with pytest.raises(NotFoundError):
        models.version("iris@production")


def test_a_deletion_that_needed_no_force_is_not_in_the_history_as_forced(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.9, 0.8)
    models.promote("iris@1", "staging")
    models.promote("iris@2", "production")

    models.delete("iris@1", force=True)
    models.delete("iris@2", force=True)

    moves = [(move.number, move.forced) for move in models.history("iris") if move.to_stage == "none"]
    assert moves == [(2, True), (1, False)]


@pytest.mark.parametrize("verb", ["rename", "delete"])
def test_renaming_and_deleting_do_not_guess_which_version(
    models: ModelService, opened_workspace: Workspace, verb: str
) -> None:
    make_versions(opened_workspace, 0.9)

    with pytest.raises(BadValueError, match="say which version, as in 'iris@3'"):
        getattr(models, verb)("iris", *(["best"] if verb == "rename" else []))


def test_a_model_is_described_and_one_that_does_not_exist_is_not_made_by_it(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.9)

    assert models.describe("iris", "flowers").description == "flowers"
    assert models.get("iris").description == "flowers"
    with pytest.raises(NotFoundError):
        models.describe("irs", "flowers")
    assert len(models.list()) == 1


def test_versions_are_found_by_stage_failure_tags_and_a_metric(
    models: ModelService, opened_workspace: Workspace
) -> None:
    make_versions(opened_workspace, 0.5, 0.9, 0.95)
    record_run(opened_workspace, model="iris", status=Status.FAILED)
    models.promote("iris@2", "staging")
    TagService(opened_workspace).add(["kept"], model_version=["iris@1", "iris@3"])

    def found(**asked: Any) -> list[int]:
        return [version.number for version in models.versions("iris", **asked)]

    assert found() == [4, 3, 2, 1]
    assert found(limit=2) == [4, 3]
    assert found(stage="Staging") == [2]
    assert found(failed=True) == [4]
    assert found(tags=["kept"]) == found(tag_prefix="ke") == found(any_tags=["kept", "x"]) == [3, 1]
    assert found(where="evaluation_metrics.accuracy > 0.8") == [3, 2]
    assert found(where="evaluation_metrics.accuracy > 0.8", stage="none", tags=["kept"]) == [3]
    assert found(where="nothing > 0") == []
    assert [model.name for model in models.list(stage="staging", failed=False)] == ["iris"]
    assert models.list(stage="staging", failed=True) == []


WRONG_FILTERS: list[Any] = [
    {"stage": "latest"},
    {"stage": "stagin"},
    {"failed": "yes"},
    {"failed": 1},
    {"tags": "kept"},
    {"where": "accuracy"},
    {"where": 5},
    {"limit": 0},
]


def test_a_filter_of_the_wrong_form_is_refused(models: ModelService, opened_workspace: Workspace) -> None:
    make_versions(opened_workspace, 0.5)

    for asked in WRONG_FILTERS:
        with case(asked), pytest.raises(BadValueError):
            models.versions("iris", **asked)


@pytest.mark.parametrize("text", ["x" * 5000, "ünï ✓ 'quoted' \"twice\"; DROP TABLE x; <script>alert(1)</script>\n"])
def test_a_description_and_a_note_may_hold_anything(
    models: ModelService, opened_workspace: Workspace, text: str
) -> None:
    make_versions(opened_workspace, 0.5)

    models.describe("iris@1", text)
    models.promote("iris@1", "staging", note=text)

    assert models.version("iris@1").description == text
    assert models.history("iris")[0].note == text
    with pytest.raises(BadValueError):
        models.describe("iris@1", 5)  # type: ignore[arg-type]
    with pytest.raises(BadValueError):
        models.promote("iris@1", "production", note=5)  # type: ignore[arg-type]


# Comparison ----------------------------------------------------------------------------------


def test_two_versions_are_put_side_by_side(models: ModelService, opened_workspace: Workspace) -> None:
    make_versions(opened_workspace, 0.75, 1.0)
    MetadataService(opened_workspace).log({"rows": 10, "note": "text", "done": True}, model_version="iris@2")

    found = models.compare("iris@1", "iris@2")

    assert [(pair.path, pair.left, pair.right, pair.delta) for pair in found.metrics] == [
        ("evaluation_metrics.accuracy", 0.75, 1.0, 0.25),
        ("rows", None, 10.0, None),
    ]
    assert models.metrics("iris@1") == {"evaluation_metrics.accuracy": 0.75}


def test_parameters_that_are_equal_as_they_are_written_are_the_same_however_their_keys_are_ordered(
    models: ModelService, opened_workspace: Workspace
) -> None:
    values = [{"x": {"a": 1, "b": 2}, "n": 1}, {"x": {"b": 2, "a": 1}, "n": True}]
    runs = [record_run(opened_workspace, model="iris", parameters=one).id for one in values]

    pairs = models.compare("iris@1", "iris@2").parameters
    facts = compare_runs(opened_workspace, runs).facts

    assert {pair.name: pair.sides.value for pair in pairs} == {"x": "same", "n": "different"}
    assert {fact.name: fact.differs for fact in facts if fact.group == "parameters"} == {"x": False, "n": True}


@given(st.dictionaries(st.text("abc", min_size=1), NUMBERS), st.dictionaries(st.text("abc", min_size=1), NUMBERS))
def test_every_metric_of_either_side_is_compared_once(left: dict[str, float], right: dict[str, float]) -> None:
    pairs = compared(left, right)

    assert [pair.path for pair in pairs] == sorted(left.keys() | right.keys())
    assert all((pair.left, pair.right) == (left.get(pair.path), right.get(pair.path)) for pair in pairs)
    assert all(pair.delta is None for pair in pairs if pair.path not in left.keys() & right.keys())


def test_versions_are_narrowed_down_by_their_metadata_and_an_unknown_filter_is_refused(
    models: ModelService, opened_workspace: Workspace
) -> None:
    for depth in (2, 5):
        made = record_run(opened_workspace, model="iris")
        MetadataService(opened_workspace).log({"tree": {"depth": depth}}, model_version=made.model_version_id)

    assert [one.number for one in models.versions("iris", metadata={"tree.depth": 5})] == [2]
    assert [one.name for one in models.list(metadata={"tree.depth": 2})] == ["iris"]
    assert models.list(metadata={"tree.depth": 7}) == []
    with pytest.raises(BadValueError, match="did you mean 'stage'"):
        models.versions("iris", stages="production")
    with pytest.raises(BadValueError, match="did you mean 'tags'"):
        models.list(tag=["v1"])
