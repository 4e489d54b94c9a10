"""Which status an error has, and what stands in the body."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from nbpipe import errors
from nbpipe.server.answers import answer_errors, detail_of, status_of
from nbpipe.server.bodies import StrictRoute
from tests.server.asking import ask, json_body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFoundError("run", "abc"), 404),
        (errors.AmbiguousNameError("run", "abc", ["abcd", "abce"]), 409),
        (errors.ConflictError("taken"), 409),
        (errors.QueueFullError(100), 429),
        (errors.BadValueError("no"), 422),
        (errors.ParameterError("training", {"rate": "must be greater than 0"}), 422),
        (errors.EnvironmentMismatchError("x", ["numpy is missing"]), 409),
        (errors.CatalogBusyError(1, 2.0), 503),
        (errors.WorkspaceError("gone"), 503),
        (errors.NotRecordedError(Path("log"), "No space left on device"), 503),
        (errors.ArtifactDamagedError("a@1", "gone"), 409),
        (errors.StepFailedError("train", "r", "ValueError", "no"), 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_kind_of_error_has_its_status(error, status):
    assert status_of(error) == status


def test_values_that_do_not_fit_are_told_one_by_one_with_their_place():
    error = errors.ParameterError("training", {"rate": "must be > 0", "model.layers[2]": "is too large"})

    assert detail_of(error, ("body", "parameters")) == [
        {"loc": ["body", "parameters", "rate"], "msg": "must be > 0", "type": "value_error"},
        {"loc": ["body", "parameters", "model", "layers", 2], "msg": "is too large", "type": "value_error"},
    ]


def application() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, redirect_slashes=False)
    app.router.route_class = StrictRoute
    answer_errors(app)

    @app.post("/sum")
    def add(numbers: list[float]) -> float:
        return sum(numbers)

    @app.get("/gone")
    def gone() -> None:
        raise errors.NotFoundError("run", "<script>", ["script"])

    return app


def test_what_nbpipe_raises_is_answered_as_json():
    answer = ask(application(), "/gone")

    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert answer.detail.startswith("No run is named '<script>' in this workspace.")


def test_an_address_that_is_not_there_or_not_asked_so_is_told_as_json():
    assert (ask(application(), "/nowhere").status, ask(application(), "/nowhere").detail) == (
        404,
        "There is nothing at this address.",
    )
    answer = ask(application(), "/gone", method="DELETE")
    assert (answer.status, answer.detail) == (405, "This address does not answer a DELETE.")
    assert ask(application(), "/gone/").status == 404


def test_a_wrong_type_is_told_with_its_place_and_without_the_value():
    answer = ask(application(), "/sum", **json_body(b'[1, "secret"]'))

    assert answer.status == 422
    assert answer.detail[0]["loc"] == ["body", 1]
    assert set(answer.detail[0]) == {"loc", "msg", "type"}


@pytest.mark.parametrize(
    "body",
    [
        b"[NaN]",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"{",
        b"",
        b"\xff",
        b'{"a": 1, "a": 2}',
        b'["\\ud800"]',
        b"[" * 100000,
        b"[" * 65 + b"]" * 65,
        b"[" + b"9" * 5000 + b"]",
    ],
    ids=[
        "nan",
        "infinity",
        "minus-infinity",
        "too-large",
        "cut",
        "empty",
        "not-utf8",
        "twice",
        "half-a-pair",
        "very-deep",
        "too-deep",
        "too-many-digits",
    ],
)
def test_what_is_no_json_is_refused(body):
    answer = ask(application(), "/sum", **json_body(body))

    assert answer.status == 422
    assert answer.detail[0]["loc"][0] == "body"


def test_json_may_be_64_levels_deep_and_hold_any_letter():
    from nbpipe.server.bodies import read_json

    assert read_json(b"[" * 64 + b"]" * 64)
    assert read_json('{"a": "\\ud83d\\ude00 é"}'.encode()) == {"a": "😀 é"}
