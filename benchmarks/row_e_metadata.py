"""Row E: what `log_metadata` of one number costs inside a step.

A step logs a number many times, each under the same key, as a training loop does; once more with a new key each
time. The baseline puts the same number into a dict. The least of several rounds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from nbpipe import log_metadata
from nbpipe.execute.context import RunFacts, StepContext, running

TIMES, KEYS, ROUNDS = 5_000, 500, 7


def each_us(act: Callable[[int], object], times: int) -> float:
    """Give the time of one act, of many in turn, in microseconds."""
    least = float("inf")
    for _ in range(ROUNDS):
        with running(StepContext(RunFacts("r", "run", "training", {}), "train", "s", ("model",))):
            began = time.perf_counter()
            for n in range(times):
                act(n)
            least = min(least, (time.perf_counter() - began) / times * 1e6)
    return least


def tell(what: str, value: float, baseline: float) -> None:
    row: dict[str, Any] = {"row": "E", "what": what, "value": round(value, 2), "unit": "µs"}
    row |= {"baseline": round(baseline, 3), "baseline_what": "a dict's item", "ratio": round(value / baseline, 1)}
    print(json.dumps(row | {"gate": "≤ 20 µs", "goal": "≤ 3 µs", "met": value <= 20}))


def main() -> None:
    kept: dict[str, float] = {}
    plain = each_us(lambda n: kept.__setitem__("loss", n * 0.5), TIMES)
    tell("log_metadata of a number in a step", each_us(lambda n: log_metadata({"loss": n * 0.5}), TIMES), plain)
    several = each_us(lambda n: log_metadata({f"loss_{n}": n * 0.5}), KEYS)
    tell(f"… under {KEYS} keys in turn", several, plain)


if __name__ == "__main__":
    main()
