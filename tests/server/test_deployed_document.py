"""The OpenAPI document of a deployment is true: whatever is asked by it or against it, the answer is one it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.serving import Serving, served_folder

FLOW = """
from typing import Literal
from pydantic import BaseModel, Field

class Answer(BaseModel):
    title: str = Field(default="clerk", max_length=20)
    pay: float = Field(default=1.0, ge=0)

class Person(BaseModel):
    name: str = "Ann"
    jobs: dict[str, Answer] = {}
    friends: list["Person"] = []

@step
def work(person: Person, kind: str, n: int, when: Any) -> Annotated[dict, "out"]:
    if n < 0:
        raise ValueError("less than nothing")
    return {"kind": kind, "person": person, "root": n ** 0.5}

@pipeline
def odd(person: Person = Person(), kind: Literal["a", "b"] = "a", n: int = 1, when: str | None = None):
    return work(person, kind, n, when)

def about():
    return {"a": 1}
"""
EXAMPLES = 10
# A step may fail; and values are read as pydantic reads them, which takes `true` for 1.
LEFT_OUT = [not_a_server_error, negative_data_rejection]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with served_folder(tmp_path_factory.mktemp("document")) as serving:
        flow = serving.project.load(FLOW, head="from typing import Annotated, Any\nfrom nbpipe import pipeline, step\n")
        serving.url = flow.odd.deploy("odd", settings={"routes": {"GET /about/{place}": flow.about}}).url
        yield serving


PATHS = ("/invoke", "/invoke/batch", "/jobs", "/jobs/{job_id}", "/health", "/ready", "/metrics", "/about/{place}")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.filterwarnings("ignore")
def test_no_answer_contradicts_the_document_and_none_is_a_failure_of_ours(serving: Serving, path: str) -> None:
    document = serving.ask("GET", "/openapi.json").json
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=serving.url)
    (method,) = document["paths"][path]
    operation = schema[path][method.upper()]
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE] if method == "post" else [GenerationMode.POSITIVE]
    codes: set[int] = set()

    def check(case: Any) -> None:
        response = case.call(base_url=serving.url)
        codes.add(response.status_code)
        # A step may fail, and says so; nothing else does.
        assert response.status_code < 500 or response.json()["error"]["message"] == "less than nothing"
        case.validate_response(response, excluded_checks=LEFT_OUT)

    for mode in modes:
        trial = given(operation.as_strategy(generation_mode=mode))(check)
        settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )(trial)()

    assert codes
    assert codes <= {int(code) for code in document["paths"][path][method]["responses"] if code.isdigit()} | {200}


def test_every_path_is_documented_and_tried(serving: Serving) -> None:
    assert set(serving.ask("GET", "/openapi.json").json["paths"]) == set(PATHS)
