"""The tag editor over the real service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from nbpipe.services.client import Client
from nbpipe.services.tags import tags_of
from nbpipe.widgets.tag_editor import TagEditor
from tests.services.building import Built, opened, record_run

LATEST = Tag(name="latest", exclusive=True)


@pytest.fixture
def client(workspace: WorkspacePaths) -> Iterator[Client]:
    with opened(workspace):
        yield Client()


@pytest.fixture
def runs(client: Client) -> list[Built]:
    """Give monday, which holds `latest`, and tuesday."""
    first = record_run(client.workspace, name="monday", outputs={"raw": 1}, tags=["v1", LATEST])
    return [first, record_run(client.workspace, name="tuesday", outputs={"raw": 2})]


def on(client: Client, run: Built) -> set[str]:
    return set(tags_of(client.workspace, Kind.RUN, run.id))


def texts(editor: TagEditor) -> list[str]:
    return [chip.description for chip in editor.chips]


def press_chip(editor: TagEditor, name: str) -> None:
    next(chip for chip in editor.chips if chip.description.startswith(name)).click()


def test_the_tags_that_are_there_are_chips_with_their_flags(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[0].id}")

    assert texts(editor) == ["latest · exclusive ✕", "v1 ✕"]
    assert editor.chips[1].tooltip == "take v1 off run monday"


def test_a_press_adds_what_is_named(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[1].id}")
    editor.names = ["good", " reviewed "]

    assert [effect.said for effect in editor.effects] == [
        "good (new) goes to run tuesday.", "reviewed (new) goes to run tuesday.",
    ]  # fmt: skip
    editor.add_button.click()

    assert on(client, runs[1]) == {"good", "reviewed"}
    assert editor.message == "Done: good (new) goes to run tuesday. reviewed (new) goes to run tuesday."
    assert (editor.names, editor.revision) == ((), 1)
    assert texts(editor) == ["good ✕", "reviewed ✕"]


def test_what_an_exclusive_tag_would_move_is_said_before_it_is_moved(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[1].id}")
    button = editor.add_button
    editor.names = ["latest"]

    assert button.description == "Add and move"
    assert "latest (exclusive) moves from run monday to run tuesday." in editor._controls.effects.value
    assert on(client, runs[0]) == {"latest", "v1"}
    button.click()

    assert (on(client, runs[0]), on(client, runs[1])) == ({"v1"}, {"latest"})


def test_should_somebody_be_faster_the_press_does_nothing_but_say_so(client: Client, runs: list[Built]) -> None:
    third = record_run(client.workspace, name="wednesday")
    editor = TagEditor(client, f"run:{runs[1].id}")
    editor.add_button  # noqa: B018 — somebody looks
    editor.names = ["latest"]
    client.tags.add(["latest"], run=third.id)

    editor.add_button.click()
    assert "Somebody was faster" in editor.message
    assert on(client, third) == {"latest"}
    assert "moves from run wednesday to run tuesday" in editor._controls.effects.value

    editor.add_button.click()
    assert on(client, runs[1]) == {"latest"}


def test_how_far_a_cascading_tag_would_go_is_said(client: Client, runs: list[Built]) -> None:
    record_run(client.workspace, tags=[Tag(name="exp", cascade=True)])
    editor = TagEditor(client, f"run:{runs[1].id}")

    editor.names = ["exp"]

    assert editor.effects[0].said == "exp (cascade) goes to run tuesday, and reaches 1 artifact version."
    editor.add_button.click()
    assert client.tags.get("exp").count == 3


def test_a_new_tag_can_be_made_exclusive_and_a_known_one_stays_as_it_is(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[1].id}")
    editor.exclusive = True
    editor.names = ["best", "v1"]

    assert [(effect.exclusive, effect.problem) for effect in editor.effects] == [(True, ""), (False, "")]
    editor.add_button.click()

    assert client.tags.get("best").exclusive
    assert not client.tags.get("v1").exclusive
    assert editor.exclusive is False


def test_a_chip_takes_its_tag_off_and_add_puts_it_back(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[0].id}")

    press_chip(editor, "latest")

    assert on(client, runs[0]) == {"v1"}
    assert editor.message == "latest is taken off run monday."
    assert editor.names == ("latest",)
    editor.add_button.click()
    assert on(client, runs[0]) == {"latest", "v1"}


def test_remove_takes_off_what_is_named_and_says_when_nothing_was_there(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, [f"run:{run.id}" for run in runs])
    assert editor.remove_button.disabled
    editor.names = ["v1"]
    assert not editor.remove_button.disabled

    editor.remove_button.click()

    assert on(client, runs[0]) == {"latest"}
    editor.remove_button.click()
    assert editor.message == "2 things do not bear v1."


def test_several_things_are_edited_together_and_counted(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, [f"run:{run.id}" for run in runs])

    assert editor.tags == {"latest": 1, "v1": 1}
    assert texts(editor) == ["latest 1 of 2 · exclusive ✕", "v1 1 of 2 ✕"]
    editor.names = ["v1"]
    assert editor.effects[0].said == "v1 goes to run tuesday."
    editor.add_button.click()
    assert on(client, runs[1]) == {"v1"}
    assert editor.tags["v1"] == 2


def test_what_is_refused_is_said_and_cannot_be_pressed(client: Client, runs: list[Built]) -> None:
    record_run(client.workspace, name="bad", status=Status.FAILED)

    for target in ("pipeline:training", [f"run:{run.id}" for run in runs], "run:bad"):
        editor = TagEditor(client, target)

        editor.names = ["latest"]

        assert editor.add_button.disabled, target
        assert editor.effects[0].problem, target
        editor._add()
        assert editor.message == editor.effects[0].problem, target
        assert on(client, runs[0]) == {"latest", "v1"}, target


BAD_VALUES: list[tuple[str, Any]] = [
    ("names", "v1"),
    ("names", 7),
    ("names", [""]),
    ("names", ["a\nb"]),
    ("names", [7]),
    ("exclusive", "yes"),
    ("exclusive", 1),
    ("names", None),
    ("exclusive", None),
]


def test_a_bad_value_is_refused_in_a_line(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[0].id}")

    for trait, value in BAD_VALUES:
        with pytest.raises(BadValueError) as refused:
            setattr(editor, trait, value)
            pytest.fail(f"{trait} took {value!r}")

        assert len(str(refused.value)) < 200, (trait, value)
        assert (editor.names, editor.exclusive) == ((), False), (trait, value)


def test_what_is_typed_is_read_at_commas_and_a_bad_name_is_said(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[1].id}")
    typed = editor._controls.name

    typed.value = "good, latest,"
    assert editor.names == ("good", "latest")
    assert typed.value == "good, latest,"
    typed.value = "x" * 300
    assert editor.add_button.disabled
    assert "255" in editor._controls.effects.value
    typed.value = "good"
    editor.add_button.click()
    assert on(client, runs[1]) == {"good"}
    assert typed.value == ""


def test_what_is_typed_and_refused_is_refused_when_it_is_pressed_too(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[1].id}")
    typed = editor._controls.name

    typed.value = "x" * 300
    editor.add_button.click()

    assert "255" in editor.message
    assert typed.value == "x" * 300
    typed.value = "good"
    editor.add_button.click()
    assert on(client, runs[1]) == {"good"}


def test_known_tags_are_completed_but_for_those_that_are_there(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[0].id}")
    other = TagEditor(client, f"run:{runs[1].id}")

    assert set(editor._controls.name.options) == set()
    assert set(other._controls.name.options) == {"latest", "v1"}


def test_a_tag_that_would_be_read_as_others_when_it_is_typed_is_not_completed(
    client: Client, runs: list[Built]
) -> None:
    client.tags.add(["a,b", "x  y", "x y"], run=runs[0].id)
    editor = TagEditor(client, f"run:{runs[1].id}")

    assert {"x y", "latest"} <= set(editor._controls.name.options)
    assert not {"a,b", "x  y"} & set(editor._controls.name.options)


def test_the_second_press_of_a_double_click_leaves_what_the_first_one_said(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[1].id}")
    editor.names = ["good"]

    editor.add_button.click()
    said = editor.message
    editor.add_button.click()

    assert said.startswith("Done: ")
    assert editor.message == said


def test_nothing_to_edit_is_refused(client: Client, runs: list[Built]) -> None:
    with pytest.raises(BadValueError):
        TagEditor(client, [])
    with pytest.raises(NotFoundError):
        TagEditor(client, "run:nobody")
    with pytest.raises(BadValueError):
        TagEditor(client, 7)


def test_records_and_listings_can_be_edited(client: Client, runs: list[Built]) -> None:
    assert TagEditor(client, client.runs.list()).tags == {"latest": 1, "v1": 1}
    assert TagEditor(client, client.artifacts.get("raw@1")).tags == {}
    editor = TagEditor(client, client.runs.get("monday"))
    editor.show("run:tuesday")
    assert (editor.tags, editor.targets[0].label) == ({}, "tuesday")


def test_a_thing_that_is_gone_is_said_and_the_editor_stays(client: Client, runs: list[Built]) -> None:
    snapshot = client.workspace.catalog.state().snapshots
    assert snapshot == {}
    editor = TagEditor(client, f"run:{runs[0].id}")
    editor.names = ["v1"]

    client.tags.delete("v1")
    editor.remove_button.click()

    assert editor.message == "run monday does not bear v1."


def test_the_static_face_is_a_table_that_depends_on_nothing_but_the_tags(client: Client, runs: list[Built]) -> None:
    editor = TagEditor(client, f"run:{runs[0].id}", static=True)
    editor.names = ["fresh"]

    bundle = editor.static()

    assert "latest" in bundle.text
    assert "exclusive" in bundle.text
    assert "fresh (new) goes to run monday." in bundle.text
    assert runs[0].id[:8] not in bundle.html
    assert set(editor._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert "none" in TagEditor(client, f"run:{runs[1].id}").static().text


def test_a_hostile_name_is_shown_as_text(client: Client, runs: list[Built]) -> None:
    name = "<script>alert(1)</script>'\";--"
    client.tags.add([name], run=runs[1].id)
    editor = TagEditor(client, f"run:{runs[1].id}")
    editor.names = [name + "2"]

    assert "<script" not in editor.static().html + editor._controls.effects.value + editor._controls.title.value
    press_chip(editor, "<script>")
    assert on(client, runs[1]) == set()


def test_controls_are_named_for_who_cannot_see_them(client: Client, runs: list[Built]) -> None:
    controls = TagEditor(client, f"run:{runs[0].id}")._controls

    assert controls.name.description == "tag"
    assert controls.exclusive.description
    assert all(chip.tooltip for chip in controls.chips.children)
