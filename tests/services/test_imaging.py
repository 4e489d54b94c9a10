"""The makings of images, written into a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbpipe.commands.dispatch import answer
from nbpipe.errors import BadValueError
from nbpipe.services.imaging import write_image
from tests.flows.project import Project
from tests.services.building import ONE_STEP


def test_where_writing_fails_midway_there_is_no_dockerfile(project: Project, tmp_path: Path) -> None:
    snapshot = project.load(ONE_STEP).training.create_snapshot("nightly")
    (tmp_path / "out" / "snapshot.nbsnapshot").mkdir(parents=True)

    with pytest.raises(BadValueError, match="cannot be written"):
        write_image(snapshot, tmp_path / "out" / "Dockerfile", replace=True)

    assert not (tmp_path / "out" / "Dockerfile").exists()


@pytest.mark.parametrize("name", ["--help", "-n", "snapshot:x"])
def test_the_words_by_which_an_image_begins_run_the_snapshot_whatever_its_name(project: Project, name: str) -> None:
    project.load(ONE_STEP).training.create_snapshot(name)

    answer(f"snapshot run snapshot:{name} --set n=5")

    (run,) = project.client.runs.list()
    assert run.parameters == {"n": 5}
