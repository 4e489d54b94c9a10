"""One JupyterLab and one Chromium for all browser tests of a process; a notebook and a folder for each.

The two live as long as this package's tests and not for the session: while Playwright's
synchronous interface is up, its event loop counts as running in the main thread, and a test
elsewhere that starts a loop of its own would fail. No browser is an error, never a skip.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.lab import LabPages, LabServer, NotebookPage, Theme, launch_browser, write_notebook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser


class OpenNotebook(Protocol):
    """Open a notebook made of these code cells, or a copy of one, in a fresh folder and workspace."""

    def __call__(
        self, source: Sequence[str] | Path, *, theme: Theme = "light", is_pictured: bool = False
    ) -> NotebookPage: ...


@pytest.fixture(scope="package")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """Give the one JupyterLab server of these tests."""
    server = LabServer(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Give the one Chromium of these tests."""
    with sync_playwright() as playwright:
        browser = launch_browser(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def lab_pages(lab_server: LabServer, browser: Browser) -> LabPages:
    """Give the pages in which JupyterLab is open; they end with the browser."""
    return LabPages(lab_server, browser)


@pytest.fixture
def open_notebook(
    lab_server: LabServer, lab_pages: LabPages, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """Give the function that opens a notebook; what it opened is closed after the test."""
    opened: list[NotebookPage] = []
    all_are_pictured = request.config.getoption("--pictures")

    def open_one(source: Sequence[str] | Path, *, theme: Theme = "light", is_pictured: bool = False) -> NotebookPage:
        folder = lab_server.root / f"{tmp_path.name}-{len(opened)}"
        # The nearest `.nbpipe` is the notebook's workspace, so this one is the test's alone.
        (folder / ".nbpipe").mkdir(parents=True)
        path = folder / (source.name if isinstance(source, Path) else "notebook.ipynb")
        write_notebook(path, source)
        opened.append(NotebookPage(lab_pages, path, theme, is_pictured=is_pictured or all_are_pictured))
        return opened[-1]

    yield open_one
    for page in opened:
        page.close()
