"""The browser of the catalog over the real services, driven without a front end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ipywidgets.widgets.widget import _instances

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, NbpipeError, NotFoundError
from nbpipe.records.operations import ClaimFirings, CreateSchedule, Promise, Timing
from nbpipe.records.runs import Status
from nbpipe.services.client import Client
from nbpipe.services.metadata import MetadataService
from nbpipe.widgets.catalog_browser import CatalogBrowser
from nbpipe.widgets.catalog_cards import card_of
from tests.conftest import Copied
from tests.services.building import Built, create_snapshot, opened, record_run

SCRIPT = "<script>alert('x')</script>"
LONG = "é🌱" * 2500


@pytest.fixture
def client(workspace: WorkspacePaths) -> Iterator[Client]:
    with opened(workspace):
        yield Client()


def _record_runs(paths: WorkspacePaths) -> list[Built]:
    made = []
    with opened(paths) as workspace:
        for turn in range(25):
            status = Status.FAILED if turn % 5 == 4 else Status.COMPLETED
            run = record_run(workspace, name=f"run-{turn:02}", status=status)
            body = {"kind": "run", "values": {"accuracy": turn / 100}, "step_id": ""}
            workspace.catalog.append("metadata", id=run.id, run=run.id, body=body)
            made.append(run)
        Client(paths.root).tags.add(["even"], run=[run.id for run in made[::2]])
    return made


@pytest.fixture
def runs(client: Client, workspace: WorkspacePaths, copied: Copied) -> list[Built]:
    """Give 25 runs, the oldest first: every fifth failed, every other tagged `even`, each with an accuracy."""
    return copied(workspace, _record_runs)


def labels(browser: CatalogBrowser) -> list[str]:
    return [row.label for row in browser.rows]


def said(browser: CatalogBrowser) -> str:
    """Give the text of all that the browser says outside of its table."""
    _ = browser.widget
    return re.sub(r"<[^>]*>", " ", browser._controls.said.value)


def test_it_begins_with_the_newest_runs(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)

    assert labels(browser)[:2] == ["run-24", "run-23"]
    assert (browser.noun, browser.page, browser.total, len(browser.rows)) == ("runs", 1, 25, 20)
    assert list(browser.df()["name"])[:2] == ["run-24", "run-23"]


def test_it_begins_with_what_it_is_given(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(
        client,
        tags=["even"],
        status="failed",
        sort="metric:accuracy",
        descending=False,
        size=2,
        page=2,
        where="accuracy > 0",
    )

    assert labels(browser) == ["run-24"]
    assert (browser.page, browser.total, browser.tags, browser.size) == (2, 3, ("even",), 2)
    assert browser.filters == {"status": "failed", "where": "accuracy > 0"}


def test_setting_a_part_asks_again_from_the_first_page(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client, size=5, page=3)

    browser.text = "RUN-1"
    found = labels(browser), browser.page
    browser.filters = {"status": "failed"}
    browser.tags = ["even", " even "]

    assert found == (["run-19", "run-18", "run-17", "run-16", "run-15"], 1)
    assert (labels(browser), browser.tags) == (["run-14"], ("even",))


def test_a_header_sorts_down_then_up_then_not_at_all(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    first = []

    for _ in range(3):
        browser.table.press({"do": "sort", "column": "metric:accuracy"})
        first.append((labels(browser)[0], browser.sort, browser.descending))

    assert first == [("run-24", "metric:accuracy", True), ("run-00", "metric:accuracy", False), ("run-24", "", True)]


def test_pages_are_turned_and_end_at_both_ends(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client, size=10)
    controls = (_ := browser.widget) and browser._controls

    pages = []
    for button in (controls.before, controls.after, controls.after, controls.after, controls.first, controls.last):
        button.click()
        pages.append(browser.page)

    assert pages == [1, 2, 3, 3, 1, 3]
    assert (controls.after.disabled, controls.before.disabled) == (True, False)
    assert "21–25 of 25 runs · page 3 of 3" in controls.shown.value
    browser.page = 99
    assert browser.page == 3


def test_a_tag_that_is_pressed_narrows_down_and_is_taken_off_again(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)

    browser.table.press({"do": "tag", "tag": "even"})
    narrowed = browser.total
    browser._controls.clear.click()

    assert (narrowed, browser.total, browser.tags) == (13, 25, ())


def test_controls_and_traits_say_the_same(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client, parent="none of these")
    controls = (_ := browser.widget) and browser._controls

    chip = controls.filters.children[-1]
    chip.click()
    controls.text.value = "run-1"
    controls._filters["status"].value = "failed"
    controls._filters["where"].value = "accuracy >= 0.14"
    controls.tags.value = ["even"]

    assert chip.description == "parent: none of these"
    assert browser.filters == {"status": "failed", "where": "accuracy >= 0.14"}
    assert (browser.text, browser.tags, labels(browser)) == ("run-1", ("even",), ["run-14"])
    browser.filters = {}
    assert (controls._filters["status"].value, controls._filters["where"].value) == ("", "")
    controls.noun.value = "artifacts"
    assert (browser.noun, browser.sort, browser.page) == ("artifacts", "", 1)


def test_what_is_wrong_in_a_control_is_said_and_changes_nothing(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    controls = (_ := browser.widget) and browser._controls

    controls._filters["where"].value = "accuracy"

    assert "compares nothing" in said(browser)
    assert (browser.filters, browser.total) == ({}, 25)
    controls._filters["where"].value = "accuracy > 0.2"
    assert said(browser).strip() == ""
    assert browser.total == 4


DOES_NOT_FIT: list[tuple[str, Any]] = [
    ("noun", "rums"),
    ("text", 7),
    ("text", "\ud800"),
    ("tags", "even"),
    ("tags", [7]),
    ("filters", {"statsu": 1}),
    ("filters", {"tags": ["even"]}),
    ("filters", 7),
    ("sort", "nothing"),
    ("descending", 1),
    ("page", 0),
    ("size", 10_000),
    ("metrics", "accuracy"),
    ("selected", ["no row"]),
    ("selected", "text"),
    ("noun", None),
    ("text", None),
    ("filters", None),
    ("sort", None),
    ("descending", None),
    ("page", None),
    ("size", None),
    ("selected", None),
]


def test_what_does_not_fit_is_refused_and_changes_nothing(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)

    for part, value in DOES_NOT_FIT:
        before = getattr(browser, part), labels(browser)

        with pytest.raises(BadValueError):
            setattr(browser, part, value)
            pytest.fail(f"{part} took {value!r}")

        assert (getattr(browser, part), labels(browser)) == before, (part, value)


def test_a_bad_beginning_is_refused(client: Client) -> None:
    for first in ({"noun": "x"}, {"statsu": "failed"}, {"page": 0}, {"sort": "x"}, {"tags": "x"}):
        with pytest.raises(BadValueError):
            CatalogBrowser(client, **first)


def test_rows_stay_selected_on_other_pages(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client, size=2)

    browser.selected = [browser.rows[0].id]
    browser.page = 5
    browser.table.selected = [*browser.table.selected, browser.rows[1].id]

    assert [row.label for row in browser.chosen] == ["run-24", "run-15"]
    assert "2 selected" in browser._controls.chosen.value
    browser.actions.buttons["clear"].click()
    assert browser.selected == ()
    assert browser.table.selected == []


def test_selected_rows_are_tagged(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    browser.selected = [row.id for row in browser.rows[:3]]

    browser.actions.tag_button.click()
    browser.actions.panel.names = ["🌱 new", SCRIPT]
    browser.actions.panel.add_button.click()

    assert set(client.runs.get(runs[22].id).tags) == set(browser.rows[2].tags) == {"even", "🌱 new", SCRIPT}
    assert set(browser.rows[1].tags) == {"🌱 new", SCRIPT}
    browser.actions.panel.names = ["even"]
    browser.actions.panel.remove_button.click()
    assert "even" not in browser.rows[0].tags


def test_selected_runs_are_compared(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    browser.selected = [row.id for row in browser.rows[:3]]

    browser.actions.compare_button.click()

    assert browser.actions.panel.refs == browser.selected
    assert browser.actions.place.children == (browser.actions.panel.widget,)
    browser.selected = [browser.rows[0].id]
    assert browser.actions.place.children == ()
    assert browser.actions.compare_button.disabled


def test_two_versions_are_compared_and_one_is_promoted(client: Client) -> None:
    for n in range(2):
        record_run(client.workspace, model="iris")
        MetadataService(client.workspace).log({"accuracy": 0.8 + n / 10}, model=f"iris@{n + 1}")
    browser = CatalogBrowser(client, "model_versions")

    browser.selected = [row.id for row in browser.rows]
    browser.actions.compare_button.click()
    compared = browser.actions.panel.widget.value
    browser.selected = [browser.rows[0].id]
    browser.actions.promote_button.click()
    browser.actions.panel.promote_button.click()

    assert "iris@2 and iris@1" in compared
    assert "<td" in compared
    assert "accuracy" in compared
    assert "Listing" not in compared
    assert client.models.version("iris@production").number == 2
    assert [row.values["stage"] for row in browser.rows] == ["production", "none"]


def test_deleting_asks_twice(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client, "tags")
    browser.selected = ["even"]

    browser.actions.delete_button.click()
    asked = browser.actions.confirm_button.description, browser.actions.panel.widget.value, browser.total
    browser.actions.confirm_button.click()

    assert asked[0] == "Confirm: delete 1 tag"
    assert "13 things lose it" in asked[1]
    assert asked[2] == 1
    assert (browser.total, browser.selected, browser.message) == (0, (), "even is deleted.")
    assert client.tags.list() == []


@pytest.mark.parametrize("noun", ["runs", "artifacts", "models", "model_versions", "snapshots", "pipelines", "tags"])
def test_every_noun_that_can_be_deleted_is(client: Client, noun: str) -> None:
    record_run(client.workspace, outputs={"raw": 1}, model="iris", tags=["v1"])
    create_snapshot(client.workspace)
    browser = CatalogBrowser(client, noun)
    assert browser.total == 1
    browser.selected = [browser.rows[0].id]

    browser.actions.delete_button.click()
    assert browser.total == 1
    browser.actions.confirm_button.click()

    assert (browser.total, browser.selected) == (0, ())
    assert browser.message.endswith("is deleted.")


def test_runs_are_deleted_together_and_rows_that_are_gone_are_neither_selected_nor_open(
    client: Client, runs: list[Built]
) -> None:
    browser = CatalogBrowser(client)
    browser.selected = [row.id for row in browser.rows[:2]]
    browser.open("runs", runs[24].id)

    browser.actions.delete_button.click()
    asked = browser.actions.confirm_button.description
    browser.actions.confirm_button.click()

    assert asked == "Confirm: delete 2 runs"
    assert browser.message == "run-24, run-23 are deleted."
    assert (labels(browser)[0], browser.total, browser.selected, browser.opened) == ("run-22", 23, (), None)


def test_what_hinders_a_deletion_is_told_and_overridden_by_who_confirms(client: Client) -> None:
    record_run(client.workspace, outputs={"raw": 1}, model="iris")
    client.models.promote("iris@1", "production")
    browser = CatalogBrowser(client, "artifacts")
    browser.selected = [browser.rows[0].id]

    browser.actions.delete_button.click()
    asked = browser.actions.confirm_button.description, browser.actions.panel.widget.value
    browser.actions.confirm_button.click()

    assert asked[0] == "Confirm: delete 1 artifact anyway"
    assert "⚠" in asked[1]
    assert "iris" in asked[1]
    assert (browser.total, browser.message) == (0, "raw@1 is deleted.")


def test_what_changed_since_it_was_announced_is_asked_again(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client, "tags")
    browser.selected = ["even"]
    browser.actions.delete_button.click()

    client.tags.add(["even"], run=runs[1].id)
    browser.actions.confirm_button.click()

    assert client.tags.get("even").count == 14
    assert "14 things lose it" in browser.actions.panel.widget.value


def test_a_double_click_deletes_nothing_and_one_on_confirm_says_what_was_deleted(
    client: Client, runs: list[Built]
) -> None:
    browser = CatalogBrowser(client)
    browser.selected = [runs[24].id]

    browser.actions.delete_button.click()
    browser.actions.delete_button.click()
    total = browser.total
    browser.actions.confirm_button.click()
    browser.actions.confirm_button.click()

    assert total == 25
    assert "run-24 is deleted." in said(browser)
    assert browser.total == 24


def test_the_card_of_what_was_deleted_is_closed(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    _ = browser.widget
    browser.open("runs", runs[24].id)
    browser.selected = [runs[24].id]

    browser.actions.delete_button.click()
    browser.actions.confirm_button.click()

    assert browser.opened is None
    assert browser._controls.detail.layout.display == "none"
    assert "run-24" not in browser._controls.opened.value


def test_one_thing_loses_a_tag_and_several_lose_it(client: Client, runs: list[Built]) -> None:
    client.tags.add(["mine"], run=runs[0].id)
    browser = CatalogBrowser(client, "tags")

    browser.selected = ["mine"]
    browser.actions.delete_button.click()

    assert "1 thing loses it" in browser.actions.panel.widget.value


def test_ways_on_that_are_too_many_to_list_are_told(client: Client, runs: list[Built]) -> None:
    client.tags.add(["all"], run=[run.id for run in runs])
    browser = CatalogBrowser(client, "tags")
    _ = browser.widget

    browser.open("tags", "even")
    few = [_said(control) for control in browser._controls.links.children]
    browser.open("tags", "all")
    many = [_said(control) for control in browser._controls.links.children]

    assert not any("there are more" in text for text in few)
    assert "The first 24 are listed; there are more." in many[-1]


def test_tags_of_nothing_but_blanks_are_none(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    _ = browser.widget

    browser.tags = ["  ", "even"]
    assert browser.tags == ("even",)
    browser.tags = ["  "]

    assert browser.tags == ()
    assert browser.total == 25


def test_however_often_it_is_drawn_it_leaves_no_widgets_behind(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client, tag_prefix="e")
    _ = browser.widget

    def go_round() -> int:
        browser.reload()
        browser.text = "run"
        browser.filters = {"tag_contains": "v", "status": "failed"}
        browser.filters = {"tag_contains": "v"}
        browser.noun = "tags"
        browser.noun = "runs"
        browser.text = ""
        browser.open("runs", runs[3].id)
        browser.open("runs", runs[4].id)
        browser.selected = [runs[24].id, runs[23].id]
        browser.actions.compare_button.click()
        browser.actions.tag_button.click()
        browser.actions.delete_button.click()
        browser.actions.buttons["close"].click()
        browser.actions.buttons["clear"].click()
        return len(_instances)

    first = go_round()

    assert [go_round() for _ in range(2)] == [first, first]


def test_what_is_refused_is_said_and_nothing_is_lost(client: Client) -> None:
    create_snapshot(client.workspace)
    browser = CatalogBrowser(client, "snapshots")
    browser.selected = [browser.rows[0].id]
    browser.actions.delete_button.click()

    client.snapshots.delete("nightly")
    browser.actions.confirm_button.click()

    assert browser.message.startswith("No snapshot is named")
    browser.reload()
    assert browser.total == 0


def test_actions_that_do_not_fit_say_why(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    _ = browser.widget

    assert browser.actions.tag_button.tooltip == "select rows first"
    assert browser.actions.compare_button.tooltip == "select 2 to 50 runs"
    assert browser.actions.promote_button.tooltip == "model versions are promoted"
    browser.actions.promote_button.click()
    assert "Model versions are promoted." in said(browser)
    browser.noun = "tags"
    browser.selected = ["even"]
    assert browser.actions.tag_button.tooltip == "tags bear no tags"
    assert not browser.actions.delete_button.disabled


def test_a_row_is_opened_and_leads_to_what_is_next_to_it(client: Client) -> None:
    first = record_run(client.workspace, outputs={"raw": 1}, model="iris")
    second = record_run(client.workspace, outputs={"clean": 2}, inputs={"x": first.artifacts["raw"]})
    client.tags.add(["v1"], run=first.id)
    browser = CatalogBrowser(client)
    controls = (_ := browser.widget) and browser._controls

    browser.table.press({"do": "open", "id": first.id})
    at_run = {button.description for bar in controls.links.children for button in bar.children[1:]}
    raw = next(button for bar in controls.links.children for button in bar.children if _said(button) == "raw@1")
    raw.click()
    at_raw = [_said(child) for bar in controls.links.children for child in bar.children]

    assert at_run == {"iris@1", "raw@1"}
    assert browser.opened == ("artifacts", first.artifacts["raw"])
    assert at_raw == ["made in", f"run {first.id[:8]}", "went into", "clean@1", "read in", f"run {second.id[:8]}"]
    assert controls.back.description == "Back"
    controls.back.click()
    assert browser.opened == ("runs", first.id)
    controls.back.click()
    assert (browser.opened, controls.detail.layout.display) == (None, "none")


def _said(control: Any) -> str:
    return getattr(control, "description", "") or re.sub(r"<[^>]*>", "", str(getattr(control, "value", "")))


def test_everything_that_is_listed_can_be_opened(client: Client) -> None:
    run = record_run(client.workspace, outputs={"raw": [1] * 9}, model="iris")
    create_snapshot(client.workspace)
    client.tags.add(["v1"], run=run.id, model="iris", artifact="raw@1", pipeline="training")
    browser = CatalogBrowser(client)

    for noun in ("runs", "artifacts", "models", "model_versions", "pipelines", "tags"):
        browser.noun = noun
        browser.open(noun, browser.rows[0].id)
        assert browser.opened == (noun, browser.rows[0].id)
    assert [(link.noun, link.id) for link in card_of(client, "tags", "v1").links] == [
        (noun, identity)
        for noun, identity in (
            ("artifacts", run.artifacts["raw"]),
            ("models", "iris"),
            ("pipelines", "training"),
            ("runs", run.id),
        )
    ]
    for noun in ("runs", "artifacts", "models", "snapshots", "tags", "schedules"):
        with pytest.raises((NotFoundError, NbpipeError)):
            browser.open(noun, "00000000-0000-0000-0000-000000000000")


def test_a_schedule_is_opened_with_what_it_runs_and_what_it_fired(client: Client, runs: list[Built]) -> None:
    workspace, identity, due = client.workspace, new_id(), datetime(2026, 11, 22, 2, tzinfo=UTC)
    snapshot = create_snapshot(workspace, "training", "nightly")
    timing = Timing(interval_s=60, starts=due, timezone="UTC", catchup="last", overlap="skip")
    since = due - timedelta(seconds=1)
    told: dict[str, Any] = {"pipeline": "training", "snapshot_id": snapshot, "timing": timing, "since": since}
    workspace.catalog.transact(CreateSchedule(id=identity, name=SCRIPT, **told))
    promises = (Promise(run_id=runs[3].id, due=due, alone=True),)
    workspace.catalog.transact(ClaimFirings(id=identity, since=since, until=due, promises=promises))

    opened_card = card_of(client, "schedules", identity)

    assert [(link.noun, link.id) for link in opened_card.links] == [("snapshots", snapshot), ("runs", runs[3].id)]
    assert "<script" not in opened_card.bundle.html
    browser = CatalogBrowser(client)
    _ = browser.widget
    browser.noun = "schedules"
    assert [row.id for row in browser.rows] == [identity]


def test_names_come_out_as_text_wherever_they_stand(client: Client) -> None:
    run = record_run(client.workspace, SCRIPT, name=LONG + SCRIPT, outputs={SCRIPT: 1})
    client.tags.add([SCRIPT], run=run.id)
    browser = CatalogBrowser(client)
    controls = (_ := browser.widget) and browser._controls

    browser.text = SCRIPT
    browser.open("runs", run.id)
    browser.selected = [run.id]
    browser.actions.delete_button.click() if not browser.actions.delete_button.disabled else None

    assert "<script" not in browser.static().html
    assert "<script" not in controls.opened.value + controls.said.value + controls.shown.value
    assert len(str(controls.table.view)) < 6000
    assert browser.table.view["rows"][0]["cells"][0]["text"].endswith("…")


def test_the_static_face_is_the_page_without_what_differs_between_runs(client: Client, runs: list[Built]) -> None:
    bundle = CatalogBrowser(client, size=2, static=True).static()

    assert bundle.text == (
        "catalog runs\n\n  1–2 of 25 runs\n"
        "    pipeline  status       model  accuracy  tags  parameters\n"
        "    ────────  ───────────  ─────  ────────  ────  ──────────\n"
        "    training  ✗ failed                0.24  even\n"
        "    training  ✓ completed             0.23"
    )
    assert "text/html" in CatalogBrowser(client, static=True)._repr_mimebundle_()


def test_an_empty_workspace_says_that_there_is_nothing(client: Client) -> None:
    browser = CatalogBrowser(client)
    _ = browser.widget

    assert browser.static().text == "catalog runs\n\n  no runs\n" + browser.static().text.split("no runs\n")[1]
    assert browser.table.view["none"] == "There are none yet."
    browser.text = "x"
    assert browser.table.view["none"] == "No runs fit."


def test_controls_are_named_for_screen_readers(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)
    controls = (_ := browser.widget) and browser._controls

    named = [controls.noun, controls.text, controls.size, *controls._filters.values()]
    assert all(control.description for control in named)
    assert all(button.tooltip for button in (controls.first, controls.before, controls.after, controls.last))
    assert controls.table.view["label"] == "runs"


def test_messages_that_are_none_are_passed_over(client: Client, runs: list[Built]) -> None:
    browser = CatalogBrowser(client)

    for message in ({}, {"do": "sort"}, {"do": "page", "by": "x"}, {"do": "shutdown"}, {"do": "open", "id": 7}):
        browser.table.press(message)
    browser.table.press({"do": "open", "id": "nothing"})

    assert labels(browser)[0] == "run-24"
    assert "nothing" in said(browser)


def test_a_run_that_ends_meanwhile_is_there_after_a_reload(client: Client) -> None:
    browser = CatalogBrowser(client)

    record_run(client.workspace, name="late")
    browser.reload()

    assert labels(browser) == ["late"]
