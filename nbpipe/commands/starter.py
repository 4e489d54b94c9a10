"""The notebook to begin with: a page of cells that runs as it stands, and is to be written over.

It needs nothing but what nbpipe itself needs, and no data from elsewhere.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from nbpipe.errors import BadValueError, ConflictError
from nbpipe.records.base import shorten

_SUFFIX = ".ipynb"
# Text and code by turns, each with its kind.
CELLS = (
    (
        "markdown",
        "# {title}\n\nRun the cells from top to bottom, then write your own over them. "
        "`%nbpipe --help` says what else there is.",
    ),
    ("code", "%load_ext nbpipe"),
    ("markdown", "Plain cells hold what every step may lean on."),
    ("code", "import numpy as np\nimport pandas as pd\n\nfrom nbpipe import log_metadata"),
    ("markdown", "What you would like to turn later: typed, with bounds."),
    (
        "code",
        "%%params --name {name} --tag latest:exclusive\n"
        'rows: int = Field(500, ge=10, le=100_000, description="how many points are drawn")\n'
        'degree: int = Field(2, ge=1, le=9, description="degree of the polynomial")\n'
        "seed: int = 7",
    ),
    ("markdown", "`%%step` makes a cell a step: what it reads and what it binds is found out by itself."),
    (
        "code",
        "%%step load\n"
        "chance = np.random.default_rng(seed)\n"
        'data = pd.DataFrame({{"x": chance.uniform(-2, 2, rows)}})\n'
        'data["y"] = data["x"] ** 2 - data["x"] + chance.normal(0, 0.5, rows)\n'
        "data.describe().round(2)",
    ),
    ("code", "%%step split\nheld_out = data.iloc[::4]\nseen = data.drop(held_out.index)\nlen(seen), len(held_out)"),
    ("code", '%%step train\nmodel = np.polyfit(seen["x"], seen["y"], degree)\nmodel.round(3)'),
    (
        "code",
        "%%step evaluate\n"
        'error = float(np.sqrt(np.mean((np.polyval(model, held_out["x"]) - held_out["y"]) ** 2)))\n'
        'log_metadata({{"error": round(error, 4)}})\n'
        "round(error, 4)",
    ),
    ("markdown", "These cells are a pipeline already."),
    ("code", "%nbpipe pipeline show"),
    ("code", "%nbpipe run"),
    ("markdown", "With another value: what does not depend on it is reused, and each step says why it ran."),
    ("code", "%nbpipe run --set degree=1"),
    ("markdown", "A snapshot runs with no notebook open: here, or `nbpipe snapshot run first` in a shell."),
    ("code", "%nbpipe snapshot create --name first --replace"),
    ("code", "%nbpipe snapshot run first --set degree=3"),
    (
        "code",
        "%%catalog\n"
        "SELECT r.parameters->>'$.degree' AS degree, m.value AS error\n"
        "FROM runs AS r JOIN metrics AS m ON m.entity_id = r.id AND m.key = 'error'\n"
        "WHERE r.kind = 'pipeline' ORDER BY error",
    ),
    (
        "markdown",
        "On from here: `%nbpipe snapshot form first` gives it a form,\n"
        "`%nbpipe schedule create every_night --snapshot first --cron '0 2 * * *'` has it run each night,\n"
        "`%nbpipe deploy` serves it, and `%nbpipe catalog` shows all that there is.",
    ),
)


def write_starter(place: Path, *, overwrite: bool = False) -> Path:
    """Write the notebook to begin with.

    Args:
        place: Where; its suffix may be left out.
        overwrite: Whether a file that is there is written over.

    Returns:
        Where it was written.

    Raises:
        BadValueError: A name of another kind of file, or a folder that is not there.
        ConflictError: There is such a file.
    """
    target = place if place.suffix else place.with_suffix(_SUFFIX)
    if target.suffix != _SUFFIX or not target.stem.strip():
        raise BadValueError(f"{shorten(str(place))} is no name of a notebook; write it as in analysis.ipynb.")
    if not target.parent.is_dir():
        raise BadValueError(f"There is no folder {shorten(str(target.parent))}; make it first.")
    text = json.dumps(starter(target.stem), ensure_ascii=False, indent=1) + "\n"
    try:
        with target.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConflictError(
            f"There is {shorten(str(target))} already. Take another name, or pass --overwrite."
        ) from None
    except OSError as error:
        raise BadValueError(f"{shorten(str(target))} cannot be written: {error.strerror or error}.") from error
    return target


def starter(name: str) -> dict[str, object]:
    """Give the notebook to begin with, as JSON data of nbformat 4.5."""
    words = re.findall(r"\w+", name) or ["pipeline"]
    title, pipeline = " ".join(words).replace("_", " ").capitalize(), "_".join(words)
    cells: list[dict[str, object]] = [
        {
            "cell_type": kind,
            "id": f"starter-{number:02}",
            "metadata": {},
            "source": text.format(title=title, name=pipeline).splitlines(keepends=True),
            **({"execution_count": None, "outputs": []} if kind == "code" else {}),
        }
        for number, (kind, text) in enumerate(CELLS)
    ]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    # Without it nbconvert does not know that a script of it is one of Python.
    language = {
        "name": "python",
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    }
    metadata = {"kernelspec": kernel, "language_info": language}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
