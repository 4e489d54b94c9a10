"""Pages of the catalog: filtered, sorted and cut as a plain list would be, and refused before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError
from nbpipe.records.runs import Status
from nbpipe.services.browsing import BrowsingService
from nbpipe.services.browsing_nouns import NOUNS
from nbpipe.services.browsing_questions import Question
from nbpipe.services.metadata import MetadataService
from nbpipe.services.models import ModelService
from nbpipe.services.tags import TagService
from nbpipe.services.workspace import Workspace
from tests.services.building import Built, create_snapshot, kept_open, record_run

LONG = "é🌱" * 2500
STRANGE = ['it\'s <b>"bold"</b>', "'; DROP TABLE runs; --", "<script>alert(1)</script>", "100%_done", "a\x00b", LONG]


@pytest.fixture
def browsing(opened_workspace: Workspace) -> BrowsingService:
    return BrowsingService(opened_workspace)


@dataclass(frozen=True)
class Known:
    """A run as the tests know it; `turn` is its place in the order of arrival."""

    turn: int
    id: str
    name: str
    pipeline: str
    status: str
    tags: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)


def measured(workspace: Workspace, run_id: str, **values: float) -> None:
    MetadataService(workspace).log({"eval": values}, run=run_id)


@pytest.fixture(scope="module")
def known_there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BrowsingService, list[Known]]]:
    """Make 18 runs that differ in all that is asked for, half of them published, once for all who only ask."""
    with kept_open(WorkspacePaths(tmp_path_factory.mktemp("known") / ".nbpipe")) as made_there:
        yield BrowsingService(made_there), known_runs(made_there)


@pytest.fixture
def shelf(known_there: tuple[BrowsingService, list[Known]]) -> BrowsingService:
    """Give what may be asked of the catalog of these runs."""
    return known_there[0]


@pytest.fixture
def known(known_there: tuple[BrowsingService, list[Known]]) -> list[Known]:
    return known_there[1]


def known_runs(workspace: Workspace) -> list[Known]:
    made = []
    numbers = [0.5, math.nan, -1.0, math.inf, 0.0, 1e300]
    for turn in range(18):
        tags = [tag for n, tag in enumerate(("good", "🌱 new", "it's")) if turn % (n + 2) == 0]
        status = (Status.COMPLETED, Status.FAILED, None)[turn % 3]
        name = f"{('Alpha', 'beta', LONG[:300])[turn % 3]} {turn}"
        run = record_run(workspace, ("training", "scoring")[turn % 2], name=name, tags=tags, status=status)
        if status is not Status.COMPLETED and tags:
            TagService(workspace).add(tags, run=run.id)
        metrics = {} if turn % 4 == 0 else {"a": numbers[turn % 6], "b": float(turn % 3)}
        for values in ({"a": 77.0}, metrics) if metrics else ():
            measured(workspace, run.id, **values)
        state = "running" if status is None else status.value
        shown = {f"eval.{name}": value for name, value in metrics.items()}
        made.append(Known(turn, run.id, run.name, ("training", "scoring")[turn % 2], state, tags, shown))
        if turn == 9:
            workspace.catalog.publish()
    return made


COMPARISONS = {">": lambda a, b: a > b, "<=": lambda a, b: a <= b, "!=": lambda a, b: a != b, "=": lambda a, b: a == b}
SORTS = ["", "name", "pipeline", "status", "id", "metric:eval.a", "metric:eval.b", "metric:never"]


def by_hand(
    known: Sequence[Known], words: Sequence[str], filters: Mapping[str, Any], sort: str, *, descending: bool
) -> list[str]:
    """Filter and sort as a plain list would be."""
    fits = [run for run in known if all(any(word.lower() in text.lower() for text in texts(run)) for word in words)]
    for name in ("pipeline", "status"):
        fits = [run for run in fits if filters.get(name) in (None, getattr(run, name))]
    fits = [run for run in fits if set(filters.get("tags", ())) <= set(run.tags)]
    if "where" in filters:
        metric, sign, bound = filters["where"].split(" ")
        fits = [run for run in fits if metric in run.metrics and COMPARISONS[sign](run.metrics[metric], float(bound))]
    newest = sorted(fits, key=lambda run: run.turn, reverse=True)
    if not sort:
        return [run.id for run in (newest if descending else newest[::-1])]
    there = [run for run in newest if sort_key(run, sort) is not None]
    missing = [run for run in newest if sort_key(run, sort) is None]
    return [run.id for run in [*sorted(there, key=lambda run: sort_key(run, sort), reverse=descending), *missing]]


def texts(run: Known) -> tuple[str, ...]:
    return run.name, run.id, run.pipeline, run.status


def sort_key(run: Known, sort: str) -> Any:
    if sort.startswith("metric:"):
        value = run.metrics.get(sort.removeprefix("metric:"))
        return None if value is None or math.isnan(value) else value
    return getattr(run, sort).encode()


def test_every_page_is_what_a_plain_list_would_give(shelf: BrowsingService, known: list[Known]) -> None:
    @given(
        words=st.lists(st.sampled_from(["alpha", "BETA", "1", "é🌱", "run", "%", "'", LONG[:300]]), max_size=2),
        filters=st.fixed_dictionaries(
            {},
            optional={
                "pipeline": st.sampled_from(["training", "scoring", "none'"]),
                "status": st.sampled_from(["running", "completed", "failed"]),
                "tags": st.lists(st.sampled_from(["good", "🌱 new", "it's", "no"]), max_size=2),
                "where": st.builds(
                    "{} {} {}".format,
                    st.sampled_from(["eval.a", "eval.b", "never"]),
                    st.sampled_from(sorted(COMPARISONS)),
                    st.sampled_from([0.0, 0.5, 1.0, math.inf]),
                ),
            },
        ),
        sort=st.sampled_from(SORTS),
        descending=st.booleans(),
        size=st.integers(1, 20),
    )
    def check(words: list[str], filters: dict[str, Any], sort: str, descending: bool, size: int) -> None:
        expected = by_hand(known, words, filters, sort, descending=descending)

        asked = Question("runs", " ".join(words), filters, sort, descending, size=size)
        pages = [shelf.page(asked)]
        while pages[-1].number < pages[-1].count:
            pages.append(shelf.page(replace(asked, page=pages[-1].number + 1)))

        assert [row.id for page in pages for row in page.rows] == expected
        assert {page.total for page in pages} == {len(expected)}

    check()


def test_a_row_has_its_facts_tags_and_last_metrics(shelf: BrowsingService, known: list[Known]) -> None:
    found = shelf.page(Question(text=known[6].id))

    (row,) = found.rows
    assert (row.id, row.label, row.tags) == (known[6].id, known[6].name, ("good", "🌱 new"))
    assert (row.values["pipeline"], row.values["status"]) == ("training", "completed")
    assert row.metrics == {"eval.a": 0.5, "eval.b": 0.0}
    assert found.metrics == ("eval.a", "eval.b")
    assert list(found.df().columns[-3:]) == ["tags", "eval.a", "eval.b"]
    assert str(row.ref) == f"run:{known[6].id}"


def test_metrics_that_are_asked_for_stand_in_their_order(shelf: BrowsingService, known: list[Known]) -> None:
    found = shelf.page(Question(metrics=["eval.b", "never"], sort="metric:eval.a"))

    assert found.metrics == ("eval.b", "never", "eval.a")
    assert shelf.page(Question(metrics=[])).metrics == ()


def test_a_page_beyond_the_last_is_the_last(shelf: BrowsingService, known: list[Known]) -> None:
    found = shelf.page(Question(page=10**18, size=5))
    narrowed = shelf.page(Question(page=99, size=2, filters={"where": "eval.b = 1", "since": "1d", "tags": ["good"]}))

    assert (found.number, found.count, len(found.rows), found.question.page) == (4, 4, 3, 4)
    assert (narrowed.number, narrowed.count, len(narrowed.rows)) == (1, 1, 1)


def test_an_empty_catalog_has_one_empty_page_of_each_noun(browsing: BrowsingService) -> None:
    for noun in NOUNS:
        found = browsing.page(Question(noun))
        assert (found.rows, found.total, found.number, found.count) == ((), 0, 1, 1)
        assert found.df().empty


def test_strange_words_are_found_as_they_are_and_do_nothing_else(
    browsing: BrowsingService, opened_workspace: Workspace
) -> None:
    record_run(opened_workspace, name="plain")
    for word in STRANGE:
        made = record_run(opened_workspace, name=word)
        TagService(opened_workspace).add(["🌱"], run=made.id)

    for word in STRANGE:
        found = browsing.page(Question(text=word))

        assert [row.label for row in found.rows] == [word], word[:40]
        assert browsing.page(Question()).total == 1 + len(STRANGE), word[:40]
        assert browsing.page(Question(filters={"tags": ["🌱"]})).total == len(STRANGE), word[:40]
        nowhere = {"pipeline": word, "tags": [word], "any_tags": [word]}
        assert browsing.page(Question(filters=nowhere)).total == 0, word[:40]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"noun": "rums"}, "The catalog has no 'rums'. Did you mean 'runs'?"),
        ({"noun": 7}, "The catalog has no 7"),
        ({"text": 7}, "text looks for texts, and 7 is none"),
        ({"text": "\ud800"}, "half of a character"),
        ({"text": "x" * 20_001}, "20,001 letters"),
        ({"sort": "stauts"}, "runs have no column 'stauts'. Did you mean 'status'?"),
        ({"sort": "id; drop table runs"}, "runs have no column"),
        ({"sort": None}, "should be the name of a column"),
        ({"sort": "metric: "}, "A metric goes by its name"),
        ({"noun": "models", "sort": "metric:a"}, "models have no column"),
        ({"descending": "yes"}, "True or False"),
        ({"page": 0}, "a whole number from 1"),
        ({"page": True}, "a whole number from 1"),
        ({"page": 1.5}, "a whole number from 1"),
        ({"page": 10**30}, "too large"),
        ({"size": 501}, "500 is the most"),
        ({"metrics": "accuracy"}, "a list of up to"),
        ({"noun": "tags", "metrics": ["a"]}, "tags have no metrics"),
        ({"filters": ["status"]}, "should go by name"),
        ({"filters": {"statsu": "failed"}}, "Did you mean 'status'?"),
        ({"filters": {"status": "broken"}}, "status cannot be 'broken'"),
        ({"filters": {"pipeline": 7}}, "pipeline looks for texts"),
        ({"filters": {"tags": "good"}}, "tags takes a list"),
        ({"filters": {"tags": [7]}}, "tags looks for texts"),
        ({"filters": {"where": "accuracy"}}, "compares nothing"),
        ({"filters": {"where": ["a > 1"] * 21}}, "at most 20"),
        ({"filters": {"since": "yesterday"}}, "since='yesterday' is no time"),
        ({"filters": {"until": "999999w"}}, "is no time"),
        ({"filters": {"since": 7}}, "since=7 is no time"),
        ({"filters": {"since": "2026-02-01", "until": "2026-01-01"}}, "later than until"),
        ({"filters": {"tags": ["\ud800"]}}, "half of a character"),
        ({"noun": "tags", "filters": {"tags": ["a"]}}, "tags are not filtered by 'tags'"),
        ({"noun": "snapshots", "filters": {"where": "a > 1"}}, "snapshots are not filtered by 'where'"),
    ],
    ids=range(33),
)
def test_what_does_not_fit_is_refused_before_anything_is_asked(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(BadValueError) as refused:
        Question(**asked)

    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


def test_runs_are_narrowed_down_by_age_and_instant(browsing: BrowsingService, opened_workspace: Workspace) -> None:
    record_run(opened_workspace)

    def total(**filters: Any) -> int:
        return browsing.page(Question(filters=filters)).total

    assert total(since="1h") == total(until=datetime.max.replace(tzinfo=UTC)) == total(since="2026-01-01") == 1
    assert total(until="1 h") == total(since=datetime(9000, 1, 1)) == 0
    assert total(since="", where=None, tags=[]) == 1


def test_every_noun_is_filtered_sorted_and_paged(browsing: BrowsingService, opened_workspace: Workspace) -> None:
    tags = TagService(opened_workspace)
    runs = [record_run(opened_workspace, outputs={"raw": n}, model="iris", version=None) for n in range(3)]
    failed = record_run(opened_workspace, "scoring", model="moons", version="v<1>", status=Status.FAILED)
    create_snapshot(opened_workspace)
    MetadataService(opened_workspace).log({"acc": 0.9}, model_version="iris@2")
    MetadataService(opened_workspace).log({"rows": 5}, artifact_version="raw@1")
    tags.add(["v1"], artifact="raw@2", model="iris@1", pipeline="training", snapshot="nightly")
    tags.add(["seldom"], model="iris")
    tags.remove(["seldom"], model="iris")
    ModelService(opened_workspace).promote("iris@3", "production")

    def labels(noun: str, **asked: Any) -> list[str]:
        return [row.label for row in browsing.page(Question(noun, **asked)).rows]

    assert labels("artifacts") == ["raw@3", "raw@2", "raw@1"]
    assert labels("artifacts", filters={"tags": ["v1"]}) == ["raw@2"]
    assert labels("artifacts", filters={"run": runs[0].id}) == ["raw@1"]
    assert labels("artifacts", filters={"type": "int", "name": "raw", "step": "make"}) == labels("artifacts")
    assert labels("artifacts", sort="metric:rows") == ["raw@1", "raw@3", "raw@2"]
    assert labels("models") == ["moons", "iris"]
    assert labels("models", sort="versions") == ["iris", "moons"]
    assert labels("models", filters={"stage": "production"}) == ["iris"]
    assert labels("models", filters={"where": "acc > 0.5"}) == ["iris"]
    assert labels("model_versions", filters={"model": "iris"}) == ["iris@3", "iris@2", "iris@1"]
    assert labels("model versions", filters={"stage": "production"}) == ["iris@3"]
    assert labels("model_version", filters={"status": "failed"}) == ["moons@1"]
    assert labels("model_versions", filters={"tags": ["v1"]}) == ["iris@1"]
    assert labels("model_versions", filters={"where": "acc > 0.5"}) == ["iris@2"]
    assert labels("model_versions", sort="metric:acc", filters={"run": failed.id}) == ["moons@1"]
    assert labels("snapshots", filters={"tags": ["v1"], "pipeline": "training"}) == ["nightly"]
    assert labels("pipelines") == ["scoring", "training"]
    assert labels("pipelines", sort="runs", filters={"tags": ["v1"]}) == ["training"]
    assert labels("tags") == ["seldom", "v1"]
    assert labels("tags", sort="holders") == ["v1", "seldom"]
    assert labels("tags", text="SEL") == labels("tags", filters={"prefix": "se"}) == ["seldom"]
    assert labels("runs", filters={"model": "moons"}) == [failed.name]
    assert browsing.page(Question("models", text="moons")).rows[0].values["versions"] == 1


def test_the_values_to_choose_from_are_those_that_are_there(shelf: BrowsingService, known: list[Known]) -> None:
    assert shelf.values("runs", "pipeline") == ("scoring", "training")
    assert shelf.values("runs", "status") == ("running", "completed", "failed", "interrupted")
    assert shelf.values("runs", "parent") == ()
    with pytest.raises(BadValueError, match="Did you mean 'pipeline'"):
        shelf.values("runs", "pipelin")


def test_a_metric_that_is_called_as_a_column_hides_none(browsing: BrowsingService, opened_workspace: Workspace) -> None:
    run = record_run(opened_workspace)
    MetadataService(opened_workspace).log({"status": 1.5, "tags": 2}, run=run.id)

    frame = browsing.page(Question()).df()

    assert [*frame.columns[-3:]] == ["tags", "metric:status", "metric:tags"]
    assert (frame["status"][0], frame["metric:status"][0], frame["tags"][0]) == ("completed", 1.5, [])


def test_what_was_tagged_a_moment_ago_is_on_the_page(browsing: BrowsingService, opened_workspace: Workspace) -> None:
    first, _, last = (record_run(opened_workspace) for _ in range(3))
    before = browsing.page(Question(filters={"tags": ["fresh"]})).total

    opened_workspace.catalog.publish()
    TagService(opened_workspace).add(["fresh"], run=[first.id, last.id])

    after = browsing.page(Question(filters={"tags": ["fresh"]}))
    assert (before, [row.id for row in after.rows]) == (0, [last.id, first.id])
    assert "fresh" in after.rows[0].tags


@pytest.mark.parametrize("noun", ["runs", "artifacts"])
def test_no_row_is_missing_on_a_page_when_somebody_publishes_meanwhile(
    noun: str, renumbered: list[Built], opened_workspace: Workspace
) -> None:
    page = BrowsingService(opened_workspace).page(Question(noun=noun))

    assert len(page.rows) == page.total == len(renumbered)
