"""Runs one by one: how they stand, their steps, what these printed, their graph, and stopping them."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.responses import PlainTextResponse

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.tokens import TokenScope
from nbpipe.server.house import House, needs
from nbpipe.server.shapes import LogBody, RunBody, StepBody, log_body, queued_body, run_body, step_body
from nbpipe.services.runs import Run
from nbpipe.views.dag import dag_svg
from nbpipe.views.graphs import graph_edges, graph_nodes

_PATIENCE_S = 5.0


def add_runs(router: APIRouter, house: House) -> None:
    """Put them among the routes."""

    @router.get("/queue", tags=["runs"], **needs(TokenScope.READ))
    def list_queue() -> list[RunBody]:
        """List the runs that wait for their turn, in its order, and those that could not be started."""
        return [queued_body(one) for one in house.queue.all()]

    @router.get("/runs/{run}", tags=["runs"], **needs(TokenScope.INVOKE))
    def show_run(run: str) -> RunBody:
        """Show how a run stands; one that waits for its turn is `queued`."""
        return run_or_queued(house, run)

    @router.get("/runs/{run}/steps", tags=["runs"], **needs(TokenScope.READ))
    def list_steps(run: str) -> list[StepBody]:
        """List what became of each step, as far as the run has got."""
        return [step_body(step) for step in house.client.runs.get(run).steps.values()]

    @router.get("/runs/{run}/logs", tags=["runs"], **needs(TokenScope.READ))
    def list_logs(run: str, step: str | None = None) -> list[LogBody]:
        """Give what the steps printed, each attempt for itself; of one that goes on it comes when that is over."""
        return [log_body(log) for log in house.client.runs.logs(run, step)]

    @router.get("/runs/{run}/logs.txt", tags=["runs"], response_class=PlainTextResponse, **needs(TokenScope.READ))
    def show_logs(run: str, step: str | None = None) -> PlainTextResponse:
        """Give what the steps printed as one text."""
        return PlainTextResponse("".join(log.text for log in house.client.runs.logs(run, step)))

    @router.get(
        "/runs/{run}/dag.svg",
        tags=["runs"],
        response_class=Response,
        responses={200: {"content": {"image/svg+xml": {}}, "description": "The graph, each step with its status."}},
        **needs(TokenScope.READ),
    )
    def draw_run(run: str) -> Response:
        """Draw the run's graph as it stands."""
        return Response(svg_of(house.client.runs.get(run)), media_type="image/svg+xml")

    @router.post("/runs/{run}/stop", tags=["runs"], **needs(TokenScope.ADMIN))
    def stop_run(run: str) -> RunBody:
        """Ask a run to stop; what was done before is kept. One that waits is withdrawn."""
        return stopped(house, run)


def run_or_queued(house: House, run_id: str) -> RunBody:
    """Give a run as the catalog knows it, or else as it waits.

    Raises:
        NotFoundError: There is neither.
    """
    try:
        return run_body(house.client.runs.get(run_id))
    except NotFoundError as unknown:
        try:
            return queued_body(house.queue.get(run_id))
        except NotFoundError:
            # It may have begun between the two looks.
            try:
                return run_body(house.client.runs.get(run_id))
            except NotFoundError:
                raise unknown from None


def stopped(house: House, run_id: str) -> RunBody:
    """Stop a run, or take back one that waits.

    Raises:
        NotFoundError: There is neither.
        ConflictError: It is over.
    """
    try:
        return run_body(house.client.runs.stop(run_id, _PATIENCE_S))
    except NotFoundError:
        waiting = house.queue.get(run_id)
        if not house.queue.withdraw(run_id):
            raise ConflictError(f"Run {run_id[:8]} is just beginning; ask again.") from None
        return queued_body(waiting).model_copy(update={"status": "interrupted"})


def svg_of(run: Run) -> str:
    """Draw a run's graph with how each step stands."""
    steps = run.steps
    statuses = {node: step.status.value for node, step in steps.items()}
    items = {node: dict(step.items.counts) for node, step in steps.items() if step.items is not None}
    graph = run.graph
    return dag_svg(graph_nodes(graph, statuses, items), graph_edges(graph), name=run.pipeline)
