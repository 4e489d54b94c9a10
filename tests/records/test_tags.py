"""Tags: names, flags that are fixed at first use, one holder of an exclusive one, cascading ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.operations import ArtifactTags, DeleteTag, NumberArtifacts, RenameTag
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag, as_tags
from tests.records.ledger import Ledger, named

FLAGS = st.one_of(st.none(), st.booleans())
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=255)


def tag_of(name: str, exclusive: bool | None, cascade: bool | None) -> Tag:
    said = {"exclusive": exclusive, "cascade": cascade}
    return Tag(name=name, **{flag: value for flag, value in said.items() if value is not None})


@given(name=NAMES)
def test_a_name_is_kept_trimmed_or_refused_if_nothing_is_left(name: str) -> None:
    if not name.strip():
        with pytest.raises(BadValueError):
            Tag(name=name)
    else:
        assert Tag(name=name).name == name.strip()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 256,
        "a\nb",
        "a\0b",
        "\x7f",
        "a\x85b",
        "d78ef750-423d-4776-8d90-36ca95342a06",
        "0c834e2422654c69bb15a9548326c417",
        5,
        None,
        b"a",
    ],
)
def test_a_bad_name_is_refused_in_a_line_or_two(name: object) -> None:
    with pytest.raises(BadValueError) as refused:
        Tag(name=name)

    assert len(str(refused.value).splitlines()) <= 2
    assert "pydantic" not in str(refused.value)


@pytest.mark.parametrize("tags", ["v1", Tag(name="v1"), {"name": "v1"}, 5, ["v1", 7], [None]])
def test_only_a_list_of_tags_is_taken(tags: object) -> None:
    with pytest.raises(BadValueError):
        as_tags(tags)


@given(name=NAMES.filter(str.strip), one=st.tuples(FLAGS, FLAGS), other=st.tuples(FLAGS, FLAGS))
def test_a_tag_listed_twice_counts_once_with_all_that_was_said_of_it(name: str, one: tuple, other: tuple) -> None:
    contradicts = any(a is not None and b is not None and a != b for a, b in zip(one, other, strict=True))

    if contradicts:
        with pytest.raises(ConflictError):
            as_tags([tag_of(name, *one), tag_of(name, *other)])
        return
    (merged,) = as_tags([tag_of(name, *one), tag_of(name, *other)])

    for flag, said in zip(("exclusive", "cascade"), zip(one, other, strict=True), strict=True):
        assert merged.declares(flag) == any(value is not None for value in said)
        assert getattr(merged, flag) == any(said)


@given(tag=st.builds(tag_of, st.just("v1"), FLAGS, FLAGS))
def test_a_tag_that_is_written_and_read_says_no_more_and_no_less(tag: Tag) -> None:
    again = Tag.read(tag.model_dump(mode="json"))

    assert again == tag
    assert again.model_fields_set == tag.model_fields_set


def test_a_plain_mention_of_a_tag_means_what_the_tag_is() -> None:
    ledger = Ledger()
    ledger.tag([Tag(name="latest", exclusive=True)], "first")

    answer = ledger.tag(["latest"], "second")

    assert ledger.bearers("latest") == {"second"}
    assert answer["lost"] == {"latest": "first"}


@pytest.mark.parametrize("flag", ["exclusive", "cascade"])
@pytest.mark.parametrize("first", [True, False])
def test_other_flags_than_at_first_use_are_refused_and_change_nothing(flag: str, first: bool) -> None:
    ledger = Ledger()
    ledger.end("run", tags=[Tag(name="t", **{flag: first})])
    before = len(ledger.changes)

    with pytest.raises(ConflictError, match=f"'t' is{'' if first else ' not'} {flag}"):
        ledger.end("other", tags=["new", Tag(name="t", **{flag: not first})])

    assert len(ledger.changes) == before
    assert ledger.bearers("new") == set()


@given(moves=st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["one", "two"])), max_size=12))
def test_an_exclusive_tag_has_one_holder_in_each_scope_whatever_happens(moves: list[tuple[str, str]]) -> None:
    ledger = Ledger()
    expected: dict[str, str] = {}

    for run, scope in moves:
        answer = ledger.tag([Tag(name="latest", exclusive=True)], f"{scope}-{run}", scope=scope)
        former = expected.get(scope)
        assert answer["lost"] == ({"latest": former} if former not in (None, f"{scope}-{run}") else {})
        expected[scope] = f"{scope}-{run}"

    assert ledger.bearers("latest") == set(expected.values())


@pytest.mark.parametrize("kind", [Kind.PIPELINE, Kind.ARTIFACT, Kind.MODEL])
def test_an_exclusive_tag_is_refused_where_there_is_only_one_of_a_kind(kind: Kind) -> None:
    ledger = Ledger()

    with pytest.raises(ConflictError, match="exclusive"):
        ledger.tag([Tag(name="latest", exclusive=True)], "iris", kind=kind, scope="")

    assert ledger.rows == {}


def test_only_a_pipeline_may_declare_that_a_tag_cascades() -> None:
    ledger = Ledger()

    with pytest.raises(ConflictError, match="cascades"):
        ledger.tag([Tag(name="exp", cascade=True)], "run")

    assert ledger.rows == {}


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED])
def test_a_run_that_does_not_succeed_moves_no_exclusive_tag_and_keeps_the_others(status: Status) -> None:
    ledger = Ledger()
    latest, best = Tag(name="latest", exclusive=True), Tag(name="best", exclusive=True)
    output = ArtifactTags(id="a1", name="raw", tags=(best,))
    ledger.end("good", tags=[latest], made=named(("a1", "raw")), tagged=(output,))

    ledger.end(
        "bad", status, tags=[latest, "v1"], tagged=(ArtifactTags(id="a2", name="raw", tags=as_tags(["best", "x"])),)
    )

    assert ledger.bearers("latest") == {"good"}
    assert ledger.bearers("v1") == {"bad"}
    assert ledger.bearers("best", Kind.ARTIFACT_VERSION) == {"a1"}
    assert ledger.bearers("x", Kind.ARTIFACT_VERSION) == {"a2"}


@pytest.mark.parametrize("status", list(Status)[2:])
def test_a_cascading_tag_reaches_what_the_run_made_and_reused_also_before_a_failure(status: Status) -> None:
    ledger = Ledger()

    ledger.end("run", status, tags=[Tag(name="exp", cascade=True)], reached=named(("made", "a"), ("reused", "b")))

    assert ledger.bearers("exp") == {"run"}
    assert ledger.bearers("exp", Kind.ARTIFACT_VERSION) == {"made", "reused"}


def test_a_tag_both_exclusive_and_cascading_is_held_by_the_last_version_of_each_artifact() -> None:
    ledger = Ledger()
    tag = Tag(name="now", exclusive=True, cascade=True)

    ledger.end("first", tags=[tag], reached=named(("a1", "a"), ("b1", "b")))
    ledger.end("second", tags=[tag], reached=named(("a2", "a"), ("a3", "a")))

    assert ledger.bearers("now") == {"second"}
    assert ledger.bearers("now", Kind.ARTIFACT_VERSION) == {"a3", "b1"}


def test_an_interactive_step_takes_no_exclusive_tag_and_gives_the_others() -> None:
    ledger = Ledger()
    ledger.end("good", tags=[Tag(name="latest", exclusive=True)])
    output = ArtifactTags(id="a1", name="raw", tags=(Tag(name="best", exclusive=True), Tag(name="seen")))

    ledger.ask(
        NumberArtifacts(
            run_id="cell",
            pipeline="training",
            made=named(("a1", "raw")),
            tagged=(output,),
            tags=as_tags(["latest", "mine"]),
        )
    )

    assert ledger.bearers("latest") == {"good"}
    assert ledger.bearers("mine") == {"cell"}
    assert ledger.bearers("best", Kind.ARTIFACT_VERSION) == set()
    assert ledger.bearers("seen", Kind.ARTIFACT_VERSION) == {"a1"}


def test_a_renamed_tag_keeps_its_flags_and_its_holder() -> None:
    ledger = Ledger()
    ledger.tag([Tag(name="latest", exclusive=True)], "first")

    ledger.ask(RenameTag(name="latest", to="newest"))
    answer = ledger.tag(["newest"], "second")

    assert answer["lost"] == {"newest": "first"}
    assert ledger.bearers("newest") == {"second"}
    ledger.tag(["latest"], "third")
    assert ledger.bearers("latest") == {"third"}


def test_a_deleted_tag_is_forgotten_with_its_flags() -> None:
    ledger = Ledger()
    ledger.tag([Tag(name="latest", exclusive=True)], "first")

    ledger.ask(DeleteTag(name="latest"))
    ledger.tag([Tag(name="latest", exclusive=False)], "second")
    ledger.tag(["latest"], "third")

    assert ledger.bearers("latest") == {"second", "third"}
    with pytest.raises(NotFoundError, match="Did you mean 'latest'"):
        ledger.ask(DeleteTag(name="lates"))
