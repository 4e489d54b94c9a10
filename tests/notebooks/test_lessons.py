"""Every lesson in `notebooks/`, run top to bottom by nbval and compared output by output.

Each runs in a copy of the folder and a fresh workspace, in a pytest of its own: nbval wants a
command line that the other tests do not, and a lesson must not lean on what another left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbpipe import Client
from tests.notebooks.second_runner import run_with_nbclient

TESTS = Path(__file__).parents[1]
NOTEBOOKS = TESTS.parent / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
CELL_LIMIT_S = 120
LESSON_LIMIT_S = 280


def run_with_nbval(*notebooks: Path) -> subprocess.CompletedProcess[str]:
    """Run notebooks where they lie, in one folder, strictly, in a workspace beside it."""
    folder = notebooks[0].parent
    outside = folder.parent
    private = {"NBPIPE_HOME": outside / "workspace", "IPYTHONDIR": outside / "ipython"}
    # Of pytest's plugins that one alone: to load the others takes each lesson more than a second.
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        *(sys.executable, "-m", "pytest", "-p", "nbval.plugin", "--nbval", "--nbval-current-env"),
        *("--nbval-sanitize-with", str(TESTS / "nbval.cfg"), "--nbval-cell-timeout", str(CELL_LIMIT_S)),
        *("-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider", "-W", "error"),
        *(notebook.name for notebook in notebooks),
    ]
    environment = {**os.environ, **alone, **{name: str(folder) for name, folder in private.items()}}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LESSON_LIMIT_S,
            check=False,
        )
    finally:
        end_what_is_served(private["NBPIPE_HOME"])


def end_what_is_served(workspace: Path) -> None:
    """End what a lesson deployed and, since a cell failed, did not delete."""
    if not (workspace / "deployments").is_dir():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBPIPE_HOME", str(workspace))
        for deployment in Client().deployments.list():
            deployment.delete()


def write_lesson(path: Path, source: str, printed: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    cell = v4.new_code_cell(source, outputs=[v4.new_output("stream", text=printed)], execution_count=1)
    nbformat.write(v4.new_notebook(cells=[cell]), path)
    return path


def test_the_quickstart_is_among_the_lessons() -> None:
    assert NOTEBOOKS / "01_quickstart.ipynb" in LESSONS


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_still_shows_what_it_says(lesson: Path, tmp_path: Path) -> None:
    copy = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))

    done = run_with_nbval(copy / lesson.name)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_a_second_runner_finds_every_bundle_of_a_lesson_as_it_is_stored(lesson: Path, tmp_path: Path) -> None:
    copy = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, copy, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    try:
        assert run_with_nbclient(copy / lesson.name, tmp_path) == []
    finally:
        end_what_is_served(tmp_path / "workspace")


def test_the_second_runner_tells_what_came_out_otherwise(tmp_path: Path) -> None:
    lesson = tmp_path / "notebooks" / "stale.ipynb"
    lesson.parent.mkdir()
    html = v4.new_output("display_data", data={"text/plain": "a", "text/html": "<b>a</b>"})
    result = v4.new_output("execute_result", data={"text/plain": "41"}, execution_count=2)
    cells = [
        v4.new_code_cell("print(1)\nprint(2)", outputs=[v4.new_output("stream", text="1\n2\n")]),
        v4.new_code_cell("6 * 7", outputs=[result]),
        v4.new_code_cell("display('a')", outputs=[html]),
        v4.new_code_cell("1"),
    ]
    nbformat.write(v4.new_notebook(cells=cells), lesson)

    told = run_with_nbclient(lesson, tmp_path)

    assert [line.partition("\n")[0] for line in told] == [
        "cell 1: execute_result text/plain",
        "cell 2: a display_data of ['text/html', 'text/plain'] became one of ['text/plain']",
        "cell 2: display_data text/plain",
        "cell 3: [] became ['execute_result']",
    ]


def test_a_lesson_passes_only_if_its_stored_output_is_what_it_prints_in_a_workspace_of_its_own(tmp_path: Path) -> None:
    folder, workspace = tmp_path / "notebooks", tmp_path / "workspace"
    true = write_lesson(folder / "true.ipynb", "print(6 * 7)", "42\n")
    stale = write_lesson(folder / "stale.ipynb", "print(6 * 7)", "41\n")
    where = write_lesson(folder / "where.ipynb", "import os\nprint(os.environ['NBPIPE_HOME'])", f"{workspace}\n")

    # In one process: each starts with all that pytest loads.
    done = run_with_nbval(true, stale, where)

    told = done.stdout + done.stderr
    assert done.returncode == 1, told
    assert "FAILED stale.ipynb::" in told
    assert "1 failed, 2 passed" in told


def test_what_a_lesson_serves_ends_with_it_even_if_a_cell_fails(tmp_path: Path) -> None:
    source = """from nbpipe import pipeline, step
@step
def one() -> int:
    return 1
@pipeline
def ones():
    return one()
print(ones.deploy().status.value)
1 / 0"""
    lesson = write_lesson(tmp_path / "notebooks" / "serving.ipynb", source, "running\n")

    done = run_with_nbval(lesson)

    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout
    folders = [*(tmp_path / "workspace" / "deployments").iterdir()]
    assert [folder for folder in folders if folder.is_dir()] == []
