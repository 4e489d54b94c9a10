"""What a pipeline leaves in the logs, in small: for the tests of the catalog."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nbpipe.base.ids import new_id
from nbpipe.catalog.views import COLUMNS
from nbpipe.records.operations import EndRun, NamedArtifact
from nbpipe.records.runs import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbpipe.catalog.catalog import Catalog
    from nbpipe.records.tags import Tag

STARTED = "2026-11-20T08:15:30.000000+00:00"
ENDED = "2026-11-20T08:15:31.500000+00:00"


def artifact(name: str, made_by: str) -> dict[str, Any]:
    """Give the record of a small artifact version."""
    return {
        "id": new_id(),
        "name": name,
        "output": name,
        "digest": "d" * 32,
        "type_name": "builtins.int",
        "materializer": "plain",
        "size_bytes": 3,
        "inline": {"plain": 7},
        "blob": "",
        "member": None,
        "pickled": False,
        "preview": {"kind": "json", "value": 7},
        "made_by": made_by,
        "tags": [],
    }


@dataclass
class Recording:
    """A run as it is being recorded."""

    catalog: Catalog
    pipeline: str = "training"
    id: str = field(default_factory=new_id)
    made: list[NamedArtifact] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def start(self, **body: Any) -> Recording:
        """Record the run's start."""
        told = {
            "name": f"{self.pipeline}-{self.id[:8]}",
            "pipeline": self.pipeline,
            "kind": "pipeline",
            "parameters": {"rate": 0.1},
            "differences": {},
            "snapshot_id": "",
            "schedule_id": "",
            "parent_run_id": "",
            "parent_step": "",
            "model_version_id": "",
            "graph": "g" * 64,
            "user": "ada",
            "host": "here",
            "pid": 7,
        }
        self.catalog.append("run_started", id=self.id, run=self.id, body={**told, **body})
        return self

    def begin_step(self, node: str = "clean") -> str:
        """Record a step's start; give its id."""
        step_id = new_id()
        self.catalog.append("step_started", id=step_id, run=self.id, body={"node": node, "step": node, "attempt": 1})
        return step_id

    def end_step(
        self, step_id: str, node: str = "clean", *, reuse: list[dict[str, Any]] | None = None, **body: Any
    ) -> list[dict[str, Any]]:
        """Record a step's end with one output; give the outputs."""
        outputs = reuse if reuse is not None else [artifact(f"{node}_data", step_id)]
        told = {
            "node": node,
            "step": node,
            "pipeline": self.pipeline,
            "status": "completed" if reuse is None else "reused",
            "why": "first time",
            "key": new_id(),
            "half": "half",
            "source": "s" * 32,
            "started": STARTED,
            "ended": ENDED,
            "attempt": 1,
            "parameters": {"limit": 3},
            "inputs": [{"name": "data", "artifact": done["id"], "digest": done["digest"]} for done in self.outputs],
            "outputs": outputs,
            "not_carried": [],
            "metadata": [],
            "tags": [],
            "error": None,
            "reused_from": None if reuse is None else reuse[0]["made_by"],
            "logs": "hello",
            "displays": [],
        }
        self.catalog.append("step", id=step_id, run=self.id, body={**told, **body})
        if reuse is None:
            self.made += [NamedArtifact(id=output["id"], name=output["name"]) for output in outputs]
        self.outputs = outputs
        return outputs

    def step(self, node: str = "clean", **body: Any) -> list[dict[str, Any]]:
        """Record a whole step; give its outputs."""
        return self.end_step(self.begin_step(node), node, **body)

    def log(self, values: Mapping[str, Any], *, kind: str = "run", id: str = "") -> None:
        """Record metadata, on the run itself if nothing else is named."""
        body = {"kind": kind, "values": dict(values), "step_id": ""}
        self.catalog.append("metadata", id=id or self.id, run=self.id, body=body)

    def end(self, status: Status = Status.COMPLETED, *, tags: tuple[Tag, ...] = (), **told: Any) -> dict[str, Any]:
        """Record the run's end."""
        return self.catalog.transact(self.ending(status, tags=tags, **told))

    def ending(self, status: Status = Status.COMPLETED, *, tags: tuple[Tag, ...] = (), **told: Any) -> EndRun:
        """Give the operation that records the run's end."""
        return EndRun(
            request_id=EndRun.request_id_for(self.id),
            run_id=self.id,
            pipeline=self.pipeline,
            status=status,
            tags=tags,
            made=tuple(self.made),
            reached=tuple(self.made),
            **told,
        )


def small_run(catalog: Catalog, *, steps: int = 1, pipeline: str = "training", **told: Any) -> Recording:
    """Record a whole small run."""
    run = Recording(catalog, pipeline).start()
    for n in range(steps):
        run.step(f"step_{n}")
    run.log({"accuracy": 0.9})
    run.end(**told)
    return run


def everything(catalog: Catalog) -> dict[str, list[tuple[str, ...]]]:
    """Give all rows of all views, in the order in which they arrived where that is told, without the numbers for it."""
    found = {}
    for view, columns in COLUMNS.items():
        order = " ORDER BY seq" if "seq" in columns else ""
        rows = [_comparable(row) for row in catalog.rows(f"SELECT * FROM {view}{order}")]
        found[view] = rows if order else sorted(rows, key=repr)
    return found


def _comparable(row: Mapping[str, Any]) -> tuple[str, ...]:
    # As text, in which a NaN equals another.
    return tuple(repr(value) for name, value in row.items() if name != "seq")
