"""`nbpipe snapshot`, and the documents' `pipeline snapshot`."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nbpipe.commands.dispatch import answer
from nbpipe.commands.sources import load_source
from nbpipe.errors import BadValueError, ConflictError, NotFoundError


def test_a_snapshot_is_created_listed_shown_renamed_and_deleted(ask):
    made = ask("snapshot create flow.py --name nightly --set rate=0.3 --description why --tag x")
    listed = ask("snapshot list")
    shown = ask("snapshot show nightly")
    renamed = ask("snapshot rename nightly weekly")
    deleted = ask("snapshot delete weekly")

    assert made.rows["configuration"]["parameters"] == {"n": 5, "rate": 0.3}
    assert [row["name"] for row in listed.rows] == ["nightly"]
    assert shown.rows["tags"] == made.rows["tags"] == ["x"]
    assert "0.3" in shown.text
    assert renamed.text == "Snapshot nightly of training is now named weekly."
    assert deleted.text == "Snapshot weekly of training is deleted."
    assert ask("snapshot list").rows == []


def test_the_documents_spelling_is_the_same_command(ask):
    ask("pipeline snapshot create flow.training --name=nightly")

    ran = ask("pipeline snapshot run nightly").record
    ask("pipeline snapshot delete nightly")

    assert ran.pipeline == "training"
    assert ask("pipeline snapshot list").rows == []


def test_a_snapshot_runs_after_its_file_is_gone(ask, project):
    ask("snapshot create flow.py --name nightly")
    (project / "flow.py").unlink()

    assert ask("snapshot run nightly --set rate=2.0").rows["metrics"] == {"total": 20.0}


PLAIN = """
from nbpipe import pipeline, step


@step
def double(n: int) -> int:
    return n * 2


@pipeline
def plain(n: int = 1):
    return double(n)
"""


def test_the_code_is_a_module_that_runs_by_itself(ask, project):
    (project / "plain.py").write_text(PLAIN)
    ask("snapshot create plain.py --name nightly --set n=3")
    (project / "written.py").write_text(ask("snapshot show nightly --code").text)

    said = subprocess.run([sys.executable, "written.py"], capture_output=True, text=True, timeout=60, check=True).stdout

    assert said == "6\n"


def test_a_taken_name_is_a_conflict_unless_it_is_to_be_replaced(ask):
    first = ask("snapshot create flow.py --name nightly").record

    with pytest.raises(ConflictError):
        ask("snapshot create flow.py --name nightly --set n=2")
    second = ask("snapshot create flow.py --name nightly --set n=2 --replace").record

    assert first.id != second.id


@pytest.mark.parametrize("verb", ["show", "run", "rename", "delete"])
def test_an_unknown_snapshot_is_answered_with_the_nearest(ask, verb):
    ask("snapshot create flow.py --name nightly")

    with pytest.raises(NotFoundError, match="Did you mean 'nightly'"):
        ask(f"snapshot {verb} nightlly{' other' if verb == 'rename' else ''}")


def test_a_form_is_for_notebooks_and_elsewhere_points_to_the_command(ask, notebook):
    made = ask("snapshot create flow.py --name nightly").record

    with pytest.raises(BadValueError, match="nbpipe snapshot run nightly --set"):
        ask("snapshot form nightly")
    shown = answer("snapshot form nightly", notebook({}))

    assert (shown.widget, shown.record.id) == ("ParameterForm", made.id)


def test_in_a_notebook_its_own_pipeline_is_frozen(project, notebook):
    training = load_source("flow.py")

    made = answer("snapshot create --name nightly", notebook({"training": training}, own=training))

    assert made.rows["pipeline"] == "training"


def test_a_snapshot_is_made_of_a_run(ask):
    run = ask("run flow.py:training --set n=4").record
    made = ask(f"snapshot create --run {run.name} --name again")

    assert made.rows["run_id"] == run.id
    assert made.rows["configuration"]["parameters"]["n"] == 4
    with pytest.raises(BadValueError, match="not both"):
        ask(f"snapshot create flow.py --run {run.id} --name other")


def test_a_snapshot_is_exported_imported_described_compared_and_pruned(ask, project):
    ask("snapshot create flow.py --name nightly")
    exported = ask("snapshot export nightly")
    taken = ask("snapshot import nightly.nbsnapshot --name taken")
    described = ask("snapshot describe taken 'from elsewhere'")
    ask("snapshot create flow.py --name weekly --set rate=0.75")
    differs = ask("snapshot diff nightly weekly")
    ask("snapshot create flow.py --name weekly --replace")

    assert exported.text.startswith("Snapshot nightly of training is in nightly.nbsnapshot, digest ")
    assert (project / "nightly.nbsnapshot").is_file()
    assert taken.rows["digest"] == exported.rows["digest"]
    assert described.text == "Snapshot taken of training: from elsewhere"
    assert {one["name"]: one["after"] for one in differs.rows["parameters"]}["rate"] == 0.75
    assert "0.75" in differs.text
    assert ask("snapshot prune --dry-run").text == "1 unnamed snapshot would be deleted."
    assert ask("snapshot prune").text == "1 unnamed snapshot deleted; all runs stay."
    assert ask("snapshot prune").rows == []
