"""Processes that a trial starts and may kill at any moment, each with a diary of what it was told.

They are forked from a process that has imported everything and opened nothing, so that one costs
milliseconds. A diary is a file: each entry is one line, written by one write, so that a kill
leaves whole entries, and what stands there happened before.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.crash.faults import Calls

_PREPARED = ["duckdb", "nbpipe.services.workspace", "nbpipe.services.client", "tests.crash.actors"]
_PATIENCE_S = 120
Entry = dict[str, Any]


class Diary:
    """What one process says, entry by entry.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def say(self, word: str, **facts: Any) -> None:
        """Write one entry down."""
        os.write(self._descriptor, json.dumps({"word": word, **facts}).encode() + b"\n")


def entries(path: Path, start: int = 0) -> Iterator[tuple[int, Entry]]:
    """Walk through the whole entries of a diary from a place on: (place to go on from, entry)."""
    with path.open("rb") as file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                return
            start += len(line)
            yield start, json.loads(line)


class Actor:
    """One process on stage.

    Args:
        process: The process.
        diary: What it says.
    """

    def __init__(self, process: Any, diary: Path) -> None:
        self._process = process
        self.diary = diary

    def said(self, *words: str) -> list[Entry]:
        """Give what it said so far, or of that what begins with one of these words."""
        if not self.diary.exists():
            return []
        return [entry for _, entry in entries(self.diary) if not words or entry["word"] in words]

    def is_alive(self) -> bool:
        """Tell whether it goes on."""
        return bool(self._process.is_alive())

    def kill(self) -> None:
        """End it without a word, and without giving it one."""
        self._process.kill()
        self._process.join()

    def was_killed(self) -> bool:
        """Tell whether it was killed, by whomever."""
        return self._process.exitcode == -signal.SIGKILL

    def join(self, patience_s: float = _PATIENCE_S) -> int | None:
        """Wait for its end and give its exit code; `None` if it goes on all the same."""
        self._process.join(patience_s)
        code: int | None = self._process.exitcode
        return code


class Cast:
    """All processes of one trial; whoever is left at its end is killed.

    Args:
        root: The workspace's folder.
        diaries: Where diaries are kept, which is not in the workspace.
    """

    def __init__(self, root: Path, diaries: Path) -> None:
        self._root = root
        self._diaries = diaries
        diaries.mkdir(exist_ok=True)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PREPARED)
        self._environment = {name: value for name, value in os.environ.items() if name.startswith("NBPIPE_")}
        self.actors: list[Actor] = []

    def __enter__(self) -> Cast:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors:
            actor.kill()

    def start(self, part: Callable[..., None], name: str, *arguments: Any, dies_at: int = 0) -> Actor:
        """Start a process that plays a part.

        Args:
            part: Called as `part(root, diary, *arguments)`; a function of a module that imports no pytest.
            name: What its diary is called, once for each process.
            arguments: What else it is to know.
            dies_at: At which of its calls that concern the workspace it is killed; 0 for none.
        """
        diary = self._diaries / name
        told = (part, str(self._root), str(diary), self._environment, arguments, dies_at)
        process = self._context.Process(target=_play, args=told, daemon=False)
        process.start()
        actor = Actor(process, diary)
        self.actors.append(actor)
        return actor

    def failures(self) -> list[str]:
        """Give what went wrong in any process."""
        return [entry["what"] for actor in self.actors for entry in actor.said("failed")]

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something is so.

        Raises:
            AssertionError: It did not come about; with what went wrong meanwhile.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"waited in vain until {what}; {self.failures()}"
            time.sleep(0.005)


def _play(
    part: Callable[..., None],
    root: str,
    diary: str,
    environment: Mapping[str, str],
    arguments: tuple[Any, ...],
    dies_at: int,
) -> None:
    os.environ.update(environment)
    # A forked process would repeat what its neighbour draws.
    random.seed()
    said = Diary(Path(diary))
    try:
        if not dies_at:
            part(Path(root), said, *arguments)
            return
        with Calls(Path(root), at=dies_at, way=None):
            part(Path(root), said, *arguments)
    except BaseException:
        said.say("failed", what=traceback.format_exc())
        raise SystemExit(1) from None
