"""Everything that is drawn, by who uses no mouse or sees no colours: axe finds nothing grave, keys reach all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.axe import grave_findings
from tests.browser.gallery import CLEAR, SCENES
from tests.browser.lab import NotebookPage, write_notebook
from tests.browser.test_server_pages import site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import ElementHandle, Locator

    from tests.browser.lab import LabPages, LabServer, Theme

__all__ = ["site"]

pytestmark = pytest.mark.browser

NAMES = list(SCENES)
SHOWN = [name for name in NAMES if not name.startswith("_")]
LIVE = [
    "comparison", "board of schedules, editing", "view of a run", "composer", "board of promotion, gates",
    "browser, card", "tags", "form, wrong", "form of a cell", "deployment",
]  # fmt: skip
ACTIVATE = "(index) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }"
UNFOLD = "area => { for (const one of area.querySelectorAll('details')) one.open = true; }"
# How an element looks that has the focus, as far as that may tell where it is.
LOOKS = """element => [element, element.querySelector?.('.nbp-front')].filter(Boolean).map(part => {
  const style = getComputedStyle(part);
  return [style.outlineStyle === 'none' ? '' : style.outlineWidth + style.outlineColor,
    style.boxShadow, style.stroke, style.strokeWidth].join(' ');
}).join(' ')"""
BEGIN = """area => {
  const stop = document.createElement('span');
  stop.tabIndex = 0;
  area.prepend(stop);
  stop.focus();
  stop.addEventListener('blur', () => stop.remove(), {once: true});
}"""
STOPS = """area => [...area.querySelectorAll(
  'input, select, textarea, button, summary, [contenteditable], [tabindex="0"]'
)].filter(one => !one.disabled && one.tabIndex >= 0 && one.getClientRects().length)"""


@pytest.fixture(scope="module")
def gallery(
    lab_server: LabServer, lab_pages: LabPages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NotebookPage]:
    """Give a notebook in which everything is shown."""
    folder = lab_server.root / tmp_path_factory.mktemp("gallery").name
    (folder / ".nbpipe").mkdir(parents=True)
    path = folder / "gallery.ipynb"
    write_notebook(path, [*SCENES.values(), CLEAR])
    notebook = NotebookPage(lab_pages, path, "light")
    try:
        notebook.run_all(may_fail=True)
        assert [name for name in NAMES if "error" in kinds(notebook, name)] == NAMES[-1:]
        assert [name for name in SHOWN if not kinds(notebook, name)] == [], "everything is shown"
        yield notebook
    finally:
        notebook.page.evaluate(ACTIVATE, len(SCENES))
        notebook.command("notebook:run-cell")
        notebook.close()


def kinds(notebook: NotebookPage, name: str) -> list[str]:
    return [output["output_type"] for output in notebook.outputs(NAMES.index(name))]


def area(notebook: NotebookPage, name: str) -> Locator:
    """Find what a scene shows."""
    return notebook.cell(NAMES.index(name)).locator(".jp-Cell-outputArea").first


def areas(notebook: NotebookPage, names: list[str]) -> dict[str, ElementHandle]:
    found = {name: area(notebook, name).element_handle() for name in names}
    return {name: handle for name, handle in found.items() if handle is not None}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_that_is_drawn_has_a_grave_finding(gallery: NotebookPage, theme: Theme) -> None:
    gallery.set_theme(theme)
    parts = areas(gallery, SHOWN)
    for part in parts.values():
        part.evaluate(UNFOLD)

    assert len(parts) == len(SHOWN)
    assert grave_findings(gallery.page, parts) == []
    assert gallery.page_errors == []
