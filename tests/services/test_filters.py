"""What every listing can be narrowed down by, and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbpipe.base.clock import clock_set_to
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.metadata import StorageSize, Uri, decode, encode, merge
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from nbpipe.services.client import Client
from nbpipe.services.filters import bears, entities
from nbpipe.services.noted import notes
from nbpipe.services.where import parse_where
from nbpipe.services.workspace import Workspace
from tests.services.building import create_snapshot, lines_written, open_version, opened, record_run

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
# Services whose records metadata can be logged on: how one of them is made, and as what it is logged on.
NOTED: dict[str, tuple[Callable[[Workspace, str], str], str]] = {
    "runs": (lambda workspace, name: record_run(workspace, name=name).id, "run"),
    "artifacts": (
        lambda workspace, name: record_run(workspace, outputs={name: 1}).artifacts[name],
        "artifact_version",
    ),
    "snapshots": (lambda workspace, name: create_snapshot(workspace, name=name), "snapshot"),
}
LISTS = sorted([*NOTED, "pipelines"])


@pytest.fixture
def client(opened_workspace: Workspace) -> Client:
    return Client(opened_workspace.paths.root)


def fitting(client: Client, service: str, **filters: Any) -> list[str]:
    return [one.id for one in getattr(client, service).list(limit=None, **filters)]


# Metrics -------------------------------------------------------------------------------------


def test_everything_with_metadata_is_found_by_several_comparisons(client: Client) -> None:
    for service, (make, target) in NOTED.items():
        made = {}
        for n, (accuracy, loss) in enumerate([(0.7, 0.1), (0.9, 0.1), (0.9, 0.5), (float("nan"), 0.1)]):
            made[n] = make(client.workspace, f"one_{n}")
            client.metadata.log({"scores": {"accuracy": accuracy}, "loss": loss}, **{target: made[n]})
        make(client.workspace, "nothing")

        def found(where: Any, service: str = service, made: dict[int, str] = made) -> set[int]:
            ids = fitting(client, service, where=where)
            return {n for n, one in made.items() if one in ids}

        assert found("scores.accuracy > 0.8 and loss < 0.2") == {1}, service
        assert found(["scores.accuracy > 0.8", "loss < 0.2"]) == {1}, service
        assert found("scores.accuracy>=0.7 AND scores.accuracy<0.9") == {0}, service
        assert found("scores.accuracy = nan") == {3}, service
        assert found("loss != 0.1") == {2}, service
        assert found([]) == found(None) == {0, 1, 2, 3}, service
        assert fitting(client, service, where="never > 0") == [], service


ODD_NAMES = ["val/acc", "a b", "f1@5", "it's", "loss%", 'the "best"', "x > 1", "good and bad", "a.b.c", "ünïcode.☃"]


def test_a_metric_may_have_any_name(client: Client) -> None:
    run = record_run(client.workspace).id
    client.metadata.log(dict.fromkeys(ODD_NAMES, 3), run=run)

    for name in ODD_NAMES:
        quote = "'" if '"' in name else '"'
        assert fitting(client, "runs", where=f"{quote}{name}{quote} = 3") == [run]
        assert fitting(client, "runs", where=f"{quote}{name}{quote} = 4") == []


BAD_WHERE = [
    "", "accuracy", "accuracy >", "> 3", "accuracy > high", "accuracy > 0.8 and", "and", "accuracy > 0.8 or loss < 1",
    "accuracy > 0.8 loss < 1", "accuracy > nan", "accuracy => 3", "accuracy > 1 > 2", "'accuracy > 3",
    "accuracy > 0x10", 7, ["accuracy > 3", 7], {"accuracy": 3}, ["a > 1"] * 21, "a" * 5000, " " * 5000,
    "'; DROP TABLE runs; --", "a > 1" + " " * 200_000 + "b",
]  # fmt: skip


@pytest.mark.parametrize("text", ["", "a", "a > 1 and", "a >", "a > 1 and b", "a > 1 x"])
def test_any_number_of_blanks_compares_nothing_and_is_told_at_once(text: str) -> None:
    blanks = " " * 150_000

    for bad in (text + blanks, blanks + text, text.replace(" ", blanks)):
        with pytest.raises(BadValueError) as refused:
            parse_where(bad)
        assert len(str(refused.value)) < 250


def test_blanks_around_a_comparison_do_not_count() -> None:
    (found,) = parse_where("\n  loss  <  2\t ")

    assert (found.metric, found.sign, found.bound) == ("loss", "<", 2.0)


@pytest.mark.parametrize("service", sorted(NOTED))
def test_what_compares_nothing_is_refused_in_one_line(service: str, client: Client) -> None:
    for bad in BAD_WHERE:
        with pytest.raises(BadValueError) as refused:
            getattr(client, service).list(where=bad)

        assert len(str(refused.value).splitlines()) == 1
        assert len(str(refused.value)) < 250


# Metadata ------------------------------------------------------------------------------------


def test_everything_with_metadata_is_found_by_a_nested_value(client: Client) -> None:
    # What is made for the later ones makes runs too: the runs themselves come first.
    for service, (make, target) in NOTED.items():
        first, second = make(client.workspace, "first"), make(client.workspace, "second")
        client.metadata.log({"dataset": {"rows": 344, "source": "s3://b/é"}, "kept": True}, **{target: first})
        client.metadata.log({"dataset": {"rows": 10}, "kept": False}, **{target: second})

        assert fitting(client, service, metadata={"dataset.rows": 344}) == [first], service
        assert fitting(client, service, metadata={"dataset": {"rows": 344, "source": "s3://b/é"}}) == [first], service
        assert fitting(client, service, metadata={"dataset.rows": 10, "kept": False}) == [second], service
        assert fitting(client, service, metadata={"dataset.rows": 10, "kept": True}) == [], service
        assert fitting(client, service, metadata={"dataset": 344}) == [], service
        assert fitting(client, service, metadata={}) == [second, first], service


def test_values_of_other_types_are_other_values_save_for_numbers(client: Client) -> None:
    values: dict[str, Any] = {
        "one": 1, "one_point": 1.0, "true": True, "text": "1", "none": None, "nan": float("nan"), "minus": -7,
        "decimal": Decimal(1), "list": [1, "a"], "tuple": (1, "a"), "large": 2**62 + 1, "huge": 2**80, "uri": Uri("1"),
        "small": 1e-5, "day": date(2026, 11, 20), "uuid": UUID(int=1), "bytes": b"1", "empty": "", "zero": 0,
        "size": StorageSize(1),
    }  # fmt: skip
    made = {record_run(client.workspace, name=name).id: name for name in values}
    for run, name in made.items():
        client.metadata.log({"it": {"value": values[name]}}, run=run)

    def found(value: Any) -> set[str]:
        return {made[run] for run in fitting(client, "runs", metadata={"it.value": value})}

    for name, value in values.items():
        assert found(value) == ({"one", "one_point"} if name in ("one", "one_point") else {name}), name
    assert found(-7.0) == {"minus"}
    assert found(2**62) == set()
    assert found(False) == set()
    assert found(-0.0) == {"zero"}


def test_only_what_a_value_has_become_counts(client: Client) -> None:
    run = record_run(client.workspace).id
    for values in ({"a": {"b": {"c": 1}}}, {"a": {"b": {"d": 2}}}, {"e": 1}):
        client.metadata.log(values, run=run)

    assert fitting(client, "runs", metadata={"a.b.c": 1, "a.b.d": 2}) == [run]
    client.metadata.log({"a": {"b": {"c": 5}}}, run=run)
    assert fitting(client, "runs", metadata={"a.b.c": 1}) == []
    client.metadata.log({"a": {"b": "gone"}}, run=run)
    assert fitting(client, "runs", metadata={"a.b.c": 5}) == []
    assert fitting(client, "runs", metadata={"a.b": "gone"}) == [run]
    client.metadata.log({"a": {"b": {"c": 5}}}, run=run)
    assert fitting(client, "runs", metadata={"a.b.c": 5}) == [run]


def test_only_keys_lead_to_a_value(client: Client) -> None:
    run = record_run(client.workspace).id
    client.metadata.log({"l": [5, 6], "d": Decimal("1.5"), "tu": (1, 2), "n": {"l": [5]}, "day": NOON}, run=run)

    for path, value in {
        "l.0": 5, "d.value": "1.5", "d.$type": "decimal", "tu.value": [1, 2], "n.l.0": 5, "day.$type": "datetime",
    }.items():  # fmt: skip
        assert fitting(client, "runs", metadata={path: value}) == [], path

    client.metadata.log({"d": {"value": "1.5"}}, run=run)
    assert fitting(client, "runs", metadata={"d.value": "1.5"}) == [run]
    client.metadata.log({"d": Decimal("1.5")}, run=run)
    assert fitting(client, "runs", metadata={"d.value": "1.5"}) == []


def test_a_dict_with_a_key_that_is_taken_for_a_type_is_a_dict_like_any_other(client: Client) -> None:
    run = record_run(client.workspace).id
    client.metadata.log({"cfg": {"$type": "t", "x": 1, "in": {"$type": 7, "y/z": {"a": 2}}}}, run=run)

    for asked in (
        {"cfg.x": 1}, {"cfg.$type": "t"}, {"cfg": {"x": 1}}, {"cfg": {"$type": "t", "x": 1}}, {"cfg.in.y/z.a": 2},
        {"cfg.in.$type": 7}, {"cfg": {"in": {"$type": 7}}},
    ):  # fmt: skip
        assert fitting(client, "runs", metadata=asked) == [run], asked
    assert fitting(client, "runs", where="cfg.x = 1") == [run]
    for asked in ({"cfg.value": 1}, {"cfg.value.x": 1}, {"cfg.$type": "dict"}, {"cfg": {"$type": "u"}}):
        assert fitting(client, "runs", metadata=asked) == [], asked
    client.metadata.log({"cfg": {"x": {"deep": 1}}}, run=run)
    assert fitting(client, "runs", metadata={"cfg.x": 1}) == []
    assert fitting(client, "runs", metadata={"cfg.x.deep": 1, "cfg.$type": "t"}) == [run]


ODD_KEYS: list[tuple[str, str]] = [
    ("a.b", "c"), ("a/b", "~c"), ('"', "'"), ("$", "$.x"), ("[0]", "*"), ("☃", "  "), ("x" * 5000, "y"), ("'; --", "1"),
]  # fmt: skip


def test_keys_may_hold_anything(client: Client) -> None:
    run = record_run(client.workspace).id

    for outer, inner in ODD_KEYS:
        client.metadata.log({outer: {inner: "it"}, "a.flat.key": 3}, run=run)
        assert fitting(client, "runs", metadata={(outer, inner): "it"}) == [run]
        assert fitting(client, "runs", metadata={(outer, inner): "other"}) == []
    assert fitting(client, "runs", metadata={"a.flat.key": 3}) == [run]


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.floats(width=16), st.sampled_from(["", "1", "a"]))
NESTED = st.recursive(
    LEAVES | st.just((1, 2)),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "$type"]), inner, max_size=2) | st.tuples(inner).map(list),
    max_leaves=4,
)


# Each example has a workspace of its own.
@settings(max_examples=settings().max_examples // 3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    logged=st.lists(st.dictionaries(st.sampled_from("ab"), NESTED, min_size=1, max_size=2), min_size=1, max_size=4),
    path=st.lists(st.sampled_from(["a", "b", "$type", "value", "0"]), min_size=1, max_size=3).map(tuple),
    wanted=LEAVES,
)
def test_metadata_is_equal_in_the_catalog_where_it_is_when_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, logged: list[dict[str, Any]], path: tuple[str, ...], wanted: Any
) -> None:
    with opened(WorkspacePaths(tmp_path_factory.mktemp("law"))) as workspace:
        run, client = record_run(workspace).id, Client(workspace.paths.root)
        merged: dict[str, Any] = {}
        for values in logged:
            client.metadata.log(values, run=run)
            merged = merge(merged, encode(values))
        value: Any = decode(merged)
        for key in path:
            value = value.get(key, ...) if isinstance(value, dict) else ...
        is_equal = isinstance(value, bool) == isinstance(wanted, bool) and (
            value == wanted or (value != value and wanted != wanted)
        )

        assert fitting(client, "runs", metadata={path: wanted}) == ([run] if is_equal else [])


def test_a_value_that_cannot_be_asked_for_is_refused_by_the_name_that_the_caller_wrote(client: Client) -> None:
    for asked in ({"a.b": object()}, {("a", "b"): object()}, {"a.b": {"c": object()}}):
        with pytest.raises(BadValueError, match=r"Metadata 'a\.b(\.c)?' is a object"):
            client.runs.list(metadata=asked)


BAD_METADATA: list[Any] = [
    7, "rows", ["rows"], {7: 1}, {"": 1}, {(): 1}, {("a", 7): 1}, {("a", ""): 1}, {"rows": object()}, {"rows": {}},
    {"a": {"b": {}}}, {"rows": {7: 1}}, {f"k{n}": n for n in range(21)}, {str(n): n for n in range(10_000)},
]  # fmt: skip


def test_metadata_that_cannot_be_asked_for_is_refused_in_one_line(client: Client) -> None:
    for service in NOTED:
        for bad in BAD_METADATA:
            with pytest.raises(BadValueError) as refused:
                getattr(client, service).list(metadata=bad)

            assert len(str(refused.value).splitlines()) == 1, service
            assert len(str(refused.value)) < 250, service


# Times ---------------------------------------------------------------------------------------


def test_everything_is_found_by_when_it_was(client: Client) -> None:
    for hours in (48, 2, 0):
        with clock_set_to(lambda hours=hours: NOON - timedelta(hours=hours)):
            record_run(client.workspace, pipeline=f"p{hours}", outputs={f"a{hours}": hours})
            create_snapshot(client.workspace, f"p{hours}", f"s{hours}")

    for service in LISTS:

        def count(service: str = service, **asked: Any) -> int:
            with clock_set_to(lambda: NOON):
                return len(getattr(client, service).list(**asked))

        assert count() == 3, service
        assert count(since="3h") == count(since=timedelta(hours=3)) == count(since="1h 90min ago") == 2, service
        assert count(since=NOON - timedelta(hours=2)) == 2, service
        assert count(until=NOON - timedelta(hours=2)) == 1, service
        assert count(since="3d", until="1d") == 1, service
        assert count(since="2026-11-20T12:00+00:00") == count(since="2026-11-20T13:00:00+01:00") == 1, service
        assert count(since=date(2026, 11, 1)) == count(since="2026-11-01") == 3, service
        assert count(since="2030-01-01") == 0, service


def test_a_time_without_a_zone_is_local(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        with clock_set_to(lambda: NOON):
            record_run(client.workspace)

        assert len(client.runs.list(since="2026-11-20T21:00")) == 1
        assert len(client.runs.list(since=datetime(2026, 11, 20, 21, 0, 1))) == 0
        assert len(client.runs.list(until=date(2026, 11, 21))) == 1
    finally:
        monkeypatch.undo()
        time.tzset()


BAD_TIMES: list[Any] = [
    "", "soon", "3 parsecs", "-2h", "2026-13-01", "h", "9" * 5000 + "d", "999999999w", 7, 3.5, True, [], object(),
    timedelta(days=-1), timedelta.max, "'; DROP TABLE runs; --", "<script>",
]  # fmt: skip


@pytest.mark.parametrize("service", LISTS)
def test_what_is_no_time_is_refused_in_one_line(service: str, client: Client) -> None:
    for bad in BAD_TIMES:
        with pytest.raises(BadValueError) as refused:
            getattr(client, service).list(since=bad)

        assert len(str(refused.value).splitlines()) == 1
        assert len(str(refused.value)) < 250


def test_a_stretch_that_ends_before_it_begins_is_refused(client: Client) -> None:
    with pytest.raises(BadValueError, match=r"since='1h' is later than until='2h'"):
        client.runs.list(since="1h", until="2h")


# Names and states ----------------------------------------------------------------------------


def test_everything_is_found_by_its_name(client: Client) -> None:
    for name in ("train_a", "train_b", "eval_a", "100%_done"):
        record_run(client.workspace, pipeline=name, name=name, outputs={name: 1})
        create_snapshot(client.workspace, name, name)

    for service in LISTS:

        def names(service: str = service, **asked: Any) -> set[str]:
            return {one.name for one in getattr(client, service).list(**asked)}

        assert names(name="train_a") == {"train_a"}, service
        assert names(name_prefix="train") == {"train_a", "train_b"}, service
        assert names(name_contains="_a") == {"train_a", "eval_a"}, service
        assert names(name_prefix="train", name_contains="_a") == {"train_a"}, service
        assert names(name_contains="%") == {"100%_done"}, service
        assert names(name_contains="_d") == {"100%_done"}, service
        assert names(name="train") == names(name="'; DROP TABLE runs; --") == names(name="é" * 5000) == set(), service


def test_runs_and_pipelines_are_found_by_several_states(client: Client) -> None:
    for status in (Status.COMPLETED, Status.FAILED, Status.INTERRUPTED):
        record_run(client.workspace, status.value, status=status)

    for listed in (client.runs.list, client.pipelines.list):
        assert len(listed(status=["failed", Status.INTERRUPTED])) == 2
        assert len(listed(status="failed")) == len(listed(status={"failed"})) == 1
        assert len(listed(status=[])) == 0
        with pytest.raises(BadValueError, match=r"'fialed' is no status; .* Did you mean 'failed'\?"):
            listed(status=["completed", "fialed"])
        for bad in (7, "<script>", ["x" * 5000], [["failed"]], {"failed": 1}):
            with pytest.raises(BadValueError):
                listed(status=bad)


def test_runs_and_artifacts_are_found_by_the_model_version_they_worked_on(client: Client) -> None:
    first = record_run(client.workspace, model="iris", outputs={"model": 1})
    second = record_run(client.workspace, model="iris", outputs={"model": 2})
    client.models.promote("iris@1", "production")

    for one in ("iris@1", "iris@production", first.model_version_id, client.models.version("iris@1")):
        assert fitting(client, "runs", model_version=one) == [first.id]
    assert fitting(client, "runs", model_version="iris") == [second.id]
    assert fitting(client, "artifacts", model_version="iris@1") == [first.artifacts["model"]]
    with pytest.raises(NotFoundError):
        client.runs.list(model_version="iriss")


# Orders and pages ----------------------------------------------------------------------------


def test_runs_and_artifacts_can_be_ordered_by_a_metric_or_a_column(client: Client) -> None:
    runs = []
    for name, score in (("b", 2.0), ("c", 3.0), ("a", 1.0), ("n", float("nan"))):
        run = record_run(client.workspace, name=name, outputs={name: "x" * int(score if score == score else 9)})
        client.metadata.log({"the.score": score}, run=run.id, artifact_version=run.artifacts[name])
        runs.append(run)
    record_run(client.workspace, name="z", outputs={"z": ""})

    for listed in (client.runs.list, client.artifacts.list):

        def names(listed: Any = listed, **asked: Any) -> str:
            return "".join(one.name for one in listed(**asked))

        assert names(order_by="-the.score") == names(order_by="the.score desc") == "cban"
        assert names(order_by="the.score") == names(order_by="the.score ASC") == "abcn"
        assert names(order_by="the.score desc", limit=2, where="the.score < 3") == "ba"
        assert names(order_by="name") == "abcnz"
        assert names() == "znacb"
    assert [one.name for one in client.artifacts.list(order_by="-size_bytes", limit=1)] == ["n"]
    assert [one.name for one in client.runs.list(order_by="-duration_s", limit=2)] != []
    assert [one.name for one in client.artifacts.list(run=runs[0].id, order_by="name")] == ["b"]
    assert [one.name for one in client.pipelines.list(order_by="-runs")] == ["training"]


def test_an_order_by_nothing_is_refused_in_one_line(client: Client) -> None:
    record_run(client.workspace, outputs={"raw": 1})

    for service in ("artifacts", "pipelines", "runs"):
        for bad in ("", "  ", "-", "desc", "score; DROP TABLE runs", 7, "é" * 5000, "name,id"):
            with pytest.raises(BadValueError) as refused:
                getattr(client, service).list(order_by=bad)
            assert len(str(refused.value).splitlines()) == 1, service
            assert len(str(refused.value)) < 250, service
        with pytest.raises(BadValueError, match=r"did you mean 'name'\?"):
            getattr(client, service).list(order_by="nmae")


def test_artifacts_are_paged_as_runs_are(client: Client) -> None:
    made = [record_run(client.workspace, outputs={"raw": n}).artifacts["raw"] for n in range(5)]

    first = client.artifacts.list(limit=2)
    second = client.artifacts.list(limit=2, before=first[-1])
    last = client.artifacts.list(limit=2, before=second[-1].id)

    assert [one.id for one in (*first, *second, *last)] == made[::-1]
    assert [one.id for one in client.artifacts.list(before="raw@2")] == [made[0]]
    for listed in (client.artifacts.list, client.runs.list):
        with pytest.raises(BadValueError, match="before= goes by age"):
            listed(before=listed()[-1], order_by="name")


# Tags, and filters that there are not --------------------------------------------------------


def test_everything_is_found_by_its_tags(client: Client) -> None:
    for service in LISTS:
        make, target = {**NOTED, "pipelines": (lambda ws, name: record_run(ws, pipeline=name) and name, "pipeline")}[
            service
        ]
        for name, tags in {"both": ["exp-1", "best"], "one": ["exp-2"], "none": []}.items():
            client.tags.add(tags, **{target: make(client.workspace, name)})

        def names(service: str = service, **asked: Any) -> set[str]:
            return {one.name for one in getattr(client, service).list(**asked)} - {"training"}

        assert names(tags=["exp-1", "best"]) == {"both"}, service
        assert names(any_tags=["exp-2", "best"]) == {"both", "one"}, service
        assert names(tag_prefix="exp") == {"both", "one"}, service
        assert names(tag_contains="es") == {"both"}, service
        assert names(tags=["never"]) == names(tag_contains="%") == set(), service


LISTING_SERVICES = ["runs", "artifacts", "pipelines", "snapshots"]


@pytest.mark.parametrize("service", LISTING_SERVICES)
def test_a_filter_that_there_is_not_is_answered_with_the_nearest(service: str, client: Client) -> None:
    with pytest.raises(BadValueError, match=r"have no filter 'tag_prefx'; did you mean 'tag_prefix'\?"):
        getattr(client, service).list(tag_prefx="a")
    with pytest.raises(BadValueError, match=r"have no filter 'zzz'; there are .*tags"):
        getattr(client, service).list(zzz=1)


HALF = "a\ud800"


@pytest.mark.parametrize("service", LISTING_SERVICES)
def test_half_a_character_is_refused_wherever_a_text_is_looked_for(service: str, client: Client) -> None:
    one = getattr(client, service)
    asked: list[dict[str, Any]] = [
        {"name": HALF}, {"name_prefix": HALF}, {"name_contains": HALF}, {"tags": [HALF]}, {"any_tags": [HALF]},
        {"tag_prefix": HALF}, {"tag_contains": HALF}, {"where": f"{HALF} > 1"}, {"where": f"'{HALF}' > 1"},
        {"order_by": HALF}, {"order_by": f"-{HALF}"}, {"metadata": {HALF: 1}}, {"metadata": {(HALF, "b"): 1}},
        {"pipeline": HALF}, {"type": HALF}, {"run": HALF}, {"before": HALF}, {"model_version": HALF},
    ]  # fmt: skip
    known = inspect.signature(one.list).parameters

    for filters in asked:
        if filters.keys() <= known.keys():
            with pytest.raises(BadValueError, match="holds half of a character"):
                one.list(**filters)
    for ref in (HALF, f"{HALF}@1", f"a@{HALF}", (HALF, "1")):
        with pytest.raises(BadValueError, match="holds half of a character"):
            one.get(ref)


def test_a_limit_that_nothing_reaches_is_none(client: Client) -> None:
    record_run(client.workspace, outputs={"raw": 1})
    create_snapshot(client.workspace)

    for service in LISTING_SERVICES:
        listed = getattr(client, service).list

        assert listed(limit=10**30) == listed(limit=None), service
        if "order_by" in inspect.signature(listed).parameters:
            assert listed(limit=10**30, order_by="name") == listed(limit=None, order_by="name"), service


@pytest.mark.parametrize("service", LISTING_SERVICES)
def test_every_filter_answers_any_value_or_refuses_it_and_writes_nothing(service: str, client: Client) -> None:
    record_run(client.workspace, outputs={"raw": 1})
    written = lines_written(client.workspace)

    for bad in ("text", 7, object, True, float("nan"), b"x"):
        for name, one in inspect.signature(getattr(client, service).list).parameters.items():
            if one.kind is one.KEYWORD_ONLY:
                try:
                    getattr(client, service).list(**{name: bad})
                except (BadValueError, NotFoundError) as error:
                    assert len(str(error).splitlines()) <= 2, (name, bad)

        assert lines_written(client.workspace) == written, bad


def test_state_at_hand_is_asked_for_what_hangs_on_it_once(client: Client) -> None:
    """What models and their versions are filtered by."""
    first, second = open_version(client.workspace, "iris"), open_version(client.workspace, "iris")
    client.metadata.log({"accuracy": 0.9}, model_version=first)
    client.metadata.log({"accuracy": 0.5}, model_version=second)
    kind = Kind.MODEL_VERSION

    assert entities(client.workspace, kind, notes(kind, where="accuracy > 0.8")) == {first}
    assert entities(client.workspace, kind, notes(kind, metadata={"accuracy": 0.5})) == {second}
    assert entities(client.workspace, kind, bears(kind, "id", tags=["none"])) == set()
    assert entities(client.workspace, kind, notes(kind)) is None
