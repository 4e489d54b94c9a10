"""Workspaces of each version of nbpipe, kept for the tests: what was written once must be read for ever.

    python -m tests.catalog.keeping      keeps one of this version, beside those that are there

A kept workspace has everything that a catalog may hold: runs that ended well, badly and not at all, reuse, metadata
of every kind, tags, model versions, snapshots, schedules, deployments, deletions; logs, segments of operations, an
archive, a published file and a tail behind it. With it is kept what all views said.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

from nbpipe.base.version import VERSION
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import operationlog, retiring
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.views import COLUMNS
from nbpipe.records.models import ModelConfig, ModelStages
from nbpipe.records.operations import (
    AddTags,
    ClaimFirings,
    CreateSchedule,
    CreateSnapshot,
    CreateToken,
    DeleteArtifacts,
    DeleteRuns,
    OpenModelVersion,
    PointedAt,
    Promise,
    RenameRun,
    RenameTag,
    RevokeToken,
    SetStage,
    StartDeployment,
    Timing,
)
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from nbpipe.records.tokens import TokenScope
from tests.catalog.histories import Recording, artifact, small_run

FOLDER = Path(__file__).parent / "kept"
SAID = "said.json"


def write_history(paths: WorkspacePaths) -> None:
    """Do what a few sessions do, in a workspace that is new."""
    patches = (
        mock.patch.object(retiring, "_ENOUGH_LOGS", 1),
        mock.patch.object(operationlog, "_SEGMENT_BYTES", 8192),
    )
    with patches[0], patches[1]:
        for n in range(4):
            catalog = Catalog(paths)
            _session(catalog, n)
            catalog.publish()
            catalog.close()
    last = Catalog(paths)
    small_run(last, pipeline="tail")
    Recording(last, "tail").start().begin_step("never ended")
    last.close()


def _session(catalog: Catalog, nth: int) -> None:
    version = catalog.transact(OpenModelVersion(model=ModelConfig(name="iris"), version=None, run_id=f"r{nth}"))
    run = Recording(catalog).start(model_version_id=version["id"], parameters={"rate": 0.1 * nth, "name": "é\"'"})
    outputs = run.step("load")
    run.step("reuse", reuse=outputs)
    run.step("train", metadata=[{"kind": "run", "id": run.id, "values": {"scores": {"accuracy": 0.9}}}])
    run.log({"loss": 0.5 - nth / 10, "when": {"$type": "datetime", "value": "2026-11-21T02:00:00+00:00"}, "no": None})
    item = run.begin_step("score[0]")
    run.end_step(item, "score[0]", reuse=[artifact("score", item)], status="completed", item_of="score", item=0)
    run.step("score", items={"total": 1, "completed": 1, "reused": 0, "failed": 0, "interrupted": 0, "alike": True})
    run.catalog.append("source", id=f"{nth}" * 32, run="", body={"parts": {"train": ["digest", "def train(): ..."]}})
    run.catalog.append("displays", id=run.begin_step("late"), run=run.id, body={"displays": [{"text/plain": "table"}]})
    tags = (Tag(name="latest", exclusive=True), Tag(name=f"v{nth}", cascade=True))
    run.end(tags=tags, model_version_id=version["id"])
    failed = Recording(catalog, "other").start()
    failed.step("bad", status="failed", error={"type": "ValueError", "message": "<bad>", "traceback": "line 1"})
    failed.end(Status.FAILED, error_step="bad", error_type="ValueError", error_message="<bad>")
    catalog.transact(SetStage(model="iris", version=str(nth + 1), stage=ModelStages.PRODUCTION, force=True, note="ok"))
    pointed = (PointedAt(kind=Kind.RUN, id=run.id, scope="training", label="run"),)
    catalog.transact(AddTags(tags=(Tag(name=f"mine {nth}"),), targets=pointed))
    catalog.transact(RenameTag(name=f"mine {nth}", to=f"ours {nth}"))
    catalog.transact(CreateSnapshot(id=f"snap-{nth}", pipeline="training", name=f"nightly {nth}", digest=f"d{nth}"))
    timing = Timing(cron_expression="0 2 * * *", catchup="last", overlap="skip", timezone="Europe/Berlin")
    since, due = datetime(2026, 11, 20, 12, tzinfo=UTC), datetime(2026, 11, 21, 1, tzinfo=UTC)
    told = {"pipeline": "training", "snapshot_id": f"snap-{nth}", "timing": timing, "since": since}
    catalog.transact(CreateSchedule(id=f"schedule-{nth}", name=f"every night {nth}", **told))
    promises = (Promise(run_id=f"promised-{nth}", due=due, alone=False),)
    catalog.transact(ClaimFirings(id=f"schedule-{nth}", since=since, until=due, promises=promises))
    served = {"pipeline": "training", "snapshot_id": f"snap-{nth}", "url": "http://127.0.0.1:8000"}
    served["settings"] = {"timeout_s": 30}
    catalog.transact(StartDeployment(id=f"deployment-{nth}", name="predictor", replace=True, **served))
    catalog.transact(CreateToken(id=f"token-{nth}", name="ci", digest=f"{nth}" * 64, scope=TokenScope.READ))
    catalog.transact(RevokeToken(id=f"token-{nth}"))
    catalog.transact(RenameRun(id=run.id, to=f"run \U0001f600 {nth}"))
    unwanted = small_run(catalog, pipeline="unwanted")
    catalog.transact(DeleteArtifacts(ids=(unwanted.outputs[0]["id"],)))
    catalog.transact(DeleteRuns(ids=(unwanted.id,)))


def said_by(catalog: Catalog, columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Give what views say, a row each, by the columns that are asked for, in an order of its own."""
    return {view: sorted(_rows(catalog, view, names)) for view, names in columns.items()}


def _rows(catalog: Catalog, view: str, names: list[str]) -> list[str]:
    asked = ", ".join(f'"{name}"' for name in names)
    return [json.dumps(row, default=str, sort_keys=True) for row in catalog.rows(f"SELECT {asked} FROM {view}")]


def known_columns() -> dict[str, list[str]]:
    """Give the columns of all views, but for those that say in which order rows arrived."""
    return {view: [name for name in columns if name != "seq"] for view, columns in COLUMNS.items()}


def keep(place: Path) -> None:
    """Keep a workspace of this version in a file."""
    with tempfile.TemporaryDirectory() as folder:
        paths = WorkspacePaths(Path(folder) / ".nbpipe")
        write_history(paths)
        catalog = Catalog(paths)
        columns = known_columns()
        said: dict[str, Any] = {"columns": columns, "rows": said_by(catalog, columns)}
        said["state"] = catalog.state().to_json()
        catalog.close()
        (Path(folder) / SAID).write_text(json.dumps(said), encoding="utf-8")
        place.parent.mkdir(exist_ok=True)
        with tarfile.open(place, "w:gz") as kept:
            for path in sorted(Path(folder).rglob("*")):
                kept.add(path, path.relative_to(folder), recursive=False, filter=_nobodys)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    # The people's link is made anew by whoever publishes.
    return None if member.name.endswith(("/lock", ".lock", "catalog.duckdb")) else member


if __name__ == "__main__":
    keep(FOLDER / f"{VERSION}.tar.gz")
