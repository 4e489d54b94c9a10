"""Row D: a frame of 100 MB from the step that makes it to the step that reads it, and back from disk.

Three things are timed: from the end of the producer's body to the beginning of the consumer's,
told by the steps themselves; storing the frame and reading all of it again, against writing the
same bytes with one plain `write` (and reading them again) in turns with it; and one column of the
stored frame read again.

The consumer need not wait where no recorded execution of it could serve; how long it waits where
one might, since its other inputs are as before, is told beside. The SHA-256 that names the blob is
taken in the background; it is timed alone and left out of the ratio, as the budget says.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from nbpipe.services.client import Client
from nbpipe.services.runs import Run

COLUMNS, MEGABYTES, ROUNDS = 10, 100, 7
ROWS = MEGABYTES * 10**6 // (8 * COLUMNS)
FLOW = """
import time

import numpy as np
import pandas as pd

from nbpipe import pipeline, step

@step
def produce(seed: int) -> pd.DataFrame:
    values = np.random.default_rng(seed).random(({columns}, {rows}))
    frame = pd.DataFrame(dict(zip("abcdefghij", values)))
    del values
    print(time.perf_counter())
    return frame

@step
def consume(frame: pd.DataFrame, turn: int) -> float:
    print(time.perf_counter())
    return float(frame["a"].iloc[0])

@pipeline
def handing(seed: int, turn: int):
    return consume(produce(seed), turn)
"""


def handed_ms(run: Run) -> float:
    made, began = (float(run.steps[node].logs) for node in ("produce", "consume"))
    return (began - made) * 1e3


def timed_s(act: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    came = act()
    return time.perf_counter() - began, came


def written_and_read_s(path: Path, data: memoryview) -> float:
    """Give the time of one plain write of `data` to a new file, and of reading all of it again."""

    def both() -> None:
        with path.open("wb", buffering=0) as file:
            file.write(data)
        np.frombuffer(np.memmap(path, np.uint8, "r"), np.float64).sum()

    took_s, _ = timed_s(both)
    path.unlink()
    return took_s


def empty(blobs: Path) -> None:
    """Delete every blob: rounds must not fill the disk, and a blob that is there is not written again."""
    for path in blobs.rglob("*"):
        if path.is_file():
            path.unlink()


def stored_and_read_s(client: Client, frame: pd.DataFrame) -> tuple[float, float]:
    """Give the time of storing `frame` and reading all of it again, and then of reading one column of it."""
    store = client.workspace.store

    def both() -> object:
        version = store.keep({"frame": frame}, made_by="benchmark").versions["frame"]
        loaded = store.load(version, trust=True)
        loaded.to_numpy().sum()
        return version

    took_s, version = timed_s(both)
    column_s, _ = timed_s(lambda: store.load(version, trust=True)["d"].to_numpy().sum())
    empty(client.workspace.paths.blobs)
    return took_s, column_s


def tell(what: str, value: float, unit: str, gate: str, goal: str, *, is_met: bool, **baseline: object) -> None:
    row = {"row": "D", "what": what, "value": round(value, 3), "unit": unit, "gate": gate, "goal": goal, "met": is_met}
    print(json.dumps(row | baseline))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "handing_flow.py").write_text(FLOW.format(columns=COLUMNS, rows=ROWS), encoding="utf-8")
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        sys.path.insert(0, str(folder))
        import handing_flow

        client = Client()
        after_ms, awaited_ms, stored, column_ms, raw, ratios, names = [], [], [], [], [], [], []
        for seed in range(ROUNDS):
            after_ms.append(handed_ms(handing_flow.handing(seed=seed, turn=seed)))
            awaited_ms.append(handed_ms(handing_flow.handing(seed=ROUNDS + seed, turn=0)))
            empty(client.workspace.paths.blobs)
        values = np.random.default_rng(0)
        for _ in range(ROUNDS):
            frame = pd.DataFrame(values.random((ROWS, COLUMNS)), columns=list("abcdefghij"))
            took_s, column_s = stored_and_read_s(client, frame)
            data = memoryview(np.ascontiguousarray(frame.to_numpy())).cast("B")
            plain_s = written_and_read_s(folder / "raw", data)
            name_s, _ = timed_s(lambda data=data: hashlib.sha256(data).hexdigest())
            stored.append(took_s - name_s)
            names.append(name_s)
            raw.append(plain_s)
            ratios.append((took_s - name_s) / plain_s)
            column_ms.append(column_s * 1e3)
        client.close()
    what = f"consumer starts after the {MEGABYTES} MB frame is made"
    what += f" ({median(awaited_ms):.0f} ms where an earlier execution might serve)"
    tell(what, median(after_ms), "ms", "≤ 1 ms", "≤ 0.1 ms", is_met=median(after_ms) <= 1)
    what = f"{MEGABYTES} MB frame stored and all of it read back, without {median(names):.3f} s for its SHA-256"
    facts = {"baseline": round(median(raw), 3), "baseline_what": "plain write and mmap"}
    facts["ratio"] = round(median(ratios), 2)
    tell(what, median(stored), "s", "≤ 3 × raw", "≤ 1.3 × raw", is_met=median(ratios) <= 3, **facts)
    tell("one column of it read again", median(column_ms), "ms", "≤ 20 ms", "≤ 5 ms", is_met=median(column_ms) <= 20)


if __name__ == "__main__":
    main()
