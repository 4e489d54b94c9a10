"""A run like the one before: what it reuses is decided at a glance, and never otherwise than it would be at length."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from nbpipe.base.clock import clock_set_to, now
from nbpipe.execute.driver import Driver
from nbpipe.execute.repeating import Repeat
from tests.flows.project import Project, ran

FLOW = """
@step
def parts(n: int = 3) -> list[int]:
    return list(range(n)) * 4000

@step
def read(place: str) -> str:
    with open(place) as file:
        return file.read().strip()

@step
def total(data: list[int], by: Any = 1) -> int:
    return sum(data) * by

@step(EXPIRES)
def joined(number: int, text: str) -> str:
    return f"{number} {text}"

@pipeline
def whole(place: str, n: int = 3, by: Any = 1):
    return joined(total(parts(n), by), read(place))
"""


@pytest.fixture
def place(project: Project) -> str:
    """Give the path of a file that a step reads."""
    return str(project.write("words.txt", "few words"))


@pytest.fixture
def flow(project: Project) -> Any:
    """Give the module with the pipeline."""
    return project.load(FLOW.replace("EXPIRES", ""))


def facts_of(project: Project, run: Any) -> list[dict[str, Any]]:
    """Give what was written down of each step of a run, without what differs between any two runs."""
    told = [fact["b"] for fact in project.client.workspace.catalog.facts_of_run(run.id) if fact["k"] == "step"]
    return [{name: said for name, said in body.items() if name not in ("started", "ended")} for body in told]


def repeated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take note of the nodes that are reused at a glance from now on."""
    seen: list[str] = []
    repeat = Driver._repeat

    def noted(self: Driver, former: Repeat) -> None:
        seen.append(former.node.id)
        repeat(self, former)

    monkeypatch.setattr(Driver, "_repeat", noted)
    return seen


def test_what_is_reused_at_a_glance_is_written_down_as_if_it_were_decided_at_length(
    flow: Any, project: Project, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.whole(place)
    at_length = flow.whole(place)
    seen = repeated(monkeypatch)

    at_a_glance = flow.whole(place)

    assert seen == ["parts", "total", "read", "joined"]
    assert facts_of(project, at_a_glance) == facts_of(project, at_length)
    assert json.dumps(facts_of(project, at_length)).count("reused_from") == len(seen)
    assert {step.status.value for step in at_a_glance.steps.values()} == {"reused"}
    assert at_a_glance.steps["joined"].outputs["output"].load() == "12000 few words"


@pytest.mark.parametrize(
    ("values", "anew"),
    [
        ({"n": 4}, ["parts", "total", "joined"]),
        ({"by": 2}, ["total", "joined"]),
        ({"by": True}, ["total"]),
        ({"by": 1.0}, ["total", "joined"]),
    ],
)
def test_other_values_run_what_reads_them_however_equal_they_are(
    flow: Any, place: str, values: dict[str, Any], anew: list[str]
) -> None:
    for _ in range(3):
        flow.whole(place)

    assert ran(flow.whole(place, **values)) == anew
    assert ran(flow.whole(place, **values)) == []
    assert ran(flow.whole(place)) == []


def edit_file(project: Project, run: Any) -> None:
    """Change the file that a step read."""
    del run
    project.write("words.txt", "many more words")


def damage(project: Project, run: Any) -> None:
    """Write into the stored list."""
    blobs = project.client.workspace.store.blobs
    digest = facts_of(project, run)[0]["outputs"][0]["blob"]
    path = blobs.root / digest[:2] / digest[2:]
    path.write_bytes(b"?" * path.stat().st_size)


def remove(project: Project, run: Any) -> None:
    """Delete the artifact version that the middle step made."""
    project.client.artifacts.delete(run.steps["total"].outputs["output"].id)


@pytest.mark.parametrize(
    ("happens", "anew"),
    [(edit_file, ["read", "joined"]), (damage, ["parts"]), (remove, ["total"])],
    ids=lambda given: getattr(given, "__name__", "") if callable(given) else "",
)
def test_what_happens_between_two_equal_runs_is_seen(
    flow: Any, project: Project, place: str, happens: Callable[[Project, Any], None], anew: list[str]
) -> None:
    first = flow.whole(place)
    for _ in range(2):
        assert ran(flow.whole(place)) == []

    happens(project, first)

    assert ran(flow.whole(place)) == anew
    assert ran(flow.whole(place)) == []


def test_another_text_of_a_step_runs_it(flow: Any, project: Project, place: str) -> None:
    for _ in range(3):
        flow.whole(place)
    changed = project.load(FLOW.replace("EXPIRES", "").replace("sum(data) * by", "sum(data) * by + 1"))

    assert ran(changed.whole(place)) == ["total", "joined"]


def test_a_result_that_expires_is_not_reused_beyond_its_time(project: Project, place: str) -> None:
    flow = project.load(FLOW.replace("EXPIRES", "expiry_s=3600"))
    for _ in range(3):
        flow.whole(place)
    later = now() + timedelta(hours=2)

    with clock_set_to(lambda: later):
        assert ran(flow.whole(place)) == ["joined"]


def test_who_wants_nothing_reused_has_nothing_reused(flow: Any, place: str) -> None:
    for _ in range(3):
        flow.whole(place)

    assert ran(flow.whole.with_options(cache=False)(place)) == ["parts", "total", "read", "joined"]


def test_what_another_process_executed_since_is_what_is_reused(
    flow: Any, project: Project, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        flow.whole(place)
    project.reopen()
    for _ in range(2):
        flow.whole(place)
    seen = repeated(monkeypatch)
    project.python(f"import flow; flow.whole.with_options(cache=False)({place!r})", check=True)

    run = flow.whole(place)

    assert ran(run) == []
    assert seen == []
    newest = {
        row["id"] for row in project.client.workspace.catalog.rows("SELECT id FROM steps WHERE status = 'completed'")
    }
    assert {body["reused_from"] for body in facts_of(project, run)} < newest


@pytest.mark.parametrize("executor", ["in-process", "processes:2"])
def test_whoever_runs_the_rest_runs_it_on_what_was_reused_at_a_glance(flow: Any, place: str, executor: str) -> None:
    for _ in range(3):
        flow.whole(place)

    run = flow.whole.with_options(executor=executor)(place, by=3)

    assert ran(run) == ["total", "joined"]
    assert run.steps["joined"].outputs["output"].load() == "36000 few words"
