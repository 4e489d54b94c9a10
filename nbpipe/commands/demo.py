"""`nbpipe demo`: a notebook run top to bottom in a real kernel, and what came of it.

Without a notebook it is the starter's story (`commands.starter`), told in a folder of its own. A notebook that is named
is left as it is: the executed copy goes elsewhere. The kernel works in the notebook's folder, so that the workspace is
the one that its user gets.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.base.clock import now
from nbpipe.base.workspace import WorkspacePaths, find_workspace
from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.calling import current_call
from nbpipe.commands.grammar import verb, verbs
from nbpipe.commands.showing import mark, run_bundle
from nbpipe.commands.starter import write_starter
from nbpipe.errors import BadValueError, StepFailedError
from nbpipe.records.runs import Status
from nbpipe.services.client import Client

commands = verbs()

CELL_LIMIT_S = 600


@verb(commands, "demo", "nbpipe demo", "nbpipe demo analysis.ipynb --to executed.ipynb")
def demo(
    notebook: Annotated[
        Path | None, Argument(metavar="NOTEBOOK", help="A notebook to run; the starter's story if none is given.")
    ] = None,
    *,
    to: Annotated[
        Path | None,
        Option("--to", metavar="FILE", help="Where the executed copy goes; beside the notebook if not given."),
    ] = None,
) -> Answer:
    """Run a notebook top to bottom in a kernel of its own, and tell what each cell showed and what was recorded."""
    if current_call().surroundings is not None:
        raise BadValueError("A demo runs a whole notebook in a kernel of its own: ask for it in a terminal.")
    source = (
        notebook
        if notebook is not None
        else write_starter(Path(tempfile.mkdtemp(prefix="nbpipe-demo-")) / "demo.ipynb")
    )
    executed = to or source.with_name(f"{source.stem}_executed.ipynb")
    since = now()
    ran = execute(source, executed)
    workspace = find_workspace(source.parent)
    return sentence("\n".join((*transcript(ran), "", *recap(workspace, since), *whereabouts(source, executed))))


def execute(source: Path, executed: Path) -> Any:
    """Run the notebook at `source` and write it, outputs and all, to `executed`.

    What ran is written also when a cell fails.

    Returns:
        The executed notebook.

    Raises:
        BadValueError: There is no notebook at `source`, or both paths are one.
        StepFailedError: A cell raised.
    """
    if not source.is_file():
        raise BadValueError(f"There is no notebook {source}. Name one that exists.")
    if source.resolve() == executed.resolve():
        raise BadValueError(f"{source} would be overwritten. Name another file for the executed copy.")
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook = nbformat.read(source, as_version=4)
    kernel = {"metadata": {"path": str(source.parent.resolve())}}
    client = NotebookClient(notebook, timeout=CELL_LIMIT_S, kernel_name="python3", resources=kernel)
    try:
        client.execute()
    except CellExecutionError as error:
        raise StepFailedError(source.name, "demo", error.ename, error.evalue, error.traceback) from error
    finally:
        executed.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, executed)
    return notebook


def transcript(notebook: Any) -> Iterator[str]:
    """Tell each code cell by its first line, with the text it showed below."""
    for cell in notebook.cells:
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        yield f"[{cell.execution_count or ' '}] {cell.source.strip().splitlines()[0]}"
        yield from (f"      {line}" for output in cell.outputs for line in _text(output).splitlines())


def recap(workspace: WorkspacePaths, since: datetime) -> Iterator[str]:
    """Tell the runs that began since then, oldest first: a line each, and the last one whole."""
    client = Client(workspace.root)
    runs = [run for run in client.runs.list(limit=100) if run.started is not None and run.started >= since]
    if not runs:
        return
    for run in reversed(runs):
        counts = Counter(step.status.value for step in run.steps.values())
        said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
        version = f"  {run.model_version.label}" if run.model_version is not None else ""
        yield f"{mark(run.status.value)} {run.kind} run of {run.pipeline}: {said}{version}"
    whole = next((run for run in runs if run.kind == "pipeline"), runs[0])
    yield ""
    yield run_bundle(whole).text.strip()
    reused = sorted({step.node for run in runs for step in run.steps.values() if step.status is Status.REUSED})
    yield ""
    yield f"reused     {', '.join(reused) or 'nothing yet; run this again and see'}"
    client.close()


def whereabouts(source: Path, executed: Path) -> Iterator[str]:
    """Say where the executed notebook and the workspace with its catalog lie."""
    workspace = find_workspace(source.parent)
    yield f"notebook   {executed}"
    yield f"workspace  {workspace.root}"
    yield f"catalog    {workspace.published}"


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text)
    return str(output.get("data", {}).get("text/plain", ""))
