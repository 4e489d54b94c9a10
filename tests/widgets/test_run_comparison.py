"""The comparison of runs over the real service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.services.metadata import MetadataService
from nbpipe.services.runs import RunService
from nbpipe.widgets import RunComparison
from tests.conftest import Copied
from tests.services.building import opened, record_run


class Runs(RunService):
    """The service, and how runs get into it."""

    def make(self, name: str, **metrics: float) -> str:
        run_id = record_run(self._workspace, outputs={"model": len(name)}, name=name).id
        if metrics:
            MetadataService(self._workspace).log(metrics, run=run_id)
        return run_id


def _record_runs(paths: WorkspacePaths) -> None:
    with opened(paths) as found:
        service = Runs(found)
        service.make("one", accuracy=0.9, loss=0.3, same=1)
        service.make("two", accuracy=0.95, loss=0.2, same=1)
        service.make("three", accuracy=0.8, loss=0.25, same=1)
        for n in range(6):
            service.make(f"more-{n}", accuracy=n / 10)


@pytest.fixture
def runs(workspace: WorkspacePaths, copied: Copied) -> Iterator[Runs]:
    """Give a service with the runs one, two and three, and some more."""
    copied(workspace, _record_runs)
    with opened(workspace) as found:
        yield Runs(found)


@pytest.fixture
def board(runs: Runs) -> RunComparison:
    return RunComparison(runs, ["one", "two", "three"])


def shown(board: RunComparison) -> str:
    """Give what the live page says, as words."""
    assert board.widget is not None
    html = f"{board.controls.table.value} {board.controls.charts.value} {board.controls.said.value}"
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_the_best_of_each_metric_is_marked_and_what_is_the_same_is_left_out(board: RunComparison) -> None:
    said = shown(board)

    assert "accuracy ↑ 0.9 ★ 0.95 0.8" in said
    assert "loss ↓ 0.3 ★ 0.2 0.25" in said
    assert "same" not in said


def test_everything_can_be_shown_from_the_page_and_by_the_trait(board: RunComparison) -> None:
    board.controls.only.value = False
    assert board.only_differences is False
    assert "same 1.0 1.0 1.0" in shown(board)

    board.only_differences = True
    assert board.controls.only.value is True
    assert "same" not in shown(board)


def test_the_layout_goes_by_the_number_of_runs_unless_it_is_said(board: RunComparison, runs: Runs) -> None:
    def rows() -> int:
        shown(board)
        return str(board.controls.table.value).count('scope="row"')

    columns = rows()
    board.controls.layout.value = "a row"
    assert board.transposed is False
    assert rows() == 3

    board.transposed = None
    assert rows() == columns
    board.refs = [run.id for run in runs.list()]
    assert rows() == 9


def test_a_toggle_on_the_page_says_that_less_of_a_metric_is_better(board: RunComparison) -> None:
    shown(board)
    toggle = board.controls.directions["accuracy"]

    toggle.value = False

    assert board.more_is_better == {"accuracy": False}
    assert "accuracy ↓ 0.9 0.95 ★ 0.8" in shown(board)
    assert "less" in toggle.description
    board.more_is_better = {}
    assert toggle.value is True
    assert "★ 0.95" in shown(board)


def test_lines_are_coloured_by_a_metric_that_is_chosen(board: RunComparison) -> None:
    shown(board)
    assert [value for _, value in board.controls.color.options][1:] == ["accuracy", "loss", "same"]

    board.controls.color.value = "loss"

    assert board.color_by == "loss"
    assert "coloured by loss" in shown(board)
    assert "coloured by loss" in board.static().html


def test_other_runs_are_compared_when_they_are_set_or_typed(board: RunComparison, runs: Runs) -> None:
    shown(board)
    board.color_by = "loss"

    board.refs = ["more-1", "more-2"]
    assert board.refs == tuple(runs.get(name).id for name in ("more-1", "more-2"))
    assert board.color_by is None
    assert list(board.controls.directions) == ["accuracy"]

    board.controls.runs.value = "  two three  one "
    assert board.refs == tuple(runs.get(name).id for name in ("two", "three", "one"))
    assert "★ 0.95 0.8 0.9" in shown(board)


def test_what_is_typed_wrongly_is_refused_on_the_page_and_what_was_shown_stays(board: RunComparison) -> None:
    before = board.refs
    shown(board)

    board.controls.runs.value = "one tow"

    assert board.refs == before
    assert "No run is named 'tow' in this workspace. Did you mean 'two'?" in shown(board)
    assert "0.9 ★ 0.95 0.8" in shown(board)
    assert board.controls.runs.value == "one tow"
    board.controls.runs.value = "one two"
    assert board.message == ""


def test_a_refusal_goes_when_the_runs_that_are_shown_are_typed_again(board: RunComparison) -> None:
    shown(board)
    board.controls.runs.value = "one tow"

    board.controls.runs.value = "one two three"

    assert board.message == ""
    assert "tow" not in shown(board)


REFUSED: list[tuple[str, Any, type[Exception], str]] = [
    ("refs", ["one"], BadValueError, "two runs or more"),
    ("refs", ["one", "one"], BadValueError, "named twice"),
    ("refs", ["one", "nope-nope"], NotFoundError, "No run is named 'nope-nope'"),
    ("refs", "one two", BadValueError, "a list of runs"),
    ("refs", 5, BadValueError, "a list of runs"),
    ("refs", None, BadValueError, "a list of runs"),
    ("only_differences", None, BadValueError, "True or False"),
    ("more_is_better", None, BadValueError, "a dict of metrics"),
    ("color_by", "los", BadValueError, "Did you mean 'loss'"),
    ("color_by", 3, BadValueError, "There are 'accuracy, loss, same'"),
    ("transposed", "yes", BadValueError, "True or False or None"),
    ("only_differences", 1, BadValueError, "True or False"),
    ("more_is_better", ["loss"], BadValueError, "a dict of metrics"),
    ("more_is_better", {"loss": "less"}, BadValueError, "True or False"),
]


def test_a_value_that_will_not_do_is_refused_and_nothing_changes(board: RunComparison) -> None:
    text = board.static().text

    for trait, value, error, said in REFUSED:
        before = getattr(board, trait)

        with pytest.raises(error, match=said):
            setattr(board, trait, value)
            pytest.fail(f"{trait} took {value!r}")

        assert getattr(board, trait) == before, (trait, value)
        assert board.static().text == text, (trait, value)


def test_a_comparison_needs_runs_that_are_there(runs: Runs) -> None:
    with pytest.raises(NotFoundError):
        RunComparison(runs, ["one", "nothing"])
    with pytest.raises(BadValueError):
        RunComparison(runs, [])


def test_the_static_face_says_the_same_of_equal_runs_and_carries_its_charts(board: RunComparison) -> None:
    first = board.static()
    board.reload()

    assert board.static() == first
    assert first.html.count("data:image/svg+xml;base64,") == 3
    assert "run 1" in first.text
    assert board.refs[0][:8] not in first.html + first.text
    assert not re.search(r"\d (?:ms|s)\b", first.text)


def test_a_frame_holds_what_is_shown(board: RunComparison) -> None:
    frame = board.df()
    board.only_differences = False

    assert list(frame["metrics.accuracy"]) == [0.9, 0.95, 0.8]
    assert "metrics.same" not in frame
    assert list(board.df()["metrics.same"]) == [1.0, 1.0, 1.0]


def test_every_control_has_a_name_for_who_cannot_see_its_label(board: RunComparison) -> None:
    shown(board)
    controls = board.controls

    assert [controls.runs.description, controls.color.description] == ["runs", "colour by"]
    assert controls.only.description == "only what differs"
    assert all(tip.startswith("each run has: a") for tip in controls.layout.tooltips)
    assert controls.directions["loss"].tooltip.startswith("loss: press to say")


def test_names_with_markup_come_out_as_text(runs: Runs) -> None:
    nasty = "<script>alert(1)</script>"
    for name in ("a", "b"):
        MetadataService(runs._workspace).log({nasty: float(name == "a")}, run=runs.make(f"{name}{nasty}"))

    board = RunComparison(runs, [f"a{nasty}", f"b{nasty}"])

    assert nasty in shown(board)
    for html in (board.controls.table.value, board.controls.charts.value, board.static().html):
        assert "<script" not in html


def test_a_metric_of_many_letters_fits_its_control(runs: Runs) -> None:
    long = "é" * 5000
    for n, name in enumerate("ab"):
        MetadataService(runs._workspace).log({long: float(n)}, run=runs.make(name))

    board = RunComparison(runs, ["a", "b"])

    assert shown(board)
    assert len(board.controls.directions[long].description) < 60
    assert max(len(label) for label, _ in board.controls.color.options) < 60
