"""A secret's bytes are nowhere in the workspace, whichever way it came; what looks like one is told."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path

import nbformat
import pytest
from pydantic import SecretStr

from nbpipe.commands.dispatch import answer
from nbpipe.errors import ParameterError, SecretWarning
from tests.commands.conftest import project  # noqa: F401 — the fixture

CANARY = "canary-bird-7"
FLOW = """
from pydantic import BaseModel, SecretStr
from nbpipe import pipeline, step

class Db(BaseModel):
    host: str = "h"
    password: SecretStr | None = None

@step
def use(token: SecretStr, db: Db, extra: SecretStr | None = None) -> int:
    said = [token, db.password, extra]
    return sum(len(one.get_secret_value()) for one in said if one is not None)

@pipeline
def hidden(token: SecretStr, db: Db = Db()):
    return use(token, db)
"""


@pytest.fixture
def flow(project: Path, request: pytest.FixtureRequest):  # noqa: F811
    """Give the folder with a pipeline that takes secrets."""
    (project / "hidden.py").write_text(FLOW, encoding="utf-8")
    return project


def places_of(secret: str, folder: Path) -> list[str]:
    """Name the files under a folder that hold a text."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files, "there is something to look through"
    return [str(path.relative_to(folder)) for path in files if secret.encode() in path.read_bytes()]


def test_a_secret_given_to_runs_and_snapshots_is_written_nowhere(flow: Path, workspace) -> None:
    nested = f"""--set 'db={{"password": "{CANARY}"}}'"""
    answer(f"run hidden.py --set token={CANARY} {nested} --set use.extra={CANARY}")
    made = answer(f"snapshot create hidden.py --name s --set token={CANARY} {nested} --set use.extra={CANARY}").record
    run = answer(f"snapshot run s --set token={CANARY} {nested} --set use.extra={CANARY}").record
    apart = made.run({"steps": {"use": {"parameters": {"extra": SecretStr(CANARY)}}}}, token=SecretStr(CANARY))

    assert run.steps["use"].outputs["output"].load() == 3 * len(CANARY)
    assert apart.steps["use"].outputs["output"].load() == 2 * len(CANARY), "the other process was given it in clear"
    assert CANARY not in str((run.differences, apart.differences, made.config_template, made.code))
    assert places_of(CANARY, workspace.root) == []


def test_a_secret_is_not_kept_with_a_snapshot_and_has_to_be_given_again(flow: Path) -> None:
    made = answer(f"snapshot create hidden.py --name s --set token={CANARY}").record

    assert [field.required for field in made.content.parameters] == [True, False]
    with pytest.raises(ParameterError, match="token"):
        answer("snapshot run s")


SUSPECT = """
from nbpipe import pipeline, step

KEY = "AKIA" "IOSFODNN7EXAMPLE"

@step
def fetch(url: str, api_key: str) -> str:
    password = "hunter2-canary"
    fine = "AKIA" "IOSFODNN7EXAMPLF"  # nbpipe: not a secret
    return KEY[:0] + url

@pipeline
def suspect(api_key: str, url: str = "https://example.com"):
    return fetch(url, api_key)
"""


@pytest.fixture
def suspect(project: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    """Give the folder with a pipeline in which secrets stand."""
    (project / "suspect.py").write_text(SUSPECT, encoding="utf-8")
    monkeypatch.syspath_prepend(str(project))
    return project


def test_what_looks_like_a_secret_is_told_with_its_place_and_never_shown(suspect: Path) -> None:
    said = answer("snapshot create suspect.py --name s --set api_key=canary-a1b2c3d4")

    told = [(one["where"], one["name"]) for one in said.rows["warnings"]]
    assert told == [
        ("step fetch, line 3", "password"),
        ("suspect.py, line 4", "KEY"),
        ("parameter api_key", "api_key"),
    ]
    for text in (said.bundle.text, said.bundle.html):
        assert "an AWS access key" in text
        assert "canary" not in text
    assert "warnings" in answer("snapshot show s").text


def test_python_warns_when_a_snapshot_is_made_and_makes_it(suspect: Path) -> None:
    training = importlib.import_module("suspect").suspect

    with pytest.warns(SecretWarning) as caught:
        made = training.create_snapshot(name="s", parameters={"api_key": "canary-a1b2c3d4"})

    assert made.name == "s"
    assert [str(one.message) for one in caught if "canary" in str(one.message)] == []
    assert "step fetch, line 3: 'password' looks like a password or a key" in str(caught[0].message)
    assert Path(caught[0].filename).name == "test_secrets.py"


def test_a_pipeline_without_secrets_is_frozen_without_a_word(suspect: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = answer("snapshot create flow.py --name s")

    assert said.rows["warnings"] == []
    assert "warnings" not in said.text.replace('"warnings": []', "")


NOTEBOOK = (
    "%load_ext nbpipe",
    '%%params --name cells\ntoken: SecretStr = SecretStr("default")',
    "%%step use\nsize = len(token.get_secret_value())",
)
UNTYPED = """
from pydantic import SecretStr
from nbpipe import pipeline, step

@step
def use(token, keys: set[SecretStr] = set()) -> int:
    said = [token, *keys]
    return sum(len(one.get_secret_value()) for one in said)

@pipeline
def untyped(token: SecretStr = SecretStr("default"), keys: set[SecretStr] = set()):
    return use(token, keys)
"""


def test_a_secret_that_takes_the_place_of_one_is_one_in_cells_and_where_no_type_says_so(flow: Path, workspace) -> None:
    cells = [nbformat.v4.new_code_cell(text) for text in NOTEBOOK]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), flow / "analysis.ipynb")
    (flow / "untyped.py").write_text(UNTYPED, encoding="utf-8")
    for source, name in (("analysis.ipynb", "cells"), ("untyped.py", "untyped")):
        made = answer(f"snapshot create {source} --name {name}").record
        run = answer(f"snapshot run {name} --set use.token={CANARY}").record

        assert run.differences == {"use.token": "**********"}
        assert run.steps["use"].outputs["size" if name == "cells" else "output"].load() == len(CANARY)
        assert "**********" not in made.code
    keys = answer("snapshot show untyped").record.run(keys={SecretStr(CANARY)})

    assert keys.steps["use"].outputs["output"].load() == len("default") + len(CANARY)
    assert places_of(CANARY, workspace.root) == []
