"""Values that hide themselves are noticed wherever they lie, and revealed only where that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from nbpipe.records.secrets import holds_secret, revealed


class Db(BaseModel):
    host: str = "h"
    password: SecretStr = SecretStr("hush")


@dataclass
class Login:
    user: str
    key: SecretBytes


@pytest.mark.parametrize(
    "value",
    [SecretStr("x"), Db(), {"a": [{"b": SecretBytes(b"x")}]}, (1, SecretStr("")), Login("me", SecretBytes(b"k"))],
    ids=["text", "model", "nested", "tuple", "dataclass"],
)
def test_a_value_with_a_secret_in_it_is_noticed(value: Any) -> None:
    assert holds_secret(value)


@pytest.mark.parametrize("value", ["x", 1, None, [1, "a"], {"password": "x"}, Login, SecretStr], ids=repr)
def test_a_value_without_one_is_not(value: Any) -> None:
    assert not holds_secret(value)


def test_a_list_that_holds_itself_can_be_looked_at() -> None:
    ring: list[Any] = []
    ring.append(ring)

    assert not holds_secret(ring)


def test_what_is_revealed_is_plain_data() -> None:
    assert revealed({"db": Db(), "keys": (SecretStr("a"),), "n": 1}) == {
        "db": {"host": "h", "password": "hush"},
        "keys": ["a"],
        "n": 1,
    }
