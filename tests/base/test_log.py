"""Lines that prove themselves, and a file that never keeps half of one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.base.log import LogFile, is_sound, plain_json, seal, seal_facts, seal_with_body, stretches, unseal
from nbpipe.errors import BadValueError, NotRecordedError
from tests.base.small_disk import files_of_at_most

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.dictionaries(TEXTS.filter(lambda name: name != "c"), VALUES, min_size=1, max_size=4)


def opened(path: Path) -> LogFile:
    return LogFile(path, os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT))


def records_in(path: Path) -> list[dict[str, object]]:
    found = [line for stretch in stretches(path, 0, path.stat().st_size) for _, line in stretch.lines]
    return [{key: value for key, value in unseal(line).items() if key != "c"} for line in found]


@given(record=RECORDS)
def test_a_sealed_record_is_one_line_of_plain_json_and_comes_back_equal(record):
    line = seal(record)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert is_sound(line[:-1])
    assert json.loads(line) == unseal(line[:-1])
    assert {key: value for key, value in unseal(line[:-1]).items() if key != "c"} == record


@given(head=RECORDS, body=VALUES)
def test_a_record_with_a_body_that_is_json_already_is_what_it_would_have_been(head, body):
    line = seal_with_body(head, plain_json(body))

    assert is_sound(line[:-1])
    assert line.count(b"\n") == 1
    assert unseal(line[:-1]) == unseal(seal({**head, "b": body})[:-1]) | {"c": unseal(line[:-1])["c"]}


@given(facts=st.lists(st.tuples(st.sampled_from(["step", "source"]), TEXTS, TEXTS, RECORDS), max_size=4), at=TEXTS)
def test_facts_of_one_moment_are_written_as_each_would_be_alone(facts, at):
    alone = [
        seal_with_body({"k": kind, "id": id, "run": run, "at": at}, plain_json(body)) for kind, id, run, body in facts
    ]

    assert seal_facts(facts, at) == alone
    assert seal_facts([(kind, id, run, plain_json(body)) for kind, id, run, body in facts], at) == alone


@pytest.mark.parametrize("place", range(4))
def test_of_facts_with_half_a_character_none_is_written(place):
    fact = ["step", "an id", "a run", {"x": 1}]
    fact[place] = {"x": "\ud800"} if place == 3 else "\ud800"

    with pytest.raises(BadValueError):
        seal_facts([("step", "1", "2", {}), tuple(fact)], "now")


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), "\ud800", object()])
def test_what_plain_json_has_no_word_for_is_refused_though_nobody_looks(value):
    with pytest.raises(BadValueError, match="cannot be written to a log"):
        plain_json({"value": [value]})


def test_a_text_may_speak_of_nan_and_infinity():
    assert json.loads(plain_json({"said": "NaN is no -Infinity"})) == {"said": "NaN is no -Infinity"}


@given(record=RECORDS, data=st.data())
def test_a_change_of_any_byte_is_noticed(record, data):
    line = bytearray(seal(record)[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    change = data.draw(st.integers(1, 255))

    line[place] ^= change

    assert not is_sound(bytes(line))


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), "\ud800", object(), {1, 2}, b"bytes"],
    ids=["nan", "infinity", "half a pair", "object", "set", "bytes"],
)
def test_what_plain_json_does_not_know_is_refused(value):
    with pytest.raises(BadValueError, match="cannot be written to a log"):
        seal({"value": value})


def test_a_log_cut_anywhere_holds_exactly_the_lines_that_were_complete(tmp_path):
    lines = [seal({"n": n, "text": "é" * n}) for n in range(8)]
    whole = b"".join(lines)
    ends = [sum(map(len, lines[: n + 1])) for n in range(8)]
    log = tmp_path / "log"

    for size in range(len(whole) + 1):
        log.write_bytes(whole[:size])

        assert [record["n"] for record in records_in(log)] == list(range(sum(end <= size for end in ends)))


def test_reading_goes_on_from_where_it_ended(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(seal({"n": 1}) + seal({"n": 2}) + b'{"c":"unfin')
    (first,) = stretches(log, 0, log.stat().st_size)
    log.write_bytes(log.read_bytes()[: first.end] + seal({"n": 3}))

    (later,) = stretches(log, first.end, log.stat().st_size)

    assert [unseal(line)["n"] for _, line in later.lines] == [3]


def test_a_damaged_line_is_told_with_its_place_and_the_others_are_read(tmp_path):
    first, second, third = (seal({"n": n}) for n in (1, 2, 3))
    log = tmp_path / "log"
    log.write_bytes(first + second.replace(b"2", b"7") + third)

    (stretch,) = stretches(log, 0, log.stat().st_size)

    assert [unseal(line)["n"] for _, line in stretch.lines] == [1, 3]
    assert [place for place, _ in stretch.damaged] == [len(first)]


def test_a_last_line_whose_line_break_was_changed_is_damaged_and_not_taken_for_unfinished(tmp_path):
    path = tmp_path / "log"
    lines = [seal({"n": n}) for n in range(3)]
    path.write_bytes(b"".join(lines)[:-1] + b"*")

    whole, last = stretches(path, 0, path.stat().st_size)

    assert [unseal(line)["n"] for _, line in whole.lines] == [0, 1]
    assert last.damaged == [(whole.end, lines[-1][:-1] + b"*")]
    # Nobody has got beyond it.
    assert (last.start, last.end, last.lines) == (whole.end, whole.end, [])


def test_a_line_longer_than_what_is_read_at_once_is_read(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(seal({"n": 1, "text": "x" * (20 * 2**20)}) + seal({"n": 2}))

    assert [record["n"] for record in records_in(log)] == [1, 2]


@pytest.mark.parametrize("room", [0, 1, 40, 79, 80])
def test_a_line_for_which_there_is_no_room_is_not_recorded_and_leaves_nothing(tmp_path, room):
    log = tmp_path / "log"
    file = opened(log)
    file.append(seal({"n": 1}))
    before = log.read_bytes()

    with files_of_at_most(len(before) + room), pytest.raises(NotRecordedError, match="Nothing was recorded in log"):
        file.append(seal({"n": 2, "text": "x" * 100}))
    after = log.read_bytes()
    file.append(seal({"n": 3}))

    assert after == before
    assert [record["n"] for record in records_in(log)] == [1, 3]


def test_of_several_lines_the_complete_ones_stay_when_the_room_runs_out(tmp_path):
    log = tmp_path / "log"
    file = opened(log)
    lines = [seal({"n": n}) for n in range(5)]

    with files_of_at_most(len(lines[0]) * 3 + 4), pytest.raises(NotRecordedError, match="after 3 complete lines"):
        file.append(b"".join(lines))

    assert log.read_bytes() == b"".join(lines[:3])


def test_lines_of_more_than_a_write_are_all_recorded(tmp_path):
    log = tmp_path / "log"
    lines = [seal({"n": n, "text": "x" * 300_000}) for n in range(12)] + [seal({"n": 12, "text": "x" * (3 * 2**20)})]

    opened(log).append(b"".join(lines))

    assert [record["n"] for record in records_in(log)] == list(range(13))


def test_a_torn_end_is_cut_however_long_it_is(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(seal({"n": 1}) + b"x" * 300_000)
    file = opened(log)

    file.cut_torn_end()

    assert log.read_bytes() == seal({"n": 1})


def test_a_log_that_never_had_a_whole_line_is_cut_to_nothing(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 200_000)

    opened(log).cut_torn_end()

    assert log.read_bytes() == b""


def test_a_deleted_log_is_known_to_be_gone(tmp_path):
    file = opened(tmp_path / "log")
    was_gone = file.is_gone()

    (tmp_path / "log").unlink()

    assert (was_gone, file.is_gone()) == (False, True)
