"""Snapshots that are exported and imported, compared and pruned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nbpipe import Client
from nbpipe.errors import BadValueError, BundleDamagedError, ConflictError, NotFoundError, NotRecordedError
from nbpipe.records.operations import CreateSchedule, Timing
from nbpipe.records.runs import Status
from nbpipe.services.snapshots import SnapshotService
from nbpipe.services.workspace import workspace_at
from tests.base.small_disk import files_of_at_most
from tests.flows.project import Project
from tests.services.building import case, run_of

FLOW = """
FACTOR = 3

@step
def load(n: int = 5) -> Annotated[list, "raw"]:
    return list(range(n))

@step
def total(data: list, rate: float = 0.1) -> Annotated[float, "total"]:
    return sum(data) * rate * FACTOR

@pipeline(tags=["t"])
def training(n: int = 5, rate: float = 0.1):
    return total(load(n), rate)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[SnapshotService]:
    opened = workspace_at(tmp_path / "other" / ".nbpipe")
    yield SnapshotService(opened)
    opened.close()


# Out and in ----------------------------------------------------------------------------------------


def test_an_exported_snapshot_runs_in_another_workspace(
    flow: Any, snapshots: SnapshotService, other: SnapshotService, tmp_path: Path
) -> None:
    made = flow.training.create_snapshot("nightly", parameters={"rate": 0.5}, description="each night", tags=["prod"])

    place = snapshots.export("nightly", tmp_path)
    taken = other.import_(place)

    assert place == tmp_path / "nightly.nbsnapshot"
    assert (taken.name, taken.description, taken.digest) == ("nightly", "each night", made.digest)
    assert taken.tags == ["prod"]
    run = taken.run(n=4)
    assert (run.status, run.parameters) == (Status.COMPLETED, {"n": 4, "rate": 0.5})
    assert run.steps["total"].outputs["total"].load() == 6 * 0.5 * 3


def test_two_exports_of_one_snapshot_are_the_same_file(flow: Any, snapshots: SnapshotService, tmp_path: Path) -> None:
    flow.training.create_snapshot("nightly")

    first = snapshots.export("nightly", tmp_path / "a.nbsnapshot")
    again = snapshots.export("nightly", tmp_path / "a.nbsnapshot")
    second = snapshots.export("nightly", tmp_path / "b.nbsnapshot")

    assert again == first
    assert first.read_bytes() == second.read_bytes()


def test_a_file_that_is_there_is_replaced_only_if_asked(flow: Any, snapshots: SnapshotService, tmp_path: Path) -> None:
    flow.training.create_snapshot("nightly")
    place = tmp_path / "mine.txt"
    place.write_text("mine")

    with pytest.raises(ConflictError, match="already"):
        snapshots.export("nightly", place)
    assert place.read_text() == "mine"
    snapshots.export("nightly", place, overwrite=True)

    assert place.read_bytes()[:2] == b"PK"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".m")] == []


def test_a_folder_that_is_not_there_is_told(flow: Any, snapshots: SnapshotService, tmp_path: Path) -> None:
    flow.training.create_snapshot("nightly")

    with pytest.raises(NotFoundError, match="There is no folder"):
        snapshots.export("nightly", tmp_path / "nowhere" / "a.nbsnapshot")


def test_a_disk_that_fills_up_midway_leaves_nothing_behind(
    flow: Any, snapshots: SnapshotService, tmp_path: Path
) -> None:
    flow.training.create_snapshot("nightly")
    whole = snapshots.export("nightly", tmp_path / "whole.nbsnapshot").stat().st_size
    folder = tmp_path / "out"
    folder.mkdir()

    with files_of_at_most(whole // 2), pytest.raises(NotRecordedError) as refused:
        snapshots.export("nightly", folder)

    assert "nightly.nbsnapshot" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert list(folder.iterdir()) == []
    assert snapshots.export("nightly", folder).stat().st_size == whole


def test_a_disk_that_fills_up_midway_leaves_the_file_that_was_to_be_replaced(
    flow: Any, snapshots: SnapshotService, tmp_path: Path
) -> None:
    flow.training.create_snapshot("nightly")
    place = tmp_path / "out" / "nightly.nbsnapshot"
    place.parent.mkdir()
    place.write_bytes(b"former")

    with files_of_at_most(100), pytest.raises(NotRecordedError):
        snapshots.export("nightly", place, overwrite=True)

    assert place.read_bytes() == b"former"
    assert list(place.parent.iterdir()) == [place]


NAMES: list[Any] = [
    ("a/../b", "a_.._b"),
    ("...", "snapshot"),
    ("Früh 1", "Früh 1"),
    ("x" * 255, "x" * 100),
    ('"<b>"', "__b__"),
]


def test_whatever_a_snapshot_is_named_its_file_lies_in_the_folder(
    flow: Any, snapshots: SnapshotService, tmp_path: Path
) -> None:
    for name, file in NAMES:
        with case(name, file):
            flow.training.create_snapshot(name)

            assert snapshots.export(snapshots.list()[0], tmp_path) == tmp_path / f"{file}.nbsnapshot"


def test_a_tampered_file_is_refused_and_nothing_is_written(
    flow: Any, snapshots: SnapshotService, other: SnapshotService, tmp_path: Path
) -> None:
    flow.training.create_snapshot("nightly")
    place = snapshots.export("nightly", tmp_path)
    data = bytearray(place.read_bytes())
    data[len(data) // 3] ^= 1
    place.write_bytes(data)

    with pytest.raises(BundleDamagedError, match="nothing was imported"):
        other.import_(place)
    assert not (tmp_path / "other").exists()


def test_a_file_may_be_held_to_the_digest_that_somebody_told(
    flow: Any, snapshots: SnapshotService, other: SnapshotService, tmp_path: Path
) -> None:
    made = flow.training.create_snapshot("nightly")
    place = snapshots.export("nightly", tmp_path)

    with pytest.raises(BundleDamagedError, match="not 'ffffffffff'"):
        other.import_(place, digest="ffffffffff")
    with pytest.raises(BadValueError, match="too short"):
        other.import_(place, digest="ff")
    assert other.import_(place, digest=made.digest[:12].upper()).digest == made.digest


def test_a_name_that_is_taken_is_kept_unless_another_is_given_or_it_is_replaced(
    flow: Any, snapshots: SnapshotService, tmp_path: Path, project: Project
) -> None:
    flow.training.create_snapshot("nightly")
    place = snapshots.export("nightly", tmp_path)
    newer = project.load(FLOW.replace("FACTOR = 3", "FACTOR = 4")).training.create_snapshot("nightly", replace=True)

    with pytest.raises(ConflictError, match="named 'nightly'"):
        snapshots.import_(place)
    assert snapshots.get("nightly") == newer
    assert snapshots.import_(place, name="former").name == "former"
    assert "FACTOR = 3" in snapshots.import_(place, replace=True).code


def test_a_file_that_is_not_there_is_told_with_those_that_are(snapshots: SnapshotService, tmp_path: Path) -> None:
    (tmp_path / "nightly.nbsnapshot").write_bytes(b"")

    with pytest.raises(NotFoundError, match=r"nightly\.nbsnapshot"):
        snapshots.import_(tmp_path / "nigthly.nbsnapshot")
    with pytest.raises(BadValueError, match="no exported snapshot"):
        snapshots.import_(tmp_path / "nightly.nbsnapshot")
    with pytest.raises(BadValueError, match="cannot be read"):
        snapshots.import_(tmp_path)


def test_importing_runs_nothing_of_it(
    project: Project, snapshots: SnapshotService, other: SnapshotService, tmp_path: Path
) -> None:
    mark = tmp_path / "it ran"
    text = FLOW.replace("FACTOR = 3", f"import pathlib\nFACTOR = pathlib.Path({str(mark)!r}).write_text('x') * 3")
    project.load(text).training.create_snapshot("nightly")
    place = snapshots.export("nightly", tmp_path)
    mark.unlink()

    taken = other.import_(place)

    assert "FACTOR" in taken.code
    assert not mark.exists()


# Comparing -----------------------------------------------------------------------------------------


def test_equal_snapshots_do_not_differ(flow: Any, snapshots: SnapshotService) -> None:
    flow.training.create_snapshot("a")
    flow.training.create_snapshot("b")

    assert snapshots.diff("a", "b").is_empty


def test_it_is_told_where_code_parameters_and_options_differ(project: Project, snapshots: SnapshotService) -> None:
    project.load(FLOW).training.create_snapshot("a")
    changed = FLOW.replace("FACTOR = 3", "FACTOR = 4").replace('tags=["t"]', "cache=False")
    changed = changed.replace("n: int = 5, rate: float = 0.1):", 'n: int = 6, rate: float = 0.1, kind: str = "x"):')
    changed = changed.replace("@step\ndef load", "@step(retries=2)\ndef load")
    project.load(changed).training.create_snapshot("b")

    found = snapshots.diff("a", "b")

    assert {(change.step, change.said) for change in found.code} == {
        ("load", "its source changed"),
        ("total", "source of FACTOR changed"),
        ("training (its body)", "its source changed"),
    }
    assert ("-FACTOR = 3", "+FACTOR = 4") in [change.diff for change in found.code]
    assert {(one.name, one.before, one.after) for one in found.parameters} == {
        ("n", 5, 6),
        ("load.n", 5, 6),
        ("kind", None, "str = 'x'"),
    }
    assert {one.name for one in found.options} == {"tags", "cache", "load.retries"}
    assert found.environment == ()


def test_steps_that_came_or_went_are_told(project: Project, snapshots: SnapshotService) -> None:
    project.load(FLOW).training.create_snapshot("a")
    project.load(FLOW.replace("def load", "def fetch").replace("load(n)", "fetch(n)")).training.create_snapshot("b")

    told = {(change.step, change.said) for change in snapshots.diff("a", "b").code}

    assert {("load", "is no longer a step"), ("fetch", "is a new step")} <= told


def test_one_and_true_differ_though_python_finds_them_equal(project: Project, snapshots: SnapshotService) -> None:
    flow = project.load(
        FLOW.replace("n: int = 5, rate", "n: int = 5, flag: Any = 1, rate").replace(
            "@step\ndef load", "from typing import Any\n@step\ndef load"
        )
    )
    flow.training.create_snapshot("a")
    flow.training.create_snapshot("b", parameters={"flag": True})

    assert [(one.before, one.after) for one in snapshots.diff("a", "b").parameters] == [(1, True)]


# Pruning -------------------------------------------------------------------------------------------


def test_pruning_takes_what_has_no_name_and_leaves_the_rest_and_all_runs(
    flow: Any, project: Project, snapshots: SnapshotService
) -> None:
    former = flow.training.create_snapshot("nightly", parameters={"n": 1})
    run = run_of(former, flow.training, n=1)
    flow.training.create_snapshot("nightly", parameters={"n": 2}, replace=True)
    unnamed = flow.training.create_snapshot()

    foreseen = snapshots.prune(dry_run=True)
    gone = snapshots.prune()

    assert [one.id for one in foreseen] == [one.id for one in gone] == [unnamed.id, former.id]
    assert [one.name for one in snapshots.list()] == ["nightly"]
    assert project.client.runs.get(run.id).snapshot == former.id
    assert list(snapshots.prune()) == []


def test_pruning_keeps_the_newest_and_the_young_and_other_pipelines(flow: Any, snapshots: SnapshotService) -> None:
    made = [flow.training.create_snapshot(parameters={"n": n}) for n in range(4)]

    assert list(snapshots.prune(pipeline="other")) == []
    assert list(snapshots.prune(older_than=timedelta(hours=1))) == []
    assert [one.id for one in snapshots.prune(keep=3)] == [made[0].id]
    assert len(snapshots.list()) == 3


def test_pruning_leaves_what_is_scheduled(flow: Any, project: Project, snapshots: SnapshotService) -> None:
    made = flow.training.create_snapshot()
    project.client.workspace.catalog.transact(
        CreateSchedule(
            id="s1",
            name="nightly",
            snapshot_id=made.id,
            pipeline="training",
            timing=Timing(cron_expression="0 2 * * *", timezone="UTC", catchup="last", overlap="skip"),
            since=datetime(2026, 11, 21, tzinfo=UTC),
        )
    )

    assert list(snapshots.prune()) == []


@pytest.mark.parametrize("keep", [-1, True, "2", None])
def test_a_number_to_keep_that_is_none_is_refused(snapshots: SnapshotService, keep: Any) -> None:
    with pytest.raises(BadValueError, match="keep"):
        snapshots.prune(keep=keep)


def test_a_client_shows_what_differs_as_a_card(flow: Any, project: Project) -> None:
    flow.training.create_snapshot("a")
    flow.training.create_snapshot("b", parameters={"rate": 0.25})

    shown = Client().snapshots.diff("a", "b")._repr_mimebundle_()

    assert "0.25" in shown["text/plain"]
    assert "0.25" in shown["text/html"]


LETTERS: list[Any] = ["数", "🐧", "é", "x"]


def test_a_long_name_of_any_letters_is_cut_at_a_letters_edge(
    flow: Any, snapshots: SnapshotService, tmp_path: Path
) -> None:
    for letter in LETTERS:
        with case(letter):
            flow.training.create_snapshot(letter * 95)

            place = snapshots.export(letter * 95, tmp_path)

            named = "_" if letter == "🐧" else letter
            assert place.is_file()
            assert place.stem == named * len(place.stem)
            assert len(place.stem) >= 40


def test_a_file_whose_name_no_disk_takes_is_refused(flow: Any, snapshots: SnapshotService, tmp_path: Path) -> None:
    flow.training.create_snapshot("nightly")

    with pytest.raises(BadValueError, match="cannot be written: File name too long") as refused:
        snapshots.export("nightly", tmp_path / ("数" * 95))

    assert len(str(refused.value).splitlines()) == 1
    assert list(tmp_path.glob("数*")) == []
