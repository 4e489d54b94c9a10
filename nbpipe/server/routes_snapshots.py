"""Pipelines and snapshots one by one, and runs of snapshots that are asked for."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError

from nbpipe.errors import BadValueError, NotFoundError, ParameterError
from nbpipe.records.tokens import TokenScope
from nbpipe.server.answers import problem
from nbpipe.server.house import House, needs
from nbpipe.server.shapes import RunBody, SnapshotBody, WantedRun, queued_body, snapshot_body
from nbpipe.services.snapshot_records import Snapshot


def add_snapshots(router: APIRouter, house: House) -> None:
    """Put them among the routes."""

    @router.get("/pipeline_snapshots/{snapshot}", tags=["snapshots"], **needs(TokenScope.INVOKE))
    def show_snapshot(snapshot: str) -> SnapshotBody:
        """Show a snapshot: what it takes, and the values that it runs with."""
        return snapshot_body(house.client.snapshots.get(snapshot))

    @router.post("/pipeline_snapshots/{snapshot}/runs", status_code=202, tags=["snapshots"], **needs(TokenScope.INVOKE))
    def run_snapshot(snapshot: str, wanted: WantedRun, request: Request, response: Response) -> RunBody:
        """Run a snapshot. It begins as soon as it is its turn; ask for the run by the `id` of the answer."""
        asked = ask_for_run(house, snapshot, wanted.run_configuration, request.state.admission.who)
        response.headers["location"] = f"/api/v1/runs/{asked.id}"
        return asked


def ask_for_run(house: House, snapshot: str, configuration: dict[str, Any] | None, who: str) -> RunBody:
    """Promise a run of a snapshot.

    Raises:
        BadValueError: Values that do not fit, or an executor elsewhere.
        NotFoundError: There is no such snapshot.
        QueueFullError: As many runs wait as may.
    """
    executor = (configuration or {}).get("executor")
    if isinstance(executor, str) and "//" in executor:
        # Whoever may start a run may not thereby have this machine call another.
        raise BadValueError("An executor at an address is named by who runs the server, not by a request.")
    found = house.client.snapshots.get(snapshot)
    try:
        asked = house.queue.ask(found, configuration, by=who)
    except ParameterError as error:
        raise _located(error, found) from None
    except NotFoundError as error:
        # Something in the body is not there; the address was right.
        raise BadValueError(str(error)) from None
    if house.workers is not None:
        house.workers.wake()
    return queued_body(asked)


def _located(error: ParameterError, snapshot: Snapshot) -> RequestValidationError:
    """Say of values that do not fit where in the configuration they stood: among the pipeline's, or at a step."""
    graph = snapshot.content.graph
    is_of_step = error.subject in {name for node in graph.nodes for name in (node.id, node.step)}
    at = ("steps", error.subject, "parameters") if is_of_step else ("parameters",)
    place = ("body", "run_configuration", *at)
    return RequestValidationError([problem(said, *place, *name.split(".")) for name, said in error.problems.items()])
