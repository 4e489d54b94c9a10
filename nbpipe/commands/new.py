"""`nbpipe new`: a notebook to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.grammar import verb, verbs
from nbpipe.commands.starter import write_starter

commands = verbs()


@verb(commands, "new", "nbpipe new analysis.ipynb")
def new(
    notebook: Annotated[Path, Argument(metavar="NOTEBOOK", help="The file to be written.")],
    *,
    overwrite: Annotated[bool, Option("--overwrite", help="Write over a file that is there.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Write a notebook to begin with: a small pipeline that runs as it stands."""
    place = write_starter(notebook, overwrite=overwrite)
    said = f"{place} is written. Open it: jupyter lab {shlex.quote(str(place))}"
    return sentence(said, None, {"notebook": str(place)}, as_json=as_json)
