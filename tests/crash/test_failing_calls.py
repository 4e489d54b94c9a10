"""Each call of the operating system fails in its turn: it is told, nothing is lost, and it works again."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

from tests.crash.cast import Cast
from tests.crash.failing import MOST_WAYS, failing_calls
from tests.crash.trials import SEED, report, sizes

PROCESSES = 2


@sizes("every, all_ways", short=(128, False), long=(1, True))
def test_whichever_call_fails_it_is_told_and_nothing_is_lost(tmp_path: Path, every: int, all_ways: bool) -> None:
    ways = list(range(MOST_WAYS)) if all_ways else [SEED % MOST_WAYS]
    with Cast(tmp_path, tmp_path / "diaries") as cast:
        actors = [
            cast.start(
                partial(
                    failing_calls,
                    first=1 + (SEED + n * every) % (PROCESSES * every),
                    every=PROCESSES * every,
                    stays=stays,
                ),
                f"day-{n}-{int(stays)}",
                [0] if stays else ways,
            )
            for stays in (False, True)
            for n in range(PROCESSES)
        ]
        codes = [actor.join(1500) for actor in actors]
        days = [entry for actor in actors for entry in actor.said("day")]
        failures = cast.failures()

    failed = [entry for entry in days if entry["failed"]]
    wrong = Counter(what for entry in days for what in entry["wrong"])
    report(
        "failing calls",
        days=len(days),
        calls=max(entry["at"] for entry in days),
        days_with_a_failure=len(failed),
        told=sum(bool(entry["refused"]) for entry in failed),
        kinds=dict(Counter(entry["failed"][0] for entry in failed)),
        none_of={
            "failures": failures,
            "unfinished": [code for code in codes if code != 0],
            "wrong": [f"{count} x {what}" for what, count in wrong.most_common()],
        },
    )
    assert failed
