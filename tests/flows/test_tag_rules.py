"""The rules of tags, each by its sentence, on the paths by which a user comes to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nbpipe import Tag, add_tags, remove_tags
from nbpipe.errors import BadValueError, ConflictError, NotFoundError, StepFailedError
from nbpipe.records.runs import Status
from tests.flows.forks import together
from tests.flows.project import Project, ran

FLOW = """
@step
def load(n: int) -> Annotated[list, "raw"]:
    return list(range(n))

@step
def total(data: list) -> Annotated[int, "total"]:
    if len(data) == 13:
        raise ValueError("unlucky")
    return sum(data)

@pipeline(tags=TAGS)
def training(n: int = 3):
    return total(load(n))
"""
LATEST = 'Tag(name="latest", exclusive=True)'


def flow_with(project: Project, *tags: str, text: str = FLOW) -> Any:
    """Import the flow with these tags, as Python writes them."""
    return project.load(text.replace("TAGS", f"[{', '.join(tags)}]"))


def bearers(project: Project, tag: str, kind: str = "run") -> list[str]:
    """Give the ids of the things of a kind that bear a tag, the newest holder first."""
    known = [one.name for one in project.client.tags.list()]
    return [one.id for one in project.client.tags.holders(tag) if one.kind == kind] if tag in known else []


def names(project: Project) -> set[str]:
    return {tag.name for tag in project.client.tags.list()}


def in_step(body: str, *, outputs: str = "-> int", value: str = "1") -> str:
    """Give a pipeline of one step that does `body`."""
    return f"""
@step
def talk(n: int = 1) {outputs}:
    {body}
    return {value}

@pipeline
def talking(n: int = 1):
    return talk(n)
"""


# Names ---------------------------------------------------------------------------------------------


GOOD_NAMES = (
    "two words", "ünïcödé", "🏆", "a'b\"c", "<script>alert(1)</script>", "x" * 255, "%_", "; DROP TABLE tag"
)  # fmt: skip


def test_a_name_of_1_to_255_printable_characters_is_taken_and_found_again(project: Project) -> None:
    for name in GOOD_NAMES:
        run = flow_with(project, repr(f"  {name} ")).training()

        assert run.tags == [name]
        assert [one.id for one in project.client.runs.list(tags=[name])] == [run.id], name
        assert project.client.tags.get(name).count == 1, name


BAD_NAMES = (
    "",
    "  ",
    "x" * 256,
    "a\nb",
    "a\x00b",
    "a\x85b",
    "a\x9bb",
    "d78ef750-423d-4776-8d90-36ca95342a06",
    "0c834e2422654c69bb15a9548326c417",
)


def test_a_bad_name_is_refused_on_every_path_with_nothing_written(project: Project) -> None:
    flow = flow_with(project)
    run = flow.training()
    before = project.logs_bytes()
    ways: tuple[Callable[[str], object], ...] = (
        lambda name: project.client.tags.add([name], run=run),
        lambda name: project.client.tags.rename("v1", name),
        lambda name: project.client.tags.remove([name], run=run),
        lambda name: flow.training.with_options(tags=[name]),
        lambda name: flow.training.create_snapshot(name="s", tags=[name]),
        lambda name: flow_with(project, repr(name)),
    )

    for name in BAD_NAMES:
        for say in ways:
            with pytest.raises(BadValueError) as refused:
                say(name)
            assert len(str(refused.value)) < 300, name

        assert project.logs_bytes() == before, name
        assert names(project) == set(), name


def test_the_same_tag_twice_counts_once(project: Project) -> None:
    flow = flow_with(project, '"v1"', '" v1 "', 'Tag(name="v1")')

    run = flow.training.with_options(tags=["v1"])()

    assert run.tags == ["v1"]
    assert project.client.tags.get("v1").count == 1


# Exclusive -----------------------------------------------------------------------------------------


def test_an_exclusive_tag_has_one_holder_for_each_pipeline(project: Project) -> None:
    flow = flow_with(project, LATEST, text=FLOW + "\n@pipeline(tags=TAGS)\ndef other():\n    return load(2)\n")

    runs = [flow.training(), flow.other(), flow.training(), flow.other()]

    assert bearers(project, "latest") == [runs[3].id, runs[2].id]


def test_an_exclusive_tag_moves_when_the_run_succeeds_and_not_when_it_starts(project: Project) -> None:
    project.load(
        FLOW.replace("TAGS", f"[{LATEST}]")
        + """
@step
def look(before: str) -> list:
    return [one.id for one in Client().tags.holders("latest")]

@pipeline(tags=[Tag(name="latest", exclusive=True)], name="training")
def looking(before: str):
    return look(before)
"""
    )
    import flow

    first = flow.training()
    second = flow.looking(before=first.id)

    assert second.output == [first.id]
    assert bearers(project, "latest") == [second.id]


def test_a_failing_run_takes_no_exclusive_tag_neither_for_itself_nor_for_what_it_made(project: Project) -> None:
    text = FLOW.replace('"raw"', 'ArtifactConfig(name="raw", tags=[Tag(name="best", exclusive=True), "plain"])')
    flow = flow_with(project, LATEST, '"v1"', text=text)
    good = flow.training()

    with pytest.raises(StepFailedError):
        flow.training(n=13)

    failed = project.client.runs.list()[0]
    assert failed.status is Status.FAILED
    assert failed.tags == ["v1"]
    assert bearers(project, "latest") == [good.id]
    assert bearers(project, "best", "artifact_version") == [good.steps["load"].output.id]
    assert len(bearers(project, "plain", "artifact_version")) == 2


def test_an_exclusive_tag_that_only_a_failing_run_declares_is_not_made(project: Project) -> None:
    flow = flow_with(project, LATEST)

    with pytest.raises(StepFailedError):
        flow.training(n=13)

    assert names(project) == set()


def test_a_killed_run_takes_no_exclusive_tag(project: Project) -> None:
    flow = flow_with(
        project,
        LATEST,
        '"v1"',
        text=FLOW
        + """
@step
def die(data: list) -> int:
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)

@pipeline(tags=TAGS, name="training")
def dying():
    return die(load(4))
""",
    )
    good = flow.training()
    project.python("import flow; flow.dying()")

    project.reopen()
    killed = project.client.runs.list()[0]

    assert (killed.id != good.id, killed.status) == (True, Status.INTERRUPTED)
    assert bearers(project, "latest") == [good.id]


@pytest.mark.parametrize("how", ["failed", "running", "interactive"])
def test_an_exclusive_tag_cannot_be_put_on_a_run_that_did_not_succeed(project: Project, how: str) -> None:
    flow = flow_with(
        project,
        LATEST,
        text=FLOW
        + in_step('from nbpipe import Client; Client().tags.add(["latest"], run=get_step_context().run.name + "")'),
    )
    good = flow.training()
    if how == "running":
        with pytest.raises(StepFailedError, match="has not ended"):
            flow.talking()
    elif how == "failed":
        with pytest.raises(StepFailedError):
            flow.training(n=13)
        failed = project.client.runs.list()[0]
        with pytest.raises(ConflictError, match="failed"):
            add_tags(["plain", "latest"], run=failed)
        assert failed.tags == []
    else:
        from nbpipe.services.interactive import InteractiveRun

        session = InteractiveRun(project.client.workspace, "notebook")
        session._begin_run()
        with pytest.raises(ConflictError, match="cells"):
            add_tags([Tag(name="latest", exclusive=True)], run=session.facts.id)
        session.end()

    assert bearers(project, "latest") == [good.id]
    assert names(project) == {"latest"}


@pytest.mark.parametrize("count", [8, pytest.param(20, marks=pytest.mark.soak)])
def test_of_processes_that_run_at_once_one_holds_the_exclusive_tag_the_one_whose_end_was_recorded_last(
    project: Project, count: int
) -> None:
    flow_with(project, LATEST, 'Tag(name="now", exclusive=True, cascade=True)', '"plain"')
    project.python("import flow; flow.training()", check=True)
    # Every fourth fails.
    code = """
try:
    flow.training(n=20 + who if who % 4 else 13)
except Exception as e:
    print(type(e).__name__)
"""
    codes, said = together(project, code, count)

    assert codes == [0] * count
    assert said.count("StepFailedError") == count // 4
    client = project.client
    succeeded = client.workspace.catalog.rows("SELECT id FROM runs WHERE status = 'completed' ORDER BY ended DESC")
    assert len(succeeded) == 1 + count - count // 4
    assert bearers(project, "latest") == bearers(project, "now") == [succeeded[0]["id"]]
    history = [one.id for one in client.tags.history("latest")]
    assert history == [row["id"] for row in succeeded]
    last = client.runs.get(succeeded[0]["id"])
    versions = {
        one.label.partition("@")[0]: one for one in client.tags.history("now") if one.holds and one.kind != "run"
    }
    assert {name: one.id for name, one in versions.items()} == {
        "raw": last.steps["load"].output.id,
        "total": last.steps["total"].output.id,
    }
    assert client.tags.get("plain").count == 1 + count
    assert client.workspace.catalog.check() == []


# Cascade -------------------------------------------------------------------------------------------


def test_a_cascading_tag_reaches_what_the_run_made_or_reused_and_not_what_it_only_read(project: Project) -> None:
    flow = flow_with(
        project,
        'Tag(name="exp", cascade=True)',
        text=FLOW
        + """
@pipeline(tags=[Tag(name="exp", cascade=True)], model=Model(name="iris", version=1))
def reading():
    return total(get_pipeline_context().model.get_model_artifact("given"))

@step
def give() -> Annotated[list, "given"]:
    return [1]

@pipeline(model=Model(name="iris"))
def giving():
    give()
""",
    )
    flow.giving()
    flow.training()

    again = flow.training()
    read = flow.reading()

    assert [step.status for step in again.steps.values()] == [Status.REUSED, Status.REUSED]
    assert {step.output.id for step in (*again.steps.values(), *read.steps.values())} == set(
        bearers(project, "exp", "artifact_version")
    )
    assert project.client.artifacts.get("given").tags == []


def test_a_cascading_tag_reaches_what_was_made_before_a_failure(project: Project) -> None:
    flow = flow_with(project, 'Tag(name="exp", cascade=True)')

    with pytest.raises(StepFailedError):
        flow.training(n=13)

    failed = project.client.runs.list()[0]
    assert failed.tags == ["exp"]
    assert bearers(project, "exp", "artifact_version") == [failed.steps["load"].output.id]


@pytest.mark.parametrize(
    "text",
    [
        FLOW.replace('"raw"', 'ArtifactConfig(name="raw", tags=[Tag(name="exp", cascade=True)])'),
        FLOW.replace("@step\ndef load", '@step(tags=[Tag(name="exp", cascade=True)])\ndef load'),
        FLOW.replace("tags=TAGS", 'tags=TAGS, model=Model(name="iris", tags=[Tag(name="exp", cascade=True)])'),
    ],
    ids=["output", "step", "model"],
)
def test_only_a_pipeline_declares_that_a_tag_cascades(project: Project, text: str) -> None:
    with pytest.raises(ConflictError, match="only a pipeline's own tags can"):
        flow_with(project, text=text).training()

    assert names(project) == set()
    assert project.client.runs.list() == []


def test_a_cascading_tag_given_later_by_its_name_reaches_what_that_run_made(project: Project) -> None:
    first = flow_with(project, 'Tag(name="exp", cascade=True)').training()
    other = flow_with(project).training(n=5)

    answer = project.client.tags.add(["exp"], run=other)

    reached = {step.output.id for run in (first, other) for step in run.steps.values()}
    assert set(bearers(project, "exp", "artifact_version")) == reached
    assert answer.reached == {"exp": 2}


def test_exclusive_and_cascade_together_the_run_holds_it_and_of_each_artifact_the_last_version(
    project: Project,
) -> None:
    flow = flow_with(
        project,
        'Tag(name="now", exclusive=True, cascade=True)',
        text=FLOW
        + """
@pipeline(name="training", tags=TAGS)
def twice(n: int = 3):
    return total(load(n)), load(n + 1)
""",
    )
    flow.training()

    run = flow.twice(n=7)

    assert bearers(project, "now") == [run.id]
    assert set(bearers(project, "now", "artifact_version")) == {
        run.steps["load_2"].output.id,
        run.steps["total"].output.id,
    }


# Flags ---------------------------------------------------------------------------------------------

MARK = "from pathlib import Path; Path('ran').touch()"


@pytest.mark.parametrize("flag", ["exclusive", "cascade"])
def test_a_contradicting_declaration_is_refused_before_any_step_runs(project: Project, flag: str) -> None:
    flow_with(project, f'Tag(name="t", {flag}=True)').training()
    before = project.logs_bytes()
    flow = flow_with(
        project, f'Tag(name="t", {flag}=False)', '"fresh"', text=FLOW.replace("return list", MARK + "\n    return list")
    )

    with pytest.raises(ConflictError, match=f"'t' is {flag}, which was fixed at its first use"):
        flow.training(n=9)

    assert not (project.folder / "ran").exists()
    assert project.logs_bytes() == before
    assert names(project) == {"t"}


def test_a_tag_listed_with_two_meanings_in_one_pipeline_is_refused_before_any_step_runs(project: Project) -> None:
    text = FLOW.replace('"raw"', 'ArtifactConfig(name="raw", tags=[Tag(name="t", exclusive=True)])')
    flow = flow_with(project, 'Tag(name="t", exclusive=False)', text=text)

    with pytest.raises(ConflictError, match="both with exclusive=True and with exclusive=False"):
        flow.training()

    assert project.client.runs.list() == []


def test_what_one_place_says_of_a_new_tag_holds_for_all_places_of_the_run(project: Project) -> None:
    text = FLOW.replace('"raw"', 'ArtifactConfig(name="raw", tags=[Tag(name="t", exclusive=True)])')
    flow = flow_with(project, '"t"', text=text)

    first, second = flow.training(), flow.training(n=5)

    assert first.status is second.status is Status.COMPLETED
    assert project.client.tags.get("t").exclusive
    assert bearers(project, "t") == [second.id]
    assert bearers(project, "t", "artifact_version") == [second.steps["load"].output.id]


def test_a_plain_mention_means_the_tag_as_it_is(project: Project) -> None:
    first = flow_with(project, LATEST).training()
    second = flow_with(project, '"latest"').training()

    assert bearers(project, "latest") == [second.id] != [first.id]


def test_an_exclusive_tag_on_what_there_is_one_of_is_refused_and_leaves_no_tag_behind(project: Project) -> None:
    flow_with(project, text=FLOW.replace("tags=TAGS", 'model=Model(name="iris")')).training()

    for target in ({"pipeline": "training"}, {"artifact": "raw"}, {"model": "iris"}):
        with pytest.raises(ConflictError, match="cannot hold"):
            add_tags(["fresh", Tag(name="only", exclusive=True)], **target)
        assert names(project) == set(), target


# In a step -----------------------------------------------------------------------------------------


def test_in_a_step_with_no_target_the_run_is_tagged(project: Project) -> None:
    run = project.load(in_step('add_tags(["said"])')).talking()

    assert run.tags == ["said"]


@pytest.mark.parametrize(
    "call", ["add_tags(['t'], infer_artifact=True)", "log_metadata({'t': 1}, infer_artifact=True)"]
)
def test_infer_artifact_needs_one_output_or_a_name(project: Project, call: str) -> None:
    two = 'tuple[Annotated[int, "a"], Annotated[int, "b"]]'
    flow = project.load(in_step(call, outputs=f"-> {two}", value="1, 2"))
    with pytest.raises(StepFailedError, match=r"several outputs; name one: artifact_name= a, b"):
        flow.talking()
    flow = project.load(in_step(call.replace("True", "True, artifact_name='zz'"), outputs=f"-> {two}", value="1, 2"))
    with pytest.raises(StepFailedError, match=r"No output is named 'zz'"):
        flow.talking()
    flow = project.load(in_step(call, outputs="-> None", value="None"))
    with pytest.raises(StepFailedError, match="no output"):
        flow.talking()

    assert names(project) == set()


def test_a_name_alone_says_which_output_is_meant(project: Project) -> None:
    two = 'tuple[Annotated[int, "a"], Annotated[int, "b"]]'
    run = project.load(in_step("add_tags(['t'], artifact_name='b')", outputs=f"-> {two}", value="1, 2")).talking()

    assert (run.tags, run.steps["talk"].outputs["a"].tags, run.steps["talk"].outputs["b"].tags) == ([], [], ["t"])


def test_an_exclusive_tag_given_with_infer_artifact_stays_exclusive(project: Project) -> None:
    flow = project.load(in_step('add_tags([Tag(name="best", exclusive=True)], infer_artifact=True)'))

    flow.talking()
    second = flow.talking(n=2)

    assert bearers(project, "best", "artifact_version") == [second.steps["talk"].output.id]


def test_a_reused_step_gives_its_tags_once_more(project: Project) -> None:
    flow = project.load(
        in_step('add_tags(["said", Tag(name="last", exclusive=True)]); add_tags(["out"], infer_artifact=True)')
    )
    first = flow.talking()
    project.reopen()

    again = flow.talking()

    assert again.steps["talk"].status is Status.REUSED
    assert again.tags == ["last", "said"]
    assert first.tags == ["said"]
    assert again.steps["talk"].output.tags == ["out"]


@pytest.mark.parametrize("by", ["its id", "its name", "its record"])
def test_a_step_that_points_at_its_own_run_means_it_as_no_target_does(project: Project, by: str) -> None:
    own = {
        "its id": "context.run_id",
        "its name": "context.run.name",
        "its record": "Client().runs.get(context.run_id)",
    }[by]
    flow = project.load(
        in_step(
            f"""context = get_step_context()
    add_tags([Tag(name="last", exclusive=True), "said"], run={own})
    log_metadata({{"n": n}}, run={own})
    if n == 2:
        raise ValueError("late")"""
        )
    )
    first = flow.talking()
    again = flow.talking()
    with pytest.raises(StepFailedError):
        flow.talking(n=2)

    assert again.steps["talk"].status is Status.REUSED
    assert (again.tags, again.metadata, first.metadata) == (["last", "said"], {"n": 1}, {"n": 1})
    assert bearers(project, "last") == [again.id]


def test_a_step_means_another_run_whose_name_goes_on_where_its_own_ends(project: Project) -> None:
    flow = project.load(
        in_step("if n == 2: add_tags(['x'], run='nightly@old'); log_metadata({'said': n}, run='nightly@old')")
    )
    old = flow.talking.with_options(run_name="nightly@old")()

    run = flow.talking.with_options(run_name="nightly")(n=2)

    assert (old.tags, old.metadata) == (["x"], {"said": 2})
    assert (run.tags, run.metadata) == ([], {})


REFUSED = (
    "add_tags(['t'], infer_artifact=True, artifact_name='zz', pipeline='talking')",
    "add_tags(['t'], infer_artifact=True, pipeline='no such')",
    "add_tags([Tag(name='t', cascade=True)], infer_artifact=True, pipeline='talking')",
    "add_tags([Tag(name='t', exclusive=True)], infer_artifact=True, pipeline='talking')",
    "log_metadata({'t': 1}, infer_artifact=True, artifact_name='zz', run=Client().runs.list()[-1])",
    "log_metadata({'t': object()}, infer_artifact=True, run=Client().runs.list()[-1])",
    "log_metadata({'t': 1}, infer_artifact=True, run='no such')",
    "log_metadata({'t': 1}, infer_model=True, infer_artifact=True)",
)


def test_a_call_in_a_step_with_several_targets_does_all_or_nothing(project: Project) -> None:
    calm = project.load(in_step("pass")).talking()
    for refused in REFUSED:
        body = f"""try:
        {refused}
    except Exception as error:
        return type(error).__name__"""
        run = project.load(in_step(body, outputs="-> str")).talking()

        assert run.output in ("NotFoundError", "ConflictError", "BadValueError"), refused
        assert names(project) == set(), refused
        assert (calm.metadata, run.metadata, run.steps["talk"].output.metadata) == ({}, {}, {}), refused


def test_tags_of_several_targets_in_a_step_reach_all_of_them(project: Project) -> None:
    project.load(in_step("pass")).talking()
    run = project.load(in_step("add_tags(['t'], infer_artifact=True, pipeline='talking')")).talking()

    assert {(one.kind, one.id) for one in project.client.tags.holders("t")} == {
        ("pipeline", "talking"),
        ("artifact_version", run.steps["talk"].output.id),
    }


def test_a_tag_that_contradicts_another_of_its_own_run_is_refused_where_it_is_given(project: Project) -> None:
    text = in_step('add_tags([Tag(name="t", exclusive=True)])').replace(
        "@pipeline", '@pipeline(tags=[Tag(name="t", exclusive=False)])'
    )

    with pytest.raises(StepFailedError, match="'t' is listed both"):
        project.load(text).talking()


def test_a_tag_that_is_declared_otherwise_than_before_is_on_what_is_reused_too(project: Project) -> None:
    text = FLOW.replace("@step\ndef load", '@step(tags=["one"])\ndef load')
    flow_with(project, text=text).training()

    again = flow_with(project, text=text.replace('"one"', '"two"')).training()

    assert ran(again) == []
    assert again.steps["load"].output.tags == ["one", "two"]
    other = flow_with(project, text=text.replace('"one"', '"three"')).training()
    project.client.tags.delete("two")
    assert "two" not in names(project) and other.steps["load"].output.tags == ["one", "three"]


# Removing and filtering ----------------------------------------------------------------------------


def test_removing_returns_how_many_were_removed(project: Project) -> None:
    run = flow_with(project, '"a"', '"b"').training()

    assert remove_tags(["a", "never"], run=run) == 1
    assert remove_tags(["a"], run=run) == 0
    assert remove_tags(["never was"], run=run) == 0
    assert remove_tags([], run=run) == 0
    with pytest.raises(NotFoundError):
        remove_tags(["a"], run="no such")
    with pytest.raises(NotFoundError):
        remove_tags(["a"], run=run, pipeline="no such")
    assert run.tags == ["b"]


def test_a_run_that_takes_a_tag_anew_after_its_removal_holds_it(project: Project) -> None:
    flow = flow_with(project, LATEST)
    first = flow.training()
    remove_tags(["latest"], run=first)
    second = flow.training()

    assert bearers(project, "latest") == [second.id]
    assert [one.lost_through for one in reversed(project.client.tags.history("latest"))] == ["remove_tags", ""]


def test_several_tags_in_a_filter_mean_all_of_them_and_there_is_any_of_prefix_and_part(project: Project) -> None:
    flow = flow_with(project)
    both, one, none = (flow.training.with_options(tags=tags)() for tags in (["exp-1", "good"], ["exp-2"], []))
    list_ = lambda **by: [run.id for run in project.client.runs.list(**by)]  # noqa: E731

    assert list_(tags=["exp-1", "good"]) == [both.id]
    assert list_(tags=["exp-1", "exp-2"]) == []
    assert list_(any_tags=["exp-1", "exp-2"]) == [one.id, both.id]
    assert list_(tag_prefix="exp-") == [one.id, both.id]
    assert list_(tag_contains="oo") == [both.id]
    assert list_(tags=["unknown"]) == []
    assert list_() == [none.id, one.id, both.id]


def test_a_rename_is_global_and_deleting_says_how_many_lose_it(project: Project) -> None:
    flow = flow_with(project, '"old"', LATEST)
    runs = [flow.training(), flow.training()]

    project.client.tags.rename("old", "new")
    project.client.tags.rename("latest", "newest")

    assert [run.tags for run in runs] == [["new"], ["new", "newest"]]
    assert project.client.tags.delete("new") == 2
    assert [run.tags for run in runs] == [[], ["newest"]]
    third = flow_with(project, '"newest"').training()
    assert bearers(project, "newest") == [third.id]


# Snapshots -----------------------------------------------------------------------------------------


def test_an_exclusive_tag_has_one_snapshot_of_each_pipeline(project: Project) -> None:
    flow = flow_with(project)
    flow.training.create_snapshot(name="one", tags=[Tag(name="live", exclusive=True)])
    second = flow.training.create_snapshot(name="two", tags=["live"])

    assert bearers(project, "live", "snapshot") == [second.id]


def test_a_snapshot_made_once_more_gets_the_tags_that_are_new(project: Project) -> None:
    flow = flow_with(project)
    first = flow.training.create_snapshot(name="one", tags=["a"])
    again = flow.training.create_snapshot(name="one", tags=["b"])

    assert again.id == first.id
    assert again.tags == ["a", "b"]


def test_a_refused_snapshot_leaves_no_tag_behind(project: Project) -> None:
    flow = flow_with(project)

    with pytest.raises(ConflictError):
        flow.training.create_snapshot(name="one", tags=["a", Tag(name="b", cascade=True)])

    assert names(project) == set()
    assert project.client.snapshots.list() == []


def test_a_run_of_a_snapshot_bears_the_tags_of_its_pipeline(project: Project) -> None:
    flow = flow_with(project, LATEST, '"v1"')
    snapshot = flow.training.create_snapshot(name="one")
    flow.training()

    run = snapshot.run()

    assert run.tags == ["latest", "v1"]
    assert bearers(project, "latest") == [run.id]
