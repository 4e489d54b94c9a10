"""What is decided of schedules and deployments: names, and who fires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.operations import (
    ActivateSchedule,
    ChangeSchedule,
    ClaimFirings,
    CreateSchedule,
    DeleteDeployment,
    DeleteSchedule,
    KeepPromise,
    Missed,
    Promise,
    RestartDeployment,
    StartDeployment,
    StopDeployment,
    Timing,
)
from tests.records.ledger import AT, Ledger

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TWO = datetime(2026, 11, 21, 2, tzinfo=UTC)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def schedule(ledger: Ledger, id: str = "s", name: str = "nightly") -> dict:
    timing = Timing(cron_expression="0 2 * * *", catchup="last", overlap="skip", timezone="Europe/Berlin")
    told = {"pipeline": "training", "snapshot_id": "snap", "timing": timing, "since": NOON}
    return ledger.ask(CreateSchedule(id=id, name=name, **told))


def deploy(ledger: Ledger, id: str, **told) -> dict:
    facts = {"pipeline": "training", "snapshot_id": "snap", "url": "http://127.0.0.1:8000", **told}
    return ledger.ask(StartDeployment(id=id, name="predictor", **facts))


def claim(ledger: Ledger, due: datetime = TWO, *, since: datetime = NOON, run_id: str = "r", **more) -> bool:
    promises = (Promise(run_id=run_id, due=due, alone=False),)
    return ledger.ask(ClaimFirings(id="s", since=since, until=due, promises=promises, **more))["is_claimed"]


def test_what_is_due_is_claimed_once(ledger):
    schedule(ledger)

    claims = [claim(ledger, run_id=f"r{nth}") for nth in range(3)]

    assert claims == [True, False, False]
    (firing,) = ledger.rows["firing"].values()
    assert (firing["outcome"], firing["run_id"], firing["due"]) == ("fired", "r0", "2026-11-21T02:00:00.000000+00:00")
    assert [each["run_id"] for each in ledger.rows["schedule"]["s"]["owed"]] == ["r0"]


def test_a_claim_names_the_instant_in_any_zone(ledger):
    schedule(ledger)

    assert claim(ledger, since=NOON.astimezone(timezone(timedelta(hours=5))))


def test_who_has_seen_another_state_of_the_schedule_claims_nothing(ledger):
    schedule(ledger)
    claim(ledger)

    assert not claim(ledger, TWO + timedelta(days=1), since=NOON)
    assert claim(ledger, TWO + timedelta(days=1), since=TWO)


def test_what_was_missed_is_told_once_with_its_number(ledger):
    schedule(ledger)
    missed = Missed(number=3, first=TWO - timedelta(hours=6), last=TWO - timedelta(hours=1))

    claim(ledger, missed=missed)

    outcomes = {row["due"][11:13]: (row["outcome"], row["number"]) for row in ledger.rows["firing"].values()}
    assert outcomes == {"20": ("missed", 3), "02": ("fired", 1)}


def test_a_promise_is_owed_until_it_is_kept_and_a_refusal_is_told(ledger):
    schedule(ledger)
    claim(ledger)

    first = ledger.ask(KeepPromise(id="s", due=TWO, run_id="r"))
    again = ledger.ask(KeepPromise(id="s", due=TWO, run_id="r", error="too late"))
    claim(ledger, TWO + timedelta(days=1), since=TWO, run_id="q")
    ledger.ask(KeepPromise(id="s", due=TWO + timedelta(days=1), run_id="q", error="No module named 'sklearn'."))

    assert (first["is_kept"], again["is_kept"]) == (True, False)
    assert ledger.rows["schedule"]["s"]["owed"] == []
    told = [(row["outcome"], row["run_id"], row["error"]) for row in ledger.rows["firing"].values()]
    assert told == [("fired", "r", ""), ("refused", "", "No module named 'sklearn'.")]


def test_a_deleted_schedule_claims_nothing_keeps_its_history_and_gives_its_name_back(ledger):
    schedule(ledger)
    claim(ledger)
    with pytest.raises(ConflictError, match="named 'nightly' already"):
        schedule(ledger, "t")

    ledger.ask(DeleteSchedule(id="s"))
    schedule(ledger, "t")

    assert not claim(ledger, TWO + timedelta(days=1), since=TWO)
    assert not ledger.ask(KeepPromise(id="s", due=TWO, run_id="r"))["is_kept"]
    assert ledger.rows["schedule"]["s"]["deleted"] == AT
    assert len(ledger.rows["firing"]) == 1
    with pytest.raises(NotFoundError):
        ledger.ask(ChangeSchedule(id="s", name="else"))


def test_a_schedule_that_is_deleted_for_good_is_gone(ledger):
    schedule(ledger)
    ledger.ask(DeleteSchedule(id="s", for_good=True))

    with pytest.raises(NotFoundError):
        ledger.ask(ActivateSchedule(id="s", active=True, since=TWO))
    assert not claim(ledger)
    schedule(ledger, "t")


def test_a_schedule_can_be_kept_from_firing_and_let_again_and_makes_up_for_nothing(ledger):
    schedule(ledger)

    paused = ledger.ask(ActivateSchedule(id="s", active=False, since=NOON + timedelta(hours=1)))
    claimed = claim(ledger, since=NOON + timedelta(hours=1))
    again = ledger.ask(ActivateSchedule(id="s", active=True, since=TWO))
    twice = ledger.ask(ActivateSchedule(id="s", active=True, since=TWO + timedelta(days=9)))

    assert (paused["active"], claimed, again["active"]) == (False, False, True)
    assert again["since"] == twice["since"] == "2026-11-21T02:00:00.000000+00:00"


def test_a_changed_schedule_keeps_what_was_not_said_anew_and_never_looks_back(ledger):
    schedule(ledger)
    schedule(ledger, "t", "weekly")
    claim(ledger)

    timing = Timing(interval_s=1800, starts=TWO, timezone="UTC", catchup="all", overlap="queue")
    changed = ledger.ask(ChangeSchedule(id="s", timing=timing, since=NOON))

    assert (changed["name"], changed["snapshot_id"], changed["cron_expression"]) == ("nightly", "snap", None)
    assert (changed["interval_s"], changed["overlap"]) == (1800, "queue")
    assert changed["since"] == "2026-11-21T02:00:00.000000+00:00"
    with pytest.raises(ConflictError, match="named 'weekly' already"):
        ledger.ask(ChangeSchedule(id="s", name="weekly"))


def test_a_deployment_keeps_its_row_however_often_it_is_replaced_stopped_and_restarted(ledger):
    deploy(ledger, "a")
    deploy(ledger, "b", snapshot_id="newer")
    stopped = ledger.ask(StopDeployment(id="a"))
    again = ledger.ask(RestartDeployment(id="a", url="http://127.0.0.1:8001"))

    assert list(ledger.rows["deployment"]) == ["a"]
    assert (stopped["stopped"], stopped["generation"], stopped["snapshot_id"]) == (AT, 2, "newer")
    assert (again["stopped"], again["generation"], again["url"]) == (None, 3, "http://127.0.0.1:8001")
    assert ledger.ask(StopDeployment(id="a")) == ledger.ask(StopDeployment(id="a"))


def test_another_pipeline_takes_the_name_of_a_deployment_only_if_it_is_told_to(ledger):
    deploy(ledger, "a")
    with pytest.raises(ConflictError, match="serves pipeline 'training'"):
        deploy(ledger, "b", pipeline="inference")

    taken = deploy(ledger, "b", pipeline="inference", replace=True)

    assert (taken["id"], taken["pipeline"]) == ("a", "inference")


def test_a_deleted_deployment_leaves_its_name_to_others(ledger):
    deploy(ledger, "a")
    ledger.ask(DeleteDeployment(id="a"))

    assert deploy(ledger, "b", pipeline="inference")["id"] == "b"
    for operation in (StopDeployment, DeleteDeployment):
        with pytest.raises(NotFoundError):
            ledger.ask(operation(id="a"))
    with pytest.raises(NotFoundError):
        ledger.ask(RestartDeployment(id="a", url=""))
