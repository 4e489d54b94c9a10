"""Calling a deployment over HTTP, and reading what it answers: an answer, or the error that it stands for."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from nbpipe.base.displaying import Displayed
from nbpipe.errors import BadValueError, DeploymentError, ParameterError, StepFailedError
from nbpipe.records.parameters import as_json
from nbpipe.records.secrets import revealed

_LONGEST_SAID = 500


@dataclass(frozen=True, slots=True)
class Answer(Displayed):
    """What a deployment answered.

    Attributes:
        outputs: What the pipeline returned, by name, as JSON data.
        run_id: The run; `None` if it is not recorded.
        parameters: The values that it ran with.
        execution_time_s: How long its steps took, in seconds.
    """

    outputs: Mapping[str, Any]
    run_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    execution_time_s: float = 0.0

    @property
    def output(self) -> Any:
        """The only output; `None` if there is none, all of them by name if there are several."""
        values = list(self.outputs.values())
        return values[0] if len(values) == 1 else dict(self.outputs) or None


def call(name: str, url: str, parameters: Mapping[str, Any], api_key: str | None, timeout_s: float) -> Answer:
    """Invoke a deployment.

    Args:
        name: Its name, for messages.
        url: Where it answers.
        parameters: Values of parameters.
        api_key: Its key, if it has one.
        timeout_s: How long to wait, in seconds.

    Raises:
        BadValueError: The key is none; it is not shown.
        ParameterError: Values that do not fit; each is named.
        StepFailedError: A step failed.
        DeploymentError: It does not answer, or does not let us.
        TimeoutError: It took too long.
    """
    body = {"parameters": as_json(revealed(dict(parameters)))}
    status, said = _answered(_Line(name, url, api_key, timeout_s), "POST", "/invoke", body)
    match status, said:
        case 200, {"outputs": dict(outputs)}:
            return Answer(outputs, said.get("run_id"), said.get("parameters", {}), said.get("execution_time_s", 0.0))
        case 422, {"detail": list(problems)}:
            raise ParameterError(f"Deployment {name}", dict(map(_problem, problems)))
        case 504, _:
            raise TimeoutError(f"Deployment {name!r}: the invocation took too long and was stopped.")
        case 500 | 503, {"error": {"step": str(step), "type": str(kind), "message": str(message)}}:
            raise StepFailedError(step, said.get("run_id") or "", kind, message, "")
        case 401 | 403, _:
            raise _not_let_in(name, said)
    raise _unexpected(name, status, said)


def parameter_schemas(name: str, url: str, api_key: str | None, timeout_s: float = 30.0) -> dict[str, Any]:
    """Ask a deployment what it takes: the JSON Schema of each parameter, by name.

    Raises:
        DeploymentError: It does not answer, or does not let us.
        TimeoutError: It took too long.
    """
    status, said = _answered(_Line(name, url, api_key, timeout_s), "GET", "/openapi.json")
    if status != 200:
        raise _not_let_in(name, said) if status in (401, 403) else _unexpected(name, status, said)
    found: dict[str, Any] = said["components"]["schemas"]["Parameters"].get("properties", {})
    return found


@dataclass(frozen=True, slots=True)
class _Line:
    """Where a deployment answers, and how it is asked."""

    name: str
    url: str
    api_key: str | None
    timeout_s: float


def _answered(line: _Line, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    name, url, api_key, timeout_s = line.name, line.url, line.api_key, line.timeout_s
    place = urlsplit(url)
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if api_key:
        if not api_key.isascii() or not api_key.isprintable():
            # What the library says of such a header has the key in it.
            raise BadValueError("This api_key will not do: a key is of ASCII letters, without blanks and line breaks.")
        headers["Authorization"] = f"Bearer {api_key}"
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=timeout_s)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except TimeoutError:
        raise TimeoutError(f"Deployment {name!r} did not answer within {timeout_s:g} s.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DeploymentError(
            f"Deployment {name!r} does not answer at {url} ({error or type(error).__name__}). "
            f"See `nbpipe deployment show {name}`; `nbpipe deployment restart {name}` starts it anew."
        ) from None
    finally:
        connection.close()


def _not_let_in(name: str, said: Any) -> DeploymentError:
    return DeploymentError(f"Deployment {name!r}: {_detail(said)} Give api_key=, or set NBPIPE_API_KEY.")


def _unexpected(name: str, status: int, said: Any) -> DeploymentError:
    return DeploymentError(f"Deployment {name!r} answered {status}: {_detail(said)}")


def _problem(problem: Any) -> tuple[str, str]:
    where = [str(part) for part in problem.get("loc", ()) if part not in ("body", "parameters")]
    return ".".join(where) or "body", str(problem.get("msg", ""))


def _detail(said: Any) -> str:
    detail = said.get("detail", said) if isinstance(said, dict) else said
    text = detail if isinstance(detail, str) else json.dumps(detail)
    return text[:_LONGEST_SAID]
