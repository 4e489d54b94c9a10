"""Whether a kernel hears: asked of its event loop."""

from __future__ import annotations

import asyncio
import time

from nbpipe.notebook.hearing import Hearing


def test_a_kernel_is_deaf_while_its_loop_is_held_and_hears_again_when_it_goes_on() -> None:
    async def asked() -> tuple[bool, bool, bool]:
        hearing = Hearing()
        first = hearing.is_deaf()
        time.sleep(0.3)
        held = hearing.is_deaf()
        await asyncio.sleep(0.05)
        hearing.is_deaf()
        await asyncio.sleep(0.05)
        return first, held, hearing.is_deaf()

    assert asyncio.run(asked()) == (False, True, False)


def test_where_there_is_no_loop_or_it_is_closed_nothing_is_said_to_be_deaf() -> None:
    async def made() -> Hearing:
        return Hearing()

    closed = asyncio.run(made())

    assert [Hearing().is_deaf(), closed.is_deaf(), closed.is_deaf()] == [False, False, False]
