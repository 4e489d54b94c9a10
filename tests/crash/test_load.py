"""Many processes ask for operations on few keys at once, while others look."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths
from tests.crash import actors
from tests.crash.cast import Cast
from tests.crash.ledger import Told, audit, operations
from tests.crash.linear import Record, disagreements
from tests.crash.trials import SEED, percentiles, report, sizes

POLLERS = 2


@sizes("processes, count", short=(6, 60), long=(16, 1000))
def test_what_many_processes_are_answered_could_have_come_from_one(
    workspace: WorkspacePaths, tmp_path: Path, processes: int, count: int
) -> None:
    go = tmp_path / "go"
    with Cast(workspace.root, tmp_path / "diaries") as cast:
        workers = [cast.start(actors.worker, f"worker-{n}", count, SEED * 1000 + n, str(go)) for n in range(processes)]
        pollers = [cast.start(actors.poller, f"poller-{n}") for n in range(POLLERS)]
        cast.wait_until(lambda: all(poller.said() for poller in pollers), "pollers look")
        go.touch()
        codes = [worker.join() for worker in workers]
        for poller in pollers:
            poller.kill()
        said = [entry for worker in workers for entry in worker.said("answered", "refused")]
        looks = [entry for poller in pollers for entry in poller.said("read")]
        failures = cast.failures()

    # A request that was repeated counts once as an operation.
    asked = {entry["request"] for entry in said}
    told = Told()
    told.take_in(said)
    wrong = disagreements(operations(workspace), said)
    audited = audit(workspace, told)
    took_s = (max(entry["ended"] for entry in said) - min(entry["began"] for entry in said)) / 1e9
    report(
        "load",
        processes=processes,
        operations=len(asked),
        repeated=len(said) - len(asked),
        refused=sum(entry["word"] == "refused" for entry in said),
        per_second=round(len(said) / took_s),
        **percentiles("operation", [(entry["ended"] - entry["began"]) / 1e9 for entry in said]),
        **percentiles("look", [entry["took_s"] for entry in looks]),
        none_of={
            "failures": failures,
            "unfinished": [code for code in codes if code != 0],
            "two_holders_seen": [what for entry in looks for what in entry["wrong"]],
            **{name: wrong.get(name, []) + audited.get(name, []) for name in {**wrong, **audited}},
        },
    )
    assert len(asked) == processes * count


def line(n: int, request: str, kind: str, op: Record, answer: Record) -> Record:
    return {"n": n, "req": request, "k": kind, "b": {"op": op, "answer": answer}}


def said(request: str, began: int, ended: int, answer: Record | None) -> Record:
    word = "answered" if answer is not None else "refused"
    asked = {"word": word, "request": request, "began": began, "ended": ended, "answer": answer}
    return {**asked, "kind": "create_snapshot", "fields": {"id": request, "name": "v1"}}


def snapshot(n: int, request: str, name: str = "v1") -> Record:
    op = {"id": request, "name": name}
    return line(n, request, "create_snapshot", op, op)


def tagged(n: int, request: str, lost: Record) -> Record:
    op = {"tags": [{"name": "best"}], "targets": [{"id": request, "scope": "training"}]}
    return line(n, request, "add_tags", op, {"lost": lost})


# The checker itself: a history with one fault of each kind must not pass.
@pytest.mark.parametrize(
    ("name", "log", "answered"),
    [
        ("lost", [], [said("a", 0, 1, {"id": "a", "name": "v1"})]),
        ("duplicated", [snapshot(1, "a"), snapshot(2, "a", "v2")], []),
        ("not_dense", [snapshot(1, "a"), snapshot(3, "b", "v2")], []),
        ("otherwise_answered", [snapshot(1, "a")], [said("a", 0, 1, {"id": "b", "name": "v1"})]),
        (
            "out_of_order",
            [snapshot(1, "a"), snapshot(2, "b", "v2")],
            [said("a", 5, 6, {"id": "a", "name": "v1"}), said("b", 0, 1, {"id": "b", "name": "v2"})],
        ),
        ("impossible_answers", [tagged(1, "a", {}), tagged(2, "b", {})], []),
        ("impossible_answers", [snapshot(1, "a"), snapshot(2, "b")], []),
        ("impossible_refusals", [snapshot(1, "a", "v2")], [said("b", 0, 1, None)]),
    ],
    ids=["lost", "twice", "gap", "answer", "order", "two-holders", "taken-name", "refusal"],
)
def test_a_history_that_no_single_process_could_have_made_is_told(
    name: str, log: list[Record], answered: list[Record]
) -> None:
    wrong = disagreements(log, answered)

    assert [found for found, what in wrong.items() if what] == [name]
