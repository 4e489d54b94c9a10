"""Ordinary notebooks of many styles become pipelines that give the same values, variable by variable."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from nbpipe.adoption.adopting import Adoption, adopt
from nbpipe.adoption.planning import Role

FOLDER = Path(__file__).parent / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))

# Types of which no value can be stored, whatever it holds; each is met in one of the notebooks.
LIVE = {"generator", "TextIOWrapper", "Connection", "Cursor", "lock"}


@pytest.fixture(scope="module")
def adoptions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Adoption]]]:
    """Adopt every notebook, two at a time; the copies lie in a folder of their own."""
    copies = tmp_path_factory.mktemp("copies")
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {
            name: pool.submit(adopt, FOLDER / f"{name}.ipynb", copies / f"{name}.ipynb", with_parameters=name > "14")
            for name in NOTEBOOKS
        }
        pool.shutdown(cancel_futures=True)


def test_there_are_notebooks_of_at_least_fifteen_styles() -> None:
    assert len(NOTEBOOKS) >= 15


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_variable_that_can_be_stored_is_the_same_in_the_pipeline(
    adoptions: dict[str, Future[Adoption]], name: str
) -> None:
    before = (FOLDER / f"{name}.ipynb").read_bytes()

    adopted = adoptions[name].result()

    assert {cell.planned.number: cell.different for cell in adopted.cells if cell.different} == {}
    assert sum(len(cell.in_notebook.equal) for cell in adopted.cells) > 0
    assert adopted.steps >= 1
    assert all(cell.planned.why for cell in adopted.cells if cell.planned.role is Role.PLAIN)
    for cell in adopted.cells:
        assert all(why for why in cell.in_notebook.not_carried.values())
    copied = nbformat.read(adopted.copy, as_version=4)
    nbformat.validate(copied)
    assert sum(1 for cell in copied.cells if "%%step " in cell.source) == adopted.steps
    assert (FOLDER / f"{name}.ipynb").read_bytes() == before


def test_the_reports_name_what_is_not_carried_and_why(adoptions: dict[str, Future[Adoption]]) -> None:
    names = ("06_open_files", "07_generators", "17_connections")
    cells = [cell for name in names for cell in adoptions[name].result().cells]

    said = " ".join(why for cell in cells for why in cell.in_notebook.not_carried.values())
    assert {kind for kind in LIVE if kind in said} == LIVE
    joined = adoptions["17_connections"].result().cells
    assert any("cannot be stored" in cell.planned.why for cell in joined)
