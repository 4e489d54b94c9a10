"""Damage is found where it is, with the numbers of the operations around it."""

from __future__ import annotations

import pytest

from nbpipe.base import log as lines_of_logs
from nbpipe.catalog import operationlog
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.gaps import gaps
from nbpipe.records.models import ModelConfig
from nbpipe.records.operations import OpenModelVersion
from tests.catalog.damaging import change, operations_of, process_log_of, scramble


def test_sound_logs_have_none(logs):
    assert gaps(logs) == []


def test_an_unfinished_end_is_no_damage(logs):
    with process_log_of(logs).open("ab") as file:
        file.write(b'{"c":"12345678","k":"half of a li')

    assert gaps(logs) == []


@pytest.mark.parametrize("chunk_bytes", [100, 2**24], ids=["read in pieces", "read at once"])
def test_operations_damaged_side_by_side_lie_between_the_numbers_around_them(logs, monkeypatch, chunk_bytes):
    monkeypatch.setattr(lines_of_logs, "_CHUNK_BYTES", chunk_bytes)
    path = operations_of(logs)
    place = scramble(path, 3)
    scramble(path, 4)
    scramble(path, 7)

    first, second = gaps(logs)

    assert (first.start, first.former, first.later, len(first.lines())) == (place, 2, 5, 2)
    assert (second.former, second.later, len(second.lines())) == (6, 8, 1)
    assert path.read_bytes()[first.start : first.end] == first.data


def test_facts_have_no_numbers(logs):
    path = process_log_of(logs)
    place = scramble(path, 2)

    (gap,) = gaps(logs)

    assert (gap.name, gap.start, gap.former, gap.later) == (f"logs/{path.name}", place, None, None)
    assert not gap.is_operation


def test_the_last_operation_has_none_behind_it(logs):
    scramble(operations_of(logs), 8)

    (gap,) = gaps(logs)

    assert (gap.former, gap.later, gap.is_closing) == (7, None, False)


def test_a_changed_last_line_break_is_found(logs):
    path = operations_of(logs)
    change(path, path.stat().st_size - 1, ord("x"))

    (gap,) = gaps(logs)

    assert (gap.data[-1:], gap.end, gap.former) == (b"x", path.stat().st_size, 7)


def test_the_line_that_closes_a_segment_lies_before_the_first_number_of_the_next(workspace, monkeypatch):
    monkeypatch.setattr(operationlog, "_SEGMENT_BYTES", 1000)
    catalog = Catalog(workspace)
    for n in range(8):
        catalog.transact(OpenModelVersion(model=ModelConfig(name=f"model {n}"), version=None, run_id="r"))
    catalog.close()
    first, second, *_ = sorted(workspace.operations.glob("*.log"))
    scramble(first, first.read_bytes().count(b"\n") - 1)

    (gap,) = gaps(workspace)

    assert gap.is_closing
    assert (gap.former, gap.later) == (int(second.stem) - 2, int(second.stem))
