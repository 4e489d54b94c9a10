"""One changed byte is found by its checksum."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.base.log import is_sound, seal
from nbpipe.catalog.correction import corrected, joined, parted

LINES = st.builds(lambda body: seal({"k": "step", "b": body})[:-1], st.text(max_size=300))


@given(line=LINES, data=st.data())
def test_any_one_changed_byte_is_put_right(line, data):
    place = data.draw(st.integers(0, len(line) - 1))
    change = data.draw(st.integers(1, 255))
    damaged = line[:place] + bytes((line[place] ^ change,)) + line[place + 1 :]

    if b"\n" in damaged:
        assert list(joined(damaged[:place], damaged[place + 1 :])) == [line]
    else:
        assert line in list(corrected(damaged))
    assert all(is_sound(found) for found in corrected(damaged))


@given(first=LINES, second=LINES, change=st.integers(1, 255))
def test_a_changed_line_break_is_found_again(first, second, change):
    assert list(parted(first + bytes((10 ^ change,)) + second)) == [first + b"\n" + second]


@given(line=LINES)
def test_a_sound_line_and_two_changed_bytes_have_no_answer(line):
    assert list(corrected(line)) == []
    assert list(corrected(bytes((line[0] ^ 1, line[1] ^ 1)) + line[2:])) == []


@pytest.mark.parametrize(
    "line", [b"", b"x", b'{"c":"00000000",', b"x" * (2**20 + 1)], ids=["empty", "x", "head", "long"]
)
def test_what_is_no_line_has_no_answer(line):
    assert list(corrected(line)) == []


def test_chance_finds_no_second_answer_for_a_line_of_a_kibibyte():
    line = seal({"k": "step", "b": "x" * 1000})[:-1]
    chosen = random.Random(1)

    for _ in range(100):
        place = chosen.randrange(len(line))
        damaged = line[:place] + bytes((line[place] ^ chosen.randrange(1, 256),)) + line[place + 1 :]
        if b"\n" not in damaged:
            assert list(corrected(damaged)) == [line]
