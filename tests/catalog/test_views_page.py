"""The page that describes the views: it says what they have, and what it shows can be asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.views import COLUMNS
from nbpipe.records.tags import Tag
from tests.catalog.histories import small_run

PAGE = (Path(__file__).parents[2] / "docs" / "views.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
QUERIES = [
    pytest.param(view, sql, id=f"{view}-{n}")
    for view, text in SECTIONS.items()
    for n, sql in enumerate(re.findall(r"```sql\n(.*?)```", text, re.DOTALL), 1)
]
IN_PLAIN_DUCKDB = """
import duckdb, json, sys
engine = duckdb.connect(sys.argv[1], read_only=True)
mine = "SELECT view_name FROM duckdb_views() WHERE schema_name = 'main' AND NOT internal"
names = [name for (name,) in engine.execute(mine).fetchall()]
print(json.dumps({name: [row[:2] for row in engine.execute(f"DESCRIBE {name}").fetchall()] for name in names}))
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A catalog with something published and something on top; it is only read."""
    catalog = Catalog(WorkspacePaths(tmp_path_factory.mktemp("full") / ".nbpipe").ensure())
    small_run(catalog, tags=(Tag(name="good"), Tag(name="latest", exclusive=True)))
    catalog.publish()
    small_run(catalog)
    yield catalog
    catalog.close()


def told(view):
    """Give what the page says of a view: (column, type, what it is)."""
    return re.findall(r"^\| `(\w+)` \| ([A-Z ]+) \| (.+) \|$", SECTIONS[view], re.MULTILINE)


def test_the_page_has_a_section_for_each_view_in_their_order():
    assert list(SECTIONS) == list(COLUMNS)


@pytest.mark.parametrize("view", COLUMNS)
def test_the_page_says_of_each_column_its_type_and_what_it_is(full, view):
    types = dict(row.values() for row in full.rows(f"SELECT column_name, column_type FROM (DESCRIBE {view})"))

    assert told(view) == [(column, types[column], meaning) for column, meaning in COLUMNS[view].items()]


@pytest.mark.parametrize(("view", "sql"), QUERIES)
def test_a_query_on_the_page_can_be_asked(full, view, sql):
    answer = full.query(sql)

    assert answer.columns
    assert re.search(rf"\b{view}\b", sql) or view == "sources"


@pytest.mark.parametrize("view", COLUMNS)
def test_the_page_shows_three_queries_for_each_view(view):
    assert SECTIONS[view].count("```sql") == 3


def test_plain_duckdb_sees_the_views_of_the_published_file_as_the_page_tells_them(full):
    path = full.paths.catalog.parent / "catalog.duckdb"

    seen = subprocess.check_output([sys.executable, "-c", IN_PLAIN_DUCKDB, str(path)], text=True)

    assert {view: [tuple(column) for column in columns] for view, columns in json.loads(seen).items()} == {
        view: [(column, kind) for column, kind, _ in told(view)] for view in COLUMNS
    }
