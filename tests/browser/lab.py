"""A real JupyterLab in a real Chromium, driven from a test.

`LabServer` is one JupyterLab on loopback whose every directory is private: nothing of the
user's settings, kernels or trust reaches it, and nothing of it stays behind. `LabPages` are the
pages in which it is open: to load one takes a processor four seconds, so a page that a test
leaves as it was is used by the next. `NotebookPage` is one notebook open in such a page. Work is
done through JupyterLab's own commands and read from its own model; only what a person would
click is clicked. Every wait is bounded.

This module knows JupyterLab. It does not know nbpipe: a notebook finds its workspace as a
user's does, in the folder it lies in.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import nbformat
from nbformat import v4
from playwright.sync_api import Error as PlaywrightError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from playwright.sync_api import Browser, Locator, Page, Playwright, ViewportSize

Theme = Literal["light", "dark"]

START_LIMIT_S = 90
PAGE_LIMIT_S = 60
EMPTY_LIMIT_S = 10
# Else a page that is waited for is asked with each frame, and draws one to be asked: sixty a second.
POLLING_MS = 50
THEMES: dict[Theme, str] = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
INSTALLED_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_FLAGS = [
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # a page that needs the internet fails here
]
SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # Else a cell that is out of sight has no elements to look at.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}
THEME_SETTING = "@jupyterlab/apputils-extension/themes"

OPEN = """() => {
  const panel = window.jupyterapp?.shell?.currentWidget;
  return panel?.context?.isReady === true
    && panel.context.sessionContext?.session?.kernel?.status === 'idle';
}"""
SAVED = "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"
# An answer that is an object is JupyterLab itself, in a hundred thousand pieces: to hand one over takes seconds.
START_COMMAND = """([name, options]) => {
  window.answer = null;
  window.jupyterapp.commands.execute(name, options).then(
    value => { window.answer = {value: ['boolean', 'number', 'string'].includes(typeof value) ? value : null}; },
    error => { window.answer = {error: String(error)}; });
}"""
VIEWPORT: ViewportSize = {"width": 1280, "height": 1000}
# What the notebook holds is not asked about: its test is over. What a test said to the page goes with it.
CLOSE = """async () => {
  const app = window.jupyterapp;
  for (const widget of [...app.shell.widgets('main')]) {
    if (widget.context?.model) widget.context.model.dirty = false;
    widget.close();
  }
  delete window.answer;
}"""
IS_EMPTY = """() => !document.querySelector('.jp-NotebookPanel, .jp-Dialog, #jupyterlab-splash')"""
CELLS = "window.jupyterapp.shell.currentWidget.content.widgets"
OUTPUTS = f"(index) => {CELLS}[index].model.outputs?.toJSON() ?? []"
TRUSTED = f"() => {CELLS}.filter(cell => cell.model.type === 'code').every(cell => cell.model.trusted)"
CHOOSE = "(index) => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }"
CELL_COUNT = f"() => {CELLS}.length"


class LabError(AssertionError):
    """JupyterLab did not do what the test asked of it."""


class LabServer:
    """One JupyterLab server on a free loopback port, until `close`.

    Args:
        folder: An empty folder for the server's own files and for the notebooks.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self._home = folder / "home"
        self._log = folder / "lab.log"
        self._token = secrets.token_hex(16)
        self._port = _free_port()
        self.root.mkdir(parents=True)
        for name, value in SETTINGS.items():
            self._write_setting(name, value)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), stdout=log, stderr=subprocess.STDOUT, env=self._environment(), start_new_session=True
            )
        self._wait_until_it_answers()

    def new_page(self) -> str:
        """Give the address of a page of JupyterLab that shows nothing yet and remembers nothing of other pages."""
        # A layout is remembered under its name. To `reset` one that all pages share would take each of them a second.
        return f"http://127.0.0.1:{self._port}/lab/workspaces/{secrets.token_hex(4)}?token={self._token}"

    def use_theme(self, theme: Theme) -> None:
        """Let pages that are opened from now on have this theme."""
        self._write_setting(THEME_SETTING, {"theme": THEMES[theme], "adaptive-theme": False})

    def end_sessions(self, path: str | None = None) -> None:
        """End the kernels of the notebook at `path`, or of all."""
        for session in self._ask("GET", "api/sessions"):
            if path in (None, session["path"]):
                self._ask("DELETE", f"api/sessions/{session['id']}")

    def close(self) -> None:
        """End the kernels and the server; one that does not listen is killed."""
        if self._process.poll() is None:
            try:
                self.end_sessions()
            finally:
                self._stop()

    def _stop(self) -> None:
        for sent, patience_s in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            os.killpg(self._process.pid, sent)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                continue
            return
        raise LabError(f"JupyterLab (process {self._process.pid}) could not be ended")

    def _ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/{path}", method=method, headers={"Authorization": f"token {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=15) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise LabError(f"JupyterLab ended at once:\n{self._last_words()}")
            try:
                self._ask("GET", "api/status")
            except OSError:
                time.sleep(0.1)
            else:
                return
        self._stop()
        raise LabError(f"JupyterLab did not answer in {START_LIMIT_S} s:\n{self._last_words()}")

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self._port}",
            "--ServerApp.port_retries=0",
            f"--IdentityProvider.token={self._token}",
            f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
            # Else each page asks whether JupyterLab must be built anew, which takes the server a second.
            "--ServerApp.tornado_settings={'page_config_data': {'buildAvailable': False, 'buildCheck': False}}",
        ]

    def _environment(self) -> dict[str, str]:
        ours = ("JUPYTER", "IPYTHON", "NBPIPE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        folders = {
            "HOME": self._home,
            "IPYTHONDIR": self._home / "ipython",
            "JUPYTER_CONFIG_DIR": self._home / "config",
            "JUPYTER_DATA_DIR": self._home / "data",
            "JUPYTER_RUNTIME_DIR": self._home / "runtime",
            "JUPYTERLAB_SETTINGS_DIR": self._home / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": self._home / "workspaces",
        }
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        private = {name: str(folder) for name, folder in folders.items()}
        return {**kept, **private, "JUPYTER_NO_CONFIG": "1", "JUPYTER_PLATFORM_DIRS": "1"}

    def _write_setting(self, name: str, value: dict[str, Any]) -> None:
        file = self._home / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value), encoding="utf-8")


class LabPages:
    """Pages in which JupyterLab is up and shows nothing yet.

    Args:
        server: The server.
        browser: In which pages are opened, each with storage of its own.
    """

    def __init__(self, server: LabServer, browser: Browser) -> None:
        self.server = server
        self._browser = browser
        self._spare: dict[Theme, Page] = {}

    def take(self, theme: Theme) -> Page:
        """Give a page of this theme: one that was given back, or a new one."""
        # Also for a page that is loaded anew later.
        self.server.use_theme(theme)
        spare = self._spare.pop(theme, None)
        if spare is not None:
            return spare
        page = self._browser.new_context(viewport=VIEWPORT).new_page()
        page.set_default_timeout(PAGE_LIMIT_S * 1000)
        self.load(page)
        return page

    def load(self, page: Page) -> None:
        """Have a page load JupyterLab, with nothing open in it."""
        page.goto(self.server.new_page(), wait_until="commit")
        page.wait_for_function("() => window.jupyterapp", polling=POLLING_MS)
        page.evaluate("async () => { await window.jupyterapp.restored; }")

    def give_back(self, page: Page, theme: Theme) -> None:
        """Take back a page whose theme and scripts are as they were; it is closed if it cannot be emptied."""
        try:
            self.empty(page)
            page.set_viewport_size(VIEWPORT)
        except PlaywrightError:
            page.context.close()
        else:
            self.close(self._spare.pop(theme, None))
            self._spare[theme] = page

    def empty(self, page: Page) -> None:
        """Close what is open in a page, whether it is saved or not."""
        page.evaluate(CLOSE)
        page.wait_for_function(IS_EMPTY, timeout=EMPTY_LIMIT_S * 1000, polling=POLLING_MS)

    def close(self, page: Page | None) -> None:
        """Close a page, if it is one, with all that it stored."""
        if page is not None:
            page.context.close()


class NotebookPage:
    """One notebook, open in a page of its own, its kernel idle.

    Args:
        pages: Where the page comes from.
        path: The notebook's file.
        theme: The page's theme.
        is_pictured: Whether `picture` and `look` take pictures. No test asks for them, and each, and each change of
            the theme, takes a processor the better part of a second.

    Attributes:
        page: Playwright's page, for what has no method here.
        path: The notebook's file.
        page_errors: What JavaScript threw and nobody caught, in order.
    """

    def __init__(self, pages: LabPages, path: Path, theme: Theme, *, is_pictured: bool = False) -> None:
        self.path = path
        self._is_pictured = is_pictured
        self.page_errors: list[str] = []
        self._pages = pages
        self._server = pages.server
        self._theme = self._shown_theme = theme
        self.page: Page = pages.take(theme)
        self.page.on("pageerror", self._note_error)
        self._open()

    @property
    def trusted(self) -> bool:
        """Whether JupyterLab trusts every code cell, and so renders its HTML and scripts."""
        return bool(self.page.evaluate(TRUSTED))

    def run_all(self, *, limit_s: float = PAGE_LIMIT_S, may_fail: bool = False) -> bool:
        """Run every cell and wait for the last; tell whether all ran without an error.

        Raises:
            LabError: A cell raised, unless it `may_fail`. The message is the cell's own.
        """
        all_ran = bool(self.command("notebook:run-all-cells", limit_s=limit_s))
        self.page.wait_for_function(OPEN, timeout=limit_s * 1000, polling=POLLING_MS)
        if not all_ran and not may_fail:
            raise LabError("\n".join(self._errors()) or "Run All stopped, and no cell says why")
        return all_ran

    def run_cell(self, index: int) -> None:
        """Run the cell at `index` (from 0) and wait for its end, however it ends."""
        self.page.evaluate(CHOOSE, index)
        self.command("notebook:run-cell")

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """Give the outputs of the cell at `index` (from 0), as nbformat writes them."""
        found: list[dict[str, Any]] = self.page.evaluate(OUTPUTS, index)
        return found

    def locator(self, selector: str, **options: Any) -> Locator:
        """Find elements on the page as Playwright does: waited for when they are used."""
        return self.page.locator(selector, **options)

    def cell(self, index: int) -> Locator:
        """Find the cell at `index`, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def command(self, name: str, options: dict[str, Any] | None = None, *, limit_s: float = PAGE_LIMIT_S) -> Any:
        """Execute a command of JupyterLab, wait for it, and give its answer.

        Raises:
            LabError: The command failed.
            TimeoutError: Playwright's; it was not done in `limit_s` seconds.
        """
        self.start_command(name, options)
        self.page.wait_for_function("() => window.answer", timeout=limit_s * 1000, polling=POLLING_MS)
        answer = self.page.evaluate("() => window.answer")
        if "error" in answer:
            raise LabError(f"{name}: {answer['error']}")
        return answer["value"]

    def start_command(self, name: str, options: dict[str, Any] | None = None) -> None:
        """Execute a command of JupyterLab without waiting for it, as one would before a Stop."""
        self.page.evaluate(START_COMMAND, [name, options or {}])

    def set_theme(self, theme: Theme) -> None:
        """Have the open page be light or dark."""
        if theme == self._shown_theme:
            return
        self._shown_theme = theme
        self.command("apputils:change-theme", {"theme": THEMES[theme]})
        light = "true" if theme == "light" else "false"
        self.page.locator(f"body[data-jp-theme-light='{light}']").wait_for(state="attached")
        # JupyterLab covers the page meanwhile, and stumbles over the cover if the theme is switched again before.
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def picture(self, path: Path) -> None:
        """Write what is on the page to `path`, a PNG, if pictures are wanted."""
        if self._is_pictured:
            self.page.screenshot(path=path, animations="disabled")

    def look(self, shown: Locator, folder: Path, name: str) -> None:
        """Take a picture of the page in each theme, with `shown` in view, to `folder`, if pictures are wanted."""
        if not self._is_pictured:
            return
        for theme in THEMES:
            self.set_theme(theme)
            shown.scroll_into_view_if_needed()
            self.picture(folder / f"{name}_{theme}.png")

    def save(self) -> None:
        """Save the notebook and wait until the file is written."""
        self.command("docmanager:save")
        self.page.wait_for_function(SAVED, polling=POLLING_MS)

    def reopen(self, *, trusted: bool, in_new_page: bool = False) -> None:
        """Save, close, end the kernel and open the file again: what a later reader sees.

        Args:
            trusted: Whether that reader is the one who ran it. Else the file is changed in a
                way that cannot be seen, as if it came from somebody else, so that its
                signature no longer holds.
            in_new_page: Whether JupyterLab is loaded anew, too.

        Raises:
            LabError: JupyterLab's own opinion of its trust is another.
        """
        self.save()
        if in_new_page:
            self.page.goto("about:blank")
        else:
            self._pages.empty(self.page)
        self._server.end_sessions(self._address)
        if not trusted:
            notebook = nbformat.read(self.path, as_version=4)
            notebook.metadata["from"] = secrets.token_hex(4)
            nbformat.write(notebook, self.path)
        if in_new_page:
            self._pages.load(self.page)
        self._open()
        if self.trusted is not trusted:
            raise LabError(f"The reopened notebook should be {'trusted' if trusted else 'untrusted'} and is not")

    def close(self) -> None:
        """Close the notebook and end its kernel."""
        self.page.remove_listener("pageerror", self._note_error)
        if self._is_as_it_was():
            self._pages.give_back(self.page, self._theme)
        else:
            self._pages.close(self.page)
        self._server.end_sessions(self._address)

    def _is_as_it_was(self) -> bool:
        """Have the page be as it was given, if that can be: another would have to load JupyterLab."""
        if self.page_errors:
            return False
        try:
            self.set_theme(self._theme)
        except (LabError, PlaywrightError):
            return False
        return True

    @property
    def _address(self) -> str:
        return self.path.relative_to(self._server.root).as_posix()

    def _open(self) -> None:
        # By an address that names the notebook it would be opened, too, a second later.
        self.command("docmanager:open", {"path": self._address})
        self.page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for()
        self.page.wait_for_function(OPEN, polling=POLLING_MS)

    def _note_error(self, error: Any) -> None:
        self.page_errors.append(str(error))

    def _errors(self) -> list[str]:
        outputs = [output for index in range(self.page.evaluate(CELL_COUNT)) for output in self.outputs(index)]
        return [f"{o['ename']}: {o['evalue']}" for o in outputs if o["output_type"] == "error"]


def launch_browser(playwright: Playwright) -> Browser:
    """Start Chromium: the system's if it has one, else the one that Playwright installed."""
    found = next(filter(None, map(shutil.which, INSTALLED_BROWSERS)), None)
    return playwright.chromium.launch(executable_path=found, headless=True, args=CHROMIUM_FLAGS)


def write_notebook(path: Path, source: Sequence[str] | Path) -> None:
    """Write a notebook of these code cells, or a copy of the notebook at `source`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, Path):
        shutil.copy(source, path)
        return
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(metadata={"kernelspec": kernel}, cells=[v4.new_code_cell(text) for text in source])
    nbformat.write(notebook, path)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
