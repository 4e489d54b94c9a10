"""The board of schedules, driven without a front end over the real service."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import ipykernel.kernelapp
import pytest

from nbpipe.base.clock import clock_set_to
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.commands.answers import Answer
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.changes import Decision
from nbpipe.records.operations import ChangeSchedule
from nbpipe.records.operations.base import Operation
from nbpipe.records.schedules import cron_fields
from nbpipe.records.state import Draft, OperationState
from nbpipe.services.listing import Listing
from nbpipe.services.schedule_records import ScheduleRecord, timing_of
from nbpipe.services.scheduler_process import schedulers
from nbpipe.services.schedules import ScheduleService
from nbpipe.views.theme import look, signed
from nbpipe.widgets import ScheduleBoard
from nbpipe.widgets.opening import widget_for
from nbpipe.widgets.schedule_help import EXAMPLES
from nbpipe.widgets.schedule_listing import PAGE_SIZE
from tests.conftest import Copied
from tests.flows.project import Project, project_in
from tests.widgets.test_form import Tags, all_html

FLOW = """
from nbpipe import pipeline, step

@step(cache=False)
def total(n: int) -> int:
    if n < 0:
        raise ValueError("below <b>nothing</b>")
    return n

@pipeline
def training(n: int = 1):
    return total(n)
"""
NOON = datetime(2027, 1, 20, 12, tzinfo=UTC)  # a Wednesday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PATIENCE_S = 60
NAUGHTY = "<script>alert('1')</script> \"; DROP TABLE schedule; -- ' 🦜"


class LoseSnapshot(Operation):
    """Drop a snapshot's row though a schedule runs it, which no operation of the package does."""

    kind: ClassVar[str] = "lose_snapshot"
    id: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:
        draft = Draft.over(state)
        draft.put("snapshot", self.id, None)
        return Decision(tuple(draft.changes), {})


class Clock:
    """What time it is in a test."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Have it be noon, until the test says otherwise."""
    found = Clock()
    with clock_set_to(found):
        yield found


def _make_snapshots(paths: WorkspacePaths) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBPIPE_HOME", str(paths.root))
        with project_in(paths, patch) as project:
            training = project.load(FLOW).training
            training.create_snapshot("nightly")
            training.create_snapshot("failing", parameters={"n": -1})


@pytest.fixture
def project(workspace: WorkspacePaths, copied: Copied, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Give a project with a snapshot named nightly, and one that fails."""
    copied(workspace, _make_snapshots)
    with project_in(workspace, monkeypatch) as found:
        yield found


@pytest.fixture
def schedules(project: Project, clock: Clock) -> ScheduleService:
    return project.client.schedules


def nightly(schedules: ScheduleService, name: str = "every night", **said: Any) -> ScheduleRecord:
    return schedules.create(name, "nightly", **{"cron_expression": "0 2 * * *", "timezone": "Europe/Berlin", **said})


def opened(schedule: object = None, **options: Any) -> ScheduleBoard:
    board = ScheduleBoard(schedule, **options)  # type: ignore[arg-type]
    board.widget  # noqa: B018 — made before it is read
    return board


def shown(board: ScheduleBoard) -> str:
    """Give all text that the live board shows, without its table."""
    return html.unescape(re.sub("<[^>]*>", " ", all_html(board)))  # type: ignore[arg-type]


def rows(board: ScheduleBoard) -> list[list[str]]:
    """Give what the table shows."""
    return [[cell["text"] for cell in row["cells"]] for row in board._controls.table.view["rows"]]


def pressed_row(board: ScheduleBoard, schedule_id: str) -> None:
    board._controls.table.press({"do": "open", "id": schedule_id})


def typed(board: ScheduleBoard, **values: Any) -> dict[str, str]:
    for name, value in values.items():
        setattr(board.editor, name, value)
    return board.editor.problems


# Looking ------------------------------------------------------------------------------------


def test_the_list_says_how_each_schedule_stands_and_when_it_fires_next(schedules: ScheduleService) -> None:
    nightly(schedules)
    nightly(schedules, "in Tokyo", cron_expression="0 9 1 2 *", timezone="Asia/Tokyo")
    schedules.deactivate(nightly(schedules, "paused"))

    assert rows(opened()) == [
        ["every night", "▶ active", "Thu 02:00, in 13 h 0 min", "", "At 02:00 (Europe/Berlin)"],
        ["in Tokyo", "▶ active", "2027-02-01 09:00, in 11 days", "",
         "At 09:00, on day 1 of the month, only in February (Asia/Tokyo)"],
        ["paused", "‖ paused", "–", "", "At 02:00 (Europe/Berlin)"],
    ]  # fmt: skip


def test_one_that_is_opened_says_its_next_five_fires_on_the_clock_of_its_zone(schedules: ScheduleService) -> None:
    board = opened(nightly(schedules, cron_expression="0 2 27-31 3 *"))

    said = shown(board)

    # In the night to the 28th clocks are set forward, at two.
    for fire in ("Sat 2027-03-27 02:00 CET", "Sun 2027-03-28 03:00 CEST", "Wed 2027-03-31 02:00 CEST"):
        assert fire in said
    assert "in 65 days" in said
    assert "snapshot nightly of training" in said


def test_what_is_overdue_and_what_becomes_of_it_is_said_as_nobody_runs_a_scheduler(
    schedules: ScheduleService, clock: Clock
) -> None:
    board = opened(nightly(schedules))
    assert "No scheduler runs: nothing fires until one does." in shown(board)
    assert "nbpipe scheduler start" in shown(board)
    assert "overdue" not in shown(board)

    clock.at += 3 * DAY
    board.refresh()

    assert rows(board)[0][1:4] == ["△ overdue", "Sun 02:00, in 13 h 0 min", ""]
    told = "3 firings are overdue. When a scheduler comes, the last of them fires, the others are told as missed."
    assert told in shown(board)


@pytest.mark.parametrize(
    ("said", "days", "told"),
    [
        ({}, 1, "1 firing is overdue; it fires when a scheduler comes."),
        ({"catchup": "none"}, 1, "it is told as missed if it is over an hour ago"),
        ({"catchup": "all"}, 20, "20 firings are overdue. When a scheduler comes, they fire one after another"),
        ({"cron_expression": "* * * * *"}, 400, "100 and more firings are overdue"),
    ],
    ids=["one", "none", "all", "many"],
)
def test_what_is_overdue_is_told_by_the_rule_of_its_schedule(
    schedules: ScheduleService, clock: Clock, said: dict[str, Any], days: int, told: str
) -> None:
    record = nightly(schedules, **said)
    clock.at += days * DAY

    assert told in shown(opened(record))


def test_what_became_of_firings_is_told_with_their_runs(schedules: ScheduleService, clock: Clock) -> None:
    record = nightly(schedules)
    clock.at += 3 * DAY
    schedules.tick()
    schedules.update(record, snapshot="failing")
    clock.at += DAY
    schedules.tick()

    said = shown(opened(record))

    runs = [firing.run_id[:8] for firing in schedules.fires(record) if firing.run_id]
    sign = look("missed").sign
    assert re.search(rf"2027-01-24 02:00 CET\s+✗ run {runs[0]} failed", said)
    assert re.search(rf"2027-01-23 02:00 CET\s+✓ run {runs[1]} completed", said)
    assert re.search(rf"2027-01-21 02:00 CET\s+{sign} 2 missed, the last 2027-01-22 02:00 CET", said)


def test_a_firing_that_was_refused_says_why(schedules: ScheduleService, project: Project, clock: Clock) -> None:
    record = nightly(schedules)
    project.client.workspace.catalog.transact(LoseSnapshot(id=record.snapshot_id))
    clock.at += DAY
    schedules.tick()
    board = opened(record)

    assert f"{signed('refused')}: No snapshot is named" in shown(board)
    board.edit_button.click()
    assert board.editor.problems == {}
    assert any("(gone)" in label for label, _ in board.editor.controls.fields["snapshot"].options)
    typed(board, name="renamed")
    board.save_button.click()
    assert board.message == "renamed is changed."


def test_a_schedule_of_a_zone_that_is_not_known_here_says_so_and_can_be_mended(
    schedules: ScheduleService, project: Project
) -> None:
    former = nightly(schedules, end_time=datetime(2028, 1, 1))
    lost = timing_of(former.schedule).model_copy(update={"timezone": "Mars/Olympus"})
    project.client.workspace.catalog.transact(ChangeSchedule(id=former.id, timing=lost))
    board = opened(former)
    assert "This machine knows no zone 'Mars/Olympus'" in shown(board)
    board.edit_button.click()
    assert list(board.editor.problems) == ["timezone"]

    assert typed(board, timezone="Asia/Tokyo") == {}
    board.save_button.click()

    assert board.message == "every night is changed."
    assert rows(board)[0][4] == "At 02:00 (Asia/Tokyo)"


def test_nothing_is_asked_of_the_catalog_while_nothing_has_changed(
    schedules: ScheduleService, project: Project, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = nightly(schedules)
    clock.at += DAY
    schedules.tick()
    board = opened(record)
    asked: list[str] = []
    ask = project.client.workspace.catalog.rows
    catalog = type(project.client.workspace.catalog)
    monkeypatch.setattr(catalog, "rows", lambda _, sql, values=None: asked.append(sql) or ask(sql, values))

    board.refresh()
    clock.at += HOUR
    board.refresh()
    before = list(asked)
    schedules.deactivate(record)
    board.refresh()

    assert before == []
    assert asked != []
    assert rows(board)[0][1] == "‖ paused"


def test_the_board_looks_again_only_while_a_front_end_shows_it(schedules: ScheduleService) -> None:
    board = opened()
    page = board.widget
    assert not board.is_watching

    page._view_count = 1
    was_watching = board.is_watching
    page._view_count = 0

    assert was_watching
    assert not board.is_watching


# Finding ------------------------------------------------------------------------------------


def test_three_hundred_schedules_are_paged_found_and_put_in_order(schedules: ScheduleService, clock: Clock) -> None:
    for number in range(300):
        nightly(schedules, f"job {number:03}", cron_expression=f"{number % 60} {number % 24} * * *")
    board = opened()
    assert len(rows(board)) == PAGE_SIZE
    assert f"1–{PAGE_SIZE} of 300" in shown(board)

    board.on_button.click()
    second = rows(board)[0][0]
    board._controls.find.value = "JOB 29"
    found = [row[0] for row in rows(board)]
    board.find = ""
    board.sort = "-name"
    last = rows(board)[0][0]
    board._controls.table.press({"do": "sort", "column": "next"})

    assert second == f"job {PAGE_SIZE:03}"
    assert found == [f"job {number}" for number in range(290, 300)]
    assert last == "job 299"
    instants = [record.next_fire for record in board.schedules]
    assert instants == sorted(instants)
    board.page = 10_000
    assert board.on_button.disabled
    board.back_button.click()
    assert board.page == 300 // PAGE_SIZE - 1


def test_a_board_of_one_pipeline_shows_no_other_schedules(schedules: ScheduleService) -> None:
    nightly(schedules)

    assert [record.name for record in ScheduleBoard(pipeline="training").schedules] == ["every night"]
    other = ScheduleBoard(pipeline="other")
    assert other.schedules == []
    with pytest.raises(NotFoundError):
        other.chosen = "every night"


NOWHERE: dict[str, list[object]] = {
    "chosen": ["nothing", None, 3],
    "find": [None, 3],
    "sort": ["colour", None],
    "page": [0, True, "2"],
}


def test_what_cannot_be_looked_at_is_refused(schedules: ScheduleService) -> None:
    nightly(schedules)
    board = opened("every night")

    for name, values in NOWHERE.items():
        for value in values:
            with pytest.raises((BadValueError, NotFoundError)):
                setattr(board, name, value)
                pytest.fail(f"{name} took {value!r}")

            assert board.schedule is not None, (name, value)


def test_a_row_is_opened_by_a_press_and_stays_so_at_the_second_of_a_double_click(schedules: ScheduleService) -> None:
    record = nightly(schedules)
    board = opened()

    for message in ({"do": "open", "id": ["no", "id"]}, {"do": "sort", "column": "colour"}, {"do": "page"}, {}):
        board._controls.table.press(message)
    nothing = board.schedule
    pressed_row(board, record.id)
    pressed_row(board, record.id)

    assert nothing is None
    assert board.schedule == record


# Changing -----------------------------------------------------------------------------------


def test_a_press_pauses_and_another_resumes(schedules: ScheduleService) -> None:
    board = opened(nightly(schedules))

    board.pause_button.click()
    board.pause_button.click()
    paused, said = schedules.get("every night").is_active, board.message
    offered = (board.pause_button.disabled, board.resume_button.disabled)
    board.resume_button.click()

    assert (paused, said, offered) == (False, "every night is paused.", (True, False))
    assert schedules.get("every night").is_active
    assert board.message == "every night fires again."


def test_a_schedule_is_made_from_a_snapshot_that_is_picked(schedules: ScheduleService) -> None:
    board = opened()
    board.new_button.click()
    options = dict(board.editor.controls.fields["snapshot"].options)
    assert board.save_button.disabled

    board.editor.controls.fields["snapshot"].value = options["training: nightly"]
    board.editor.controls.fields["name"].value = NAUGHTY
    board.editor.controls.examples["0 2 * * *"].click()
    board.editor.controls.fields["timezone"].value = "Europe/Berlin"
    assert not board.save_button.disabled
    board.save_button.click()

    made = schedules.get(NAUGHTY)
    assert board.schedule == made
    assert board.message == f"{NAUGHTY} is made."
    assert (made.words, made.snapshot.name) == ("At 02:00 (Europe/Berlin)", "nightly")
    assert "script" not in Tags(all_html(board)).found  # type: ignore[arg-type]
    board.save_button.click()
    assert board.message == f"{NAUGHTY} is made."
    assert len(schedules.list()) == 1


def test_a_schedule_without_a_name_takes_its_pipelines(schedules: ScheduleService, project: Project) -> None:
    board = opened()
    board.new_button.click()

    typed(board, snapshot=project.client.get_snapshot("nightly").id, cron="@daily")
    board.save_button.click()

    assert schedules.get("training").cron_expression == "0 0 * * *"


WRONG: list[tuple[dict[str, str], str, str]] = [
        ({"cron": "0 2 * *"}, "cron", "is no cron expression (4 fields)"),
        ({"cron": "0 2 * * * *"}, "cron", "is no cron expression (6 fields)"),
        ({"cron": "61 2 * * *"}, "cron", "'61' is no minute"),
        ({"cron": "0 0 30 2 *"}, "cron", "never fires"),
        ({"cron": ""}, "cron", "needs a value"),
        ({"cron": NAUGHTY * 50}, "cron", "is no cron expression"),
        ({"timezone": "Europe/Atlantis"}, "timezone", "is no time zone known here"),
        ({"timezone": "../../etc/passwd"}, "timezone", "is no time zone known here"),
        ({"timezone": "\0"}, "timezone", "is no time zone known here"),
        ({"start": "tomorrow"}, "start", "is no time; write it as in"),
        ({"end": "2027-02-30"}, "end", "is no time; write it as in"),
        ({"end": "9999-12-31T23:59-14:00"}, "end", "is no time; write it as in"),
        ({"end": "2020-01-01"}, "end", "has passed"),
        ({"start": "2028-01-01", "end": "2027-06-01"}, "end", "is not after"),
        ({"cron": "0 0 1 6 *", "end": "2027-02-01"}, "cron", "never fires between"),
        ({"way": "every"}, "every", "needs a value"),
        ({"way": "every", "every": "often"}, "every", "is no interval; write it as in '30min'"),
        ({"way": "every", "every": "0.5"}, "every", "must be from 1 second to a year"),
        ({"way": "every", "every": "-5"}, "every", "must be from 1 second to a year"),
        ({"way": "every", "every": "nan"}, "every", "is no number of seconds"),
        ({"way": "every", "every": "9" * 400}, "every", "is no number of seconds"),
        ({"way": "at"}, "at", "needs a value"),
        ({"way": "at", "at": "noon"}, "at", "is no time"),
        ({"way": "at", "at": "2027-01-20 12:59"}, "at", "has passed"),
        ({"way": "at", "at": "2027-02-20", "end": "2027-02-19"}, "end", "is not after"),
        ({"name": ""}, "name", "needs a value"),
        ({"name": "a\nb"}, "name", "cannot name a schedule"),
        ({"name": "x" * 5000}, "name", "cannot name a schedule"),
        ({"name": "taken"}, "name", "is taken by another schedule"),
        ({"snapshot": ""}, "snapshot", "needs a value"),
        ({"snapshot": "no-such-id"}, "snapshot", "is gone"),
]  # fmt: skip


def test_what_is_typed_wrongly_is_told_at_its_field_and_the_former_is_kept(schedules: ScheduleService) -> None:
    former = nightly(schedules)
    nightly(schedules, "taken")
    board = opened(former)

    for values, field, told in WRONG:
        board.edit_button.click()
        assert board.editor.problems == {}, f"before {values}"

        problems = typed(board, **values)
        board.save_button.click()

        assert list(problems) == [field], values
        assert told in problems[field], values
        assert html.unescape(told) in html.unescape(board.editor.controls._notes[field].value), values
        assert board.save_button.disabled, values
        assert board.message.startswith(f"Nothing is saved: {field} "), values
        assert schedules.get(former) == former, values
        board.discard_button.click()


def test_several_fields_that_are_wrong_are_told_at_once(schedules: ScheduleService) -> None:
    board = opened(nightly(schedules))
    board.edit_button.click()

    problems = typed(board, cron="x", timezone="y", start="z", end="w", name="")

    assert set(problems) == {"cron", "timezone", "start", "end", "name"}
    assert typed(board, cron="@daily", timezone="UTC", start="", end="", name="n") == {}


def test_the_fires_of_what_is_typed_are_shown_before_it_is_saved(schedules: ScheduleService) -> None:
    board = opened(nightly(schedules))
    board.edit_button.click()

    typed(board, cron="30 4 * * mon", timezone="America/New_York")

    assert board.editor.fires[0] == datetime(2027, 1, 25, 9, 30, tzinfo=UTC)
    assert len(board.editor.fires) == 5
    assert "At 04:30, only on Monday (America/New_York)" in shown(board)
    assert "Mon 2027-01-25 04:30 EST" in shown(board)
    assert schedules.get("every night").cron_expression == "0 2 * * *"
    typed(board, cron="30 4 * *")
    assert board.editor.fires == []
    assert "04:30 EST" not in shown(board)


def test_a_cron_is_changed_into_an_interval_and_back(schedules: ScheduleService, clock: Clock) -> None:
    board = opened(nightly(schedules, end_time=datetime(2028, 1, 1), catchup="all"))
    board.edit_button.click()
    typed(board, way="every", every="1d 12h", end="", catchup="none", overlap="queue")
    board.save_button.click()
    as_interval = schedules.get("every night").schedule
    clock.at += HOUR
    board.edit_button.click()
    written = (board.editor.every, board.editor.start)
    typed(board, way="cron", cron="0 3 * * *")
    board.save_button.click()

    assert (as_interval.interval_second, as_interval.start_time, as_interval.end_time) == (129_600, NOON, None)
    assert (as_interval.catchup.value, as_interval.overlap.value) == ("none", "queue")
    assert written == ("36h", "2027-01-20 13:00")
    as_cron = schedules.get("every night").schedule
    assert (as_cron.cron_expression, as_cron.interval_second, as_cron.start_time) == ("0 3 * * *", None, None)


def test_what_was_not_touched_stays_to_the_microsecond(schedules: ScheduleService) -> None:
    start = NOON + timedelta(days=1, microseconds=123_456)
    former = nightly(schedules, cron_expression=None, interval_second=90, start_time=start)
    board = opened(former)
    board.edit_button.click()

    typed(board, every="2min")
    board.save_button.click()

    changed = schedules.get(former).schedule
    assert (changed.interval_second, changed.start_time) == (120, start)


def test_another_name_alone_leaves_alone_when_it_fires(schedules: ScheduleService, clock: Clock) -> None:
    record = nightly(schedules, cron_expression=None, run_once_start_time=NOON + HOUR)
    clock.at += DAY
    schedules.tick()
    board = opened(record)
    board.edit_button.click()

    assert typed(board, name="it was once") == {}
    board.save_button.click()

    assert schedules.get(record).name == "it was once"
    assert schedules.get(record).schedule.run_once_start_time == NOON + HOUR


def test_what_somebody_changed_meanwhile_is_not_written_over_unseen(schedules: ScheduleService) -> None:
    record = nightly(schedules)
    board = opened(record)
    board.edit_button.click()
    typed(board, cron="0 5 * * *")

    schedules.update(record, cron_expression="0 4 * * *")
    board.save_button.click()
    said, kept = board.message, schedules.get(record).cron_expression
    board.save_button.click()

    assert said == ("every night was changed meanwhile, to: At 04:00 (Europe/Berlin). Save again to have it as here.")
    assert kept == "0 4 * * *"
    assert schedules.get(record).cron_expression == "0 5 * * *"


@pytest.mark.parametrize("hard", [False, True])
def test_a_schedule_that_somebody_deleted_meanwhile_is_told_as_gone(schedules: ScheduleService, hard: bool) -> None:
    record = nightly(schedules)
    board = opened(record)
    board.edit_button.click()
    typed(board, cron="0 5 * * *")

    schedules.delete(record, hard=hard)
    board.save_button.click()
    saved = board.message
    board.chosen = ""
    board.pause_button.click()

    assert "No schedule is named" in saved
    assert board.message == "Choose a schedule first."
    assert rows(board) == []
    assert schedules.list() == []


def test_who_presses_on_what_is_gone_is_told_so(schedules: ScheduleService) -> None:
    record = nightly(schedules)
    board = opened(record)

    schedules.delete(record)
    board.pause_button.click()

    assert "No schedule is named" in board.message
    assert board.schedule is None
    assert board._controls._chosen.layout.display == "none"
    pressed_row(board, record.id)
    assert "No schedule is named" in board.message


@pytest.mark.parametrize(
    ("button", "history"), [("confirm_button", 1), ("hard_button", 0)], ids=["history kept", "with its history"]
)
def test_a_schedule_is_deleted_with_a_second_press(
    schedules: ScheduleService, clock: Clock, button: str, history: int
) -> None:
    record = nightly(schedules)
    clock.at += DAY
    schedules.tick()
    board = opened(record)

    board.delete_button.click()
    board.delete_button.click()
    before = len(schedules.list())
    getattr(board, button).click()

    assert before == 1
    assert schedules.list() == []
    assert board.message.startswith("every night is deleted")
    assert [one.id for one in schedules.list(include_deleted=True)] == [record.id] * history
    getattr(board, button).click()
    assert "deleted" in board.message


@pytest.mark.parametrize(
    "change", [lambda board: board.cancel_button.click(), lambda board: setattr(board, "chosen", "other")]
)
def test_who_thinks_again_has_deleted_nothing(
    schedules: ScheduleService, change: Callable[[ScheduleBoard], None]
) -> None:
    nightly(schedules)
    nightly(schedules, "other")
    board = opened("every night")
    board.delete_button.click()

    change(board)
    board.confirm_button.click()

    assert len(schedules.list()) == 2


def test_a_press_runs_the_snapshot_once_and_is_no_firing(schedules: ScheduleService) -> None:
    record = nightly(schedules)
    board = opened(record)

    board.run_button.click()
    run = board.wait(PATIENCE_S)

    assert run.snapshot == record.snapshot_id
    assert board.message == f"Run {run.id[:8]} completed."
    assert list(schedules.fires(record)) == []


def test_a_run_that_fails_is_told(schedules: ScheduleService) -> None:
    board = opened(schedules.create("failing", "failing", cron_expression="@daily"))

    board.run_button.click()
    with pytest.raises(Exception, match="nothing"):
        board.wait(PATIENCE_S)

    assert "below <b>nothing</b>" in board.message
    assert "b" not in Tags(all_html(board)).found  # type: ignore[arg-type]


def test_no_press_does_anything_where_nothing_is_chosen(schedules: ScheduleService) -> None:
    former = nightly(schedules)
    board = opened()

    # Those that end something come before those that would begin it, and once more after them.
    ending = ("confirm", "hard", "cancel", "discard", "save")
    for name in (*ending, "pause", "resume", "edit", "run", "delete", *ending, "new"):
        getattr(board, f"{name}_button").click()

        assert schedules.list() == [former], name
        assert schedules.get("every night").is_active, name


def test_what_is_no_text_and_no_choice_is_refused_by_the_editor(schedules: ScheduleService) -> None:
    board = opened(nightly(schedules))
    board.edit_button.click()

    for name in ("cron", "name", "timezone", "way", "catchup", "overlap"):
        for value in (None, 3, b"x"):
            with pytest.raises(BadValueError, match=name):
                setattr(board.editor, name, value)
                pytest.fail(f"{name} took {value!r}")

            assert board.editor.problems == {}, (name, value)


# Schedulers ---------------------------------------------------------------------------------


def test_a_scheduler_is_started_fires_and_is_ended_by_presses(project: Project, workspace: WorkspacePaths) -> None:
    schedules = project.client.schedules
    record = schedules.create("quick", "nightly", interval_second=1)
    board = opened(record)
    board.start_button.click()
    board.start_button.click()
    try:
        assert board.wait_until_done(PATIENCE_S) == "The scheduler has started."
        assert len(schedulers(workspace)) == 1
        assert "A scheduler runs since" in shown(board)
        assert board.start_button.disabled
    finally:
        board.stop_button.click()
        board.wait_until_done(PATIENCE_S)

    assert board.message == "The scheduler has ended."
    assert schedulers(workspace) == []
    assert not board.start_button.disabled


# Other faces --------------------------------------------------------------------------------


def test_the_help_on_cron_needs_nobody_and_its_examples_are_right(schedules: ScheduleService) -> None:
    board = opened(nightly(schedules))
    board.edit_button.click()

    for expression in EXAMPLES:
        board.editor.controls.examples[expression].click()
        assert board.editor.cron == expression == cron_fields(expression)
        assert board.editor.problems == {}
    assert "day of the week" in shown(board)


def test_what_a_command_answers_is_shown_as_a_board(schedules: ScheduleService) -> None:
    record = nightly(schedules)
    listing = schedules.list()

    of_all = widget_for(Answer(None, listing, widget="ScheduleBoard"), static=False)  # type: ignore[arg-type]
    of_one = widget_for(Answer(None, record, widget="ScheduleBoard"), static=False)  # type: ignore[arg-type]
    schedules.delete(record)
    with_deleted = schedules.list(include_deleted=True)
    answers = [Answer(None, one, widget="ScheduleBoard") for one in (with_deleted, with_deleted[0])]  # type: ignore[arg-type]

    assert isinstance(of_all, ScheduleBoard)
    assert of_one.chosen == record.id
    assert [widget_for(answer, static=False) for answer in answers] == answers


def test_the_static_face_says_nothing_of_the_clock_and_escapes_names(schedules: ScheduleService, clock: Clock) -> None:
    record = nightly(schedules, NAUGHTY)
    before = [ScheduleBoard(static=True).static(), ScheduleBoard(record, static=True).static()]
    clock.at += 400 * DAY

    after = [ScheduleBoard(static=True).static(), ScheduleBoard(record, static=True).static()]

    assert before == after
    assert "At 02:00 (Europe/Berlin)" in before[0].text
    assert all("script" not in Tags(one.html).found for one in before)


def test_both_faces_are_shown_where_a_front_end_is(schedules: ScheduleService, monkeypatch: pytest.MonkeyPatch) -> None:
    nightly(schedules)
    assert set(ScheduleBoard()._repr_mimebundle_()) == {"text/plain", "text/html"}

    monkeypatch.setattr(ipykernel.kernelapp.IPKernelApp, "initialized", classmethod(lambda _: True))

    assert "application/vnd.jupyter.widget-view+json" in ScheduleBoard()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" not in ScheduleBoard(static=True)._repr_mimebundle_()


def test_every_control_has_a_name_for_who_cannot_see_its_label(schedules: ScheduleService) -> None:
    board = opened(nightly(schedules))
    board.edit_button.click()
    nameless: list[Any] = []

    def walk(widget: Any) -> None:
        if widget.has_trait("description") and type(widget).__name__ not in ("HTML", "ToggleButtons"):
            nameless.extend([widget] if not widget.description.strip() else [])
        for child in getattr(widget, "children", ()):
            walk(child)

    walk(board.widget)

    assert nameless == []


def test_an_empty_workspace_says_what_to_do(project: Project, clock: Clock) -> None:
    board = opened()

    assert board._controls.table.view["none"] == "There are no schedules yet: press New."
    board.find = "x"
    assert board._controls.table.view["none"] == "None fits."
    assert Listing([], ScheduleRecord) == board.schedules
