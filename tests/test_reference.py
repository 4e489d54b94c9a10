"""The pages of the reference say what the code says."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import pytest

from nbpipe.commands.grammar import PLACES
from tests.reference import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_as_the_code_is(name: str) -> None:
    written = (DOCS / name).read_text(encoding="utf-8")

    assert written == PAGES[name](), "it is stale: python -m tests.reference"


def test_every_noun_and_every_public_name_has_its_place() -> None:
    commands = (DOCS / "commands.md").read_text(encoding="utf-8")
    reference = (DOCS / "reference.md").read_text(encoding="utf-8")

    assert all(f"\n## nbpipe {name}\n" in commands for name in PLACES)
    assert all(f"`nbpipe.{name}" in reference for name in ("step", "pipeline", "Schedule", "Model", "log_metadata"))


def test_nothing_in_the_reference_stands_without_words() -> None:
    reference = (DOCS / "reference.md").read_text(encoding="utf-8")

    assert re.findall(r"^#{3,4} .*\n\n(?=#|\Z)", reference, re.MULTILINE) == []


def test_the_pages_name_no_place_of_this_machine() -> None:
    places = [f"{place}/" for place in (Path.home(), DOCS.parent, tempfile.gettempdir(), sys.prefix)]
    for name in PAGES:
        page = (DOCS / name).read_text("utf-8")
        assert [place for place in places if place in page] == []
        assert re.search(r"0x[0-9a-f]{6}", page) is None
