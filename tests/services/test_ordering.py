"""Listings in another order: what is found by number is there when it is read, whoever publishes meanwhile."""

from __future__ import annotations

import pytest

from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.runs import RunService
from nbpipe.services.workspace import Workspace
from tests.services.building import Built


@pytest.mark.parametrize("order_by", ["-started", "-accuracy"])
def test_no_run_is_missing_in_an_order_when_somebody_publishes_meanwhile(
    order_by: str, renumbered: list[Built], opened_workspace: Workspace
) -> None:
    found = RunService(opened_workspace).list(order_by=order_by)

    assert [run.id for run in found] == [run.id for run in reversed(renumbered)]


def test_no_version_is_missing_in_an_order_when_somebody_publishes_meanwhile(
    renumbered: list[Built], opened_workspace: Workspace
) -> None:
    found = ArtifactService(opened_workspace).list(order_by="created")

    assert [artifact.run_id for artifact in found] == [run.id for run in renumbered]
