"""Pages and points: what is found by number is what a plain question finds."""

from __future__ import annotations

import pytest

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog import finding
from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.finding import by_head, ids_like, near
from nbpipe.records.runs import Status
from tests.catalog.histories import Recording, small_run

WITH_ID = f"{near('runs', 'id_head')} SELECT seq FROM near WHERE id = $id"
LIKE = "SELECT seq FROM keyed.runs WHERE id_head BETWEEN $low AND $high"


@pytest.fixture(scope="module", params=["published", "on top", "half of them", "ended later"])
def filled(request, tmp_path_factory):
    """A catalog with twelve runs, every third of which failed, in each place where rows can be; it is only read."""
    catalog = Catalog(WorkspacePaths(tmp_path_factory.mktemp("filled") / ".nbpipe").ensure())
    runs = [Recording(catalog, pipeline=f"p{n % 2}").start() for n in range(12)]
    if request.param == "ended later":
        catalog.publish()
    for n, run in enumerate(runs):
        run.end(Status.FAILED if n % 3 == 0 else Status.COMPLETED)
        if request.param == "half of them" and n == 6:
            catalog.publish()
    if request.param == "published":
        catalog.publish()
    yield catalog
    catalog.close()


def newest(catalog, view, columns, fits, **bounds):
    with catalog.moment() as moment:
        return moment.newest(view, columns, fits, **bounds)


@pytest.fixture(params=[(2**13, 2**17), (3, 5), (1,)], ids=["as it is", "small windows", "one by one"])
def windows(request, monkeypatch):
    monkeypatch.setattr(finding, "_WINDOWS", request.param)


@pytest.mark.usefixtures("windows")
def test_a_page_is_what_a_plain_question_answers(filled):
    for fits in ("true", "status = 'failed'", "pipeline = 'p1'", "status = 'running'"):
        plain = filled.rows(f"SELECT seq, id, status FROM runs WHERE {fits} ORDER BY seq DESC")
        for limit in (1, 4, 100):
            page = newest(filled, "runs", "seq, id, status", fits, limit=limit)

            assert page == plain[:limit], f"{limit} of those of which {fits}"


@pytest.mark.usefixtures("windows")
def test_pages_before_the_last_of_the_former_give_every_row_once(filled):
    seen, last = [], None
    while page := newest(filled, "runs", "seq, id", "true", limit=5, before=last):
        seen += [row["id"] for row in page]
        last = page[-1]["seq"]

    assert seen == [row["id"] for row in filled.rows("SELECT id FROM runs ORDER BY seq DESC")]


def test_each_run_is_found_by_its_id_and_by_the_beginning_of_it(filled):
    for row in filled.rows("SELECT id, name, status FROM runs"):
        assert filled.found("runs", "id, name, status", WITH_ID, by_head(id=row["id"])) == [row]
        assert row in filled.found("runs", "id, name, status", LIKE, ids_like(row["id"][:6]))


def test_an_empty_catalog_has_no_page(catalog):
    assert newest(catalog, "runs", "id", "true", limit=5) == []
    assert newest(catalog, "artifacts", "id", "true", limit=5) == []


def test_an_id_of_nothing_is_not_found(filled):
    assert filled.found("runs", "id", WITH_ID, by_head(id="0" * 8 + "-0000-4000-8000-" + "0" * 12)) == []


@pytest.mark.parametrize("published_between", [False, True])
def test_heads_stand_beside_every_id_that_has_a_column_for_it(catalog, published_between):
    run = small_run(catalog)
    if published_between:
        catalog.publish()
    Recording(catalog).start().begin_step("train")

    for view, pairs in {
        "runs": ("id", "name"),
        "steps": ("id", "run"),
        "artifacts": ("id",),
        "lineage": ("run", "step", "artifact"),
    }.items():
        rows = catalog.rows(f"SELECT * FROM keyed.{view}")
        assert rows
        for row in rows:
            for name in pairs:
                text = row.get(f"{name}_id", row.get(name)) if name not in ("id", "name") else row[name]
                assert row[f"{name}_head"] == finding.head_of(text), (view, name)
    assert run.id in {row["id"] for row in catalog.rows("SELECT id FROM runs")}
