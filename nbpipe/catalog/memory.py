"""What a process remembers of the operation log: the state, where it stands, and who was answered what.

A remembered prefix has one meaning, whoever wrote it down: so it can be kept in a file beside
the log (`op-<number>.state`, one sealed line) without a lock, and a cold process begins there
in place of at the first operation. A file that does not fit the log is passed over.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from nbpipe.base.ids import new_id
from nbpipe.base.log import seal, unseal
from nbpipe.catalog import segments
from nbpipe.catalog.identity import OPENED, check_format
from nbpipe.errors import CatalogDamagedError
from nbpipe.records.changes import Change
from nbpipe.records.state import OperationState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ANSWERS_KEPT = 10_000
_STATES_KEPT = 2
# What this nbpipe remembers; a memory kept by one that knows less, or more, is none for us.
_SCHEMA = [part.name for part in fields(OperationState)]


@dataclass(slots=True)
class Memory:
    """A prefix of the operation log, taken in.

    Attributes:
        state: What the rules look at.
        segment: In which segment the prefix ends: the first operation of that.
        position: Where it ends there, in bytes.
        n: The number of its last operation.
        seal: The checksum in its last line, and the length of that line: what tells whether a log begins so.
        answers: The answers given to the last 10,000 request ids, oldest first.
    """

    state: OperationState = field(default_factory=OperationState)
    segment: int = 1
    position: int = 0
    n: int = 0
    seal: tuple[str, int] = ("", 0)
    answers: OrderedDict[str, Any] = field(default_factory=OrderedDict)

    def take_in(self, line: bytes, end: int, path: Path) -> None:
        """Take in the line that ends at `end` of the segment, the next one.

        Raises:
            ValueError: It is no operation, or not the next one.
            CatalogNewerError: A newer nbpipe wrote the segment, in another form.
        """
        operation = from_json(line)
        try:
            if operation["k"] == OPENED:
                check_format(path, operation)
            else:
                self._take_in(operation)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("it is no operation") from error
        self.stand(line, end)
        if operation["k"] == segments.CLOSED:
            self.go_on()

    def take_in_archived(self, operation: Mapping[str, Any]) -> None:
        """Take in an operation whose segment was archived.

        Raises:
            ValueError: It is not the next one.
        """
        self._take_in(operation)
        if operation["k"] == segments.CLOSED:
            self.go_on()

    def _take_in(self, operation: Mapping[str, Any]) -> None:
        if operation["n"] != self.n + 1:
            raise ValueError(f"it is number {operation['n']} where {self.n + 1} should stand")
        for change in operation["b"]["changes"]:
            self.state.apply(Change(change["t"], change["key"], change["row"]))
        if operation["req"]:
            self.remember(operation["req"], operation["b"]["answer"])
        self.n = operation["n"]

    def go_on(self) -> None:
        """Stand at the beginning of the segment after a closed one."""
        self.segment, self.position, self.seal = self.n + 1, 0, ("", 0)

    def remember(self, request_id: str, answer: Any) -> None:
        """Keep an answer, and forget the oldest beyond those kept."""
        self.answers[request_id] = answer
        if len(self.answers) > ANSWERS_KEPT:
            self.answers.popitem(last=False)

    def stand(self, line: bytes, end: int) -> None:
        """Say that `line`, which ends at `end` of the segment, has been taken in."""
        self.seal = (line[6:14].decode(), len(line.rstrip(b"\n")) + 1)
        self.position = end

    def fits(self, folder: Path) -> bool:
        """Tell whether the segments in a folder go on from what is remembered.

        Raises:
            OSError: The segment cannot be read.
        """
        with segments.path_of(folder, self.segment).open("rb", buffering=0) as file:
            if self.position == 0:
                return True
            crc, length = self.seal
            line = os.pread(file.fileno(), length, self.position - length)
            return line[6:14] == crc.encode() and line.endswith(b"\n")


def save(memory: Memory, folder: Path) -> None:
    """Write a memory down beside its log; older ones but the last are deleted."""
    line = seal(
        {
            "schema": _SCHEMA,
            "segment": memory.segment,
            "position": memory.position,
            "n": memory.n,
            "seal": memory.seal,
            "answers": list(memory.answers.items()),
            "state": memory.state.to_json(),
        }
    )
    draft = folder / f".{new_id()}.state"
    try:
        draft.write_bytes(line)
        draft.rename(folder / f"op-{memory.n}.state")
    finally:
        draft.unlink(missing_ok=True)
    for old in saved(folder)[_STATES_KEPT:]:
        old.unlink(missing_ok=True)


def load(folder: Path) -> Memory | None:
    """Give the newest memory from which the segments go on, or `None`."""
    for path in saved(folder):
        with suppress(OSError, ValueError, CatalogDamagedError):
            memory = _read(path)
            if memory.fits(folder):
                return memory
    return None


def newest(folder: Path) -> int:
    """Give the number of the last operation that a kept memory holds; 0 if none is kept."""
    return max((int(path.stem[3:]) for path in saved(folder)), default=0)


def saved(folder: Path) -> list[Path]:
    """Give the files in which memories were kept, newest first."""
    found = [path for path in folder.glob("op-*.state") if path.stem[3:].isdecimal()]
    return sorted(found, key=lambda path: int(path.stem[3:]), reverse=True)


def _read(path: Path) -> Memory:
    data = path.read_bytes()
    if not data.endswith(b"\n"):
        raise CatalogDamagedError(path, "it is torn")
    record = unseal(data[:-1])
    if record.get("schema") != _SCHEMA:
        raise CatalogDamagedError(path, "it is of another time")
    crc, length = record["seal"]
    return Memory(
        state=OperationState.from_json(record["state"]),
        segment=record["segment"],
        position=record["position"],
        n=record["n"],
        seal=(crc, length),
        answers=OrderedDict((request_id, answer) for request_id, answer in record["answers"]),
    )
