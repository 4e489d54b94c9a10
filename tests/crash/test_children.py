"""A process with an open client forks, spawns and shares it with threads: each child works, and none hangs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from tests.crash.ledger import Told, audit
from tests.crash.trials import LONG, report

PATIENCE_S = 1500
# Where each child imports everything anew, one must do for every day; and one process has them all, one way after
# the other, with its client open.
SHORT = {"fork": 5, "thread": 5, "spawn": 1, "forkserver": 1}


@pytest.mark.parametrize(
    "children",
    [pytest.param(SHORT, id="short")] + [pytest.param({way: 200}, id=f"{way}-long", marks=LONG) for way in SHORT],
)
def test_children_of_a_process_with_an_open_client_work_and_end(
    workspace: WorkspacePaths, children: dict[str, int]
) -> None:
    count = sum(children.values())
    words = [sys.executable, "-m", "tests.crash.children", str(workspace.root), json.dumps(children)]

    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=PATIENCE_S)

    said = json.loads(done.stdout) if done.returncode == 0 else {}
    catalog = Catalog(workspace)
    runs = catalog.rows("SELECT count(*) AS n FROM runs WHERE status = 'completed'")[0]["n"]
    catalog.close()
    report(
        "children",
        children=children,
        runs=runs,
        none_of={
            "failed": {what: times for what, times in said.items() if what != "exit 0"},
            "unfinished": count - said.get("exit 0", 0),
            "runs_missing": max(0, count + 2 - runs),
            "said": done.stderr.splitlines()[-30:],
            **audit(workspace, Told()),
        },
    )
