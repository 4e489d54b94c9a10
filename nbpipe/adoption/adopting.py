"""An ordinary notebook made a pipeline, and the proof that it gives the same values.

The plain notebook is run in a fresh kernel, planned, and a copy with steps is written. The copy is run
in a fresh kernel, then again where every step is reused, then each step in a fresh process of its own;
after each cell every variable is compared with the plain notebook's. A cell that is refused as a step
stays plain, and the plan is made anew. The notebook itself is never written, and the workspace of these
runs is a temporary one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbpipe.adoption.cells import Role
from nbpipe.adoption.comparing import Compared, compare, unstable_names
from nbpipe.adoption.kernels import CellRun, opened_kernel
from nbpipe.adoption.looking import look_in
from nbpipe.adoption.planning import Plan, PlannedCell, PlannedStep, plan
from nbpipe.adoption.reading import NotebookFile, check_free, copy_with, read_notebook, write_notebook
from nbpipe.errors import BadValueError, DefinitionError

_MOST_ATTEMPTS = 12
_APART_LIMIT_S = 900


@dataclass(frozen=True, slots=True)
class AdoptedCell:
    """What became of one cell of the notebook.

    Attributes:
        planned: What it became.
        in_notebook: Its variables in the copy, run for the first time.
        reused: Its variables where every step was reused.
        apart: What its step gave in a process of its own; nothing is compared for cells that are no step's last.
    """

    planned: PlannedCell
    in_notebook: Compared
    reused: Compared
    apart: Compared = field(default_factory=Compared)

    @property
    def different(self) -> dict[str, str]:
        """The variables that differ, each with how and where."""
        ways = (("", self.in_notebook), ("reused, ", self.reused), ("in a process of its own, ", self.apart))
        found: dict[str, str] = {}
        for where, compared in ways:
            for name, how in compared.different.items():
                found.setdefault(name, f"{where}it {how}")
        return found


@dataclass(frozen=True, slots=True)
class Adoption:
    """An adopted notebook.

    Attributes:
        source: The notebook.
        copy: The copy with steps.
        cells: What became of each code cell.
        steps: How many steps the copy has.
        reused: How many of them were reused when the copy was run again.
        unstable: Names whose values differ from one run of the plain notebook to the next.
    """

    source: Path
    copy: Path
    cells: tuple[AdoptedCell, ...]
    steps: int
    reused: int
    unstable: frozenset[str] = frozenset()

    @property
    def is_equal(self) -> bool:
        """Whether every variable that can be stored holds in the pipeline what it holds in the notebook."""
        return not any(cell.different for cell in self.cells)


def adopt(
    source: Path,
    copy_path: Path,
    *,
    with_parameters: bool = False,
    replace: bool = False,
    timeout_s: float = 600,
    say: Callable[[str], None] = lambda _: None,
) -> Adoption:
    """Write a copy of a notebook with steps, and check that it gives the same values.

    Args:
        source: The notebook; it is only read.
        copy_path: Where the copy goes.
        with_parameters: Make parameters of its plain constants.
        replace: Write over what lies where the copy goes.
        timeout_s: How long one cell may take.
        say: Is told what is being done.

    Raises:
        BadValueError: The notebook cannot be adopted, or a cell of it fails by itself; nothing was written.
        ConflictError: Something lies where the copy goes.
        StepTimeoutError: A cell took too long.
    """
    check_free(source, copy_path, replace=replace)
    notebook = read_notebook(source)
    say(f"running {source.name} as it is")
    runs = _plain_runs(notebook, timeout_s)
    with TemporaryDirectory(prefix="nbpipe-adopt-") as temporary:
        refused: dict[int, str] = {}
        for attempt in range(_MOST_ATTEMPTS):
            made = plan(notebook.cells, runs, with_parameters=with_parameters, refused=refused)
            if not made.steps:
                raise BadValueError(f"{source.name} has no cell that could be a step{_first_reason(made)}.")
            workspace = Path(temporary) / f"{attempt}" / ".nbpipe"
            say(f"running it as a pipeline of {len(made.steps)} steps")
            stepped = _Stepped(notebook, made, workspace, timeout_s)
            found = stepped.run()
            if not stepped.refused:
                break
            refused |= stepped.refused
        else:
            raise DefinitionError(f"{source.name} cannot be adopted: {refused[min(refused)]}")
        write_notebook(copy_with(notebook, copied_cells(notebook, made)), copy_path)
        say("running it again, with every step reused")
        again = _Stepped(notebook, made, workspace, timeout_s)
        reused = again.run()
        say("running each step in a process of its own")
        apart = _apart(stepped.sheet, source.parent.resolve(), workspace, Path(temporary))
    unstable = _unstable(notebook, runs, (found, reused), timeout_s)
    given = {name: [version["output"] for version in step["gave"]] for name, step in stepped.sheet.items()}
    cells = tuple(_cell(planned, runs, (found, reused), _Apart(apart, given), unstable) for planned in made.cells)
    return Adoption(source, copy_path, cells, len(made.steps), again.count_reused(), frozenset(unstable))


def _plain_runs(notebook: NotebookFile, timeout_s: float) -> dict[int, CellRun]:
    """Run every code cell of the plain notebook.

    Raises:
        BadValueError: One fails by itself.
    """
    runs: dict[int, CellRun] = {}
    with opened_kernel(notebook.path.parent.resolve(), timeout_s=timeout_s) as kernel:
        for index, cell in enumerate(notebook.cells):
            if not cell.is_code:
                continue
            runs[index] = kernel.run(cell.text)
            if runs[index].error and not cell.may_raise:
                raise BadValueError(
                    f"Cell {len(runs)} of {notebook.path.name} fails by itself: {runs[index].error[:200]}\n"
                    "Mend it first, or tag the cell raises-exception. Nothing was written."
                )
    return runs


class _Stepped:
    """One run of the copy in a fresh kernel.

    Attributes:
        refused: Cells that were refused as steps, with what was said.
        sheet: The steps as `notebook.stepsheet` writes them.
    """

    def __init__(self, notebook: NotebookFile, made: Plan, workspace: Path, timeout_s: float) -> None:
        self._notebook = notebook
        self._plan = made
        self._workspace = workspace
        self._timeout_s = timeout_s
        self.refused: dict[int, str] = {}
        self.sheet: dict[str, Any] = {}

    def run(self) -> dict[int, CellRun]:
        """Run it; stop at the first cell that is refused."""
        found: dict[int, CellRun] = {}
        steps = {step.cells[-1]: step for step in self._plan.steps}
        roles = {cell.index: cell for cell in self._plan.cells}
        folder = self._notebook.path.parent.resolve()
        with opened_kernel(folder, workspace=self._workspace, timeout_s=self._timeout_s) as kernel:
            kernel.run("%load_ext nbpipe")
            if self._plan.parameters:
                kernel.run(f"%%params\n{self._plan.parameters}")
            for index, cell in roles.items():
                if cell.role is not Role.STEP:
                    found[index] = kernel.run(self._plan.without.get(index, self._notebook.cells[index].text))
                elif index in steps:
                    found[index] = kernel.run(step_text(steps[index]))
                    if found[index].error:
                        self.refused = dict.fromkeys(steps[index].cells, _reason(found[index].error))
                        return found
            self.sheet, refused = kernel.steps()
        for step in self._plan.steps:
            if step.name in refused:
                self.refused |= dict.fromkeys(step.cells, refused[step.name])
        return found

    def count_reused(self) -> int:
        """Count the steps that were reused in this run."""
        return sum(1 for step in self.sheet.values() if step["was_reused"])


def copied_cells(notebook: NotebookFile, made: Plan) -> list[str | int]:
    """Give the cells of the copy: code that is new, or the places of cells that stay."""
    roles = {cell.index: cell for cell in made.cells}
    steps = {step.cells[-1]: step for step in made.steps}
    cells: list[str | int] = []
    for index in range(len(notebook.cells)):
        if index == min(roles):
            cells.append("%load_ext nbpipe")
            if made.parameters:
                cells.append(f"%%params\n{made.parameters}")
        if index in steps:
            cells.append(step_text(steps[index]))
        elif index not in roles:
            cells.append(index)
        elif roles[index].role is not Role.STEP:
            left = made.without.get(index)
            if left is None:
                cells.append(index)
            elif left.strip():
                cells.append(left.strip("\n"))
    return cells


def step_text(step: PlannedStep) -> str:
    """Write a step's cell."""
    above = f"{step.above}\n" if step.above else ""
    return f"{above}%%step {step.name}\n{step.text.strip(chr(10))}"


def _apart(steps: Mapping[str, Any], folder: Path, workspace: Path, temporary: Path) -> dict[str, Any]:
    if not hasattr(os, "fork"):
        return {}
    sheet = temporary / "steps.json"
    sheet.write_text(json.dumps(steps), encoding="utf-8")
    ran = subprocess.run(  # noqa: S603 — our own module, on files of our own
        [sys.executable, "-m", "nbpipe.adoption.apart", str(sheet), str(folder), str(workspace)],
        capture_output=True,
        text=True,
        timeout=_APART_LIMIT_S,
        env={**os.environ, "MPLBACKEND": "agg"},
        check=False,
    )
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines()
        raise BadValueError(f"The steps cannot be run apart: {said[-1] if said else 'the process ended'}.")
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _unstable(
    notebook: NotebookFile,
    runs: Mapping[int, CellRun],
    others: Sequence[Mapping[int, CellRun]],
    timeout_s: float,
) -> set[str]:
    """Name what differs from one plain run to the next; that is asked only where something differs at all."""
    differs = any(
        compare(runs[index].seen.variables, run.seen.variables).different
        for other in others
        for index, run in other.items()
    )
    if not differs:
        return set()
    again = _plain_runs(notebook, timeout_s)
    return {
        name for index, run in runs.items() for name in unstable_names(run.seen.variables, again[index].seen.variables)
    }


@dataclass(frozen=True, slots=True)
class _Apart:
    """What came of each step in a process of its own, and which outputs it has to give there."""

    answers: Mapping[str, Any]
    given: Mapping[str, Sequence[str]]


def _cell(
    planned: PlannedCell,
    runs: Mapping[int, CellRun],
    in_kernel: tuple[Mapping[int, CellRun], Mapping[int, CellRun]],
    apart: _Apart,
    unstable: set[str],
) -> AdoptedCell:
    index = planned.index
    if index not in in_kernel[0]:
        return AdoptedCell(planned, Compared(), Compared())
    plain = runs[index].seen.variables
    first = compare(plain, in_kernel[0][index].seen.variables, unstable=unstable)
    if index in in_kernel[1]:
        again = compare(plain, in_kernel[1][index].seen.variables, unstable=unstable)
    else:
        again = Compared(different={planned.step or f"cell {planned.number}": "is refused"})
    if planned.role is not Role.STEP or planned.step not in apart.answers:
        return AdoptedCell(planned, first, again)
    answer = apart.answers[planned.step]
    if "error" in answer:
        failed = Compared(different={planned.step: f"raises {answer['error']}"})
        return AdoptedCell(planned, first, again, failed)
    looks = {name: look_in(said) for name, said in answer["variables"].items()}
    return AdoptedCell(
        planned, first, again, compare(plain, looks, only={*looks, *apart.given[planned.step]}, unstable=unstable)
    )


def _reason(error: str) -> str:
    kind, _, said = error.partition(": ")
    return said if kind.endswith("Error") and said else error


def _first_reason(made: Plan) -> str:
    why = next((cell.why for cell in made.cells if cell.why), "")
    return f": {why}" if why else ""
