"""A pipeline that is bound to a stage is served: a promotion is seen by the next answer, a model is loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nbpipe.errors import NotFoundError
from tests.serving import Serving, invoke, served_folder

# In a module of its own, so that it is one class wherever it is loaded; each loading leaves a mark.
FACTOR = """
from pathlib import Path

class Factor:
    def __init__(self, by):
        self.by = by

    def __setstate__(self, state):
        with (Path(__file__).parent / "loads.txt").open("a") as file:
            file.write(f"{state['by']}\\n")
        self.__dict__.update(state)
"""
FLOW = """
from factor import Factor

@step
def train(by: int) -> Annotated[Factor, "factor"]:
    return Factor(by)

@pipeline(model=Model(name="scaling"))
def training(by: int):
    return train(by)

@step
def scale(factor: Factor, x: int) -> Annotated[int, "scaled"]:
    return factor.by * x

@pipeline(model=Model(name="scaling", version=ModelStages.PRODUCTION))
def scaling(x: int = 1):
    return scale(get_pipeline_context().model.get_model_artifact("factor"), x)
"""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with served_folder(tmp_path) as serving:
        serving.project.write("factor.py", FACTOR)
        yield serving


def promote(serving: Serving, number: int) -> None:
    serving.client.get_model_version("scaling", number).set_stage("production", force=True)


def loads(serving: Serving) -> list[str]:
    """Give what was loaded since this was asked last."""
    marks = serving.project.folder / "loads.txt"
    found = marks.read_text().split() if marks.exists() else []
    marks.unlink(missing_ok=True)
    return found


def prepared(serving: Serving) -> Any:
    flow = serving.project.load(FLOW)
    for by in (2, 3):
        flow.training(by=by)
    promote(serving, 1)
    loads(serving)
    return flow


@pytest.mark.filterwarnings("ignore:.*pickle")
def test_the_next_answer_after_a_promotion_comes_from_the_new_version_and_each_is_loaded_once(
    serving: Serving,
) -> None:
    deployment = prepared(serving).scaling.deploy()
    first = [deployment.invoke(x=x).output for x in range(5)]
    pid = deployment.pid

    promote(serving, 2)
    second = [deployment.invoke(x=x).output for x in range(5)]
    promote(serving, 1)
    third = [deployment.invoke(x=x).output for x in range(5)]

    assert first == third == [0, 2, 4, 6, 8]
    assert second == [0, 3, 6, 9, 12]
    assert deployment.pid == pid, "nothing was started anew"
    assert sorted(loads(serving)) == ["2", "3"]
    versions = serving.client.query(
        "SELECT v.number FROM runs r JOIN model_versions v ON v.id = r.model_version_id "
        "WHERE r.pipeline = 'scaling' ORDER BY r.started"
    )
    assert list(versions.number) == [1] * 5 + [2] * 5 + [1] * 5


@pytest.mark.filterwarnings("ignore:.*pickle")
def test_a_stage_that_nobody_holds_is_told_when_it_is_deployed_and_when_it_is_invoked(serving: Serving) -> None:
    flow = prepared(serving)
    version = serving.client.get_model_version("scaling", 1)
    deployment = flow.scaling.deploy()
    version.set_stage("archived")

    said = invoke(deployment.url)
    with pytest.raises(NotFoundError, match="production"):
        flow.scaling.deploy("another")

    assert said.status == 500
    assert "production" in said.json["error"]["message"]
    promote(serving, 2)
    assert deployment.invoke(x=2).output == 6
