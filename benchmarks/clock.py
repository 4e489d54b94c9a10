"""How rows measure: a command in a fresh interpreter, and a question that is asked again and again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median


def interpreter_s(*words: str) -> tuple[float, float, str]:
    """Give the time of a fresh interpreter from start to end, that of the processor, and what it printed."""
    began, worked = time.perf_counter(), _children_s()
    done = subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True)
    return time.perf_counter() - began, _children_s() - worked, done.stdout


def command_s(*words: str) -> tuple[float, float, str]:
    """Give the same of a command of nbpipe."""
    return interpreter_s("-m", "nbpipe", *words)


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


def question_ms(ask: Callable[[], object], rounds: int) -> float:
    """Give the median time of a question, after it was asked once."""
    ask()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1e3)
    return median(times)
