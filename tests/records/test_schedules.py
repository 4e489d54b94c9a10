"""What is decided of schedules and deployments: names, and who fires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.operations import (
    ActivateSchedule,
    ClaimFiring,
    CreateSchedule,
    DeleteDeployment,
    DeleteSchedule,
    RestartDeployment,
    StartDeployment,
    StopDeployment,
)
from tests.records.ledger import AT, Ledger

TWO = datetime(2026, 11, 21, 2, tzinfo=UTC)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def schedule(ledger: Ledger, id: str = "s", name: str = "nightly") -> dict:
    told = {"cron_expression": "0 2 * * *", "catchup": "last", "overlap": "skip", "timezone": "Europe/Berlin"}
    return ledger.ask(CreateSchedule(id=id, name=name, pipeline="training", snapshot_id="snap", **told))


def deploy(ledger: Ledger, id: str, **told) -> dict:
    facts = {"pipeline": "training", "snapshot_id": "snap", "url": "http://127.0.0.1:8000", **told}
    return ledger.ask(StartDeployment(id=id, name="predictor", **facts))


def test_a_firing_is_claimed_once(ledger):
    schedule(ledger)

    claims = [ledger.ask(ClaimFiring(id="s", due=TWO))["is_claimed"] for _ in range(3)]

    assert claims == [True, False, False]
    assert [row["outcome"] for row in ledger.rows["firing"].values()] == ["fired"]


def test_a_firing_is_the_same_in_every_zone(ledger):
    schedule(ledger)
    ledger.ask(ClaimFiring(id="s", due=TWO))

    again = ledger.ask(ClaimFiring(id="s", due=TWO.astimezone(timezone(timedelta(hours=5)))))

    assert again == {"is_claimed": False, "last_fired": "2026-11-21T02:00:00.000000+00:00"}


def test_what_was_passed_over_is_claimed_no_more(ledger):
    schedule(ledger)
    ledger.ask(ClaimFiring(id="s", due=TWO))

    earlier = ledger.ask(ClaimFiring(id="s", due=TWO - timedelta(hours=1), outcome="missed"))
    later = ledger.ask(ClaimFiring(id="s", due=TWO + timedelta(days=1)))

    assert (earlier["is_claimed"], later["is_claimed"]) == (False, True)


def test_a_deleted_schedule_claims_nothing_keeps_its_history_and_gives_its_name_back(ledger):
    schedule(ledger)
    ledger.ask(ClaimFiring(id="s", due=TWO))
    with pytest.raises(ConflictError, match="named 'nightly' already"):
        schedule(ledger, "t")

    ledger.ask(DeleteSchedule(id="s"))
    schedule(ledger, "t")

    assert not ledger.ask(ClaimFiring(id="s", due=TWO + timedelta(days=1)))["is_claimed"]
    assert ledger.rows["schedule"]["s"]["deleted"] == AT
    assert len(ledger.rows["firing"]) == 1


def test_a_schedule_that_is_deleted_for_good_is_gone(ledger):
    schedule(ledger)
    ledger.ask(DeleteSchedule(id="s", for_good=True))

    with pytest.raises(NotFoundError):
        ledger.ask(ActivateSchedule(id="s", active=True))
    schedule(ledger, "t")


def test_a_schedule_can_be_kept_from_firing_and_let_again(ledger):
    schedule(ledger)

    states = [ledger.ask(ActivateSchedule(id="s", active=active))["active"] for active in (False, True)]

    assert states == [False, True]


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
