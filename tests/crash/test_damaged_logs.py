"""Logs cut at every byte, and bytes flipped: everything sound is given, or what is not is told; never a wrong row."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from tests.crash import damage
from tests.crash.cast import Cast
from tests.crash.damage import Case
from tests.crash.ledger import lines_of, logs
from tests.crash.trials import SEED, report, sizes

PROCESSES = 2
GOES_ON_EVERY = 8


def go_through(trial: str, tmp_path: Path, cases: list[Case], bases: dict[bool, str]) -> None:
    with Cast(tmp_path, tmp_path / "diaries") as cast:
        finders = [cast.start(damage.look_at, f"finder-{n}", bases, cases[n::PROCESSES]) for n in range(PROCESSES)]
        codes = [finder.join(1500) for finder in finders]
        found = [entry for finder in finders for entry in finder.said("found")]
        failures = cast.failures()
    report(
        trial,
        cases=len(found),
        told=dict(Counter(_without_numbers(entry["told"]) for entry in found)),
        none_of={
            "failures": failures,
            "unfinished": [code for code in codes if code != 0],
            "wrong": [what for entry in found for what in entry["wrong"]],
        },
    )
    assert len(found) == len(cases)


def _without_numbers(text: str) -> str:
    return "".join(letter for letter in text if not letter.isdigit())


def bases_in(folder: Path) -> dict[bool, str]:
    """Make one workspace that was published and one that was not; their logs are the same."""
    paths = damage.make(folder / "base")
    published = folder / "base-published"
    shutil.copytree(paths.root, published)
    catalog = Catalog(WorkspacePaths(published))
    catalog.publish()
    catalog.close()
    return {False: str(paths.root), True: str(published)}


@sizes("every, goes_on", short=(2039, 8), long=(1, 1))
def test_a_log_cut_at_any_byte_gives_all_of_its_whole_lines(tmp_path: Path, every: int, goes_on: int) -> None:
    bases = bases_in(tmp_path)

    go_through("torn logs", tmp_path, list(cuts(bases, every, goes_on)), bases)


def cuts(bases: dict[bool, str], every: int, goes_on: int) -> Iterator[Case]:
    """Walk through the places at which logs are cut: each so many bytes, and where lines end, all if it is 1.

    At every so manieth end of a line (1 for all) whoever finds it goes on working, which is most of the work.
    """
    for was_published, base in bases.items():
        paths = WorkspacePaths(Path(base))
        for path in logs(paths):
            size = path.stat().st_size
            ends = [0, size, *[place for place, _, _ in lines_of(path)][:: 1 + every // 100]]
            near = {end + by for end in ends for by in (-1, 0, 1) if 0 <= end + by <= size}
            far = set() if was_published else set(range(SEED % every, size, every))
            for n, place in enumerate(sorted(near | far)):
                is_followed = n % goes_on == 0 if place in near else place % GOES_ON_EVERY == 0
                yield Case(str(path.relative_to(paths.root)), place, 0, was_published, is_followed)


@sizes("count", short=(4,), long=(1000,))
def test_a_flipped_byte_is_told_and_takes_its_own_line_alone(tmp_path: Path, count: int) -> None:
    chance = random.Random(SEED)
    bases = bases_in(tmp_path)

    go_through("flipped bytes", tmp_path, [flip(chance, bases) for _ in range(count)], bases)


def flip(chance: random.Random, bases: dict[bool, str]) -> Case:
    """Pick a byte of a log and how it is changed."""
    was_published = chance.random() < 0.5
    paths = WorkspacePaths(Path(bases[was_published]))
    path = chance.choice(logs(paths))
    place = chance.randrange(path.stat().st_size)
    # Line breaks are few and the most telling.
    if chance.random() < 0.1:
        place = chance.choice([place + len(line) for place, line, _ in lines_of(path)])
    bits = 1 << chance.randrange(8)
    if chance.random() < 0.1:
        bits = path.read_bytes()[place] ^ ord("\n") or bits
    return Case(str(path.relative_to(paths.root)), place, bits, was_published, chance.random() < 0.5)
