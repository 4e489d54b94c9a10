"""Running a part of a pipeline."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.errors import BadValueError, ConflictError, NotFoundError, StepFailedError
from nbpipe.records.runs import Status
from tests.flows.project import Project, ran
from tests.services.building import case

FLOW = """
from pathlib import Path

@step
def load(n: int = 5) -> Annotated[list, ArtifactConfig(name="raw", tags=[Tag(name="newest-raw", exclusive=True)])]:
    return list(range(n))

@step
def clean(raw: list) -> Annotated[list, "cleaned"]:
    return raw[1:]

@step
def train(cleaned: list, rate: float = 0.1) -> Annotated[float, "model"]:
    if Path("broken").exists():
        raise ValueError("broken")
    return sum(cleaned) * rate

@step
def evaluate(model: float, raw: list) -> Annotated[float, "score"]:
    return model / len(raw)

@step
def aside(raw: list) -> int:
    return len(raw)

@pipeline(tags=["t", Tag(name="newest", exclusive=True), Tag(name="all", cascade=True)], model=Model(name="iris"))
def training(n: int = 5, rate: float = 0.1):
    raw = load(n)
    model = train(clean(raw), rate)
    aside(raw)
    return evaluate(model, raw)
"""


@pytest.fixture
def training(project: Project) -> Any:
    return project.load(FLOW).training


PARTS: list[Any] = [
    ({"until_steps": "clean"}, ["load", "clean"]),
    ({"until_steps": ["clean", "aside"]}, ["load", "clean", "aside"]),
    ({"from_steps": "train"}, ["train", "evaluate"]),
    ({"from_steps": ["train", "aside"]}, ["train", "aside", "evaluate"]),
    ({"from_steps": "clean", "until_steps": "train"}, ["clean", "train"]),
    ({"only_steps": "train"}, ["train"]),
    ({"only_steps": ("load", "train")}, ["load", "train"]),
]


def test_a_part_runs_just_its_steps_and_the_graph_shows_no_other(training: Any) -> None:
    training()

    for part, steps in PARTS:
        with case(part, steps):
            run = training.with_options(**part)()
            again = run.refresh()

            assert list(run.steps) == [node.id for node in run.graph.nodes] == steps
            assert run.status is Status.COMPLETED
            assert (ran(again) == steps) is ("until_steps" not in part or "from_steps" in part)
            assert again.part == run.part
            assert set(run.part) - {"taken"} == {word.removesuffix("_steps") for word in part}


def test_until_reuses_what_did_not_change_and_from_runs_anew(training: Any) -> None:
    whole = training()

    until = training.with_options(until_steps="train")()
    anew = training.with_options(from_steps="train")()

    assert {step.status for step in until.steps.values()} == {Status.REUSED}
    assert {step.status for step in anew.steps.values()} == {Status.COMPLETED}
    assert anew.output == whole.output
    assert until.output is None


def test_what_is_read_is_what_the_newest_execution_gave(training: Any) -> None:
    first = training(n=3)
    second = training(n=5)
    third = training(n=3)

    run = training.with_options(from_steps="train")(n=3)

    assert second.steps["clean"].outputs["cleaned"].id != third.steps["clean"].outputs["cleaned"].id
    assert {one["artifact"] for one in run.part["taken"]} == {
        first.steps["clean"].outputs["cleaned"].id,
        first.steps["load"].outputs["raw"].id,
    }
    assert {one["run"] for one in run.part["taken"]} == {third.id}
    assert run.output == third.output


def test_what_was_made_with_other_values_than_the_run_has_is_refused(training: Any, project: Project) -> None:
    training(n=3)
    before = project.logs_bytes()

    with pytest.raises(ConflictError, match=r"with n = 3; this run has 5"):
        training.with_options(from_steps="train")()
    with pytest.raises(ConflictError, match=r"without a value for clean.raw|load.n"):
        training.with_options(from_steps="train", steps={"load": {"parameters": {"n": 4}}})(n=3)
    assert project.logs_bytes() == before
    assert training.with_options(from_steps="train")(n=3, rate=2.0).output == 2.0


def test_a_step_that_was_never_done_is_named(training: Any, project: Project) -> None:
    training.with_options(until_steps="load")()
    before = project.logs_bytes()

    with pytest.raises(NotFoundError, match=r"train reads what clean gives.*--from clean"):
        training.with_options(only_steps="train")()
    assert project.logs_bytes() == before
    assert list(training.with_options(only_steps="clean")().steps) == ["clean"]


def test_what_is_gone_is_told(project: Project) -> None:
    training = project.load(FLOW.replace("list(range(n))", "list(range(n)) * 9000")).training
    training()
    for path in project.client.workspace.paths.blobs.rglob("*"):
        if path.is_file() and path.stat().st_size > 20_000:
            path.unlink()

    with pytest.raises(ConflictError, match=r"is gone. Begin earlier: --from (load|clean)"):
        training.with_options(from_steps="train")()


NO_PARTS: list[Any] = [
    ({"until_steps": "trian"}, NotFoundError, "Did you mean 'train'"),
    ({"only_steps": ["train", "'; drop table runs; --"]}, NotFoundError, "has no step"),
    ({"from_steps": "x" * 5000}, NotFoundError, "has no step"),
    ({"from_steps": "evaluate", "until_steps": "load"}, BadValueError, "Nothing lies from .evaluate. until .load."),
    ({"from_steps": "train", "only_steps": "train"}, BadValueError, "either only or from"),
    ({"only_steps": "train", "until_steps": "train"}, BadValueError, "either only or until"),
    ({"only_steps": ""}, BadValueError, "names no step"),
    ({"only_steps": [3]}, BadValueError, "names no step"),
    ({"until_steps": 3}, BadValueError, "names no step"),
]


def test_names_that_mean_nothing_are_refused(training: Any, project: Project) -> None:
    for part, error, said in NO_PARTS:
        with case(part, error, said):
            with pytest.raises(error, match=said) as refused:
                training.with_options(**part)()

            assert len(str(refused.value)) < 500
            assert list(project.client.runs.list()) == []


def test_a_part_moves_nothing_that_points_at_the_newest(training: Any, project: Project) -> None:
    whole = training()

    part = training.with_options(from_steps="load", until_steps="train", tags=["trial"])()

    assert {"t", "trial", "all"} <= set(part.tags)
    assert "newest" not in part.tags
    assert "newest" in whole.refresh().tags
    assert "newest-raw" in project.client.artifacts.get(whole.steps["load"].outputs["raw"].id).tags
    assert project.client.models.version("iris@latest").id == whole.model_version_id
    assert part.model_version is not None
    assert (part.model_version.partial, part.model_version.failed) == (True, False)
    assert part.model_version.mark == "partial"


def test_a_version_that_a_part_made_is_the_latest_once_a_whole_run_has_made_it(project: Project) -> None:
    training = project.load(FLOW.replace('Model(name="iris")', 'Model(name="iris", version="one")')).training
    version = training.with_options(until_steps="train")().model_version
    assert version is not None
    assert version.mark == "partial"

    training()

    assert project.client.models.version("iris@one").mark == ""
    training.with_options(until_steps="train")()
    assert project.client.models.version("iris@one").mark == ""


def test_a_part_that_fails_leaves_a_failed_version(training: Any, project: Project) -> None:
    (project.folder / "broken").touch()

    with pytest.raises(StepFailedError):
        training.with_options(until_steps="train")()

    version = project.client.runs.newest().model_version
    assert version is not None
    assert version.mark == "failed"


def test_what_a_part_reads_belongs_to_its_model_version_too(training: Any) -> None:
    training()

    part = training.with_options(only_steps="evaluate")()

    assert part.model_version is not None
    assert part.model_version.artifacts.keys() == {"raw", "model", "score"}


def test_a_part_that_is_everything_is_a_run_like_any_other(training: Any) -> None:
    training()

    run = training.with_options(from_steps="load")()

    assert run.part == run.refresh().part == {}
    assert "newest" in run.tags
    assert len(ran(run)) == 5


def test_the_code_of_a_part_is_that_of_the_whole(training: Any, project: Project) -> None:
    training.with_options(until_steps="load")()
    run = project.client.runs.newest()

    assert len(project.client.snapshots.create(run=run).run().steps) == 5
    with pytest.raises(BadValueError, match="holds all of training"):
        training.with_options(until_steps="load").create_snapshot("part")


def test_a_part_that_failed_is_resumed_as_that_part(training: Any, project: Project) -> None:
    training()
    (project.folder / "broken").touch()
    with pytest.raises(StepFailedError):
        training.with_options(from_steps="clean")()
    failed = project.client.runs.newest()
    (project.folder / "broken").unlink()

    again = failed.resume()

    assert list(again.steps) == ["clean", "train", "evaluate"]
    assert {"from": again.part["from"], "taken": again.part["taken"]} == failed.part
    assert ran(again) == ["train", "evaluate"]


CELLS = """
from nbpipe.define.cells import CellStep
from nbpipe.define.pipeline import CellPipeline
from nbpipe.handles import Pipeline
from nbpipe.records.parameters import parameters_of

def cell(name, text):
    return CellStep(name=name, text=text)

cells = Pipeline(CellPipeline(name="cells", parameters=parameters_of("cells", {}), cells=[
    cell("load", "rows = [1, 2]"),
    cell("grow", "rows.append(3)"),
    cell("count", "n = len(rows)"),
    cell("more", "rows.append(4)"),
    cell("end", "m = len(rows)"),
]))
"""


def test_what_cells_changed_in_place_is_read_as_the_last_of_them_left_it(project: Project) -> None:
    cells = project.load(CELLS).cells
    whole = cells()
    assert whole.steps["end"].outputs["m"].load() == 4

    assert cells.with_options(only_steps="count")().steps["count"].outputs["n"].load() == 3
    assert cells.with_options(only_steps="end")().steps["end"].outputs["m"].load() == 4
    with pytest.raises(ConflictError, match=r"more changes 'rows' of grow in place.*--from grow"):
        cells.with_options(from_steps=["more", "end"])()


BRANCHES = """
from nbpipe import either

@step
def parts(n: int = 3) -> list:
    return list(range(n))

@step
def score(part: int, plus: int = 0) -> int:
    return part * 10 + plus

@step
def check(scores: list) -> bool:
    return sum(scores) > 20

@step
def ship(scores: list) -> str:
    return f"shipped {scores}"

@step
def mend(scores: list) -> str:
    return f"mended {scores}"

@step
def report(said: str) -> str:
    return said.upper()

@pipeline
def scoring(n: int = 3):
    scores = score.map(parts(n))
    good = check(scores)
    return report(either(ship.when(good)(scores), mend.unless(good)(scores)))
"""


@pytest.fixture
def scoring(project: Project) -> Any:
    return project.load(BRANCHES).scoring


def test_a_step_that_goes_through_a_list_does_so_in_a_part_too(scoring: Any) -> None:
    whole = scoring()

    part = scoring.with_options(from_steps="score")()
    alone = scoring.with_options(only_steps="score")()

    assert part.output == whole.output == "SHIPPED [0, 10, 20]"
    assert [len(run.steps["score"].items) for run in (part, alone)] == [3, 3]
    assert alone.steps["score"].outputs["output"].load() == [0, 10, 20]


@pytest.mark.parametrize(("n", "taken", "other"), [(3, "ship", "mend"), (2, "mend", "ship")], ids=["ship", "mend"])
def test_what_a_condition_asks_about_may_be_left_out(scoring: Any, n: int, taken: str, other: str) -> None:
    whole = scoring(n=n)

    part = scoring.with_options(from_steps=["ship", "mend"])(n=n)

    assert ran(part) == [taken, "report"]
    assert part.steps[other].status is Status.SKIPPED
    assert part.steps[other].why.startswith("not taken: ")
    assert part.output == whole.output


@pytest.mark.parametrize(("n", "said"), [(3, "SHIPPED [0, 10, 20]"), (2, "MENDED [0, 10]")], ids=["ship", "mend"])
def test_of_branches_that_are_left_out_the_one_counts_that_was_taken_last(scoring: Any, n: int, said: str) -> None:
    scoring(n=5 - n)
    scoring(n=n)

    alone = scoring.with_options(only_steps="report")(n=n)

    assert alone.output == said


def test_which_of_two_branches_it_is_must_be_known_where_one_is_left_out(scoring: Any) -> None:
    scoring(n=2)

    with pytest.raises(ConflictError, match="Begin at both: --from ship --from mend"):
        scoring.with_options(from_steps="ship")(n=2)
    assert scoring.with_options(from_steps="mend")(n=2).output == "MENDED [0, 10]"


def test_a_part_with_branches_that_failed_is_resumed_as_that_part(project: Project) -> None:
    text = BRANCHES.replace(
        "    return said.upper()",
        "    if Path('broken').exists():\n        raise ValueError()\n    return said.upper()",
    )
    scoring = project.load("from pathlib import Path\n" + text).scoring
    scoring()
    (project.folder / "broken").touch()
    with pytest.raises(StepFailedError):
        scoring.with_options(from_steps=["ship", "mend"])()
    (project.folder / "broken").unlink()

    again = project.client.runs.newest().resume()

    assert ran(again) == ["report"]
    assert again.output == "SHIPPED [0, 10, 20]"


def test_the_steps_of_a_part_say_that_they_run_anew_because_it_begins_there(training: Any) -> None:
    training()

    part = training.with_options(from_steps="train")()
    whole = training.with_options(cache=False)()

    assert {step.why for step in part.steps.values()} == {"a part that begins here runs anew"}
    assert {step.why for step in whole.steps.values()} == {"caching is off"}
