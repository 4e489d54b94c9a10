"""The shared state that rules decide on, and the columns of every state table.

The operation log is replayed into an `OperationState`: names, counters, holders and stages, not
the history and not what merely happened. `TABLES` is the one list of the tables that operations
change; the catalog makes its own tables and views from it.

A rule that needs to see its own changes works on a `draft()`. Nothing is ever deleted from the
mappings: what is gone maps to `None`, so that a draft can lie over the state it was made from.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from typing import Any

from nbpipe.records.changes import Change, key_of

Row = Mapping[str, Any]

# Column types are DuckDB's. The first column is never null.
TABLES: dict[str, dict[str, str]] = {
    "run_state": {
        "id": "VARCHAR",
        "status": "VARCHAR",
        "ended": "TIMESTAMPTZ",
        "error_step": "VARCHAR",
        "error_type": "VARCHAR",
        "error_message": "VARCHAR",
        "model_version_id": "VARCHAR",
    },
    "run_name": {"id": "VARCHAR", "name": "VARCHAR"},
    "artifact_number": {"id": "VARCHAR", "name": "VARCHAR", "number": "BIGINT"},
    # What was deleted, and is in no listing any more; its facts stay where they were written down.
    "deletion": {"entity_kind": "VARCHAR", "entity_id": "VARCHAR", "at": "TIMESTAMPTZ", "by": "VARCHAR"},
    "tag": {"id": "VARCHAR", "name": "VARCHAR", "exclusive": "BOOLEAN", "cascade": "BOOLEAN", "created": "TIMESTAMPTZ"},
    # A tagging points at its tag by id: a rename or a deletion of the tag is one row, however many bear it.
    "tagging": {
        "tag_id": "VARCHAR",
        "entity_kind": "VARCHAR",
        "entity_id": "VARCHAR",
        "scope": "VARCHAR",
        "at": "TIMESTAMPTZ",
    },
    "model": {"name": "VARCHAR", "description": "VARCHAR", "created": "TIMESTAMPTZ"},
    "model_version": {
        "id": "VARCHAR",
        "model": "VARCHAR",
        "number": "BIGINT",
        "name": "VARCHAR",
        "stage": "VARCHAR",
        "failed": "BOOLEAN",
        "run_id": "VARCHAR",
        "description": "VARCHAR",
        "created": "TIMESTAMPTZ",
    },
    "model_link": {"version_id": "VARCHAR", "kind": "VARCHAR", "entity_id": "VARCHAR", "name": "VARCHAR"},
    "stage_history": {
        "model": "VARCHAR",
        "version_id": "VARCHAR",
        "number": "BIGINT",
        "from_stage": "VARCHAR",
        "to_stage": "VARCHAR",
        "at": "TIMESTAMPTZ",
        "by": "VARCHAR",
        "note": "VARCHAR",
        "forced": "BOOLEAN",
    },
    "snapshot": {
        "id": "VARCHAR",
        "pipeline": "VARCHAR",
        "name": "VARCHAR",
        "description": "VARCHAR",
        "digest": "VARCHAR",
        "created": "TIMESTAMPTZ",
        "run_id": "VARCHAR",
    },
    "schedule": {
        "id": "VARCHAR",
        "name": "VARCHAR",
        "pipeline": "VARCHAR",
        "snapshot_id": "VARCHAR",
        "cron_expression": "VARCHAR",
        "interval_s": "DOUBLE",
        "run_at": "TIMESTAMPTZ",
        "starts": "TIMESTAMPTZ",
        "ends": "TIMESTAMPTZ",
        "timezone": "VARCHAR",
        "catchup": "VARCHAR",
        "overlap": "VARCHAR",
        "active": "BOOLEAN",
        "created": "TIMESTAMPTZ",
        "deleted": "TIMESTAMPTZ",
        "last_fired": "TIMESTAMPTZ",
        "since": "TIMESTAMPTZ",
        "owed": "JSON",
    },
    "firing": {
        "schedule_id": "VARCHAR",
        "due": "TIMESTAMPTZ",
        "outcome": "VARCHAR",
        "at": "TIMESTAMPTZ",
        "by": "VARCHAR",
        "run_id": "VARCHAR",
        "last_due": "TIMESTAMPTZ",
        "number": "BIGINT",
        "error": "VARCHAR",
    },
    "deployment": {
        "id": "VARCHAR",
        "name": "VARCHAR",
        "pipeline": "VARCHAR",
        "snapshot_id": "VARCHAR",
        "url": "VARCHAR",
        "settings": "JSON",
        "generation": "BIGINT",
        "started": "TIMESTAMPTZ",
        "stopped": "TIMESTAMPTZ",
    },
    # Of a token itself nothing is known but its digest.
    "token": {
        "id": "VARCHAR",
        "name": "VARCHAR",
        "digest": "VARCHAR",
        "scope": "VARCHAR",
        "created": "TIMESTAMPTZ",
        "expires": "TIMESTAMPTZ",
        "revoked": "TIMESTAMPTZ",
    },
}


@dataclass(slots=True)
class OperationState:
    """What rules look at. Mappings are by key; a value of `None` means gone."""

    tags: MutableMapping[str, Row | None] = field(default_factory=dict)
    tag_ids: MutableMapping[str, str | None] = field(default_factory=dict)
    holders: MutableMapping[str, str | None] = field(default_factory=dict)
    artifact_numbers: MutableMapping[str, int] = field(default_factory=dict)
    deleted_artifacts: MutableMapping[str, str | None] = field(default_factory=dict)
    models: MutableMapping[str, Row | None] = field(default_factory=dict)
    model_numbers: MutableMapping[str, int] = field(default_factory=dict)
    versions: MutableMapping[str, Row | None] = field(default_factory=dict)
    version_names: MutableMapping[str, str | None] = field(default_factory=dict)
    version_numbers: MutableMapping[str, str | None] = field(default_factory=dict)
    stages: MutableMapping[str, str | None] = field(default_factory=dict)
    moves: MutableMapping[str, Row | None] = field(default_factory=dict)
    snapshots: MutableMapping[str, Row | None] = field(default_factory=dict)
    snapshot_names: MutableMapping[str, str | None] = field(default_factory=dict)
    schedules: MutableMapping[str, Row | None] = field(default_factory=dict)
    schedule_names: MutableMapping[str, str | None] = field(default_factory=dict)
    deployments: MutableMapping[str, Row | None] = field(default_factory=dict)
    deployment_names: MutableMapping[str, str | None] = field(default_factory=dict)
    tokens: MutableMapping[str, Row | None] = field(default_factory=dict)
    token_names: MutableMapping[str, str | None] = field(default_factory=dict)

    def draft(self) -> OperationState:
        """Give a state that lies over this one: changes applied to it leave this one alone."""
        return _Drafted(self)

    def apply(self, change: Change) -> None:
        """Take in one change of any table; tables that no rule looks at are passed over."""
        match change.table:
            case "tag":
                self._apply_tag(change)
            case "tagging":
                self._apply_tagging(change)
            case "artifact_number":
                if change.row is not None:
                    name, number = change.row["name"], change.row["number"]
                    self.artifact_numbers[name] = max(self.artifact_numbers.get(name, 0), number)
            case "deletion":
                # Known here so that nothing reuses them.
                if change.row is not None and change.row["entity_kind"] == "artifact_version":
                    self.deleted_artifacts[change.row["entity_id"]] = change.row["at"]
            case "model":
                self.models[change.key] = change.row
            case "model_version":
                self._apply_version(change)
            case "stage_history":
                self._apply_move(change)
            case "snapshot":
                self._apply_snapshot(change)
            case "schedule":
                _put_named(self.schedules, self.schedule_names, change, until="deleted")
            case "deployment":
                _put_named(self.deployments, self.deployment_names, change)
            case "token":
                _put_named(self.tokens, self.token_names, change, until="revoked")

    def _apply_tag(self, change: Change) -> None:
        former = self.tags.get(change.key)
        if former is not None:
            self.tag_ids[former["name"]] = None
        self.tags[change.key] = change.row
        if change.row is not None:
            self.tag_ids[change.row["name"]] = change.key

    def _apply_tagging(self, change: Change) -> None:
        tag_id, kind, entity_id = change.key.split("\0")
        tag = self.tags.get(tag_id)
        if tag is None or not tag["exclusive"]:
            return
        if change.row is not None:
            self.holders[key_of(tag_id, kind, change.row["scope"])] = entity_id
            return
        for place, holder in self.holders.items():
            if holder == entity_id and place.startswith(key_of(tag_id, kind, "")):
                self.holders[place] = None
                return

    def _apply_version(self, change: Change) -> None:
        former = self.versions.get(change.key)
        if former is not None:
            model = former["model"]
            self.version_names[key_of(model, former["name"])] = None
            self.version_numbers[key_of(model, str(former["number"]))] = None
            if self.stages.get(key_of(model, former["stage"])) == change.key:
                self.stages[key_of(model, former["stage"])] = None
        self.versions[change.key] = change.row
        if change.row is None:
            return
        model = change.row["model"]
        self.version_names[key_of(model, change.row["name"])] = change.key
        self.version_numbers[key_of(model, str(change.row["number"]))] = change.key
        # Numbers of deleted versions are never given out again.
        self.model_numbers[model] = max(self.model_numbers.get(model, 0), change.row["number"])
        if change.row["stage"] in ("staging", "production"):
            self.stages[key_of(model, change.row["stage"])] = change.key

    def _apply_move(self, change: Change) -> None:
        """Remember of each model's moves the last that were made together: what can be taken back."""
        if change.row is None:
            return
        n, model = int(change.key.partition("-")[0]), change.row["model"]
        last = self.moves.get(model)
        together = last["moves"] if last is not None and last["n"] == n else []
        move = {name: change.row[name] for name in ("version_id", "number", "from_stage", "to_stage")}
        self.moves[model] = {"n": n, "undoes": change.row.get("undoes", 0), "moves": [*together, move]}

    def _apply_snapshot(self, change: Change) -> None:
        former = self.snapshots.get(change.key)
        if former is not None and former["name"]:
            place = key_of(former["pipeline"], former["name"])
            if self.snapshot_names.get(place) == change.key:
                self.snapshot_names[place] = None
        self.snapshots[change.key] = change.row
        if change.row is not None and change.row["name"]:
            self.snapshot_names[key_of(change.row["pipeline"], change.row["name"])] = change.key

    def to_json(self) -> dict[str, Any]:
        """Give the state as plain data; what is gone is left out, save for numbers."""
        return {
            part.name: {key: value for key, value in getattr(self, part.name).items() if value is not None}
            for part in fields(self)
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> OperationState:
        """Make the state that `to_json` described."""
        return cls(**{part.name: dict(data.get(part.name, {})) for part in fields(cls)})


_PARTS = frozenset(part.name for part in fields(OperationState))


class _Drafted(OperationState):
    """A state that lies over another, part by part as they are asked for: most rules ask for few."""

    __slots__ = ("_below",)

    def __init__(self, below: OperationState) -> None:
        self._below = below

    def __getattr__(self, name: str) -> Any:
        """Lay a part over the one below; only called while there is none."""
        if name not in _PARTS:
            raise AttributeError(name)
        layer = _Layer({}, getattr(self._below, name))
        setattr(self, name, layer)
        return layer


class _Layer(ChainMap[str, Any]):
    """Changes over a mapping that stays as it is; asked once for each artifact that a run made."""

    def get(self, key: str, default: Any = None) -> Any:
        """Give what is said of a key here, or else below."""
        own, below = self.maps
        return own[key] if key in own else below.get(key, default)


def _put_named(
    rows: MutableMapping[str, Row | None], names: MutableMapping[str, str | None], change: Change, *, until: str = ""
) -> None:
    """Take in a row whose name is its own until it is over or, where nothing says so, until it is gone."""
    former = rows.get(change.key)
    if former is not None and names.get(former["name"]) == change.key:
        names[former["name"]] = None
    rows[change.key] = change.row
    if change.row is not None and (not until or change.row[until] is None):
        names[change.row["name"]] = change.key


@dataclass(slots=True)
class Draft:
    """The changes that a rule is about to decide, each visible to the rule's next line."""

    state: OperationState
    changes: list[Change] = field(default_factory=list)

    @classmethod
    def over(cls, state: OperationState) -> Draft:
        """Begin a draft over `state`, which stays as it is."""
        return cls(state.draft())

    def put(self, table: str, key: str, row: Row | None) -> None:
        """Say that a row is so from now on; `None`: that it is gone."""
        change = Change(table, key, row)
        self.changes.append(change)
        self.state.apply(change)
