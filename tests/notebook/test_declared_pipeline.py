"""What the first line of `%%params` says of the notebook's own pipeline."""

from __future__ import annotations

import pytest

from nbpipe.define.grammar import parse_params
from nbpipe.errors import BadValueError


def test_the_line_names_the_pipeline_its_tags_and_its_model() -> None:
    line = parse_params("--name penguins --model birds@run-{run.id[:8]} --tag v1 --tag latest:exclusive")

    assert line.name == "penguins"
    assert [(tag.name, tag.exclusive) for tag in line.tags] == [("v1", False), ("latest", True)]
    assert line.model is not None
    assert (line.model.name, line.model.version) == ("birds", "run-{run.id[:8]}")


def test_a_line_that_says_nothing_leaves_the_pipeline_bare() -> None:
    line = parse_params("")

    assert (line.name, line.tags, line.model) == ("", (), None)


@pytest.mark.parametrize("text", ["--name 'two words'", "--tag a:exclusiv", "--modle x", "--model @3"])
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        parse_params(text)
