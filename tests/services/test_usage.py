"""How snapshots are used."""

from __future__ import annotations

import pytest

from nbpipe.errors import StepFailedError
from nbpipe.services.usage import SnapshotUse, use_of_snapshots
from tests.services.building import run_of

FLOW = """
@step
def check(n: int) -> int:
    if n < 0:
        raise ValueError("below zero")
    return n

@pipeline
def training(n: int = 1):
    return check(n)
"""


def test_a_snapshots_runs_are_counted_and_the_last_one_is_told(flow, project):
    used = flow.training.create_snapshot("used")
    other = flow.training.create_snapshot("other", parameters={"n": 2})
    run_of(used, flow.training)
    with pytest.raises(StepFailedError):
        run_of(used, flow.training, n=-1)
    last = project.client.runs.newest()

    found = use_of_snapshots(project.client.workspace, [used.id, other.id, "nothing"])

    assert found[used.id] == SnapshotUse(2, 1, last.id, "failed", last.started)
    assert found[other.id] == found["nothing"] == SnapshotUse()
    assert use_of_snapshots(project.client.workspace, []) == {}
