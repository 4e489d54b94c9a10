"""Sources: what a user may write for a pipeline, and what is said if there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nbpipe.commands.calling import Call, calling
from nbpipe.commands.sources import find_pipeline, looks_like_source
from nbpipe.errors import (
    AmbiguousNameError,
    BadValueError,
    DefinitionError,
    EnvironmentMismatchError,
    SourceNotFoundError,
)

PIPELINE = """
from nbpipe import pipeline, step


@step
def one() -> int:
    return {value}


@pipeline
def {name}():
    return one()
"""


def found(source):
    with calling(Call()):
        return find_pipeline(source)


def refused(source, kind):
    with pytest.raises(kind) as caught:
        found(source)
    assert len(str(caught.value).splitlines()) <= 2
    return str(caught.value)


@pytest.mark.parametrize(
    "source", ["flow.py", "flow.py:training", "./flow.py:training", "flow:training", "flow.training"]
)
def test_a_pipeline_is_found_by_file_by_module_and_as_the_documents_write_it(project, source):
    assert found(source).name == "training"


def test_a_file_elsewhere_is_found_and_finds_what_lies_beside_it(project):
    folder = project / "deep er"
    folder.mkdir()
    (folder / "beside.py").write_text("RATE = 2\n")
    (folder / "far.py").write_text("from beside import RATE\n" + PIPELINE.format(name="distant", value="RATE"))

    assert found("deep er/far.py").name == "distant"


@pytest.mark.parametrize("name", ["my-flow.py", "random.py", "with space.py", "prüfung.py"])
def test_a_file_whose_name_is_taken_or_no_word_can_be_used(project, name):
    (project / name).write_text(PIPELINE.format(name="own", value=1))

    assert found(name).name == "own"
    assert "choice" in dir(sys.modules["random"]), "the module of that name is untouched"


def test_a_file_in_a_package_may_import_relatively(project):
    (project / "pack").mkdir()
    (project / "pack" / "__init__.py").write_text("")
    (project / "pack" / "beside.py").write_text("RATE = 2\n")
    (project / "pack" / "inner.py").write_text(
        "from .beside import RATE\n" + PIPELINE.format(name="inside", value="RATE")
    )

    assert found("pack/inner.py").name == "inside"


def test_a_changed_file_is_read_again(project):
    file = project / "moving.py"
    file.write_text(PIPELINE.format(name="before", value=1))
    former = found("moving.py").name
    file.write_text(PIPELINE.format(name="afterwards", value=22))

    assert (former, found("moving.py").name) == ("before", "afterwards")


def test_a_pipeline_goes_by_its_own_name_too(project):
    text = PIPELINE.format(name="attribute", value=1).replace("@pipeline", "@pipeline(name='said')")
    (project / "named.py").write_text(text)

    assert found("named.py:said") is found("named.py:attribute")


def test_of_a_file_that_imports_pipelines_its_own_is_meant(project):
    (project / "more.py").write_text("from flow import training\n" + PIPELINE.format(name="own", value=1))

    assert found("more.py").name == "own"


def test_a_file_with_several_pipelines_is_answered_with_their_names(project):
    said = refused("trouble.py", AmbiguousNameError)

    assert "trouble.py:bad, trouble.py:lost" in said


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("flow.py:trainin", "Did you mean 'flow.py:training'?"),
        ("flwo.py", "Did you mean 'flow.py'?"),
        ("flow:trainin", "Did you mean 'flow:training'?"),
        ("nothere:training", "no module 'nothere'"),
        ("no/such/folder/flow.py", "There is no file"),
        ("<script>.py", "There is no file"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(project, source, hint):
    assert hint in refused(source, SourceNotFoundError)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def broken(:\n", "line 1"),
        ("\nraise RuntimeError('at\\nimport')\n", "RuntimeError: at import (broken.py, line 2)"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3 (broken.py, line 2)"),
    ],
)
def test_what_an_import_raises_is_told_with_its_line(project, text, said):
    (project / "broken.py").write_text(text)

    assert said in refused("broken.py", DefinitionError)


def test_a_missing_package_is_the_environments_affair(project):
    (project / "needy.py").write_text("import surely_not_installed\n")

    assert "'surely_not_installed', which is not installed" in refused("needy.py", EnvironmentMismatchError)


def test_a_step_is_no_pipeline(project):
    assert "flow.py:training" in refused("flow.py:load", BadValueError)


def test_a_file_without_a_pipeline_says_how_to_make_one(project):
    (project / "empty.py").write_text("x = 1\n")

    assert "put @pipeline above" in refused("empty.py", SourceNotFoundError)


def test_nothing_is_refused_in_a_terminal(project):
    assert "Say which pipeline" in refused(None, BadValueError)


def test_a_notebooks_pipeline_goes_before_everything_and_nothing_means_its_own(project, notebook):
    training, other = found("flow.py"), found("trouble.py:bad")

    with calling(Call(notebook({"training": training, "other": other}, own=other))):
        assert find_pipeline("training") is training
        assert find_pipeline(None) is other
    with calling(Call(notebook({"training": training}))):
        assert find_pipeline(None) is training


def test_a_notebook_with_several_pipelines_and_none_of_its_own_names_them(project, notebook):
    several = notebook({"training": found("flow.py"), "other": found("trouble.py:bad")})

    with calling(Call(several)), pytest.raises(BadValueError, match="training, other"):
        find_pipeline(None)


@pytest.mark.parametrize(
    ("text", "is_source"),
    [
        ("flow.py", True),
        ("../flow.py:training", True),
        ("flow:training", True),
        ("pack.flow:training", True),
        ("nightly", False),
        ("training/nightly", False),
        ("snapshot:nightly", False),
        ("a name: with more", False),
        ("v1.2", False),
        ("", False),
    ],
)
def test_a_source_is_told_from_a_snapshots_name(text, is_source):
    assert looks_like_source(text) is is_source


def test_looking_at_a_module_asks_nothing_of_what_it_holds(project: Path):
    (project / "prickly.py").write_text(
        "class Prickly:\n    def __getattr__(self, name):\n        raise RuntimeError(name)\nthing = Prickly()\n"
        + PIPELINE.format(name="own", value=1)
    )

    assert found("prickly.py").name == "own"
