"""The OpenAPI document of a deployment: the parameters of its pipeline are the schema of its bodies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nbpipe.base.version import VERSION
from nbpipe.services.serving import Served

_PROBLEMS = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        }
    },
}
_SAID = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
_RUN_ID = {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "The run; null if it is not recorded."}
_FAILED = {
    "type": "object",
    "required": ["success", "error", "run_id"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["step", "type", "message"],
            "properties": {name: {"type": "string"} for name in ("step", "type", "message")},
        },
        "run_id": _RUN_ID,
    },
}
_JOB = {
    "type": "object",
    "required": ["job_id", "status"],
    "properties": {
        "job_id": {"type": "string"},
        "run_id": _RUN_ID,
        "status": {"enum": ["queued", "running", "completed", "failed"]},
        "status_url": {"type": "string"},
        "answer": {"type": "object", "description": "What /invoke would have answered, once it is over."},
    },
}


def document(name: str, served: Served, functions: Sequence[tuple[str, str, Callable[..., Any]]]) -> dict[str, Any]:
    """Give the document.

    Args:
        name: The deployment's name.
        served: What it serves.
        functions: Routes of the user's own: method, path and function.
    """
    parameters = dict(served.schema)
    schemas = {**parameters.pop("$defs", {}), "Parameters": parameters, **_own_schemas()}
    paths: dict[str, dict[str, Any]] = {
        "/invoke": {"post": _operation("Run the pipeline once", "Invocation", "Answer", "What it gave", failing=True)},
        "/invoke/batch": {"post": _operation("Run it once for each item", "Batch", "BatchAnswer", "One answer each")},
        "/jobs": {"post": _operation("Take an invocation on", "Invocation", "Job", "Where to ask for it", code="202")},
        "/jobs/{job_id}": {
            "get": {
                "summary": "How a job stands",
                "operationId": "job",
                "parameters": [{"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": _response("How it stands", "Job"), "404": _response("There is none", "Said")},
            }
        },
    }
    for path, summary in (("/health", "Whether it lives"), ("/ready", "Whether an invocation would be run")):
        answer = {"200": {"description": "It does", "content": {"application/json": {"schema": {"type": "object"}}}}}
        paths[path] = {"get": {"summary": summary, "operationId": path[1:], "responses": answer, "security": []}}
    paths["/metrics"] = {
        "get": {
            "summary": "Metrics for Prometheus",
            "operationId": "metrics",
            "responses": {
                "200": {"description": "Text", "content": {"text/plain": {"schema": {"type": "string"}}}},
            },
        }
    }
    for method, path, function in functions:
        summary = (function.__doc__ or function.__name__).strip().partition("\n")[0]
        own = {"summary": summary, "operationId": f"{method.lower()}_{function.__name__}"}
        paths.setdefault(path, {})[method.lower()] = {**own, "responses": {"default": {"description": "Its answer"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": name, "version": VERSION, "description": f"Pipeline {served.pipeline}, served by nbpipe."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _own_schemas() -> dict[str, Any]:
    invocation = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"parameters": _named("Parameters")},
    }
    answer = {
        "type": "object",
        "required": ["success", "outputs", "run_id", "parameters", "execution_time_s"],
        "properties": {
            "success": {"const": True},
            "outputs": {"type": "object", "description": "What the pipeline returned, by name."},
            "run_id": _RUN_ID,
            "parameters": {"type": "object", "description": "The values that it ran with."},
            "execution_time_s": {"type": "number"},
        },
    }
    batch = {
        "type": "object",
        "required": ["items"],
        "additionalProperties": False,
        "properties": {"items": {"type": "array", "minItems": 1, "items": _named("Invocation")}},
    }
    answers = {
        "type": "object",
        "required": ["items", "succeeded", "total"],
        "properties": {
            "items": {"type": "array", "items": {"type": "object"}},
            "succeeded": {"type": "integer"},
            "total": {"type": "integer"},
        },
    }
    return {
        "Invocation": invocation,
        "Answer": answer,
        "Batch": batch,
        "BatchAnswer": answers,
        "Failed": _FAILED,
        "Job": _JOB,
        "Problems": _PROBLEMS,
        "Said": _SAID,
    }


def _named(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _response(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _named(schema)}}}


def _operation(
    summary: str, body: str, answer: str, said: str, *, code: str = "200", failing: bool = False
) -> dict[str, Any]:
    responses = {
        code: _response(said, answer),
        "400": _response("The request is ill-formed", "Said"),
        "413": _response("The body is too long", "Said"),
        "415": _response("The body is no JSON", "Said"),
        "422": _response("Values do not fit; each is named", "Problems"),
        "429": _response("As many wait as may", "Said"),
    }
    if failing:
        responses["500"] = _response("A step failed", "Failed")
        responses["503"] = _response("It was stopped", "Failed")
        responses["504"] = _response("It took too long and was stopped", "Failed")
    return {
        "summary": summary,
        "operationId": summary.lower().replace(" ", "_"),
        "requestBody": {"required": True, "content": {"application/json": {"schema": _named(body)}}},
        "responses": responses,
    }
