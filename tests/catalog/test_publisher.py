"""Publishing: the next file is complete or does not exist, and nobody's work is lost on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import duckdb
import pytest

from nbpipe.base.locks import PolledLock
from nbpipe.base.log import seal
from nbpipe.catalog import generations
from nbpipe.catalog.views import COLUMNS
from nbpipe.errors import CatalogError, CatalogNewerError
from tests.base.small_disk import files_of_at_most
from tests.catalog.histories import Recording, everything, small_run


def published_in(workspace) -> list[str]:
    return sorted(path.name for path in workspace.catalog.iterdir() if path.suffix == ".duckdb")


def test_a_workspace_without_records_has_nothing_to_publish(workspace, catalog):
    assert catalog.publish() is None
    assert published_in(workspace) == []


def test_what_is_published_once_is_not_published_again(workspace, catalog):
    small_run(catalog)

    first = catalog.publish()

    assert (first.generation, first.rebuilt, first.damaged) == (1, "", ())
    assert catalog.publish() is None
    assert published_in(workspace) == ["00000001.duckdb"]


def test_only_the_newest_file_and_the_one_before_are_kept(workspace, catalog):
    for _ in range(4):
        small_run(catalog)
        catalog.publish()

    assert published_in(workspace) == ["00000003.duckdb", "00000004.duckdb"]


def test_a_published_file_cannot_be_written_and_has_no_write_ahead_log(workspace, catalog):
    small_run(catalog)
    catalog.publish()

    assert generations.path_of(workspace.catalog, 1).stat().st_mode & 0o777 == 0o444
    assert [path.name for path in workspace.catalog.iterdir() if ".wal" in path.name] == []


def test_people_open_the_catalog_with_plain_duckdb_and_see_every_view(workspace, catalog):
    run = small_run(catalog)
    catalog.publish()

    with duckdb.connect(str(workspace.published), read_only=True) as connection:
        for view, columns in COLUMNS.items():
            assert [row[0] for row in connection.execute(f"DESCRIBE {view}").fetchall()] == list(columns)
        kinds = dict(row[:2] for row in connection.execute("DESCRIBE runs").fetchall())
        ids = connection.execute("SELECT id, status FROM runs").fetchall()

    assert ids == [(run.id, "completed")]
    assert (kinds["started"], kinds["parameters"]) == ("TIMESTAMP WITH TIME ZONE", "JSON")


def test_the_link_for_people_follows_and_a_foreign_write_ahead_log_beside_it_is_put_aside(workspace, catalog):
    small_run(catalog)
    catalog.publish()
    wal = workspace.published.with_name("catalog.duckdb.wal")
    wal.write_bytes(b"foreign")
    small_run(catalog)
    catalog.publish()

    assert os.path.samefile(workspace.published, generations.path_of(workspace.catalog, 2))
    assert not wal.exists()
    assert [path.read_bytes() for path in workspace.quarantine.iterdir()] == [b"foreign"]


def test_whoever_comes_while_another_publishes_leaves_it_to_them(workspace, catalog):
    small_run(catalog)

    with PolledLock(workspace.catalog / "publish.lock"):
        assert catalog.publish() is None

    assert catalog.publish() is not None


def test_what_a_killed_publisher_left_is_swept(workspace, catalog):
    for name in ("tabc.duckdb", "tabc.duckdb.wal", "tdef.json", "tghi.link"):
        (workspace.catalog / name).write_bytes(b"left")
    small_run(catalog)

    catalog.publish()

    assert [path.name for path in workspace.catalog.iterdir() if path.name.startswith("t")] == []


def test_on_a_full_disk_publishing_fails_cleanly_and_works_again_with_room(workspace, catalog, open_catalog):
    small_run(catalog)
    catalog.publish()
    run = small_run(catalog)

    with files_of_at_most(20_000), pytest.raises(CatalogError, match="could not be published"):
        catalog.publish()
    left = [path.name for path in workspace.catalog.iterdir() if path.name.startswith("t")]
    seen = open_catalog().rows("SELECT id FROM runs ORDER BY seq DESC LIMIT 1")

    assert (left, published_in(workspace)) == ([], ["00000001.duckdb"])
    assert seen == [{"id": run.id}]
    assert catalog.publish().generation == 2


def test_a_damaged_line_is_passed_over_put_aside_and_told_once(workspace, catalog):
    first, second = small_run(catalog), Recording(catalog).start()
    small_run(catalog)
    (log,) = workspace.logs.glob("*.log")
    data = log.read_bytes()
    place = data.index(b'"k":"run_started","id":"' + second.id.encode()) - 16
    log.write_bytes(data[:place] + data[place:].replace(b"training", b"trainink", 1))

    made = catalog.publish()
    again = catalog.publish()

    assert [(damage.log, damage.place) for damage in made.damaged] == [(log.stem, place)]
    assert [path.name for path in workspace.quarantine.iterdir()] == [f"{log.stem}-{place}.line"]
    assert again is None
    assert len(catalog.rows("SELECT id FROM runs")) == 2
    assert catalog.rows("SELECT id FROM runs ORDER BY seq LIMIT 1") == [{"id": first.id}]


@pytest.mark.parametrize(
    "rest",
    [
        b'"k":"step","id":"x","run":"r","at":"never","b":{"half',
        b'"k":"step","id":"\\ud800","run":"r","at":"2026-11-20T00:00:00+00:00","b":{}}',
        b"garbage",
        b'"k":"step","id":"\xff","run":"r","b":{}}',
    ],
    ids=["half", "half a pair", "garbage", "not utf-8"],
)
def test_a_line_sealed_well_that_is_no_record_does_not_stop_the_others(workspace, catalog, rest):
    from zlib import crc32

    small_run(catalog)
    (log,) = workspace.logs.glob("*.log")
    with log.open("ab") as file:
        file.write(b'{"c":"%08x",%b\n' % (crc32(rest), rest))
    small_run(catalog)

    seen = catalog.rows("SELECT count(*) AS n FROM runs")
    made = catalog.publish()

    assert seen == [{"n": 2}]
    assert catalog.rows("SELECT count(*) AS n FROM runs") == [{"n": 2}]
    assert [damage.line for damage in made.damaged] == [b'{"c":"%08x",%b' % (crc32(rest), rest)]


ODD_BODIES = [
    {"values": 7, "kind": "run"},
    {"values": {"big": 10**30, "deep": {"$type": 3}}, "kind": 5},
    {},
    {"node": ["no", "text"], "outputs": "none", "inputs": {"a": 1}, "metadata": 4, "started": "soon", "error": "x"},
    {"outputs": [{"id": None}, 3, {"size_bytes": "big"}], "parameters": None},
]


def test_a_body_of_another_shape_does_not_stop_the_others(workspace, catalog, open_catalog):
    runs = []
    for kind in ("metadata", "step", "run_started", "displays", "step_started", "other"):
        for n, body in enumerate(ODD_BODIES):
            catalog.append(kind, id=f"{kind} {n}", run=f"{kind} {n}", body=body)
            runs.append(small_run(catalog).id)
            # Each is taken in by itself, or one that stops everything would not be known from the others.
            found = catalog.rows("SELECT status FROM runs WHERE id = $id", {"id": runs[-1]})
            assert found == [{"status": "completed"}], f"{kind} {body}"

    catalog.publish()

    found = open_catalog().rows("SELECT id FROM runs WHERE status = 'completed'")
    assert [row["id"] for row in found if row["id"] in set(runs)] == runs


def test_a_damaged_operation_stops_operations_and_not_the_facts(workspace, catalog):
    small_run(catalog)
    catalog.publish()
    (operations,) = workspace.operations.glob("*.log")
    size = operations.stat().st_size
    small_run(catalog)
    with operations.open("r+b") as file:
        file.seek(size + 40)
        file.write(b"###")

    catalog.publish()
    run = Recording(catalog).start()

    assert [row["status"] for row in catalog.rows("SELECT status FROM runs ORDER BY seq")] == [
        "completed",
        "running",
        "running",
    ]
    assert catalog.rows("SELECT id FROM runs ORDER BY seq DESC LIMIT 1") == [{"id": run.id}]
    assert any(finding.path == operations for finding in catalog.check())


@pytest.mark.parametrize("spoil", ["write", "wal", "no stamp", "garbage stamps"])
def test_a_file_that_somebody_else_wrote_is_made_anew_from_the_logs(workspace, catalog, spoil):
    small_run(catalog, steps=2)
    catalog.publish()
    before = everything(catalog)
    path = generations.path_of(workspace.catalog, 1)
    if spoil == "write":
        path.chmod(0o600)
        catalog.close()
        foreign = f"import duckdb; duckdb.connect({str(path)!r}).execute('UPDATE rows.run SET status = NULL')"
        subprocess.run([sys.executable, "-c", foreign], check=True)
    elif spoil == "wal":
        path.with_name(path.name + ".wal").write_bytes(b"foreign")
    elif spoil == "no stamp":
        (workspace.catalog / "stamps.json").unlink()
    else:
        (workspace.catalog / "stamps.json").write_text("[7")
    small_run(catalog)

    made = catalog.publish()

    assert made.rebuilt == "another program changed the published file"
    assert everything(catalog)["runs"][0] == before["runs"][0]
    assert len(everything(catalog)["runs"]) == 2


def test_a_log_that_came_back_shorter_is_not_believed_to_be_published(workspace, catalog):
    small_run(catalog)
    small_run(catalog)
    catalog.publish()
    (log,) = workspace.logs.glob("*.log")
    lines = log.read_bytes().splitlines(keepends=True)
    os.truncate(log, sum(map(len, lines[:3])))
    run = small_run(catalog)

    made = catalog.publish()

    assert made.rebuilt == "a log is shorter than it was"
    assert catalog.rows("SELECT id, status FROM runs WHERE id = $id", {"id": run.id}) == [
        {"id": run.id, "status": "completed"}
    ]


def test_a_file_of_a_newer_nbpipe_is_left_alone(workspace, catalog, open_catalog):
    small_run(catalog)
    catalog.publish()
    stamps = json.loads((workspace.catalog / "stamps.json").read_text())
    stamps["00000001.duckdb"]["schema"] = 99
    (workspace.catalog / "stamps.json").write_text(json.dumps(stamps))
    small_run(catalog)

    with pytest.raises(CatalogNewerError, match="Upgrade nbpipe"):
        catalog.publish()
    with pytest.raises(CatalogNewerError, match="schema 99"):
        open_catalog().rows("SELECT 1 AS one")
    assert published_in(workspace) == ["00000001.duckdb"]


def test_a_file_of_an_older_nbpipe_is_made_anew(workspace, catalog, open_catalog):
    run = small_run(catalog)
    catalog.publish()
    stamps = json.loads((workspace.catalog / "stamps.json").read_text())
    stamps["00000001.duckdb"]["schema"] = 0
    (workspace.catalog / "stamps.json").write_text(json.dumps(stamps))

    assert open_catalog().rows("SELECT id FROM runs") == [{"id": run.id}]
    assert published_in(workspace) == ["00000001.duckdb", "00000002.duckdb"]


def test_a_rebuild_tells_how_far_it_is(catalog):
    small_run(catalog)
    told: list[tuple[int, int]] = []

    made = catalog.rebuild(lambda done, total: told.append((done, total)))

    assert made.rebuilt == "asked for"
    assert told[-1][0] == told[-1][1] > 0


def test_a_torn_end_is_published_once_it_is_whole(workspace, catalog):
    small_run(catalog)
    whole = seal({"k": "metadata", "id": "r", "run": "r", "at": "2026-11-20T00:00:00+00:00", "b": {"values": {"x": 1}}})
    other = workspace.logs / "00000000-0000-4000-8000-000000000000.log"
    other.write_bytes(whole[:30])
    catalog.publish()
    before = catalog.rows("SELECT key FROM metrics WHERE entity_id = 'r'")
    other.write_bytes(whole)
    catalog.publish()

    assert before == []
    assert catalog.rows("SELECT key FROM metrics WHERE entity_id = 'r'") == [{"key": "x"}]
