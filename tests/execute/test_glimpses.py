"""Looks at steps that run: the last line of what they print, and what goes to another process."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from nbpipe.execute.capture import Transcript
from nbpipe.execute.glimpses import Glimpse, Glimpses, Progress, Watch, last_line_of


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("one\ntwo\n", "two"),
        ("one\ntwo", "two"),
        ("one\n\n  \n", "one"),
        ("  3 %\r 43 %|███", "43 %|███"),
        ("43 %\r\n", "43 %"),
        ("\x1b[31mred\x1b[0m\n\x1b[2K", "red"),
        ("\x1b]0;title\x07said\n", "said"),
        ("é" * 500, "é" * 199 + "…"),
    ],
)
def test_the_last_line_is_the_last_that_says_anything(text: str, line: str) -> None:
    assert last_line_of(text) == line


@pytest.mark.parametrize("before", [0, 1000, 600_000, 3_000_000])
def test_the_last_line_is_found_however_much_was_printed(before: int) -> None:
    transcript = Transcript()
    transcript.write("x" * before)

    for piece in ("\n", "epoch", " ", "7", "\n"):
        transcript.write(piece)

    assert last_line_of(transcript.end_of_text()) == "epoch 7"


def test_steps_are_seen_as_long_as_they_run() -> None:
    glimpses = Glimpses()
    report = glimpses.begin("train")
    glimpses.begin("test")
    report(Progress(1, 2, "half"))

    during = glimpses.look()
    glimpses.end("train")
    glimpses.end("never")
    report(Progress(2, 2))

    assert {node: seen.progress for node, seen in during.items()} == {"train": Progress(1, 2, "half"), "test": None}
    assert list(glimpses.look()) == ["test"]


def test_what_is_seen_goes_through_json_but_for_the_time() -> None:
    for seen in (Glimpse(1.5, Progress(1, 2.5, "\ud800<b>"), "line"), Glimpse(0.0, Progress(3)), Glimpse()):
        assert Glimpse.read(json.loads(json.dumps(seen.as_record()))) == replace(seen, elapsed_s=0.0)


def test_what_another_process_sees_is_seen_here_as_long_as_the_step_runs() -> None:
    there, here = Glimpses(), Glimpses()
    there.begin("train")(Progress(1, 2))
    there.begin("test")
    here.begin("train")

    said = {node: seen.as_record() for node, seen in there.look().items()}
    here.hear(said)
    first = here.look()
    here.end("train")
    here.hear(said)

    assert {node: seen.progress for node, seen in first.items()} == {"train": Progress(1, 2)}
    assert first["train"].elapsed_s > 0
    assert here.look() == {}


def test_who_watches_is_told_of_news_only() -> None:
    glimpses = Glimpses()
    report = glimpses.begin("train")
    told: list[Any] = []
    looks = 0
    enough = threading.Event()

    def look() -> Any:
        nonlocal looks
        looks += 1
        if looks == 5:
            report(Progress(1, 2))
        if looks == 10:
            enough.set()
        return glimpses.look()

    with Watch(look, told.append, every_s=0.001):
        assert enough.wait(20)

    assert [said["train"]["progress"] for said in told] == [None, [1, 2, ""]]


def test_a_look_that_fails_ends_neither_the_watch_nor_the_block() -> None:
    looks: list[int] = []
    enough = threading.Event()

    def look() -> Any:
        looks.append(1)
        if len(looks) == 3:
            enough.set()
        raise OSError("gone")

    with Watch(look, looks.append, every_s=0.001):  # type: ignore[arg-type]
        assert enough.wait(20)
