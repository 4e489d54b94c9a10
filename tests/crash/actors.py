"""The parts that processes play in the trials. No pytest here: they are forked from a process that knows none."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import archive, operationlog, retiring
from nbpipe.catalog.catalog import Catalog
from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records import operations
from nbpipe.records.models import ModelConfig, ModelStages
from nbpipe.records.operations import (
    AddTags,
    CreateSnapshot,
    NamedArtifact,
    NumberArtifacts,
    OpenModelVersion,
    Operation,
    PointedAt,
    SetStage,
)
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag
from nbpipe.services.workspace import Workspace
from tests.catalog.histories import Recording
from tests.crash.cast import Diary, entries

_BY_KIND: dict[str, type[Operation]] = {
    found.kind: found for found in map(operations.__dict__.get, operations.__all__) if getattr(found, "kind", None)
}
LATEST = Tag(name="latest", exclusive=True)
_COUNTS = "SELECT count(*) AS n FROM runs WHERE ended IS NOT NULL"
_AMONG_RUNS = "SELECT id FROM runs WHERE id IN (SELECT unnest($ids::VARCHAR[]))"
_AMONG_ENDED = "SELECT id FROM runs WHERE ended IS NOT NULL AND id IN (SELECT unnest($ids::VARCHAR[]))"
_AMONG_STEPS = "SELECT id FROM steps WHERE id IN (SELECT unnest($ids::VARCHAR[]))"
_HALF_WRITTEN = """
    SELECT id FROM (SELECT id, status FROM runs ORDER BY seq DESC LIMIT 50)
    WHERE status = 'completed' AND id NOT IN (SELECT run_id FROM steps WHERE status = 'completed')
"""
_SEVERAL = """
    SELECT tag AS what FROM tags WHERE exclusive GROUP BY tag, scope HAVING count(*) > 1
    UNION ALL
    SELECT model FROM model_versions WHERE stage IN ('staging', 'production') GROUP BY model, stage HAVING count(*) > 1
"""


class Says(Protocol):
    """Whatever entries of a diary can be said to."""

    def say(self, word: str, **facts: Any) -> None:
        """Take one entry."""


def opened(root: Path) -> Catalog:
    """Open a catalog as everybody does: runs of the dead are ended by whoever finds them.

    Segments are closed, states kept and logs archived after minutes and not after weeks.
    """
    operationlog._SEGMENT_BYTES = 2**17
    operationlog._SAVE_EVERY_BYTES = 2**15
    retiring._ENOUGH_LOGS = 4
    archive._SMALL_BYTES = 2**18
    return Workspace(WorkspacePaths(root)).catalog


# Writing -------------------------------------------------------------------------------------


def ask(catalog: Catalog, diary: Says, operation: Operation) -> dict[str, Any]:
    """Ask for an operation, saying so before and after."""
    diary.say("asked", request=operation.request_id, kind=operation.kind, fields=operation.model_dump(mode="json"))
    answer = catalog.transact(operation)
    diary.say("answered", request=operation.request_id, answer=answer)
    return answer


def record_run(catalog: Catalog, diary: Says, *, name: str = "training") -> Recording:
    """Record a run of one step, saying of each fact that it is recorded; it has not ended yet."""
    run = Recording(catalog, name).start()
    diary.say("fact", kind="run_started", id=run.id)
    step_id = run.begin_step()
    # As a step that gave no tags really says it: the run may be ended by another process.
    run.end_step(step_id, tags={})
    diary.say("fact", kind="step", id=step_id)
    run.log({"nth": 1})
    diary.say("fact", kind="metadata", id=run.id)
    return run


def writer(root: Path, diary: Diary, unanswered: list[dict[str, Any]], pause_s: float, runs: int = 0) -> None:
    """Record runs and all kinds of operations; first, ask again what a former process got no answer to."""
    catalog = opened(root)
    for asked in unanswered:
        ask(catalog, diary, _BY_KIND[asked["kind"]].model_validate(asked["fields"]))
    for n in itertools.count(1):
        run = record_run(catalog, diary)
        for operation in moved_by(run):
            ask(catalog, diary, operation)
        ask(catalog, diary, run.ending(tags=(LATEST,)))
        time.sleep(random.uniform(0, 2 * pause_s))
        if n == runs:
            catalog.close()
            return


def moved_by(run: Recording) -> Iterator[Operation]:
    chance = random.random()
    if chance < 0.3:
        yield OpenModelVersion(model=ModelConfig(name="iris"), version=None, run_id=run.id)
        yield SetStage(model="iris", version=None, stage=ModelStages.PRODUCTION, force=True)
    elif chance < 0.6:
        target = PointedAt(kind=Kind.RUN, id=run.id, scope=run.pipeline)
        yield AddTags(tags=(Tag(name="best", exclusive=True),), targets=(target,))
    elif chance < 0.7:
        yield CreateSnapshot(id=new_id(), pipeline="training", name=new_id()[:8], digest=run.id, run_id=run.id)


# Publishing ----------------------------------------------------------------------------------


def publisher(root: Path, diary: Diary, pause_s: float = 0.0) -> None:
    """Publish without end, and settle the runs of the dead."""
    catalog = opened(root)
    while True:
        started = time.perf_counter()
        made = catalog.publish()
        if made is not None:
            diary.say("published", took_s=time.perf_counter() - started, rebuilt=made.rebuilt, archived=made.archived)
        time.sleep(pause_s)


# Reading -------------------------------------------------------------------------------------


class _Acknowledged:
    """What others were told, as their diaries have it, a little at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = {path: path.stat().st_size for path in self._diaries()}
        # Where somebody is writing just now, the end may be in the middle of an entry.
        for path, size in self._places.items():
            self._places[path] = path.read_bytes()[:size].rfind(b"\n") + 1

    def since(self) -> dict[str, set[str]]:
        """Give what was said since this was asked last: ids by kind of fact, and the runs that ended."""
        found: dict[str, set[str]] = {"run_started": set(), "step": set(), "ended": set()}
        for path in self._diaries():
            for place, entry in entries(path, self._places.get(path, 0)):
                self._places[path] = place
                if entry["word"] == "fact" and entry["kind"] in found:
                    found[entry["kind"]].add(entry["id"])
                elif entry["word"] == "answered" and entry["request"].startswith("end-"):
                    found["ended"].add(entry["request"][4:])
        return found

    def _diaries(self) -> list[Path]:
        return list(self._folder.glob("writer-*"))


def reader(root: Path, diary: Diary, diaries: str, rounds: int = 0, pause_s: float = 0.0) -> None:
    """Read without end: what was acknowledged before must be there, and nothing may ever go back.

    A run that ended has its steps. Says how long each reading took, and what was wrong with it.
    """
    catalog = opened(root)
    acknowledged = _Acknowledged(Path(diaries))
    again = _count_retries(catalog)
    before = 0
    for n in itertools.count(1):
        told = acknowledged.since()
        started = time.perf_counter()
        ended = catalog.rows(_COUNTS)[0]["n"]
        took_s = time.perf_counter() - started
        wrong = ["went back"] if ended < before else []
        wrong += [f"run {id}" for id in told["run_started"] - _ids(catalog, _AMONG_RUNS, told["run_started"])]
        wrong += [f"end of {id}" for id in told["ended"] - _ids(catalog, _AMONG_ENDED, told["ended"])]
        wrong += [f"step {id}" for id in told["step"] - _ids(catalog, _AMONG_STEPS, told["step"])]
        wrong += [f"half of {row['id']}" for row in catalog.rows(_HALF_WRITTEN)]
        wrong += [f"several hold {row['what']}" for row in catalog.rows(_SEVERAL)]
        diary.say(
            "read",
            took_s=took_s,
            checked=sum(map(len, told.values())),
            again=again(),
            wrong=wrong,
            questions=3 + sum(map(bool, told.values())),
        )
        before = ended
        if n == rounds:
            catalog.close()
            return
        time.sleep(pause_s)


def _ids(catalog: Catalog, question: str, ids: set[str]) -> set[str]:
    return {row["id"] for row in catalog.rows(question, {"ids": sorted(ids)})} if ids else set()


def _count_retries(catalog: Catalog) -> Callable[[], int]:
    """Have it counted how often the last check of a reading sends it back to the beginning."""
    reader_ = catalog._reader
    check, found_gone = reader_._is_still_there, []

    def counted(generation: int) -> bool:
        is_there = check(generation)
        if not is_there:
            found_gone.append(generation)
        return is_there

    reader_._is_still_there = counted  # type: ignore[method-assign]
    return lambda: len(found_gone)


def first_query(root: Path, diary: Diary) -> None:
    """Open the catalog as a new process does, ask one question and go."""
    started = time.perf_counter()
    catalog = opened(root)
    catalog.rows("SELECT id, name, status FROM runs ORDER BY seq DESC LIMIT 20")
    diary.say("read", took_s=time.perf_counter() - started)
    catalog.close()


# Load ----------------------------------------------------------------------------------------


def worker(root: Path, diary: Diary, count: int, seed: int, go: str) -> None:
    """Ask for operations of all kinds on few keys, as fast as it goes, and say when each was asked and answered."""
    catalog = opened(root)
    chance = random.Random(seed)
    while not Path(go).exists():
        time.sleep(0.001)
    for operation in itertools.islice(_operations(chance), count):
        _ask_timed(catalog, diary, operation)
        if chance.random() < 0.02:
            _ask_timed(catalog, diary, operation)
    catalog.close()


def _ask_timed(catalog: Catalog, diary: Says, operation: Operation) -> None:
    answer, word = None, "answered"
    started = time.monotonic_ns()
    try:
        answer = catalog.transact(operation)
    except (ConflictError, NotFoundError):
        word = "refused"
    ended = time.monotonic_ns()
    fields = operation.model_dump(mode="json")
    diary.say(
        word,
        request=operation.request_id,
        kind=operation.kind,
        fields=fields,
        began=started,
        ended=ended,
        answer=answer,
    )


def _operations(chance: random.Random) -> Iterator[Operation]:
    models = [f"model-{n}" for n in range(3)]
    yield from (OpenModelVersion(model=ModelConfig(name=name), version=None, run_id="") for name in models)
    while True:
        run, model = new_id(), chance.choice(models)
        match chance.randrange(8):
            case 0 | 1:
                tag = Tag(name=chance.choice(["best", "latest"]), exclusive=True)
                target = PointedAt(kind=Kind.RUN, id=run, scope=chance.choice(["training", "serving"]))
                yield AddTags(tags=(tag,), targets=(target,))
            case 2:
                yield SetStage(model=model, version=None, stage=ModelStages.PRODUCTION, force=True)
            case 3:
                version = str(chance.randint(1, 3))
                yield SetStage(model=model, version=version, stage=ModelStages.STAGING, force=chance.random() < 0.5)
            case 4:
                yield OpenModelVersion(model=ModelConfig(name=model), version=None, run_id=run)
            case 5:
                # Whoever comes first makes it; the others find it.
                name = f"candidate-{chance.randint(1, 40)}"
                yield OpenModelVersion(model=ModelConfig(name=model), version=name, run_id=run)
            case 6:
                name = f"release-{chance.randint(1, 400)}"
                yield CreateSnapshot(id=run, pipeline="training", name=name, digest=run)
            case 7:
                made = tuple(NamedArtifact(id=new_id(), name=chance.choice(["raw", "clean"])) for _ in range(2))
                yield NumberArtifacts(run_id=run, pipeline="training", made=made)


def poller(root: Path, diary: Diary, pause_s: float = 0.05) -> None:
    """Look again and again, as a widget does, and publish what is worth it."""
    catalog = opened(root)
    while True:
        started = time.perf_counter()
        wrong = [row["what"] for row in catalog.rows(_SEVERAL)]
        diary.say("read", took_s=time.perf_counter() - started, wrong=wrong)
        catalog.publish_if_worth()
        time.sleep(pause_s)
