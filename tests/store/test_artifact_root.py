"""Where values may lie: what a URL of an artifact root is, and how it is chosen."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from nbpipe.base.settings import artifact_root, identity, note_mark, set_artifacts, settings_of
from nbpipe.errors import BadValueError, WorkspaceError
from nbpipe.store.blobs import BlobStore
from nbpipe.store.placing import blobs_of
from nbpipe.store.root_url import checked_url
from nbpipe.store.store import Store


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket",
        "s3://bucket/a/b c/ü",
        "gs://bucket/x",
        "abfs://box@account.dfs.core.windows.net/x",
        "file:///srv/x",
    ],
)
def test_a_url_is_taken_as_it_is_but_for_its_last_slash(url):
    assert checked_url(f" {url}/ ") == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "bucket/prefix", "/srv/values", "s3:", "s3:/", "s3://", "://x", "S 3://x", "s3:bucket", "http://[x"),
        *("memory://x", "s3://b/*", "s3://b/[a]", "s3://b/a?b", "s3://b/a#b", "s3://b/\x00", "s3://b/\x1b[0m"),
        *("s3://" + "ü" * 5000, "<script>alert(1)</script>", "s3://b/a\nb"),
    ],
    ids=lambda url: repr(url[:30]),
)
def test_what_is_no_url_of_an_artifact_root_is_refused_in_a_line(url):
    with pytest.raises(BadValueError, match="Write s3://BUCKET/PREFIX") as told:
        checked_url(url)

    assert len(str(told.value)) < 300
    assert str(told.value).isprintable()


def test_a_password_in_a_url_is_refused_and_not_shown():
    with pytest.raises(BadValueError, match="may hold no password") as told:
        checked_url("s3://AKIAX:hush-hush@bucket/x")

    assert "hush" not in str(told.value)
    assert "AKIAX" not in str(told.value)


def test_values_lie_in_the_workspace_if_nothing_else_was_set(workspace):
    assert isinstance(blobs_of(workspace), BlobStore)
    assert not workspace.settings.exists()


def test_the_variable_wins_over_what_was_set(workspace, monkeypatch):
    set_artifacts(workspace, "s3://set/here")
    assert artifact_root(workspace) == "s3://set/here"

    monkeypatch.setenv("NBPIPE_ARTIFACTS", " s3://said/there/ ")
    assert artifact_root(workspace) == "s3://said/there"

    monkeypatch.setenv("NBPIPE_ARTIFACTS", " ")
    assert artifact_root(workspace) == "s3://set/here"


def test_a_variable_that_is_no_url_is_named(workspace, monkeypatch):
    monkeypatch.setenv("NBPIPE_ARTIFACTS", "bucket/prefix")

    with pytest.raises(BadValueError, match="NBPIPE_ARTIFACTS: 'bucket/prefix' is no URL"):
        Store(workspace)


def test_the_identity_of_a_workspace_is_made_once_and_kept_by_other_settings(workspace):
    made = identity(workspace)
    set_artifacts(workspace, "s3://a/b")
    note_mark(workspace, "s3://a/b")
    note_mark(workspace, "s3://a/b")

    found = settings_of(workspace)
    assert (found.id, found.artifacts, found.marked) == (made, "s3://a/b", ("s3://a/b",))
    assert identity(workspace) == made


def test_two_processes_that_ask_for_the_identity_at_once_are_given_the_same(workspace):
    script = (
        "from nbpipe.base.settings import identity; from nbpipe.base.workspace import find_workspace; "
        "print(identity(find_workspace()))"
    )
    asked = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)]

    assert {one.communicate()[0].strip() for one in asked} == {identity(workspace)}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"id": 5}', '{"artifacts": null}', '{"marked": 5}', '{"marked": [5]}']
)
def test_settings_that_somebody_broke_are_told_with_the_cure(workspace, text):
    workspace.settings.write_text(text)

    with pytest.raises(WorkspaceError, match="Mend the file, or delete it"):
        settings_of(workspace)


def test_what_a_newer_version_wrote_beside_ours_is_no_error(workspace):
    workspace.settings.write_text(json.dumps({"artifacts": "s3://a/b", "colour": "green"}))

    assert settings_of(workspace).artifacts == "s3://a/b"


def test_nothing_of_object_storage_is_loaded_unless_it_was_set(workspace):
    script = (
        "import sys; from nbpipe.base.workspace import find_workspace; from nbpipe.store.store import Store; "
        "store = Store(find_workspace()); store.blobs.write([b'x' * 5000]); "
        "print([name for name in sys.modules if 'fsspec' in name or 'remote' in name or 'artifact_root' in name])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
