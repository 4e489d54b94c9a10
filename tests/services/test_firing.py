"""What is due is fired once, or told as missed, skipped or refused: whoever looks, whatever the clock does."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest

from nbpipe.records.operations import KeepPromise
from nbpipe.records.runs import Status
from nbpipe.schedule.firing import fires_after
from nbpipe.services.firing import Firer, claim_due
from nbpipe.services.schedules import ScheduleService
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.workspace import Workspace
from tests.crash.trials import SEED, report, sizes
from tests.flows.project import Project
from tests.services.instants import NOON, at

pytestmark = pytest.mark.usefixtures("noon")

FLOW = """
import time

@step
def total(n: int) -> int:
    if n < 0:
        raise ValueError("less than nothing")
    time.sleep(n / 10)
    return n

@pipeline
def training(n: int = 0):
    return total(n)
"""
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def schedules(flow: Any, project: Project) -> ScheduleService:
    flow.training.create_snapshot("nightly")
    return project.client.schedules


def make(schedules: ScheduleService, name: str = "s", **said: Any) -> Any:
    with at(NOON):
        return schedules.create(name, "nightly", **{"interval_second": 3600, "start_time": NOON + HOUR, **said})


def told(schedules: ScheduleService) -> list[tuple[str, float, int]]:
    """Give what became of each instant, in order: the outcome, how many hours after noon, and how many."""
    found = [(one.outcome, (one.due - NOON) / HOUR, one.number) for one in schedules.fires(limit=1000)]
    return sorted(found, key=lambda one: one[1])


def test_a_tick_fires_what_is_due_and_the_run_knows_its_schedule(schedules: ScheduleService, project: Project) -> None:
    made = make(schedules)

    early = schedules.tick(NOON + HOUR - MINUTE)
    (fired,) = schedules.tick(NOON + HOUR)
    again = schedules.tick(NOON + HOUR + MINUTE)

    assert (list(early), list(again)) == ([], [])
    run = fired.run
    assert run is not None
    assert (run.id, run.schedule, run.status) == (fired.run_id, made.id, Status.COMPLETED)
    assert run.snapshot == project.client.snapshots.get("nightly").id
    assert schedules.get("s").last_fired == NOON + HOUR
    row = project.client.query("SELECT f.outcome, r.status FROM firings AS f JOIN runs AS r ON r.id = f.run_id")
    assert (row["outcome"][0], row["status"][0]) == ("fired", "completed")


def test_the_start_of_an_interval_fires_and_one_that_was_just_now_is_meant(schedules: ScheduleService) -> None:
    with at(NOON):
        schedules.create("now", "nightly", interval_second=60)
        schedules.create("a moment ago", "nightly", interval_second=60, start_time=NOON - timedelta(seconds=2))
        schedules.create("long ago", "nightly", interval_second=3600, start_time=NOON - DAY - MINUTE)

    claim_due(Firer(schedules._workspace), NOON)

    assert {(one.schedule, one.outcome): one.due for one in schedules.fires()} == {
        ("now", "fired"): NOON,
        ("a moment ago", "fired"): NOON - timedelta(seconds=2),
    }


def test_a_failing_run_is_recorded_and_the_schedule_goes_on(flow: Any, project: Project) -> None:
    schedules = project.client.schedules
    with at(NOON):
        flow.training.with_options(schedule={"interval_second": 3600})(n=-1)

    (first,) = schedules.tick(NOON)
    # It is fired again, whatever will become of that.
    claim_due(Firer(project.client.workspace), NOON + HOUR)

    assert first.run is not None
    assert first.run.status is Status.FAILED
    assert told(schedules) == [("fired", 0.0, 1), ("fired", 1.0, 1)]
    assert schedules.get("training").status == "active"


@pytest.mark.parametrize(
    ("catchup", "outcomes"),
    [
        ("last", [("missed", 1.0, 11), ("fired", 12.0, 1)]),
        ("all", [("missed", 1.0, 2), *(("fired", float(hour), 1) for hour in range(3, 13))]),
        ("none", [("missed", 1.0, 12)]),
    ],
)
def test_what_nobody_saw_to_is_caught_up_with_as_the_schedule_says(
    schedules: ScheduleService, catchup: str, outcomes: list[Any]
) -> None:
    make(schedules, catchup=catchup)

    claim_due(Firer(schedules._workspace), NOON + 13 * HOUR - MINUTE)
    if catchup == "none":
        # An hour's grace has passed for the last of them too.
        claim_due(Firer(schedules._workspace), NOON + 13 * HOUR - MINUTE)
        outcomes = [("missed", 1.0, 11), ("fired", 12.0, 1)]

    assert told(schedules) == outcomes


def test_what_is_later_than_its_grace_is_told_as_missed_only(schedules: ScheduleService) -> None:
    make(schedules, catchup="none", interval_second=86_400)

    claim_due(Firer(schedules._workspace), NOON + HOUR + HOUR + MINUTE)

    assert told(schedules) == [("missed", 1.0, 1)]
    assert schedules.get("s").overdue(NOON + 3 * HOUR).missed == 0


def test_more_missed_than_are_counted_are_told_as_so_many_at_least(schedules: ScheduleService) -> None:
    make(schedules, interval_second=60)

    claim_due(Firer(schedules._workspace), NOON + 30 * DAY)

    (missed, fired) = schedules.fires()[::-1]
    assert (missed.outcome, missed.number, missed.due) == ("missed", 10_000, NOON + HOUR)
    assert (fired.due, missed.last_due) == (NOON + 30 * DAY, NOON + 30 * DAY - MINUTE)


def test_catching_up_runs_one_after_another_whatever_the_overlap_rule(schedules: ScheduleService) -> None:
    make(schedules, catchup="all", overlap="parallel")
    firer = Firer(schedules._workspace)

    claim_due(firer, NOON + 4 * HOUR)

    assert len(schedules.get("s").owed) == 4
    assert [one.due for one in firer.owed()] == [NOON + HOUR]


@pytest.mark.parametrize(
    ("overlap", "outcome", "startable"), [("skip", "skipped", 1), ("queue", "fired", 1), ("parallel", "fired", 2)]
)
def test_what_is_due_while_another_waits_or_runs_follows_the_overlap_rule(
    schedules: ScheduleService, overlap: str, outcome: str, startable: int
) -> None:
    make(schedules, overlap=overlap)
    firer = Firer(schedules._workspace)

    claim_due(firer, NOON + HOUR)
    claim_due(firer, NOON + 2 * HOUR)

    assert told(schedules) == [("fired", 1.0, 1), (outcome, 2.0, 1)]
    assert len(list(firer.owed())) == startable


def test_a_run_that_goes_on_holds_up_the_next_as_long_as_it_does(flow: Any, project: Project) -> None:
    schedules = project.client.schedules
    with at(NOON):
        flow.training.with_options(schedule={"interval_second": 3600})(n=30)
    firer = Firer(project.client.workspace)
    claim_due(firer, NOON)
    (owed,) = firer.owed()
    with firer.taken(owed) as lock:
        assert lock is not None
        run = firer.start(owed, lock)
        assert run is not None
        claim_due(firer, NOON + HOUR)
        running = firer.is_running(owed.schedule_id)
        run.stop()
        run.wait_quietly()
    claim_due(firer, NOON + 2 * HOUR)

    assert running
    assert not firer.is_running(owed.schedule_id)
    assert [outcome for outcome, _, _ in told(schedules)] == ["fired", "skipped", "fired"]


def test_a_queue_has_an_end(schedules: ScheduleService) -> None:
    make(schedules, overlap="queue")
    firer = Firer(schedules._workspace)

    for hour in range(1, 24):
        claim_due(firer, NOON + hour * HOUR)

    assert Counter(outcome for outcome, _, _ in told(schedules)) == {"fired": 20, "skipped": 3}


def test_pausing_takes_back_what_has_not_begun_and_says_so(schedules: ScheduleService) -> None:
    make(schedules)
    firer = Firer(schedules._workspace)
    claim_due(firer, NOON + HOUR)

    with at(NOON + HOUR):
        schedules.deactivate("s")

    (firing,) = schedules.fires()
    assert (firing.outcome, firing.error, firing.run) == ("skipped", "it was paused", None)
    assert list(firer.owed()) == []


def test_a_snapshot_that_is_gone_is_told_and_the_schedule_goes_on(
    schedules: ScheduleService, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(schedules)
    workspace = project.client.workspace
    # Nobody may delete it; a backup of elsewhere may lack it.
    monkeypatch.setattr("nbpipe.records.operations.snapshots.check_unused", lambda *_: None)
    monkeypatch.setattr(SnapshotService, "dependents", lambda *_: [])
    SnapshotService(workspace).delete(made.snapshot_id)

    (firing,) = schedules.tick(NOON + HOUR)

    assert (firing.outcome, firing.run_id) == ("refused", "")
    assert "snapshot" in firing.error
    assert schedules.get("s").status == "active"


def test_a_promise_is_kept_by_whoever_comes_next(schedules: ScheduleService, project: Project) -> None:
    make(schedules)
    firer = Firer(project.client.workspace)
    claim_due(firer, NOON + HOUR)
    # Whoever claimed it is killed now, before anything began.
    (owed,) = firer.owed()

    schedules.tick(NOON + HOUR)

    (run,) = project.client.runs.list()
    assert run.id == owed.run_id


def test_a_run_that_began_before_its_promise_was_struck_out_is_not_run_again(
    schedules: ScheduleService, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(schedules)
    firer = Firer(project.client.workspace)
    claim_due(firer, NOON + HOUR)
    (owed,) = firer.owed()
    with monkeypatch.context() as killed, firer.taken(owed) as lock:
        killed.setattr(firer, "_keep", lambda *_: None)
        assert lock is not None
        run = firer.start(owed, lock)
        assert run is not None
        run.wait()

    schedules.tick(NOON + HOUR)

    assert len(project.client.runs.list()) == 1
    assert schedules.get("s").owed == {}


def test_of_two_who_want_the_same_one_has_it(schedules: ScheduleService, project: Project) -> None:
    make(schedules)
    firer = Firer(project.client.workspace)
    claim_due(firer, NOON + HOUR)
    (owed,) = firer.owed()

    with firer.taken(owed) as mine, Firer(project.client.workspace).taken(owed) as others:
        assert mine is not None
        assert others is None


class Jumping:
    """A clock that goes on, and is set back and forward by up to a day now and then."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self.instant = chance, NOON

    def step(self) -> datetime:
        self.instant += timedelta(seconds=self._chance.uniform(1, 1800))
        if self._chance.random() < 0.1:
            self.instant += timedelta(seconds=self._chance.uniform(-86_400, 86_400))
        return self.instant


@sizes("fires, watchers", short=(80, 2), long=(10_000, 2))
def test_each_instant_is_fired_once_or_told_however_clocks_jump_and_however_many_look(
    schedules: ScheduleService, fires: int, watchers: int
) -> None:
    chance, workspace = random.Random(SEED), schedules._workspace
    for n in range(6):
        rule = {"catchup": ("last", "all", "none")[n % 3], "overlap": "parallel"}
        timing: dict[str, Any] = (
            {"interval_second": 600 * (n + 1)} if n % 2 else {"cron_expression": f"*/{n + 5} * * * *"}
        )
        with at(NOON):
            schedules.create(f"s{n}", "nightly", timezone="Europe/Berlin", **timing, **rule)
    clock, firers = Jumping(chance), [Firer(workspace) for _ in range(watchers)]
    claimed = 0
    while claimed < fires:
        instant = clock.step()
        found = [0] * watchers
        # Each looks at its own moment, and all at once.
        threads = [
            threading.Thread(target=_look, args=(firer, instant + n * timedelta(seconds=1), found, n))
            for n, firer in enumerate(firers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        claimed += sum(found)
        _keep_all(workspace, firers[0])

    firings = schedules.fires(limit=20 * fires)
    twice, lost = [], []
    for record in schedules.list():
        own = sorted((one for one in firings if one.schedule_id == record.id), key=lambda one: one.due)
        # An interval's start fires too, an instant at which a cron is made does not.
        first = NOON if record.cron_expression is not None else NOON - timedelta(microseconds=1)
        due = list(takewhile(lambda at, end=record.seen_to: at <= end, fires_after(record.schedule, first)))
        ones = Counter(one.due for one in own if one.outcome != "missed")
        twice += [(record.name, instant) for instant, number in ones.items() if number > 1]
        ranges = [(one.due, one.last_due or one.due, one.number) for one in own if one.outcome == "missed"]
        for instant in due:
            hits = (instant in ones) + sum(begin <= instant <= end for begin, end, _ in ranges)
            if hits != 1:
                lost.append((record.name, instant, hits))
        told_of = len(ones) + sum(number for _, _, number in ranges)
        if told_of != len(due):
            lost.append((record.name, "number", told_of - len(due)))
    report("firing", fires=claimed, firings=len(firings), none_of={"twice": twice, "lost": lost})


def _look(firer: Firer, instant: datetime, found: list[int], n: int) -> None:
    found[n] = claim_due(firer, instant)


def _keep_all(workspace: Workspace, firer: Firer) -> None:
    """Strike out what is owed, as if it had been run."""
    for row in firer.rows():
        for promise in row["owed"]:
            due = datetime.fromisoformat(promise["due"])
            workspace.catalog.transact(KeepPromise(id=row["id"], due=due, run_id=promise["run_id"]))


@pytest.mark.parametrize("change", ["update", "pause", "delete"])
def test_what_was_overdue_when_a_schedule_is_changed_is_told_as_missed(schedules: ScheduleService, change: str) -> None:
    made = make(schedules)

    with at(NOON + 3 * HOUR + MINUTE):
        if change == "update":
            schedules.update("s", interval_second=60)
        elif change == "pause":
            schedules.deactivate("s")
        else:
            schedules.delete("s")

    (one,) = schedules.fires(made.id)
    assert (one.outcome, one.number, one.due, one.last_due) == ("missed", 3, NOON + HOUR, NOON + 3 * HOUR)
