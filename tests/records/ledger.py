"""An operation log in memory: each operation is decided on the state before it, and what it changed is applied."""

from __future__ import annotations

import json
from typing import Any

from nbpipe.base.digest import canonical_json
from nbpipe.base.ids import new_id
from nbpipe.records.changes import Change
from nbpipe.records.models import ModelConfig
from nbpipe.records.operations import AddTags, EndRun, NamedArtifact, OpenModelVersion, Operation, PointedAt, SetStage
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.state import OperationState
from nbpipe.records.tags import as_tags

AT = "2026-11-20T08:15:30.000000+00:00"


class Ledger:
    """What was decided so far: the state, the changes that led there, and every row as it stands now."""

    def __init__(self) -> None:
        self.state = OperationState()
        self.changes: list[Change] = []
        self.rows: dict[str, dict[str, Any]] = {}

    def ask(self, operation: Operation) -> dict[str, Any]:
        """Let an operation decide; what it refuses leaves everything as it was."""
        decision = operation.decide(self.state, len(self.changes) + 1, AT, "ada")
        for change in decision.changes:
            written = json.loads(canonical_json({"row": change.row}))["row"]
            self._take(Change(change.table, change.key, written))
        return decision.answer

    def _take(self, change: Change) -> None:
        self.changes.append(change)
        self.state.apply(change)
        table = self.rows.setdefault(change.table, {})
        if change.row is None:
            table.pop(change.key, None)
        else:
            table[change.key] = change.row

    # What is often asked -----------------------------------------------------------------------

    def tag(self, tags: Any, entity: str, *, kind: Kind = Kind.RUN, scope: str = "training") -> dict[str, Any]:
        """Put tags on something."""
        return self.ask(AddTags(tags=as_tags(tags), targets=(PointedAt(kind=kind, id=entity, scope=scope),)))

    def end(self, run_id: str, status: Status = Status.COMPLETED, **moved: Any) -> dict[str, Any]:
        """End a run of the pipeline `training`."""
        moved["tags"] = as_tags(moved.get("tags"))
        return self.ask(EndRun(run_id=run_id, pipeline="training", status=status, **moved))

    def version(
        self, name: str | None = None, *, model: str = "iris", run_id: str = "", tags: Any = ()
    ) -> dict[str, Any]:
        """Make or find the version that a run works on."""
        config = ModelConfig(name=model, tags=tags)
        return self.ask(OpenModelVersion(model=config, version=name, run_id=run_id or new_id()))

    def promote(self, version: str, stage: Any, *, force: bool = False, model: str = "iris") -> dict[str, Any]:
        """Move a version to a stage."""
        return self.ask(SetStage(model=model, version=version, stage=stage, force=force))

    def bearers(self, name: str, kind: Kind = Kind.RUN) -> set[str]:
        """Give the ids of what bears a tag."""
        ids = {row["id"] for row in self.rows.get("tag", {}).values() if row["name"] == name}
        taggings = self.rows.get("tagging", {}).values()
        return {row["entity_id"] for row in taggings if row["tag_id"] in ids and row["entity_kind"] == kind.value}


def named(*artifacts: tuple[str, str]) -> tuple[NamedArtifact, ...]:
    """Give artifact versions as (id, name)."""
    return tuple(NamedArtifact(id=id, name=name) for id, name in artifacts)
