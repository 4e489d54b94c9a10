"""The rules of models, sentence by sentence, on the paths on which a user meets them.

What the sentences say in general is tested where the rule stands (`records`, `services`); here each is met by
pipelines that run: from Python, inside a step, from a snapshot, in several processes at once.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from nbpipe import Model, ModelStages
from nbpipe.commands.dispatch import answer
from nbpipe.errors import BadValueError, ConflictError, NbpipeError, NotFoundError, StepFailedError
from nbpipe.records.operations import OpenModelVersion
from nbpipe.services.versions import StageChange
from tests.flows.forks import together
from tests.flows.project import Project

TRAINING = """
@step
def train(rate: float = 0.1) -> Annotated[list, "trained_model"]:
    return [rate] * 3

@step
def evaluate(model: list) -> float:
    log_metadata({"evaluation": {"accuracy": model[0]}}, infer_model=True)
    return model[0]

@step
def check(rate: float) -> None:
    if rate < 0:
        raise ValueError("too low")

@pipeline(model=Model(name="iris", version=VERSION))
def training(rate: float = 0.1):
    check(rate)
    return evaluate(train(rate))
"""
PREDICTING = """
@step
def pause() -> None:
    DURING

@step
def predict(model: list) -> float:
    return sum(model)

@pipeline(model=Model(name="iris", version=VERSION))
def predicting():
    pause()
    return predict(get_pipeline_context().model.get_model_artifact("trained_model"))
"""
PROCESSES = 5


def training(project: Project, version: Any = None, text: str = TRAINING) -> Any:
    return project.load(text.replace("VERSION", repr(version)), "training_flow").training


def predicting(project: Project, version: Any = "production", during: str = "pass") -> Any:
    text = PREDICTING.replace("VERSION", repr(version)).replace("DURING", during)
    return project.load(text, "predicting_flow").predicting


def fail(project: Project) -> None:
    with pytest.raises(StepFailedError):
        training(project)(rate=-1.0)


def moves_oldest_first(project: Project) -> list[StageChange]:
    return list(reversed(project.client.models.history("iris")))


def check_chain(history: list[StageChange]) -> dict[int, str]:
    """Check that each move of a version begins where its last one ended; give where each is."""
    now: dict[int, str] = {}
    for move in history:
        assert move.from_stage.value == now.get(move.number, "none")
        assert move.from_stage is not move.to_stage
        now[move.number] = move.to_stage.value
        for stage in ("staging", "production"):
            assert list(now.values()).count(stage) <= 1
    return now


# Numbers and names -----------------------------------------------------------------------------


def test_numbers_are_neither_reused_nor_given_twice_by_runs_in_several_processes(project: Project) -> None:
    training(project)
    code = "for n in range(3):\n    flow.training(rate=who + n / 10)"

    codes, _ = together(project, code, 4, module="training_flow")

    assert codes == [0] * 4
    versions = project.client.models.versions("iris")
    assert [version.number for version in versions] == list(range(12, 0, -1))
    assert len({version.run_id for version in versions}) == 12


def test_the_number_of_a_deleted_version_or_model_is_not_given_again(project: Project) -> None:
    run = training(project)
    for _ in range(3):
        run()
    project.client.models.delete("iris@3")
    fourth = run().model_version

    project.client.models.delete_model("iris")
    project.reopen()

    assert fourth.number == 4
    assert run().model_version.number == 5


def test_processes_that_name_one_version_at_once_make_it_once(project: Project) -> None:
    training(project, "1.0")

    codes, _ = together(project, "flow.training(rate=float(who))", 4, module="training_flow")

    assert codes == [0] * 4
    (version,) = project.client.models.versions("iris")
    assert (version.number, version.name) == (1, "1.0")
    assert len(version.runs) == 4


def test_a_name_like_2_0_and_the_number_2_never_mix(project: Project) -> None:
    first, second = training(project, "2.0")().model_version, training(project)().model_version

    assert (first.number, first.name, second.number, second.name) == (1, "2.0", 2, "2")
    found = {version: project.client.get_model_version("iris", version).number for version in ("2.0", 2, "2", "02")}
    assert found == {"2.0": 1, 2: 2, "2": 2, "02": 2}
    assert training(project, 2)().model_version.number == 2
    assert training(project, "2.0")().model_version.number == 1


def test_a_version_of_digits_alone_is_a_look_up_and_never_made(project: Project) -> None:
    training(project)()
    before = project.logs_bytes()

    for digits in ("7", "0", "00", "9" * 200):
        with pytest.raises(NotFoundError, match="iris@"):
            training(project, digits)()
        with pytest.raises(NotFoundError):
            project.client.models.version(f"iris@{digits * 30}")
        assert project.logs_bytes() == before, digits


def test_a_stage_in_any_letter_case_is_a_look_up_and_never_the_name_of_a_version(project: Project) -> None:
    run = training(project)
    run()
    # What is in no stage is looked up before the version is in one.
    for stage in ("None", " latest ", "Production", "STAGING", "archived"):
        word = stage.strip().casefold()
        if word in ("production", "staging", "archived"):
            project.client.models.promote("iris@1", word)

        assert training(project, stage)().model_version.number == 1, stage
        with pytest.raises(BadValueError, match="look-ups"):
            project.client.models.rename("iris@1", stage)
        assert [version.name for version in project.client.models.versions("iris")] == ["1"], stage


def test_a_template_may_hold_the_run_the_pipeline_the_date_the_parameters_and_substitutions(project: Project) -> None:
    template = "{run.id[:8]} {run.name[:8]} {pipeline} {date} {time[:2]} {params.rate} {team} {{x}}"

    run = training(project, template).with_options(substitutions={"team": "blue"})(rate=0.25)

    words = run.model_version.name.split()
    assert words[0] == run.id[:8]
    assert words[1:3] == ["training", "training"]
    assert words[3].count("_") == 2
    assert words[5:] == ["0.25", "blue", "{x}"]


def test_a_template_that_asks_for_anything_else_is_refused_with_nothing_written(project: Project) -> None:
    training(project)()
    before = project.logs_bytes()

    for template in (
        *("{run}", "{run.secret}", "{rn.id}", "{__import__('os')}", "{run.id.__class__}", "{team}"),
        *("{a", "{date}}"),
    ):
        with pytest.raises(BadValueError, match="template"):
            training(project, template)()
        assert project.logs_bytes() == before, template


def test_a_run_is_never_known_by_digits_alone_so_that_a_version_named_after_it_is_no_look_up(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training(project, "{run.id[:4]}")
    ids = iter(["12345678-0000-4000-8000-000000000000", "1a345678-0000-4000-8000-000000000000"])
    monkeypatch.setattr("nbpipe.services.starting.new_id", lambda: next(ids))

    assert run().model_version.name == "1a34"


# Stages ----------------------------------------------------------------------------------------


WAYS_TO_PROMOTE: dict[str, Callable[[Project, str, str], object]] = {
    "client": lambda project, ref, stage: project.client.models.promote(ref, stage),
    "record": lambda project, ref, stage: project.client.models.version(ref).set_stage(stage),
    "model": lambda _, ref, stage: Model(name=ref.split("@")[0], version=ref.split("@")[1]).set_stage(stage),
    "command": lambda _, ref, stage: answer(f"model promote {ref} {stage}"),
    "step": lambda project, ref, stage: in_a_step(project, f"Client().models.promote({ref!r}, {stage!r})"),
}


def in_a_step(project: Project, call: str) -> None:
    text = f"@step\ndef move() -> None:\n    {call}\n\n@pipeline\ndef moving():\n    move()\n"
    try:
        project.load(text, "moving_flow").moving()
    except StepFailedError as error:
        assert error.__cause__ is not None
        raise error.__cause__ from None


def test_latest_is_a_question_and_cannot_be_set_on_any_path(project: Project) -> None:
    training(project)()

    for way, promote in WAYS_TO_PROMOTE.items():
        with pytest.raises(BadValueError, match="is a question"):
            promote(project, "iris@1", "Latest")
        assert project.client.models.version("iris@latest").stage is ModelStages.NONE, way
        assert project.client.models.history("iris") == [], way


@pytest.mark.parametrize("way", WAYS_TO_PROMOTE)
def test_promoting_what_does_not_exist_is_refused_and_creates_nothing_on_any_path(project: Project, way: str) -> None:
    training(project)()

    for ref in ("iris@9", "iris@9.9.9", "iris@staging", "irs@1"):
        with pytest.raises(NotFoundError):
            WAYS_TO_PROMOTE[way](project, ref, "production")

        assert [model.name for model in project.client.models.list()] == ["iris"], ref
        assert [version.name for version in project.client.models.versions("iris")] == ["1"], ref
        assert project.client.models.history("iris") == [], ref


@pytest.mark.parametrize("stage", ["staging", "Production"])
def test_a_stage_that_another_version_holds_is_taken_only_by_force_on_any_path(project: Project, stage: str) -> None:
    run = training(project)
    run(), run()
    project.client.models.promote("iris@1", stage)

    for way, promote in WAYS_TO_PROMOTE.items():
        with pytest.raises(ConflictError, match="force"):
            promote(project, "iris@2", stage)
        assert project.client.models.version(f"iris@{stage}").number == 1, way


def test_who_loses_a_stage_to_force_is_archived_and_any_number_can_be_archived(project: Project) -> None:
    run = training(project)
    for number in range(1, 5):
        run()
        Model(name="iris", version=str(number)).set_stage("production", force=True)

    stages = {version.number: version.stage.value for version in project.client.models.versions("iris")}

    assert stages == {1: "archived", 2: "archived", 3: "archived", 4: "production"}


def test_every_change_is_kept_with_who_when_from_to_and_note(project: Project) -> None:
    run = training(project)
    first, second = run().model_version, run().model_version
    first.set_stage("staging", note="try it — „so“ <b>'quoted'</b>; DROP TABLE x")
    first.set_stage("production")
    second.set_stage("production", force=True, note="better")
    second.set_stage("production", note="again, which moves nothing")

    history = moves_oldest_first(project)

    told = [(move.number, move.from_stage.value, move.to_stage.value, move.note, move.forced) for move in history]
    assert told == [
        (1, "none", "staging", "try it — „so“ <b>'quoted'</b>; DROP TABLE x", False),
        (1, "staging", "production", "", False),
        (1, "production", "archived", "replaced by 2", True),
        (2, "none", "production", "better", True),
    ]
    assert all(move.by and move.at.tzinfo for move in history)
    assert sorted(move.at for move in history) == [move.at for move in history]
    assert check_chain(history) == {1: "archived", 2: "production"}


def test_processes_that_promote_at_once_leave_one_production_version_and_a_complete_history(
    project: Project,
) -> None:
    run = training(project)
    for number in range(PROCESSES):
        run(rate=number / 10)
    code = """
from nbpipe.errors import NbpipeError
for turn in range(4):
    for force in (False, True):
        try:
            client.models.promote(f"iris@{who + 1}", "production", force=force, note=f"{who}/{turn}")
        except NbpipeError:
            pass
"""

    codes, _ = together(project, code, PROCESSES, module="training_flow")

    assert codes == [0] * PROCESSES
    project.reopen()
    history = moves_oldest_first(project)
    now = check_chain(history)
    versions = {version.number: version.stage.value for version in project.client.models.versions("iris")}
    assert {number: stage for number, stage in versions.items() if stage != "none"} == now
    assert sorted(versions.values()).count("production") == 1
    assert sum(1 for stage in versions.values() if stage == "archived") == PROCESSES - 1
    taken = [move for move in history if move.to_stage is ModelStages.PRODUCTION]
    left = [move for move in history if move.from_stage is ModelStages.PRODUCTION]
    # Whoever takes it takes it from the one before, and nobody moves twice in between.
    assert [move.number for move in left] == [move.number for move in taken[:-1]]
    assert {move.note.split("/")[0] for move in taken} == {str(who) for who in range(PROCESSES)}
    assert project.client.models.version("iris@production").number == taken[-1].number
    assert project.client.workspace.catalog.check() == []


# Gates and undo --------------------------------------------------------------------------------


def test_a_promotion_may_carry_gates_and_is_refused_with_both_numbers_where_one_does_not_hold(
    project: Project,
) -> None:
    run = training(project)
    run(rate=0.9), run(rate=0.8), run(rate=0.95)
    models = project.client.models
    models.promote("iris@1", "production")
    gates = ["accuracy >= production.accuracy"]

    with pytest.raises(ConflictError, match=r"accuracy is 0\.8 and production\.accuracy is 0\.9"):
        models.promote("iris@2", "production", gates=gates, replace=True)
    with pytest.raises(ConflictError, match="pass force to archive it"):
        models.promote("iris@3", "production", gates=gates)
    moved = models.move("iris@3", "production", gates=gates, replace=True)

    assert (moved.version.number, moved.archived.number) == (3, 1)
    assert [str(result) for result in moved.gates] == [
        "'accuracy >= production.accuracy' holds: accuracy is 0.95 and production.accuracy is 0.9"
    ]


def test_force_passes_gates_and_the_history_tells_which(project: Project) -> None:
    run = training(project)
    run(rate=0.8)
    gates = ["accuracy > 0.9", "accuracy < 1"]

    moved = project.client.models.move("iris@1", "production", gates=gates, force=True, note="we must")

    assert [result.gate.text for result in moved.overridden] == ["accuracy > 0.9"]
    (move,) = project.client.models.history("iris")
    assert move.note == "we must (forced past 'accuracy > 0.9' does not hold: accuracy is 0.8)"
    assert move.forced


def test_gates_are_judged_against_who_holds_the_stage_when_the_version_moves(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training(project)
    run(rate=0.5), run(rate=0.9), run(rate=0.7)
    models = project.client.models
    models.promote("iris@1", "production")
    catalog = project.client.workspace.catalog
    transact = catalog.transact

    def late(operation: Any, **options: Any) -> Any:
        monkeypatch.setattr(catalog, "transact", transact)
        models.promote("iris@2", "production", force=True)
        return transact(operation, **options)

    monkeypatch.setattr(catalog, "transact", late)

    with pytest.raises(ConflictError, match=r"production\.accuracy is 0\.9"):
        models.promote("iris@3", "production", gates=["accuracy >= production.accuracy"], replace=True)

    assert models.version("iris@production").number == 2


def test_undo_moves_all_back_as_one_operation_and_the_history_has_no_gap(project: Project) -> None:
    run = training(project)
    run(), run()
    models = project.client.models
    models.promote("iris@1", "production")
    models.promote("iris@2", "staging")
    models.promote("iris@2", "production", force=True)

    moved = models.undo("iris", note="it was too soon")

    assert [(version.number, version.stage.value) for version in moved] == [(2, "staging"), (1, "production")]
    assert check_chain(moves_oldest_first(project)) == {1: "production", 2: "staging"}
    assert models.history("iris")[0].note == "undo of production → archived: it was too soon"
    with pytest.raises(ConflictError, match="undone already"):
        models.undo("iris")


def test_undo_is_refused_once_anybody_has_moved_or_deleted_a_version_since(project: Project) -> None:
    run = training(project)
    run(), run(), run()
    models = project.client.models
    first = models.move("iris@1", "production")
    models.promote("iris@3", "staging")

    with pytest.raises(ConflictError, match="moved since"):
        models.undo("iris", of=first.operation)

    second = models.move("iris@2", "production", force=True)
    models.delete("iris@1")
    with pytest.raises(ConflictError, match="since"):
        models.undo("iris", of=second.operation)
    with pytest.raises(ConflictError, match="was deleted"):
        models.undo("iris")
    assert models.version("iris@production").number == 2


def test_a_promotion_that_moved_nobody_cannot_be_undone_and_says_why(project: Project) -> None:
    training(project)()
    models = project.client.models
    models.move("iris@1", "staging")
    nothing = models.move("iris@1", "staging")

    with pytest.raises(ConflictError, match=f"by operation {nothing.operation} no version of it was moved"):
        models.undo("iris", of=nothing.operation)

    assert models.version("iris@1").stage == "staging"


def test_there_is_nothing_to_undo_where_nobody_was_moved(project: Project) -> None:
    training(project)()

    with pytest.raises(ConflictError, match="no version of it was ever moved"):
        project.client.models.undo("iris")
    with pytest.raises(NotFoundError, match="Did you mean 'iris'"):
        project.client.models.undo("irs")


def test_processes_that_undo_at_once_undo_once(project: Project) -> None:
    run = training(project)
    run(), run()
    project.client.models.promote("iris@1", "production")
    project.client.models.promote("iris@2", "production", force=True)

    codes, _ = together(project, "client.models.undo('iris')", 4, module="training_flow")

    assert sorted(code != 0 for code in codes) == [False, True, True, True]
    assert check_chain(moves_oldest_first(project)) == {1: "production", 2: "none"}


# Failed runs -----------------------------------------------------------------------------------


def test_a_failed_run_marks_its_version_and_latest_skips_it_unless_there_is_no_other(project: Project) -> None:
    fail(project)
    only = project.client.models.version("iris@latest")
    training(project)()
    fail(project)

    assert (only.number, only.failed) == (1, True)
    for ref in ("iris", "iris@latest", "iris@LATEST", ("iris", "Latest")):
        assert project.client.models.version(ref).number == 2
    assert project.client.get_model_version("iris").number == 2
    assert Model(name="iris").set_stage("staging").number == 2
    assert predicting(project, "latest")().model_version.number == 2


def test_a_run_whose_process_was_killed_marks_its_version_too(project: Project) -> None:
    training(project)(rate=0.1)
    project.load(
        """
from pathlib import Path
import time

@step
def wait() -> None:
    Path("begun").touch()
    time.sleep(60)

@pipeline(model=Model(name="iris"))
def waiting():
    wait()
""",
        "waiting_flow",
    )
    process = project.process("import waiting_flow; waiting_flow.waiting()")
    while not (project.folder / "begun").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    assert project.client.models.version("iris@latest").number == 1
    assert predicting(project, "latest")().model_version.number == 1
    assert [version.failed for version in project.client.models.versions("iris")] == [True, False]


def test_a_run_that_only_reads_a_failed_version_does_not_make_it_whole_and_one_of_its_pipeline_does(
    project: Project,
) -> None:
    text = TRAINING.replace(
        "    check(rate)\n    return evaluate(train(rate))", "    evaluate(train(rate))\n    check(rate)"
    )
    with pytest.raises(StepFailedError):
        training(project, "1.0", text)(rate=-1.0)
    predicting(project, 1)()
    after_reading = project.client.models.version("iris@1").failed

    training(project, "1.0", text)(rate=0.5)

    assert after_reading
    assert not project.client.models.version("iris@1").failed


# Cached runs, steps, cells ---------------------------------------------------------------------


def test_a_cached_evaluation_keeps_its_metrics_on_the_new_model_version(project: Project) -> None:
    run = training(project)
    first, second = run(rate=0.3), run(rate=0.3)

    assert {step.status.value for step in second.steps.values()} == {"reused"}
    assert (first.model_version.number, second.model_version.number) == (1, 2)
    assert second.model_version.metadata == {"evaluation": {"accuracy": 0.3}}
    assert second.model_version.metrics == {"evaluation.accuracy": 0.3}
    assert second.model_version.get_artifact("trained_model").id == first.model_version.get_artifact("trained_model").id
    assert second.model_version.runs == [second.id]


def test_a_step_can_ask_for_the_model_version_that_its_run_works_on(project: Project) -> None:
    text = """
@step
def ask() -> list:
    model = get_step_context().model
    return [model.name, model.version, model.number, model.id, model.stage.value, model.metadata]

@step
def note() -> None:
    log_metadata({"accuracy": 0.5}, infer_model=True)

@pipeline(model=Model(name="iris", version="run-{run.id[:8]}"))
def asking():
    ask()
"""
    run = project.load(text).asking()

    name, version, number, version_id, stage, metadata = run.steps["ask"].output.load()
    assert (name, version, number, version_id) == ("iris", f"run-{run.id[:8]}", 1, run.model_version_id)
    assert (stage, metadata) == ("none", {})


def test_a_step_can_promote_the_version_that_its_run_works_on(project: Project) -> None:
    text = """
@step
def promote() -> None:
    get_step_context().model.set_stage("staging", note="from inside")

@pipeline(model=Model(name="iris"))
def promoting():
    promote()
"""
    run = project.load(text).promoting()

    assert run.model_version.stage is ModelStages.STAGING
    assert project.client.models.history("iris")[0].note == "from inside"


def test_a_step_of_a_pipeline_without_a_model_is_told_so(project: Project) -> None:
    text = "@step\ndef ask() -> str:\n    return get_step_context().model.name\n\n@pipeline\ndef asking():\n    ask()\n"

    with pytest.raises(StepFailedError, match="ConflictError: Pipeline 'asking' works on no model"):
        project.load(text).asking()


# Sharing ---------------------------------------------------------------------------------------


def test_an_inference_pipeline_loads_from_production_on_every_path(project: Project) -> None:
    run = training(project)
    run(rate=0.1), run(rate=0.2)
    Model(name="iris", version=2).set_stage(ModelStages.PRODUCTION)
    flow = predicting(project).with_options(model=Model(name="iris", version=ModelStages.PRODUCTION))
    flow.create_snapshot("hourly")

    outputs = [
        flow().output,
        flow().output,
        project.client.get_snapshot("hourly").run().output,
        predicting(project, None).with_options(model=Model(name="iris", version="PRODUCTION"))().output,
    ]
    Model(name="iris", version=1).set_stage("production", force=True)

    assert outputs == [pytest.approx(0.6)] * 4
    assert project.client.get_snapshot("hourly").run().output == pytest.approx(0.3)
    assert flow().model_version.number == 1


def test_what_the_body_looked_up_is_what_the_run_works_on_though_production_moves_in_between(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = training(project)
    run(rate=0.1), run(rate=0.2)
    models = project.client.models
    models.promote("iris@1", "production")
    flow = predicting(project)
    catalog = project.client.workspace.catalog
    transact = catalog.transact

    def late(operation: Any, **options: Any) -> Any:
        if isinstance(operation, OpenModelVersion):
            monkeypatch.setattr(catalog, "transact", transact)
            models.promote("iris@2", "production", force=True)
        return transact(operation, **options)

    monkeypatch.setattr(catalog, "transact", late)
    done = flow()

    assert done.output == pytest.approx(0.3)
    assert done.model_version.number == 1
    assert models.version("iris@production").number == 2


def test_the_version_resolved_at_the_start_stays_though_production_moves_while_the_run_goes_on(
    project: Project,
) -> None:
    run = training(project)
    run(rate=0.1), run(rate=0.2)
    project.client.models.promote("iris@1", "production")
    during = 'Client().models.promote("iris@2", "production", force=True)'

    done = predicting(project, during=during)()

    assert done.output == pytest.approx(0.3)
    assert done.model_version.number == 1
    assert project.client.models.version("iris@production").number == 2


def test_a_version_deleted_between_the_look_up_and_the_start_refuses_the_run(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    training(project)()
    models = project.client.models
    models.promote("iris@1", "production")
    flow = predicting(project)
    catalog = project.client.workspace.catalog
    transact = catalog.transact

    def late(operation: Any, **options: Any) -> Any:
        if isinstance(operation, OpenModelVersion):
            monkeypatch.setattr(catalog, "transact", transact)
            models.delete("iris@1", force=True)
        return transact(operation, **options)

    monkeypatch.setattr(catalog, "transact", late)

    with pytest.raises(NotFoundError, match="deleted"):
        flow()


# Deleting --------------------------------------------------------------------------------------


def test_deleting_a_production_version_needs_force_and_leaves_a_history_without_a_gap(project: Project) -> None:
    text = TRAINING.replace("version=VERSION", 'tags=["sklearn", Tag(name="best", exclusive=True)]')
    run = project.load(text).training
    run(), run()
    models = project.client.models
    models.promote("iris@2", "production")

    told = models.dependents("iris@2")
    with pytest.raises(ConflictError, match="force"):
        models.delete("iris@2")
    with pytest.raises(ConflictError, match="force"):
        models.delete_model("iris")
    models.delete("iris@2", force=True)

    assert [(one.kind, one.count, one.hinders) for one in told] == [
        ("stage", 1, True),
        ("run", 1, False),
        ("artifact version", 2, False),
        ("metadata", 1, False),
        ("tag", 2, False),
    ]
    assert check_chain(moves_oldest_first(project)) == {2: "none"}
    assert models.history("iris")[0].note == "2 was deleted"
    tags = project.client.query("select tag from tags where entity_kind = 'model_version' order by tag").tag.tolist()
    assert tags == ["sklearn"]
    with pytest.raises(NotFoundError, match="iris@production"):
        predicting(project)()
    assert len(project.client.runs.list()) == 2


def test_a_model_is_deleted_whole_and_its_runs_and_artifacts_stay(project: Project) -> None:
    run = training(project)
    first = run()
    project.client.tags.add(["mine"], model="iris")

    gone = project.client.models.delete_model("iris")

    assert (gone.name, gone.count) == ("iris", 1)
    assert project.client.models.list() == []
    assert project.client.query("select * from tags where entity_kind = 'model'").empty
    assert project.client.artifacts.get("trained_model@1").load() == [0.1] * 3
    assert project.client.runs.get(first.id).model_version is None
    with pytest.raises(NbpipeError):
        project.client.models.get("iris")
