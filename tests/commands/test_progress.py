"""How a run goes on in a pipe: a line a step."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from nbpipe.commands.progress import Lines, step_line
from nbpipe.records.runs import Status


def settled(node, status, **facts):
    said = {"node": node, "status": status, "why": "", "duration_s": 1.2, "failure": None, "items": None}
    return SimpleNamespace(**{**said, **facts})


def started(*names, parent=("", "")):
    facts = SimpleNamespace(id="1f3a9c00-0000", pipeline="training")
    return SimpleNamespace(
        traced=SimpleNamespace(graph=SimpleNamespace(by_id=dict.fromkeys(names))), facts=facts, parent=parent
    )


BROKE = SimpleNamespace(type_name="ValueError", message="bad\nvalue")


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (settled("load", Status.COMPLETED), "✓ load   1.2 s"),
        (settled("clean", Status.REUSED), "↺ clean  reused"),
        (settled("fit", Status.FAILED, failure=BROKE), "✗ fit    ValueError: bad value"),
        (settled("test", Status.SKIPPED, why="fit did not succeed"), "– test   skipped: fit did not succeed"),
        (settled("slow", Status.INTERRUPTED, why="caching is off"), "■ slow   interrupted after 1.2 s"),
        (
            settled("late", Status.INTERRUPTED, why="the run was stopped", duration_s=0.0),
            "■ late   interrupted: the run was stopped",
        ),
    ],
)
def test_a_line_says_what_became_of_a_step(step, line):
    assert step_line(step, 5) == line


def test_a_name_cannot_move_the_cursor():
    assert "\x1b" not in step_line(settled("a\x1b[2Jb", Status.COMPLETED), 1)


def test_lines_are_written_when_steps_are_done_and_not_when_they_begin():
    stream = io.StringIO()

    tell = Lines(stream).begin(started("load", "total"))
    tell("load", None)
    tell("load", settled("load", Status.COMPLETED))

    assert stream.getvalue() == "✓ load   1.2 s\n"


def test_lines_of_a_run_that_a_step_asked_for_say_whose_they_are():
    stream = io.StringIO()
    lines = Lines(stream)
    lines.begin(started("ask"))

    lines.begin(started("load", "total", parent=("9b00", "ask")))("load", settled("load", Status.COMPLETED))

    assert stream.getvalue() == "  ↳ training 1f3a9c00: ✓ load   1.2 s\n"


def test_a_reader_who_is_gone_does_not_stop_the_run():
    stream = io.StringIO()
    reporter = Lines(stream)
    tell = reporter.begin(started("load"))
    stream.close()

    tell("load", settled("load", Status.COMPLETED))
    reporter.end(completed=True)
