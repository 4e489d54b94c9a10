"""The table of benchmarks: every `row_*.py` beside this file, run in turn and set in columns.

A row is a script that prints JSON lines (`README.md` says which keys). Each runs in a fresh
interpreter, so that none warms another's imports. A missed gate is shown, not raised: times
are for reading. A script that breaks or says nothing is a failure.

    python benchmarks/run.py            every row
    python benchmarks/run.py row_a      those whose file name begins so

An `extra_*.py` needs an extra of nbpipe, and runs only when it is named.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
SCRIPT_LIMIT_S = 1800
HEADINGS = ("row", "what", "value", "baseline", "ratio", "gate", "goal", "met")
NUMERIC = {"value", "ratio"}


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure, with the keys of the JSON line it came from."""

    row: str
    what: str
    value: float
    unit: str
    gate: str
    met: bool
    baseline: float | None = None
    baseline_what: str = ""
    ratio: float | None = None
    goal: str = "–"

    def cells(self) -> dict[str, str]:
        """Give what stands in the table under each of `HEADINGS`."""
        baseline = "–" if self.baseline is None else f"{self.baseline:.4g} {self.unit} {self.baseline_what}".rstrip()
        return {
            "row": self.row,
            "what": self.what,
            "value": f"{self.value:.4g} {self.unit}",
            "baseline": baseline,
            "ratio": "–" if self.ratio is None else f"{self.ratio:.3g}",
            "gate": self.gate,
            "goal": self.goal,
            "met": "yes" if self.met else "NO",
        }


def read_rows(printed: str) -> list[Row]:
    """Read the rows among the lines of `printed`; other lines are the script's own talk.

    Raises:
        ValueError: A line begins like a row and is none; the message names what is wrong.
    """
    rows = []
    for line in printed.splitlines():
        if line.startswith("{"):
            try:
                rows.append(Row(**json.loads(line)))
            except TypeError as error:
                raise ValueError(f"it printed a row that is none: {error}") from error
    return rows


def table(rows: list[Row]) -> str:
    """Set `rows` in columns, figures to the right."""
    lines = [dict(zip(HEADINGS, HEADINGS, strict=True)), *(row.cells() for row in rows)]
    widths = {heading: max(len(line[heading]) for line in lines) for heading in HEADINGS}
    return "\n".join("  ".join(_fit(line[h], widths[h], h) for h in HEADINGS).rstrip() for line in lines)


def _fit(text: str, width: int, heading: str) -> str:
    return text.rjust(width) if heading in NUMERIC else text.ljust(width)


def measure(script: Path) -> list[Row]:
    """Run one script and give its rows.

    Raises:
        ValueError: It failed, took too long, or printed no row; the message says which.
    """
    try:
        done = subprocess.run(
            [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, timeout=SCRIPT_LIMIT_S, check=True
        )
    except subprocess.CalledProcessError as error:
        raise ValueError(f"it ended with {error.returncode}") from error
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"it took longer than {SCRIPT_LIMIT_S} s") from error
    rows = read_rows(done.stdout)
    if not rows:
        raise ValueError("it printed no row")
    return rows


def main(wanted: list[str], folder: Path = FOLDER) -> int:
    """Measure the scripts whose names begin with one of `wanted`, print the table, give the exit code."""
    paths = sorted([*folder.glob("row_*.py"), *folder.glob("extra_*.py")])
    scripts = [path for path in paths if path.name.startswith(tuple(wanted) or "row_")]
    rows: list[Row] = []
    broken: list[str] = []
    for script in scripts:
        print(f"{script.name} …", file=sys.stderr, flush=True)
        try:
            rows += measure(script)
        except ValueError as error:
            broken.append(f"{script.name}: {error}")
    print(table(rows))
    for complaint in broken:
        print(complaint, file=sys.stderr)
    if not scripts:
        print(f"There is no benchmark{' named ' + ' or '.join(wanted) if wanted else ''} yet.", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
