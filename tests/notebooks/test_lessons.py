"""Every lesson in `notebooks/`, run top to bottom by nbval and compared output by output.

Each runs in a copy of the folder, a fresh kernel and a fresh workspace, by a pytest of its own: nbval wants a
command line that the other tests do not, and a lesson must not lean on what another left.
"""

from __future__ import annotations

import io
import os
import shutil
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from nbpipe import Client
from tests.notebooks.second_runner import run_with_nbclient

TESTS = Path(__file__).parents[1]
NOTEBOOKS = TESTS.parent / "notebooks"
LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))
# The first shows every kind of output, in every bundle, that the others show; all go through the second runner in
# `make soak`.
DAILY = ("01",)
BY_SECOND_RUNNER = [pytest.param(path, marks=[] if path.stem[:2] in DAILY else [pytest.mark.soak]) for path in LESSONS]
CELL_LIMIT_S = 120


@dataclass(frozen=True)
class Ran:
    """How a run of pytest ended, and all that it said."""

    returncode: int
    told: str


def run_with_nbval(*notebooks: Path) -> Ran:
    """Run notebooks where they lie, in one folder, strictly, in a workspace beside it.

    It is a pytest of its own within this process: to load one anew, with all that nbval leans on, takes as long as
    half a lesson. The cells run in a process of their own as ever.
    """
    folder = notebooks[0].parent
    workspace = folder.parent / "workspace"
    words = [
        *("-p", "nbval.plugin", "--nbval", "--nbval-current-env"),
        *("--nbval-sanitize-with", str(TESTS / "nbval.cfg"), "--nbval-cell-timeout", str(CELL_LIMIT_S)),
        *("-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider", "-W", "error", "--capture=no"),
        # What these watch is the process, and that is the business of the tests around.
        *("-p", "no:faulthandler", "-p", "no:threadexception", "-p", "no:unraisableexception"),
        *(notebook.name for notebook in notebooks),
    ]
    with ExitStack() as blocks:
        patch = blocks.enter_context(pytest.MonkeyPatch.context())
        said = blocks.enter_context(redirect_stdout(io.StringIO()))
        patch.chdir(folder)
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("NBPIPE_HOME", str(workspace))
        patch.setenv("IPYTHONDIR", str(folder.parent / "ipython"))
        # nbval opens it anew for each kernel, and leaves it open.
        nowhere = blocks.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
        patch.setattr("nbval.kernel.open", lambda *_: nowhere, raising=False)
        try:
            code = pytest.main(words)
        finally:
            end_what_is_served(workspace)
    return Ran(int(code), said.getvalue())


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

    assert done.returncode == 0, done.told


@pytest.mark.parametrize("lesson", BY_SECOND_RUNNER, ids=lambda path: path.stem)
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

    done = run_with_nbval(true, stale, where)

    assert done.returncode == 1, done.told
    assert "FAILED stale.ipynb::" in done.told
    assert "1 failed, 2 passed" in done.told


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
    assert "ZeroDivisionError" in done.told
    folders = [*(tmp_path / "workspace" / "deployments").iterdir()]
    assert [folder for folder in folders if folder.is_dir()] == []
