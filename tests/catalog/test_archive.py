"""The archive: logs that nobody writes leave their folder, and nothing of what they say is lost."""

from __future__ import annotations

import json
import shutil

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import archive, generations, operationlog, retiring, segments, tails
from nbpipe.catalog import memory as memories
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.index import ExecutionIndex
from nbpipe.errors import CatalogDamagedError, CatalogError
from nbpipe.records.tags import Tag
from tests.base.small_disk import files_of_at_most
from tests.catalog.histories import Recording, everything, small_run


def be_eager(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(retiring, "_ENOUGH_LOGS", 1)
    patch.setattr(operationlog, "_SEGMENT_BYTES", 4096)


@pytest.fixture
def eager(monkeypatch):
    """Archive as soon as there is one log to archive, and begin a segment after some operations."""
    be_eager(monkeypatch)


@pytest.fixture
def session(workspace):
    """Do something in a process of its own, as far as logs can tell."""

    def do(work=small_run, **told):
        catalog = Catalog(workspace)
        done = work(catalog, **told)
        catalog.close()
        return done

    return do


def publish_thrice(catalog: Catalog, session) -> None:
    for _ in range(3):
        session()
        catalog.publish()


def _archive_one(paths: WorkspacePaths) -> None:
    """Do what three sessions do, each of which is published: the log of the first is archived."""
    with pytest.MonkeyPatch.context() as patch:
        be_eager(patch)
        catalog = Catalog(paths)
        for _ in range(3):
            one = Catalog(paths)
            small_run(one)
            one.close()
            catalog.publish()
        catalog.close()


@pytest.fixture
def archived(workspace, copied, eager):
    """Have three published sessions in the workspace, the first of them in the archive."""
    copied(workspace, _archive_one)


def names(folder) -> list[str]:
    return [file.path.name for file in archive.archives(folder)]


def test_logs_that_two_published_files_hold_are_archived_and_every_view_stays_as_it_was(
    workspace, catalog, session, eager
):
    tags = (Tag(name="latest", exclusive=True),)
    for n in range(15):
        session(steps=n % 3, tags=tags)
    catalog.publish()
    before = everything(catalog)
    old = set(workspace.logs.glob("*.log")) | set(workspace.operations.glob("*.log"))
    publish_thrice(catalog, session)

    left = set(workspace.logs.glob("*.log")) | set(workspace.operations.glob("*.log"))
    now = everything(catalog)

    assert not old & left
    assert len(names(workspace.archive)) == 1
    assert [row for row in now["runs"] if row in before["runs"]] == before["runs"]
    catalog.rebuild()
    assert everything(catalog) == now
    assert catalog.check() == []


def test_a_log_is_not_archived_before_two_published_files_hold_it(workspace, catalog, session, eager):
    session()
    log = set(workspace.logs.glob("*.log"))

    made = [catalog.publish()]
    session()
    assert log <= set(workspace.logs.glob("*.log"))
    made.append(catalog.publish())

    assert [published.archived for published in made] == [0, 1]
    assert not log & set(workspace.logs.glob("*.log"))


def test_a_log_that_is_written_or_whose_run_is_not_settled_stays(workspace, catalog, session, eager):
    writing = Catalog(workspace)
    small_run(writing)
    unsettled = session(lambda catalog: Recording(catalog).start())
    publish_thrice(catalog, session)

    left = {log: extent.path.read_text() for log, extent in tails.look(workspace).items()}

    assert writing.own_log_name in left
    assert any(unsettled.id in text for text in left.values())
    writing.close()


def test_positions_of_archived_logs_are_kept_no_longer(workspace, archived, catalog, session):
    session()
    catalog.publish()

    stamp = generations.stamp_of(workspace.catalog, max(generations.published(workspace.catalog)))

    assert stamp is not None
    assert len(stamp.positions) <= len(tails.look(workspace)) + 1


def test_without_any_published_file_the_archive_is_read(workspace, archived, catalog, session):
    before = everything(catalog)
    catalog.close()
    shutil.rmtree(workspace.catalog)

    assert everything(catalog) == before


def test_small_files_are_merged_with_what_comes_next(workspace, catalog, session, eager):
    for _ in range(6):
        session()
        catalog.publish()

    (name,) = names(workspace.archive)

    assert name.startswith("00000001-00000005.")
    assert len(list(workspace.archive.iterdir())) == 1


def test_a_kill_after_the_merged_file_got_its_name_leaves_nothing_twice(
    workspace, archived, catalog, session, tmp_path
):
    kept = tmp_path / "kept"
    shutil.copytree(workspace.root, kept)
    session()
    catalog.publish()
    before = everything(catalog)
    # Everything that was to be deleted last is there again.
    for folder in ("archive", "logs", "operations"):
        for path in (kept / folder).iterdir():
            if not (workspace.root / folder / path.name).exists():
                shutil.copy2(path, workspace.root / folder / path.name)
    assert len(list(workspace.archive.iterdir())) == 2

    catalog.rebuild()
    assert everything(catalog) == before
    session()
    catalog.publish()
    session()
    catalog.publish()
    after = {path.name for path in workspace.archive.iterdir()}
    catalog.rebuild()

    assert after == set(names(workspace.archive))
    assert [row for row in everything(catalog)["runs"] if row in before["runs"]] == before["runs"]


def test_a_log_with_a_damaged_line_stays_where_it_can_be_mended(workspace, catalog, session, eager):
    session()
    (log,) = workspace.logs.glob("*.log")
    log.write_bytes(log.read_bytes().replace(b"ada", b"eve", 1))
    publish_thrice(catalog, session)

    assert log.exists()
    assert any(finding.path == log for finding in catalog.check())


def test_what_a_dead_writer_left_unfinished_is_cut_off_and_its_log_is_archived(workspace, catalog, session, eager):
    session()
    (log,) = workspace.logs.glob("*.log")
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"c":"12345678","k":"half of a li')
    catalog.publish()
    assert log.read_bytes() == whole
    assert catalog.publish() is None

    publish_thrice(catalog, session)

    assert not log.exists()
    assert catalog.rows("SELECT count(*) AS n FROM runs") == [{"n": 4}]


def test_what_a_living_writer_has_not_finished_is_left_alone(workspace, catalog, session, eager):
    writing = Catalog(workspace)
    small_run(writing)
    (log,) = workspace.logs.glob("*.log")
    with log.open("ab") as file:
        file.write(b'{"c":"12345678","k":"half of a li')
    whole = log.read_bytes()

    catalog.publish()

    assert log.read_bytes() == whole
    writing.close()


def test_a_damaged_file_of_the_archive_is_told_and_nothing_is_built_on_it(workspace, archived, catalog, session):
    before = everything(catalog)
    (file,) = archive.archives(workspace.archive)
    file.path.chmod(0o600)
    data = bytearray(file.path.read_bytes())
    data[len(data) // 2] ^= 1
    file.path.write_bytes(data)

    with pytest.raises(CatalogDamagedError, match=r"is damaged.*backup"):
        catalog.rebuild()

    assert [finding.path for finding in catalog.check()] == [file.path]
    assert everything(catalog) == before


def test_publishing_and_archiving_go_on_beside_a_damaged_file(workspace, archived, catalog, session):
    (damaged,) = archive.archives(workspace.archive)
    damaged.path.chmod(0o600)
    damaged.path.write_bytes(b"PAR1" + damaged.path.read_bytes()[4:-1] + b"?")

    session()
    made = catalog.publish()

    assert made is not None
    assert made.archived == 1
    assert damaged.path.name in names(workspace.archive)
    assert len(names(workspace.archive)) == 2
    assert [finding.path for finding in catalog.check()] == [damaged.path]


def test_a_log_whose_archive_is_damaged_is_not_deleted(workspace, catalog, session, eager, tmp_path):
    session()
    (log,) = workspace.logs.glob("*.log")
    shutil.copy2(log, tmp_path / "kept")
    publish_thrice(catalog, session)
    (damaged,) = archive.archives(workspace.archive)
    # Readable, and all the same not what its name says.
    damaged.path.rename(damaged.path.with_name(damaged.path.name.replace(damaged.digest, "0" * 32)))
    # As if it had been archived by a process that was killed before it deleted the log.
    shutil.copy2(tmp_path / "kept", log)

    archive.add(workspace, {log.stem: tails.look(workspace)[log.stem]})

    assert log.exists()


def test_a_log_that_somebody_deleted_is_told(workspace, catalog):
    small_run(catalog)
    catalog.publish()
    (log,) = workspace.logs.glob("*.log")
    log.unlink()

    (finding,) = catalog.check()

    assert finding.path == log
    assert "is gone" in finding.what


def test_a_full_disk_leaves_the_logs_where_they_are(workspace, archived, catalog, session):
    before, kept = everything(catalog), names(workspace.archive)
    done = {log: extent for log, extent in tails.look(workspace).items() if not segments.is_segment(log)}

    with files_of_at_most(200), pytest.raises((OSError, CatalogError, archive_failure())):
        archive.add(workspace, done)

    assert names(workspace.archive) == kept
    assert all(extent.path.exists() for extent in done.values())
    assert everything(catalog) == before


def archive_failure() -> type[Exception]:
    import duckdb

    return duckdb.Error


# What else reads the logs ---------------------------------------------------------------------


def executed(catalog: Catalog) -> str:
    run = Recording(catalog).start()
    step_id = run.begin_step()
    run.end_step(step_id, key="the key")
    run.catalog.append("displays", id=step_id, run=run.id, body={"displays": ["a table"]})
    run.end()
    return step_id


@pytest.mark.parametrize("knew", [False, True], ids=["read anew", "read before"])
def test_the_index_of_executions_knows_those_in_the_archive(workspace, catalog, session, eager, knew):
    index = ExecutionIndex(catalog, workspace.index)
    step_id = session(executed)
    if knew:
        index.catch_up()
    publish_thrice(catalog, session)
    assert all(record["id"] != step_id for _, _, record in catalog.facts_since({}))

    index.catch_up()
    found = index.find("the key")
    index.close()

    assert found is not None
    assert (found["id"], found["displays"]) == (step_id, ["a table"])


# Operations -----------------------------------------------------------------------------------


def many_operations(workspace: WorkspacePaths, count: int) -> dict:
    catalog = Catalog(workspace)
    for n in range(count):
        small_run(catalog, tags=(Tag(name=f"tag-{n % 3}", exclusive=True),))
    state = catalog.state().to_json()
    catalog.close()
    return state


def test_a_long_log_of_operations_goes_on_in_another_segment(workspace, eager):
    state = many_operations(workspace, 20)

    firsts = segments.present(workspace.operations)
    cold = Catalog(workspace)

    assert len(firsts) > 2
    assert cold.state().to_json() == state
    assert cold.check() == []
    cold.close()


def test_without_a_kept_memory_the_segments_are_read_from_the_first_one(workspace, eager):
    state = many_operations(workspace, 20)
    for path in memories.saved(workspace.operations):
        path.unlink()

    cold = Catalog(workspace)

    assert cold.state().to_json() == state
    cold.close()


def test_without_a_kept_memory_archived_operations_are_read_back(workspace, catalog, session, eager):
    many_operations(workspace, 20)
    publish_thrice(catalog, session)
    state = catalog.state().to_json()
    catalog.close()
    for path in memories.saved(workspace.operations):
        path.unlink()

    cold = Catalog(workspace)

    assert min(segments.present(workspace.operations)) > 1
    assert cold.state().to_json() == state
    assert small_run(cold).id
    cold.close()


def test_operations_that_are_nowhere_are_told(workspace, catalog, session, eager):
    many_operations(workspace, 20)
    publish_thrice(catalog, session)
    catalog.close()
    for path in memories.saved(workspace.operations):
        path.unlink()
    shutil.rmtree(workspace.archive)

    with pytest.raises(CatalogDamagedError, match=r"operations 1 to \d+ are neither in a log nor in the archive"):
        catalog.state()


def test_an_idle_process_goes_on_after_the_segment_it_stood_in_was_archived(workspace, catalog, session, eager):
    idle = Catalog(workspace)
    small_run(idle)
    many_operations(workspace, 20)
    publish_thrice(catalog, session)
    assert not segments.path_of(workspace.operations, 1).exists()

    run = small_run(idle)

    assert idle.state().to_json() == catalog.state().to_json()
    assert catalog.rows("SELECT status FROM runs WHERE id = $id", {"id": run.id}) == [{"status": "completed"}]
    idle.close()


def test_a_writer_that_died_after_closing_a_segment_is_no_trouble(workspace, eager):
    state = many_operations(workspace, 20)
    newest = segments.path_of(workspace.operations, max(segments.present(workspace.operations)))
    lines = newest.read_bytes().splitlines(keepends=True)
    for path in memories.saved(workspace.operations):
        path.unlink()
    # As if the newest segment had never been begun: its operations did not happen.
    newest.unlink()

    reader, writer = Catalog(workspace), Catalog(workspace)
    seen = reader.state().to_json()
    small_run(writer)

    assert seen["artifact_numbers"]["step_0_data"] == state["artifact_numbers"]["step_0_data"] - len(lines) + 1
    assert newest.exists()
    assert reader.state().to_json() == writer.state().to_json()
    reader.close()
    writer.close()


def test_a_log_of_a_newer_form_is_refused_and_not_misread(workspace, catalog):
    small_run(catalog)
    catalog.close()
    for folder in (workspace.logs, workspace.operations):
        for path in folder.glob("*.log"):
            rewrite_with_format(path, 99)

    for ask in (catalog.state, catalog.publish, lambda: everything(catalog), lambda: list(catalog.facts_since({}))):
        with pytest.raises(CatalogError, match="schema 99; this nbpipe knows up to 1"):
            ask()
    with pytest.raises(CatalogError, match="schema 99"):
        small_run(catalog)


def rewrite_with_format(path, number: int) -> None:
    from nbpipe.base.log import seal

    first, *rest = path.read_bytes().splitlines(keepends=True)
    record = json.loads(first)
    del record["c"]
    record["b"]["format"] = number
    path.write_bytes(seal(record) + b"".join(rest))
