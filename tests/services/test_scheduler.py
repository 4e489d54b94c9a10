"""Schedulers: they fire what comes due, let so many runs go on, and end when they are told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from nbpipe.base.clock import clock_set_to, now
from nbpipe.base.displaying import text_of
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, ConflictError, SchedulerError
from nbpipe.records.operations import ChangeSchedule, Timing
from nbpipe.services import scheduler_process
from nbpipe.services.child_process import AT_ONCE
from nbpipe.services.scheduler import Scheduler
from nbpipe.services.scheduler_process import running, schedulers, start_scheduler, stop_schedulers
from nbpipe.services.scheduler_units import KINDS, unit_for
from nbpipe.services.schedules import ScheduleService
from nbpipe.services.workspace import Workspace
from tests.crash.trials import sizes
from tests.flows.project import Project
from tests.serving import PATIENCE_S

FLOW = """
import time

@step(cache=False)
def total(n: int) -> int:
    time.sleep(n)
    return n

@pipeline
def training(n: int = 0):
    return total(n)
"""


def until(is_so: Callable[[], Any]) -> None:
    """Wait until something is so, and look seldom: whoever asks a catalog all the time takes it from those at work."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline_s, f"it did not come to be within {PATIENCE_S:g} s"
        time.sleep(0.1)


@pytest.fixture
def schedules(flow: Any, project: Project) -> Iterator[ScheduleService]:
    flow.training.create_snapshot("nightly")
    yield project.client.schedules
    stop_schedulers(project.client.workspace.paths)
    until(lambda: not running(project.client.workspace.paths))


@contextmanager
def at_work(schedules: ScheduleService, **said: Any) -> Iterator[Scheduler]:
    """Have a scheduler work in a thread for the block."""
    scheduler = Scheduler(schedules._workspace, **said)
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        yield scheduler
    finally:
        scheduler.end()
        thread.join()


def fired(schedules: ScheduleService, name: str | None = None) -> list[Any]:
    return [one for one in schedules.fires(name) if one.outcome == "fired"]


def test_a_schedule_fires_within_a_second_of_when_it_is_due(schedules: ScheduleService) -> None:
    due = now() + timedelta(seconds=1.5)
    with at_work(schedules):
        schedules.create("soon", "nightly", run_once_start_time=due)
        until(lambda: fired(schedules) and fired(schedules)[0].run is not None)

    (one,) = fired(schedules)
    assert one.due == due
    assert timedelta() <= one.claimed - due < timedelta(seconds=1)


def test_a_schedule_that_is_changed_or_paused_is_heard_of_at_once(schedules: ScheduleService) -> None:
    schedules.create("s", "nightly", interval_second=1, start_time=now() + timedelta(days=1))
    with at_work(schedules):
        schedules.update("s", interval_second=1, start_time=now())
        until(lambda: fired(schedules))
        schedules.deactivate("s")
        number = len(schedules.fires())
        time.sleep(2.5)

        assert len(schedules.fires()) == number


def test_so_many_runs_go_on_at_once_and_the_others_wait(flow: Any, schedules: ScheduleService) -> None:
    slow = flow.training.create_snapshot("slow", parameters={"n": 1})
    start = now() + timedelta(seconds=0.5)
    for n in range(3):
        schedules.create(f"s{n}", slow, run_once_start_time=start)
    paths, most = schedules._workspace.paths, 0
    with at_work(schedules, at_once=2):

        def are_done() -> bool:
            nonlocal most
            now_running = running(paths)
            most = max(most, now_running)
            # While any goes on, the catalog need not be asked.
            if now_running:
                return False
            return sum(one.run is not None and one.run.status.is_over for one in fired(schedules)) == 3

        until(are_done)

    assert most == 2


def test_a_scheduler_that_ends_leaves_its_runs_to_themselves_and_the_rest_to_the_next(
    flow: Any, schedules: ScheduleService
) -> None:
    slow = flow.training.create_snapshot("slow", parameters={"n": 2})
    for n in range(2):
        schedules.create(f"s{n}", slow, run_once_start_time=now() + timedelta(seconds=0.3))
    with at_work(schedules, at_once=1):
        until(lambda: any(one.run is not None for one in fired(schedules)))
    waiting = [one for one in fired(schedules) if one.run is None]
    with at_work(schedules, at_once=1):
        # Who is not owed any more has begun, and who runs no more is over.
        until(
            lambda: not any(schedules.get(f"s{n}").owed for n in range(2)) and not running(schedules._workspace.paths)
        )

    assert all(one.run is not None and one.run.status.is_over for one in fired(schedules))
    assert len(waiting) == 1
    assert len({one.run_id for one in fired(schedules)}) == 2


@sizes("number", short=(20,), long=(1000,))
def test_schedules_that_are_due_at_once_are_all_claimed(schedules: ScheduleService, number: int) -> None:
    start = now() + timedelta(seconds=60)
    for n in range(number):
        schedules.create(f"s{n}", "nightly", run_once_start_time=start)
    scheduler = Scheduler(schedules._workspace, at_once=1)
    scheduler._start_what_may = lambda: None  # type: ignore[method-assign]
    with clock_set_to(lambda: start):
        scheduler.look()

    assert len(schedules.fires(limit=2 * number)) == number


def test_a_number_of_runs_at_once_is_checked(opened_workspace: Workspace) -> None:
    for workers in (0, -1, True, "2", AT_ONCE + 1):
        with pytest.raises(BadValueError, match="workers="):
            Scheduler(opened_workspace, at_once=workers)  # type: ignore[arg-type]
            raise AssertionError(f"{workers!r} was taken")


def test_a_zone_that_this_machine_does_not_know_keeps_no_other_schedule_from_firing(
    schedules: ScheduleService,
) -> None:
    strange = schedules.create("strange", "nightly", cron_expression="* * * * *")
    timing = Timing(cron_expression="* * * * *", timezone="Mars/Olympus", catchup="last", overlap="skip")
    schedules._workspace.catalog.transact(ChangeSchedule(id=strange.id, timing=timing))
    schedules.create("other", "nightly", run_once_start_time=now() + timedelta(seconds=0.3))

    with at_work(schedules):
        until(lambda: schedules.get("other").status == "over")

    assert [(one.name, one.status) for one in schedules.list()] == [("other", "over"), ("strange", "stuck")]
    assert schedules.tick() == []
    assert "knows no zone 'Mars/Olympus'" in text_of(schedules.get("strange"))
    assert schedules.update("strange", timezone="UTC").status == "active"


def test_a_scheduler_in_the_background_is_seen_fires_and_is_stopped(schedules: ScheduleService) -> None:
    paths = schedules._workspace.paths
    schedules.create("often", "nightly", interval_second=1)

    made = start_scheduler(paths, workers=1)
    with pytest.raises(ConflictError, match=f"process {made.pid}"):
        start_scheduler(paths)
    until(lambda: fired(schedules))
    seen = schedulers(paths)
    gone = stop_schedulers(paths)

    assert [one.pid for one in seen] == [one.pid for one in gone] == [made.pid]
    assert (seen[0].workers, seen[0].background) == (1, True)
    assert schedulers(paths) == []
    assert stop_schedulers(paths) == []
    until(lambda: not running(paths))
    assert "run" in scheduler_process.log_place(paths).read_text()
    number = len(schedules.fires())
    time.sleep(1.5)
    assert len(schedules.fires()) == number


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_scheduler_in_the_foreground_ends_when_it_is_asked_to(project: Project, schedules: Any, number: Any) -> None:
    paths = project.client.workspace.paths
    process = subprocess.Popen(
        [sys.executable, "-m", "nbpipe", "scheduler", "run"], stderr=subprocess.PIPE, text=True, cwd=project.folder
    )
    until(lambda: schedulers(paths))

    process.send_signal(number)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "The scheduler has ended." in said
    assert schedulers(paths) == []


def test_what_a_killed_scheduler_left_is_taken_away_by_the_next(project: Project, schedules: Any) -> None:
    paths = project.client.workspace.paths
    os.kill(start_scheduler(paths).pid, signal.SIGKILL)
    until(lambda: not schedulers(paths))

    made = start_scheduler(paths)

    assert [place.name for place in paths.schedules.glob("scheduler-*.json")] == [f"scheduler-{made.pid}.json"]


def test_a_scheduler_that_ends_at_once_is_told_with_its_log(
    project: Project, schedules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")

    with pytest.raises(SchedulerError, match=r"ended at once; see .*scheduler\.log"):
        start_scheduler(project.client.workspace.paths)


@pytest.mark.parametrize("kind", KINDS)
def test_a_unit_names_the_workspace_and_the_interpreter(project: Project, kind: str) -> None:
    paths = project.client.workspace.paths
    unit = unit_for(kind, paths, workers=3)

    assert str(paths.root) in unit.text
    assert sys.executable in unit.text
    assert unit_for(kind, paths, workers=3) == unit
    with pytest.raises(BadValueError, match="systemd, launchd, windows"):
        unit_for("cron", paths, workers=3)


def test_a_unit_of_systemd_says_paths_as_systemd_reads_them(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    unit = unit_for("systemd", WorkspacePaths(tmp_path / '100% "odd" $HOME' / ".nbpipe"), workers=1)
    unit.write()

    written = (tmp_path / "config" / "systemd" / "user").glob("*.service")
    assert [place.read_text() for place in written] == [unit.text]
    assert '100%% \\"odd\\" $$HOME/.nbpipe"' in unit.text
