"""Snapshots through the service: created, named, run in a fresh process, triggered from steps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nbpipe import Client
from nbpipe.errors import (
    AmbiguousNameError,
    BadValueError,
    CatalogDamagedError,
    ConflictError,
    EnvironmentMismatchError,
    NotFoundError,
    ParameterError,
    RunInterruptedError,
    SecretWarning,
    StepFailedError,
)
from nbpipe.records.config import PipelineRunConfiguration
from nbpipe.records.runs import Status
from nbpipe.records.snapshots import digest_of
from nbpipe.services.snapshot_running import run_apart
from nbpipe.services.snapshots import SnapshotService
from tests.flows.project import Project, ran
from tests.services.building import case, run_of

FLOW = """
@step
def load(n: int = 5) -> Annotated[list, "raw"]:
    return list(range(n))

@step
def total(data: list, rate: float = 0.1) -> Annotated[float, "total"]:
    return sum(data) * rate

@pipeline(tags=["t", Tag(name="latest", exclusive=True)], model=Model(name="iris"))
def training(n: int = 5, rate: float = 0.1):
    return total(load(n), rate)
"""


# Naming ------------------------------------------------------------------------------------------


def test_a_snapshot_is_found_by_name_pipeline_and_name_id_prefix_and_record(
    flow: Any, snapshots: SnapshotService
) -> None:
    made = flow.training.create_snapshot("nightly", description="every night", tags=["prod"])

    for ref in ("nightly", "training/nightly", "snapshot:nightly", made.id, made.id[:8], made):
        assert snapshots.get(ref) == made
    assert (made.pipeline, made.description, made.tags) == ("training", "every night", ["prod"])
    with pytest.raises(NotFoundError, match="Did you mean 'nightly'"):
        snapshots.get("nigthly")


def test_a_name_is_taken_once_in_a_pipeline_unless_it_is_replaced(flow: Any, snapshots: SnapshotService) -> None:
    first = flow.training.create_snapshot("nightly")

    with pytest.raises(ConflictError, match="replace"):
        flow.training.create_snapshot("nightly", parameters={"rate": 0.5})
    second = flow.training.create_snapshot("nightly", parameters={"rate": 0.5}, replace=True)

    assert snapshots.get("nightly").id == second.id
    assert snapshots.get(first.id).name == ""
    assert [one.id for one in snapshots.list()] == [second.id, first.id]
    assert [one.id for one in snapshots.list(named=True)] == [second.id]


def test_a_name_of_two_pipelines_must_be_told_apart(project: Project, flow: Any, snapshots: SnapshotService) -> None:
    flow.training.create_snapshot("nightly")
    project.load(FLOW.replace("def training", "def other"), "second").other.create_snapshot("nightly")

    with pytest.raises(AmbiguousNameError, match="training/nightly"):
        snapshots.get("nightly")
    assert snapshots.get("nightly", "other").pipeline == "other"
    assert snapshots.get("other/nightly").pipeline == "other"


def test_a_snapshot_is_renamed_and_described_and_deleted_and_its_runs_stay(
    flow: Any, snapshots: SnapshotService
) -> None:
    made = flow.training.create_snapshot("nightly")
    other = flow.training.create_snapshot("weekly", parameters={"n": 3})
    run = run_of(made, flow.training)

    renamed = snapshots.rename("nightly", "daily")
    with pytest.raises(ConflictError, match="weekly"):
        snapshots.rename("daily", "weekly")
    assert snapshots.describe("daily", "each day").description == "each day"
    snapshots.delete("daily")

    assert renamed.id == made.id
    assert [one.id for one in snapshots.list()] == [other.id]
    with pytest.raises(NotFoundError):
        snapshots.get(made.id)
    assert Client().runs.get(run.id).snapshot == made.id
    assert flow.training.create_snapshot("daily").name == "daily"


BAD_NAMES: list[Any] = ["a\nb", "x" * 256, 5]


def test_a_bad_name_is_refused(flow: Any, snapshots: SnapshotService) -> None:
    for name in BAD_NAMES:
        with case(name):
            with pytest.raises(BadValueError):
                flow.training.create_snapshot(name)
            assert list(snapshots.list()) == []


UNFIT_VALUES: list[Any] = [({"rat": 1}, "did you mean 'rate'"), ({"rate": "much"}, "rate")]


def test_values_that_do_not_fit_make_no_snapshot(flow: Any, snapshots: SnapshotService) -> None:
    for parameters, said in UNFIT_VALUES:
        with case(parameters, said):
            with pytest.raises(ParameterError, match=said):
                flow.training.create_snapshot("nightly", parameters=parameters)
            assert list(snapshots.list()) == []


# Running -----------------------------------------------------------------------------------------


def test_that_a_secret_is_not_kept_is_said(project: Project) -> None:
    flow = project.load("""
from pydantic import SecretStr

@step
def fetch(n: int, key: SecretStr = SecretStr("own")) -> Annotated[int, "fetched"]:
    return n

@pipeline
def fetching(token: SecretStr, n: int = 5):
    return fetch(n)
""")

    with pytest.warns(SecretWarning, match="^token: a secret is not kept; each run is given its own.$"):
        made = flow.fetching.create_snapshot("nightly", parameters={"token": "the-canary", "n": 7})

    assert made.content.configuration.parameters == {"n": 7}
    given = PipelineRunConfiguration.read(
        {"parameters": {"token": "x"}, "steps": {"fetch": {"parameters": {"key": "y"}}}}
    )
    assert made.not_kept(given) == "token, fetch.key: secrets are not kept; each run is given its own."
    assert made.not_kept(PipelineRunConfiguration(parameters={"n": 7})) == ""


def test_a_run_of_a_snapshot_reuses_what_the_notebook_did_in_a_process_of_its_own(project: Project, flow: Any) -> None:
    flow.training()
    made = flow.training.create_snapshot("nightly")
    (project.folder / "flow.py").unlink()

    run = made.run()

    assert ran(run) == []
    assert run.output == 1.0
    assert (run.snapshot, run.differences, run.status) == (made.id, {}, Status.COMPLETED)
    assert run.parameters == {"n": 5, "rate": 0.1}
    assert sorted(run.tags) == ["latest", "t"]
    assert run.model_version.number == 2
    pids = project.client.query("select distinct pid from runs").pid
    assert len(pids) == 2


def test_other_values_and_an_edited_template_run_and_are_kept_as_differences(flow: Any) -> None:
    made = flow.training.create_snapshot("nightly", parameters={"rate": 0.5})
    template = made.config_template
    template.steps["total"].parameters["rate"] = 2.0
    template.parameters["n"] = 3

    by_value = made.run(rate=0.25)
    by_template = made.run(template)
    by_dict = made.run({"steps": {"load": {"parameters": {"n": 2}}}, "tags": ["more"]})

    assert (by_value.output, by_value.differences) == (2.5, {"rate": 0.25})
    assert (by_template.output, by_template.differences) == (6.0, {"n": 3, "total.rate": 2.0})
    assert (by_dict.output, by_dict.differences) == (0.5, {"load.n": 2})
    assert "more" in by_dict.tags


UNFIT: list[Any] = [
    ({"parameters": {"rat": 1}}, ParameterError, "did you mean 'rate'"),
    ({"parameters": {"rate": "much"}}, ParameterError, "rate"),
    ({"steps": {"totl": {"parameters": {"rate": 1}}}}, NotFoundError, "Did you mean 'total'"),
    ({"steps": {"total": {"parameters": {"data": []}}}}, ParameterError, "comes from step 'load'"),
    ({"stepz": {}}, BadValueError, "did you mean 'steps'"),
]


def test_what_does_not_fit_is_refused_before_a_process_is_started(project: Project, flow: Any) -> None:
    made = flow.training.create_snapshot("nightly")

    for configuration, error, said in UNFIT:
        with case(configuration, error, said):
            with pytest.raises(error, match=said):
                made.run(configuration)

            assert list(project.client.runs.list()) == []


def test_a_required_value_is_asked_for_by_name_when_a_snapshot_is_run_without_it(project: Project) -> None:
    flow = project.load(FLOW.replace("n: int = 5, rate", "n: int, rate"))
    made = flow.training.create_snapshot("nightly")

    with pytest.raises(ParameterError, match="n  needs a value"):
        made.run()

    assert made.run(n=3).output == pytest.approx(0.3)


def test_a_failure_in_another_process_is_passed_on_with_its_traceback(project: Project) -> None:
    flow = project.load(FLOW.replace("return sum(data) * rate", "return 1 / (rate - rate)"))
    made = flow.training.create_snapshot("nightly")

    with pytest.raises(StepFailedError) as failed:
        made.run()

    assert (failed.value.step, failed.value.type_name) == ("total", "ZeroDivisionError")
    assert "return 1 / (rate - rate)" in failed.value.traceback_text
    assert project.client.runs.get(failed.value.run_id).status is Status.FAILED


def test_a_run_apart_can_be_stopped_and_ends_itself(project: Project) -> None:
    slow = FLOW.replace(
        "return sum(data) * rate", "import time\n    for _ in range(6000):\n        time.sleep(0.01)\n    return 0.0"
    )
    made = project.load(slow).training.create_snapshot("nightly")
    started = run_apart(made)
    assert started.status is Status.RUNNING

    started.stop()

    with pytest.raises(RunInterruptedError):
        started.wait()
    rows = project.client.workspace.catalog.rows("select status, ended from runs")
    assert [(row["status"], row["ended"] is None) for row in rows] == [("interrupted", False)]
    assert started.status is Status.INTERRUPTED


# What was frozen ---------------------------------------------------------------------------------


def blob_of(project: Project, made: Any) -> Any:
    for path in project.client.workspace.paths.blobs.rglob("*"):
        if path.is_file() and digest_of(path.read_bytes()) == made.digest:
            return path
    raise AssertionError("the content is not there")


@pytest.mark.parametrize("how", ["edited", "gone", "emptied"])
def test_a_content_that_is_not_what_it_was_is_refused(project: Project, flow: Any, how: str) -> None:
    made = flow.training.create_snapshot("nightly")
    blob = blob_of(project, made)
    blob.chmod(0o600)
    if how == "edited":
        blob.write_bytes(blob.read_bytes().replace(b"sum(data) * rate", b"sum(data) + rate"))
    elif how == "emptied":
        blob.write_bytes(b"")
    else:
        blob.unlink()
    project.reopen()

    for ask in (lambda one: one.content, lambda one: one.run(), lambda one: one.code):
        with pytest.raises(CatalogDamagedError, match="Create the snapshot again") as refused:
            ask(project.client.snapshots.get("nightly"))
        assert len(str(refused.value).splitlines()) <= 2
    assert list(project.client.runs.list()) == []


def test_a_missing_package_is_told_before_anything_runs(
    project: Project, flow: Any, snapshots: SnapshotService
) -> None:
    made = flow.training.create_snapshot("nightly")
    blob = blob_of(project, made)
    content = json.loads(blob.read_bytes())
    content["modules"] = [{"name": "nowhere", "distribution": "nowhere-at-all", "version": "1.0"}]
    from nbpipe.base.digest import canonical_json
    from nbpipe.base.ids import new_id
    from nbpipe.records.operations import CreateSnapshot

    data = canonical_json(content)
    stored = project.client.workspace.store.blobs.write((data,))
    project.client.workspace.catalog.transact(
        CreateSnapshot(id=new_id(), pipeline="training", name="elsewhere", digest=f"{digest_of(data)}:{stored}")
    )

    with pytest.raises(EnvironmentMismatchError, match=r"nowhere-at-all 1\.0 is not installed"):
        snapshots.get("elsewhere").run()

    assert list(project.client.runs.list()) == []


def test_the_code_of_a_snapshot_is_readable_python(flow: Any) -> None:
    code = flow.training.create_snapshot("nightly", parameters={"n": 3}).code

    compile(code, "nightly", "exec")
    assert "def training(n: int = 5, rate: float = 0.1):" in code
    assert code.rstrip().endswith("print(training(n=3, rate=0.1))")
