"""The view of a pipeline and of runs, driven without a front end over the real services."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nbpipe
from nbpipe import Client, pipeline, step
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.services.run_handle import RunHandle
from nbpipe.services.runs import Run
from nbpipe.services.watching import watch_runs
from nbpipe.views.dag_scene import dag_scene
from nbpipe.views.steps_graph import DagNode
from nbpipe.widgets import PipelineView
from nbpipe.widgets.pipeline_live import LiveRun

SCALE = 2


def doubled(value: int) -> int:
    return value * SCALE


@step(tags=["raw"])
def load(rows: int = 3) -> list:
    print("<script>alert(1)</script>")
    return list(range(rows))


@step
def clean(data: list) -> list:
    nbpipe.log_metadata({"kept": 3, "kind": "<b>all</b>"})
    return [doubled(value) for value in data]


@step
def train(data: list, rate: float) -> float:
    return sum(data) * rate


@step
def waiting(data: list) -> list:
    nbpipe.progress(1, 4, "fold <b>2</b>")
    print("epoch 7")
    Path("begun").touch()
    while not Path("go on").exists():
        time.sleep(0.01)
    return data


@step
def failing(data: list) -> list:
    raise ValueError("no <i>rows</i>")


@pipeline
def training(rate: float = 0.1):
    data = load()
    return train(clean(data), rate)


@pipeline
def slow():
    return clean(waiting(load()))


@pipeline
def broken():
    return clean(failing(load()))


@step
def make(n: int = 0, before: int = 0) -> int:
    return n


@pipeline
def many():
    first = make()
    for n in range(400):
        make(n, first)


@pytest.fixture(autouse=True)
def _somewhere(workspace: WorkspacePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in a folder of one's own: steps that wait look there for what lets them go on."""
    monkeypatch.chdir(tmp_path)
    yield
    Path("go on").touch()


def has_begun() -> bool:
    return is_soon(Path("begun").exists)


def is_soon(holds: Callable[[], bool]) -> bool:
    """Wait, but not for ever, until something holds."""
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


class Watched:
    """A run that goes on, shown as the notebook shows it."""

    def __init__(self, what: Any) -> None:
        self.subject: LiveRun | None = None
        unwatch = watch_runs(self._watch)
        self.handle: RunHandle = what.start()
        assert has_begun()
        unwatch()
        assert self.subject is not None
        self.view = PipelineView(self.subject)

    def _watch(self, started: Any) -> Any:
        self.subject = LiveRun(started)
        return self.subject.take

    def finish(self) -> Run:
        Path("go on").touch()
        run: Run = self.handle.wait(30)
        return run


def told(view: PipelineView) -> list[dict[str, Any]]:
    """Keep what is sent to the page from now on."""
    sent: list[dict[str, Any]] = []
    view.widget.send = lambda content, buffers=None: sent.append(content)
    return sent


# A pipeline ------------------------------------------------------------------------------------


def test_a_pipeline_is_shown_with_every_step_and_what_flows() -> None:
    scene = PipelineView(training).widget.scene

    assert [node["name"] for node in scene["nodes"]] == ["load", "clean", "train"]
    assert [edge["ends"] for edge in scene["edges"]] == [[0, 1], [1, 2]]
    assert scene["overview"] is None
    json.dumps(scene, allow_nan=False)


def test_the_card_of_a_defined_step_has_its_source_and_what_that_leans_on() -> None:
    view = PipelineView(training)

    view.selected = "clean"

    assert "data  load" in view.card.text
    assert "return [doubled(value) for value in data]" in view.card.text
    assert "return value * SCALE" in view.card.text
    assert "SCALE = 2" in view.card.text


def test_steps_that_would_run_anew_are_marked_as_stale() -> None:
    training()
    before, view = PipelineView(training), PipelineView(training.with_options(parameters={"rate": 0.5}))

    before.subject.catch_up()
    view.subject.catch_up()

    assert before.states["train"] == {}
    assert view.states["load"] == {}
    assert view.states["train"]["status"] == "stale"
    assert "rate" in view.states["train"]["why"]
    assert view.whole == {"note": "1 would run anew"}


def test_the_card_of_the_whole_has_its_parameters_and_no_second_graph() -> None:
    card = PipelineView(training).card

    assert "rate" in card.text
    assert "data:image" not in card.html


# A run -----------------------------------------------------------------------------------------


def test_a_run_is_found_by_its_id_or_record_and_shows_how_each_step_went() -> None:
    run = training()

    for what in (run, run.id, run.id[:8]):
        view = PipelineView(what)
        assert {node: state["status"] for node, state in view.states.items()} == dict.fromkeys(
            ("load", "clean", "train"), "completed"
        )
        assert view.whole["status"] == "completed"
    again = PipelineView(training())
    assert again.states["train"]["status"] == "reused"


def test_the_card_of_a_step_that_ran_has_inputs_outputs_tags_metadata_logs_and_source() -> None:
    view = PipelineView(training())

    cards = {}
    for node in ("load", "clean", "train"):
        view.selected = node
        cards[node] = view.card

    assert "raw" in cards["load"].text
    assert "<script>" in cards["load"].text
    assert "<script>" not in cards["load"].html
    assert "kept" in cards["clean"].text
    assert "<b>all</b>" in cards["clean"].text
    assert "&lt;b&gt;all&lt;/b&gt;" in cards["clean"].html
    assert "data  load" in cards["clean"].text
    assert "return value * SCALE" in cards["clean"].text
    assert "no result so far" in cards["train"].text
    assert "the parameter rate" in cards["train"].text


def test_the_card_of_a_reused_step_says_against_which_run() -> None:
    first = training()
    view = PipelineView(training())

    view.selected = "train"

    assert first.id[:8] in view.card.text


def test_a_failed_step_shows_what_it_raised_and_those_after_it_are_skipped() -> None:
    with pytest.raises(nbpipe.errors.StepFailedError):
        broken()
    view = PipelineView(Client().runs.newest())

    view.selected = "failing"

    assert view.states["failing"]["why"] == "ValueError: no <i>rows</i>"
    assert view.states["clean"]["status"] == "skipped"
    assert "ValueError: no <i>rows</i>" in view.card.text
    assert "<i>rows" not in view.card.html
    view.selected = "clean"
    assert "skipped" in view.card.text


def test_where_there_is_no_front_end_a_run_is_its_card_and_no_widget_is_made() -> None:
    view = PipelineView(training())

    bundle = view._repr_mimebundle_()

    assert set(bundle) == {"text/plain", "text/html"}
    assert "data:image/svg+xml;base64," in bundle["text/html"]
    assert "_graph" not in vars(view)


def test_a_run_that_was_deleted_leaves_what_was_shown() -> None:
    run = training()
    view = PipelineView(run)
    assert view.widget.run["status"] == "completed"
    Client().runs.delete(run.id, force=True)

    sent = told(view)
    view.widget.press({"do": "card", "node": 1})

    assert sent[0]["do"] == "card"
    assert [node["name"] for node in view.widget.scene["nodes"]] == ["load", "clean", "train"]


# A run that goes on ----------------------------------------------------------------------------


def test_a_live_run_tells_how_far_its_steps_are() -> None:
    watched = Watched(slow)

    states = watched.view.states

    assert states["load"]["status"] == "completed"
    assert states["clean"] == {"status": "pending"}
    running = states["waiting"]
    assert (running["status"], running["share"]) == ("running", 0.25)
    assert running["said"] == "25 %, 1 of 4 · fold <b>2</b>"
    assert running["line"] == "epoch 7"
    assert watched.view.whole["live"] is True
    watched.finish()


def test_only_what_has_changed_is_sent_to_the_page() -> None:
    watched = Watched(slow)
    view = watched.view
    view._is_followed = True  # nobody else tells the page meanwhile
    sent = told(view)
    view.update()
    sent.clear()

    view.update()
    quiet = list(sent)
    watched.finish()
    view.update()

    assert quiet == []
    changed = {number for message in sent for number in message["nodes"]}
    assert changed == {"1", "2"}
    assert {number: state["status"] for number, state in view.widget.states.items()} == dict.fromkeys(
        ("0", "1", "2"), "completed"
    )
    assert view.widget.run == {"status": "completed"}


def test_a_live_view_follows_its_run_by_itself_to_the_end() -> None:
    watched = Watched(slow)
    widget = watched.view.widget

    watched.finish()

    assert is_soon(lambda: widget.run == {"status": "completed"})
    assert not watched.view.is_going


@pytest.mark.parametrize("press", ["button", "method", "page"])
def test_a_run_is_stopped_from_the_view(press: str) -> None:
    watched = Watched(slow)
    view = watched.view
    sent = told(view)

    {
        "button": view.stop_button.click,
        "method": view.stop,
        "page": lambda: view.widget.press({"do": "stop"}),
    }[press]()

    with pytest.raises(nbpipe.errors.RunInterruptedError):
        watched.handle.wait(30)
    assert view.states["waiting"]["status"] == "interrupted"
    assert view.stop_button.disabled
    assert ({"do": "heard"} in sent) is (press == "page")


def test_a_run_elsewhere_is_followed_and_stopped_through_the_catalog() -> None:
    handle = slow.start()
    assert has_begun()
    view = PipelineView(handle.id)
    assert view.is_going
    widget = view.widget

    view.stop_button.click()

    with pytest.raises(nbpipe.errors.RunInterruptedError):
        handle.wait(30)
    assert is_soon(lambda: widget.run["status"] == "interrupted")


def test_stopping_what_does_not_go_on_is_refused_and_a_press_of_it_says_so() -> None:
    run_view, pipeline_view = PipelineView(training()), PipelineView(training)

    for view in (run_view, pipeline_view):
        assert view.stop_button.disabled
        view.stop_button.click()
        with pytest.raises(ConflictError):
            view.stop()
        view.widget.press({"do": "stop"})
        assert view.message


def test_the_usual_time_of_each_step_is_known_from_earlier_runs() -> None:
    Path("go on").touch()
    slow()
    Path("go on").unlink()
    Path("begun").unlink()
    watched = Watched(slow.with_options(cache=False))
    assert watched.subject is not None

    assert is_soon(lambda: watched.subject.catch_up() or bool(watched.subject._usual))  # type: ignore[func-returns-value, union-attr]

    assert set(watched.subject._usual) == {"load", "waiting", "clean"}
    watched.finish()


# What may be set -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("selected", "trian"),
        ("selected", 3),
        ("selected", None),
        ("selected", "'; DROP TABLE runs; --"),
        ("query", 3),
        ("query", None),
        ("focus", "sideways"),
        ("focus", None),
        ("zoom", float("nan")),
        ("zoom", -1),
        ("zoom", 1e9),
        ("zoom", True),
        ("zoom", "2"),
        ("folded", 1),
    ],
    ids=lambda value: repr(value) if not isinstance(value, float) or value == value else "nan",
)
def test_a_value_that_will_not_do_is_refused_and_what_was_shown_stays(name: str, value: Any) -> None:
    view = PipelineView(training)
    before = getattr(view, name)

    with pytest.raises(BadValueError) as refused:
        setattr(view, name, value)

    assert len(str(refused.value).splitlines()) <= 2
    assert name in str(refused.value)
    assert getattr(view, name) == before


def test_a_mistyped_step_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadValueError, match="Did you mean 'train'"):
        PipelineView(training).selected = "trian"


@pytest.mark.parametrize("what", [3, None, [training], object()], ids=["number", "nothing", "list", "object"])
def test_what_has_no_graph_is_refused(what: Any) -> None:
    with pytest.raises(BadValueError, match="give a pipeline, a run"):
        PipelineView(what)


def test_a_run_that_there_is_not_is_refused() -> None:
    with pytest.raises(NotFoundError):
        PipelineView("no such run")


def test_what_is_set_in_python_reaches_the_page_and_the_other_way_round() -> None:
    view = PipelineView(training)
    widget = view.widget

    view.selected, view.query, view.focus, view.zoom = "clean", "LO", "ancestors", 1.5
    assert (widget.selected, widget.query, widget.focus, widget.zoom) == (1, "LO", "ancestors", 1.5)

    widget.selected, widget.query, widget.focus, widget.zoom = 2, "tr", "", 0.0
    assert (view.selected, view.query, view.focus, view.zoom) == ("train", "tr", "", 0.0)
    assert view.found == ["train"]
    widget.selected = 99
    assert view.selected == ""


@pytest.mark.parametrize(
    ("focus", "shown"),
    [
        ("", ["load", "clean", "train"]),
        ("ancestors", ["load", "clean"]),
        ("descendants", ["clean", "train"]),
        ("both", ["load", "clean", "train"]),
    ],
)
def test_the_focus_shows_what_belongs_to_the_selected_step(focus: str, shown: list[str]) -> None:
    view = PipelineView(training)

    view.selected, view.focus = "clean", focus

    assert view.shown == shown


def test_a_page_that_asks_for_nonsense_gets_the_card_of_the_whole() -> None:
    view = PipelineView(training)
    sent = told(view)

    for node in (99, -5, "1", None, {"a": 1}):
        view.widget.press({"do": "card", "node": node})
    view.widget.press({})

    assert [message["node"] for message in sent] == [-1] * 5


# Large and odd graphs --------------------------------------------------------------------------


def test_a_large_graph_begins_folded_and_says_what_is_in_each_box() -> None:
    view = PipelineView(many)

    overview = view.widget.scene["overview"]

    assert view.folded
    members = sorted(member for node in overview["nodes"] for member in node["members"])
    assert members == list(range(401))
    assert len(overview["nodes"]) < 90
    view.folded = False
    assert view.widget.folded is False


def test_names_are_text_whatever_is_in_them() -> None:
    odd = "<img src=x onerror=alert(1)> 'quoted' \u202e" + "long " * 1000

    scene = dag_scene([DagNode("a", title=odd)], [], name=odd)

    assert len(scene["nodes"][0]["name"]) <= 200
    assert len(scene["name"]) <= 200
    assert "\u202e" not in json.dumps(scene, ensure_ascii=False)
