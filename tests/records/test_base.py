"""What can be a name: one rule for everything that has one."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.errors import BadValueError
from nbpipe.records.base import is_plain, is_whole, plain_name
from nbpipe.records.tags import Tag


@pytest.mark.parametrize("name", ["a", "  two words ", "ünïcödé", "🏆", "a\u200db", "x" * 255, "<script>", "a@b"])
def test_a_name_is_kept_trimmed(name: str) -> None:
    assert plain_name("run", name) == name.strip() == Tag(name=name).name


@pytest.mark.parametrize(
    "bad", ["", "  ", "x" * 256, "a\0b", "a\nb", "a\x1bb", "a\x7fb", "a\x85b", "a\x9fb", "a\ud800b", None, 7], ids=repr
)
def test_what_cannot_be_a_name_is_refused_in_a_line(bad: Any) -> None:
    with pytest.raises(BadValueError, match="cannot name a run") as refused:
        plain_name("run", bad)

    assert len(str(refused.value).splitlines()) == 1
    with pytest.raises(BadValueError):
        Tag(name=bad)


def test_half_of_a_character_is_no_whole_text() -> None:
    assert [is_whole(text) for text in ("", "a", "é🏆", "\ud800", "a\udfff")] == [True, True, True, False, False]
    assert not is_plain("a\ud800")
