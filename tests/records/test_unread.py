"""Keys that a user's own model passes over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, computed_field, model_validator
from pydantic.dataclasses import dataclass as checked_dataclass

from nbpipe.errors import ParameterError
from nbpipe.records.parameters import as_json, parameters_of


class Inner(BaseModel):
    rate: float = 0.1


class Options(BaseModel):
    depth: int = 2
    inner: Inner = Inner()
    several: list[Inner] = []
    named: dict[str, Inner] = {}
    long: int = Field(1, alias="longName")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def twice(self) -> int:
        return 2 * self.depth


class Said(BaseModel):
    model_config = ConfigDict(extra="ignore")
    depth: int = 2


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    depth: int = 2


class Own(BaseModel):
    depth: int = 2

    @model_validator(mode="before")
    @classmethod
    def _take(cls, data: Any) -> Any:
        return {"depth": data["old"]} if isinstance(data, dict) and "old" in data else data


class Table(RootModel[dict[str, Inner]]):
    pass


@dataclass
class Plain:
    depth: int = 2
    inner: Inner = field(default_factory=Inner)


@checked_dataclass
class Checked:
    depth: int = 2


def checked(kind: Any, value: Any) -> Any:
    return parameters_of("train", {"o": (kind, ...)}).check({"o": value})["o"]


@pytest.mark.parametrize(
    ("kind", "value", "name", "hint"),
    [
        (Options, {"dept": 3}, "o.dept", "did you mean 'depth'?"),
        (Options, {"inner": {"rates": 1}}, "o.inner.rates", "did you mean 'rate'?"),
        (Options, {"several": [{}, {"x": "<script>"}]}, "o.several.1.x", "is not known here"),
        (Options, {"named": {"a": {"x": 1}}}, "o.named.a.x", "is not known here"),
        (Options | None, {"x": 1}, "o.x", "is not known here"),
        (list[Options], [{"x": 1}], "o.0.x", "is not known here"),
        (Plain, {"dept": 3}, "o.dept", "is not known here"),
        (Plain, {"inner": {"x": 3}}, "o.inner.x", "is not known here"),
        (Checked, {"dept": 3}, "o.dept", "did you mean 'depth'?"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_key_that_no_field_reads_is_named(kind: Any, value: Any, name: str, hint: str) -> None:
    with pytest.raises(ParameterError) as refused:
        checked(kind, value)

    assert hint in refused.value.problems[name]
    assert len(str(refused.value)) < 300
    assert "<script>" not in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Said, {"x": 1}), (Open, {"x": 1}), (Own, {"old": 1}), (dict, {"x": 1}), (Any, {"x": {"y": 1}})],
    ids=["ignore", "allow", "takes-apart", "dict", "any"],
)
def test_who_says_what_becomes_of_other_keys_is_left_alone(kind: Any, value: Any) -> None:
    checked(kind, value)


def test_a_model_that_is_a_mapping_is_no_model_with_fields() -> None:
    assert checked(Table, {"a": {"rate": 1}}) == Table({"a": Inner(rate=1)})


def test_what_was_written_down_is_read_back() -> None:
    value = checked(Options, {"longName": 7, "depth": 3, "several": [{"rate": 2}]})

    assert checked(Options, as_json(value)) == value
    assert value.long == 7


def test_many_unknown_keys_make_a_short_message() -> None:
    with pytest.raises(ParameterError) as refused:
        checked(Options, {f"{'é' * 5000}{place}": "x" * 5000 for place in range(300)})

    assert len(str(refused.value)) < 5000
