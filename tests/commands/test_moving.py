"""A run on a terminal: what stands on the screen while it goes on, and after."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from nbpipe.commands.moving import Moving, counts_text
from nbpipe.execute.glimpses import Glimpse, Progress
from nbpipe.records.runs import Status

BROKE = SimpleNamespace(type_name="ValueError", message="bad\nvalue")
HOSTILE = "<script>[red]\x1b[2J'; DROP TABLE run; --" * 100


def settled(node: str, status: Status, **facts: Any) -> Any:
    said = {"node": node, "status": status, "why": "", "duration_s": 1.2, "failure": None, "items": None}
    return SimpleNamespace(**{**said, **facts})


@dataclass
class Run:
    """A run as those who watch it see it."""

    names: list[str]
    parent: tuple[str, str] = ("", "")
    seen: dict[str, Glimpse] = field(default_factory=dict)

    @property
    def started(self) -> Any:
        facts = SimpleNamespace(id="1f3a9c00-0000", pipeline="training")
        graph = SimpleNamespace(by_id=dict.fromkeys(self.names))
        return SimpleNamespace(
            traced=SimpleNamespace(graph=graph), facts=facts, parent=self.parent, look=lambda: self.seen
        )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "12")
    return Terminal()


@contextmanager
def moving(stream: Terminal) -> Iterator[Moving]:
    reporter = Moving(stream)
    with redirect_stdout(stream):
        try:
            yield reporter
        finally:
            reporter.end(completed=False)


def screen(reporter: Moving, columns: int = 80) -> list[str]:
    """Give the lines that stand on the screen now."""
    console = Console(file=io.StringIO(), width=columns, no_color=True)
    console.print(reporter._drawn())
    shown: str = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in shown.splitlines()]


def test_a_step_that_runs_says_how_far_it_is_and_what_it_printed_last(terminal: Terminal) -> None:
    run = Run(["load", "train"])
    with moving(terminal) as reporter:
        tell = reporter.begin(run.started)
        tell("load", settled("load", Status.COMPLETED))
        tell("train", None)
        run.seen = {"train": Glimpse(0.0, Progress(3, 7, "fold 3"), "loss 0.2")}

        assert screen(reporter) == [
            "✓ load   1.2 s",
            "◐ train  0 s  ━━━━━━━━────────────  42 %, 3 of 7  fold 3",
            "  loss 0.2",
        ]

        tell("train", settled("train", Status.COMPLETED))
        assert screen(reporter) == ["✓ load   1.2 s", "✓ train  1.2 s"]


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (None, "0 s"),
        (Progress(1204), "0 s  1,204 done"),
        (Progress(12, 10), "0 s  ━━━━━━━━━━━━━━━━━━━━  100 %, 12 of 10"),
        (Progress(0, 0), "0 s  ━━━━━━━━━━━━━━━━━━━━  100 %, 0 of 0"),
        (Progress(999, 1000), "0 s  ━━━━━━━━━━━━━━━━━━━─  99 %, 999 of 1,000"),
        (Progress(0.5, 2.0), "0 s  ━━━━━───────────────  25 %, 0.5 of 2"),
        (Progress(1e300, 1e-300), "0 s  ━━━━━━━━━━━━━━━━━━━━  100 %, 1e+300 of 1e-300"),
    ],
    ids=["nothing said", "no total", "too much", "nothing to do", "nearly all", "parts", "huge"],
)
def test_how_far_it_is_can_be_said_in_many_ways(terminal: Terminal, progress: Progress | None, said: str) -> None:
    run = Run(["train"], seen={"train": Glimpse(0.0, progress)})
    with moving(terminal) as reporter:
        reporter.begin(run.started)("train", None)

        assert screen(reporter) == [f"◐ train  {said}"]


def test_whatever_a_step_says_takes_one_line_and_moves_no_cursor(terminal: Terminal) -> None:
    run = Run([HOSTILE], seen={HOSTILE: Glimpse(0.0, Progress(1, 2, HOSTILE), HOSTILE)})
    with moving(terminal) as reporter:
        reporter.begin(run.started)(HOSTILE, None)

        lines = screen(reporter)
        assert len(lines) == 2
        assert all("\x1b" not in line for line in lines)


def test_of_many_steps_those_that_run_and_failed_are_shown_and_the_others_counted(terminal: Terminal) -> None:
    names = [f"step_{n}" for n in range(200)]
    run = Run(names, seen={"step_100": Glimpse(0.0, None, "printed")})
    with moving(terminal) as reporter:
        tell = reporter.begin(run.started)
        for name in names[:100]:
            tell(name, settled(name, Status.COMPLETED))
        tell("step_3", settled("step_3", Status.FAILED, failure=BROKE))
        tell("step_100", None)

        lines = screen(reporter)

    assert len(lines) <= 10
    assert lines[0].startswith("✗ step_3    ValueError: bad value")
    assert [line.split()[1] for line in lines[1:-1] if line != "  printed"] == [f"step_{n}" for n in range(97, 104)]
    assert "  printed" in lines
    assert lines[-1] == "100 of 200 steps: 1 running, 1 failed, 99 completed, 99 pending"


@pytest.mark.parametrize("height", [1, 4, 24])
def test_the_screen_is_never_too_small(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, height: int) -> None:
    monkeypatch.setenv("LINES", str(height))
    names = [f"step_{n}" for n in range(50)]
    run = Run(names, seen={name: Glimpse(0.0, None, "printed") for name in names})
    with moving(terminal) as reporter:
        tell = reporter.begin(run.started)
        for name in names:
            tell(name, None)

        assert len(screen(reporter)) <= max(height - 2, 4)


def test_counts_name_only_what_there_is() -> None:
    assert counts_text({}) == "0 of 0 steps: "
    assert counts_text({Status.PENDING: 1200, Status.RUNNING: 1}) == "0 of 1,201 steps: 1 running, 1,200 pending"


def test_a_step_that_is_settled_again_counts_once(terminal: Terminal) -> None:
    names = [f"step_{n}" for n in range(50)]
    with moving(terminal) as reporter:
        tell = reporter.begin(Run(names).started)
        tell("step_0", settled("step_0", Status.REUSED))
        tell("step_0", None)
        tell("step_0", settled("step_0", Status.COMPLETED))
        tell("step_0", settled("step_0", Status.FAILED, failure=BROKE))

        assert screen(reporter)[-1] == "1 of 50 steps: 1 failed, 49 pending"


def test_a_run_that_a_step_asked_for_stands_below_until_it_is_over(terminal: Terminal) -> None:
    with moving(terminal) as reporter:
        reporter.begin(Run(["ask"]).started)
        child = reporter.begin(Run(["load", "total"], parent=("9b00", "ask")).started)
        child("load", settled("load", Status.COMPLETED))

        during = screen(reporter)
        child("total", settled("total", Status.FAILED, failure=BROKE))
        after = screen(reporter)

    assert during == ["○ ask", "  ↳ training 1f3a9c00", "    ✓ load   1.2 s", "    ○ total"]
    assert after == ["○ ask"]


def test_what_is_printed_goes_above_as_it_is(terminal: Terminal) -> None:
    with moving(terminal) as reporter:
        reporter.begin(Run(["load"]).started)
        print("[red]no mark[/red]", "[/oops]", flush=True)
        print("in ", end="", flush=True)
        print("pieces")
        print("\r 10 %", end="", flush=True)
        print("\r 99 %")
        print("no end", end="")

    drawn = terminal.getvalue()
    assert "[red]no mark[/red] [/oops]" in drawn
    assert "in pieces" in drawn
    assert "10 %" not in drawn
    assert "99 %" in drawn
    assert "no end" in drawn


def test_printing_goes_on_as_before_once_the_run_is_over(terminal: Terminal) -> None:
    with moving(terminal) as reporter:
        reporter.begin(Run(["load"]).started)
        kept = sys.stdout
        reporter.end(completed=False)

        assert kept is not sys.stdout is terminal
        print("after", file=kept)

    assert terminal.getvalue().endswith("after\n")


def test_the_picture_stays_where_the_run_failed(terminal: Terminal) -> None:
    with moving(terminal) as reporter:
        tell = reporter.begin(Run(["load", "fit"]).started)
        tell("load", settled("load", Status.COMPLETED))
        tell("fit", settled("fit", Status.FAILED, failure=BROKE))

    drawn = terminal.getvalue()
    assert "✓ load" in drawn
    assert drawn.rindex("ValueError: bad value") > drawn.rindex("✗ fit")


def test_a_reader_who_is_gone_does_not_stop_the_run(terminal: Terminal) -> None:
    with moving(terminal) as reporter:
        tell = reporter.begin(Run(["load"]).started)
        above = sys.stdout
        terminal.close()

        print("said", file=above)
        tell("load", settled("load", Status.COMPLETED))
