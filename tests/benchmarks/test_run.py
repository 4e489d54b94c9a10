"""The printer of the benchmark table; what it prints is given, never measured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.run import main, read_rows, table

if TYPE_CHECKING:
    from pathlib import Path

STEP = {
    "row": "A",
    "what": "recorded step",
    "value": 7.94321,
    "unit": "µs",
    "baseline": 1.0,
    "baseline_what": "plain call",
    "ratio": 7.94321,
    "gate": "≤ 50 µs",
    "goal": "≤ 10 µs",
    "met": True,
}


def script_that_prints(*rows: dict[str, object]) -> str:
    return "".join(f"print({json.dumps(row)!r})\n" for row in rows)


def test_figures_stand_under_each_other() -> None:
    rows = read_rows("\n".join(json.dumps({**STEP, "value": value}) for value in (7.94321, 12345.6)))

    heading, first, second = table(rows).splitlines()

    assert first.index("7.943 µs") + len("7.943 µs") == second.index("1.235e+04 µs") + len("1.235e+04 µs")
    assert heading.split() == ["row", "what", "value", "baseline", "ratio", "gate", "goal", "met"]


def test_a_figure_without_a_baseline_has_a_dash_for_it() -> None:
    alone = {key: value for key, value in STEP.items() if not key.startswith("baseline") and key != "ratio"}

    row = table(read_rows(json.dumps(alone))).splitlines()[1]

    assert row.count("–") == 2


def test_what_a_script_says_beside_its_rows_is_passed_over() -> None:
    assert len(read_rows(f"warming up\n{json.dumps(STEP)}\ndone\n")) == 1


@pytest.mark.parametrize(("key", "said"), [("gate", "missing 1 required"), ("colour", "unexpected keyword")])
def test_a_row_with_a_missing_or_a_strange_key_is_refused(key: str, said: str) -> None:
    wrong = {**STEP, "colour": "red"} if key == "colour" else {k: v for k, v in STEP.items() if k != key}

    with pytest.raises(ValueError, match=f"{said}.*{key}"):
        read_rows(json.dumps(wrong))


def test_every_script_is_run_and_a_missed_gate_is_shown_and_not_raised(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "row_a.py").write_text(script_that_prints(STEP), encoding="utf-8")
    (tmp_path / "row_b.py").write_text(script_that_prints({**STEP, "row": "B", "met": False}), encoding="utf-8")

    code = main([], tmp_path)

    printed = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert [(words[0], words[-1]) for words in printed] == [("row", "met"), ("A", "yes"), ("B", "NO")]
    assert code == 0


@pytest.mark.parametrize(
    ("script", "said"),
    [("raise SystemExit(3)", "row_b.py: it ended with 3"), ("pass", "row_b.py: it printed no row")],
)
def test_a_broken_script_is_told_and_the_others_are_still_shown(
    script: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "row_a.py").write_text(script_that_prints(STEP), encoding="utf-8")
    (tmp_path / "row_b.py").write_text(script, encoding="utf-8")

    code = main([], tmp_path)

    captured = capfd.readouterr()
    assert "recorded step" in captured.out
    assert said in captured.err
    assert code == 1
