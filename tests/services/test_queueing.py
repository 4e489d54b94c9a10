"""Runs that wait: promised once, started once, told when they could not be."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest

from nbpipe.errors import BadValueError, NotFoundError, ParameterError, QueueFullError
from nbpipe.services.queue_workers import QueueWorkers
from nbpipe.services.queueing import RunQueue
from tests.services.building import ONE_STEP, case

HOLD = """
import fcntl, os, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def snapshot(project):
    return project.load(ONE_STEP).training.create_snapshot("nightly")


@pytest.fixture
def queue(snapshot, project):
    return RunQueue(project.client.workspace, most=5)


@pytest.fixture
def workers(queue, project):
    made = QueueWorkers(project.client.workspace, queue, at_once=2)
    yield made
    made.close()


def until(holds, patience_s=60):
    deadline_s = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        # Whoever asks a catalog all the time takes the time from those who run.
        time.sleep(0.15)


def ids_of(project):
    return {run.id for run in project.client.runs.list()}


def is_done(project, run_id):
    return run_id in ids_of(project) and project.client.runs.get(run_id).status.is_over


def test_a_run_has_the_id_that_was_promised_and_the_values_that_were_asked_for(queue, workers, snapshot, project):
    asked = queue.ask(snapshot, {"parameters": {"n": 7}}, by="ci")
    assert [one.id for one in queue.waiting()] == [asked.id]

    workers.start()
    until(lambda: is_done(project, asked.id))

    run = project.client.runs.get(asked.id)
    assert (run.status, run.parameters, run.snapshot) == ("completed", {"n": 7}, snapshot.id)
    until(lambda: not list(project.client.workspace.paths.queue.iterdir()))


def test_what_does_not_fit_is_refused_before_anything_is_promised(queue, snapshot):
    for given in (
        {"parameters": {"n": "many"}},
        {"parameters": {"m": 1}},
        {"steps": {"total": {"parameters": {"k": 1}}}},
    ):
        with pytest.raises(ParameterError):
            queue.ask(snapshot, given)
    with pytest.raises(BadValueError):
        queue.ask(snapshot, {"parametres": {}})

    assert queue.all() == []


def test_no_more_than_so_many_wait(queue, snapshot):
    asked = [queue.ask(snapshot) for _ in range(5)]

    with pytest.raises(QueueFullError, match="5 runs wait"):
        queue.ask(snapshot)

    assert [one.id for one in queue.waiting()] == [one.id for one in asked]


def test_a_file_that_waits_is_read_by_its_owner_only(queue, snapshot, project):
    asked = queue.ask(snapshot)
    folder = project.client.workspace.paths.queue

    assert stat.S_IMODE((folder / f"{asked.id}.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_run_that_waits_can_be_withdrawn_and_one_that_is_unknown_cannot(queue, snapshot):
    asked = queue.ask(snapshot)

    assert queue.withdraw(asked.id)
    assert queue.all() == []
    for ref in (asked.id, "../../etc/passwd", "nightly", ""):
        with pytest.raises(NotFoundError):
            queue.withdraw(ref)


def test_what_could_not_be_started_is_told_with_the_reason_and_without_the_values(queue, workers, snapshot, project):
    asked = queue.ask(snapshot, {"parameters": {"n": 123456789}})
    project.client.snapshots.delete(snapshot)

    workers.start()
    until(lambda: queue.get(asked.id).status == "refused")

    assert "No snapshot is named" in queue.get(asked.id).error
    kept = (project.client.workspace.paths.queue / f"{asked.id}.json").read_text()
    assert "123456789" not in kept
    assert queue.waiting() == []


def test_a_run_that_has_begun_is_not_started_again_though_its_promise_is_still_there(queue, workers, snapshot, project):
    asked = queue.ask(snapshot)
    place = project.client.workspace.paths.queue / f"{asked.id}.json"
    promise = place.read_text()
    workers.start()
    until(lambda: is_done(project, asked.id) and not place.exists())

    # As if the process that started it had been killed before it took the promise away.
    place.write_text(promise)
    workers.wake()
    until(lambda: not place.exists())

    assert ids_of(project) == {asked.id}


def test_what_another_process_has_taken_on_is_left_to_it_and_counts_among_those_that_run(
    queue, workers, snapshot, project
):
    asked = queue.ask(snapshot)
    lock = project.client.workspace.paths.queue / f"{asked.id}.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert queue.running() == 1
        assert queue.claim(asked) is None
        workers.start()
        time.sleep(1)
        assert ids_of(project) == set()
        holder.kill()

    until(lambda: is_done(project, asked.id))
    assert ids_of(project) == {asked.id}


def test_a_file_that_is_no_promise_is_in_nobodys_way(queue, snapshot, project):
    asked = queue.ask(snapshot)
    for name, text in (("a.json", "{"), ("b.json", "[]"), ("c.json", '{"id": 1}'), ("d.txt", "")):
        (project.client.workspace.paths.queue / name).write_text(text)

    assert [one.id for one in queue.waiting()] == [asked.id]


def test_locks_of_processes_that_are_gone_are_taken_away(queue, snapshot, project):
    queue.ask(snapshot)
    left = project.client.workspace.paths.queue / "left.lock"
    os.close(os.open(left, os.O_CREAT))

    queue.tidy_up()

    assert not left.exists()


NO_NUMBERS: tuple[object, ...] = [0, -1, 9, True, 1.5, "2"]


def test_a_number_of_workers_that_is_none_is_refused(queue, project):
    for number in NO_NUMBERS:
        with case(number), pytest.raises(BadValueError, match="this machine runs from 1"):
            QueueWorkers(project.client.workspace, queue, at_once=number)
