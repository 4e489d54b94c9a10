"""What became of one step of a run, as a caller meets it; of a mapped one, of each item too.

A run with ten thousand items lists its steps. The items are read from the catalog one by one, or a page at a time,
and only when somebody wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nbpipe.base.displaying import Displayed
from nbpipe.catalog.finding import by_head, near
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.execute.files import FileRead
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.base import shorten
from nbpipe.records.metadata import decode, merge, metrics_in
from nbpipe.records.runs import Status, Triggered
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.instants import as_instant
from nbpipe.services.listing import Listing
from nbpipe.services.workspace import Workspace

_COLUMNS = """
    id, run_id, node, item, status, why, duration_s, parameters, error_type, error_message, error_traceback, logs,
    files, triggered, inputs, outputs, ended
"""
_ITEMS = f"""
    {near("items", "run_head")}
    SELECT {_COLUMNS} FROM near WHERE run_id = $run AND item_of = $node AND item >= $first
        AND ($status = '' OR status = $status)
    -- Of several attempts the last one counts.
    QUALIFY row_number() OVER (PARTITION BY item ORDER BY seq DESC) = 1 ORDER BY item LIMIT $limit
"""  # noqa: S608 — made of constants
_NOTES = f"""
    {near("metadata", "run_head")}
    SELECT step_id, key, value FROM near WHERE step_id IN (SELECT unnest($ids::VARCHAR[])) ORDER BY logged_at
"""  # noqa: S608
_NODE = f"{near('steps', 'id_head')} SELECT run_id, node FROM near WHERE id = $id"  # noqa: S608
# Of a mapped step that is not settled, or never was, this is what is known: the items that began.
_BEGUN = f"""
    {near("items", "run_head")}
    SELECT item_of, status, count(*) AS items FROM (
        FROM near WHERE run_id = $run QUALIFY row_number() OVER (PARTITION BY item_of, item ORDER BY seq DESC) = 1)
    GROUP BY item_of, status
"""  # noqa: S608
_PAGE = 500


@dataclass(frozen=True)
class StepRun(Displayed):
    """What became of one step of a run.

    Attributes:
        id: The id of this execution.
        node: Its name in the graph.
        status: How it ended.
        why: Why it ran or was reused.
        duration_s: How long it took, in seconds.
        parameters: The plain values it was called with, as JSON data.
        outputs: The artifact versions it gave, by output.
        error: What it raised, or `""`.
        traceback: The user's frames, or `""`.
        logs: What it printed.
        metrics: Numbers that it logged, by dotted name.
        files: The files that it read.
        metadata: What it logged, on whatever, as plain nested data.
        triggered: The runs of other pipelines that it asked for; of a reused one, those that it had asked for then.
        items: Of a step that is mapped over a list, what became of each item; `None` of any other.
        again: Calls it again with some arguments changed.
    """

    id: str
    node: str
    status: Status
    why: str = ""
    duration_s: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    error: str = ""
    traceback: str = ""
    logs: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: tuple[FileRead, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    triggered: tuple[Triggered, ...] = ()
    items: MappedItems | None = field(default=None, repr=False, compare=False)
    again: Callable[[Mapping[str, Any]], Any] | None = field(default=None, repr=False, compare=False)

    def reproduce(self, **changed: Any) -> Any:
        """Call its code again, as it was, with the inputs that it had.

        It is called in this thread: `breakpoint()` stops in it, and `%debug` finds its frames after it raised. A
        failed call raises again what it raised. Nothing is recorded; what its code does by itself, such as writing a
        file, it does.

        Args:
            changed: Arguments that are to be others than they were.

        Returns:
            What its function returns; of a cell, what it bound, by name.

        Raises:
            BadValueError: It was skipped, the code of its run was not kept, or it takes no such argument.
            ParameterError: An argument was a secret, which is not kept; give it.
            ArtifactError: An input is gone or damaged.
        """
        if self.again is None:
            raise BadValueError(f"Step {self.node!r} is no step of a run that is recorded.")
        return self.again(changed)

    def __repr__(self) -> str:
        return f"<StepRun {shorten(self.node)}: {self.status.value}>"

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return self.node

    @property
    def output(self) -> Artifact:
        """Its only output.

        Raises:
            BadValueError: It has none, or several.
        """
        if len(self.outputs) != 1:
            names = ", ".join(self.outputs) or "none"
            raise BadValueError(f"Step {self.node!r} has {len(self.outputs)} outputs ({names}); name one: .outputs[…].")
        return next(iter(self.outputs.values()))


@dataclass(frozen=True)
class ItemRun(StepRun):
    """What became of one item of the list over which a step is mapped; see `StepRun`.

    Attributes:
        place: Its place in the list, from 0.
        inputs: What it was given besides its parameters: the id of the artifact, or of the list out of which it was
            taken, by argument; `""` for a plain list.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "place": "int",
        "status": "text",
        "duration_s": "float",
        "parameters": "data",
        "error": "text",
    }

    place: int = 0
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<ItemRun {shorten(self.node)}: {self.status.value}>"

    def as_row(self) -> dict[str, Any]:
        """Give its plain facts."""
        return {
            "place": self.place,
            "status": self.status.value,
            "duration_s": self.duration_s,
            "parameters": dict(self.parameters),
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class MappedItems:
    """The items of one mapped step of a run: `len(items)`, `items[17]`, `items.failed`, and each in its turn.

    Attributes:
        run_id: The run.
        node: The step's name in the graph.
        step_id: The id of its execution.
        reused_from: The execution that was reused as a whole, or `""`: the items are that one's.
        counts: How many items there are (`total`), and how many were `completed`, `reused`, `failed`, `interrupted`.
    """

    _workspace: Workspace = field(repr=False, compare=False)
    run_id: str
    node: str
    step_id: str
    reused_from: str
    counts: Mapping[str, int]

    def __len__(self) -> int:
        return self.counts["total"]

    def __getitem__(self, place: int) -> ItemRun:
        """Give one item, by its place in the list; a negative one counts from the end.

        Raises:
            BadValueError: It is no number.
            NotFoundError: There is no such item, or nothing is known of it: it never began, or its run was deleted.
        """
        if not isinstance(place, int):
            raise BadValueError(f"An item of {self.node} is known by its place, such as .items[17].")
        at = place + len(self) if place < 0 else place
        if not 0 <= at < len(self):
            raise NotFoundError("item", f"{self.node}[{place}] among {len(self):,}")
        found = self._read(at, "", 1)
        if not found or found[0].place != at:
            raise NotFoundError("item", f"{self.node}[{place}], for it never began or its run was deleted:")
        return found[0]

    def __iter__(self) -> Iterator[ItemRun]:
        first = 0
        while page := self._read(first, "", _PAGE):
            yield from page
            first = page[-1].place + 1

    @property
    def failed(self) -> Listing[ItemRun]:
        """The items that failed, in their order, a thousand at most."""
        return Listing(self._read(0, Status.FAILED.value, 1000) if self.counts.get("failed") else (), ItemRun)

    def _read(self, first: int, status: str, limit: int) -> list[ItemRun]:
        run_id, node = self._place()
        asked = {**by_head(run=run_id), "node": node, "first": first, "status": status, "limit": limit}
        rows = self._workspace.catalog.rows(_ITEMS, asked)
        noted: dict[str, dict[str, Any]] = {row["id"]: {} for row in rows}
        for note in self._workspace.catalog.rows(_NOTES, {"head": asked["head"], "ids": list(noted)}):
            noted[note["step_id"]] = merge(noted[note["step_id"]], {note["key"]: note["value"]})
        return [_item_in(row, noted[row["id"]], self._workspace) for row in rows]

    def _place(self) -> tuple[str, str]:
        """Give the run and the node that the items were recorded with."""
        if not self.reused_from:
            return self.run_id, self.node
        rows = self._workspace.catalog.rows(_NODE, by_head(id=self.reused_from))
        return (rows[0]["run_id"], rows[0]["node"]) if rows else ("", "")


def begun_items(workspace: Workspace, run_id: str) -> dict[str, dict[str, int]]:
    """Say what became of the items of a run as far as it has got, by mapped step; `total` is how many began."""
    found: dict[str, dict[str, int]] = {}
    for row in workspace.catalog.rows(_BEGUN, by_head(run=run_id)):
        counts = found.setdefault(row["item_of"], {"total": 0})
        counts["total"] += row["items"]
        counts[row["status"]] = row["items"]
    return found


def _item_in(row: Mapping[str, Any], noted: Mapping[str, Any], workspace: Workspace) -> ItemRun:
    return ItemRun(
        row["id"],
        row["node"],
        Status(row["status"]),
        row["why"] or "",
        row["duration_s"],
        dict(row["parameters"] or {}),
        {given["output"]: _part(given, row, workspace) for given in row["outputs"] or ()},
        f"{row['error_type']}: {row['error_message']}" if row["error_type"] else "",
        row["error_traceback"] or "",
        row["logs"] if isinstance(row["logs"], str) else "",
        dict(metrics_in(noted)),
        tuple(FileRead(**file) for file in row["files"] or ()),
        {key: decode(value) for key, value in noted.items()},
        tuple(Triggered(**said) for said in row["triggered"] or ()),
        place=row["item"],
        inputs={given["name"]: given["artifact"] for given in row["inputs"] or ()},
    )


def _part(given: Mapping[str, Any], row: Mapping[str, Any], workspace: Workspace) -> Artifact:
    """Give what an item gave: a part of the list that the whole gave, without a number of its own."""
    member = given.get("member")
    record = {**given, "member": None if member is None else int(member), "tags": ()}
    stored = ArtifactVersion.from_record({**record, "blob": given["blob"] or "", "digest": given["digest"] or ""})
    return Artifact(
        id=stored.id,
        name=stored.name,
        version=None,
        type=stored.type_name,
        digest=stored.digest,
        size_bytes=stored.size_bytes,
        materializer=stored.materializer,
        pickled=stored.pickled,
        created=as_instant(row["ended"]),
        run_id=row["run_id"],
        step=row["node"],
        step_id=stored.made_by,
        output=stored.output,
        _workspace=workspace,
        _part=stored,
    )
