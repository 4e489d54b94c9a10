"""Files that a step reads and writes decide whether it may be reused."""

from __future__ import annotations

import os

import pytest

from nbpipe import Client
from tests.notebook.shells import Notebook
from tests.notebook.test_steps import statuses

READERS = {
    "open": "text = open('data.csv').read()",
    "with": "with open('data.csv') as f:\n    text = f.read()",
    "pandas": "import pandas as pd\ntext = pd.read_csv('data.csv').to_csv()",
    "path": "from pathlib import Path\ntext = (Path('.') / 'data.csv').read_text()",
    "numpy": "import numpy as np\ntext = str(np.loadtxt('data.csv', delimiter=',', skiprows=1).sum())",
    "below Python": "import duckdb\ntext = str(duckdb.sql(\"select sum(a) from 'data.csv'\").fetchall())",
    "below Python, by its path": "from pyarrow import csv\ntext = str(csv.read_csv('data.csv').to_pydict())",
    "in a function": "def read():\n    with open('data.csv') as f:\n        return f.read()\ntext = read()",
    "in a thread": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool:\n    text = pool.submit(lambda: open('data.csv').read()).result()"
    ),
}


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "data.csv", "a,b\n1,2\n3,4\n")


def written(path, text: str, *, age_s: float = 100) -> None:
    """Write a file as if some time ago."""
    path.write_text(text)
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))


@pytest.mark.filterwarnings("ignore:unclosed file")
@pytest.mark.parametrize("way", READERS)
def test_a_changed_file_runs_its_reader_and_nothing_else(notebook: Notebook, tmp_path, way: str) -> None:
    cells = (f"%%step read\n{READERS[way]}", "%%step apart\nn = len('a')", "%%step size\nm = len(text)")
    notebook.ok(*cells, *cells)
    first = notebook["text"]

    written(tmp_path / "data.csv", "a,b\n1,2\n3,5555\n30,4\n", age_s=50)
    notebook.ok(*cells)

    assert notebook["text"] != first
    assert [status for _, status in statuses()[3:6]] == ["reused"] * 3
    assert statuses()[6:8] == [("read", "completed"), ("apart", "reused")]
    assert "data.csv changed" in list(Client().query("select why from steps").why)


def test_a_touched_file_of_the_same_content_is_no_change(notebook: Notebook, tmp_path) -> None:
    notebook.ok("%%step read\nwith open('data.csv') as f:\n    text = f.read()")

    os.utime(tmp_path / "data.csv", (10**9, 10**9))
    notebook.ok("%%step read\nwith open('data.csv') as f:\n    text = f.read()")

    assert [status for _, status in statuses()] == ["completed", "reused"]


def test_a_file_changed_under_the_same_stamp_right_after_it_was_read_is_seen(notebook: Notebook, tmp_path) -> None:
    path = tmp_path / "data.csv"
    step = "%%step read\nwith open('data.csv') as f:\n    text = f.read()"
    path.write_text("a,b\n1,2\n")
    stamp = path.stat()
    notebook.ok(step)

    path.write_text("a,b\n1,3\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    notebook.ok(step)

    assert notebook["text"] == "a,b\n1,3\n"


def test_a_file_that_is_gone_runs_its_reader(notebook: Notebook, tmp_path) -> None:
    notebook.ok("from pathlib import Path")
    step = "%%step read\npath = Path('data.csv')\ntext = path.read_text() if path.exists() else ''"
    notebook.ok(step)

    (tmp_path / "data.csv").unlink()
    notebook.ok(step)

    assert notebook["text"] == ""
    assert "data.csv is gone" in list(Client().query("select why from steps").why)


def test_a_file_that_the_step_writes_itself_is_nothing_that_it_reads(notebook: Notebook, tmp_path) -> None:
    write, read = (
        "with open('out.txt', 'w') as f:\n    f.write('x')",
        "with open('out.txt') as f:\n    n = len(f.read())",
    )
    step = f"%%step write\n{write}\n{read}"
    notebook.ok(step)
    (tmp_path / "out.txt").write_text("something else")

    notebook.ok(step)

    assert [status for _, status in statuses()] == ["completed", "reused"]


def test_a_file_that_was_written_and_is_gone_is_written_again(notebook: Notebook, tmp_path) -> None:
    step = "%%step write\nwith open('out.txt', 'w') as f:\n    n = f.write('x')"
    notebook.ok(step)
    (tmp_path / "out.txt").unlink()

    notebook.ok(step)

    assert (tmp_path / "out.txt").read_text() == "x"
    assert "out.txt, which it wrote, is gone" in list(Client().query("select why from steps").why)


def test_a_path_that_is_handed_in_is_read(notebook: Notebook, tmp_path) -> None:
    cells = (
        "%%params\nsource: str = 'data.csv'",
        "from pyarrow import csv",
        "%%step read\ntotal = sum(csv.read_csv(source).to_pydict()['a'])",
    )
    notebook.ok(*cells)

    written(tmp_path / "data.csv", "a,b\n10,2\n")
    notebook.ok(*cells)

    assert notebook["total"] == 10


def test_modules_and_installed_files_are_no_files_that_a_step_reads(notebook: Notebook, tmp_path) -> None:
    (tmp_path / "own.py").write_text("N = 3\n")
    notebook.ok(
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})",
        "%%step a\nimport own\nimport matplotlib.font_manager\nn = own.N + len('a')",
    )

    run = notebook.ok("run = %nbpipe run --no-cache\nrun").value

    assert run.steps["a"].files == ()
    notebook.ok(f"sys.path.remove({str(tmp_path)!r})\ndel sys.modules['own']")


def test_a_function_steps_files_count_too(notebook: Notebook, tmp_path) -> None:
    notebook.ok(
        "%%step\ndef read() -> str:\n    with open('data.csv') as f:\n        return f.read()",
        "%%pipeline reading\nread()",
        "first = reading()\nsecond = reading()",
    )
    written(tmp_path / "data.csv", "a,b\n9,9\n", age_s=50)

    notebook.ok("third = reading()")

    assert [notebook[name].steps["read"].status.value for name in ("first", "second", "third")] == [
        "completed", "reused", "completed",
    ]  # fmt: skip
    assert [file.path for file in notebook["third"].steps["read"].files] == ["data.csv"]
