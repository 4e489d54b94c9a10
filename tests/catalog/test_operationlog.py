"""Operations: decided by one at a time, exactly once, and never lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.base.log import seal, stretches, unseal
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import memory as memories
from nbpipe.catalog.memory import ANSWERS_KEPT, Memory
from nbpipe.catalog.operationlog import OperationLog
from nbpipe.errors import CatalogBusyError, CatalogDamagedError, ConflictError, NotRecordedError
from nbpipe.records.models import ModelConfig
from nbpipe.records.operations import AddTags, DescribeModel, OpenModelVersion, PointedAt
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag
from tests.base.small_disk import files_of_at_most


def nothing() -> None:
    """What there is to sync before: nothing."""


class Log(OperationLog):
    """An operation log that is asked without facts before it."""

    def ask(self, operation, **told):
        return self.transact(operation, before_sync=nothing, **told)


@pytest.fixture
def log(workspace):
    log = Log(workspace, patience_s=0.3)
    yield log
    log.close()


@pytest.fixture
def other(workspace):
    """The same log as another process has it open."""
    other = Log(workspace, patience_s=0.3)
    yield other
    other.close()


def next_version(request_id: str | None = None) -> OpenModelVersion:
    told = {"request_id": request_id} if request_id else {}
    return OpenModelVersion(model=ModelConfig(name="iris"), version=None, run_id="r", **told)


def operations_in(path) -> list[dict]:
    lines = [unseal(line) for stretch in stretches(path, 0, path.stat().st_size) for _, line in stretch.lines]
    return [line for line in lines if "n" in line]


def test_operations_are_numbered_without_a_gap_whoever_asks(workspace, log, other):
    numbers = [asked.ask(next_version())["number"] for asked in (log, other, log, log, other)]

    assert numbers == [1, 2, 3, 4, 5]
    assert [operation["n"] for operation in operations_in(log.path)] == [1, 2, 3, 4, 5]


def test_the_same_request_is_answered_alike_and_done_once(workspace, log, other):
    first = log.ask(next_version("once"))

    assert log.ask(next_version("once")) == first
    assert other.ask(next_version("once")) == first
    assert len(operations_in(log.path)) == 1


def test_a_refused_operation_leaves_nothing(workspace, log):
    log.ask(next_version())
    pointed = PointedAt(kind=Kind.MODEL, id="iris")

    with pytest.raises(ConflictError):
        log.ask(AddTags(tags=(Tag(name="best", exclusive=True),), targets=(pointed,)))

    assert len(operations_in(log.path)) == 1
    assert list(log.state().tags) == []


def test_several_operations_take_the_lock_once_and_each_is_decided_for_itself(log, other):
    log.ask(next_version())
    bad = AddTags(tags=(Tag(name="best", exclusive=True),), targets=(PointedAt(kind=Kind.MODEL, id="iris"),))

    with log.together():
        numbers = [log.ask(next_version())["number"]]
        with pytest.raises(ConflictError):
            log.ask(bad)
        with pytest.raises(CatalogBusyError):
            other.ask(next_version())
        assert len(other.state().versions) == 2, "what is written is seen by all"
        numbers += [log.ask(next_version("once"))["number"], log.ask(next_version("once"))["number"]]

    assert (numbers, other.ask(next_version())["number"], log.ask(next_version())["number"]) == ([2, 3, 3], 4, 5)
    assert [operation["n"] for operation in operations_in(log.path)] == [1, 2, 3, 4, 5]


def test_the_lock_is_given_back_whatever_happens_between(log, other):
    with pytest.raises(ZeroDivisionError), log.together():
        log.ask(next_version())
        raise ZeroDivisionError
    with pytest.raises(CatalogBusyError), other.together(), log.together():
        pass

    assert other.ask(next_version())["number"] == 2
    assert log.ask(next_version())["number"] == 3


def test_one_of_several_operations_that_could_not_be_written_leaves_the_others_right(log, other):
    log.ask(next_version())
    with log.together():
        assert log.ask(next_version())["number"] == 2
        with files_of_at_most(log.path.stat().st_size + 100), pytest.raises(NotRecordedError):
            log.ask(next_version())
        assert log.ask(next_version())["number"] == 3

    assert other.ask(next_version())["number"] == 4
    assert [operation["n"] for operation in operations_in(log.path)] == [1, 2, 3, 4]


def test_the_state_is_that_after_everybodys_operations(log, other):
    log.ask(DescribeModel(name="iris"))
    seen = set(other.state().models)
    log.ask(DescribeModel(name="wine"))

    assert (seen, set(other.state().models)) == ({"iris"}, {"iris", "wine"})


def test_a_workspace_without_operations_has_an_empty_state_and_stays_without_a_log(log):
    assert not log.state().models
    assert not log.path.exists()


def test_a_torn_end_is_not_read_and_is_cut_by_the_next_writer(log, other):
    log.ask(next_version())
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b'{"c":"12345678","n":2,')

    seen = dict(other.state().model_numbers)
    number = other.ask(next_version())["number"]

    assert (seen, number) == ({"iris": 1}, 2)
    assert [operation["n"] for operation in operations_in(log.path)] == [1, 2]
    assert log.ask(next_version())["number"] == 3


@pytest.mark.parametrize("damage", [b"iriz", b"iri\n"], ids=["another letter", "a line break"])
def test_a_damaged_line_stops_everything_and_is_told(log, other, damage):
    log.ask(next_version())
    log.path.write_bytes(log.path.read_bytes().replace(b"iris", damage, 1))

    with pytest.raises(CatalogDamagedError, match=r"000000000001.log is damaged: the line at byte [1-9]\d+:"):
        other.ask(next_version())
    with pytest.raises(CatalogDamagedError):
        other.state()


def test_an_operation_out_of_order_stops_everything(log, other):
    log.ask(next_version())
    with log.path.open("ab") as file:
        file.write(seal({"n": 3, "req": "x", "k": "x", "b": {"changes": [], "answer": {}}}))

    with pytest.raises(CatalogDamagedError, match="number 3 where 2 should stand"):
        other.state()


def test_an_operation_for_which_there_is_no_room_did_not_happen(log, other):
    log.ask(next_version())

    with files_of_at_most(log.path.stat().st_size + 50), pytest.raises(NotRecordedError):
        log.ask(next_version("retried"))
    number = log.ask(next_version("retried"))["number"]

    assert number == 2
    assert other.ask(next_version())["number"] == 3


def test_whoever_waits_too_long_is_told_who_holds_the_log(workspace, log):
    script = """
import sys, time
from nbpipe.base.locks import PolledLock
from nbpipe.base.workspace import find_workspace
with PolledLock(find_workspace().operations / "lock"):
    print("held", flush=True)
    time.sleep(60)
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        holder.stdout.readline()
        with pytest.raises(CatalogBusyError) as caught:
            log.ask(next_version())
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()

    assert caught.value.holder_pid == holder.pid
    assert log.ask(next_version())["number"] == 1


def test_an_interrupt_between_the_write_and_the_answer_costs_nothing(log, monkeypatch):
    log.ask(next_version())
    with monkeypatch.context() as patch:
        patch.setattr(Memory, "remember", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            log.ask(next_version("interrupted"))

    number = log.ask(next_version("interrupted"))["number"]

    assert number == 2
    assert log.ask(next_version())["number"] == 3


def test_a_replaced_log_is_read_anew(workspace, log, other):
    log.ask(DescribeModel(name="old"))
    other.state()
    log.path.unlink()
    fresh = Log(workspace)
    fresh.ask(DescribeModel(name="new"))
    fresh.close()

    assert set(other.state().models) == {"new"}
    assert log.ask(next_version())["number"] == 1


def test_a_log_that_lost_its_end_is_read_anew(log, other):
    log.ask(DescribeModel(name="kept"))
    size = log.path.stat().st_size
    log.ask(DescribeModel(name="lost"))
    other.state()
    os.truncate(log.path, size)

    assert set(other.state().models) == {"kept"}


def test_threads_of_a_process_take_turns(log):
    numbers: list[int] = []
    threads = [
        threading.Thread(target=lambda: numbers.extend(log.ask(next_version())["number"] for _ in range(20)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == list(range(1, 121))


def test_a_forked_child_goes_on_with_handles_of_its_own(log):
    log.ask(next_version())
    reads, writes = os.pipe()

    pid = os.fork()
    if pid == 0:
        os.write(writes, json.dumps(log.ask(next_version())["number"]).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    childs = json.loads(os.read(reads, 100))
    os.close(reads)
    os.close(writes)

    assert (childs, log.ask(next_version())["number"]) == (2, 3)


def test_a_durable_operation_syncs_what_it_speaks_of_first(log):
    said: list[str] = []

    log.transact(next_version(), durable=True, before_sync=lambda: said.append("facts"))

    assert said == ["facts"]


# What is remembered of the log ----------------------------------------------------------------


@given(names=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), data=st.data())
def test_a_kept_memory_and_the_rest_of_the_log_give_what_the_whole_log_gives(tmp_path_factory, names, data):
    paths = WorkspacePaths(tmp_path_factory.mktemp("workspace") / ".nbpipe").ensure()
    log = Log(paths)
    kept_after = data.draw(st.integers(0, len(names) - 1))
    for n, name in enumerate(names):
        target = PointedAt(kind=Kind.RUN, id=f"run-{n}", scope="p", label="run")
        log.ask(AddTags(tags=(Tag(name=name, exclusive=name in "abc"),), targets=(target,)))
        log.ask(next_version())
        if n == kept_after:
            memories.save(log._memory, paths.operations)
    whole = log.state().to_json()
    log.close()
    cold = Log(paths)

    assert cold.state().to_json() == whole
    assert cold._memory.n == 2 * len(names)
    cold.close()


def test_a_cold_process_begins_at_the_newest_kept_memory(workspace, log, other, monkeypatch):
    for _ in range(3):
        log.ask(next_version("same") if _ == 0 else next_version())
    memories.save(log._memory, workspace.operations)
    log.ask(next_version())
    taken: list[int] = []
    whole = Memory.take_in
    monkeypatch.setattr(Memory, "take_in", lambda self, *told: (taken.append(self.n), whole(self, *told))[1])

    answer = other.ask(next_version("same"))

    assert taken == [3]
    assert answer["number"] == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data.replace(b"iris", b"iriz"),
        lambda data: b"",
        lambda data: seal({"schema": 99, "position": 1}),
        lambda data: b"\xff\n",
    ],
    ids=["torn", "changed", "empty", "of another time", "garbage"],
)
def test_a_spoilt_memory_is_passed_over(workspace, log, other, spoil):
    log.ask(next_version())
    memories.save(log._memory, workspace.operations)
    (path,) = memories.saved(workspace.operations)
    path.write_bytes(spoil(path.read_bytes()))

    assert dict(other.state().model_numbers) == {"iris": 1}


def test_a_memory_of_another_log_is_passed_over(workspace, log, other):
    log.ask(DescribeModel(name="old"))
    memories.save(log._memory, workspace.operations)
    data = log.path.read_bytes()
    log.path.unlink()
    log.path.write_bytes(data.replace(b"old", b"new"))
    lines = [json.loads(line) for line in log.path.read_bytes().splitlines()]
    log.path.write_bytes(b"".join(seal({key: value for key, value in line.items() if key != "c"}) for line in lines))

    assert set(other.state().models) == {"new"}


def test_two_memories_are_kept_and_older_ones_go(workspace, log):
    for _ in range(4):
        log.ask(next_version())
        memories.save(log._memory, workspace.operations)

    assert len(memories.saved(workspace.operations)) == 2
    assert memories.saved(workspace.operations)[0].name == "op-4.state"


def test_answers_beyond_those_kept_are_forgotten_oldest_first():
    memory = Memory(answers=OrderedDict((str(n), {}) for n in range(ANSWERS_KEPT)))

    memory.remember("new", {"answer": 1})

    assert len(memory.answers) == ANSWERS_KEPT
    assert "0" not in memory.answers
    assert memory.answers["new"] == {"answer": 1}
