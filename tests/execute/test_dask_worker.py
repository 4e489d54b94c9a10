"""What of us is on a Dask worker, as far as it can be tried without Dask."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from nbpipe.execute import dask_worker
from nbpipe.execute.dask_worker import _fitted, _Voice
from nbpipe.execute.sending import Said, Seen, SentPlan


def plan_with(search_path: tuple[str, ...], **environment: str) -> SentPlan:
    return SentPlan("run-id", "/somewhere", (), search_path, environment)


def test_a_step_finds_what_was_sent_with_it_and_what_the_worker_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLOUR", "of the worker")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("OTHER", "of the worker")
    plan = plan_with(("/not/there",), COLOUR="asked", CUDA_VISIBLE_DEVICES="0,1,2,3")

    fitted = _fitted(plan, platform.node())

    assert fitted.search_path == ("/not/there",)
    assert fitted.environment == {
        **os.environ,
        "COLOUR": "asked",
        "CUDA_VISIBLE_DEVICES": "3",
        "OTHER": "of the worker",
    }


def test_on_another_machine_places_that_are_not_there_are_left_out_and_its_own_are_added(tmp_path: Path) -> None:
    plan = plan_with((str(tmp_path), "/not/there"))

    fitted = _fitted(plan, "another machine")

    assert fitted.search_path == (str(tmp_path), *(path for path in sys.path if path != str(tmp_path)))


def test_what_is_printed_is_said_in_order_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_worker, "_MOST_AT_ONCE", 40)
    said: list[Any] = []
    voice = _Voice(said.extend)

    for n in range(100):
        voice.hear(Said("work", "stdout" if n % 10 else "stderr", f"{n};"))
    voice.hear(Seen({"work": {"progress": [1, 2, ""]}}))
    voice.end()

    assert said.pop() == Seen({"work": {"progress": [1, 2, ""]}})
    assert "".join(one.text for one in said) == "".join(f"{n};" for n in range(100))
    assert "".join(one.text for one in said if one.stream == "stderr") == "0;10;20;30;40;50;60;70;80;90;"
