"""The page of an API: every operation of its OpenAPI document, with a form at each by which it can be tried.

It needs nothing from elsewhere and no script in the page, so it stands under the strictest policy, which the bundles
that there are of Swagger UI do not (an inline script and styles, and 1.5 MB). The page
itself holds nothing but a place: its script asks for the operations with the reader's token, as for everything else.

It knows OpenAPI, and no route of either server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from nbpipe.server.static import file_route
from nbpipe.views.markup import Child, Element, part, render

Document = Mapping[str, Any]

# What a reader needs before they can show a token. Files of the package only.
OPEN = frozenset(
    {("GET", "/docs"), ("GET", "/static/docs.js"), ("GET", "/static/session.js"), ("GET", "/static/pages.css")}
)
_METHODS = ("get", "post", "put", "patch", "delete")
_DEEPEST_EXAMPLE = 6


def docs_routes(document: Callable[[], Document]) -> list[Route]:
    """Give the routes of the page, to be put among an application's own.

    `OPEN` are those of them that a `Guard` must let everybody read; the operations themselves are not among them.

    Args:
        document: Gives the OpenAPI document.
    """

    async def operations(_request: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(lambda: docs_page(document())))

    return [
        file_route("/docs", "docs.html"),
        file_route("/static/docs.js", "docs.js"),
        file_route("/static/session.js", "session.js"),
        file_route("/static/pages.css", "pages.css"),
        Route("/docs/operations", operations, methods=["GET"], include_in_schema=False),
    ]


def docs_page(document: Document) -> str:
    """Write the operations of an OpenAPI document as HTML."""
    info = document.get("info", {})
    head = [part("h1", f"{info.get('title', 'API')} {info.get('version', '')}".strip())]
    if info.get("description"):
        head.append(part("p", str(info["description"])))
    head.append(part("p", "The document itself: ", part("code", "/openapi.json"), **{"class": "quiet"}))
    return render([*head, *_groups(document)], style_as="data-style")


def example_of(schema: Mapping[str, Any], document: Document, depth: int = 0) -> Any:
    """Make a value that fits a schema, of what it says itself where it says something."""
    schema = _resolved(schema, document)
    for said in ("default", "const"):
        if said in schema:
            return schema[said]
    for said in ("examples", "enum"):
        if schema.get(said):
            return schema[said][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return example_of(schema[choice][0], document, depth + 1) if depth < _DEEPEST_EXAMPLE else None
    kind = schema.get("type")
    if kind == "object" and depth < _DEEPEST_EXAMPLE:
        properties = schema.get("properties", {})
        return {name: example_of(inner, document, depth + 1) for name, inner in properties.items()}
    if kind == "array" and depth < _DEEPEST_EXAMPLE:
        return [example_of(schema.get("items", {}), document, depth + 1)]
    plain: dict[Any, Any] = {"string": "", "integer": 0, "number": 0.0, "boolean": False, "object": {}, "array": []}
    return plain.get(kind)


def _groups(document: Document) -> Iterator[Child]:
    groups: dict[str, list[Element]] = {}
    for path, methods in document.get("paths", {}).items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                name = (operation.get("tags") or [""])[0]
                groups.setdefault(name, []).append(_operation(method.upper(), path, operation, document))
    for name, operations in groups.items():
        yield part("section", part("h2", name) if name else None, operations)


def _operation(method: str, path: str, operation: Mapping[str, Any], document: Document) -> Element:
    summary = part(
        "summary",
        part("span", method, **{"class": "method"}),
        part("code", path),
        part("span", f" {operation.get('summary', '')}", **{"class": "quiet"}),
    )
    parameters = [_resolved(each, document) for each in operation.get("parameters", ())]
    body = _body_of(operation, document)
    described = operation.get("description")
    return part(
        "details",
        summary,
        part("p", str(described)) if described else None,
        _form(method, path, parameters, body, document),
        _schema("Body", body, document),
        _answers(operation, document),
    )


def _form(
    method: str, path: str, parameters: list[Mapping[str, Any]], body: Mapping[str, Any] | None, document: Document
) -> Element:
    fields: list[Child] = []
    for each in parameters:
        if each.get("in") not in ("path", "query"):
            continue
        place = f"{method} {path} {each['name']}"
        schema = _resolved(each.get("schema", {}), document)
        needed = bool(each.get("required"))
        said = " ".join(filter(None, (_type_text(schema, document), each.get("description", ""))))
        field = part(
            "input",
            id=place,
            name=each["name"],
            type="text",
            value=_as_typed(schema.get("default")),
            required="" if needed else None,
            **{"data-in": each["in"]},
        )
        label = part("label", each["name"], " *" if needed else "", **{"for": place})
        fields.append(part("div", label, field, " ", part("small", said, **{"class": "quiet"}), **{"class": "field"}))
    if body is not None:
        place = f"{method} {path} body"
        text = json.dumps(example_of(body, document), indent=2, ensure_ascii=False)
        area = part("textarea", text, id=place, rows=min(text.count("\n") + 2, 16), spellcheck="false")
        fields.append(part("div", part("label", "Body", **{"for": place}), area, **{"class": "field"}))
    press = part("button", "Send", type="submit", **{"aria-label": f"Send {method} {path}"})
    answered = part("output", **{"class": "code", "aria-live": "polite"})
    return part("form", fields, press, answered, **{"data-method": method, "data-path": path})


def _as_typed(value: Any) -> str | None:
    """Write a default as somebody would type it."""
    return value if isinstance(value, str) or value is None else json.dumps(value)


def _answers(operation: Mapping[str, Any], document: Document) -> Child:
    rows = []
    for status, each in operation.get("responses", {}).items():
        answer = _resolved(each, document)
        schema = answer.get("content", {}).get("application/json", {}).get("schema")
        shape = _type_text(_resolved(schema, document), document) if schema else ""
        named = schema["$ref"].rpartition("/")[2] if schema and "$ref" in schema else shape
        cells = (part("td", part("code", text)) for text in (status, named))
        rows.append(part("tr", cells, part("td", str(answer.get("description", "")))))
    heads = part("tr", [part("th", name, scope="col") for name in ("status", "body", "meaning")])
    said = part("caption", "Answers")
    return part("div", part("table", said, part("thead", heads), part("tbody", rows)), **{"class": "wide"})


def _schema(title: str, schema: Mapping[str, Any] | None, document: Document) -> Child:
    if schema is None:
        return None
    resolved = _resolved(schema, document)
    needed = set(resolved.get("required", ()))
    rows = [
        part(
            "tr",
            part("td", part("code", name), " *" if name in needed else ""),
            part("td", _type_text(_resolved(inner, document), document)),
            part("td", str(_resolved(inner, document).get("description", ""))),
        )
        for name, inner in resolved.get("properties", {}).items()
    ]
    if not rows:
        return None
    heads = part("tr", [part("th", name, scope="col") for name in ("field", "type", "meaning")])
    said = part("caption", title)
    return part("div", part("table", said, part("thead", heads), part("tbody", rows)), **{"class": "wide"})


def _body_of(operation: Mapping[str, Any], document: Document) -> Mapping[str, Any] | None:
    content = _resolved(operation.get("requestBody", {}), document).get("content", {})
    found: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


def _resolved(schema: Mapping[str, Any], document: Document) -> Mapping[str, Any]:
    """Follow references, which lead into the document only."""
    for _ in range(_DEEPEST_EXAMPLE):
        if "$ref" not in schema:
            return schema
        found: Any = document
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found.get(step, {}) if isinstance(found, Mapping) else {}
        schema = found
    return {}


def _type_text(schema: Mapping[str, Any], document: Document, depth: int = 0) -> str:
    """Write what fits a schema, in a few words."""
    schema = _resolved(schema, document)
    for choice in ("anyOf", "oneOf"):
        if schema.get(choice) and depth < 3:
            return " or ".join(dict.fromkeys(_type_text(each, document, depth + 1) for each in schema[choice]))
    if schema.get("enum"):
        return " or ".join(json.dumps(each) for each in schema["enum"][:12])
    kind = schema.get("type", "any")
    limits = [
        f"{sign} {schema[name]}"
        for name, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))
        if name in schema
    ]
    inner = schema.get("items")
    of = f" of {_type_text(inner, document, depth + 1)}" if kind == "array" and inner and depth < 3 else ""
    return " ".join([f"{kind}{of}", *limits])
