"""The documented ways of tagging and of working with models, as somebody who knows them would write them.

Each block stands as in the documents nbpipe starts from, with the imports changed, placeholders filled
and missing steps supplied. It is written to a file, imported, and does what the document says.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest

from nbpipe import Client, Model, ModelStages, remove_tags

Write = Callable[[str], ModuleType]


@pytest.fixture
def write(tmp_path: Path, workspace: object, request: pytest.FixtureRequest) -> Write:
    """Give a function that writes a block to a file and imports it."""
    made: list[str] = []

    def module(text: str) -> ModuleType:
        name = f"documented_{abs(hash(request.node.nodeid))}_{len(made)}"
        path = tmp_path / f"{name}.py"
        path.write_text(dedent(text), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[name] = loaded
        made.append(name)
        spec.loader.exec_module(loaded)
        return loaded

    yield module  # type: ignore[misc]
    for name in made:
        sys.modules.pop(name, None)


def test_tags_of_a_pipeline_are_on_its_runs_and_an_exclusive_one_only_on_the_last(write: Write) -> None:
    block = write("""
        from nbpipe import pipeline, Tag

        # Simple tags on the pipeline run
        @pipeline(tags=["training", "v1", "team-ml"])
        def training_pipeline() -> None:
            ...

        simple = training_pipeline

        @pipeline(tags=["training", Tag(name="latest-training", exclusive=True)])
        def training_pipeline() -> None:
            ...
    """)

    simple = block.simple()
    first = block.training_pipeline()
    second = block.training_pipeline()

    assert simple.tags == ["team-ml", "training", "v1"]
    assert (first.tags, second.tags) == (["training"], ["latest-training", "training"])


def test_tags_of_an_output_are_on_each_version_and_a_step_can_add_its_own(write: Write) -> None:
    block = write("""
        from typing import Annotated
        from nbpipe import pipeline, step, ArtifactConfig, add_tags
        import pandas as pd

        # Via ArtifactConfig on step output
        @step
        def load_data() -> Annotated[pd.DataFrame, ArtifactConfig(name="raw_data", tags=["dataset", "v1"])]:
            return pd.DataFrame({"x": [1, 2]})

        # Dynamically inside a step
        @step
        def train_model(data: pd.DataFrame) -> dict:
            add_tags(tags=["production-ready"], infer_artifact=True)
            return {"mean": float(data.x.mean())}

        @pipeline
        def training_pipeline():
            train_model(load_data())
    """)

    run = block.training_pipeline()
    again = block.training_pipeline()

    assert run.steps["load_data"].outputs["raw_data"].tags == ["dataset", "v1"]
    assert run.steps["train_model"].output.tags == ["production-ready"]
    assert again.steps["train_model"].status == "reused"
    assert again.steps["train_model"].output.tags == ["production-ready"]


def test_a_cascading_tag_reaches_every_artifact_of_the_run_and_a_normal_one_does_not(write: Write) -> None:
    block = write("""
        from nbpipe import pipeline, step, Tag

        @step
        def numbers() -> list:
            return [1, 2, 3]

        @step
        def total(values: list) -> int:
            return sum(values)

        @pipeline(tags=[
            "normal-tag",                              # Only on the run
            Tag(name="experiment-42", cascade=True),    # Also applied to all artifacts
        ])
        def my_pipeline() -> None:
            total(numbers())
    """)

    run = block.my_pipeline()

    assert run.tags == ["experiment-42", "normal-tag"]
    assert [step.output.tags for step in run.steps.values()] == [["experiment-42"], ["experiment-42"]]


def test_tags_of_a_model_are_on_its_version(write: Write) -> None:
    block = write("""
        from nbpipe import Model, pipeline

        model = Model(
            name="iris_classifier",
            version="1.0.0",
            tags=["classification", "sklearn", "production"],
        )

        @pipeline(model=model)
        def training_pipeline() -> None:
            ...
    """)

    run = block.training_pipeline()

    assert (run.model_version.model, run.model_version.name) == ("iris_classifier", "1.0.0")
    assert run.model_version.tags == ["classification", "production", "sklearn"]


def test_tags_can_be_removed_from_a_pipeline_and_from_an_artifact(write: Write) -> None:
    block = write("""
        from typing import Annotated
        from nbpipe import add_tags, pipeline, step

        @step
        def make() -> Annotated[int, "my_artifact"]:
            return 1

        @pipeline
        def my_pipeline():
            make()
    """)
    block.my_pipeline()
    block.add_tags(tags=["old-tag", "kept"], pipeline="my_pipeline")
    block.add_tags(tags=["deprecated"], artifact="my_artifact")

    removed = [
        remove_tags(tags=["old-tag"], pipeline="my_pipeline"),
        remove_tags(tags=["deprecated"], artifact="my_artifact"),
        remove_tags(tags=["deprecated"], artifact="my_artifact"),
    ]

    assert removed == [1, 1, 0]


def test_each_run_makes_a_version_and_a_version_can_be_named_or_templated(write: Write) -> None:
    block = write("""
        from nbpipe import pipeline, Model

        @pipeline(
            model=Model(
                name="iris_classifier",
                description="Iris flower classification model",
                tags=["classification", "sklearn"],
            )
        )
        def training_pipeline() -> None:
            ...

        numbered = training_pipeline

        @pipeline(model=Model(name="iris_classifier", version="1.0.5"))
        def training_pipeline() -> None:
            ...

        named = training_pipeline

        @pipeline(model=Model(name="iris_classifier", version="run-{run.id[:8]}"))
        def training_pipeline() -> None:
            ...
    """)

    runs = [block.numbered(), block.numbered(), block.named(), block.named(), block.training_pipeline()]

    names = [run.model_version.name for run in runs]
    assert names == ["1", "2", "1.0.5", "1.0.5", f"run-{runs[-1].id[:8]}"]
    assert [run.model_version.number for run in runs] == [1, 2, 3, 3, 4]
    assert Client().models.get("iris_classifier").description == "Iris flower classification model"


EVALUATE = """
    from nbpipe import Model, log_metadata, pipeline, step

    class Data:
        def __init__(self):
            self.X, self.y = [[1.0], [2.0]], [0, 1]

        def __len__(self):
            return len(self.y)

    class Judge:
        def score(self, x, y):
            return 0.5

    @step
    def fit() -> Judge:
        return Judge()

    @step
    def hold_out() -> Data:
        return Data()

    @step
    def evaluate_model(model, test_data) -> float:
        accuracy = model.score(test_data.X, test_data.y)
        log_metadata(
            metadata={
                "evaluation_metrics": {
                    "accuracy": accuracy,
                    "n_test_samples": len(test_data),
                }
            },
            infer_model=True,  # Attaches to the model in the current step context
        )
        return accuracy

    @pipeline(model=Model(name="iris_classifier", version="1.2.3"))
    def training_pipeline():
        evaluate_model(fit(), hold_out())
"""


def test_metrics_logged_in_a_step_are_on_the_model_version_and_can_be_fetched(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write(EVALUATE).training_pipeline()

    write("""
        from nbpipe import Client

        model_version = Client().get_model_version("iris_classifier", "1.2.3")
        metrics = model_version.run_metadata["evaluation_metrics"].value
        print(f"Accuracy: {metrics['accuracy']}")
    """)

    assert capsys.readouterr().out == "Accuracy: 0.5\n"


def test_a_version_is_promoted_and_its_stage_finds_it(write: Write) -> None:
    write(EVALUATE).training_pipeline()

    write("""
        from nbpipe import Model
        from nbpipe import ModelStages

        # Promote a specific version to production
        model = Model(name="iris_classifier", version="1.2.3")
        model.set_stage(stage=ModelStages.PRODUCTION)
    """)

    assert Client().get_model_version("iris_classifier", ModelStages.PRODUCTION).name == "1.2.3"
    assert Model(name="iris_classifier", version="production").stage == "production"


def test_an_inference_pipeline_loads_what_the_production_version_holds(write: Write) -> None:
    write("""
        from typing import Annotated
        from nbpipe import Model, pipeline, step

        @step
        def train() -> Annotated[dict, "trained_model"]:
            return {"slope": 2}

        @pipeline(model=Model(name="iris_classifier"))
        def training_pipeline():
            train()

        training_pipeline()
        Model(name="iris_classifier", version=1).set_stage("production")
    """)
    block = write("""
        from nbpipe import pipeline, step, get_pipeline_context, Model
        from nbpipe import ModelStages

        @step
        def load_data() -> list:
            return [1, 2, 3]

        @step
        def predict(model: dict, data: list) -> list:
            return [model["slope"] * x for x in data]

        @pipeline(model=Model(name="iris_classifier", version=ModelStages.PRODUCTION))
        def inference_pipeline() -> None:
            model = get_pipeline_context().model
            trained_model = model.get_model_artifact("trained_model")
            predict(model=trained_model, data=load_data())
    """)

    run = block.inference_pipeline()

    assert run.steps["predict"].output.load() == [2, 4, 6]
    assert run.model_version.number == 1


def test_a_pipeline_triggers_the_newest_snapshot_of_another_with_a_pointer_to_its_artifact(write: Write) -> None:
    block = write("""
        import pandas as pd

        from nbpipe import pipeline, step
        from nbpipe import UnmaterializedArtifact
        from nbpipe import load_artifact
        from nbpipe import Client
        from nbpipe import PipelineRunConfiguration

        @step
        def trainer(data_artifact_id: str) -> int:
            df = load_artifact(data_artifact_id)
            return len(df)

        @pipeline
        def training_pipeline(data_artifact_id: str):
            trainer(data_artifact_id)

        @step
        def load_data() -> pd.DataFrame:
            return pd.DataFrame({"x": [1, 2, 3]})

        @step
        def trigger_pipeline(df: UnmaterializedArtifact) -> str:
            # By using UnmaterializedArtifact we can get the ID of the artifact
            run_config = PipelineRunConfiguration(
                parameters={"data_artifact_id": df.id}
            )
            run = Client().trigger_pipeline(
                pipeline_name_or_id="training_pipeline", run_configuration=run_config, synchronous=True
            )
            return run.id

        @pipeline
        def loads_data_and_triggers_training():
            df = load_data()
            trigger_pipeline(df)  # Will trigger the other pipeline
    """)
    block.training_pipeline.create_snapshot(name="weekly")

    parent = block.loads_data_and_triggers_training()

    child = Client().runs.get(parent.steps["trigger_pipeline"].output.load())
    assert child.steps["trainer"].output.load() == 3
    assert (child.parent_run_id, child.parent_step) == (parent.id, "trigger_pipeline")
