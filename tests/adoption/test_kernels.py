"""Kernels that a notebook is run in to be looked at."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

from nbpipe.adoption.kernels import opened_kernel

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_kernel_whose_port_somebody_took_meanwhile_begins_again_with_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = KernelManager._async_pre_start_kernel
    taken: list[int] = []
    begun: list[Any] = []

    with ExitStack() as open_until_the_end:

        async def chosen(manager: Any, **options: Any) -> Any:
            said = await choose(manager, **options)
            begun.append(manager)
            if not taken:
                other = open_until_the_end.enter_context(socket.socket())
                other.bind(("127.0.0.1", manager.shell_port))
                other.listen()
                taken.append(manager.shell_port)
            return said

        monkeypatch.setattr(KernelManager, "_async_pre_start_kernel", chosen)
        with opened_kernel(tmp_path) as kernel:
            kernel.run("x = 6 * 7")
            first, second = begun
            assert second.shell_port != first.shell_port == taken[0]
            assert (first.is_alive(), second.is_alive()) == (False, True)
