"""Models: numbers, names, stages, and what becomes of the version of a failing run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.models import ModelConfig, ModelStages, as_stage, find_version
from nbpipe.records.operations import DeleteModelVersion, RenameModelVersion
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag
from tests.records.ledger import Ledger

NAMES = st.sampled_from([None, "one", "two", "2.0", "v3"])


def number_of(ledger: Ledger, version: str | int | None) -> int:
    return find_version(ledger.state, "iris", version)["number"]


@given(asked=st.lists(st.tuples(st.booleans(), NAMES), max_size=15))
def test_a_number_is_never_given_twice_and_a_name_has_one_version(asked: list[tuple[bool, str | None]]) -> None:
    ledger = Ledger()
    given_out: list[int] = []
    by_name: dict[str, int] = {}

    for then_delete, name in asked:
        row = ledger.version(name)
        if name is not None and name in by_name:
            assert row["number"] == by_name[name]
        else:
            given_out.append(row["number"])
            by_name[row["name"]] = row["number"]
        if then_delete:
            ledger.ask(DeleteModelVersion(model="iris", version=row["id"]))
            del by_name[row["name"]]

    assert given_out == list(range(1, len(given_out) + 1))


@pytest.mark.parametrize("asked", ["7", "07", "production", "STAGING", " Archived "])
def test_digits_and_stages_are_looked_up_and_never_made(asked: str) -> None:
    ledger = Ledger()
    ledger.version()
    before = len(ledger.changes)

    with pytest.raises(NotFoundError):
        ledger.version(asked)
    with pytest.raises(NotFoundError):
        ledger.version(asked, model="unknown")

    assert len(ledger.changes) == before


def test_a_name_with_digits_in_it_and_a_number_never_mix() -> None:
    ledger = Ledger()
    named, numbered = ledger.version("2.0"), ledger.version()

    assert (named["number"], numbered["number"]) == (1, 2)
    assert number_of(ledger, "2.0") == 1
    assert number_of(ledger, 2) == number_of(ledger, "2") == number_of(ledger, "02") == 2


@pytest.mark.parametrize("word", ["production", "Production", "PRODUCTION", " production ", ModelStages.PRODUCTION])
def test_a_stage_is_read_in_any_letter_case(word: str) -> None:
    ledger = Ledger()
    ledger.version()
    ledger.promote("1", as_stage(word))

    assert number_of(ledger, word) == 1
    assert ledger.version(word)["number"] == 1


@pytest.mark.parametrize("word", ["latest", "Latest", "prod", "", "none of them", 3])
def test_what_is_no_stage_cannot_be_set(word: object) -> None:
    with pytest.raises(BadValueError) as refused:
        as_stage(word)

    assert "ModelStages" not in str(refused.value)


@given(
    moves=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["none", "staging", "production", "archived"]), st.booleans())
    )
)
def test_staging_and_production_have_one_holder_at_most_and_only_force_takes_it(
    moves: list[tuple[int, str, bool]],
) -> None:
    ledger = Ledger()
    for _ in range(4):
        ledger.version()
    stages = dict.fromkeys(range(1, 5), "none")

    for number, stage, force in moves:
        holder = next((n for n, held in stages.items() if held == stage and n != number), None)
        is_taken = stage in ("staging", "production") and holder is not None
        if is_taken and not force:
            with pytest.raises(ConflictError, match="force"):
                ledger.promote(str(number), stage)
            continue
        answer = ledger.promote(str(number), stage, force=force)
        assert (answer["archived"] is not None) == is_taken
        if is_taken:
            stages[holder] = "archived"
        stages[number] = stage

    assert {row["number"]: row["stage"] for row in ledger.rows["model_version"].values()} == stages
    history = list(ledger.rows.get("stage_history", {}).values())
    walked = dict.fromkeys(range(1, 5), "none")
    for entry in history:
        assert walked[entry["number"]] == entry["from_stage"] != entry["to_stage"]
        walked[entry["number"]] = entry["to_stage"]
    assert walked == stages


def test_promoting_what_does_not_exist_changes_nothing() -> None:
    ledger = Ledger()
    ledger.version()
    before = len(ledger.changes)

    for version, model in [("9", "iris"), ("nightly", "iris"), ("1", "rose")]:
        with pytest.raises(NotFoundError):
            ledger.promote(version, ModelStages.STAGING, model=model)

    assert len(ledger.changes) == before


def test_latest_passes_over_failed_versions_unless_there_is_no_other() -> None:
    ledger = Ledger()
    first = ledger.version(run_id="r1")
    ledger.end("r1", Status.FAILED, model_version_id=first["id"])
    assert number_of(ledger, None) == 1

    ledger.version(run_id="r2")
    third = ledger.version(run_id="r3")
    ledger.end("r3", Status.INTERRUPTED, model_version_id=third["id"])

    assert number_of(ledger, None) == number_of(ledger, "LATEST") == 2


def test_only_the_run_that_made_a_version_can_mark_it_failed_and_a_later_success_takes_the_mark_away() -> None:
    ledger = Ledger()
    version = ledger.version("1.0", run_id="maker")["id"]

    ledger.end("other", Status.FAILED, model_version_id=version)
    assert not ledger.rows["model_version"][version]["failed"]

    ledger.end("maker", Status.FAILED, model_version_id=version)
    assert ledger.rows["model_version"][version]["failed"]

    ledger.version("1.0", run_id="third")
    ledger.end("third", model_version_id=version)
    assert not ledger.rows["model_version"][version]["failed"]


def test_an_exclusive_tag_of_a_model_moves_to_the_new_version_when_the_run_succeeds() -> None:
    ledger = Ledger()
    tags = (Tag(name="best", exclusive=True), Tag(name="sklearn"))
    first = ledger.version(run_id="r1", tags=tags)["id"]
    ledger.end("r1", model_version_id=first, model_tags=tags)

    second = ledger.version(run_id="r2", tags=tags)["id"]
    ledger.end("r2", Status.FAILED, model_version_id=second, model_tags=tags)
    assert ledger.bearers("best", Kind.MODEL_VERSION) == {first}
    assert ledger.bearers("sklearn", Kind.MODEL_VERSION) == {first, second}

    third = ledger.version(run_id="r3", tags=tags)["id"]
    ledger.end("r3", model_version_id=third, model_tags=tags)
    assert ledger.bearers("best", Kind.MODEL_VERSION) == {third}


def test_a_version_in_production_is_deleted_only_with_force_and_leaves_the_stage_free() -> None:
    ledger = Ledger()
    ledger.version()
    ledger.version()
    ledger.promote("1", "production")

    with pytest.raises(ConflictError, match="production"):
        ledger.ask(DeleteModelVersion(model="iris", version="1"))
    ledger.ask(DeleteModelVersion(model="iris", version="1", force=True))

    ledger.promote("2", "production")
    assert number_of(ledger, "production") == 2
    assert ledger.version()["number"] == 3


@pytest.mark.parametrize("name", ["", "  ", "7", "Production", "latest", "a\0b", "x" * 256, "taken"])
def test_a_version_cannot_be_renamed_to_a_look_up_or_to_nothing(name: str) -> None:
    ledger = Ledger()
    ledger.version("mine")
    ledger.version("taken")

    with pytest.raises((BadValueError, ConflictError)):
        ledger.ask(RenameModelVersion(model="iris", version="mine", to=name))

    assert find_version(ledger.state, "iris", "mine")["number"] == 1


def test_a_renamed_version_goes_by_its_new_name_only() -> None:
    ledger = Ledger()
    ledger.version("mine")

    ledger.ask(RenameModelVersion(model="iris", version="mine", to=" yours "))

    assert number_of(ledger, "yours") == number_of(ledger, 1) == 1
    with pytest.raises(NotFoundError):
        find_version(ledger.state, "iris", "mine")


@pytest.mark.parametrize(
    "said",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"name": 5},
        {"name": "m", "version": 0},
        {"name": "m", "version": -1},
        {"name": "m", "version": True},
        {"name": "m", "version": 2.0},
        {"name": "m", "version": " "},
        {"name": "m", "tags": "v"},
        {"name": "m", "versoin": 1},
    ],
)
def test_a_model_that_makes_no_sense_is_refused(said: dict) -> None:
    with pytest.raises(BadValueError) as refused:
        ModelConfig(**said)

    assert len(str(refused.value).splitlines()) <= 2


def test_the_id_of_another_models_version_is_not_one_of_this_models() -> None:
    ledger = Ledger()
    other = ledger.version(model="rose")["id"]
    ledger.version()

    with pytest.raises(NotFoundError):
        ledger.promote(other, "staging")
