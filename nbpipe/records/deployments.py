"""Deployments as data: how one serves, how it stands, and what may be served at all.

What a request is answered is `server`'s business, which process answers `services`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, PydanticUserError, TypeAdapter, field_validator
from pydantic.errors import PydanticInvalidForJsonSchema

from nbpipe.errors import BadValueError, ParameterError
from nbpipe.records.base import Record, shorten
from nbpipe.records.parameters import Parameters, is_plain

FIRST_PORT = 8000
MIB = 1 << 20
_SHORTEST_KEY = 16


class DeploymentStatus(StrEnum):
    """How a deployment stands.

    `starting` becomes `running` once it answers, `failed` when it could not be brought to. `down` is one that is
    to serve and does not, because its process was killed or the machine was started anew.
    """

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    DOWN = "down"


class DeploymentSettings(Record):
    """How a deployment serves.

    Attributes:
        timeout_s: How long one invocation may take, in seconds, from its turn on; then it is stopped and answered
            with 504.
        max_waiting: How many invocations may wait for their turn; one more is answered with 429.
        max_body_bytes: The largest body of a request; a larger one is answered with 413.
        max_batch: The most invocations that one request may ask for.
        drain_s: How long a deployment that is stopped still works on what it has accepted, in seconds.
        recorded: Which part of the invocations is recorded: 1 for all, 0.01 for one of a hundred, 0 for none.
        cache: Whether an invocation may reuse what an equal one gave before; without it each one runs.
        cors_origins: The origins whose pages may call it, such as `"https://app.example.org"`.
        routes: Functions that answer other paths, by method and path: `{"GET /model": about}`. Their text is kept, as
            that of steps is.
        middleware: Functions around each request, `async def around(request, call_next)`, the outermost first.
    """

    timeout_s: float = Field(default=60.0, gt=0, le=86_400)
    max_waiting: int = Field(default=64, ge=1, le=100_000)
    max_body_bytes: int = Field(default=10 * MIB, ge=1, le=1024 * MIB)
    max_batch: int = Field(default=1000, ge=1, le=100_000)
    drain_s: float = Field(default=10.0, ge=0, le=3600)
    recorded: float = Field(default=1.0, ge=0, le=1)
    cache: bool = False
    cors_origins: tuple[str, ...] = ()
    routes: dict[str, Any] = Field(default_factory=dict)
    middleware: tuple[Any, ...] = ()

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            try:
                parts = urlsplit(origin)
                is_origin = parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{parts.netloc}"
            except ValueError:
                is_origin = False
            if not is_origin or not parts.netloc or "@" in parts.netloc or "*" in origin or not origin.isascii():
                raise ValueError(f"{shorten(origin)} is no origin; give scheme and host, as in https://app.example.org")
        return origins

    @field_validator("routes")
    @classmethod
    def _are_routes(cls, routes: dict[str, Any]) -> dict[str, Any]:
        for said in routes:
            split_route(said)
        return routes


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TAKEN = ("/invoke", "/jobs", "/health", "/ready", "/metrics", "/openapi.json", "/docs", "/static")


def split_route(said: str) -> tuple[str, str]:
    """Take `"GET /model"` apart into its method and its path.

    Raises:
        ValueError: It is not one, or its path is one of a deployment's own.
    """
    method, _, path = said.partition(" ")
    path = path.strip()
    is_path = path.startswith("/") and path.isascii() and path.isprintable() and not any(c in path for c in " ?#\\%")
    if method not in METHODS or not is_path or ".." in path:
        raise ValueError(f"{shorten(said)} is no route; give method and path, as in 'GET /model'")
    if any(path == own or path.startswith(f"{own}/") for own in TAKEN):
        raise ValueError(f"{shorten(said)} is a path of every deployment; take another")
    return method, path


def checked_key(key: object) -> str:
    """Give an api key if it will do.

    Raises:
        BadValueError: It is no printable ASCII text of at least 16 letters; the key itself is not shown.
    """
    is_text = isinstance(key, str) and key.isascii() and key.isprintable() and " " not in key
    if not is_text or not _SHORTEST_KEY <= len(str(key)) <= 512:
        raise BadValueError(
            f"This api_key will not do: use {_SHORTEST_KEY} to 512 ASCII letters without blanks, "
            "such as secrets.token_urlsafe() gives."
        )
    return str(key)


def check_deployable(parameters: Parameters, values: Mapping[str, Any]) -> None:
    """Check that a pipeline can be invoked with any of its parameters left out, and each be said in JSON.

    Args:
        parameters: What it takes.
        values: The values that its snapshot gives.

    Raises:
        ParameterError: A parameter has no default, or a type that JSON cannot say; all of them are named.
    """
    problems: dict[str, str] = {}
    for name, info in parameters.model.model_fields.items():
        if not _is_sayable(info.annotation):
            problems[name] = "takes what JSON cannot say, so no request could give it; make a step load it instead"
        elif name not in values and info.is_required():
            problems[name] = "needs a default, since a request may leave it out"
    for name, value in values.items():
        if name in parameters.names and name not in problems and not is_plain(value):
            problems[name] = "has a default that JSON cannot say"
    if problems:
        raise ParameterError(parameters.subject, problems, f"{parameters.subject} cannot be deployed as it is.")


def _is_sayable(annotation: Any) -> bool:
    try:
        TypeAdapter(annotation).json_schema()
    except (PydanticInvalidForJsonSchema, PydanticUserError):
        return False
    return True


def request_schema(parameters: Parameters, values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the JSON Schema of the parameters, with the defaults that a snapshot gives.

    Args:
        parameters: What the pipeline takes.
        values: Its snapshot's values, as JSON data.
    """
    # Their names are the user's, and must not meet those of a deployment's own schemas, such as `Job`.
    schema = parameters.model.model_json_schema(ref_template="#/components/schemas/Parameters.{model}")
    if "$defs" in schema:
        schema["$defs"] = {f"Parameters.{name}": definition for name, definition in schema["$defs"].items()}
    for definition in schema.get("$defs", {}).values():
        # As when they are read (`records.unread`): a key that no field reads is refused.
        if definition.get("type") == "object" and "properties" in definition:
            definition.setdefault("additionalProperties", False)
    schema.pop("required", None)
    for name, value in values.items():
        if name in schema.get("properties", {}):
            schema["properties"][name]["default"] = value
    return schema


def free_ports(asked: int | None) -> Iterable[int]:
    """Say which ports to try: the one that is asked for, else those from 8000 on.

    Raises:
        BadValueError: No port.
    """
    if asked is None:
        return range(FIRST_PORT, FIRST_PORT + 1000)
    if type(asked) is not int or not 1 <= asked <= 65_535:
        raise BadValueError(f"port={shorten(asked)} is no port; give a number from 1 to 65535, or none.")
    return (asked,)
