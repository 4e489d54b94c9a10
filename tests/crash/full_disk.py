"""Parts for processes that meet a full disk: they are refused, go on trying, and lose nothing. No pytest here."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.errors import NbpipeError
from nbpipe.records.operations import Operation
from tests.base.small_disk import files_of_at_most
from tests.crash.actors import LATEST, Says, ask, moved_by, opened, record_run
from tests.crash.cast import Diary
from tests.crash.ledger import logs

_TRIES_S = 0.01


class _Kept:
    """A diary that is written later: its file, too, might meet the limit."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, dict[str, Any]]] = []

    def say(self, word: str, **facts: Any) -> None:
        self.entries.append((word, facts))

    def pass_on(self, diary: Diary) -> None:
        for word, facts in self.entries:
            diary.say(word, **facts)
        self.entries.clear()


def stubborn_writer(root: Path, diary: Diary, pause_s: float) -> None:
    """Record runs; whatever is refused is asked again until it is answered."""
    catalog = opened(root)
    while True:
        for operation in _attempt_run(catalog, diary):
            while not _attempt(diary, lambda asked=operation: ask(catalog, diary, asked)):  # type: ignore[misc]
                time.sleep(_TRIES_S)
        time.sleep(pause_s)


def stubborn_publisher(root: Path, diary: Diary, pause_s: float) -> None:
    """Publish, and now and then read everything again from the logs, however often that is refused."""
    catalog = opened(root)
    for n in itertools.count(1):
        if _attempt(diary, catalog.rebuild if n % 5 == 0 else catalog.publish):
            diary.say("published")
        time.sleep(pause_s)


def limited(root: Path, diary: Diary, cycles: int, seed: int) -> None:
    """Write, publish and read while no file may grow over a size that is about to be reached, again and again."""
    chance = random.Random(seed)
    catalog = opened(root)
    kept = _Kept()
    for _ in range(cycles):
        unanswered: list[Operation] = []
        with files_of_at_most(_nearly_reached(root, chance)):
            for _ in range(6):
                unanswered += _attempt_run(catalog, kept)
                unanswered = [one for one in unanswered if not _attempt(kept, lambda one=one: ask(catalog, kept, one))]  # type: ignore[misc]
                _attempt(kept, chance.choice([catalog.publish, catalog.rebuild]))
                # Reading writes nothing.
                catalog.rows("SELECT count(*) FROM runs JOIN steps ON run_id = runs.id")
        for operation in unanswered:
            ask(catalog, kept, operation)
        for operation in _attempt_run(catalog, kept):
            ask(catalog, kept, operation)
        catalog.publish()
        kept.say("cycle", left=len(kept.entries))
        kept.pass_on(diary)
    catalog.close()


def _attempt_run(catalog: Catalog, diary: Says) -> Iterator[Operation]:
    """Record a run's facts; if that went well, give the operations that follow."""
    try:
        run = record_run(catalog, diary)
    except NbpipeError as error:
        diary.say("refused", what=type(error).__name__)
        return
    yield from moved_by(run)
    yield run.ending(tags=(LATEST,))


def _attempt(diary: Says, act: Callable[[], object]) -> bool:
    try:
        act()
    except NbpipeError as error:
        diary.say("refused", what=type(error).__name__)
        return False
    return True


def _nearly_reached(root: Path, chance: random.Random) -> int:
    """Pick a size that a log has almost, or that the engine's files meet in their middle."""
    paths = WorkspacePaths(root)
    sizes = [path.stat().st_size for path in logs(paths)] or [0]
    return chance.choice(
        [chance.choice(sizes) + chance.randint(0, 3000), max(sizes) + chance.randint(0, 5000), chance.randint(1, 2**20)]
    )
