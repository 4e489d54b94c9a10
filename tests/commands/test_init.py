"""Where values are to lie, said on a command line: set, told, swept, and refused."""

from __future__ import annotations

import json
import sys

import pytest

from nbpipe.errors import BadValueError, NotUploadedError
from nbpipe.services import upkeep
from tests.object_storage import BUCKET

extras = pytest.mark.extras


def test_a_workspace_is_made_or_is_there_and_says_where_its_values_lie(project, monkeypatch, ask):
    monkeypatch.setenv("NBPIPE_HOME", str(project / "new" / ".nbpipe"))

    assert ask("init").text == f"The workspace {project}/new/.nbpipe was made.\nIts values lie in it."
    assert ask("init").text == f"The workspace {project}/new/.nbpipe is there.\nIts values lie in it."
    assert json.loads(ask("init --json").text) == {
        "workspace": f"{project}/new/.nbpipe",
        "is_new": False,
        "url": "",
    }


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("bucket/prefix", "'bucket/prefix' is no URL of an artifact root. Write s3://BUCKET/PREFIX."),
        ("s3://key:hush@bucket", "The URL of an artifact root may hold no password."),
    ],
)
def test_what_is_no_artifact_root_is_refused_and_nothing_is_written(project, monkeypatch, ask, url, said):
    monkeypatch.setenv("NBPIPE_HOME", str(project / "new" / ".nbpipe"))

    with pytest.raises(BadValueError) as told:
        ask(f"init --artifacts {url}")

    assert str(told.value).startswith(said)
    assert not (project / "new").exists()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_a_library_that_is_not_installed_is_named_with_the_command_that_installs_it(
    ask, workspace, monkeypatch, scheme
):
    monkeypatch.setitem(sys.modules, "fsspec", None)

    with pytest.raises(NotUploadedError, match="pip install") as told:
        ask(f"init --artifacts {scheme}://bucket/x")

    assert ("'nbpipe[s3]'" in str(told.value)) == (scheme == "s3")
    assert len(str(told.value).splitlines()) == 2
    assert "fsspec" in str(told.value)


def test_a_cache_is_dropped_only_where_there_is_one(ask):
    ask("run flow.py --set n=3000")

    with pytest.raises(BadValueError, match=r"(?s)no copies to drop.*nbpipe init --artifacts"):
        ask("catalog gc --cache")


@extras
def test_values_are_brought_there_swept_there_and_brought_back(ask, s3_root, workspace, monkeypatch):
    ask("run flow.py --set n=3000")
    root = s3_root.replace(" ", "\\ ")

    came = ask(f"init --artifacts {root}")
    assert f"Its values lie in {s3_root}: 3 were uploaded (" in came.text
    assert came.rows["uploaded"] == 3
    assert ask("init").text.endswith(f"Its values lie in {s3_root}: 3 were there already.")
    assert ask("catalog check").text == "The catalog is sound."
    assert f"artifact root: {s3_root} answers" in ask("doctor").text

    swept = ask("catalog gc --cache")
    assert f"{s3_root}: 0 blobs were removed, 0 bytes; 3 blobs stay, " in swept.text
    assert "3 copies here were removed" in swept.text
    assert swept.rows["remote"]["copies"] == 3
    assert not [path for path in workspace.blobs.rglob("*") if path.is_file()]
    assert "reused" in ask("run flow.py --set n=3000").text

    monkeypatch.setattr(upkeep, "_YOUNG_S", -3600)
    assert json.loads(ask("catalog gc --dry-run --json").text)["remote"]["blobs"] == 0
    back = ask("init --artifacts local")
    assert back.text.endswith("were fetched from where they lay.")
    assert "Its values lie in it." in ask("init").text
    assert ask("catalog check --deep").text == "The catalog is sound."


@extras
def test_a_root_that_does_not_answer_is_told_by_the_doctor_and_the_logs_are_looked_over(
    ask, s3_root, workspace, monkeypatch
):
    ask("run flow.py")
    ask(f"init --artifacts s3://{BUCKET}/x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    workspace_now = ask("doctor")

    assert workspace_now.exit_code == 0, "the connection that is open still works"
    from nbpipe.services.workspace import open_workspace

    open_workspace(workspace).close()
    came = ask("doctor")

    assert came.exit_code == 5
    assert "✗ artifact root: The artifact root s3://nbpipe-tests/x cannot be used" in came.text
    assert "http://127.0.0.1:9" in came.text
    assert "✓ catalog: is sound" in came.text


@extras
def test_another_workspace_that_has_values_there_is_told(ask, s3_root, project, workspace, monkeypatch):
    root = s3_root.replace(" ", "\\ ")
    ask(f"init --artifacts {root}")
    monkeypatch.setenv("NBPIPE_HOME", str(project / "other" / ".nbpipe"))
    ask(f"init --artifacts {root}")

    assert "other workspaces have values there" in ask("catalog gc").text
    told = ask("doctor").text
    assert "other workspaces have values there: " in told
    assert str(workspace.root) in told
