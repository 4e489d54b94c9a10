"""Stopping: an interrupt reaches the guarded block and nothing before or after it."""

from __future__ import annotations

import threading
import time

import pytest

from nbpipe.execute.stop import StopSignal


def busy(until_s: float) -> None:
    deadline = time.monotonic() + until_s
    while time.monotonic() < deadline:
        pass


def test_a_stop_interrupts_the_guarded_block() -> None:
    signal = StopSignal()
    threading.Timer(0.05, signal.stop).start()

    with pytest.raises(KeyboardInterrupt), signal:
        busy(20)

    assert signal.is_set
    busy(0.01)


def test_a_stop_that_came_before_the_block_keeps_it_from_beginning() -> None:
    signal = StopSignal()
    signal.stop()
    begun = []

    with pytest.raises(KeyboardInterrupt), signal:
        begun.append(1)

    assert begun == []


def test_nobody_is_interrupted_outside_of_the_block() -> None:
    signal = StopSignal()
    with signal:
        pass

    assert signal.interrupt() is False
    signal.stop()
    busy(0.02)


def test_an_interrupt_on_its_way_when_the_block_ends_comes_then_or_never() -> None:
    for n in range(300):
        signal = StopSignal()
        thread = threading.Thread(target=signal.stop)
        try:
            with signal:
                thread.start()
                busy(n * 2e-6)
        except KeyboardInterrupt:
            pass
        thread.join()
        # Whatever came, came before this line.
        busy(1e-5)
        assert signal.is_set
