"""The one log of operations: what must be decided by one at a time.

Under the lock: take in what others appended, ask the rule, append one line. Everything else,
the sync included, comes after. A request id is answered once: whoever was interrupted between
the write and the answer asks again with the same id.

Whoever only reads needs no lock: whole lines stay what they are. The log is a row of segments
(`catalog.segments`); earlier ones may have been archived, and are read back only by a process
that finds no memory to begin with.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from nbpipe.base.clock import now_text
from nbpipe.base.locks import PolledLock, forget_in_children
from nbpipe.base.log import LogFile, plain_json, seal, seal_with_body, stretches, sync, sync_folder
from nbpipe.catalog import archive, segments
from nbpipe.catalog import memory as memories
from nbpipe.catalog.identity import OPENED, user, who_writes
from nbpipe.catalog.memory import Memory
from nbpipe.catalog.writable import cannot_write, prepare
from nbpipe.errors import CatalogDamagedError, CatalogError, NbpipeError, NotRecordedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.records.operations import Operation
    from nbpipe.records.state import OperationState

_SAVE_EVERY_BYTES = 2**20
_SEGMENT_BYTES = 64 * 2**20


class OperationLog:
    """The operation log of one workspace, as this process knows it.

    Args:
        paths: The workspace.
        patience_s: How long to wait for whoever holds the lock.
    """

    def __init__(self, paths: WorkspacePaths, *, patience_s: float = 10.0) -> None:
        self._paths = paths
        self._patience_s = patience_s
        self._lock = PolledLock(paths.operations / "lock", patience_s=patience_s)
        self._mutex = threading.Lock()
        self._file: LogFile | None = None
        self._name = ""
        self._segment = 0
        self._memory = Memory()
        self._saved = (0, 0)
        self._saved_number = 0
        self._is_to_be_loaded = True
        self._is_writable = False
        self._is_held = self._is_alone = False
        forget_in_children(self)

    @property
    def path(self) -> Path:
        """The segment that is written now, as far as this process knows."""
        return segments.path_of(self._paths.operations, self._memory.segment)

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
        try:
            with self._mutex:
                return dict(self._transact(operation, durable=durable))
        except NbpipeError:
            # Some of ours are system errors too: a lock that is held for too long is a timeout.
            raise
        except OSError as error:
            raise _cannot_use(error) from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """Take the lock once for all operations of the block, each of which is decided and written for itself.

        Others wait meanwhile: it is for several that are there already.

        Raises:
            CatalogBusyError: Another process held the lock for too long.
            WorkspaceError: The workspace cannot be written.
        """
        with self._mutex:
            prepare(self._paths)
            self._lock.__enter__()
            self._is_held, self._is_alone = True, False
        try:
            yield
        finally:
            with self._mutex:
                self._is_held = self._is_alone = False
                self._lock.leave()

    def state(self) -> OperationState:
        """Give the state after every operation recorded so far; it goes on changing, so look and let go.

        Raises:
            CatalogDamagedError: The log holds a line that is not what it was.
            CatalogError: It cannot be read.
        """
        with self._mutex:
            try:
                return self._caught_up(writing=False)[1].state
            except FileNotFoundError:
                # A writer may have died between closing a segment and beginning the next one.
                if self._memory.n == 0 or not segments.present(self._paths.operations):
                    self._forget()
                return self._memory.state
            except OSError as error:
                raise _cannot_use(error) from error

    def close(self) -> None:
        """Let go of the files."""
        with self._mutex:
            self._forget()
            self._lock.close()

    def after_fork(self) -> None:
        """Leave the handles to the parent, and trust nothing that another thread was changing."""
        self._mutex = threading.Lock()
        self._is_held = self._is_alone = False
        self._forget()

    def _transact(self, operation: Operation, *, durable: bool) -> dict[str, Any]:
        if self._is_held:
            held: AbstractContextManager[object] = nullcontext()
        else:
            held = self._lock
            if not self._is_writable or self._file is None or not _is_same(self._name, self._file.descriptor):
                prepare(self._paths)
        with held:
            file, memory = self._file, self._memory
            if file is None or self._is_to_be_loaded or not self._is_alone:
                file, memory = self._caught_up(writing=True)
                # While the lock is kept nobody else appends.
                self._is_alone = self._is_held
            former = memory.n
            answer: dict[str, Any] | None = memory.answers.get(operation.request_id)
            if answer is None:
                if memory.position >= _SEGMENT_BYTES:
                    file = self._begin_next(file, memory)
                answer = self._decide(file, memory, operation)
        if durable:
            self._sync(file)
        if memory.n > former and self._is_worth_saving(memory):
            self._save(memory)
        return answer

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
        self._append(file, line)
        self._is_to_be_loaded = True
        for change in decision.changes:
            memory.state.apply(change)
        memory.remember(operation.request_id, decision.answer)
        memory.n = n
        memory.stand(line, memory.position + len(line))
        self._is_to_be_loaded = False
        return decision.answer

    def _begin_next(self, file: LogFile, memory: Memory) -> LogFile:
        """Close a segment that has grown long, and begin the next one.

        The disk holds all of the former first: of two segments, only the later one may ever lose its end.
        """
        self._sync(file)
        head, body = segments.closing(memory.n + 1, now_text(), user())
        self._append(file, seal_with_body(head, plain_json(body)))
        memory.n += 1
        memory.go_on()
        file = self._opened(writing=True)
        self._begin(file)
        self._take_in(memory, file.size())
        return file

    def _caught_up(self, *, writing: bool) -> tuple[LogFile, Memory]:
        """Take in what was appended since; who writes has the lock, and cuts off what a dead writer left half done."""
        while True:
            if self._is_to_be_loaded:
                self._load()
            try:
                file, memory = self._opened(writing=writing), self._memory
            except FileNotFoundError:
                if not self._is_archived():
                    raise
                continue
            size = file.size()
            if size < memory.position:
                self._is_to_be_loaded = True
                continue
            if writing and size == 0:
                self._begin(file)
                continue
            if size > memory.position:
                self._is_to_be_loaded = True
                try:
                    self._take_in(memory, size)
                except FileNotFoundError:
                    if not self._is_archived():
                        raise
                    continue
                self._is_to_be_loaded = False
            if memory.segment != self._segment:
                continue
            if not writing or memory.position == size:
                return file, memory
            file.cut_torn_end()

    def _is_archived(self) -> bool:
        """Tell whether the segment that is missing was archived: then a later memory is there to begin with."""
        self._is_to_be_loaded = max(segments.present(self._paths.operations), default=0) > self._memory.segment
        return self._is_to_be_loaded

    def _take_in(self, memory: Memory, size: int) -> None:
        path = self.path
        for stretch in stretches(path, memory.position, size):
            if stretch.damaged:
                raise _damaged(path, stretch.damaged[0][0], "its checksum is wrong")
            for end, line in stretch.lines:
                try:
                    memory.take_in(line, end, path)
                except ValueError as error:
                    raise _damaged(path, memory.position, str(error)) from error

    def _load(self) -> None:
        """Begin with the newest memory that was kept, or else with the first operation, wherever that is by now."""
        self._drop_file()
        memory = memories.load(self._paths.operations)
        if memory is None:
            memory = Memory()
            first = min(segments.present(self._paths.operations), default=1)
            if first > 1:
                archive.replay(self._paths, memory, first)
        self._memory = memory
        self._saved, self._saved_number = (memory.segment, memory.position), memory.n
        self._is_to_be_loaded = False

    def _opened(self, *, writing: bool) -> LogFile:
        if self._file is not None and not _is_same(self._name, self._file.descriptor):
            self._load()
        if self._segment != self._memory.segment or (writing and not self._is_writable):
            self._drop_file()
        if self._file is None:
            path = self.path
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if writing else os.O_RDONLY
            try:
                self._file = LogFile(path, os.open(path, flags | os.O_CLOEXEC, 0o600))
            except FileNotFoundError:
                raise
            except OSError as error:
                raise cannot_write(self._paths, error.strerror or str(error)) from error
            self._name, self._segment, self._is_writable = str(path), self._memory.segment, writing
        return self._file

    def _begin(self, file: LogFile) -> None:
        self._append(file, seal({"k": OPENED, "id": file.path.stem, "at": now_text(), "b": who_writes()}))
        sync_folder(self._paths.operations)

    def _append(self, file: LogFile, line: bytes) -> None:
        try:
            file.append(line)
        except NotRecordedError:
            raise
        except OSError as error:
            # Its end is torn; the next one to hold the lock cuts it off.
            self._drop_file()
            raise NotRecordedError(file.path, error.strerror or str(error)) from error

    def _sync(self, file: LogFile) -> None:
        try:
            sync(file.descriptor)
        except OSError as error:
            raise NotRecordedError(file.path, f"its sync failed ({error.strerror}), the outcome is unknown") from error

    def _is_worth_saving(self, memory: Memory) -> bool:
        segment, position = self._saved
        return memory.segment != segment or memory.position - position >= _SAVE_EVERY_BYTES

    def _save(self, memory: Memory) -> None:
        self._saved = (memory.segment, memory.position)
        kept, self._saved_number = self._saved_number, memory.n
        # The log says the same, only slower: a full disk here is nobody's trouble.
        with suppress(OSError):
            newest = memories.newest(self._paths.operations)
            # Of many who write at once, one does it for all.
            if not kept < newest <= memory.n or memory.position == 0:
                memories.save(memory, self._paths.operations)

    def _forget(self) -> None:
        self._drop_file()
        self._memory = Memory()
        self._is_to_be_loaded = True

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


def _cannot_use(error: OSError) -> CatalogError:
    return CatalogError(f"The log of operations cannot be used: {error.strerror or error}. Try again.")


def _damaged(path: Path, place: int, why: str) -> CatalogDamagedError:
    return CatalogDamagedError(path, f"the line at byte {place}: {why}")
