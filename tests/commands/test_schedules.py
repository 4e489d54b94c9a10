"""`nbpipe schedule` and `nbpipe scheduler`, as somebody types them; the spellings of elsewhere too."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nbpipe.base.clock import clock_set_to
from nbpipe.commands.answers import Answer
from nbpipe.commands.completing import completions
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.services.client import Client

Ask = Callable[[str], Answer]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def said(ask: Ask) -> Callable[[str], str]:
    """Ask at a fixed noon, and give what a terminal prints."""

    def answer(line: str) -> str:
        with clock_set_to(lambda: NOON):
            return ask(line).text

    answer("snapshot create flow.py:training --name nightly")
    return answer


CREATE = "schedule create every_night --snapshot nightly --cron '0 2 * * *' --timezone Europe/Berlin"


def test_a_schedule_is_created_and_shown_with_its_next_times(said: Callable[[str], str]) -> None:
    made = said(CREATE)

    assert "schedule every_night: active" in made
    assert "At 02:00 (Europe/Berlin)" in made
    assert "2026-11-23 02:00 CET  in 13 h 0 min" in made
    assert "No scheduler runs in this workspace" in made
    assert "nbpipe scheduler start" in made
    assert said("schedule show every_night") == made


def test_the_walk_of_the_document_works_with_its_own_spellings(said: Callable[[str], str]) -> None:
    said(CREATE)

    assert "every_night" in said("pipeline schedule list")
    updated = said("pipeline schedule update every_night --cron-expression='0 3 * * *'")
    assert "At 03:00" in updated
    assert "is paused" in said("pipeline schedule deactivate every_night")
    assert "‖ paused" in said("pipeline schedule list")
    assert "fires next at 2026-11-23 03:00 CET" in said("pipeline schedule activate every_night")
    assert "its history stays" in said("pipeline schedule delete every_night")
    assert "every_night" not in said("pipeline schedule list")
    assert "× deleted" in said("pipeline schedule list --all")
    assert "with its history" in said("pipeline schedule delete every_night --hard")
    assert "every_night" not in said("pipeline schedule list --all")


def test_a_run_of_a_file_with_a_schedule_makes_that(said: Callable[[str], str], project: Path) -> None:
    (project / "prod.yaml").write_text("schedule:\n  interval_second: 1800\nparameters: {n: 9}\n")

    assert "Every 30 minutes" in said("run flow.py:training --config prod.yaml")
    assert Client().schedules.get("training").snapshot.content.configuration.parameters == {"n": 9}
    assert not Client().runs.list()
    with pytest.raises(BadValueError, match="not a part"):
        said("run flow.py:training --config prod.yaml --only load")
    with pytest.raises(BadValueError, match="takes no schedule"):
        said("snapshot run nightly --config prod.yaml")


@pytest.mark.parametrize(
    ("options", "fires"),
    [
        ("--every 30m", "Every 30 minutes"),
        ("--every 1d --overlap parallel", "Every day"),
        ("--at 2026-12-24T02:00 --timezone Europe/Berlin", "Once, at 2026-12-24 02:00 CET"),
        ("--at 2h --timezone UTC", "Once, at 2026-11-22 14:00 UTC"),
        ("--cron '*/15 * * * *' --start 2026-12-01 --end 2026-12-02 --timezone UTC", "Every 15 minutes (UTC)"),
        ("--cron '0 9 * * mon#2' --timezone UTC", "At 09:00, on the second Monday of the month (UTC)"),
    ],
)
def test_a_schedule_can_be_said_in_each_way(said: Callable[[str], str], options: str, fires: str) -> None:
    assert fires in said(f"schedule create s --snapshot nightly {options}")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("create s --snapshot nightly", "none was given"),
        ("create s --snapshot nightly --cron '61 * * * *'", "'61' is no minute"),
        ("create s --snapshot nightly --every soon", "--every='soon' is no time"),
        ("create s --snapshot nightly --at yesterday", "--at='yesterday' is no time"),
        ("create s --snapshot nightly --at 2020-01-01", "has passed"),
        ("create s --snapshot nightly --every 1h --cron '* * * * *'", "not cron_expression and interval_second given"),
        ("create s --snapshot nightly --every 1h --overlap often", "overlap"),
        ("create s --cron '* * * * *'", "--snapshot"),
        ("explain '0 0 31 2 *'", "never fires"),
        ("update nothing --every 1h", "No schedule is named 'nothing'"),
        ("fires --limit 0", "--limit"),
    ],
)
def test_what_will_not_do_is_told_and_nothing_is_made(said: Callable[[str], str], line: str, why: str) -> None:
    with pytest.raises((BadValueError, NotFoundError)) as refused:
        said(f"schedule {line}")

    assert why in str(refused.value)
    assert not Client().schedules.list()


def test_an_expression_is_explained_without_writing_anything(said: Callable[[str], str]) -> None:
    told = said("schedule explain '30 9 * * mon-fri' --timezone Europe/Berlin")

    assert "At 09:30, Monday through Friday (Europe/Berlin)" in told
    assert told.count("09:30 CET") == 5


def test_a_tick_runs_what_is_due_and_fires_tells_of_it(said: Callable[[str], str]) -> None:
    said(CREATE)

    assert "● fired" in said("schedule tick --now 2026-11-23T01:00+00:00")
    assert "(none)" in said("schedule tick --now 2026-11-23T01:00+00:00")
    assert "● fired" in said("schedule fires every_night")
    (run,) = Client().runs.list()
    plain = json.loads(said("schedule fires --json"))
    assert [one["run"] for one in plain] == [run.id]


def test_facts_are_plain_json(said: Callable[[str], str]) -> None:
    plain = json.loads(said(CREATE + " --json"))
    shown = json.loads(said("schedule show every_night --json"))
    listed = json.loads(said("schedule list --json"))

    assert (plain["name"], plain["fires"], plain["next_fire"]) == (
        "every_night",
        "0 2 * * *",
        "2026-11-23T01:00:00+00:00",
    )
    assert len(shown["next_fires"]) == 5
    assert [one["id"] for one in listed] == [plain["id"]]


def test_a_scheduler_is_started_looked_at_and_stopped(ask: Ask, said: Callable[[str], str]) -> None:
    # By the real clock, which a process of its own goes by.
    ask(CREATE)
    try:
        assert "No scheduler is there" in ask("scheduler status").text
        started = ask("scheduler start --workers 1").text
        assert "A scheduler has started" in started
        assert "is there already" in ask("scheduler start").text
        plain: Any = json.loads(ask("scheduler status --json").text)
        assert [one["workers"] for one in plain["schedulers"]] == [1]
        assert (plain["active"], plain["next"]["schedule"]) == (1, "every_night")
        assert "No scheduler runs" not in ask("schedule show every_night").text
    finally:
        assert "1 scheduler has ended." in ask("scheduler stop").text
    assert ask("scheduler stop").text == "None was there."


def test_a_unit_is_printed_or_written(ask: Ask, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "config"))

    printed = ask("scheduler install --kind systemd --print").text
    assert not (project / "config").exists()
    told = ask("scheduler install --kind systemd").text

    (written,) = (project / "config" / "systemd" / "user").iterdir()
    assert written.read_text() == printed
    assert f"systemctl --user enable --now {written.stem}" in told
    with pytest.raises(BadValueError, match="systemd, launchd, windows"):
        ask("scheduler install --kind cron")


def test_names_of_schedules_complete(said: Callable[[str], str]) -> None:
    said(CREATE)

    assert "every_night" in completions("schedule show e", 15)
    assert "every_night" in completions("pipeline schedule delete e", 26)
