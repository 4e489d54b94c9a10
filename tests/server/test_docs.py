"""The page of an API: it holds every operation, escapes what it is told, and asks nobody else."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from nbpipe.server import static
from nbpipe.server.docs import OPEN, docs_page, docs_routes, example_of
from tests.server.asking import ask

EVIL = "<script>alert(1)</script>"


class Inner(BaseModel):
    depth: int = 3


class Wanted(BaseModel):
    name: str = Field(description=EVIL)
    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    inner: Inner
    again: list[Inner] | None = None


def application() -> FastAPI:
    app = FastAPI(title=EVIL, docs_url=None, redoc_url=None)

    @app.post("/things/{thing}", summary=EVIL, tags=["things"])
    def make(thing: str, wanted: Wanted, size: Annotated[int, Query(ge=1)] = 20) -> Inner:
        return wanted.inner

    app.router.routes.extend(docs_routes(app.openapi))
    return app


def test_every_operation_stands_there_with_a_form_and_what_it_takes():
    page = docs_page(application().openapi())

    assert 'data-method="POST" data-path="/things/{thing}"' in page
    assert 'name="thing"' in page
    assert 'value="20"' in page
    assert "integer ≥ 1" in page
    assert "&quot;rate&quot;: 0.5" in page


def test_nothing_that_a_document_says_becomes_markup():
    page = docs_page(application().openapi())

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert " style=" not in page


def test_an_example_fits_its_schema():
    document = application().openapi()
    schema = document["components"]["schemas"]["Wanted"]

    assert Wanted.model_validate(example_of(schema, document))


def test_a_document_that_refers_to_itself_comes_to_an_end():
    document = {
        "components": {
            "schemas": {"Tree": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Tree"}}}}
        }
    }

    assert example_of({"$ref": "#/components/schemas/Tree"}, document)


def test_what_is_open_is_a_file_of_the_package_and_the_rest_is_not_open():
    app = application()
    paths = {path for _, path in OPEN}

    assert {route.path for route in docs_routes(app.openapi)} - paths == {"/docs/operations"}
    for path in paths:
        answer = ask(app, path)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-cache"


def test_no_file_of_a_page_names_another_site_nor_holds_a_script_or_a_style_of_its_own():
    for path in static._FOLDER.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert "//" not in text
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style| style=| on[a-z]+=", text)
    for path in static._FOLDER.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"https?://|innerHTML|eval\(", text), path.name
