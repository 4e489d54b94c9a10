"""The one log of operations: what must be decided by one at a time.

Under the lock: take in what others appended, ask the rule, append one line. Everything else,
the sync included, comes after. A request id is answered once: whoever was interrupted between
the write and the answer asks again with the same id.

Whoever only reads needs no lock: whole lines stay what they are.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from nbpipe.base.clock import now_text
from nbpipe.base.locks import PolledLock, forget_in_children
from nbpipe.base.log import LogFile, plain_json, seal_with_body, stretches, sync
from nbpipe.catalog import memory as memories
from nbpipe.catalog.identity import user
from nbpipe.catalog.memory import Memory
from nbpipe.catalog.writable import cannot_write, prepare
from nbpipe.errors import CatalogDamagedError, NotRecordedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.records.operations import Operation
    from nbpipe.records.state import OperationState

LOG_NAME = "operations.log"
_SAVE_EVERY_BYTES = 2**20


class OperationLog:
    """The operation log of one workspace, as this process knows it.

    Args:
        paths: The workspace.
        patience_s: How long to wait for whoever holds the lock.
    """

    def __init__(self, paths: WorkspacePaths, *, patience_s: float = 10.0) -> None:
        self._paths = paths
        self._patience_s = patience_s
        self.path = paths.operations / LOG_NAME
        self._name = str(self.path)
        self._lock = PolledLock(paths.operations / "lock", patience_s=patience_s)
        self._mutex = threading.Lock()
        self._file: LogFile | None = None
        self._memory = Memory()
        self._saved = 0
        self._is_half_taken_in = False
        self._is_writable = False
        forget_in_children(self)

    def transact(
        self, operation: Operation, *, durable: bool = False, before_sync: Callable[[], None]
    ) -> dict[str, Any]:
        """Let the operation's rule decide, and record what it decided.

        Args:
            operation: The question; its request id is answered once.
            durable: Whether to have the disk hold it before this returns.
            before_sync: Syncs what the operation speaks of; called first if `durable`.

        Returns:
            The rule's answer, or the first answer to this request id.

        Raises:
            UserError: The rule refuses; nothing was recorded.
            CatalogBusyError: Another process held the lock for too long.
            CatalogDamagedError: The log holds a line that is not what it was.
            NotRecordedError: It could not be written, or synced.
            WorkspaceError: The workspace cannot be written.
        """
        if durable:
            before_sync()
        with self._mutex:
            if not self._is_writable or self._file is None or not _is_same(self._name, self._file.descriptor):
                prepare(self._paths)
            with self._lock:
                file, memory = self._caught_up(writing=True)
                former = memory.n
                answer = memory.answers.get(operation.request_id)
                if answer is None:
                    answer = self._decide(file, memory, operation)
            if durable:
                self._sync(file)
            if memory.n > former and memory.position - self._saved >= _SAVE_EVERY_BYTES:
                self._save(memory)
        return dict(answer)

    def state(self) -> OperationState:
        """Give the state after every operation recorded so far; it goes on changing, so look and let go.

        Raises:
            CatalogDamagedError: The log holds a line that is not what it was.
        """
        with self._mutex:
            try:
                return self._caught_up(writing=False)[1].state
            except FileNotFoundError:
                self._forget()
                return self._memory.state

    def close(self) -> None:
        """Let go of the files."""
        with self._mutex:
            self._forget()
            self._lock.close()

    def after_fork(self) -> None:
        """Leave the handles to the parent, and trust nothing that another thread was changing."""
        self._mutex = threading.Lock()
        self._forget()

    def _decide(self, file: LogFile, memory: Memory, operation: Operation) -> dict[str, Any]:
        n, at, by = memory.n + 1, now_text(), user()
        decision = operation.decide(memory.state, n, at, by)
        body = {
            "op": operation.model_dump(mode="json", exclude={"request_id"}),
            "changes": [{"t": c.table, "key": c.key, "row": c.row} for c in decision.changes],
            "answer": decision.answer,
        }
        head = {"n": n, "req": operation.request_id, "k": operation.kind, "at": at, "by": by}
        line = seal_with_body(head, plain_json(body))
        file.append(line)
        self._is_half_taken_in = True
        for change in decision.changes:
            memory.state.apply(change)
        memory.remember(operation.request_id, decision.answer)
        memory.stand(n, line, memory.position + len(line))
        self._is_half_taken_in = False
        return decision.answer

    def _caught_up(self, *, writing: bool) -> tuple[LogFile, Memory]:
        """Take in what was appended since; who writes has the lock, and cuts off what a dead writer left half done."""
        file = self._opened(writing=writing)
        size = file.size()
        if self._is_half_taken_in or self._memory.position == 0 or size < self._memory.position:
            self._memory = memories.load(self._paths.operations, file.descriptor, size)
            self._saved = self._memory.position
        memory = self._memory
        self._is_half_taken_in = True
        for stretch in stretches(self.path, memory.position, size):
            if stretch.damaged:
                raise _damaged(self.path, stretch.damaged[0][0], "its checksum is wrong")
            for end, line in stretch.lines:
                try:
                    memory.take_in(line, end)
                except ValueError as error:
                    raise _damaged(self.path, memory.position, str(error)) from error
        self._is_half_taken_in = False
        if writing and memory.position < size:
            file.cut_torn_end()
        return file, memory

    def _opened(self, *, writing: bool) -> LogFile:
        if self._file is not None and not _is_same(self._name, self._file.descriptor):
            self._forget()
        if self._file is not None and writing and not self._is_writable:
            self._drop_file()
        if self._file is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if writing else os.O_RDONLY
            try:
                self._file = LogFile(self.path, os.open(self.path, flags | os.O_CLOEXEC, 0o600))
            except PermissionError as error:
                raise cannot_write(self._paths, error.strerror or str(error)) from error
            self._is_writable = writing
        return self._file

    def _sync(self, file: LogFile) -> None:
        try:
            sync(file.descriptor)
        except OSError as error:
            raise NotRecordedError(self.path, f"its sync failed ({error.strerror}), the outcome is unknown") from error

    def _save(self, memory: Memory) -> None:
        self._saved = memory.position
        # The log says the same, only slower: a full disk here is nobody's trouble.
        try:
            memories.save(memory, self._paths.operations)
        except OSError:
            return

    def _forget(self) -> None:
        self._drop_file()
        self._memory = Memory()
        self._is_half_taken_in = False

    def _drop_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _is_same(name: str, descriptor: int) -> bool:
    """Tell whether the name still leads to the open file: somebody may have deleted or replaced the workspace."""
    try:
        return os.path.samestat(os.stat(name), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _damaged(path: Path, place: int, why: str) -> CatalogDamagedError:
    return CatalogDamagedError(path, f"the line at byte {place}: {why}")
