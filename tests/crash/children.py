"""A process with an open client that forks, spawns and has threads. A script of its own: it is no part of a cast.

Arguments: the workspace's folder, and as JSON how many children in which way (`fork`, `spawn`, `forkserver` or
`thread`). Prints one line of JSON.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.services.client import Client
from nbpipe.services.workspace import open_workspace
from tests.catalog.histories import Recording

AT_ONCE = 4
PATIENCE_S = 60


def work(root: str) -> None:
    """Record a run, read it back in three ways, and go."""
    catalog = open_workspace(WorkspacePaths(Path(root))).catalog
    run = Recording(catalog).start()
    run.step("clean", tags={})
    run.log({"nth": 1})
    run.end()
    client = Client()
    assert client.runs.get(run.id).id == run.id
    assert client.runs.list(limit=1)
    assert len(client.query(f"SELECT id FROM runs WHERE id = '{run.id}'")) == 1
    catalog.publish_if_worth()


def child(root: str) -> None:
    """Do the work in a process of its own; one that hangs says where, and ends."""
    faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
    work(root)
    Client().close()


def forked(root: str, count: int) -> list[str]:
    """Fork without exec while everything is open, as many libraries do."""
    running: dict[int, int] = {}
    said = []
    for n in range(count):
        pid = os.fork()
        if pid == 0:
            signal.alarm(PATIENCE_S)
            code = 1
            try:
                work(root)
                code = 0
            except BaseException:
                traceback.print_exc()
            os._exit(code)
        running[pid] = n
        while len(running) >= AT_ONCE or (n == count - 1 and running):
            ended, status = os.wait()
            del running[ended]
            said.append(f"exit {os.waitstatus_to_exitcode(status)}")
        # The parent goes on as well.
        if n % 10 == 0:
            work(root)
    return said


def started(root: str, count: int, way: str) -> list[str]:
    """Have `multiprocessing` start them."""
    context = multiprocessing.get_context(way)
    said = []
    for start in range(0, count, AT_ONCE):
        children = [context.Process(target=child, args=(root,)) for _ in range(min(AT_ONCE, count - start))]
        for one in children:
            one.start()
        for one in children:
            one.join(2 * PATIENCE_S)
            said.append(f"exit {one.exitcode}")
    return said


def threaded(root: str, count: int) -> list[str]:
    """Have threads share the client."""

    def one(_: int) -> str:
        try:
            work(root)
        except Exception:
            return traceback.format_exc()
        return "exit 0"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(count)))


def main(root: str, children: dict[str, int]) -> None:
    """Open everything, then have the children do their work, way by way, and do it once more."""
    faulthandler.dump_traceback_later(30 * PATIENCE_S, exit=True)
    said: list[str] = []
    work(root)
    for way, count in children.items():
        match way:
            case "fork":
                said += forked(root, count)
            case "thread":
                said += threaded(root, count)
            case _:
                said += started(root, count, way)
    work(root)
    Client().close()
    print(json.dumps(Counter(said)))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
