"""Schedules: made, changed, paused, deleted; refused before anything is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nbpipe import Schedule
from nbpipe.errors import AmbiguousNameError, BadValueError, ConflictError, NotFoundError, ParameterError
from nbpipe.services.schedules import ScheduleService
from tests.flows.project import Project
from tests.services.building import case, lines_written
from tests.services.instants import NOON, at

pytestmark = pytest.mark.usefixtures("noon")

FLOW = """
@step
def total(n: int) -> int:
    return n

@pipeline
def training(n: int = 1):
    return total(n)

@pipeline
def open_one(n: int):
    return total(n)
"""
HOUR = timedelta(hours=1)
BERLIN = "Europe/Berlin"


@pytest.fixture
def schedules(flow: Any, project: Project) -> ScheduleService:
    flow.training.create_snapshot("nightly")
    return project.client.schedules


def every_night(schedules: ScheduleService, name: str = "every_night", **said: Any) -> Any:
    with at(NOON):
        return schedules.create(name, "nightly", cron_expression="0 2 * * *", timezone=BERLIN, **said)


def test_a_schedule_says_when_it_fires_next_in_its_own_zone(schedules: ScheduleService) -> None:
    made = every_night(schedules)

    with at(NOON):
        coming = made.next_fires(2)
        assert coming == [datetime(2026, 11, 23, 1, tzinfo=UTC), datetime(2026, 11, 24, 1, tzinfo=UTC)]
        assert (made.status, made.words) == ("active", "At 02:00 (Europe/Berlin)")
        row = schedules.list().df().iloc[0]
    assert (row["fires"], row["catchup"], row["overlap"]) == ("0 2 * * *", "last", "skip")
    assert (row["snapshot"], row["timezone"], row["next_fire"]) == ("nightly", BERLIN, coming[0])


def test_a_call_with_a_schedule_makes_it_and_runs_nothing(flow: Any, project: Project) -> None:
    made = flow.training.with_options(schedule=Schedule(cron_expression="0 2 * * *"))(n=7)

    assert (made.name, made.pipeline, made.status) == ("training", "training", "active")
    assert made.snapshot.content.configuration.parameters == {"n": 7}
    assert made.snapshot.content.configuration.schedule is None
    assert not project.client.runs.list()


def test_the_same_cell_run_again_keeps_the_schedule_as_it_is(flow: Any, project: Project) -> None:
    def cell(**said: Any) -> Any:
        return flow.training.with_options(schedule=Schedule(**said))()

    first = cell(interval_second=1800)
    project.client.schedules.deactivate("training")
    again = cell(interval_second=1800)
    other = cell(interval_second=900)

    assert again.id == first.id
    assert (again.seen_to, again.snapshot_id, again.status) == (again.seen_to, first.snapshot_id, "paused")
    assert again.schedule.start_time == first.schedule.start_time
    assert (other.id, other.schedule.interval_second) == (first.id, 900)
    assert len(project.client.snapshots.list()) == 1


def test_other_values_in_the_same_cell_change_what_the_schedule_runs(flow: Any) -> None:
    scheduled = flow.training.with_options(schedule={"cron_expression": "0 2 * * *"})

    assert scheduled(n=1).id == scheduled(n=2).id
    assert scheduled(n=2).snapshot.content.configuration.parameters == {"n": 2}


def test_a_schedule_can_be_said_in_a_file(flow: Any, project: Project) -> None:
    project.write(
        "prod.yaml", "schedule:\n  cron_expression: '0 2 * * *'\n  timezone: Europe/Berlin\nparameters: {n: 3}"
    )

    made = flow.training.with_options(config_path="prod.yaml")()

    assert (made.cron_expression, made.timezone) == ("0 2 * * *", BERLIN)
    assert made.snapshot.content.configuration.parameters == {"n": 3}


NO_FILES: list[Any] = [
    ("schedule: {cron_expression: '0 25 * * *'}", r"prod\.yaml: .*schedule\.cron_expression '0 25"),
    ("schedule: {interval: 30}", r"prod\.yaml: .*schedule\.interval is not known here"),
    ("schedule: nightly", r"prod\.yaml: .*schedule"),
    ("schedule: {interval_second: .nan}", r"prod\.yaml: .*schedule\.interval_second is no number"),
    ("schedule: {run_once_start_time: never}", r"prod\.yaml: .*schedule\.run_once_start_time"),
]


def test_a_file_that_says_no_schedule_is_named_with_the_key(flow: Any, project: Project) -> None:
    for text, said in NO_FILES:
        with case(text, said):
            project.write("prod.yaml", text)

            with pytest.raises(BadValueError, match=said):
                flow.training.with_options(config_path="prod.yaml")


NO_SCHEDULES: list[Any] = [
    ({}, "none was given"),
    ({"cron_expression": "0 2 * * *", "interval_second": 60}, "not cron_expression and interval_second given"),
    ({"cron_expression": "0 0 30 2 *"}, "never fires"),
    ({"cron_expression": "0 0 0 2 * *"}, "6 fields"),
    ({"interval_second": 0}, "from 1 second"),
    ({"interval_second": -5}, "from 1 second"),
    ({"interval_second": float("nan")}, "no number of seconds"),
    ({"run_once_start_time": NOON - HOUR}, "has passed"),
    ({"cron_expression": "* * * * *", "end_time": NOON - HOUR}, "has passed"),
    ({"cron_expression": "* * * * *", "start_time": NOON + HOUR, "end_time": NOON}, "is not after"),
    ({"cron_expression": "* * * * *", "timezone": "Mars/Olympus"}, "no time zone known here"),
    ({"cron_expression": "* * * * *", "catchup": "maybe"}, "catchup"),
    ({"cron": "* * * * *"}, "cron is not known here"),
]


def test_what_is_no_schedule_is_refused_and_nothing_is_written(schedules: ScheduleService, project: Project) -> None:
    before = lines_written(project.client.workspace)

    for said, why in NO_SCHEDULES:
        with case(said, why):
            with at(NOON), pytest.raises(BadValueError, match=why):
                schedules.create("x", "nightly", **said)

            assert lines_written(project.client.workspace) == before


def test_what_cannot_be_run_cannot_be_scheduled(schedules: ScheduleService, flow: Any, project: Project) -> None:
    with pytest.raises(ParameterError, match="n"):
        schedules.create("x", flow.open_one.create_snapshot("open"), interval_second=60)
    with pytest.raises(NotFoundError, match="nope"):
        schedules.create("x", "nope", interval_second=60)
    with pytest.raises(BadValueError, match="takes no schedule"):
        project.client.snapshots.trigger("training", run_configuration={"schedule": {"interval_second": 60}})
    with pytest.raises(BadValueError, match="runs all of training"):
        flow.training.with_options(schedule={"interval_second": 60}, only_steps="total")()
    with pytest.raises(BadValueError, match="only runs are started"):
        flow.training.with_options(schedule={"interval_second": 60}).start()

    assert not schedules.list()
    assert len(project.client.snapshots.list()) == 2


def test_a_refused_schedule_leaves_no_snapshot_of_its_own(flow: Any, project: Project) -> None:
    with pytest.raises(BadValueError, match="never fires"):
        flow.training.with_options(schedule=Schedule(cron_expression="0 0 30 2 *"))()

    assert not project.client.snapshots.list()


def test_a_name_belongs_to_one_schedule(schedules: ScheduleService) -> None:
    every_night(schedules)

    with pytest.raises(ConflictError, match="named 'every_night' already"):
        every_night(schedules)
    assert every_night(schedules, replace=True).id == schedules.get("every_night").id


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "é" * 100, 'it\'s "quoted"; DROP TABLE runs'])
def test_a_schedule_may_be_called_what_other_things_may(schedules: ScheduleService, name: str) -> None:
    made = every_night(schedules, name)

    assert schedules.get(name).id == made.id
    html = made._repr_html_()
    assert html is not None
    assert "<script" not in html


BAD_NAMES: list[Any] = ["", " ", "a\nb", "x" * 5000, 7]


def test_a_bad_name_is_refused(schedules: ScheduleService) -> None:
    for name in BAD_NAMES:
        with case(name):
            with pytest.raises(BadValueError):
                schedules.create(name or " ", "nightly", interval_second=60)
            with pytest.raises(BadValueError):
                schedules.get("" if isinstance(name, str) else name)


def test_a_bad_update_keeps_what_was(schedules: ScheduleService) -> None:
    made = every_night(schedules)

    for said in ({"cron_expression": "nope"}, {"timezone": "Mars"}, {"interval_second": 0}, {"crn": 1}, {}):
        with pytest.raises(BadValueError):
            schedules.update("every_night", **said)

    assert schedules.get("every_night") == made


def test_an_update_changes_what_it_says_and_looks_back_no_farther_than_now(schedules: ScheduleService) -> None:
    every_night(schedules, catchup="all")

    with at(NOON + timedelta(days=3)):
        changed = schedules.update("every_night", cron_expression="0 3 * * *")
        assert changed.next_fire == datetime(2026, 11, 26, 2, tzinfo=UTC)
        assert changed.overdue().fire == ()
        assert (changed.timezone, changed.schedule.catchup) == (BERLIN, "all")
        by_interval = schedules.update("every_night", interval_second=60, name="often", overlap="queue")

    assert (by_interval.cron_expression, by_interval.schedule.interval_second) == (None, 60)
    assert (by_interval.name, by_interval.schedule.overlap, by_interval.status) == ("often", "queue", "active")


def test_another_rule_keeps_the_grid_of_an_interval(schedules: ScheduleService) -> None:
    with at(NOON):
        made = schedules.create("often", "nightly", interval_second=600)
    with at(NOON + timedelta(minutes=25)):
        changed = schedules.update("often", overlap="parallel")

    assert changed.schedule.start_time == made.schedule.start_time == NOON


def test_a_paused_schedule_fires_no_more_and_makes_up_for_nothing(schedules: ScheduleService) -> None:
    every_night(schedules)
    with at(NOON + HOUR):
        paused = schedules.deactivate("every_night")
    with at(NOON + timedelta(days=2)):
        nothing = paused.overdue()
        again = schedules.activate("every_night")
        coming = again.next_fire

    assert (paused.status, paused.next_fire, nothing.fire) == ("paused", None, ())
    assert (again.status, again.overdue(NOON + timedelta(days=2)).fire) == ("active", ())
    assert coming == datetime(2026, 11, 25, 1, tzinfo=UTC)


def test_a_soft_delete_keeps_the_history_and_frees_the_name(schedules: ScheduleService) -> None:
    made = every_night(schedules)
    schedules.tick(NOON + timedelta(days=1))
    schedules.delete("every_night")

    assert not schedules.list()
    (gone,) = schedules.list(include_deleted=True)
    assert (gone.status, gone.next_fire, gone.deleted is not None) == ("deleted", None, True)
    assert [firing.outcome for firing in schedules.fires(made.id)] == ["fired"]
    assert every_night(schedules).id != made.id
    with pytest.raises(NotFoundError):
        schedules.update(made.id, interval_second=60)


def test_a_hard_delete_takes_the_history_along_and_leaves_the_runs(
    schedules: ScheduleService, project: Project
) -> None:
    made = every_night(schedules)
    schedules.tick(NOON + timedelta(days=1))
    schedules.delete("every_night")
    schedules.delete("every_night", hard=True)

    assert not schedules.list(include_deleted=True)
    assert not schedules.fires()
    assert project.client.query("SELECT count(*) AS n FROM firings")["n"][0] == 0
    (run,) = project.client.runs.list()
    assert run.schedule == made.id
    with pytest.raises(NotFoundError):
        schedules.get("every_night")


def test_a_snapshot_that_is_scheduled_cannot_be_deleted(schedules: ScheduleService, project: Project) -> None:
    every_night(schedules)

    with pytest.raises(ConflictError, match="every_night"):
        project.client.snapshots.delete("nightly")
    schedules.delete("every_night")
    project.client.snapshots.delete("nightly")


def test_a_schedule_is_found_by_name_id_and_prefix(schedules: ScheduleService) -> None:
    made = every_night(schedules)

    assert all(schedules.get(ref).id == made.id for ref in ("every_night", made.id, made.id[:12], made))
    with pytest.raises(NotFoundError, match="Did you mean 'every_night'"):
        schedules.get("every_nigt")
    with pytest.raises(BadValueError, match="names no schedule"):
        schedules.get(None)


def test_a_prefix_of_several_ids_names_none(schedules: ScheduleService, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(("aaaaaaaa-1", "aaaaaaaa-2"))
    monkeypatch.setattr("nbpipe.services.schedules.new_id", lambda: next(ids))
    every_night(schedules)
    every_night(schedules, "again")

    with pytest.raises(AmbiguousNameError):
        schedules.get("aaaaaaaa")


NO_NUMBERS: list[Any] = [0, -1, True, "5", 2.0]


def test_a_number_of_firings_is_a_number_from_one_on(schedules: ScheduleService) -> None:
    for limit in NO_NUMBERS:
        with case(limit), pytest.raises(BadValueError, match="limit="):
            schedules.fires(limit=limit)


def test_listings_can_be_of_one_pipeline(schedules: ScheduleService, flow: Any) -> None:
    every_night(schedules)
    with at(NOON + HOUR):
        flow.open_one.with_options(schedule={"interval_second": 60})(n=2)

    assert [one.name for one in schedules.list("training")] == ["every_night"]
    assert [one.name for one in schedules.list()] == ["open_one", "every_night"]


def test_a_schedule_that_fires_no_more_is_over(schedules: ScheduleService) -> None:
    with at(NOON):
        once = schedules.create("once", "nightly", run_once_start_time=NOON + HOUR)
        assert once.status == "active"
    schedules.tick(NOON + HOUR)

    done = schedules.get("once")
    assert (done.status, done.next_fire, done.last_fired) == ("over", None, NOON + HOUR)
