"""`nbpipe adopt`: an ordinary notebook copied as a pipeline, and what came of comparing the two."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.adoption.adopting import AdoptedCell, Adoption, adopt
from nbpipe.adoption.cells import Role
from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.calling import current_call
from nbpipe.commands.grammar import verb, verbs
from nbpipe.errors import BadValueError, StepFailedError
from nbpipe.views.frames import Card, Section, shown_table, written
from nbpipe.views.tables import Table

commands = verbs()

_OF_THIS_NOTEBOOK = "JPY_SESSION_NAME"


@verb(
    commands,
    "adopt",
    "nbpipe adopt analysis.ipynb",
    "nbpipe adopt analysis.ipynb --params --to analysis_steps.ipynb",
)
def adopt_(
    notebook: Annotated[
        Path | None,
        Argument(metavar="NOTEBOOK", help="An ordinary notebook; in Jupyter by default this one.", show_default=False),
    ] = None,
    *,
    to: Annotated[
        Path | None, Option("--to", metavar="FILE", help="Where the copy goes; by default NOTEBOOK_pipeline.ipynb.")
    ] = None,
    params: Annotated[bool, Option("--params", help="Make parameters of its plain constants.")] = False,
    force: Annotated[bool, Option("--force", help="Write over a file that is there.")] = False,
    timeout: Annotated[float, Option("--timeout", metavar="S", help="How many seconds one cell may take.")] = 600,
    as_json: AsJson = False,
) -> Answer:
    """Copy a notebook with %%step lines, run both in fresh processes and compare every variable.

    The notebook itself is only read. The copy is run in a fresh kernel, again with every step reused, and
    each step in a process of its own.
    """
    source = notebook if notebook is not None else _this_notebook()
    copy = to if to is not None else source.with_name(f"{source.stem}_pipeline.ipynb")
    if timeout <= 0:
        raise BadValueError(f"--timeout {timeout:g} gives a cell no time; give it some seconds.")
    call = current_call()
    made = adopt(source, copy, with_parameters=params, replace=force, timeout_s=timeout, say=call.say)
    exit_code = 0 if made.is_equal else StepFailedError.exit_code
    return Answer(written(_card(made)), made, _plain(made), as_json=as_json, exit_code=exit_code)


def _this_notebook() -> Path:
    named = os.environ.get(_OF_THIS_NOTEBOOK, "")
    if current_call().surroundings is None or not Path(named).is_file():
        raise BadValueError("Say which notebook: nbpipe adopt analysis.ipynb.")
    return Path(named)


def _card(made: Adoption) -> Card:
    counted = [cell for cell in made.cells if cell.planned.role is not Role.EMPTY]
    different = sum(1 for cell in counted if cell.different)
    table = Table(("cell", "became", "variables", "remark"), [_row(cell) for cell in counted])
    facts: list[tuple[str, object]] = [
        ("copy", str(made.copy)),
        ("steps", f"{made.steps}, of which {made.reused} were reused when it ran again"),
        ("compared", "in a fresh kernel, reused, and each step in a process of its own"),
    ]
    if made.unstable:
        facts.append(("not compared", f"{', '.join(sorted(made.unstable))}: differ from one plain run to the next"))
    kept = _not_carried(made)
    sections = [Section("cells", shown_table(table))]
    if kept:
        sections.append(Section("not carried", shown_table(Table(("variable", "why it stays in the kernel"), kept))))
    problem = f"{different} of {len(counted)} cells give other values than in the plain notebook." if different else ""
    return Card(
        "adopted", made.source.name, status="failed" if different else "completed", facts=facts, problem=problem,
        sections=sections,
    )  # fmt: skip


def _row(cell: AdoptedCell) -> tuple[object, ...]:
    planned = cell.planned
    became = f"step {planned.step}" if planned.role is Role.STEP else planned.role.value
    if cell.different:
        said = "; ".join(f"{name}: {how}" for name, how in cell.different.items())
    else:
        count = len(cell.in_notebook.equal)
        said = f"{count} equal" if count else ""
        if cell.in_notebook.untold:
            said += f"; cannot be told: {', '.join(cell.in_notebook.untold)}"
    return planned.number, became, said, planned.why


def _not_carried(made: Adoption) -> list[tuple[object, ...]]:
    kept: dict[str, str] = {}
    for cell in made.cells:
        kept |= cell.in_notebook.not_carried
    return list(kept.items())


def _plain(made: Adoption) -> dict[str, Any]:
    return {
        "notebook": str(made.source),
        "copy": str(made.copy),
        "is_equal": made.is_equal,
        "steps": made.steps,
        "reused": made.reused,
        "unstable": sorted(made.unstable),
        "cells": [
            {
                "cell": cell.planned.number,
                "became": cell.planned.role.value,
                "step": cell.planned.step,
                "why": cell.planned.why,
                "equal": list(cell.in_notebook.equal),
                "different": cell.different,
                "untold": list(cell.in_notebook.untold),
                "not_carried": dict(cell.in_notebook.not_carried),
            }
            for cell in made.cells
        ],
    }
