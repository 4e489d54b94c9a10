"""Ordinary notebooks of many styles become pipelines that give the same values, variable by variable."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import nbformat
import pytest

from nbpipe.cli import main

FOLDER = Path(__file__).parent / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))

# What they show, others show as well, in less time: `make soak` has them.
LONG = {
    "01_numpy_views",
    "02_pandas_reshaping",
    "03_in_place_edits",
    "04_seeds",
    "05_plots",
    "05_many_plots",
    "07_generators",
    "08_classes",
    "09_scikit_learn",
    "10_strings",
    "11_time_series",
    "12_functional",
    "13_control_flow",
    "14_numpy_numerics",
    "15_flats",
    "16_magics",
    "18_awkward_state",
}


def by_day(names: Iterable[str]) -> list[Any]:
    """Give the notebooks as parameters, those that take long for `make soak`."""
    return [pytest.param(name, marks=[pytest.mark.soak] if name in LONG else []) for name in names]


# Types of which no value can be stored, whatever it holds, and who meets them.
LIVE = {
    "06_open_files": {"TextIOWrapper"},
    "07_generators": {"generator"},
    "17_connections": {"Connection", "Cursor", "lock"},
}


def adopted(name: str, copy: Path) -> dict[str, Any]:
    """Adopt a notebook by the command line; give what was answered."""
    params = ["--params"] if name > "14" else []
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as told:
        code = main(["adopt", str(FOLDER / f"{name}.ipynb"), "--to", str(copy), "--json", *params])
    assert code in (0, 1), told.getvalue()
    answered: dict[str, Any] = json.loads(said.getvalue())
    assert answered["is_equal"] == (code == 0)
    return answered


@pytest.fixture(scope="module")
def adoptions(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """Adopt every notebook that is asked for, two at a time; the copies lie in a folder of their own."""
    copies = tmp_path_factory.mktemp("copies")
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    # Two processes for all: what adopting imports takes as long as two of a notebook's cells, each time.
    with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
        yield {name: pool.submit(adopted, name, copies / f"{name}.ipynb") for name in NOTEBOOKS if name in asked}
        pool.shutdown(cancel_futures=True)


def test_there_are_notebooks_of_at_least_fifteen_styles() -> None:
    assert len(NOTEBOOKS) >= 15


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", by_day(NOTEBOOKS))
def test_every_variable_that_can_be_stored_is_the_same_in_the_pipeline(
    adoptions: dict[str, Future[dict[str, Any]]], name: str
) -> None:
    before = (FOLDER / f"{name}.ipynb").read_bytes()

    answered = adoptions[name].result()

    cells = answered["cells"]
    assert {cell["cell"]: cell["different"] for cell in cells if cell["different"]} == {}
    assert answered["is_equal"]
    assert sum(len(cell["equal"]) for cell in cells) > 0
    assert all(cell["why"] for cell in cells if cell["became"] == "plain")
    assert all(why for cell in cells for why in cell["not_carried"].values())
    copied = nbformat.read(answered["copy"], as_version=4)
    nbformat.validate(copied)
    assert sum(1 for cell in copied.cells if "%%step " in cell.source) == answered["steps"] >= 1
    assert (FOLDER / f"{name}.ipynb").read_bytes() == before


@pytest.mark.parametrize("name", by_day(LIVE))
def test_a_report_names_what_is_not_carried_and_why(adoptions: dict[str, Future[dict[str, Any]]], name: str) -> None:
    cells = adoptions[name].result()["cells"]

    said = " ".join(why for cell in cells for why in cell["not_carried"].values())

    assert {kind for kind in LIVE[name] if kind in said} == LIVE[name]
    assert any("cannot be stored" in cell["why"] for cell in cells)
