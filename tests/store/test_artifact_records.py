"""Artifact versions as records (`records.artifacts`)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from nbpipe.errors import BadValueError
from nbpipe.records.artifacts import ArtifactVersion, NotCarried, type_name_of
from tests.store.values import Point

VERSION = ArtifactVersion(
    id="0b1c", name="raw", output="raw", digest="d", type_name="int", materializer="json@1", size_bytes=1,
    inline={"json": 1}, blob="", member=None, pickled=False, preview={"kind": "text", "text": "1"},
    made_by="s", tags=("a",),
)  # fmt: skip


@pytest.mark.parametrize(
    "version", [VERSION, replace(VERSION, number=3), replace(VERSION, inline=None, blob="ab", member=0)]
)
def test_a_version_goes_into_a_record_and_comes_back(version):
    record = json.loads(json.dumps(version.as_record()))

    assert ArtifactVersion.from_record(record) == version
    assert ArtifactVersion.from_record(record | {"from a later version": 1}) == version


@pytest.mark.parametrize("record", [{}, {"id": "x"}, None, [], VERSION.as_record() | {"tags": None}])
def test_what_is_no_record_is_refused(record):
    with pytest.raises(BadValueError, match="no artifact record"):
        ArtifactVersion.from_record(record)


def test_types_are_said_as_a_reader_knows_them():
    assert type_name_of(int) == "int"
    assert type_name_of(Point) == "tests.store.values.Point"
    assert NotCarried("a", "generator", "why").as_record() == {"name": "a", "type_name": "generator", "why": "why"}
