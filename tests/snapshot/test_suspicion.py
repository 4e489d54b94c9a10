"""Everything that a snapshot carries is looked through: steps, what they lean on, modules, values."""

from __future__ import annotations

import nbformat
import pytest
from nbformat import v4

from nbpipe.define.notebooks import read_pipelines
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.snapshots import Environment
from nbpipe.snapshot.freeze import freeze
from nbpipe.snapshot.suspicion import Suspicion, suspicions

HERE = Environment(python="3.11.7", implementation="cpython", platform="linux-x86_64")
AWS = "AKIA" + "IOSFODNN7EXAMPLE"


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Give the asker of what is told of a notebook made of these cells."""

    def told(*cells, **values):
        made = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
        nbformat.write(made, tmp_path / "book.ipynb")
        definition = read_pipelines(tmp_path / "book.ipynb").own
        return suspicions(freeze(definition, PipelineRunConfiguration(parameters=values), HERE))

    monkeypatch.syspath_prepend(str(tmp_path))
    return told


def test_a_steps_own_text_is_looked_through_by_the_lines_of_its_cell(told):
    assert told(f"%%step load\nrows = []\nkey = '{AWS}'") == (
        Suspicion("step load, line 3", "key", "an AWS access key"),
    )


def test_what_a_step_leans_on_is_told_by_its_own_cell(told):
    assert told(f"import os\nKEY = '{AWS}'", "%%step load\nrows = [KEY]") == (
        Suspicion("cell 1, line 2", "KEY", "an AWS access key"),
    )


def test_a_cell_that_no_step_needs_is_not_carried_and_not_told(told):
    assert told(f"KEY = '{AWS}'", "%%step load\nrows = []") == ()


def test_a_local_module_is_looked_through(told, tmp_path):
    (tmp_path / "beside_suspicion.py").write_text(f"x = 1\nKEY = '{AWS}'\n")

    assert told("%%step load\nimport beside_suspicion\nrows = [beside_suspicion.x]") == (
        Suspicion("module beside_suspicion, line 2", "KEY", "an AWS access key"),
    )


def test_a_remark_behind_a_constant_is_carried_and_believed(told):
    assert told(f"KEY = '{AWS}'  # an example; nbpipe: not a secret", "%%step load\nrows = [KEY]") == ()


def test_values_of_parameters_are_looked_at_once_and_by_their_names(told):
    cells = ("%%params\ntoken: str = ''\nconf: dict = {}", "%%step load\nrows = [token, conf]")

    assert told(*cells) == ()
    assert told(*cells, token="abc12345", conf={"db": {"password": "hunter2"}}) == (
        Suspicion("parameter token", "token", "a password or a key", is_value=True),
        Suspicion("parameter conf", "conf", "a password or a key", is_value=True),
    )


def test_a_parameter_may_be_declared_as_fine(told):
    cells = ("%%params\ntoken: str = ''  # nbpipe: not a secret", "%%step load\nrows = [token]")

    assert told(*cells, token="abc12345") == ()


def test_a_secret_that_hides_itself_is_not_suspect(told):
    cells = ("%%params\ntoken: SecretStr = None", "%%step load\nrows = [token]")

    assert told(cells[0].replace(" = None", ""), cells[1], token="abc12345") == ()


def test_a_suspicion_reads_as_a_sentence_without_the_value():
    assert str(Suspicion("cell 1, line 2", "KEY", "an AWS access key")) == (
        "cell 1, line 2: 'KEY' looks like an AWS access key"
    )
    assert str(Suspicion("cell 1, line 2", "", "a Slack token")) == (
        "cell 1, line 2: a constant looks like a Slack token"
    )
