"""The rules of metadata, each by its sentence, on the paths by which a user comes to them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from nbpipe import StorageSize, Uri, log_metadata
from nbpipe.errors import BadValueError, ConflictError, NotFoundError, StepFailedError
from nbpipe.records.metadata import DType
from nbpipe.records.refs import Kind
from nbpipe.records.runs import Status
from tests.flows.forks import together
from tests.flows.project import Project

FLOW = """
@step
def make(n: int = 1) -> Annotated[list, "made"]:
    BODY
    return [n]

@pipeline(MODEL)
def making(n: int = 1):
    return make(n)
"""
MODEL = 'model=Model(name="iris")'


def flow_with(project: Project, body: str = "pass", model: str = MODEL) -> Any:
    """Import a pipeline of one step that does `body`."""
    return project.load(FLOW.replace("BODY", body).replace("MODEL", model))


VALUES: dict[str, tuple[Any, Any]] = {
    "none": (None, None),
    "bool": (True, True),
    "int": (7, 7),
    "huge int": (10**400, 10**400),
    "float": (0.1, 0.1),
    "infinity": (math.inf, math.inf),
    "minus infinity": (-math.inf, -math.inf),
    "text": ("ünïcödé 🏆 \x00 \" ' <b>", "ünïcödé 🏆 \x00 \" ' <b>"),
    "bytes": (b"\x00\xff", b"\x00\xff"),
    "datetime": (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), datetime(2026, 1, 2, 3, 4, 5, 6, UTC)),
    "naive datetime": (datetime(2026, 1, 2), datetime(2026, 1, 2)),
    "date": (date(2026, 1, 2), date(2026, 1, 2)),
    "timedelta": (timedelta(days=-1, microseconds=7), timedelta(days=-1, microseconds=7)),
    "decimal": (Decimal("1.10"), Decimal("1.10")),
    "uuid": (UUID(int=7), UUID(int=7)),
    "path": (Path("a/b c"), Path("a/b c")),
    "uri": (Uri("s3://b/k"), Uri("s3://b/k")),
    "size": (StorageSize(2**40), StorageSize(2**40)),
    "numpy int": (np.int64(5), 5),
    "numpy float": (np.float32(0.5), 0.5),
    "numpy bool": (np.True_, True),
    "numpy dtype": (np.dtype("float32"), DType("float32")),
    "pandas dtype": (pd.CategoricalDtype(), DType("category")),
    "timestamp": (pd.Timestamp("2026-01-02", tz="UTC"), datetime(2026, 1, 2, tzinfo=UTC)),
    "list": ([1, [2, None]], [1, [2, None]]),
    "tuple": ((1, (2,)), (1, (2,))),
    "set": ({1, 2}, {1, 2}),
    "frozenset": (frozenset({"a"}), frozenset({"a"})),
    "dict": ({"a": {"b": {}}}, {"a": {"b": {}}}),
}


@pytest.mark.parametrize("path", ["outside and reopened", "in a step"])
def test_every_value_comes_back_as_its_documented_type(project: Project, path: str) -> None:
    if path == "in a step":
        body = (
            "from tests.flows.test_metadata_rules import VALUES; log_metadata({k: v for k, (v, _) in VALUES.items()})"
        )
        run = flow_with(project, body).making()
    else:
        run = flow_with(project).making()
        log_metadata({key: value for key, (value, _) in VALUES.items()}, run=run)
    found = [run.metadata]
    if path != "in a step":
        project.client.workspace.catalog.publish()
        project.reopen()
        found.append(project.client.runs.get(run.id).metadata)

    for values in found:
        assert values == {key: back for key, (_, back) in VALUES.items()}
        types = {key: type(value) for key, value in values.items()}
        assert types == {key: type(back) for key, (_, back) in VALUES.items()}


def test_not_a_number_comes_back_and_is_no_obstacle_to_other_metrics(project: Project) -> None:
    run = flow_with(project).making()
    log_metadata({"scores": {"loss": math.nan, "best": math.inf, "f1": 0.5}, "worst": np.float64("nan")}, run=run)

    assert math.isnan(run.metadata["scores"]["loss"])
    assert math.isnan(run.metadata["worst"])
    assert run.metrics["scores.f1"] == 0.5
    assert run.metrics["scores.best"] == math.inf
    assert [one.id for one in project.client.runs.list(where="scores.f1 > 0.4")] == [run.id]
    assert project.client.runs.list(where="scores.f1 > 0.6") == []


REFUSED: tuple[tuple[Any, str], ...] = (
    ({"fine": 1, "table": pd.DataFrame({"a": [1]})}, r"'table' is a DataFrame"),
    ({"fine": 1, "a": {"b": [0, np.zeros(3)]}}, r"'a\.b\.1' is a ndarray"),
    ({"fine": 1, "c": 1j}, r"'c' is a complex"),
    ({"fine": 1, "o": object()}, r"'o' is a object"),
    ({"fine": 1, "f": print}, r"'f' is a builtin_function_or_method"),
    ({"fine": 1, 7: 1}, "keys are strings"),
    ({"fine": {7: 1}}, "keys are strings"),
    ({"": 1}, "keys are strings"),
    ([("fine", 1)], "dict of names and values"),
    ("fine", "dict of names and values"),
)


def test_anything_else_refuses_the_whole_call_with_key_and_type(project: Project) -> None:
    run = flow_with(project).making()
    before = project.logs_bytes()

    for values, told in REFUSED:
        with pytest.raises(BadValueError, match=told) as refused:
            log_metadata(values, run=run)

        assert len(str(refused.value)) < 300, told
        assert project.logs_bytes() == before, told
        assert run.metadata == {}, told


def test_dicts_merge_deeply_scalars_replace_and_earlier_values_stay_as_history(project: Project) -> None:
    run = flow_with(project).making()
    for values in (
        {"m": {"a": 1, "d": {"x": 1}}, "s": 1},
        {"m": {"b": 2, "d": {"y": 2}}},
        {"s": "two", "m": {"a": [3]}},
    ):
        log_metadata(values, run=run)

    assert run.metadata == {"m": {"a": [3], "b": 2, "d": {"x": 1, "y": 2}}, "s": "two"}
    entry = run.run_metadata["s"]
    assert [value for _, value in entry.history] == [1]
    assert [value for _, value in run.run_metadata["m"].history] == [
        {"a": 1, "d": {"x": 1}},
        {"a": 1, "b": 2, "d": {"x": 1, "y": 2}},
    ]


def test_dicts_with_odd_keys_merge_like_any_other(project: Project) -> None:
    run = flow_with(project).making()
    log_metadata({"m": {"$type": "uuid", "value": 1}}, run=run)
    log_metadata({"m": {"b": 2.5, "value": 3}}, run=run)

    assert run.metadata == {"m": {"$type": "uuid", "value": 3, "b": 2.5}}
    assert run.metrics == {"m.value": 3.0, "m.b": 2.5}
    log_metadata({"m": 1}, run=run)
    assert run.metadata == {"m": 1}


HOSTILE = [
    "a b", "a.b", "ä🏆", "x" * 5000, "'; DROP TABLE metadata; --", '"', "\\", "<script>alert(1)</script>", "$type",
    "$[0]", "a\nb", "\x00", "__class__", "value", "[0]", "%", "NULL", "$.a",
]  # fmt: skip


@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_any_text_is_a_key_and_comes_back_with_its_metric(project: Project, nested: bool) -> None:
    run = flow_with(project).making()
    values = {key: n + 0.5 for n, key in enumerate(HOSTILE)}

    log_metadata({"in": values} if nested else values, run=run)

    assert run.metadata == ({"in": values} if nested else values)
    prefix = "in." if nested else ""
    assert run.metrics == {f"{prefix}{key}": value for key, value in values.items()}
    asked = project.client.query("SELECT key, value FROM metrics")
    assert dict(zip(asked["key"], asked["value"], strict=True)) == run.metrics


def test_100_000_keys_in_one_call_come_back(project: Project) -> None:
    run = flow_with(project).making()
    values = {f"key {n}": n for n in range(100_000)}

    log_metadata(values, run=run)

    assert run.metadata == values
    assert len(run.metrics) == 100_000
    assert project.client.query("SELECT count(*) AS n FROM metrics").n[0] == 100_000


def test_100_000_keys_in_one_call_of_a_step_come_back_also_nested(project: Project) -> None:
    run = flow_with(project, 'log_metadata({"deep": {f"key {i}": i for i in range(100_000)}})').making()

    assert run.metadata == {"deep": {f"key {n}": n for n in range(100_000)}}
    assert project.client.query("SELECT count(*) AS n FROM metrics WHERE entity_kind = 'run'").n[0] == 100_000


def test_a_value_of_some_megabytes_comes_back(project: Project) -> None:
    run = flow_with(project).making()
    values = {"text": "ä" * 3_000_000, "bytes": bytes(range(256)) * 20_000, "list": list(range(300_000))}

    log_metadata(values, run=run)

    assert run.metadata == values


def test_nesting_of_60_levels_comes_back_and_deeper_than_64_is_refused(project: Project) -> None:
    run = flow_with(project).making()
    deep: Any = 7
    for _ in range(59):
        deep = {"d": deep}

    log_metadata({"d": deep}, run=run)

    assert run.metadata == {"d": deep}
    assert run.metrics == {".".join("d" * 60): 7.0}
    for value in (deep, [deep], {"x": deep}):
        wrapped: Any = value
        for _ in range(2000):
            wrapped = [wrapped]
        with pytest.raises(BadValueError, match="deeper than 64 levels"):
            log_metadata({"w": wrapped}, run=run)
    itself: dict[str, Any] = {}
    itself["again"] = itself
    with pytest.raises(BadValueError, match="deeper than 64 levels"):
        log_metadata(itself, run=run)


# Targets -------------------------------------------------------------------------------------------


def test_in_a_step_with_no_target_it_belongs_to_the_step_and_its_run(project: Project) -> None:
    run = flow_with(project, 'log_metadata({"n": n})').making(n=4)

    assert run.metadata == {"n": 4}
    assert run.steps["make"].metadata == {"n": 4}
    assert run.model_version.metadata == {}


def test_in_a_step_the_model_version_and_an_output_are_targets(project: Project) -> None:
    run = flow_with(
        project, 'log_metadata({"n": n}, infer_model=True, infer_artifact=True, artifact_name="made")'
    ).making()

    assert run.model_version.metadata == {"n": 1}
    assert run.steps["make"].output.metadata == {"n": 1}
    assert run.metadata == {}


def test_outside_a_run_every_kind_is_a_target_and_several_get_the_same(project: Project) -> None:
    run = flow_with(project).making()
    log_metadata({"seen": True}, run=run, artifact="made@1", model="iris@1", step=run.steps["make"])

    assert run.metadata == project.client.metadata.read(Kind.STEP, run.steps["make"].id).values == {"seen": True}
    assert run.steps["make"].output.metadata == run.model_version.metadata == {"seen": True}


def test_several_targets_get_all_or_nothing(project: Project) -> None:
    run = flow_with(project).making()
    before = project.logs_bytes()

    for targets in (
        {"artifact": "none"},
        {"model": "none"},
        {"model": "iris@9"},
        {"step": "made@9"},
        {"snapshot": "none"},
        {"run": "none"},
    ):
        with pytest.raises(NotFoundError):
            log_metadata({"n": 1}, **{"run": run, **targets})
        assert project.logs_bytes() == before, targets


def test_outside_a_step_nothing_can_be_inferred(project: Project) -> None:
    run = flow_with(project).making()
    inferring: tuple[dict[str, Any], ...] = ({"infer_model": True}, {"infer_artifact": True}, {"artifact_name": "made"})

    for inferred in inferring:
        with pytest.raises(ConflictError, match="No step is running here"):
            log_metadata({"n": 1}, run=run, **inferred)
        assert run.metadata == {}, inferred
    with pytest.raises(BadValueError, match="needs a target"):
        log_metadata({"n": 1})

    assert run.metadata == {}


def test_infer_model_without_a_model_says_how_to_declare_one(project: Project) -> None:
    with pytest.raises(StepFailedError, match=r"works on no model; declare one: @pipeline\(model=Model"):
        flow_with(project, 'log_metadata({"n": 1}, infer_model=True)', model="").making()


def test_a_reused_step_gives_its_metadata_to_the_new_run_and_model_version_marked_as_reused(project: Project) -> None:
    body = 'log_metadata({"scores": {"f1": 0.5}, "at": (1, 2)}); log_metadata({"f1": 0.5}, infer_model=True)'
    flow = flow_with(project, body)
    first = flow.making()
    project.reopen()

    again = flow.making()

    assert again.steps["make"].status is Status.REUSED
    assert (again.metadata, again.metrics) == (first.metadata, {"scores.f1": 0.5})
    assert again.metadata["at"] == (1, 2)
    assert (first.model_version.number, again.model_version.number) == (1, 2)
    assert again.model_version.metadata == {"f1": 0.5}
    assert not first.run_metadata["scores"].is_reused
    assert again.run_metadata["scores"].is_reused
    assert again.model_version.run_metadata["f1"].is_reused
    log_metadata({"scores": {"f1": 0.6}}, run=again)
    assert not again.run_metadata["scores"].is_reused


def test_a_failed_step_keeps_what_it_said_before_it_failed(project: Project) -> None:
    with pytest.raises(StepFailedError):
        flow_with(
            project, 'log_metadata({"n": n}); log_metadata({"n": n}, infer_model=True); raise ValueError("late")'
        ).making()

    failed = project.client.runs.list()[0]
    assert failed.metadata == {"n": 1}
    assert failed.model_version.metadata == {"n": 1}


# Reading -------------------------------------------------------------------------------------------


def test_a_value_read_back_is_used_plainly_and_through_value(project: Project) -> None:
    run = flow_with(project).making()
    log_metadata({"scores": {"f1": 0.5}, "size": StorageSize(10), "none": None}, run=run)

    assert run.metadata["scores"]["f1"] == run.run_metadata["scores"].value["f1"] == run.run_metadata["scores"]["f1"]
    assert run.run_metadata["size"] == 10
    assert run.run_metadata["none"].value is None
    assert run.run_metadata["scores"].type == "dict"


def test_what_was_read_can_be_logged_elsewhere_as_it_is(project: Project) -> None:
    first, second = flow_with(project).making(), flow_with(project).making()
    log_metadata({"scores": {"f1": 0.5}, "when": date(2026, 1, 2)}, run=first)

    log_metadata(first.run_metadata, run=second)

    assert second.metadata == first.metadata


def test_numeric_leaves_are_metrics_by_dotted_path_and_can_be_asked_for(project: Project) -> None:
    flow = flow_with(project)
    runs = [flow.making(n=n) for n in range(3)]
    for n, run in enumerate(runs):
        log_metadata({"eval": {"test": {"f1": n / 10}}, "ok": True, "note": "5", "list": [1]}, run=run)

    assert runs[2].metrics == {"eval.test.f1": 0.2}
    assert [run.id for run in project.client.runs.list(where="eval.test.f1 >= 0.1")] == [runs[2].id, runs[1].id]


# Several at once -----------------------------------------------------------------------------------


def test_two_processes_that_log_to_the_same_thing_lose_nothing(project: Project) -> None:
    run = flow_with(project).making()
    code = f"""
name = ("ada", "bob")[who]
from nbpipe import log_metadata
for n in range(20):
    log_metadata({{name: {{f"n{{n}}": n}}, "both": {{name: n}}}}, run="{run.id}", artifact="made@1")
"""
    codes, _ = together(project, code, 2)

    assert codes == [0, 0]
    each = {f"n{n}": n for n in range(20)}
    assert run.metadata == {"ada": each, "bob": each, "both": {"ada": 19, "bob": 19}}
    assert run.steps["make"].output.metadata == run.metadata
    assert project.client.workspace.catalog.check() == []
