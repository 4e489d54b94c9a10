"""Cells of `%nbpipe` commands in a real kernel: while a run goes on, the kernel hears what is pressed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nbpipe import Client
from tests.notebook.kernels import LiveKernel

# The step ends when the button was heard, and fails where it never is.
WAITING = """%%step
def wait(seconds: float = 20.0) -> str:
    print("begun", flush=True)
    for _ in range(int(seconds * 200)):
        if pathlib.Path("heard").exists():
            return "heard"
        time.sleep(0.005)
    raise RuntimeError("nothing was heard")"""
BUTTON = """import ipywidgets, pathlib, time
button = ipywidgets.Button()
button.on_click(lambda _: pathlib.Path("heard").touch())
print(button.comm.comm_id)"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the kernel."""
    return tmp_path_factory.mktemp("awaiting")


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[LiveKernel]:
    """Give a kernel with nbpipe and one pipeline, whose outputs somebody looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NBPIPE_HOME", str(folder / ".nbpipe"))
        patch.setenv("NBPIPE_DISPLAY", "live")
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        kernel = LiveKernel(str(folder))
    kernel.ok(
        "%load_ext nbpipe",
        BUTTON,
        WAITING,
        "%%pipeline training\nwait()",
        "%%pipeline other(seconds: float = 0.01)\nwait(seconds)",
    )
    yield kernel
    kernel.close()


@pytest.fixture
def kernel(shared: LiveKernel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> LiveKernel:
    """Give the kernel, as long as nothing was heard."""
    monkeypatch.setenv("NBPIPE_HOME", str(folder / ".nbpipe"))
    (folder / "heard").unlink(missing_ok=True)
    return shared


def test_a_button_is_heard_while_a_run_goes_on(kernel: LiveKernel) -> None:
    button = kernel.ok("print(button.comm.comm_id)").text.strip()
    asked = kernel.ask("run = %nbpipe run training")
    kernel.answer(asked, until="begun")

    kernel.press(button)
    answer = kernel.answer(asked)

    assert answer.status == "ok", answer.said
    assert kernel.ok("print(run.steps['wait'].output.load())").text == "heard\n"


def test_a_run_that_a_button_starts_meanwhile_is_not_drawn_in_the_cell_that_waits(kernel: LiveKernel) -> None:
    kernel.ok(
        "from nbpipe.widgets.running import Runner",
        "beside = Runner(lambda values: other.start(), lambda finished: pathlib.Path('heard').touch())",
        "starter = ipywidgets.Button()\nstarter.on_click(lambda _: beside.start({}))",
    )
    starter = kernel.ok("print(starter.comm.comm_id)").text.strip()
    asked = kernel.ask("%nbpipe run training")
    kernel.answer(asked, until="begun")

    kernel.press(starter)
    answer = kernel.answer(asked)

    assert answer.status == "ok", answer.said
    assert "other" not in "".join((answer.text, *answer.updates))
    assert {run.pipeline for run in Client().runs.list()} == {"training", "other"}


def test_an_interrupt_is_heeded_while_the_command_itself_works(kernel: LiveKernel) -> None:
    planning = "    print('planning', flush=True)\n    while pathlib.Path('heard').exists():\n        time.sleep(0.01)"
    kernel.ok(
        f"def plan() -> None:\n{planning}",
        "%%pipeline endless\nplan()\nwait()",
        "pathlib.Path('heard').touch()",
    )
    before = len(Client().runs.list())
    asked = kernel.ask("%nbpipe run endless")
    kernel.answer(asked, until="planning")

    kernel.interrupt()
    answer = kernel.answer(asked)

    assert answer.status == "error"
    assert "KeyboardInterrupt" in answer.said
    assert kernel.ok("print('still here')").text == "still here\n"
    assert len(Client().runs.list()) == before


@pytest.mark.parametrize(
    "cell",
    [
        "%%capture shown\n%nbpipe runs list",
        "%%time\n%nbpipe runs list",
        "%time %nbpipe runs list",
        "def look():\n    %nbpipe runs list\nlook()",
        "%autoawait False\n%nbpipe runs list",
        "get_ipython().run_cell('%nbpipe runs list').raise_error()",
        "%nbpipe runs list\n%nbpipe tag list",
    ],
)
def test_a_command_works_in_every_place_of_a_cell(kernel: LiveKernel, cell: str) -> None:
    answer = kernel.run(cell)
    kernel.ok("%autoawait True")

    assert answer.status == "ok", answer.said
