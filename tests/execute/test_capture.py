"""Capturing what a step prints: kept, passed on, and bounded."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.execute.capture import Transcript, capturing


@given(texts=st.lists(st.text()))
def test_a_transcript_of_little_is_all_that_was_written(texts: list[str]) -> None:
    transcript = Transcript()
    for text in texts:
        transcript.write(text)

    assert transcript.text() == "".join(texts)


def test_a_transcript_of_much_keeps_beginning_and_end_and_says_how_much_is_missing() -> None:
    transcript = Transcript()
    for n in range(120_000):
        transcript.write(f"line {n}\n")

    text = transcript.text()

    assert text.startswith("line 0\n")
    assert text.endswith("line 119999\n")
    assert "characters left out" in text
    assert len(text) < 2**20 + 1000


def test_a_single_enormous_text_is_bounded_too() -> None:
    transcript = Transcript()
    transcript.write("a" * (5 * 2**20) + "END")

    assert len(transcript.text()) < 2**20 + 1000
    assert transcript.text().endswith("END")


def test_what_other_threads_write_is_passed_on_and_not_kept(capsys: Any) -> None:
    with capturing() as capture:
        transcript = capture.begin()
        thread = threading.Thread(target=print, args=("from elsewhere",))
        thread.start()
        thread.join()
        print("from here")
        capture.end()
        print("after")

    assert transcript.text() == "from here\n"
    assert capsys.readouterr().out == "from elsewhere\nfrom here\nafter\n"


@pytest.fixture
def root_logger(monkeypatch: pytest.MonkeyPatch) -> logging.Logger:
    """Give the root logger without what other tests have added to it."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    return root


def test_a_handler_that_a_step_adds_writes_to_the_former_stream_afterwards(
    capsys: Any, root_logger: logging.Logger
) -> None:
    with capturing():
        added = logging.StreamHandler()
        root_logger.addHandler(added)

    root_logger.removeHandler(added)
    assert added.stream is sys.stderr


def test_streams_and_log_handlers_are_as_before_whatever_happens(capsys: Any, root_logger: logging.Logger) -> None:
    former = sys.stdout, sys.stderr
    handler = logging.StreamHandler(sys.stderr)
    root_logger.addHandler(handler)
    try:
        try:
            with capturing() as capture:
                transcript = capture.begin()
                logging.getLogger("mine").warning("careful")
                raise KeyError
        except KeyError:
            pass
        assert handler.stream is former[1]
    finally:
        root_logger.removeHandler(handler)

    assert (sys.stdout, sys.stderr) == former
    assert transcript.text() == "careful\n"


def test_who_replaces_a_stream_meanwhile_keeps_it(capsys: Any) -> None:
    former, other = sys.stdout, sys.stderr
    with capturing():
        sys.stdout = other
    try:
        assert sys.stdout is other
    finally:
        sys.stdout = former


def test_captures_that_overlap_leave_nothing_behind_whichever_ends_first(capsys: Any) -> None:
    former = sys.stdout, sys.stderr
    for ends_first in (0, 1):
        captures = [capturing(), capturing()]
        for capture in captures:
            capture.__enter__()

        for n in (ends_first, 1 - ends_first):
            captures[n].__exit__(None, None, None)

        assert (sys.stdout, sys.stderr) == former
