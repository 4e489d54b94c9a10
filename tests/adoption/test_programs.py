"""Random programs give the same values plain, stepped, reused, and from a snapshot in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.services.workspace import open_workspace
from nbpipe.store.content import content_digest
from tests.adoption.programs import FIRST, HEAD, KINDS, Program, programs
from tests.notebook.shells import Notebook, end_shell, make_shell

NAMES = (*KINDS, "held")


def digests(namespace: Any) -> dict[str, str]:
    """Digest what the program's names hold; `Box` is named as such wherever it was defined."""
    held = {name: namespace[name] for name in NAMES if name in namespace}
    return {name: content_digest(value if name != "held" else value.held).digest or "" for name, value in held.items()}


def plainly(program: Program) -> list[dict[str, str]]:
    """Run a program in plain Python; give what its names hold after each cell."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for text in HEAD:
        exec(text, namespace)
    seen = []
    for cell in program.cells:
        exec(cell, namespace)
        seen.append(digests(namespace))
    return seen


def stepped(program: Program, folder: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Run a program with a step magic above each cell; give what its names hold, and what became of each step."""
    shell = make_shell(str(folder / "ipython"))
    try:
        notebook = Notebook(shell)
        notebook.ok("%load_ext nbpipe", "%%params --name program\nunused: int = 1", *HEAD)
        seen = []
        for number, cell in enumerate(program.cells):
            notebook.ok(f"%%step s{number}\n{cell}")
            seen.append(digests(shell.user_ns))
        session = shell.user_ns["__nbpipe_cell__"].session
        steps = session.workspace.catalog.rows(
            "select status from steps where run_id = $run order by seq", {"run": session.run.facts.id}
        )
        notebook.ok("%nbpipe snapshot create --name frozen --replace")
        return seen, [row["status"] for row in steps]
    finally:
        end_shell(shell)


def from_snapshot(home: Path) -> dict[str, str]:
    """Run the snapshot in a fresh process, with nothing reused; give the digest of the last version of each name."""
    command = [sys.executable, "-m", "nbpipe", "snapshot", "run", "frozen", "--no-cache", "--json"]
    environment = {**os.environ, "NBPIPE_HOME": str(home)}
    ran = subprocess.run(command, env=environment, cwd=home.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    run_id = json.loads(ran.stdout)["id"]
    workspace = open_workspace(WorkspacePaths(home))
    rows = workspace.catalog.rows(
        "select artifacts.output, artifacts.digest from artifacts where run_id = $run order by seq", {"run": run_id}
    )
    return {row["output"]: row["digest"] for row in rows if row["output"] in KINDS}


def check(program: Program, folder: Path) -> None:
    """Run a program in each way and compare."""
    home = folder / ".nbpipe"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBPIPE_HOME", str(home))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.chdir(folder)

        plain = plainly(program)
        first, _ = stepped(program, folder)
        again, statuses = stepped(program, folder)
        frozen = from_snapshot(home)

        assert first == plain
        assert again == plain
        assert set(statuses) == {"reused"}
        assert frozen == {name: plain[-1][name] for name in KINDS}
        open_workspace(WorkspacePaths(home)).close()


# What once went wrong, or well might: one program for all three, as each cell is compared by itself.
VIEWS = ("row[0] = 7", "grid += 1\ni = int(row[0])")
SHARED = ("ys = xs", "box['k'].append(9)", "i = len(ys)", "xs = [0]", "ys.append(1)")
CHANCE = ("i = random.randrange(100)", "random.seed(j)", "j = random.randrange(100)")


@pytest.mark.timeout(900)
@settings(max_examples=1, suppress_health_check=list(HealthCheck))
@given(program=programs())
@example(program=Program([FIRST, *VIEWS, *SHARED, *CHANCE]))
def test_a_program_gives_the_same_values_however_it_is_run(tmp_path_factory: Any, program: Program) -> None:
    check(program, tmp_path_factory.mktemp("program"))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(program=programs())
def test_many_programs_give_the_same_values_however_they_are_run(tmp_path_factory: Any, program: Program) -> None:
    check(program, tmp_path_factory.mktemp("program"))
