"""What every trial stands on: counts in two sizes, one seed, one line of JSON.

A trial is one test with its counts as parameters: the short ones run with all tests, the long
ones with `make soak`. Whatever chance decides follows from the seed, which `NBPIPE_SOAK_SEED`
changes; what other processes do meanwhile does not. Each trial ends with `report`, which prints
the line, appends it to the file that `NBPIPE_SOAK_REPORT` names, and then insists on it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

# Read at import: no test sees a variable of ours from outside.
SEED = int(os.environ.get("NBPIPE_SOAK_SEED", "1"))
_REPORT = os.environ.get("NBPIPE_SOAK_REPORT", "")
_LONG_S = 1800
_SHOWN = 60

Answer = TypeVar("Answer")


def sizes(names: str, *, short: Sequence[Any], long: Sequence[Any]) -> pytest.MarkDecorator:
    """Parametrize a trial by its counts: once for every day, once for `make soak`."""
    marks = [pytest.mark.soak, pytest.mark.timeout(_LONG_S)]
    return pytest.mark.parametrize(
        names, [pytest.param(*short, id="short"), pytest.param(*long, id="long", marks=marks)]
    )


def report(trial: str, *, none_of: dict[str, Collection[Any] | int], seed: int = SEED, **figures: Any) -> None:
    """Tell what came of a trial, and insist that nothing went wrong.

    Args:
        trial: Its name.
        none_of: What must not have happened, each with how often it did or with what it was.
        seed: What chance followed from.
        figures: Whatever else is worth telling.
    """
    counts = {name: found if isinstance(found, int) else len(found) for name, found in none_of.items()}
    line = json.dumps({"trial": trial, "seed": seed, **figures, **counts})
    print(f"\n{line}", flush=True)
    if _REPORT:
        with Path(_REPORT).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    wrong = {name: _some(found) for name, found in none_of.items() if counts[name]}
    assert not wrong, f"seed {seed}: {json.dumps(wrong, indent=1, default=str)}"


def _some(found: Collection[Any] | int) -> Any:
    return found if isinstance(found, int) else [str(one) for one in list(found)[:_SHOWN]]


def percentiles(name: str, took_s: Sequence[float]) -> dict[str, float | int]:
    """Give the percentiles of what was timed, in milliseconds, and how often it was."""
    if not took_s:
        return {f"{name}_count": 0}
    ordered = sorted(took_s)

    def at(share: float) -> float:
        return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)

    return {
        f"{name}_count": len(ordered),
        f"{name}_p50_ms": at(0.5),
        f"{name}_p99_ms": at(0.99),
        f"{name}_max_ms": at(1),
    }


def timed(times_s: list[float], act: Callable[[], Answer]) -> Answer:
    """Do something, and note how long it took."""
    started = time.perf_counter()
    try:
        return act()
    finally:
        times_s.append(time.perf_counter() - started)
