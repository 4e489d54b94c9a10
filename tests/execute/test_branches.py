"""Branches that are decided when a pipeline runs, on every executor alike."""

from __future__ import annotations

from typing import Any

import pytest

from nbpipe.errors import BadValueError, DefinitionError, StepFailedError
from nbpipe.records.runs import Status
from nbpipe.services.foreseeing import foresee
from tests.flows.project import Project

EXECUTORS = ("in-process", "processes:2")

BRANCHES = """
from nbpipe import either

@step
def check(score: float) -> bool:
    return score > 0.5

@step
def deploy(score: float) -> str:
    return f"deployed {score}"

@step
def retrain(score: float) -> str:
    return f"retrained {score}"

@step
def tell(what: str) -> str:
    return what.upper()

@step
def after_deploy(what: str) -> str:
    return what

@pipeline
def training(score: float = 0.9):
    good = check(score)
    new = deploy.when(good)(score)
    old = retrain.unless(good)(score)
    after_deploy(new)
    return tell(either(new, old))
"""


def statuses(run: Any) -> dict[str, str]:
    return {node: step.status.value for node, step in run.steps.items()}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_only_the_branch_runs_whose_condition_holds(project: Project, executor: str) -> None:
    training = project.load(BRANCHES).training.with_options(executor=executor)

    good, bad = training(score=0.9), training(score=0.1)

    assert (good.status, bad.status) == (Status.COMPLETED, Status.COMPLETED)
    assert (good.output, bad.output) == ("DEPLOYED 0.9", "RETRAINED 0.1")
    assert statuses(good)["retrain"] == "skipped"
    assert good.steps["retrain"].why == "not taken: check gave True"
    assert bad.steps["deploy"].why == "not taken: check gave False"
    assert bad.steps["after_deploy"].why == "not taken: deploy was not"


def test_the_condition_is_no_part_of_what_a_step_is_known_by(project: Project) -> None:
    flow = project.load(
        """
        @step
        def score() -> float:
            return 0.9

        @step
        def check(limit: float) -> float:
            return limit

        @step
        def deploy(score: float) -> str:
            return "deployed"

        @pipeline
        def training(limit: float = 0.5):
            return deploy.when(check(limit))(score())
        """
    )
    flow.training(limit=0.5)

    run = flow.training(limit=0.6)

    assert statuses(run) == {"score": "reused", "check": "completed", "deploy": "reused"}


ROUTES = """
@step
def route(name: str) -> Any:
    import numpy as np
    return np.arange(3) if name == "array" else name

@step
def left() -> str:
    return "left"

@step
def right() -> str:
    return "right"

@pipeline
def training(name: str = "a"):
    chosen = route(name)
    left.when(chosen, equals="a")()
    right.unless(chosen, equals="a")()
"""


@pytest.mark.parametrize(("name", "ran"), [("a", "left"), ("b", "right")])
def test_a_condition_may_ask_for_one_value(project: Project, name: str, ran: str) -> None:
    flow = project.load(ROUTES)

    run = flow.training(name=name)

    assert [node for node, step in run.steps.items() if step.status is Status.COMPLETED] == ["route", ran]
    other = {"left": "right", "right": "left"}[ran]
    assert run.steps[other].why == {"a": "not taken: route gave 'a'", "b": "not taken: route gave 'b', not 'a'"}[name]


def test_a_value_that_is_neither_true_nor_false_fails_the_step_and_says_so(project: Project) -> None:
    flow = project.load(ROUTES.replace(', equals="a"', ""))

    with pytest.raises(BadValueError, match="let the step that decides give True or False"):
        flow.training(name="array")


def test_a_condition_on_a_step_that_failed_skips_as_any_failure_does(project: Project) -> None:
    flow = project.load(BRANCHES.replace("return score > 0.5", "return score // 0 > 1"))

    with pytest.raises(StepFailedError):
        flow.training()

    run = project.client.runs.newest()
    assert run.steps["deploy"].why == "check did not succeed"


def test_a_plain_value_may_decide(project: Project) -> None:
    flow = project.load(
        """
        @step
        def deploy() -> str:
            return "deployed"

        @pipeline
        def training(really: bool = False):
            return deploy.when(really)()
        """
    )

    run = flow.training()

    assert run.steps["deploy"].why == "not taken: really is False"
    assert run.output is None
    assert flow.training(really=True).output == "deployed"


def test_which_of_several_parameters_was_asked_is_told_also_in_a_snapshot(project: Project) -> None:
    flow = project.load(
        """
        @step
        def a() -> str:
            return "a"

        @step
        def b() -> str:
            return "b"

        @step
        def c() -> str:
            return "c"

        @pipeline
        def training(dry: bool = False, really: bool = False, n: int = 3, on: bool = True):
            a.when(really)()
            b.when(on).unless(on)()
            c.when(n > 5)()
        """
    )
    whys = {
        "a": "not taken: really is False",
        "b": "not taken: on is True",
        "c": "not taken: the condition is False",
    }

    run = flow.training()
    again = flow.training.create_snapshot("nightly").run()

    assert {node: step.why for node, step in run.steps.items()} == whys
    assert {node: step.why for node, step in again.steps.items()} == whys


def test_outside_of_a_pipeline_a_condition_is_looked_at_at_once(project: Project) -> None:
    flow = project.load(BRANCHES)

    untaken = flow.deploy.when(False)(0.1)

    assert repr(untaken) == "<not taken>"
    assert flow.after_deploy(untaken) is untaken
    assert flow.either(untaken, flow.retrain.unless(False)(0.1)) == "retrained 0.1"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("either(check(score))", "fewer than two branches"),
        ("either(check(score), 3)", "3 is none"),
        ("deploy.when(check(score), equals=object())(score)", "takes a plain value"),
    ],
    ids=["one", "plain", "equals"],
)
def test_what_cannot_be_a_branch_is_refused(project: Project, body: str, said: str) -> None:
    flow = project.load(
        BRANCHES.split("@pipeline", maxsplit=1)[0] + f"@pipeline\ndef training(score: float = 1.0):\n    {body}\n"
    )

    with pytest.raises(DefinitionError, match=said):
        flow.training()


def test_a_mapped_step_may_have_a_condition(project: Project) -> None:
    text = BRANCHES.replace("deploy.when(good)(score)", "deploy.when(good).map([1.0, 2.0])").replace(
        "what: str", "what"
    )
    flow = project.load(text)

    run = flow.training(score=0.1)

    assert run.steps["deploy"].why == "not taken: check gave False"
    assert run.steps["deploy"].items is None


def test_of_a_branch_that_would_not_be_taken_this_is_foreseen(project: Project) -> None:
    flow = project.load(BRANCHES)
    flow.training(score=0.1)

    said = foresee(project.client.workspace, flow.training.request({"score": 0.1}))

    assert (said["deploy"].standing, said["deploy"].why) == ("not taken", "not taken: check gave False")
    assert said["retrain"].standing == "reused"
