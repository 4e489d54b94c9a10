"""Snapshots of each version of nbpipe, kept for the tests: what was exported once must run for ever.

    python -m tests.snapshot.keeping      keeps those of this version, beside those that are there

One is of a pipeline of functions, one of the cells of a notebook; between them they hold what a snapshot may hold:
local modules, constants, classes, values of many types, settings of single steps, a step that is called twice.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat

from nbpipe.base.version import VERSION
from nbpipe.commands.dispatch import answer
from nbpipe.services.client import Client

FOLDER = Path(__file__).parent / "kept"
FLOW = '''
from datetime import date
from enum import Enum
from typing import Annotated

from helpers import offset
from pydantic import BaseModel, Field

from nbpipe import ArtifactConfig, Model, Tag, log_metadata, pipeline, step

FACTOR = 3


class Kind(Enum):
    PLAIN = "plain"
    BOLD = "bold"


class Settings(BaseModel):
    depth: int = 2
    kinds: list[Kind] = [Kind.PLAIN]


def scale(x):
    return x * FACTOR + offset()


@step
def load(n: int = 5) -> list:
    return list(range(n))


@step(tags=["v1"], retries=2, name="sum up")
def total(data: list, rate: float = Field(0.5, gt=0)) -> Annotated[float, ArtifactConfig(name="total")]:
    log_metadata({"rows": len(data)})
    return sum(scale(x) for x in data) * rate


@pipeline(tags=["t", Tag(name="latest", exclusive=True)], model=Model(name="iris"))
def training(
    n: int = 5, day: date = date(2026, 1, 2), kind: Kind = Kind.PLAIN, settings: Settings = Settings()
) -> float:
    """Sum it up."""
    extra = settings.depth + day.day + (100 if kind is Kind.BOLD else 0)
    total(load(extra), 1.0)
    return total(load(n))
'''
HELPERS = "from deeper import ONE\n\n\ndef offset():\n    return ONE\n"
CELLS = (
    "%load_ext nbpipe\nimport math\nfrom helpers import offset\nFACTOR = 2",
    "%%params --name cells\nn: int = 4\nday: date = date(2026, 1, 2)\n"
    'share: float = Field(0.5, gt=0, description="of all")',
    "def scale(x):\n    return x * FACTOR + offset()",
    "%%step load\ndata = list(range(n))",
    "%%step change\ndata.append(scale(day.day))\nsize = len(data)",
    "%%step total\nvalue = math.fsum(data) * share\nprint(value, size)",
)
# What each is frozen with, and what its last step gives then.
KEPT: dict[str, tuple[str, str, str, str]] = {
    "function": ("flow.py", "--set n=6 --set kind=bold --set 'sum up.rate=0.25'", "sum up_2", "total"),
    "cells": ("analysis.ipynb", "--set share=0.75", "total", "value"),
}


def write_project(folder: Path) -> None:
    """Write the files that the snapshots are made of."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    nbformat.write(notebook, folder / "analysis.ipynb")
    for name, text in {"flow.py": FLOW, "helpers.py": HELPERS, "deeper.py": "ONE = 1\n"}.items():
        (folder / name).write_text(text, encoding="utf-8")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    said: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NBPIPE_HOME"] = str(folder / ".nbpipe")
        os.chdir(folder)
        write_project(folder)
        for kind, (source, settings, step, output) in KEPT.items():
            answer(f"snapshot create {source} --name {kind} {settings}")
            place = FOLDER / f"{VERSION}-{kind}.nbsnapshot"
            Client().snapshots.export(kind, place, overwrite=True)
            run = Client().get_snapshot(kind).run()
            said[place.stem] = {"step": step, "output": output, "value": run.steps[step].outputs[output].load()}
    (FOLDER / f"{VERSION}.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
