"""The lineage of artifact versions: as deep as asked for, round circles, and as large as it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nbpipe.base.clock import now_text
from nbpipe.base.ids import new_id
from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.records.operations import CreateSnapshot, EndRun
from nbpipe.records.runs import Status
from nbpipe.services.client import Client
from nbpipe.services.lineage import Lineage
from nbpipe.services.workspace import Workspace
from tests.services.building import case, record_run


@pytest.fixture
def client(opened_workspace: Workspace) -> Client:
    return Client(opened_workspace.paths.root)


def make(client: Client, name: str, *sources: str, **more: Any) -> str:
    """Record a step that makes `name` of earlier versions; give the new version's id."""
    inputs = {f"x{n}": source for n, source in enumerate(sources)}
    return record_run(client.workspace, outputs={name: name}, inputs=inputs, node=f"make_{name}", **more).artifacts[
        name
    ]


def reuse(client: Client, node: str, inputs: Mapping[str, str], artifact_id: str) -> str:
    """Record a step that was reused; give the id of its run."""
    run_id, step_id = new_id(), new_id()
    output = client.artifacts.stored(artifact_id).as_record()
    step = {
        "pipeline": "training", "node": node, "step": node, "status": "reused", "started": now_text(),
        "ended": now_text(), "attempt": 1, "parameters": {}, "outputs": [output], "not_carried": [], "metadata": [],
        "inputs": [{"name": key, "artifact": value, "digest": ""} for key, value in inputs.items()],
        "reused_from": output["made_by"], "logs": "",
    }  # fmt: skip
    started = {"name": node, "pipeline": "training", "kind": "pipeline", "parameters": {}, "differences": {}}
    started["model_version_id"] = ""
    client.workspace.catalog.append_lines([("run_started", run_id, run_id, started), ("step", step_id, run_id, step)])
    end = EndRun(
        request_id=EndRun.request_id_for(run_id), run_id=run_id, pipeline="training", status=Status.COMPLETED,
        tags=(), made=(), reached=(), model_version_id="",
    )  # fmt: skip
    client.workspace.catalog.transact(end)
    return run_id


def names(lineage: Lineage) -> set[str]:
    return {version.name for version in lineage.versions.values()}


def text_of(lineage: Lineage) -> str:
    return lineage._repr_mimebundle_()["text/plain"]


def test_it_is_walked_as_deep_as_asked_for(client: Client) -> None:
    ids = [make(client, "v0")]
    for n in range(1, 7):
        ids.append(make(client, f"v{n}", ids[-1]))

    assert names(client.artifacts.lineage(ids[3], up=0, down=0)) == {"v3"}
    assert names(client.artifacts.lineage(ids[3])) == {"v2", "v3", "v4"}
    assert names(client.artifacts.lineage(ids[3], up=2, down=0)) == {"v1", "v2", "v3"}
    assert names(client.artifacts.lineage(ids[3], up=0, down=2)) == {"v3", "v4", "v5"}
    everything = client.artifacts.lineage("v3", up="all", down=None)
    assert names(everything) == {f"v{n}" for n in range(7)}
    assert [use.level for use in everything.executions.values()] == [-1, -2, -3, -4, 1, 2, 3]
    assert len(everything.runs) == 7
    assert not everything.is_cut


def test_a_version_read_and_made_on_several_ways_stands_in_it_once(client: Client) -> None:
    raw = make(client, "raw")
    left, right = make(client, "left", raw), make(client, "right", raw)
    both = make(client, "both", left, right)

    lineage = client.artifacts.lineage(both, up="all")

    assert len(lineage.versions) == len(lineage.executions) == 4
    assert len(lineage.edges) == 8
    assert text_of(lineage).count("make_raw") == 1
    assert text_of(lineage).count("see above") == 1


def test_what_was_reused_is_marked_and_leads_to_the_run_that_did(client: Client) -> None:
    raw = make(client, "raw")
    clean = make(client, "clean", raw)
    run = reuse(client, "make_clean", {"x0": raw}, clean)

    down, up = client.artifacts.lineage(raw), client.artifacts.lineage(clean)

    assert [use.is_reused for use in down.used_by] == [True, False]
    assert {use.run_id for use in down.used_by} == {run, client.artifacts.get(clean).run_id}
    assert up.made_by is not None
    assert not up.made_by.is_reused
    assert "↺" in text_of(down)
    assert "reused" in down._repr_html_()  # type: ignore[operator]


def test_what_goes_round_in_a_circle_comes_to_an_end(client: Client) -> None:
    raw = make(client, "raw")
    clean = make(client, "clean", raw)
    again = make(client, "again", clean)
    reuse(client, "make_clean", {"x0": again}, clean)

    lineage = client.artifacts.lineage(raw, up="all", down="all")

    assert names(lineage) == {"raw", "clean", "again"}
    assert len(lineage.executions) == 4
    assert "see above" in text_of(lineage)


def test_a_step_may_read_what_it_gives(client: Client) -> None:
    raw = make(client, "raw")
    reuse(client, "same", {"x0": raw}, raw)

    lineage = client.artifacts.lineage(raw, up="all", down="all")

    assert len(lineage.executions) == 2
    assert text_of(lineage)


def test_what_is_too_large_is_cut_and_says_so(client: Client) -> None:
    raw = make(client, "raw")
    readers = [make(client, f"r{n}", raw) for n in range(5)]

    cut, whole = client.artifacts.lineage(raw, most=3), client.artifacts.lineage(raw, most=6)

    assert (len(cut.executions), cut.is_cut) == (3, True)
    assert (len(whole.executions), whole.is_cut) == (6, False)
    assert "there is more" in text_of(cut)
    assert [use.outputs for use in cut.used_by] == [{"r4": readers[4]}, {"r3": readers[3]}]


def test_a_long_chain_is_walked_and_told(client: Client) -> None:
    last = make(client, "v")
    for _ in range(30):
        last = make(client, "v", last)

    lineage = client.artifacts.lineage(last, up="all")

    assert len(lineage.executions) == 31
    assert "v@1 " in text_of(lineage)


def test_models_runs_and_snapshots_that_hold_it_are_told(client: Client) -> None:
    made = record_run(client.workspace, outputs={"raw": 1}, model="iris")
    snapshot = CreateSnapshot(id=new_id(), pipeline="training", name="nightly", digest="0" * 64, run_id=made.id)
    client.workspace.catalog.transact(snapshot)

    lineage = client.artifacts.lineage("raw")

    assert lineage.root.models == ("iris@1",)
    assert list(lineage.runs) == [made.id]
    assert lineage.snapshots == ("nightly",)
    assert all(said in text_of(lineage) for said in ("iris@1", "nightly", made.id[:8]))


def test_it_is_a_frame_of_what_was_read_and_given(client: Client) -> None:
    raw = make(client, "raw")
    make(client, "clean", raw)

    frame = client.artifacts.lineage(raw).df()
    empty = client.artifacts.lineage(raw, up=0, down=0).df()

    assert list(frame[["level", "direction", "artifact"]].itertuples(index=False, name=None)) == [
        (-1, "out", "raw"), (1, "in", "raw"), (1, "out", "clean"),
    ]  # fmt: skip
    assert len(empty) == 0
    assert dict(empty.dtypes) == dict(frame.dtypes)


NO_DEPTHS: list[Any] = [-1, True, 1.5, "some", "", "-1", "²", b"1", [1], "9" * 5000, float("nan")]


def test_a_depth_that_is_none_is_refused_in_one_line(client: Client) -> None:
    make(client, "raw")

    for bad in NO_DEPTHS:
        with case(bad):
            for asked in ({"up": bad}, {"down": bad}):
                with pytest.raises(BadValueError) as refused:
                    client.artifacts.lineage("raw", **asked)
                assert len(str(refused.value).splitlines()) == 1
                assert len(str(refused.value)) < 200


NO_NUMBERS: list[Any] = [None, "all", 0, -1, True, 1.5, "7"]


def test_how_many_executions_at_most_is_a_number(client: Client) -> None:
    made = make(client, "raw")

    for bad in NO_NUMBERS:
        with case(bad):
            with pytest.raises(BadValueError, match="is no number of executions"):
                client.artifacts.lineage(made, most=bad)

            assert names(client.artifacts.lineage(made, most=10**30)) == {"raw"}


def test_the_lineage_of_nothing_is_refused(client: Client) -> None:
    make(client, "raw")

    with pytest.raises(NotFoundError, match="Did you mean 'raw'"):
        client.artifacts.lineage("rwa")


def test_names_that_mean_something_elsewhere_are_text(client: Client) -> None:
    evil = "<script>alert(1)</script>\n" + "é" * 5000
    make(client, "next", make(client, evil))

    html = client.artifacts.lineage("next")._repr_html_()

    assert html is not None
    assert "<script" not in html
    assert "&lt;script&gt;" in html
