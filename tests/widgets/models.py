"""Models of parameters that tests make forms of: every kind of field, and strange ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

from annotated_types import Ge, Le
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    PositiveInt,
    SecretBytes,
    SecretStr,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from nbpipe.records.parameters import ParameterModel, Parameters

Share = NewType("Share", float)


class Colour(Enum):
    RED = "r"
    GREEN = "g"


@dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    name: str
    size: int


class Optimiser(BaseModel):
    rate: float = Field(0.1, gt=0, lt=1, description="how fast")
    steps: int = Field(3, ge=1, le=10)
    key: SecretStr = SecretStr("inner")


class Tree(BaseModel):
    name: str = "root"
    child: Tree | None = None


class Odd:
    """A type that pydantic knows nothing of."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    __hash__ = object.__hash__


class Everything(ParameterModel):
    whole: int = 3
    huge: int = 10**40
    bounded: int = Field(5, ge=0, le=1000)
    small: int = Field(5, ge=0, le=100)
    fives: int = Field(10, gt=0, lt=100, multiple_of=5)
    positive: PositiveInt = 4
    real: float = 0.5
    from_whole: float = 1
    share: float = Field(0.25, gt=0, lt=1)
    infinite: float = float("inf")
    few: Literal["forest", "logistic"] = "forest"
    many: Literal["a", "b", "c", "d", "e"] = "d"
    alike: Literal[1, "1"] = "1"
    with_none: Literal["a", None] = None
    colour: Colour = Colour.GREEN
    flag: bool = True
    off: bool = False
    text: str = "grün 🌱 <b>"
    empty: str = ""
    lines: str = "one\ntwo"
    day: date = date(2026, 1, 2)
    moment: datetime = datetime(2026, 1, 2, 3, 4, 5, 6)
    aware: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    said_aware: AwareDatetime = datetime(2026, 1, 2, tzinfo=UTC)
    clock: time = time(3, 4)
    maybe: int | None = None
    maybe_set: int | None = 0
    maybe_text: str | None = ""
    maybe_limited: Annotated[int, Ge(0), Le(5)] | None = 3
    tags: list[str] = Field(["a", "b"])
    numbers: tuple[float, ...] = (1.5, 2)
    wholes: set[int] = Field({3, 1})
    many_wholes: list[int] = Field([2**60])
    pair: tuple[int, str] = (1, "a")
    mapping: dict[str, int] = Field({"a": 1})
    rows: list[Row] = Field([{"name": "a", "size": 1}])
    place: Path = Path("data.csv")
    secret: SecretStr = SecretStr("hush")
    raw_secret: SecretBytes = SecretBytes(b"hush")
    maybe_secret: SecretStr | None = None
    optimiser: Optimiser = Optimiser()
    maybe_optimiser: Optimiser | None = None
    tree: Tree = Tree(child=Tree(name="leaf"))
    point: Point = Point(1, 2)
    span: timedelta = timedelta(hours=1)
    exact: Decimal = Decimal("0.10000000000000000000001")
    ident: UUID = UUID(int=7)
    data: bytes = b"\xff\x00"
    anything: Any = None
    either: int | str = "5"
    odd: Odd = Odd()
    renamed: Share = Share(0.5)
    parsed: Annotated[int, BeforeValidator(lambda text: int(str(text).removesuffix("k")))] = "7k"  # type: ignore[assignment]


class Quarrelsome(ParameterModel):
    low: int = 1
    high: int = 2

    @field_validator("low")
    @classmethod
    def _breaks(cls, low: int) -> int:
        return low // (low - 5 or 0)

    @model_validator(mode="after")
    def _in_order(self) -> Quarrelsome:
        if self.high < 0:
            raise ValueError("high must not be <negative>")
        return self


class Required(ParameterModel):
    rows: int
    name: str
    flag: bool
    kind: Literal["a", "b"]
    day: date
    rate: float = 0.5


def parameters(model: type[BaseModel], subject: str = "training") -> Parameters:
    return Parameters(subject, model)
