"""`progress`: what a step says of how far it is reaches whoever looks, and costs and changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import nbpipe
from nbpipe.errors import BadValueError
from nbpipe.execute.context import RunFacts, StepContext, running
from nbpipe.execute.glimpses import Glimpses, Progress
from nbpipe.records.runs import Status
from tests.flows.project import Project

LONG = "näme<script>'\";--" * 400


@pytest.fixture
def seen() -> Iterator[Glimpses]:
    """Give what is to be seen of the step in which the test runs."""
    glimpses = Glimpses()
    context = StepContext(RunFacts("id", "name", "training", {}), "train", "id", ())
    context.report = glimpses.begin("train")
    with running(context):
        yield glimpses


def told(seen: Glimpses) -> Progress | None:
    return seen.look()["train"].progress


def test_the_newest_word_is_what_is_seen(seen: Glimpses) -> None:
    nbpipe.progress(1, 10)
    nbpipe.progress(3, 10, "fold 3")

    assert told(seen) == Progress(3, 10, "fold 3")


def test_outside_of_a_step_nothing_happens() -> None:
    nbpipe.progress(3, 10, "fold 3")

    assert list(nbpipe.progress("abc"[n] for n in range(3))) == ["a", "b", "c"]


def test_a_loop_tells_how_far_it_is_at_every_turn(seen: Glimpses) -> None:
    found = [(item, told(seen)) for item in nbpipe.progress(["a", "b"], note="files")]

    assert found == [("a", Progress(0, 2, "files")), ("b", Progress(1, 2, "files"))]
    assert told(seen) == Progress(2, 2, "files")


def test_a_loop_over_what_has_no_length_tells_the_number_alone(seen: Glimpses) -> None:
    assert list(nbpipe.progress(n for n in range(3))) == [0, 1, 2]

    assert told(seen) == Progress(3, None, "")


def test_a_loop_that_goes_on_in_another_thread_tells_of_the_step_in_which_it_was_begun(seen: Glimpses) -> None:
    items = nbpipe.progress([1, 2, 3])
    next(items)
    thread = threading.Thread(target=list, args=(items,))
    thread.start()
    thread.join()

    assert told(seen) == Progress(3, 3, "")


def test_an_empty_collection_is_told_as_such(seen: Glimpses) -> None:
    assert list(nbpipe.progress([])) == []

    assert told(seen) == Progress(0, 0)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ((np.int64(3), np.float32(6.0)), Progress(3, 6.0)),
        ((Fraction(1, 2), 1), Progress(0.5, 1)),
        ((12, 10), Progress(12, 10)),
        ((0, 0), Progress(0, 0)),
        ((3, None, LONG), Progress(3, None, f"{LONG[:199]}…")),
    ],
    ids=["numpy", "fraction", "more than there is", "nothing to do", "long note"],
)
def test_a_number_of_any_library_is_told_as_a_plain_one(seen: Glimpses, said: Any, kept: Progress) -> None:
    nbpipe.progress(*said)

    found = told(seen)
    assert found == kept
    assert found is not None
    assert all(type(one) in (int, float, str, type(None)) for one in found)


@pytest.mark.parametrize(
    "given",
    [
        (float("nan"),),
        (float("inf"),),
        (-1,),
        (10**400,),
        (Fraction(10**400),),
        (Decimal(1),),
        (True,),
        (None,),
        ("loading",),
        (b"abc",),
        (np.array(3),),
        (1, -1),
        (1, float("nan")),
        (1, "10"),
        (1, 10, 3),
        ([1], -1),
        ([1], None, None),
    ],
    ids=lambda given: repr(given)[:30],
)
def test_what_says_nothing_is_refused_at_once(seen: Glimpses, given: Any) -> None:
    with pytest.raises(BadValueError) as refused:
        nbpipe.progress(*given)

    assert len(str(refused.value).splitlines()) == 1
    assert told(seen) is None


def test_a_running_step_can_be_looked_at_from_outside_and_a_step_that_is_over_cannot(project: Project) -> None:
    flow = project.load("""
    import os
    import time
    from nbpipe import progress

    @step(cache=False)
    def train(n: int) -> int:
        print("epoch 1")
        print("epoch", 2)
        progress(2, 7, "fold 2")
        open("told", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
        return n

    @pipeline
    def training(n: int = 1):
        return train(n)
    """)
    handle = flow.training.start()
    while not project.folder.joinpath("told").exists():
        pass

    seen = handle.look()
    project.folder.joinpath("go").touch()
    run = handle.wait()

    assert list(seen) == ["train"]
    assert seen["train"].progress == Progress(2, 7, "fold 2")
    assert seen["train"].last_line == "epoch 2"
    assert seen["train"].elapsed_s > 0
    assert run.status is Status.COMPLETED
    assert handle.look() == {}


def test_a_step_that_says_how_far_it_is_is_reused_as_any_other(project: Project) -> None:
    flow = project.load("""
    from nbpipe import progress

    @step
    def total() -> int:
        return sum(progress(range(5)))

    @pipeline
    def training():
        return total()
    """)

    first, second = flow.training(), flow.training()

    assert first.output == second.output == 10
    assert second.steps["total"].status is Status.REUSED


def test_a_value_that_says_nothing_fails_the_step_with_one_line(project: Project) -> None:
    flow = project.load("""
    from nbpipe import progress

    @step
    def total() -> int:
        progress(float("nan"), 10)
        return 1

    @pipeline
    def training():
        return total()
    """)

    with pytest.raises(nbpipe.errors.StepFailedError, match="progress\\(done=nan\\) will not do"):
        flow.training()
