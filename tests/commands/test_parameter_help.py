"""What `--help` says of the pipeline that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbpipe.commands.calling import Call, calling
from nbpipe.commands.grammar import ask

FLOW = """
from typing import Annotated
from pydantic import Field, SecretStr
from nbpipe import pipeline, step

@step
def train(rate: float, depth: Annotated[int, Field(ge=1, le=9, description="of a tree")] = 3) -> float:
    return rate * depth

@pipeline
def training(
    rows: int, rate: float = Field(0.1, gt=0, lt=1, description="how fast"), token: SecretStr = SecretStr("hush")
):
    return train(rate)
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / ".nbpipe"))
    path = tmp_path / "helped_flow.py"
    path.write_text(FLOW, encoding="utf-8")
    return f"{path}:training"


def told(*words: str) -> str:
    with calling(Call()):
        return ask(words).text  # type: ignore[union-attr]


def test_help_tells_each_parameter_with_type_limits_value_and_meaning(flow: str) -> None:
    said = told("run", flow, "--help")

    lines = [line.split() for line in said.partition("Parameters of training:")[2].splitlines()]
    assert ["rows", "int", "(required)"] in lines
    assert ["rate", "float", "(>", "0,", "<", "1)", "0.1", "how", "fast"] in lines
    assert ["train.rate", "float", "as", "rate"] in lines
    assert ["train.depth", "int", "(≥", "1,", "≤", "9)", "3", "of", "a", "tree"] in lines
    assert "hush" not in said


def test_help_of_a_snapshot_comes_from_its_own_model(flow: str) -> None:
    told("snapshot", "create", flow, "--name", "nightly", "--set", "rows=3", "--set", "rate=0.2")

    said = told("snapshot", "run", "--set", "rate=0.3", "nightly", "--help")

    assert "nbpipe snapshot run" in said
    assert [line.split()[-3:] for line in said.splitlines() if line.startswith("rate")] == [["0.2", "how", "fast"]]


def test_help_never_fails(flow: str) -> None:
    assert "No snapshot is named 'nightlyy'" in told("snapshot", "run", "nightlyy", "--help")
    assert "Parameters of" not in told("run", "--help")
