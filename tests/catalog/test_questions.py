"""A user's query: any SELECT over the views, and nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from datetime import UTC

import duckdb
import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import engine
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.views import COLUMNS
from nbpipe.errors import BadValueError
from tests.catalog.histories import everything, small_run


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A catalog with one run, published, and another on top; nothing that is asked of it may change it."""
    catalog = Catalog(WorkspacePaths(tmp_path_factory.mktemp("asked") / ".nbpipe").ensure())
    small_run(catalog)
    catalog.publish()
    small_run(catalog)
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM runs",
        "select count(*) as n from runs;",
        "SELECT count(*) AS n FROM runs; -- and that is all",
        "-- first a word\nSELECT count(*) AS n FROM runs -- at the end",
        "WITH r AS (SELECT * FROM runs) SELECT count(*) AS n FROM r",
        "FROM runs SELECT count(*) AS n",
        "SELECT 'é;' AS word, count(*) AS n FROM runs ;",
    ],
)
def test_one_select_is_answered_however_it_is_written(asked, sql):
    answer = asked.query(sql)

    assert answer.rows[0][-1] == 2
    assert answer.columns[-1] == "n"


NO_QUESTIONS = [
    ("", "this is 0"),
    ("SELECT 1; SELECT 2", "this is 2"),
    ("COMMIT; DELETE FROM rows.run", "this is 2"),
    ("SELEC 1", "syntax error"),
    ("SELECT * FROM runz", 'Did you mean "runs"'),
    ("SELECT nothing FROM runs", "nothing"),
    ("DELETE FROM rows.run", "is a SELECT statement; this is DELETE"),
    ("INSERT INTO rows.tag VALUES (1)", "this is INSERT"),
    ("UPDATE rows.run SET status = 'failed'", "this is UPDATE"),
    ("CREATE TABLE mine (a INT)", "this is CREATE"),
    ("DROP VIEW runs", "this is DROP"),
    ("ATTACH '/tmp/x.duckdb' AS x", "this is ATTACH"),
    ("COPY (SELECT 1) TO '/tmp/stolen.csv'", "this is COPY"),
    ("SET threads = 1", "read-only"),
    ("PRAGMA version", "read-only"),
    ("INSTALL httpfs", "read-only"),
    ("CALL duckdb_settings()", "read-only"),
    ("EXPORT DATABASE '/tmp/x'", "read-only"),
    ("EXPLAIN SELECT 1", "this is EXPLAIN"),
    ("WITH gone AS (DELETE FROM rows.run RETURNING *) SELECT * FROM gone", "cannot be answered"),
    ("WITH new AS (INSERT INTO rows.dead_log VALUES ('x') RETURNING *) SELECT * FROM new", "cannot be answered"),
    ("SELECT * FROM read_csv('/etc/passwd')", "read_csv() is none of them"),
    ("SELECT * FROM Read_Text('/etc/passwd')", "read_text() is none of them"),
    ("SELECT (SELECT max(content) FROM read_blob('/etc/passwd'))", "read_blob() is none of them"),
    ("WITH a AS (FROM read_json('/etc/passwd')) SELECT * FROM a", "read_json() is none of them"),
    ("SELECT * FROM runs WHERE id IN (SELECT file FROM glob('/etc/*'))", "glob() is none of them"),
    ("SELECT * FROM runs, LATERAL read_text(runs.name)", "read_text() is none of them"),
    ("SELECT * FROM (PIVOT (FROM read_text('x')) ON filename IN ('x') USING first(content))", "none of them"),
    ("SELECT * FROM '/etc/passwd'", "'/etc/passwd' is none of them"),
    ("SELECT * FROM 'stamps.json'", "'stamps.json' is none of them"),
    ('SELECT * FROM "../logs/x.log"', "none of them"),
    ("SELECT * FROM read_parquet('https://example.org/x.parquet')", "read_parquet() is none of them"),
    ("SELECT * FROM query('DELETE FROM rows.run')", "query() is none of them"),
    ("SELECT * FROM query_table('runs')", "query_table() is none of them"),
    ("SELECT * FROM duckdb_secrets()", "duckdb_secrets() is none of them"),
    ("SELECT * FROM duckdb_settings()", "duckdb_settings() is none of them"),
    ("SELECT * FROM pragma_database_size()", "pragma_database_size() is none of them"),
    ("SELECT * FROM sniff_csv('/etc/passwd')", "sniff_csv() is none of them"),
    ("PIVOT metrics ON key USING first(value)", "this is MULTI"),
    ("PRAGMA database_list; SELECT 1", "this is 2"),
    ("SELECT 1 /* ; */; DELETE FROM rows.run -- ;", "this is 2"),
    ("SELECT $$;$$ AS a; SELECT $x$;$x$", "this is 2"),
    ("LOAD httpfs", "read-only"),
    ("DETACH base1", "read-only"),
    ("USE base1", "read-only"),
    ("CHECKPOINT", "read-only"),
    ("VACUUM", "read-only"),
    ("PREPARE p AS SELECT 1", "read-only"),
    ("EXECUTE p", "read-only"),
    ("BEGIN", "read-only"),
    ("COPY runs FROM '/etc/passwd'", "this is COPY"),
    ("CREATE SECRET s (TYPE s3)", "read-only"),
    ("SELECT nextval('x')", "cannot be answered"),
    ("SELECT $a", "cannot be answered"),
    ("SELECT getenv('HOME')", "getenv"),
    ("SELECT * FROM asked", "cannot be answered"),
]


def test_anything_else_is_refused_in_a_line_and_nothing_changes(asked):
    before = everything(asked)

    for sql, said in NO_QUESTIONS:
        with pytest.raises(BadValueError) as caught:
            asked.query(sql)
            pytest.fail(f"{sql!r} was answered")

        assert said in str(caught.value), sql
        assert "\n" not in str(caught.value), sql

    assert everything(asked) == before


def test_more_rows_than_the_limit_are_cut_and_told(asked):
    cut = asked.query("SELECT * FROM range(10)", limit=4)
    whole = asked.query("SELECT * FROM range(10)", limit=10)

    assert (len(cut.rows), cut.is_cut) == (4, True)
    assert (len(whole.rows), whole.is_cut) == (10, False)


def test_a_query_that_takes_too_long_is_stopped(asked):
    with pytest.raises(BadValueError, match=r"longer than 0.2 s"):
        asked.query(
            "SELECT count(*) FROM range(1000000000) a, range(1000) b WHERE a.range % 7 = b.range", timeout_s=0.2
        )

    assert asked.query("SELECT count(*) FROM runs").rows == [(2,)]


@pytest.mark.parametrize(
    "name", ["catalog/stamps.json", "catalog/../logs/*.log", "catalog/../operations/operations.log", "blobs/*"]
)
@pytest.mark.parametrize("function", ["read_text", "read_blob", "read_csv", "glob"])
def test_the_engine_itself_reaches_no_file_outside_the_published_ones(asked, name, function):
    # Past the check of what a statement reads: on the bare cursor.
    place = asked.paths.catalog.parent / name
    with asked._reader.cursor() as cursor, contextlib.suppress(duckdb.Error):
        found = cursor.execute(f"SELECT * FROM {function}('{place}')").fetchall()

        assert name == "catalog/stamps.json", found


def test_its_settings_cannot_be_changed(asked):
    with asked._reader.cursor() as cursor:
        for setting in ("enable_external_access = true", "memory_limit = '1TB'", "allowed_directories = ['/']"):
            with pytest.raises(duckdb.Error, match="locked"):
                cursor.execute(f"SET {setting}")


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b",
        "SELECT max(range) FROM range(1000000000000000000)",
    ],
    ids=["recursion", "product", "range"],
)
def test_a_query_without_an_end_is_stopped_and_the_next_one_answered(asked, sql):
    with pytest.raises(BadValueError, match="took longer"):
        asked.query(sql, timeout_s=0.3)

    assert asked.query("SELECT count(*) FROM runs").rows == [(2,)]


def test_only_the_rows_that_are_shown_are_made(asked):
    answer = asked.query("SELECT range FROM range(1000000000000000000)", limit=3)

    assert ([row[0] for row in answer.rows], answer.is_cut) == ([0, 1, 2], True)


def test_a_query_that_wants_all_the_memory_ends_with_an_error_and_the_next_one_is_answered(asked, monkeypatch):
    monkeypatch.setitem(engine._FRUGAL, "memory_limit", "100MB")
    fresh = Catalog(asked.paths)

    with pytest.raises(BadValueError, match="more memory than a query may have"):
        fresh.query("SELECT list(range) FROM range(100000000)")

    assert fresh.query("SELECT count(*) FROM runs").rows == [(2,)]
    fresh.close()


@pytest.fixture
def hears_ctrl_c():
    """Hear Ctrl-C, which who was started in the background does not."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_ends_a_query_at_once_and_the_next_one_is_answered(asked):
    threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()

    with pytest.raises(KeyboardInterrupt):
        asked.query("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b", timeout_s=60)

    assert asked.query("SELECT count(*) FROM runs").rows == [(2,)]


@pytest.mark.parametrize("told", [{"limit": 0}, {"timeout_s": 0}])
def test_a_limit_of_nothing_is_refused(asked, told):
    with pytest.raises(BadValueError, match="positive"):
        asked.query("SELECT 1", **told)


def test_instants_are_aware_and_the_order_asked_for_is_kept(asked):
    answer = asked.query("SELECT started, id, started AS again FROM runs ORDER BY started DESC")

    assert answer.columns == ("started", "id", "again")
    assert all(row[0].tzinfo is UTC for row in answer.rows)
    assert [row[0] for row in answer.rows] == sorted((row[0] for row in answer.rows), reverse=True)


@pytest.mark.parametrize("is_published", [False, True])
def test_every_view_says_its_columns_before_anybody_asked_it(catalog, is_published):
    small_run(catalog)
    if is_published:
        catalog.publish()
        small_run(catalog)

    found = catalog.query("""SELECT table_name, list(column_name ORDER BY ordinal_position)
        FROM information_schema.columns WHERE table_catalog = current_database() AND table_schema = 'main'
        GROUP BY table_name""")

    assert dict(found.rows) == {view: list(columns) for view, columns in COLUMNS.items()}


def test_a_published_file_says_the_columns_of_its_views_to_any_tool(workspace, catalog):
    small_run(catalog)
    catalog.publish()

    with duckdb.connect(str(workspace.published), read_only=True) as tool:
        found = tool.execute("""SELECT view_name, column_count FROM duckdb_views()
            WHERE NOT internal AND schema_name = 'main'""").fetchall()

    assert dict(found) == {view: len(columns) for view, columns in COLUMNS.items()}


def test_columns_may_have_one_name(asked):
    answer = asked.query("SELECT started, started FROM runs LIMIT 1")

    assert answer.columns == ("started", "started")
    assert answer.rows[0][0] == answer.rows[0][1]


def test_an_answer_can_be_had_as_a_frame_with_the_types_of_the_catalog(asked):
    frame = asked.query('SELECT pipeline, started, duration_s, seq AS "a ""word", error_step FROM runs').df()
    empty = asked.query("SELECT started, duration_s FROM runs WHERE false").df()

    assert list(frame.columns) == ["pipeline", "started", "duration_s", 'a "word', "error_step"]
    assert len(frame) == 2
    assert str(frame["started"].dt.tz) == "UTC"
    assert (str(frame["duration_s"].dtype), str(frame['a "word'].dtype)) == ("float64", "int64")
    assert frame["error_step"].isna().all()
    assert (len(empty), str(empty["started"].dt.tz)) == (0, "UTC")


def test_services_get_json_as_what_it_holds_and_bind_values_by_name(asked):
    (row,) = asked.rows(
        "SELECT parameters, differences FROM runs WHERE pipeline = $pipeline ORDER BY seq LIMIT $count",
        {"pipeline": "training", "count": 1},
    )

    assert row == {"parameters": {"rate": 0.1}, "differences": {}}


def test_a_value_is_never_read_as_sql(asked):
    assert asked.rows("SELECT id FROM runs WHERE pipeline = $p", {"p": "x' OR '1'='1"}) == []
