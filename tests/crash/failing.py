"""A day in the life of a workspace, during which one call of the operating system fails.

Whatever fails must be told as an error of ours. What was acknowledged is there afterwards once,
what was refused is not, and the same thing asked again works. No pytest here: this runs in a
process of its own, since it puts other functions in the place of the system's.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.errors import NbpipeError
from nbpipe.records.models import ModelConfig, ModelStages
from nbpipe.records.operations import AddTags, OpenModelVersion, Operation, PointedAt, SetStage
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag
from tests.catalog.histories import ENDED, STARTED
from tests.crash.cast import Diary
from tests.crash.faults import WAYS, Calls
from tests.crash.ledger import operations

_FACTS = {
    "run_started": "SELECT id FROM runs",
    "step": "SELECT id FROM steps",
    "metadata": "SELECT entity_id AS id FROM metrics",
}
MOST_WAYS = max(map(len, WAYS.values()))


@dataclass
class _Day:
    """One scenario in one workspace, and what came of it."""

    catalog: Catalog
    facts: list[tuple[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    again: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def do(self, name: str, act: Callable[[], object]) -> None:
        """Do something; what fails is put by, to be done again when all is well."""
        try:
            act()
        except NbpipeError as error:
            self.refused.append(f"{name}: {type(error).__name__}")
            self.again.append((name, act))
        except Exception as error:
            told = traceback.extract_tb(error.__traceback__)
            ours = next(
                (f"{frame.filename}:{frame.lineno}" for frame in reversed(told) if "nbpipe/" in frame.filename), ""
            )
            self.wrong.append(f"{type(error).__name__} at {ours.rpartition('/nbpipe/')[2]} from {name}")
            self.again.append((name, act))

    def fact(self, kind: str, run: str, body: dict[str, Any]) -> None:
        fact = run if kind != "step" else new_id()

        def append() -> None:
            self.catalog.append(kind, id=fact, run=run, body=body)
            self.facts.append((kind, fact))

        self.do(f"append {kind}", append)

    def operation(self, operation: Operation, *, durable: bool = False) -> None:
        def transact() -> None:
            self.catalog.transact(operation, durable=durable)
            self.requests.append(operation.request_id)

        self.do(f"transact {operation.kind}", transact)

    def run(self) -> None:
        run = new_id()
        self.fact("run_started", run, {"name": "r", "pipeline": "training", "kind": "pipeline", "parameters": {}})
        self.fact("step", run, _step_body())
        self.fact("metadata", run, {"kind": "run", "values": {"nth": 1}, "step_id": ""})
        target = PointedAt(kind=Kind.RUN, id=run, scope="training")
        self.operation(AddTags(tags=(Tag(name="latest", exclusive=True),), targets=(target,)))
        self.operation(OpenModelVersion(model=ModelConfig(name="iris"), version=None, run_id=run), durable=True)

    def read(self) -> None:
        self.do("rows", lambda: self.catalog.rows("SELECT * FROM runs"))
        self.do("query", lambda: self.catalog.query("SELECT * FROM tags"))
        self.do("state", self.catalog.state)

    def go(self) -> None:
        self.run()
        self.do("publish", self.catalog.publish)
        self.read()
        self.run()
        self.read()
        self.operation(SetStage(model="iris", version=None, stage=ModelStages.PRODUCTION, force=True))
        self.do("publish", self.catalog.publish)
        self.do("rebuild", self.catalog.rebuild)
        self.read()
        self.do("check", self.catalog.check)
        self.do("sync", self.catalog.sync)

    def once_more(self) -> None:
        """Do again what failed: now everything must go well."""
        again, self.again = self.again, []
        before = len(self.wrong)
        refused = len(self.refused)
        for name, act in again:
            self.do(name, act)
        self.wrong += [f"still, when all is well: {what}" for what in self.refused[refused:]]
        self.wrong[before:] = [f"still, when all is well: {what}" for what in self.wrong[before:]]


def failing_calls(root: Path, diary: Diary, ways: list[int], *, first: int, every: int, stays: bool) -> None:
    """Live through the day again and again, the n-th call failing, until nothing fails any more; say what was wrong.

    Args:
        root: A folder; each day has a workspace of its own in it.
        diary: What is told of each day.
        ways: In which ways a call fails, each on a day of its own.
        first: The first call to fail.
        every: How many calls to go on by.
        stays: Whether the disk is full from that call on, until the end of the day.
    """
    at = first
    while True:
        passed = True
        for way in ways:
            folder = root / f"{at}-{way}-{int(stays)}"
            day, calls = _live(folder, at, way, stays=stays)
            passed = passed and calls.count < at
            day.wrong += _missing(WorkspacePaths(folder), day)
            diary.say(
                "day",
                at=at,
                failed=calls.failed[:3],
                refused=day.refused,
                wrong=[f"{calls.failed[:1]} {what}" for what in day.wrong],
            )
        if passed:
            return
        at += every


def _live(folder: Path, at: int, way: int, *, stays: bool) -> tuple[_Day, Calls]:
    with Calls(folder, at=at, way=way, stays=stays) as calls:
        day = _Day(Catalog(WorkspacePaths(folder)))
        day.go()
        calls.cure()
        day.once_more()
        day.do("close", day.catalog.close)
    return day, calls


def _missing(paths: WorkspacePaths, day: _Day) -> list[str]:
    """Say what is not as it was told, seen by a process that comes later."""
    wrong = []
    requests = Counter(line["req"] for line in operations(paths))
    wrong += [f"lost {request}" for request in day.requests if request not in requests]
    wrong += [f"twice {request}" for request, count in requests.items() if count > 1]
    catalog = Catalog(paths)
    for kind, question in _FACTS.items():
        found = Counter(row["id"] for row in catalog.rows(question))
        told = Counter(fact for of, fact in day.facts if of == kind)
        wrong += [
            f"{kind} {fact}: {found[fact]} times and not {told[fact]}" for fact in (found - told) + (told - found)
        ]
    wrong += [f"{finding.path.name} {finding.what}" for finding in catalog.check()]
    catalog.close()
    return wrong


def _step_body() -> dict[str, Any]:
    return {
        "node": "clean",
        "step": "clean",
        "pipeline": "training",
        "status": "completed",
        "started": STARTED,
        "ended": ENDED,
        "attempt": 1,
        "inputs": [],
        "outputs": [],
        "metadata": [],
        "tags": {},
    }
