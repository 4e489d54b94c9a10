"""The promotion board over the real service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.runs import Status
from nbpipe.services.metadata import MetadataService
from nbpipe.services.models import ModelService
from nbpipe.widgets.promotion import PromoteModel
from tests.conftest import Copied
from tests.services.building import opened, record_run


class Models(ModelService):
    """The service, and how versions get into it."""

    def make(self, name: str | None = None, *, accuracy: float | None = None, failed: bool = False) -> None:
        status = Status.FAILED if failed else Status.COMPLETED
        run = record_run(self._workspace, model="iris", version=name, status=status)
        if accuracy is not None:
            values = {"evaluation": {"accuracy": accuracy}}
            MetadataService(self._workspace).log(values, model_version=run.model_version_id)

    def stages(self) -> dict[int, str]:
        return {version.number: version.stage.value for version in self.versions("iris")}


def _make_versions(paths: WorkspacePaths) -> None:
    with opened(paths) as found:
        service = Models(found)
        service.make(accuracy=0.9)
        service.make("run-a1", accuracy=0.95)
        service.make(accuracy=0.99, failed=True)
        service.promote("iris@1", "production", note="first")


@pytest.fixture
def models(workspace: WorkspacePaths, copied: Copied) -> Iterator[Models]:
    """Give a service with iris@1 in production, iris@2 free and iris@3 failed."""
    copied(workspace, _make_versions)
    with opened(workspace) as found:
        yield Models(found)


def press(button: Any, times: int = 1) -> None:
    for _ in range(times):
        button.click()


def confirm(board: PromoteModel) -> None:
    press(board.promote_button)
    press(board.confirm_button)


def test_the_newest_that_neither_failed_nor_is_in_production_is_proposed(models: Models) -> None:
    assert PromoteModel(models, "iris").candidate == 2


def test_another_version_can_be_proposed_by_number_name_or_stage(models: Models) -> None:
    for asked, number in [("3", 3), ("run-a1", 2), ("production", 1), ("latest", 2)]:
        assert PromoteModel(models, "iris", asked).candidate == number, asked


def test_a_free_stage_is_taken_with_one_press(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.stage = "Staging"
    board.note = "looks good"

    press(board.promote_button)

    assert models.stages() == {1: "production", 2: "staging", 3: "none"}
    assert board.message == "iris@2 is in staging."
    assert models.history("iris")[0].note == "looks good"


def test_a_stage_that_another_holds_is_not_taken_without_force(models: Models) -> None:
    board = PromoteModel(models, "iris")

    press(board.promote_button, 3)

    assert models.stages()[1] == "production"
    assert board.message == "iris@1 holds production: tick the box to archive it."
    assert board.promote_button.disabled


def test_force_asks_twice_and_says_who_would_be_archived(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.force = True

    press(board.promote_button)
    announced, stages = board.confirm_button.description, models.stages()
    press(board.confirm_button)

    assert announced == "Confirm: archive 1, promote 2"
    assert stages[1] == "production"
    assert models.stages() == {1: "archived", 2: "production", 3: "none"}
    assert board.message == "iris@2 is in production, and iris@1 is archived."
    assert not board.force


SECOND_THOUGHTS: dict[str, Callable[[PromoteModel], None]] = {
    "another candidate": lambda board: setattr(board, "candidate", 3),
    "another stage": lambda board: setattr(board, "stage", "archived"),
    "another note": lambda board: setattr(board, "note", "wait"),
    "a press": lambda board: board.cancel_button.click(),
}


def test_who_thinks_again_has_not_confirmed(models: Models) -> None:
    for what, change in SECOND_THOUGHTS.items():
        board = PromoteModel(models, "iris")
        board.force = True
        press(board.promote_button)
        assert board.is_armed, what

        change(board)

        assert not board.is_armed, what
        assert models.stages()[1] == "production", what


def test_a_holder_that_was_not_announced_is_not_archived(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.force = True
    press(board.promote_button)
    models.promote("iris@3", "production", force=True)

    press(board.confirm_button)

    assert models.stages() == {1: "archived", 2: "none", 3: "production"}
    assert board.confirm_button.description == "Confirm: archive 3, promote 2"


def test_a_double_click_on_promote_confirms_nothing(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.force = True

    press(board.promote_button, 2)

    assert board.is_armed
    assert models.stages()[1] == "production"


def test_the_second_press_of_a_double_click_leaves_what_the_first_one_said(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.stage = "staging"

    press(board.promote_button, 2)
    promoted = board.message
    press(board.undo_button, 2)
    undone = board.message
    board.stage, board.force = "production", True
    press(board.promote_button)
    press(board.confirm_button, 2)

    assert promoted == "iris@2 is in staging."
    assert undone == "iris@2 is back in no stage."
    assert board.message == "iris@2 is in production, and iris@1 is archived."
    assert "failed" not in board._message_status


def test_a_version_that_was_made_since_the_board_was_opened_can_be_promoted(models: Models) -> None:
    board = PromoteModel(models, "iris")
    models.make(accuracy=0.97)

    board.candidate, board.stage = 4, "staging"
    named = board.standing.candidate
    press(board.promote_button)

    assert named is not None
    assert models.stages()[4] == "staging"


def test_undo_moves_both_back(models: Models) -> None:
    models.promote("iris@2", "staging")
    board = PromoteModel(models, "iris", "2")
    board.force = True
    confirm(board)

    press(board.undo_button)

    assert models.stages() == {1: "production", 2: "staging", 3: "none"}
    assert board.message == "iris@1 is back in production, and iris@2 in staging."
    assert board.undo_button.disabled


def test_undo_leaves_alone_what_somebody_moved_since(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.force = True
    confirm(board)
    models.promote("iris@3", "production", force=True)

    press(board.undo_button)

    assert models.stages() == {1: "archived", 2: "archived", 3: "production"}
    assert board.message == "Versions of iris were moved since, so nothing was undone."


def test_undo_moves_back_all_or_nothing(models: Models) -> None:
    models.promote("iris@2", "staging")
    board = PromoteModel(models, "iris", "2")
    board.force = True
    confirm(board)
    models.promote("iris@3", "staging")

    press(board.undo_button)

    assert models.stages() == {1: "archived", 2: "production", 3: "staging"}
    assert board.message == "Versions of iris were moved since, so nothing was undone."


def test_gates_are_shown_with_what_they_say_and_both_numbers(models: Models) -> None:
    board = PromoteModel(models, "iris", gates=["accuracy >= production.accuracy", "accuracy > 0.99"])

    said = [(one.facts.text, one.facts.left, one.facts.right, one.facts.passed) for one in board.standing.gates]

    assert said == [("accuracy >= production.accuracy", 0.95, 0.9, True), ("accuracy > 0.99", 0.95, 0.99, False)]
    assert "✓ passed" in board._controls.judged.value
    assert "✗ failed" in board._controls.judged.value
    assert board.standing.obstacle == (
        "iris@1 holds production and 1 gate does not hold: tick the box to promote it all the same."
    )


def test_gates_that_hold_still_need_the_box_where_somebody_would_be_archived(models: Models) -> None:
    board = PromoteModel(models, "iris", gates=["accuracy >= production.accuracy"])
    press(board.promote_button)
    refused = board.message
    board.force = True

    confirm(board)

    assert refused == "iris@1 holds production: tick the box to archive it."
    assert models.stages()[2] == "production"
    assert models.history("iris")[0].note == ""


def test_a_gate_that_does_not_hold_is_passed_by_force_after_it_was_announced_and_is_told(models: Models) -> None:
    board = PromoteModel(models, "iris", gates=["accuracy > 0.99"])
    board.stage, board.force, board.note = "staging", True, "we must"

    announced_before = board.confirm_button.description
    press(board.promote_button)
    announced, stages = board.confirm_button.description, models.stages()
    press(board.confirm_button)

    assert announced_before == ""
    assert announced == "Confirm: promote 2, past 1 gate"
    assert stages[2] == "none"
    assert models.stages()[2] == "staging"
    assert board.message == "iris@2 is in staging. Forced: 'accuracy > 0.99' does not hold: accuracy is 0.95."
    assert "we must (forced past 'accuracy > 0.99'" in models.history("iris")[0].note


def test_a_gate_on_a_metric_that_is_not_there_stops_even_force(models: Models) -> None:
    board = PromoteModel(models, "iris", gates=["recall > 0.5"])
    board.stage, board.force = "staging", True

    confirm(board)

    assert board.message.startswith("recall > 0.5 cannot be judged: No metric is named 'recall'")
    assert models.stages()[2] == "none"


def test_a_gate_that_fails_only_after_it_was_announced_as_held_moves_nothing(models: Models) -> None:
    board = PromoteModel(models, "iris", gates=["accuracy > 0.9"])
    board.force = True
    press(board.promote_button)
    MetadataService(models._workspace).log({"evaluation": {"accuracy": 0.1}}, model_version="iris@2")

    press(board.confirm_button)

    assert models.stages()[2] == "none"
    assert board.confirm_button.description == "Confirm: archive 1, promote 2, past 1 gate"


def test_a_version_whose_run_failed_is_flagged_and_asked_about_twice(models: Models) -> None:
    board = PromoteModel(models, "iris", "3")
    board.stage = "staging"

    press(board.promote_button)
    announced, stages = board.confirm_button.description, models.stages()
    press(board.confirm_button)

    assert announced == "Confirm: promote 3, whose run failed"
    assert stages[3] == "none"
    assert models.stages()[3] == "staging"
    assert "3 · ✗ failed" in [label for label, _ in board._controls.candidate.options]


def test_what_is_no_list_of_gates_is_refused_and_the_board_is_as_it_was(models: Models) -> None:
    board = PromoteModel(models, "iris", gates=["accuracy > 0.9"])
    no_gates: list[Any] = ["accuracy > 0.9", ["accuracy"], [5], 7, None]

    for bad in no_gates:
        with pytest.raises(BadValueError):
            board.gates = bad
            pytest.fail(f"{bad!r} was taken")

        assert board.gates == ("accuracy > 0.9",), bad


def test_gates_are_written_one_a_line_and_one_that_is_none_is_told_below_and_stops_the_promotion(
    models: Models,
) -> None:
    board = PromoteModel(models, "iris")
    board.stage = "staging"
    controls = board._controls

    controls.gates.value = "accuracy > 0.9\n\n  accuracy >= \n"
    told, is_stopped = controls.gates_said.value, board.promote_button.disabled
    press(board.promote_button)
    refused, stages = board.message, models.stages()
    controls.gates.value = "accuracy > 0.9\naccuracy > 0.9 \n"
    press(board.promote_button)

    assert "is no gate" in told
    assert is_stopped
    assert "is no gate" in refused
    assert stages[2] == "none"
    assert controls.gates_said.value == ""
    assert board.gates == ("accuracy > 0.9",)
    assert models.stages()[2] == "staging"


def test_what_made_candidate_and_holder_differ_is_there_folded(models: Models) -> None:
    board = PromoteModel(models, "iris")

    assert board._controls.differing.value == ""
    assert board._known.comparison(board.standing).metrics[0].path == "evaluation.accuracy"


def test_every_control_has_a_name(models: Models) -> None:
    controls = PromoteModel(models, "iris")._controls

    for name in ("candidate", "note", "gates"):
        assert getattr(controls, name).description == name


def test_undo_of_a_promotion_that_archived_nobody_moves_one_back(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.stage = "staging"
    press(board.promote_button)

    press(board.undo_button)

    assert models.stages()[2] == "none"


def test_there_may_be_nothing_to_undo(models: Models) -> None:
    board = PromoteModel(models, "iris")

    press(board.undo_button)

    assert board.message == "There is nothing to undo."


def test_a_version_that_is_there_already_is_not_promoted_again(models: Models) -> None:
    board = PromoteModel(models, "iris", "1")

    assert board.promote_button.disabled
    assert board.standing.obstacle == "iris@1 is in production already."


def test_a_version_that_was_deleted_since_is_not_promoted(models: Models) -> None:
    board = PromoteModel(models, "iris")
    board.stage = "staging"
    models.delete("iris@2")

    press(board.promote_button)

    assert board.message == "iris has no version to promote."
    assert models.stages() == {1: "production", 3: "none"}


def test_a_refusal_of_the_service_is_shown_and_changes_nothing(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    board = PromoteModel(models, "iris")
    board.stage = "staging"
    monkeypatch.setattr(models, "move", lambda *_, **__: models.version("iris@nobody"))

    press(board.promote_button)

    assert board.message.startswith("No model version is named")
    assert board.undo_button.disabled


def test_what_is_chosen_in_the_live_board_is_what_counts(models: Models) -> None:
    board = PromoteModel(models, "iris")
    controls = board._controls

    controls.candidate.value = 3
    controls.stage.value = "staging"
    controls.note.value = "why"

    assert (board.candidate, board.stage.value, board.note) == (3, "staging", "why")
    assert controls.force.disabled
    board.stage = "production"
    assert not controls.force.disabled
    assert controls.force.description == "archive iris@1, which is in production now"


BAD_CHOICES: list[tuple[str, Any, type[Exception]]] = [
    ("stage", "latest", BadValueError),
    ("stage", "none", BadValueError),
    ("stage", "prodution", BadValueError),
    ("candidate", 9, NotFoundError),
    ("candidate", "nobody", NotFoundError),
    ("candidate", True, BadValueError),
    ("candidate", 1.0, BadValueError),
    ("note", 5, BadValueError),
    ("force", "yes", BadValueError),
    ("stage", None, BadValueError),
    ("note", None, BadValueError),
    ("force", None, BadValueError),
]


def test_a_bad_choice_is_refused_and_the_board_is_as_it_was(models: Models) -> None:
    board = PromoteModel(models, "iris")

    for name, bad, error in BAD_CHOICES:
        before = getattr(board, name)

        with pytest.raises(error):
            setattr(board, name, bad)
            pytest.fail(f"{name} took {bad!r}")

        assert getattr(board, name) == before, (name, bad)


def test_a_model_or_version_that_is_not_there_is_told(models: Models) -> None:
    with pytest.raises(NotFoundError, match="iris"):
        PromoteModel(models, "irs")
    with pytest.raises(NotFoundError):
        PromoteModel(models, "iris", "77")


def test_the_static_board_says_who_is_where_and_which_is_better(models: Models) -> None:
    first, second = PromoteModel(models, "iris").static(), PromoteModel(models, "iris").static()

    assert first == second
    assert "✗ failed" in first.text
    assert "★ 0.95" in first.text
    assert "▲ 0.05 (+5.6 %)" in first.text
    assert "none → production" in first.text


def test_hostile_notes_and_names_stay_words(models: Models) -> None:
    models.make('<img src=x onerror="y">', accuracy=float("nan"))
    models.promote("iris@4", "staging", note="<script>x</script>")
    board = PromoteModel(models, "iris", "4")

    html = board._controls.versions.value + board._controls.history.value + board.static().html

    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_two_boards_pressed_one_after_the_other_never_make_two_holders(models: Models) -> None:
    models.make(accuracy=0.97)
    boards = [PromoteModel(models, "iris", "2"), PromoteModel(models, "iris", "4")]
    for board in boards:
        board.stage = "staging"

    for board in boards:
        press(board.promote_button)

    assert list(models.stages().values()).count("staging") == 1
    assert "iris@2 holds staging" in boards[1].message
