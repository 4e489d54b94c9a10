"""Real kernels: fresh processes, Run All, interrupts, sudden death, two at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nbpipe import Client
from nbpipe.base.workspace import WorkspacePaths
from tests.notebook.kernels import LiveKernel, execute

CELLS = [
    "%load_ext nbpipe\n%matplotlib inline",
    "import sys\nimport numpy as np\nimport pandas as pd\nimport matplotlib.pyplot as plt",
    "%%params\nn: int = 5",
    "%%step load\nprint('loading')\nprint('careful', file=sys.stderr)\n"
    "df = pd.DataFrame({'x': range(n), 'y': range(n)})\ndf.head(2)",
    "%%step draw\nprint('drawing')\nfig, ax = plt.subplots(figsize=(2, 1))\nax.plot(df.x, df.y)\nax.get_title()",
    "%%step both\ndisplay(df.tail(1))\ntotal = int(df.x.sum())\nplt.plot([1, total])\nplt.show()\nprint('after')",
    "%%step quiet\ntotal + 1;",
    "class Point:\n    def __init__(self, x):\n        self.x = x",
    "%%step point\np = Point(total)\np.x",
    "%nbpipe run",
    "(total, p.x, fig.axes[0] is ax, len(df))",
    "%%step chance\nnoise = float(np.random.normal())",
    "noise",
]


@pytest.fixture
def start_kernel(
    tmp_path: Path, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], LiveKernel]]:
    """Give the function that starts a kernel with nbpipe loaded; all share one workspace."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    started: list[LiveKernel] = []

    def start() -> LiveKernel:
        started.append(LiveKernel(str(tmp_path)))
        started[-1].ok("%load_ext nbpipe")
        return started[-1]

    yield start
    for kernel in started:
        kernel.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[list[tuple[Path, LiveKernel]]]:
    """Give the place for the one kernel of all tests after which it is as good as before; end it after them."""
    started: list[tuple[Path, LiveKernel]] = []
    yield started
    for _, kernel in started:
        kernel.close()


@pytest.fixture
def kernel(
    shared: list[tuple[Path, LiveKernel]], tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> LiveKernel:
    """Give a kernel with nbpipe loaded, in a workspace of its own, which others may have used and will use."""
    folder = shared[0][0] if shared else tmp_path_factory.mktemp("shared")
    monkeypatch.setenv("NBPIPE_HOME", str(folder / ".nbpipe"))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    if not shared:
        shared.append((folder, LiveKernel(str(folder))))
        shared[0][1].ok("%load_ext nbpipe")
    return shared[0][1]


def test_a_fresh_kernel_that_reuses_everything_shows_the_same_and_what_nobody_seeded_too(
    tmp_path: Path, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))

    cold = execute(CELLS, str(tmp_path))
    warm = execute(CELLS, str(tmp_path))

    kinds = [[output.output_type for output in outputs] for outputs in cold]
    assert kinds[4] == ["stream", "execute_result", "display_data"]
    assert "image/png" in cold[4][2].data
    assert kinds[6] == []
    assert cold[10][0].data["text/plain"] == "(10, 10, True, 5)"
    assert [one for one in warm if one not in cold] == []
    assert warm[12] == cold[12] != []
    assert warm[:9] == cold[:9]
    rows = Client().query(
        "select s.status from steps s join runs r on r.id = s.run_id where r.kind = 'interactive' order by s.started"
    )
    assert list(rows.status) == ["completed"] * 6 + ["reused"] * 6


def test_every_error_of_a_step_stops_run_all_and_what_waits_is_aborted(kernel: LiveKernel) -> None:
    failing = {
        "%%step a\nx = (1": "SyntaxError",
        "%%step a\nx = nowhere": "UncapturedNameError: a reads 'nowhere' (line 2)",
        "%%step a\nx = len('a') / 0": "ZeroDivisionError: division by zero",
        "%%step a --tgas v1\nx = len('a')": "BadValueError: %%step: unrecognized arguments: --tgas v1.",
        "%nbpipe rnu": "Did you mean 'run'?",
        "%%pipeline p\nnowhere()": "NameError: name 'nowhere' is not defined (line 2).",
        "%%params\nn: int = 'many'": "ParameterError",
    }
    for cell, said in failing.items():
        # What is asked while the kernel is busy waits, as the cells of Run All do.
        busy, first, second = map(kernel.ask, ("import time; time.sleep(0.3)", cell, "print('later')"))
        _, answer, later = map(kernel.answer, (busy, first, second))
        assert (answer.status, later.status) == ("error", "aborted"), cell
        assert said in answer.said
        assert "/nbpipe/" not in answer.said


def test_an_interrupt_stops_what_runs_and_it_is_recorded_and_the_kernel_goes_on(kernel: LiveKernel) -> None:
    body = "print('go', flush=True)\nwhile True:\n    time.sleep(0.01)"
    lines = body.replace("\n", "\n    ")
    kernel.ok("import time", f"%%step\ndef forever() -> int:\n    {lines}", "%%pipeline training\nforever()")
    text = {
        "magic": "%nbpipe run training",
        "call": "training()",
        "await": "await training.run_async()",
        "cell": f"%%step forever\n{body}",
    }
    seen: set[str] = set()
    for form, cell in text.items():
        asked = kernel.ask(cell)
        kernel.answer(asked, until="go")

        kernel.interrupt()
        answer = kernel.answer(asked)
        after = kernel.ok("print('still here')")

        assert answer.status == "error", form
        assert "KeyboardInterrupt" in answer.said, form
        if form == "magic":
            assert answer.said == "KeyboardInterrupt: the run was stopped; what was done before is kept."
        assert after.text == "still here\n", form
        # The kernel's own run may be older: it began with its first step.
        run = next(run for run in Client().runs.list() if (run.kind == "interactive") == (form == "cell"))
        assert run.id not in seen, form
        assert run.steps["forever"].status == "interrupted", form
        assert run.status == ("running" if form == "cell" else "interrupted"), form
        seen.add(run.id)


def test_two_kernels_at_once_share_what_they_have_done_and_one_that_is_killed_takes_nothing_with_it(
    start_kernel: Callable[[], LiveKernel],
) -> None:
    first, second = start_kernel(), start_kernel()
    steps = [f"%%step s{n}\nx{n} = len('a') + {n}\nprint('ran', {n})" for n in range(3)]

    first.ok(*steps)
    asked = [second.ask(step) for step in steps]
    first.ok(*(step.replace("len('a')", "len('ab')") for step in steps))
    answers = [second.answer(one) for one in asked]

    assert [answer.text for answer in answers] == ["ran 0\n", "ran 1\n", "ran 2\n"]
    runs = Client().runs.list()
    assert [run.status for run in runs] == ["running", "running"]
    rows = Client().query("select run_id, status, count(*) as many from steps group by all order by many")
    assert sorted(zip(rows.status, rows.many, strict=True)) == [("completed", 6), ("reused", 3)]

    # The run of a kernel that ends well is completed, that of one which was killed is seen as interrupted.
    second.ok("import time")
    second.answer(second.ask("%%step slow\nprint('go', flush=True)\ntime.sleep(60)"), until="go")
    first.close()
    before = {run.id: run.status for run in Client().runs.list()}
    second.kill()
    after = {run.id: run.status for run in Client().runs.list()}
    assert {(before[one], after[one]) for one in before} == {("completed", "completed"), ("running", "interrupted")}
    (killed,) = (run for run in Client().runs.list() if run.status == "interrupted")
    assert killed.steps["s2"].outputs["x2"].load() == 3


PROGRESS = [
    "import nbpipe, time",
    "%%step\ndef crawl(n: int) -> int:\n    for _ in nbpipe.progress(range(n), note='pages'):\n"
    "        time.sleep(0.01)\n    return n",
    "%%pipeline crawling(n: int = 60)\ncrawl(n)",
    "crawling()",
    "%nbpipe run crawling --set n=61",
    "%%step sift\nfor n in nbpipe.progress(range(60), note='rows'):\n    time.sleep(0.01)",
]


def test_a_kernel_that_is_watched_tells_how_far_it_is(kernel: LiveKernel) -> None:
    kernel.ok("%env NBPIPE_DISPLAY=live", *PROGRESS[:3])

    answers = [kernel.ok(cell) for cell in PROGRESS[3:]]
    kernel.ok("import os\ndel os.environ['NBPIPE_DISPLAY']")

    assert all(answer.live for answer in answers)
    # A run tells the widget that it is, a cell that is a step draws its bar anew.
    assert [any(" of 6" in said for said in answer.told) for answer in answers] == [True, True, False]
    assert [any(" of 6" in text for text in answer.updates) for answer in answers] == [False, False, True]
    assert [" of 6" in answer.updates[-1] for answer in answers] == [False, False, True]


def test_a_notebook_that_nobody_watches_is_the_same_each_time_whatever_its_steps_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    found = []
    for name in ("one", "two"):
        monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / name))
        found.append(execute(["%load_ext nbpipe", *PROGRESS], str(tmp_path)))

    assert found[0] == found[1]
    assert " of 6" not in str(found[0])
