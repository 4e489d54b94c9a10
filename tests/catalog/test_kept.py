"""What earlier versions of nbpipe wrote is read, and read alike."""

from __future__ import annotations

import json
import os
import shutil
import tarfile

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import generations
from nbpipe.catalog.catalog import Catalog
from tests.catalog.histories import small_run
from tests.catalog.keeping import FOLDER, SAID, known_columns, said_by, write_history

VERSIONS = sorted(path.name.removesuffix(".tar.gz") for path in FOLDER.glob("*.tar.gz"))


def test_a_workspace_of_some_version_is_kept():
    assert VERSIONS


@pytest.fixture(params=VERSIONS)
def kept(request, tmp_path):
    """A workspace as that version left it, and what its views said."""
    with tarfile.open(FOLDER / f"{request.param}.tar.gz") as file:
        file.extractall(tmp_path, filter="data")
    paths = WorkspacePaths(tmp_path / ".nbpipe")
    # An archive file keeps the time of a file only roughly.
    for name, stamp in json.loads((paths.catalog / "stamps.json").read_text()).items():
        if (paths.catalog / name).exists():
            os.utime(paths.catalog / name, ns=(stamp["mtime_ns"], stamp["mtime_ns"]))
    return paths, json.loads((tmp_path / SAID).read_text(encoding="utf-8"))


def rows_of(paths: WorkspacePaths, said: dict) -> dict:
    catalog = Catalog(paths)
    try:
        return said_by(catalog, said["columns"])
    finally:
        catalog.close()


def test_it_is_read_as_it_stands(kept):
    paths, said = kept
    before = generations.published(paths.catalog)

    assert rows_of(paths, said) == said["rows"]
    assert generations.published(paths.catalog) == before


def test_it_is_read_from_its_logs_and_its_archive_alone(kept):
    paths, said = kept
    assert list(paths.archive.iterdir())
    assert len(list(paths.operations.glob("*.log"))) > 0
    shutil.rmtree(paths.catalog)

    assert rows_of(paths, said) == said["rows"]


@pytest.mark.parametrize("has_states", [True, False], ids=["its kept states", "its operations"])
def test_its_rules_go_on_from(kept, has_states):
    paths, said = kept
    if not has_states:
        for state in paths.operations.glob("op-*.state"):
            state.unlink()
    catalog = Catalog(paths)

    state = catalog.state().to_json()
    small_run(catalog)
    catalog.publish()

    assert {part: state[part] for part in said["state"]} == said["state"]
    assert [finding for finding in catalog.check() if not finding.is_note] == []
    catalog.close()


def test_a_published_file_of_an_older_form_is_made_anew(kept, monkeypatch):
    paths, said = kept
    stamps = paths.catalog / "stamps.json"
    read = json.loads(stamps.read_text())
    stamps.write_text(json.dumps({name: {**stamp, "schema": 0} for name, stamp in read.items()}))
    before = max(generations.published(paths.catalog))

    assert rows_of(paths, said) == said["rows"]
    assert max(generations.published(paths.catalog)) == before + 1


def test_what_is_kept_of_this_version_holds_something_in_every_view(tmp_path):
    paths = WorkspacePaths(tmp_path / ".nbpipe")
    write_history(paths)
    catalog = Catalog(paths)

    said = said_by(catalog, known_columns())
    catalog.close()

    assert [view for view, rows in said.items() if not rows] == []
