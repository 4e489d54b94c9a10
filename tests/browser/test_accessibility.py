"""Everything that is drawn, by who uses no mouse or sees no colours: axe finds nothing grave, keys reach all of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.axe import OF_COLOURS, grave_findings
from tests.browser.gallery import CLEAR, SCENES
from tests.browser.lab import NotebookPage, write_notebook
from tests.browser.test_server_pages import Site, site

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
RULES: dict[Theme, Sequence[str]] = {"light": (), "dark": OF_COLOURS}
BACK_IN_NOTEBOOK = """() => {
  const here = document.activeElement;
  return here.closest('.jp-Notebook') !== null && here.closest('.jp-Cell-outputArea') === null;
}"""
HEIGHT = "() => document.querySelector('.jp-WindowedPanel-outer').scrollHeight"
AT_TOP = """() => {
  const panel = document.querySelector('.jp-WindowedPanel-outer');
  panel.scrollTop = 0;
  return panel.scrollTop === 0 && panel.clientHeight > 1000;
}"""
UNFOLD = "area => { for (const one of area.querySelectorAll('details')) one.open = true; }"
# Where Tab should go within an area, and what changes in the looks of each place when it is left.
WATCH = """area => {
  const places = 'input, select, textarea, button, summary, [contenteditable], [tabindex="0"]';
  const stops = [...area.querySelectorAll(places)].filter(
    one => !one.disabled && (one.tabIndex >= 0 || one.isContentEditable) && one.getClientRects().length);
  const looks = element => [element, element.querySelector('.nbp-front')].filter(Boolean).map(part => {
    const style = getComputedStyle(part);
    const outline = style.outlineStyle === 'none' ? '' : style.outlineWidth + style.outlineColor;
    return [outline, style.stroke, style.strokeWidth].join(' ');
  }).join(' ');
  const begin = document.createElement('span');
  begin.tabIndex = 0;
  area.prepend(begin);
  begin.focus();
  window.tabbing = {area, stops, looks, begin, last: null, look: ''};
}"""
PASS = """() => {
  const now = window.tabbing;
  const here = document.activeElement;
  now.begin.remove();
  const said = {
    place: now.stops.indexOf(here), stops: now.stops.length, is_inside: now.area.contains(here),
    left: now.last?.outerHTML.slice(0, 200) ?? '', was_seen: now.last === null || now.looks(now.last) !== now.look,
  };
  now.last = here;
  now.look = now.looks(here);
  return said;
}"""


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
        notebook.run_cell(len(SCENES))
        notebook.close()


def kinds(notebook: NotebookPage, name: str) -> list[str]:
    return [output["output_type"] for output in notebook.outputs(NAMES.index(name))]


def area(notebook: NotebookPage, name: str) -> Locator:
    """Find what a scene shows."""
    return notebook.cell(NAMES.index(name)).locator(".jp-Cell-outputArea").first


def areas(notebook: NotebookPage, names: list[str]) -> dict[str, ElementHandle]:
    found = {name: area(notebook, name).element_handle() for name in names}
    return {name: handle for name, handle in found.items() if handle is not None}


@contextmanager
def in_sight(notebook: NotebookPage) -> Iterator[None]:
    """Make the window so high that nothing is scrolled out of it."""
    usual = notebook.page.viewport_size
    assert usual is not None
    try:
        notebook.page.set_viewport_size({**usual, "height": notebook.page.evaluate(HEIGHT) + 400})
        notebook.page.wait_for_function(AT_TOP)
        yield
    finally:
        notebook.page.set_viewport_size(usual)


@pytest.mark.parametrize("theme", RULES)
def test_nothing_that_is_drawn_has_a_grave_finding(gallery: NotebookPage, theme: Theme) -> None:
    gallery.set_theme(theme)
    parts = areas(gallery, SHOWN)
    for part in parts.values():
        part.evaluate(UNFOLD)

    assert len(parts) == len(SHOWN)
    with in_sight(gallery):
        assert grave_findings(gallery.page, parts, RULES[theme]) == []
    assert gallery.page_errors == []


def test_a_finding_is_told_with_what_it_is_about(gallery: NotebookPage) -> None:
    part = area(gallery, "form of a snapshot")
    part.locator("input").first.evaluate("field => { field.labels[0].remove(); }")
    part.get_by_text("how fast it learns ·").evaluate("text => { text.style = 'color: #888; background: #999'; }")

    with in_sight(gallery):
        told = "\n".join(grave_findings(gallery.page, areas(gallery, ["tags", "form of a snapshot"])))

    assert "form of a snapshot: label: <input" in told
    assert "form of a snapshot: color-contrast: <div" in told
    assert "tags: " not in told


@pytest.mark.parametrize("name", LIVE)
def test_tab_goes_through_all_of_it_in_order_shows_where_it_is_and_leaves_it(gallery: NotebookPage, name: str) -> None:
    part = area(gallery, name)
    part.scroll_into_view_if_needed()
    part.evaluate(WATCH)
    passed: list[dict[str, Any]] = []
    while not passed or passed[-1]["is_inside"]:
        gallery.page.keyboard.press("Tab")
        passed.append(gallery.page.evaluate(PASS))
        assert len(passed) < 100, "it cannot be left"

    places = [one["place"] for one in passed[:-1]]
    assert places == list(range(passed[0]["stops"]))
    assert [one["left"] for one in passed[1:] if not one["was_seen"]] == []


def test_a_graph_is_whole_when_the_theme_was_changed(gallery: NotebookPage) -> None:
    gallery.set_theme("dark")
    gallery.set_theme("light")
    gallery.page.wait_for_timeout(100)

    assert area(gallery, "view of a pipeline").locator(".nbp-node").count() == 4


def test_keys_do_in_a_page_what_a_pointer_does_and_escape_leaves_it(gallery: NotebookPage) -> None:
    board = area(gallery, "board of promotion, gates")
    form = area(gallery, "form, wrong")
    keys = gallery.page.keyboard
    staging, production = (board.get_by_role("button", name=stage) for stage in ("staging", "production"))
    assert production.get_attribute("aria-pressed") == "true"

    staging.press("Enter")
    board.get_by_role("button", name="staging", pressed=True).wait_for()
    board.get_by_role("button", name="production", pressed=False).press("Space")
    board.get_by_role("button", name="production", pressed=True).wait_for()
    form.get_by_role("button", name="fit: 2 parameters", expanded=False).press("Enter")
    form.get_by_role("button", name="fit: 2 parameters", expanded=True).wait_for()
    form.get_by_role("slider", name="fit.depth").wait_for()
    area(gallery, "form of a cell").get_by_role("slider", name="n").press("ArrowRight")
    area(gallery, "form of a cell").get_by_text("--set n=6").first.wait_for()

    keys.press("Escape")
    assert gallery.page.evaluate(BACK_IN_NOTEBOOK)
    assert gallery.page_errors == []


def test_the_pages_of_a_server_have_no_grave_finding_in_light_or_dark(site: Site) -> None:
    page = site.page

    def found(name: str) -> list[str]:
        page.wait_for_load_state()
        told = []
        for scheme, rules in RULES.items():
            page.emulate_media(color_scheme=scheme)
            whole = page.locator("html").element_handle()
            told += grave_findings(page, {f"{name}, {scheme}": whole}, rules)
        return told

    page.goto(site.server.url)
    page.get_by_label("Token").fill("nbp_wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This token is not valid.").wait_for()
    told = found("sign-in")
    site.sign_in()
    told += found("snapshots")
    page.get_by_role("link", name="nightly").click()
    page.get_by_label("n", exact=True).fill("many")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("should be a valid integer").wait_for()
    told += found("a form that is filled wrongly")
    page.get_by_label("n", exact=True).fill("4")
    page.get_by_role("button", name="Run", exact=True).click()
    page.locator("main:not(:has([data-refresh]))").get_by_text("✓ completed").first.wait_for(timeout=60_000)
    page.locator("summary", has_text="names").click()
    page.get_by_text("<b>row 3</b>").wait_for()
    told += found("a run")
    page.get_by_role("link", name="All about it").first.click()
    page.get_by_role("heading", name="names").wait_for()
    told += found("an artifact")
    page.get_by_role("link", name="Runs").click()
    page.get_by_role("heading", name="Runs").wait_for()
    told += found("runs")
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="iris").click()
    page.get_by_role("heading", name="iris").wait_for()
    told += found("a model")
    page.get_by_role("link", name="API").click()
    page.get_by_text("/api/v1/pipelines", exact=True).click()
    page.get_by_role("button", name="Send GET /api/v1/pipelines").click()
    page.get_by_text('"total": 1').wait_for()
    told += found("the interface")

    assert told == []
