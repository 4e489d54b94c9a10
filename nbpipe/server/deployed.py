"""What a deployment answers: invocations one at a time, in batches and as jobs, and how it stands.

A body is checked before it waits for anything, so whoever sent a wrong one hears of it at once, by
field. What a step raises is an answer too: 500 with the step, the exception's type and what it said,
and never a frame. The gate before all this is `guard`, the turns are `invoker`'s.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from nbpipe.base.ids import new_id
from nbpipe.errors import NbpipeError
from nbpipe.records.deployments import DeploymentSettings
from nbpipe.records.jsonable import as_answer
from nbpipe.records.runs import Status
from nbpipe.server.answers import UNFORESEEN, answer_errors, detail_of, problem, status_of
from nbpipe.server.bodies import NoJsonError, read_json
from nbpipe.server.deployed_document import document
from nbpipe.server.deployed_metrics import Metrics
from nbpipe.server.docs import docs_routes
from nbpipe.server.invoker import BusyError, Invoker, LeavingError, TooLongError, Turn
from nbpipe.services.serving import Invocation, Served

_MOST_JOBS = 1000
_RETRY_S = 0.02
_RETRY_AFTER = {"retry-after": "1"}
_ALLOWED = "is not known here; a body has 'parameters' alone"


class RefusedBodyError(Exception):
    """A body that does not fit.

    Attributes:
        detail: What is wrong with it, by place.
    """

    def __init__(self, *detail: dict[str, Any]) -> None:
        self.detail = list(detail)
        super().__init__(str(detail))


@dataclass(slots=True)
class Job:
    """An invocation that nobody waits for.

    Attributes:
        id: Its id.
        turn: The invocation.
    """

    id: str
    turn: Turn

    def as_json(self) -> dict[str, Any]:
        """Say how it stands."""
        said: dict[str, Any] = {"job_id": self.id, "run_id": self.turn.run_id or None}
        if not self.turn.answer.done():
            return {**said, "status": "running" if self.turn.began_s else "queued"}
        error = self.turn.answer.exception()
        if error is None:
            code, body = answered(self.turn.answer.result())
        else:
            code, body = refused(error, self.turn)
        return {**said, "status": "completed" if code == 200 else "failed", "answer": body}


@dataclass(slots=True)
class Deployed:
    """The application of one deployment.

    Args:
        name: Its name.
        served: What it serves.
        settings: How.
        on_stuck: Called once when an invocation can be neither finished nor stopped.
        functions: Routes of the user's own: method, path and function.
        middleware: Functions around each request, the outermost first.
        on_ended: Called when nothing is answered any more.
    """

    name: str
    served: Served
    settings: DeploymentSettings
    on_stuck: Callable[[], None]
    functions: Sequence[tuple[str, str, Callable[..., Any]]] = ()
    middleware: Sequence[Callable[..., Any]] = ()
    invoker: Invoker = field(init=False)
    metrics: Metrics = field(init=False)
    jobs: OrderedDict[str, Job] = field(default_factory=OrderedDict)
    # What the log tells of a request besides what the gate knows, by the request's id.
    noted: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        settings = self.settings
        self.invoker = Invoker(
            self.served, timeout_s=settings.timeout_s, max_waiting=settings.max_waiting, on_stuck=self.on_stuck
        )
        self.metrics = Metrics(self.name, self.invoker, self.served)

    def application(self) -> Starlette:
        """Give the application."""
        routes: list[BaseRoute] = [
            Route("/invoke", self.invoke, methods=["POST"]),
            Route("/invoke/batch", self.batch, methods=["POST"]),
            Route("/jobs", self.begin_job, methods=["POST"]),
            Route("/jobs/{job_id}", self.job, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
            Route("/metrics", self.tell_metrics, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
            *docs_routes(self.document),
            *(Route(path, _endpoint(function), methods=[method]) for method, path, function in self.functions),
        ]
        application = Starlette(routes=routes, lifespan=self._lifespan)
        answer_errors(application)
        for around in reversed(self.middleware):
            _put_around(application, around)
        return application

    @asynccontextmanager
    async def _lifespan(self, _application: Starlette) -> AsyncIterator[None]:
        watch = asyncio.create_task(self.invoker.watch())
        try:
            yield
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    def document(self) -> dict[str, Any]:
        """Give the OpenAPI document."""
        return document(self.name, self.served, [(method, path, function) for method, path, function in self.functions])

    # Invoking --------------------------------------------------------------------------------

    async def invoke(self, request: Request) -> Response:
        """Run the pipeline once and answer with what it gave."""
        try:
            given = self._parameters_of(await _body_of(request))
        except RefusedBodyError as error:
            return JSONResponse({"detail": error.detail}, 422)
        code, body = await self._invoked(given)
        self._note(request, run_id=body.get("run_id"))
        return _answer(body, code)

    async def _invoked(self, given: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        try:
            turn = self.invoker.put(given, self.served.new_run_id())
        except (BusyError, LeavingError) as error:
            self.metrics.count("refused", None)
            return refused(error, None)
        return await self._waited(turn)

    async def _waited(self, turn: Turn) -> tuple[int, dict[str, Any]]:
        try:
            came = await asyncio.wrap_future(turn.answer)
        except (BusyError, LeavingError, TooLongError, NbpipeError) as error:
            self.metrics.count("timeout" if isinstance(error, TooLongError) else "refused", None)
            return refused(error, turn)
        self.metrics.count(came.status.value, came.execution_time_s)
        return answered(came)

    async def batch(self, request: Request) -> Response:
        """Run the pipeline once for each of several bodies; each has an answer of its own."""
        try:
            bodies = _items_of(await _body_of(request), self.settings.max_batch)
            given = self._each(bodies)
        except RefusedBodyError as error:
            return JSONResponse({"detail": error.detail}, 422)
        came: list[tuple[int, dict[str, Any]]] = []
        for one in given:
            # One after the other: those of others get their turns in between, and a batch takes one place only.
            code, body = await self._invoked(one)
            if code == 429 and not came:
                return _answer(body, code)
            while code == 429:
                await asyncio.sleep(_RETRY_S)
                code, body = await self._invoked(one)
            came.append((code, body))
        items = [{"status_code": code, **body} for code, body in came]
        return _answer({"items": items, "succeeded": sum(code == 200 for code, _ in came), "total": len(items)}, 200)

    def _each(self, bodies: Sequence[Any]) -> list[dict[str, Any]]:
        given, detail = [], []
        for place, body in enumerate(bodies):
            try:
                given.append(self._parameters_of(body, "items", place))
            except RefusedBodyError as error:
                detail += error.detail
        if detail:
            raise RefusedBodyError(*detail)
        return given

    def _parameters_of(self, body: Any, *at: str | int) -> dict[str, Any]:
        """Give the values of a body, checked.

        Raises:
            RefusedBodyError: It does not fit.
        """
        place = ("body", *at)
        if not isinstance(body, dict):
            raise RefusedBodyError(problem("a body is an object with 'parameters'", *place, kind="dict_type"))
        unknown = [name for name in body if name != "parameters"]
        if unknown:
            raise RefusedBodyError(*(problem(_ALLOWED, *place, name[:200], kind="extra_forbidden") for name in unknown))
        given = body.get("parameters", {})
        if not isinstance(given, dict):
            raise RefusedBodyError(
                problem("give an object with values by name", *place, "parameters", kind="dict_type")
            )
        try:
            self.served.check(given)
        except NbpipeError as error:
            detail = detail_of(error, ("body", *at, "parameters"))
            raise RefusedBodyError(*(detail if isinstance(detail, list) else [problem(detail, *place)])) from None
        return given

    # Jobs ------------------------------------------------------------------------------------

    async def begin_job(self, request: Request) -> Response:
        """Take an invocation on, and answer at once where its end will be told."""
        try:
            given = self._parameters_of(await _body_of(request))
        except RefusedBodyError as error:
            return JSONResponse({"detail": error.detail}, 422)
        run_id = self.served.new_run_id()
        try:
            turn = self.invoker.put(given, run_id)
        except (BusyError, LeavingError) as error:
            self.metrics.count("refused", None)
            code, body = refused(error, None)
            return _answer(body, code)
        job = Job(run_id or new_id(), turn)
        self.jobs[job.id] = job
        turn.answer.add_done_callback(self._count_job)
        self._forget_jobs()
        self._note(request, run_id=run_id or None)
        where = f"/jobs/{job.id}"
        return JSONResponse({**job.as_json(), "status_url": where}, 202, headers={"location": where})

    def _count_job(self, answer: Any) -> None:
        if answer.cancelled():
            return
        if answer.exception() is None:
            came: Invocation = answer.result()
            self.metrics.count(came.status.value, came.execution_time_s)
        else:
            self.metrics.count("timeout" if isinstance(answer.exception(), TooLongError) else "refused", None)

    def _forget_jobs(self) -> None:
        """Make room: the oldest that are over are told no more. Their runs are recorded."""
        for job_id in [job_id for job_id, job in self.jobs.items() if job.turn.answer.done()]:
            if len(self.jobs) <= _MOST_JOBS:
                return
            del self.jobs[job_id]

    async def job(self, request: Request) -> Response:
        """Say how a job stands, and once it is over, what came of it."""
        job = self.jobs.get(request.path_params["job_id"])
        if job is None:
            raise HTTPException(404, "There is no such job, or it was over long ago; its run is in the catalog.")
        return _answer(job.as_json(), 200)

    # How it stands ---------------------------------------------------------------------------

    async def health(self, _request: Request) -> Response:
        """Say that it lives."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Say whether an invocation would be run."""
        if self.invoker.is_stuck:
            return JSONResponse({"status": "stuck"}, 503)
        return JSONResponse({"status": "ready", "deployment": self.name, "pipeline": self.served.pipeline})

    async def tell_metrics(self, _request: Request) -> Response:
        """Give the metrics in Prometheus's text form."""
        text, kind = self.metrics.exposed()
        return Response(text, media_type=kind)

    async def openapi(self, _request: Request) -> Response:
        """Give the OpenAPI document."""
        return JSONResponse(self.document())

    def _note(self, request: Request, **told: Any) -> None:
        request_id = request.scope.get("state", {}).get("request_id")
        if request_id is not None:
            self.noted[request_id] = {name: value for name, value in told.items() if value}

    def close(self) -> None:
        """Answer what waits, and record all that was answered."""
        self.invoker.close()
        self.served.close()


def answered(came: Invocation) -> tuple[int, dict[str, Any]]:
    """Give the status and the body for what came of an invocation."""
    run_id = came.run_id or None
    if came.error is None:
        return 200, {
            "success": True,
            "outputs": came.outputs,
            "run_id": run_id,
            "parameters": came.parameters,
            "execution_time_s": round(came.execution_time_s, 6),
        }
    code = 503 if came.status is Status.INTERRUPTED else 500
    return code, {"success": False, "error": came.error, "run_id": run_id}


def refused(error: BaseException, turn: Turn | None) -> tuple[int, dict[str, Any]]:
    """Give the status and the body for an invocation that has no answer of its own."""
    if isinstance(error, BusyError):
        return 429, {"detail": "As many invocations wait as may; try again in a moment."}
    if isinstance(error, NbpipeError) and status_of(error) == 422:
        detail = detail_of(error, ("body", "parameters"))
        return 422, {"detail": detail if isinstance(detail, list) else [problem(detail, "body", "parameters")]}
    code, kind, message, run_id = 500, type(error).__name__, UNFORESEEN, None
    match error:
        case TooLongError():
            code, kind, message = 504, "TimeoutError", "It took too long and was stopped."
            run_id = turn.run_id or None if turn is not None else None
        case LeavingError():
            code, kind, message = 503, "UnavailableError", "The process is being replaced; try again in a moment."
        case NbpipeError():
            # What is not there, or contradicts something, is so here: whoever asked cannot mend it.
            code, message = 503 if status_of(error) == 503 else 500, str(error)
    return code, {"success": False, "error": {"step": "", "type": kind, "message": message}, "run_id": run_id}


def _answer(body: Mapping[str, Any], code: int) -> Response:
    headers = _RETRY_AFTER if code in (429, 503) else None
    try:
        data = to_json(body)
    except PydanticSerializationError:
        # What a step said of its failure may hold what JSON has no form for.
        data = to_json(as_answer(body))
    return Response(data, code, headers, "application/json")


async def _body_of(request: Request) -> Any:
    """Read a body as JSON.

    Raises:
        RefusedBodyError: It is none, or has numbers that JSON does not know.
    """
    try:
        return read_json(await request.body())
    except NoJsonError as error:
        raise RefusedBodyError(problem(f"it is no JSON: {error}", "body", kind="json_invalid")) from None


def _items_of(body: Any, most: int) -> list[Any]:
    items = body.get("items") if isinstance(body, dict) else None
    if not isinstance(items, list) or set(body) != {"items"}:
        raise RefusedBodyError(problem("give an object with 'items', a list of bodies", "body", kind="dict_type"))
    if not 1 <= len(items) <= most:
        raise RefusedBodyError(problem(f"give 1 to {most} of them, not {len(items)}", "body", "items", kind="too_long"))
    return items


def _endpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make an endpoint of a user's function: it takes the request or nothing, and gives a response or plain data."""
    import inspect

    from starlette.concurrency import run_in_threadpool

    takes = bool(inspect.signature(function).parameters)
    is_async = inspect.iscoroutinefunction(function)

    async def endpoint(request: Request) -> Response:
        args = (request,) if takes else ()
        came = await function(*args) if is_async else await run_in_threadpool(function, *args)
        if isinstance(came, Response):
            return came
        return Response(to_json(as_answer(came)), media_type="application/json")

    return endpoint


def _put_around(application: Starlette, around: Callable[..., Any]) -> None:
    from starlette.middleware.base import BaseHTTPMiddleware

    application.add_middleware(BaseHTTPMiddleware, dispatch=around)
