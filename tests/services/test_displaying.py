"""Records as the last expression of a cell, and within others, with and without the notebook extension."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from nbpipe.base.displaying import Displayed, text_of
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.commands.faces import FACES, drawn_by
from nbpipe.records.refs import Kind
from nbpipe.services.client import Client
from nbpipe.services.listing import Listing
from nbpipe.services.workspace import Workspace
from tests.conftest import Copied
from tests.notebook.shells import end_shell
from tests.services.building import open_version, opened, record_run

Sight = Callable[[Client], Any]
RECORDS: dict[str, Sight] = {
    "run": lambda client: client.runs.newest(),
    "step": lambda client: client.runs.newest().steps["make"],
    "log": lambda client: client.runs.newest().logs()[0],
    "artifact": lambda client: client.artifacts.get("raw"),
    "pipeline": lambda client: client.pipelines.get("training"),
    "model": lambda client: client.models.get("iris"),
    "model_version": lambda client: client.models.version("iris"),
    "comparison": lambda client: client.models.compare("iris@1", "iris@1"),
    "tag": lambda client: client.tags.get("v1"),
    "explanation": lambda client: client.runs.explain(client.runs.newest())[0],
}
LISTINGS: dict[str, Sight] = {
    "runs": lambda client: client.runs.list(),
    "artifacts": lambda client: client.artifacts.list(),
    "pipelines": lambda client: client.pipelines.list(),
    "models": lambda client: client.models.list(),
    "versions": lambda client: client.models.versions("iris"),
    "history": lambda client: client.models.history("iris"),
    "tags": lambda client: client.tags.list(),
    "tenures": lambda client: client.tags.history("v1"),
    "holders": lambda client: client.tags.holders("v1"),
    "explanations": lambda client: client.runs.explain(client.runs.newest()),
}
EVIL = "<script>alert(1)</script>"


def record_all(paths: WorkspacePaths) -> None:
    """Record a bit of everything."""
    with opened(paths) as workspace:
        record_run(workspace, outputs={"raw": [1, 2, 3]}, tags=["v1", EVIL], model="iris")
        Client(paths.root).models.promote("iris@1", "production", note=EVIL)


@pytest.fixture
def recorded(workspace: WorkspacePaths, copied: Copied) -> None:
    """Have the workspace hold a bit of everything."""
    copied(workspace, record_all)


@pytest.fixture
def client(recorded: None, opened_workspace: Workspace) -> Client:
    return Client(opened_workspace.paths.root)


@pytest.fixture(scope="module")
def plain_shell() -> Iterator[InteractiveShell]:
    """Give a shell that never heard of nbpipe."""
    shell = InteractiveShell()
    yield shell
    end_shell(shell)


@pytest.mark.parametrize("what", sorted({**RECORDS, **LISTINGS}))
def test_a_record_at_the_end_of_a_cell_is_a_card_and_a_listing_a_table(
    what: str, asked: Client, plain_shell: InteractiveShell
) -> None:
    record = {**RECORDS, **LISTINGS}[what](asked)

    shown, _ = plain_shell.display_formatter.format(record)  # type: ignore[union-attr]

    assert shown["text/html"].startswith("<div")
    assert shown["text/html"] == record._repr_html_()
    assert "\n" in shown["text/plain"]
    assert "<script" not in shown["text/html"]


@pytest.mark.parametrize("what", sorted(RECORDS))
def test_a_record_names_itself_in_one_short_line(what: str, asked: Client) -> None:
    record = RECORDS[what](asked)

    assert repr(record).startswith(f"<{type(record).__name__} ")
    assert "\n" not in repr(record)
    assert len(repr(record)) < 120


@pytest.mark.parametrize("what", sorted({**RECORDS, **LISTINGS}))
def test_within_something_else_a_record_is_its_name(what: str, asked: Client, plain_shell: InteractiveShell) -> None:
    record = {**RECORDS, **LISTINGS}[what](asked)

    shown, _ = plain_shell.display_formatter.format({"it": [record]})  # type: ignore[union-attr]

    assert repr(record)[:40] in shown["text/plain"].replace("\n", " ")
    assert "text/html" not in shown


def test_a_history_at_the_end_of_a_cell_is_the_table_of_the_command(client: Client) -> None:
    record_run(client.workspace, model="iris")
    client.models.promote("iris@2", "production", force=True)

    moves, tenures = (
        text_of(found).splitlines()[0].split() for found in (client.models.history("iris"), client.tags.history("v1"))
    )

    assert "by force" in text_of(client.models.history("iris"))
    assert moves == ["when", "version", "stage", "who", "note"]
    assert tenures == ["what", "since", "until", "lost", "to", "by"]


def test_a_record_of_a_name_without_end_names_itself_in_one_short_line(opened_workspace: Workspace) -> None:
    record_run(opened_workspace, outputs={"é" * 5000: 1}, name="\N{SNOWMAN}\n" * 2500)

    for record in (
        Client(opened_workspace.paths.root).runs.newest(),
        Client(opened_workspace.paths.root).artifacts.list()[0],
    ):
        assert "\n" not in repr(record)
        assert len(repr(record)) < 200


def test_a_long_listing_shows_its_first_fifty_and_how_many_more_there_are(opened_workspace: Workspace) -> None:
    for n in range(52):
        record_run(opened_workspace, pipeline=f"p{n}")

    found = Client(opened_workspace.paths.root).runs.list(limit=None)

    assert "and 2 more" in found._repr_html_()
    assert found._repr_html_().count("<tr") == 51
    assert found._repr_mimebundle_()["text/plain"].endswith("… and 2 more")
    assert repr(found).endswith("… 49 more]")


def test_an_empty_listing_shows_its_columns(opened_workspace: Workspace) -> None:
    text = Client(opened_workspace.paths.root).runs.list()._repr_mimebundle_()["text/plain"]

    assert text.splitlines()[0].split() == ["run", "pipeline", "status", "started", "took", "model", "parameters"]
    assert text.endswith("(none)")


def test_a_run_whose_graph_is_gone_says_so_where_its_card_would_stand(client: Client) -> None:
    from dataclasses import replace

    damaged = replace(client.runs.newest(), graph_digest="0" * 64)

    shown = damaged._repr_mimebundle_()

    assert repr(damaged) in shown["text/plain"]
    assert len(shown["text/plain"].splitlines()) > 1
    assert "<pre" in shown["text/html"]


def test_every_record_that_shows_itself_has_a_face() -> None:
    def below(kind: type) -> set[type]:
        return {kind, *(one for child in kind.__subclasses__() for one in below(child))}

    # By name: a class with slots is made twice.
    assert {f"{kind.__module__}.{kind.__qualname__}" for kind in below(Displayed) - {Displayed}} == set(FACES)
    assert all(callable(drawn_by(kind)) for kind in FACES)


def test_importing_nbpipe_loads_no_cards() -> None:
    asked = (
        "import sys, nbpipe; print([name for name in sys.modules if name.startswith(('nbpipe.views', 'nbpipe.comm'))])"
    )

    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"


def test_a_slice_of_a_listing_is_a_listing(asked: Client) -> None:
    found = asked.artifacts.list()

    assert isinstance(found[:0], Listing)
    assert found[:0].columns == found.columns
    assert found[0] == found[:1][0]


def test_kinds_of_entities_are_told_apart_in_a_listing_of_holders(client: Client, opened_workspace: Workspace) -> None:
    open_version(opened_workspace, "iris")
    client.tags.add(["v1"], model_version="iris@2")

    assert {holder.kind for holder in client.tags.holders("v1")} == {Kind.RUN, Kind.MODEL_VERSION}
