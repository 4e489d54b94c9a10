"""Signatures: what a step takes and gives, read from a function."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field

from nbpipe import ArtifactConfig, Tag, UnmaterializedArtifact, step
from nbpipe.define.signature import signature_of
from nbpipe.define.step import Step
from nbpipe.errors import BadValueError, DefinitionError
from nbpipe.records.parameters import REQUIRED


def nothing() -> None: ...
def unannotated(): ...
def plain() -> int: ...
def named() -> Annotated[int, "accuracy"]: ...
def configured() -> Annotated[
    list[int], ArtifactConfig(name="raw_data", tags=["v1", Tag(name="best", exclusive=True)])
]: ...
def unnamed_config() -> Annotated[int, ArtifactConfig(tags=["v1"])]: ...
def other_note() -> Annotated[int, Field(gt=0)]: ...
def a_pair() -> tuple[int, str]: ...
def named_pair() -> tuple[Annotated[int, "train"], Annotated[str, ArtifactConfig(name="test")]]: ...
def any_tuple() -> tuple[int, ...]: ...
def bare_tuple() -> tuple: ...
def one_in_a_tuple() -> tuple[Annotated[int, "only"]]: ...
def maybe() -> int | None: ...
def unknown() -> NotAnywhere: ...  # type: ignore[name-defined]  # noqa: F821
def string() -> "Annotated[int, 'text']": ...  # noqa: UP037


@pytest.mark.parametrize(
    ("function", "outputs", "is_tuple"),
    [
        (nothing, [], False),
        (unannotated, [("output", "unannotated")], False),
        (plain, [("output", "plain")], False),
        (named, [("accuracy", "accuracy")], False),
        (configured, [("raw_data", "raw_data")], False),
        (unnamed_config, [("output", "unnamed_config")], False),
        (other_note, [("output", "other_note")], False),
        (a_pair, [("output_0", "a_pair_0"), ("output_1", "a_pair_1")], True),
        (named_pair, [("train", "train"), ("test", "test")], True),
        (any_tuple, [("output", "any_tuple")], False),
        (bare_tuple, [("output", "bare_tuple")], False),
        (one_in_a_tuple, [("only", "only")], True),
        (maybe, [("output", "maybe")], False),
        (unknown, [("output", "unknown")], False),
        (string, [("text", "text")], False),
    ],
)
def test_outputs_are_named_by_the_return_annotation(function: Any, outputs: list, is_tuple: bool) -> None:
    signature = signature_of(function, function.__name__)

    assert [(output.name, output.artifact) for output in signature.outputs] == outputs
    assert signature.is_tuple is is_tuple


def test_an_artifact_config_gives_its_tags() -> None:
    output = signature_of(configured, "configured").output("raw_data")

    assert output is not None
    assert output.tags == (Tag(name="v1"), Tag(name="best", exclusive=True))
    assert output.annotation == list[int]


def takes_all(
    a, b: int, c: float = 0.5, *, d: str = "x", e: UnmaterializedArtifact, f: Annotated[int, Field(gt=0)] = 1
): ...


def test_inputs_are_the_arguments_with_annotations_and_defaults() -> None:
    signature = signature_of(takes_all, "takes_all")

    assert list(signature.inputs) == ["a", "b", "c", "d", "e", "f"]
    assert signature.inputs["a"] == (REQUIRED, REQUIRED)
    assert signature.inputs["c"] == (float, 0.5)
    assert signature.pointers == {"e"}
    assert signature.required == ("a", "b", "e")


def with_fields(n: int = Field(5, gt=0), m: int = Field(gt=0), names: list[str] = Field(default_factory=list)): ...  # noqa: B008


def test_a_default_written_as_a_field_is_the_fields_own_default() -> None:
    signature = signature_of(with_fields, "with_fields")

    assert signature.filled == {"n": 5, "names": []}
    assert signature.required == ("m",)


def star(*values): ...
def stars(**values): ...
def positional(a, /): ...
def twice() -> tuple[Annotated[int, "a"], Annotated[int, "a"]]: ...
def blank() -> Annotated[int, " "]: ...


@pytest.mark.parametrize("function", [star, stars, positional, twice, blank])
def test_a_signature_that_a_step_cannot_have_is_refused_by_name(function: Any) -> None:
    with pytest.raises((DefinitionError, BadValueError)) as refused:
        step(function)

    assert len(str(refused.value).splitlines()) <= 2


class NotAFunction:
    def __call__(self) -> None: ...


def test_only_a_top_level_function_with_text_can_be_a_step() -> None:
    def inner() -> None: ...

    with pytest.raises(DefinitionError, match="top level"):
        step(inner)
    with pytest.raises(DefinitionError, match="top level"):
        step(lambda: 1)
    for other in (NotAFunction(), NotAFunction, len, None.__init__):
        with pytest.raises(DefinitionError, match="function"):
            Step(other)
    scope: dict[str, Any] = {}
    exec("def typed(): ...", scope)
    with pytest.raises(DefinitionError, match="text"):
        step(scope["typed"])


@pytest.mark.parametrize(
    "options",
    [{"name": ""}, {"name": 5}, {"name": "a\nb"}, {"retries": -1}, {"retries": "many"}, {"timeout_s": 0},
     {"timeout_s": -1.0},
     {"tags": "v1"}, {"expiry_s": 0}, {"retry_delay_s": -1}, {"resources": {"cpu": "two"}}],
)  # fmt: skip
def test_an_option_that_does_not_fit_is_refused_when_the_step_is_defined(options: dict) -> None:
    with pytest.raises(BadValueError):
        step(**options)(plain)


def test_a_step_called_outside_of_a_pipeline_is_the_function_it_was() -> None:
    double = step(doubled)

    assert double(4) == 8
    assert (double.__name__, double.__doc__) == ("doubled", "Twice as much.")
    assert repr(double) == "<step doubled(n) -> output>"


def doubled(n: int) -> int:
    """Twice as much."""
    return 2 * n


def test_other_options_make_another_step_and_leave_the_first_alone() -> None:
    first = step(retries=2, tags=["v1"])(doubled)

    second = first.with_options(name="half", cache=False)

    assert (first.name, first.options.cache, first.options.retries) == ("doubled", True, 2)
    assert (second.name, second.options.cache, second.options.retries) == ("half", False, 2)
    with pytest.raises(BadValueError, match="did you mean 'retries'"):
        first.with_options(retry=3)
