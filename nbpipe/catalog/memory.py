"""What a process remembers of the operation log: the state, where it stands, and who was answered what.

A remembered prefix has one meaning, whoever wrote it down: so it can be kept in a file beside
the log (`op-<position>.state`, one sealed line) without a lock, and a cold process begins there
in place of at the first operation. A file that does not fit the log is passed over.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.base.log import seal, unseal
from nbpipe.errors import CatalogDamagedError
from nbpipe.records.changes import Change
from nbpipe.records.state import OperationState

ANSWERS_KEPT = 10_000
_STATES_KEPT = 2
_SCHEMA = 1


@dataclass(slots=True)
class Memory:
    """A prefix of the operation log, taken in.

    Attributes:
        state: What the rules look at.
        position: Where the prefix ends, in bytes.
        n: The number of its last operation.
        seal: The checksum in its last line, and the length of that line: what tells whether a log begins so.
        answers: The answers given to the last 10,000 request ids, oldest first.
    """

    state: OperationState = field(default_factory=OperationState)
    position: int = 0
    n: int = 0
    seal: tuple[str, int] = ("", 0)
    answers: OrderedDict[str, Any] = field(default_factory=OrderedDict)

    def take_in(self, line: bytes, end: int) -> None:
        """Take in the line that ends at `end`, the next one of the log.

        Raises:
            ValueError: It is no operation, or not the next one.
        """
        operation = json.loads(line)
        try:
            if operation["n"] != self.n + 1:
                raise ValueError(f"it is number {operation['n']} where {self.n + 1} should stand")
            for change in operation["b"]["changes"]:
                self.state.apply(Change(change["t"], change["key"], change["row"]))
            self.remember(operation["req"], operation["b"]["answer"])
        except (KeyError, TypeError) as error:
            raise ValueError("it is no operation") from error
        self.stand(operation["n"], line, end)

    def remember(self, request_id: str, answer: Any) -> None:
        """Keep an answer, and forget the oldest beyond those kept."""
        self.answers[request_id] = answer
        if len(self.answers) > ANSWERS_KEPT:
            self.answers.popitem(last=False)

    def stand(self, n: int, line: bytes, end: int) -> None:
        """Say that operation `n`, written as `line`, has been taken in."""
        self.n = n
        self.seal = (line[6:14].decode(), len(line.rstrip(b"\n")) + 1)
        self.position = end

    def fits(self, descriptor: int, size: int) -> bool:
        """Tell whether an open log of this size begins with what is remembered."""
        if self.position == 0:
            return True
        if self.position > size:
            return False
        crc, length = self.seal
        line = os.pread(descriptor, length, self.position - length)
        return line[6:14] == crc.encode() and line.endswith(b"\n")


def save(memory: Memory, folder: Path) -> None:
    """Write a memory down beside its log; older ones but the last are deleted."""
    line = seal(
        {
            "schema": _SCHEMA,
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
        draft.rename(folder / f"op-{memory.position}.state")
    finally:
        draft.unlink(missing_ok=True)
    for old in saved(folder)[_STATES_KEPT:]:
        old.unlink(missing_ok=True)


def load(folder: Path, descriptor: int, size: int) -> Memory:
    """Give the newest memory that fits the open log, or an empty one."""
    for path in saved(folder):
        with suppress(OSError, ValueError, CatalogDamagedError):
            memory = _read(path)
            if memory.fits(descriptor, size):
                return memory
    return Memory()


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
        position=record["position"],
        n=record["n"],
        seal=(crc, length),
        answers=OrderedDict((request_id, answer) for request_id, answer in record["answers"]),
    )
