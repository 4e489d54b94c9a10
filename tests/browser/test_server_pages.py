"""A colleague with a browser, a token and no notebook: from the sign-in to the result of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.flows.project import project_in
from tests.server.running import RunningServer, running

FLOW = """
from pydantic import Field

@step
def load(n: int) -> Annotated[list[str], "names"]:
    print("loading", n)
    return [f"<b>row {i}</b>" for i in range(n)]

@step
def wait(names: list[str], seconds: float) -> Annotated[int, "count"]:
    import time
    for n in range(int(seconds * 20)):
        print("waiting", n)
        time.sleep(0.05)
    return len(names)

@pipeline(model=Model(name="iris"))
def training(n: Annotated[int, Field(ge=1, le=9)] = 3, seconds: float = 0.0):
    return wait(load(n), seconds)
"""
EVIL = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.browser


@dataclass
class Site:
    """The pages of a server in a tab, with everything that the browser complained of."""

    server: RunningServer
    page: Page
    tokens: dict[str, str]
    complaints: list[str] = field(default_factory=list)

    @property
    def unforeseen(self) -> list[str]:
        """What the browser complained of besides requests that were to be refused."""
        return [said for said in self.complaints if "401" not in said and "422" not in said]

    def sign_in(self, scope: str = "admin") -> None:
        self.page.goto(self.server.url)
        self.page.get_by_label("Token").fill(self.tokens[scope])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Snapshots").wait_for()


@pytest.fixture
def site(workspace: Any, monkeypatch: pytest.MonkeyPatch, browser: Browser) -> Iterator[Site]:
    with project_in(workspace, monkeypatch) as project:
        flow = project.load(FLOW)
        flow.training()
        flow.training.create_snapshot("nightly", description=EVIL)
        flow.training.create_snapshot(EVIL)
        tokens = {scope: project.client.tokens.create(scope, scope=scope).token for scope in ("read", "admin")}
        with running(project.folder) as server:
            context = browser.new_context()
            page = context.new_page()
            found = Site(server, page, tokens)
            page.on("console", lambda said: found.complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: found.complaints.append(str(error)))
            page.on("dialog", lambda dialog: found.complaints.append(dialog.message))
            yield found
            context.close()


def test_a_colleague_runs_a_snapshot_wrongly_and_rightly_watches_it_and_opens_the_result(site: Site) -> None:
    page = site.page
    page.goto(site.server.url)
    page.get_by_label("Token").fill("nbp_wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This token is not valid.").wait_for()
    site.sign_in("read")

    page.get_by_role("link", name="nightly").click()
    page.get_by_label("n", exact=True).fill("many")
    page.get_by_label("seconds", exact=True).fill("-")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("should be a valid integer").wait_for()
    page.get_by_text("should be a valid number").wait_for()
    assert page.get_by_label("n", exact=True).get_attribute("aria-invalid") == "true"

    page.get_by_label("n", exact=True).fill("4")
    page.get_by_label("seconds", exact=True).fill("3")
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("◐ running").first.wait_for(timeout=60_000)
    page.get_by_text("waiting ").first.wait_for()
    page.locator("main:not(:has([data-refresh]))").get_by_text("✓ completed").first.wait_for(timeout=60_000)
    page.locator("summary", has_text="names").click()
    page.get_by_text("<b>row 3</b>").wait_for()
    page.get_by_role("link", name="All about it").first.click()
    page.get_by_role("heading", name="names").wait_for()

    assert site.unforeseen == []


def test_a_version_is_promoted_by_who_may(site: Site) -> None:
    page = site.page
    site.sign_in("read")
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="iris").click()
    page.get_by_role("heading", name="iris").wait_for()
    assert page.get_by_role("button", name="Move version 1").count() == 0

    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").fill(site.tokens["admin"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Stage of version 1").select_option("production")
    page.get_by_label("Why version 1 is moved").fill("good enough")
    page.get_by_role("button", name="Move version 1").click()

    page.get_by_text("none → production").wait_for()
    page.get_by_text("good enough (token admin)").wait_for()


def test_the_api_can_be_tried_from_its_own_page(site: Site) -> None:
    page = site.page
    site.sign_in()
    page.get_by_role("link", name="API").click()
    page.get_by_text("/api/v1/pipelines", exact=True).click()
    page.get_by_role("button", name="Send GET /api/v1/pipelines").click()

    page.get_by_text('"total": 1').wait_for()
    assert site.unforeseen == []


def test_a_token_is_kept_by_its_tab_and_by_nothing_else(site: Site) -> None:
    page = site.page
    site.sign_in()

    assert page.context.cookies() == []
    assert page.evaluate("Object.keys(localStorage).length") == 0
    assert site.tokens["admin"] not in page.url
    page.reload()
    page.get_by_role("heading", name="Snapshots").wait_for()
    other = page.context.new_page()
    other.goto(site.server.url)
    other.get_by_role("heading", name="Sign in").wait_for()
    other.close()
