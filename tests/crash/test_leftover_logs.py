"""Thousands of logs that dead processes left."""

from __future__ import annotations

from collections.abc import Iterator

from nbpipe.base.ids import new_id
from nbpipe.base.log import seal
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import generations
from nbpipe.catalog.identity import who_writes
from nbpipe.records.operations import EndRun
from nbpipe.records.runs import Status
from nbpipe.services.workspace import Workspace
from tests.catalog.histories import Recording
from tests.crash.ledger import Told, audit, process_logs
from tests.crash.trials import report, sizes, timed

AT = "2026-11-20T08:15:30.000000+00:00"


@sizes("count", short=(600,), long=(10_000,))
def test_thousands_of_leftover_logs_are_read_published_and_archived_once(workspace: WorkspacePaths, count: int) -> None:
    told = Told()
    for lines in leave(workspace, count):
        for kind, fact in lines:
            told.facts[kind].add(fact)
    took: dict[str, list[float]] = {name: [] for name in ("first_query", "query", "append", "publish", "check")}

    catalog = Workspace(workspace).catalog
    found = timed(took["first_query"], lambda: catalog.rows("SELECT count(*) AS n FROM runs"))
    timed(took["query"], lambda: catalog.rows("SELECT id FROM runs ORDER BY seq DESC LIMIT 20"))
    # Whoever leaves many logs unpublished publishes them before he goes.
    run = timed(took["append"], Recording(catalog).start)
    told.facts["run_started"].add(run.id)
    timed(took["publish"], catalog.close)
    published = generations.published(workspace.catalog)
    # Archived is what two published files hold.
    for _ in range(2):
        newer = Workspace(workspace).catalog
        told.facts["run_started"].add(Recording(newer).start().id)
        timed(took["publish"], newer.publish)
        timed(took["check"], newer.check)
        newer.close()
    left = len(process_logs(workspace))

    report(
        "leftover logs",
        logs=count,
        logs_left_after_three_publishes=left,
        **{f"{name}_ms": [round(1000 * s) for s in times] for name, times in took.items()},
        none_of={
            "runs_not_found_at_once": count - found[0]["n"],
            "unpublished_at_exit": int(published != [1]),
            **audit(workspace, told),
        },
    )


def leave(paths: WorkspacePaths, count: int) -> Iterator[list[tuple[str, str]]]:
    """Make logs as dead processes leave them, each with a run; walk through the facts in each."""
    identity = who_writes()
    catalog = Workspace(paths).catalog
    for n in range(count):
        log, run = new_id(), new_id()
        started = {"name": f"r-{n}", "pipeline": "training", "kind": "pipeline", "model_version_id": ""}
        values = {"kind": "run", "values": {"nth": n}, "step_id": ""}
        lines = [
            seal({"k": "opened", "id": log, "at": AT, "b": identity}),
            seal({"k": "run_started", "id": run, "run": run, "at": AT, "b": started}),
            seal({"k": "metadata", "id": run, "run": run, "at": AT, "b": values}),
        ]
        # One in three was killed in the middle of a line, one in a hundred in the middle of its run.
        torn = lines[-1][: len(lines[-1]) // 2] if n % 3 == 0 else b""
        (paths.logs / f"{log}.log").write_bytes(b"".join(lines) + torn)
        if n % 100:
            catalog.transact(EndRun(request_id=f"end-{run}", run_id=run, pipeline="training", status=Status.FAILED))
        yield [("run_started", run), ("metadata", run)]
    catalog.close()
