"""Damaged logs are mended where that is certain, and told where it is not."""

from __future__ import annotations

import json
import random
import shutil

import pytest

from nbpipe.base.log import is_sound, seal
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.gaps import gaps
from nbpipe.catalog.repair import mend
from nbpipe.catalog.tails import look
from nbpipe.errors import CatalogDamagedError
from nbpipe.records.models import ModelConfig
from nbpipe.records.operations import OpenModelVersion
from tests.catalog.damaging import change, operations_of, process_log_of, scramble
from tests.crash.trials import sizes

FLIPS = 150
ALL_FLIPS = 1000


def models(paths):
    catalog = Catalog(paths)
    try:
        return [row["name"] for row in catalog.rows("SELECT name FROM models ORDER BY name")]
    finally:
        catalog.close()


def flipped(paths, count, seed):
    """Flip one byte somewhere, mend, and put it back: each must come back, or be told and nothing else be changed."""
    files = [extent.path for extent in look(paths).values() if extent.size]
    whole = {path: path.read_bytes() for path in files}
    chosen = random.Random(seed)
    outcomes = {"corrected": 0, "told": 0}
    for _ in range(count):
        path = chosen.choices(files, weights=[len(data) for data in whole.values()])[0]
        place = chosen.randrange(len(whole[path]))
        change(path, place, whole[path][place] ^ chosen.randrange(1, 256))
        found = mend(paths)
        assert found, f"a flip at {place} of {path.name} went unnoticed"
        if all(mended.how for mended in found):
            assert path.read_bytes() == whole[path], f"a flip at {place} of {path.name} was made something else"
            outcomes["corrected"] += 1
        else:
            outcomes["told"] += 1
        path.write_bytes(whole[path])
        shutil.rmtree(paths.quarantine)
    return outcomes


def test_every_flipped_byte_comes_back(logs):
    assert flipped(logs, FLIPS, seed=1) == {"corrected": FLIPS, "told": 0}


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_flipped_bytes_each_come_back(logs, seed):
    assert flipped(logs, ALL_FLIPS, seed) == {"corrected": ALL_FLIPS, "told": 0}


@sizes("is_every", short=(False,), long=(True,))
def test_every_byte_of_one_line_and_its_line_breaks_comes_back(logs, is_every):
    path = operations_of(logs)
    whole = path.read_bytes()
    second = whole.index(b"\n")
    for nth, place in enumerate(range(second, whole.index(b"\n", second + 1) + 1)):
        others = [ord("\n"), ord("}"), 0, whole[place] ^ 0x80]
        # Each byte becomes one of them; where a line or an object begins or ends, all of them.
        is_frame = whole[place] in b"\n{}"
        for value in others if is_every or is_frame else [others[nth % len(others)]]:
            if value != whole[place]:
                change(path, place, value)
                mend(logs)
                assert path.read_bytes() == whole, (place, value)


def test_the_last_line_break_comes_back(logs):
    for path in (operations_of(logs), process_log_of(logs)):
        whole = path.read_bytes()
        change(path, len(whole) - 1, ord("x"))

        (mended,) = mend(logs)

        assert mended.how == "corrected"
        assert path.read_bytes() == whole


def test_sound_logs_are_left_alone(logs):
    assert gaps(logs) == mend(logs) == []
    assert not logs.quarantine.exists()


def test_a_mended_operation_is_seen_again_and_its_damage_kept(logs):
    path = operations_of(logs)
    place = path.read_bytes().index(b"model 1 1")
    change(path, place)
    with pytest.raises(CatalogDamagedError):
        Catalog(logs).state()

    (mended,) = mend(logs)

    assert mended.how == "corrected"
    assert "model 1 1" in models(logs)
    assert len(list(logs.quarantine.iterdir())) == 1
    assert not list(logs.operations.glob("op-*.state"))


def test_two_damaged_lines_side_by_side_both_come_back(logs):
    path = operations_of(logs)
    whole = path.read_bytes()
    lines = whole.split(b"\n")
    first = len(lines[0]) + 1
    change(path, first + 30)
    change(path, first + len(lines[1]) + 1 + 60)

    mend(logs)

    assert path.read_bytes() == whole


def test_a_line_beyond_correction_is_told_and_its_neighbour_comes_back(logs):
    path = operations_of(logs)
    lines = path.read_bytes().split(b"\n")
    scramble(path, 2)
    change(path, sum(len(line) + 1 for line in lines[:3]) + 50)

    found = mend(logs)

    assert [mended.how for mended in found] == ["", "corrected"]
    assert path.read_bytes().split(b"\n")[3] == lines[3]


def test_without_an_order_to_give_up_nothing_is_given_up(logs):
    path = operations_of(logs)
    scramble(path, 2)
    before = path.read_bytes()

    (left,) = mend(logs)

    assert left.how == ""
    assert path.read_bytes() == before
    with pytest.raises(CatalogDamagedError):
        Catalog(logs).state()


@pytest.mark.parametrize("nth", [1, 4, 8], ids=["first", "middle", "last"])
def test_a_given_up_operation_lets_the_others_be_read(logs, nth):
    path = operations_of(logs)
    size = path.stat().st_size
    scramble(path, nth)

    (mended,) = mend(logs, give_up=True)

    assert mended.how == "given up"
    assert path.stat().st_size == size
    assert len(models(logs)) == 7
    catalog = Catalog(logs)
    assert catalog.transact(OpenModelVersion(model=ModelConfig(name="another"), version=None, run_id="r"))
    assert not [one for one in catalog.check() if not one.is_note]
    catalog.close()


def test_the_first_line_of_the_log_of_operations_can_be_given_up(logs):
    path = operations_of(logs)
    scramble(path, 0)

    (mended,) = mend(logs, give_up=True)

    assert (mended.how, json.loads(mended.data)["k"]) == ("given up", "opened")
    assert len(models(logs)) == 8


def test_several_given_up_operations_keep_their_numbers(logs):
    path = operations_of(logs)
    data = path.read_bytes()
    lines = data.split(b"\n")
    start = len(lines[0]) + 1
    end = start + sum(len(line) + 1 for line in lines[1:4])
    path.write_bytes(data[:start] + b"\0" * (end - start - 1) + b"\n" + data[end:])

    (mended,) = mend(logs, give_up=True)

    assert [json.loads(line)["n"] for line in mended.data.splitlines()] == [1, 2, 3]
    assert len(models(logs)) == 5


def test_a_given_up_fact_is_a_line_that_says_nothing(logs):
    path = process_log_of(logs)
    scramble(path, 2)

    (mended,) = mend(logs, give_up=True)

    assert all(is_sound(line) for line in path.read_bytes().splitlines())
    assert mended.how == "given up"
    assert gaps(logs) == []
    catalog = Catalog(logs)
    catalog.rebuild()
    assert len(catalog.rows("SELECT id FROM runs")) == 7
    catalog.close()


def test_what_is_too_short_for_a_line_is_told(logs):
    (logs.logs / "other.log").write_bytes(b"no line of ours\n")

    (left,) = mend(logs, give_up=True)

    assert left.how == ""


def test_an_earlier_copy_fills_what_cannot_be_corrected(logs):
    path = operations_of(logs)
    whole = path.read_bytes()
    place = scramble(path, 2)
    asked = []

    def earlier(log, start, end):
        asked.append((log, start))
        yield b"nothing that fits"
        yield whole[start - 10 : end - 10]
        yield whole[start:end]

    (mended,) = mend(logs, earlier=earlier)

    assert mended.how == "from a backup"
    assert asked == [(f"operations/{path.name}", place)]
    assert path.read_bytes() == whole


def test_a_copy_of_another_history_is_not_taken(logs):
    path = operations_of(logs)
    place = scramble(path, 2)
    end = path.read_bytes().index(b"\n", place) + 1
    record = {"n": 9, "req": "r", "k": "x", "at": "", "by": "", "b": {"changes": [], "answer": {}, "pad": ""}}
    record["b"]["pad"] = " " * (end - place - len(seal(record)))

    (left,) = mend(logs, earlier=lambda *_: [seal(record)])

    assert left.how == ""


def test_a_live_writer_goes_on_while_its_log_is_mended(logs):
    catalog = Catalog(logs)
    catalog.append("note", id="1", run="r", body={"n": 1})
    path = logs.logs / f"{catalog.own_log_name}.log"
    change(path, 40)

    (mended,) = mend(logs)
    catalog.append("note", id="2", run="r", body={"n": 2})
    catalog.close()

    assert mended.how == "corrected"
    assert [json.loads(line)["k"] for line in path.read_bytes().splitlines()] == ["opened", "note", "note"]
