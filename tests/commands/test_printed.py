"""What is printed above something that moves: whole lines, in their own colours, and in their own words."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from rich.console import Console

from nbpipe.commands.printed import Above, PrintedLines


def on_screen(*pieces: str) -> str:
    """Give what stands on a screen after these pieces were written, and the last line was ended."""
    screen, lines = io.StringIO(), PrintedLines()
    above = Above(lines, io.StringIO())
    for piece in pieces:
        assert above.write(piece) == len(piece)
        above.flush()
    above.end()
    lines.draw(Console(file=screen, width=20))
    return screen.getvalue()


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["one\n", "two\n"], "one\ntwo\n"),
        (["in ", "pieces", "\n"], "in pieces\n"),
        (["no end"], "no end\n"),
        (["\n", "\n"], "\n\n"),
        (["[red]no mark[/red] [/oops]\n"], "[red]no mark[/red] [/oops]\n"),
        (["\r 1 %", "\r 2 %", "\r 3 %\n"], " 3 %\n"),
        (["10 %\r", "20 %\r", "30 %\r"], "30 %\n"),
        (["windows\r\n"], "windows\n"),
        (["x" * 100 + "\n"], "x" * 100 + "\n"),
        (["\x1b[31mred\n"], "\x1b[31mred\x1b[0m\n"),
        (["\x1b[2J\x1b[3A\x1b]0;title\x07still\n"], "still\x1b[0m\n"),
    ],
)
def test_lines_stand_as_they_were_meant(pieces: list[str], shown: str) -> None:
    assert on_screen(*pieces) == shown


def test_a_bar_that_is_drawn_a_million_times_keeps_its_last_form_only() -> None:
    above = Above(PrintedLines(), io.StringIO())

    for n in range(1000):
        above.write(f"\r{n} of 1000 {'=' * 50}")

    assert len(above._begun) < 100


def test_a_line_that_never_ends_is_shown_in_parts() -> None:
    shown = on_screen(*["x" * 1000] * 100)

    assert shown.count("x") == 100_000
    assert shown.count("\n") == 2


def test_once_it_is_over_it_is_the_stream_that_it_stood_for() -> None:
    original = io.StringIO()
    above = Above(PrintedLines(), original)
    above.is_over = True

    print("after", file=above, flush=True)

    assert original.getvalue() == "after\n"
    assert above.isatty() is False


def test_what_a_forked_process_prints_is_printed_at_once_even_if_somebody_draws_meanwhile(tmp_path: Path) -> None:
    out = (tmp_path / "out").open("w")
    lines = PrintedLines()
    above = Above(lines, out)
    with lines._lock:
        held = threading.Thread(target=above.write, args=("waits\n",))
        held.start()
        child = os.fork()
        if not child:
            print("from the child", file=above, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
    held.join()
    out.close()

    assert (tmp_path / "out").read_text() == "from the child\n"
