"""No room: for a record, for an operation, for a published file; and then there is room again."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths
from tests.crash import actors, full_disk
from tests.crash.cast import Cast
from tests.crash.ledger import Told, audit
from tests.crash.trials import SEED, report, sizes

# Large enough for what is written meanwhile: it must be the ballast that fills it.
DISK_MB = 256
PROCESSES = 2
PAUSE_S = 0.05


@sizes("cycles", short=(1,), long=(60,))
def test_files_that_may_not_grow_cost_nothing_that_was_acknowledged(
    workspace: WorkspacePaths, tmp_path: Path, cycles: int
) -> None:
    told = Told()
    with Cast(workspace.root, tmp_path / "diaries") as cast:
        parts = [cast.start(full_disk.limited, f"limited-{n}", cycles, SEED * 1000 + n) for n in range(PROCESSES)]
        codes = [part.join() for part in parts]
        refused = Counter(entry["what"] for part in parts for entry in part.said("refused"))
        for part in parts:
            told.take_in(part.said())
        failures = cast.failures()

    report(
        "full disk",
        how="RLIMIT_FSIZE",
        cycles=cycles * PROCESSES,
        acknowledged_facts=sum(map(len, told.facts.values())),
        acknowledged_operations=len(told.answers),
        refused=dict(refused),
        none_of={"failures": failures, "unfinished": [code for code in codes if code], **audit(workspace, told)},
    )
    assert refused


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_disk_that_is_full_again_and_again_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    cycles = 20
    with small_disk(tmp_path / "disk") as disk:
        if disk is None:
            report("full disk", how="no small disk can be mounted here: see the trial with RLIMIT_FSIZE", none_of={})
            return
        fill_and_free(WorkspacePaths(disk / ".nbpipe").ensure(), tmp_path / "diaries", disk, cycles)


def fill_and_free(workspace: WorkspacePaths, diaries: Path, disk: Path, cycles: int) -> None:
    chance = random.Random(SEED)
    told = Told()
    with Cast(workspace.root, diaries) as cast:
        writers = [cast.start(full_disk.stubborn_writer, f"writer-{n}", PAUSE_S) for n in range(PROCESSES)]
        publisher = cast.start(full_disk.stubborn_publisher, "publisher", PAUSE_S)
        reader = cast.start(actors.reader, "reader", str(diaries), 0, PAUSE_S)
        everybody = [*writers, publisher, reader]
        for _ in range(cycles):
            # Everybody gets on ...
            before = [len(actor.said("answered", "published", "read")) for actor in everybody]
            cast.wait_until(
                lambda before=before: all(
                    len(actor.said("answered", "published", "read")) > count
                    for actor, count in zip(everybody, before, strict=True)
                ),
                "everybody gets on",
            )
            # ... until there is no room, or a little.
            ballast = fill(disk, leave=chance.choice([0, 0, chance.randint(1, 65536)]))
            time.sleep(chance.uniform(0.1, 1))
            ballast.unlink()
        assert all(actor.is_alive() for actor in everybody), cast.failures()
        # Nobody is killed in the middle of what it goes on trying.
        before = [len(writer.said("answered")) for writer in writers]
        cast.wait_until(
            lambda: all(len(writer.said("answered")) > count for writer, count in zip(writers, before, strict=True)),
            "writers get on",
        )
        for actor in everybody:
            actor.kill()
        refused = Counter(entry["what"] for actor in everybody for entry in actor.said("refused"))
        readings = reader.said("read")
        for writer in writers:
            told.take_in(writer.said())
        failures = cast.failures()

    report(
        "full disk",
        how="a small tmpfs, filled and freed",
        cycles=cycles,
        reads=len(readings),
        acknowledged_facts=sum(map(len, told.facts.values())),
        acknowledged_operations=len(told.answers),
        refused=dict(refused),
        none_of={
            "failures": failures,
            "wrong_reads": [what for entry in readings for what in entry["wrong"]],
            **audit(workspace, told),
        },
    )
    assert refused


def fill(disk: Path, *, leave: int) -> Path:
    """Take all the room of a disk but so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)) == 65536:
                pass
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return ballast


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a small disk in memory for the block, where this user may; else give `None`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
