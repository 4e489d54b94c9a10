"""The laws of executors, continued: cells, which share one session's state when a notebook runs them.

Run as a pipeline, each finds what the one before it left, in whatever process it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths
from tests.laws.runs import statuses
from tests.notebook.shells import Notebook, end_shell, make_shell

RUN = "run = %nbpipe run --no-cache --executor {executor}\nrun"


@pytest.fixture
def notebook(tmp_path: Path, workspace: WorkspacePaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """Give a notebook that has loaded nbpipe."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    shell = make_shell(str(tmp_path / "ipython"))
    opened = Notebook(shell)
    opened.ok("%load_ext nbpipe")
    yield opened
    end_shell(shell)


def test_cells_draw_the_numbers_that_they_drew_in_the_notebook(notebook: Notebook, executor: str) -> None:
    notebook.ok(
        "%%step seed\nimport random\nimport numpy as np\nrandom.seed(3)\nnp.random.seed(4)",
        "%%step a\nx = random.random()\ndrawn = np.random.normal(size=3).tolist()",
        "%%step b\ny = random.random()\nagain = float(np.random.normal())",
    )

    run = notebook.ok("random.seed(9)\nnp.random.seed(9)", RUN.format(executor=executor)).value

    for step, name in (("a", "x"), ("a", "drawn"), ("b", "y"), ("b", "again")):
        assert run.steps[step].outputs[name].load() == notebook[name]


def test_a_class_of_the_notebook_crosses_from_cell_to_cell(notebook: Notebook, executor: str) -> None:
    notebook.ok(
        "from dataclasses import dataclass\n@dataclass\nclass Point:\n   x: int\n   def far(self): return 10 * self.x",
        "%%step make\np = Point(3)\nmany = {'of': [Point(1), p]}",
        "%%step use\nfar = p.far() + many['of'][0].far()\nis_one = isinstance(p, Point)",
    )

    run = notebook.ok(RUN.format(executor=executor)).value

    assert run.steps["use"].outputs["far"].load() == 40
    assert run.steps["use"].outputs["is_one"].load() is True
    assert run.steps["make"].outputs["p"].load().far() == 30


def test_a_cell_that_changes_an_input_in_place_hands_it_on_changed(notebook: Notebook, executor: str) -> None:
    notebook.ok(
        "%%step load\nimport pandas as pd\ndf = pd.DataFrame({'x': [1, 2, 3]})",
        "%%step grow\ndf['y'] = df.x * 2",
        "%%step look\ntotal = int(df.y.sum())",
    )

    run = notebook.ok(RUN.format(executor=executor)).value

    assert run.steps["look"].outputs["total"].load() == 12
    assert list(run.steps["load"].outputs["df"].load().columns) == ["x"]
    assert list(run.steps["grow"].outputs["df"].load().columns) == ["x", "y"]


def test_a_cell_finds_the_folder_that_the_one_before_it_went_to(
    notebook: Notebook, executor: str, tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data.txt").write_text("here")
    notebook.ok(
        "%%step go\nimport os\nos.chdir('sub')\nwhere = os.getcwd()",
        "%%step read\nfrom pathlib import Path\ntext = Path('data.txt').read_text()",
    )
    notebook.ok(f"os.chdir({str(tmp_path)!r})")

    run = notebook.ok(RUN.format(executor=executor)).value

    assert run.steps["read"].outputs["text"].load() == "here"
    assert run.steps["go"].outputs["where"].load() == str(tmp_path / "sub")


def test_what_was_run_by_hand_is_reused_on_every_executor(notebook: Notebook, executor: str) -> None:
    notebook.ok("%%step a\nx = [1, 2, 3]", "%%step b\ny = sum(x)")

    run = notebook.ok(f"run = %nbpipe run --executor {executor}\nrun").value

    assert statuses(run) == {"a": "reused", "b": "reused"}


def test_a_failing_cell_says_its_own_line(notebook: Notebook, executor: str, tmp_path: Path) -> None:
    notebook.ok(
        "from pathlib import Path",
        "%%step a\nx = 1",
        "%%step b\nz = 1\nw = z / (x - Path('one').exists())",
    )
    (tmp_path / "one").touch()

    failed = notebook.run(RUN.format(executor=executor))

    assert "w = z / (x - Path('one').exists())" in failed.said
    assert "ZeroDivisionError" in failed.said
