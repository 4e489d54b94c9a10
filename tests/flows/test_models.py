"""Pipelines that work on models: versions, look-ups before the first step, templates."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe import Client, Model
from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from tests.flows.project import Project

TRAINING = """
@step
def train(rate: float = 0.1) -> Annotated[list, "trained_model"]:
    log_metadata({"accuracy": rate}, infer_model=True)
    return [rate] * 3

@pipeline(model=Model(name="iris", version=VERSION, tags=["sklearn"]))
def training(rate: float = 0.1):
    return train(rate)
"""

PREDICTING = """
@step
def predict(model: list, factor: int = 2) -> float:
    return sum(model) * factor

@step
def before() -> None:
    from pathlib import Path
    Path("ran").touch()

@pipeline(model=Model(name="iris", version=VERSION))
def predicting():
    before()
    return predict(get_pipeline_context().model.get_model_artifact(NAME))
"""


def with_version(text: str, version: Any, name: str = "trained_model") -> str:
    return text.replace("VERSION", repr(version)).replace("NAME", repr(name))


def numbers(project: Project) -> list[tuple[int, str]]:
    rows = project.client.query("select number, name from model_versions order by number")
    return list(zip(rows.number, rows.name, strict=True))


def test_every_run_without_a_version_makes_the_next_number(project: Project) -> None:
    flow = project.load(with_version(TRAINING, None))

    versions = [flow.training(rate=rate).model_version.number for rate in (0.1, 0.2, 0.1)]

    assert versions == [1, 2, 3]
    assert project.client.get_model_version("iris", 2).metadata == {"accuracy": 0.2}
    assert project.client.get_model_version("iris", 3).metadata == {"accuracy": 0.1}


def test_a_named_version_is_made_once_and_continued(project: Project) -> None:
    flow = project.load(with_version(TRAINING, "1.0"))

    first, second = flow.training(), flow.training(rate=0.5)

    assert first.model_version.id == second.model_version.id
    assert numbers(project) == [(1, "1.0")]


def test_a_template_names_the_version(project: Project) -> None:
    flow = project.load(with_version(TRAINING, "run-{run.id[:8]}-{params.rate}-{team}"))

    run = flow.training.with_options(substitutions={"team": "blue"})(rate=0.3)

    assert run.model_version.name == f"run-{run.id[:8]}-0.3-blue"


@pytest.mark.parametrize(
    ("version", "error"),
    [
        ("{run.secret}", BadValueError),
        ("{open('x')}", BadValueError),
        (7, NotFoundError),
        ("production", NotFoundError),
    ],
)
def test_a_version_that_cannot_be_had_is_refused_with_nothing_written(
    project: Project, version: Any, error: type
) -> None:
    project.load(with_version(TRAINING, None)).training()
    before = project.logs_bytes()

    with pytest.raises(error):
        project.load(with_version(TRAINING, version)).training()

    assert project.logs_bytes() == before


def test_an_artifact_of_the_model_in_production_is_found_before_anything_runs(project: Project) -> None:
    project.load(with_version(TRAINING, None)).training(rate=0.1)
    project.load(with_version(TRAINING, None)).training(rate=0.2)
    Model(name="iris", version="1").set_stage("production")

    flow = project.load(with_version(PREDICTING, "production"))
    run = flow.predicting()

    assert run.output == pytest.approx(0.6)
    assert run.model_version.number == 1
    used = project.client.artifacts.get("trained_model@1")
    assert run.graph.by_id["predict"].inputs["model"].id == used.id
    assert [use.node for use in used.lineage().used_by] == ["predict"]
    assert flow.predicting().steps["predict"].status.value == "reused"

    Model(name="iris", version="2").set_stage("production", force=True)
    assert flow.predicting().output == pytest.approx(1.2)


@pytest.mark.parametrize(
    ("version", "name"),
    [("production", "trained_model"), ("staging", "trained_model"), ("1", "trained_modl"), ("9", "trained_model")],
)
def test_an_artifact_of_a_model_that_is_not_there_is_refused_with_nothing_run_or_written(
    project: Project, version: str, name: str
) -> None:
    project.load(with_version(TRAINING, None)).training()
    before = project.logs_bytes()

    with pytest.raises(NotFoundError):
        project.load(with_version(PREDICTING, version, name)).predicting()

    assert project.logs_bytes() == before
    assert not (project.folder / "ran").exists()


def test_a_version_resolved_at_the_start_stays_for_the_whole_run(project: Project) -> None:
    project.load(with_version(TRAINING, None)).training(rate=0.1)
    project.load(with_version(TRAINING, None)).training(rate=0.2)
    Model(name="iris", version="1").set_stage("production")
    promoting = with_version(PREDICTING, "production").replace(
        'Path("ran").touch()', 'Model(name="iris", version="2").set_stage("production", force=True)'
    )

    run = project.load(promoting).predicting()

    assert run.output == pytest.approx(0.6)
    assert run.model_version.number == 1
    assert Client().get_model_version("iris", "production").number == 2


def test_promoting_what_is_not_there_makes_nothing(project: Project) -> None:
    with pytest.raises(NotFoundError):
        Model(name="iris", version="1").set_stage("production")
    project.load(with_version(TRAINING, None)).training()
    project.load(with_version(TRAINING, None)).training()
    Model(name="iris", version="1").set_stage("staging")

    with pytest.raises(ConflictError, match="force"):
        Model(name="iris", version="2").set_stage("staging")

    assert numbers(project) == [(1, "1"), (2, "2")]


def test_an_exclusive_tag_of_a_model_goes_to_the_version_of_the_last_run_that_succeeded(project: Project) -> None:
    text = with_version(TRAINING, None).replace('tags=["sklearn"]', 'tags=[Tag(name="best", exclusive=True)]')
    project.load(text).training()
    with pytest.raises(Exception, match="division"):
        project.load(text.replace("return [rate] * 3", "return 1 / 0")).training()

    holders = project.client.query("select number from tags join model_versions on id = entity_id where tag = 'best'")

    assert holders.number.tolist() == [1]
