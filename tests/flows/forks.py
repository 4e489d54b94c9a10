"""Several processes that work in one workspace at once, each at the cost of its work and not of its imports."""

from __future__ import annotations

import json
import textwrap

from tests.flows.project import Project

# Forks of one process that has imported everything and opened nothing: each opens the workspace for itself. They wait
# for each other, so that what follows happens at once.
_TOGETHER = """
import json, os, sys, time
from pathlib import Path
from nbpipe import Client
import {module} as flow

children = []
for who in range({count}):
    if not (child := os.fork()):
        break
    children.append(child)
else:
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps(codes))
    sys.exit()

client = Client()
client.models.list()
Path(f"ready-{{who}}").touch()
while sum(1 for _ in Path().glob("ready-*")) < {count}:
    time.sleep(0.01)
"""


def together(project: Project, code: str, count: int, *, module: str = "flow") -> tuple[list[int], list[str]]:
    """Run `code` in several processes that begin at one moment; give how each ended, and the lines that they printed.

    Args:
        project: Where they work.
        code: What each does; `who` is its number, `client` its client and `flow` the module.
        count: How many there are.
        module: The module that they find imported.
    """
    begun = _TOGETHER.format(count=count, module=module)
    *said, codes = project.python(begun + textwrap.dedent(code), check=True).stdout.splitlines()
    return json.loads(codes), said
