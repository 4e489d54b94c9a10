"""The steps of a session written down, so that each can be run in a process of its own.

What stands there is what any worker needs: source, inputs as artifact versions, values of
parameters, and the names of what the step gives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbpipe.errors import UncapturedNameError
from nbpipe.notebook.first_line import HOOK
from nbpipe.notebook.session import Session
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import Status
from nbpipe.services.recorded import steps_of as steps_of_run


def write_steps(namespace: Mapping[str, Any], path: str) -> None:
    """Write the steps of the notebook to which `namespace` belongs; those that have not run are left out.

    A step that cannot be planned any more, for a later cell changed what it leans on, is told as `refused`.
    """
    try:
        said: dict[str, Any] = {"steps": steps_of(namespace[HOOK].session), "refused": {}}
    except UncapturedNameError as error:
        said = {"steps": {}, "refused": {error.step: str(error)}}
    Path(path).write_text(json.dumps(said), encoding="utf-8")


def steps_of(session: Session) -> dict[str, Any]:
    """Give each step that has run: what it is made of, and what its latest execution read, gave and drew.

    Whether it was reused is told of this session.
    """
    executions = session.workspace.executions
    executions.catch_up()
    values = {name: as_json(value) for name, value in session.parameter_values().items()}
    statuses = {node: step.status for node, step in steps_of_run(session.workspace, session.run.facts.id).items()}
    found = {}
    for name, step in session.pipeline().trace({}, partial=True).steps.items():
        body = executions.last(session.name, name)
        if body is None:
            continue
        found[name] = {
            "source": step.source().model_dump_json(),
            "outputs": [output.name for output in step.signature.outputs],
            "inputs": body["inputs"],
            "gave": body["outputs"],
            "values": {name: values[name] for name in body["parameters"]},
            "random": body.get("random", []),
            "was_reused": statuses.get(name) is Status.REUSED,
        }
    return found
