"""Row G: what starting costs: the import, the first recorded result, and `%%step` over a plain cell.

The first two are measured from outside, a whole fresh interpreter each, and what the bare
interpreter takes is told beside, as is the processor's own time, which a busy machine stretches
less. The third is in this process: the same cell runs in an IPython
shell, plain and under `%%step`, in turns, each time with another constant, so that nothing is
reused.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROUNDS, CELLS = 9, 120
FLOW = """
from nbpipe import pipeline, step

@step
def answer() -> int:
    return 42

@pipeline
def first():
    return answer()

if __name__ == "__main__":
    run = first()
    assert run.status.value == "completed"
"""
Figure = dict[str, object]


def started_ms(*words: str) -> float:
    """Give the time from start to end of a fresh interpreter."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True)
    return (time.perf_counter() - began) * 1e3


def recorded_ms(flow: Path) -> tuple[float, float]:
    """Give the time until a fresh interpreter says that it recorded a first result in a new workspace.

    The second figure is its processor time until then, as it says itself.
    """
    with tempfile.TemporaryDirectory() as name:
        script = f"import runpy, os, time; runpy.run_path({str(flow)!r}, run_name='__main__')\n"
        script += "os.write(1, b'%9.3f' % (time.process_time() * 1e3))"
        began = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, env={**os.environ, "NBPIPE_HOME": name}
        )
        assert child.stdout is not None, "it was asked for"
        said = child.stdout.read(9)
        took_ms = (time.perf_counter() - began) * 1e3
        child.stdout.close()
        assert child.wait() == 0, "the run is recorded"
        return took_ms, float(said)


def cells_ms(folder: Path) -> tuple[list[float], list[float]]:
    """Give the times of plain cells and of the same cells as steps, in turns."""
    os.environ["NBPIPE_HOME"] = str(folder / "cells")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "nbpipe")
    shell.run_cell("base = 1\n")
    plain, stepped = [], []
    for n in range(CELLS):
        body = f"total = 0\nfor k in range(10):\n    total += k * {n}\n"
        plain.append(_timed_ms(lambda text=body: shell.run_cell(text, store_history=False)))
        marked = f"%%step add_{n % 10}\n{body}"
        stepped.append(_timed_ms(lambda text=marked: shell.run_cell(text, store_history=False)))
        assert shell.user_ns["total"] == 45 * n, "the cell ran"
    return plain[10:], stepped[10:]


def _timed_ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    result = act()
    took_ms = (time.perf_counter() - began) * 1e3
    assert getattr(result, "success", False), "the cell did not fail"
    return took_ms


def tell(what: str, value: float, baseline: float, baseline_what: str, gate: float, goal: float) -> None:
    row: Figure = {"row": "G", "what": what, "value": round(value, 2), "unit": "ms"}
    row |= {"baseline": round(baseline, 2), "baseline_what": baseline_what}
    row |= {"gate": f"≤ {gate:g} ms", "goal": f"≤ {goal:g} ms", "met": value <= gate}
    print(json.dumps(row))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flow = folder / "first_flow.py"
        flow.write_text(FLOW, encoding="utf-8")
        bare, imported, recorded = [], [], []
        recorded_ms(flow)
        for _ in range(ROUNDS):
            bare.append(started_ms("-c", "pass"))
            imported.append(started_ms("-c", "import nbpipe"))
            recorded.append(recorded_ms(flow))
        plain, stepped = cells_ms(folder)
    interpreter = median(bare)
    over = median(imported) - interpreter
    tell("import nbpipe, fresh process, over the interpreter", over, interpreter, "bare interpreter", 60, 30)
    took, worked = median(r[0] for r in recorded), median(r[1] for r in recorded)
    what = f"first recorded result, fresh process, all of it ({worked:.0f} ms of processor time)"
    tell(what, took, interpreter, "bare interpreter", 400, 100)
    more = median(one - other for one, other in zip(stepped, plain, strict=True))
    tell("%%step over a plain cell, in an IPython shell", more, median(plain), "plain cell", 2, 0.2)


if __name__ == "__main__":
    main()
