"""`make demo`: a notebook run top to bottom in a real kernel, and what came of it.

    python -m nbpipe.demo notebooks/01_quickstart.ipynb .demo/01_quickstart.ipynb

The source is left as it is; the executed copy goes to the second path. The kernel works in
the source's folder, so that the workspace is the one a user of that notebook gets.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbpipe.base.workspace import find_workspace
from nbpipe.errors import BadValueError, StepFailedError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL_LIMIT_S = 600


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


def whereabouts(source: Path, executed: Path) -> Iterator[str]:
    """Say where the executed notebook and the workspace with its catalog lie."""
    workspace = find_workspace(source.parent)
    yield f"notebook   {executed}"
    yield f"workspace  {workspace.root}"
    yield f"catalog    {workspace.published}"


def main(arguments: list[str]) -> int:
    """Execute the notebook named first, print what came of it, and give the exit code."""
    if len(arguments) != 2:
        print("usage: python -m nbpipe.demo NOTEBOOK EXECUTED_COPY", file=sys.stderr)
        return UserError.exit_code
    source, executed = map(Path, arguments)
    try:
        notebook = execute(source, executed)
    except (BadValueError, StepFailedError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(*transcript(notebook), "", *whereabouts(source, executed), sep="\n")
    return 0


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text)
    return str(output.get("data", {}).get("text/plain", ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
