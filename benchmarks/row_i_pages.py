"""Row I, the server's pages: the time that this process works for one page, of a workspace with 10,000 snapshots.

The pages are asked of the server's application, behind its gate and with a token, over a connection that is kept open,
by this very process; so the time of the client is in it. The run has two steps that print something. What counts is
the processor's time, since nothing else stands between a question and its page; the baseline is the page's own
script, a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

SNAPSHOTS, ROUNDS, GATE_MS = 10_000, 25, 50
FLOW = """
from nbpipe import Model, pipeline, step

@step
def load(n: int = 3) -> list[int]:
    print("loading", n)
    return list(range(n))

@step
def total(numbers: list[int], rate: float = 0.5) -> float:
    print("adding", len(numbers))
    return sum(numbers) * rate

@pipeline(model=Model(name="sums"))
def adding(n: int = 3, rate: float = 0.5) -> float:
    return total(load(n), rate=rate)
"""


def page(guard: Any, path: str, token: str) -> int:
    """Ask for a page and give its length; it must be there."""
    headers = [(b"host", b"127.0.0.1:8237"), (b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": headers}
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    assert sent[0]["status"] == 200, sent
    return sum(len(message.get("body", b"")) for message in sent)


def worked_ms(guard: Any, path: str, token: str) -> float:
    """Give the processor's time for a page, after it was asked for once."""
    page(guard, path, token)
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        page(guard, path, token)
        times.append((time.process_time() - began) * 1e3)
    return median(times)


def fill(client: Any, adding: Any) -> None:
    """Give the workspace its snapshots: many names for the same content."""
    from nbpipe.base.ids import new_id
    from nbpipe.records.operations import CreateSnapshot

    made = adding.create_snapshot("nightly")
    catalog = client.workspace.catalog
    with catalog.together():
        for n in range(SNAPSHOTS):
            catalog.transact(
                CreateSnapshot(
                    id=new_id(), pipeline="adding", name=f"of {n:05}", description=f"the {n}th", digest=made.digest
                )
            )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["NBPIPE_HOME"] = str(Path(name) / ".nbpipe")
        (Path(name) / "adding_flow.py").write_text(FLOW, encoding="utf-8")
        sys.path.insert(0, name)
        from adding_flow import adding  # type: ignore[import-not-found]

        from nbpipe import Client
        from nbpipe.server.app import make_server
        from nbpipe.server.house import House
        from nbpipe.services.queueing import RunQueue

        client = Client()
        fill(client, adding)
        run = client.snapshots.get("nightly").run(n=5)
        client.workspace.catalog.publish()
        token = client.tokens.create("bench", scope="admin").token
        guard = make_server(House(client, RunQueue(client.workspace)))
        baseline = worked_ms(guard, "/static/pages.js", token)
        snapshot = client.snapshots.get("nightly").id
        for what, path in {
            "the list of snapshots": "/pages/snapshots",
            "a snapshot with its form": f"/pages/snapshots/{snapshot}",
            "the list of runs": "/pages/runs",
            "a run": f"/pages/runs/{run.id}",
            "the list of models": "/pages/models",
            "a model": "/pages/models/sums",
        }.items():
            value = worked_ms(guard, path, token)
            line = {
                "row": "I",
                "what": f"page at {SNAPSHOTS:,} snapshots: {what}",
                "value": round(value, 2),
                "unit": "ms",
            }
            line |= {"baseline": round(baseline, 2), "baseline_what": "a file", "ratio": round(value / baseline, 1)}
            print(json.dumps(line | {"gate": f"≤ {GATE_MS} ms", "met": value <= GATE_MS}), flush=True)
        client.close()


if __name__ == "__main__":
    main()
