"""Tokens of a workspace: made, listed, revoked, judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nbpipe.base.clock import clock_set_to
from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.services.client import Client
from nbpipe.services.tokens import TokenService


@pytest.fixture
def client(workspace):
    with_workspace = Client(workspace.root)
    yield with_workspace
    with_workspace.close()


def files_of(root):
    return [path for path in root.rglob("*") if path.is_file()]


def test_a_token_stands_in_no_file_of_the_workspace(client, workspace):
    made = client.tokens.create("ci")
    client.workspace.catalog.publish()

    assert not any(made.token.encode() in path.read_bytes() for path in files_of(workspace.root))
    assert made.token not in repr(made)


def test_a_token_is_judged_by_what_it_is_now(client):
    made = client.tokens.create("ci", scope="invoke", expires="1h")

    assert client.tokens.judge(made.token).status == "valid"
    with clock_set_to(lambda: datetime.now(UTC) + timedelta(hours=2)):
        assert client.tokens.judge(made.token).status == "expired"
    client.tokens.revoke("ci")
    assert client.tokens.judge(made.token).status == "revoked"
    assert client.tokens.judge("nbp_other") is None


def test_a_token_is_revoked_by_its_name_its_id_or_the_beginning_of_that(client):
    for name in ("one", "two", "three"):
        client.tokens.create(name)
    ids = {record.name: record.id for record in client.tokens.list()}

    for ref in ("one", ids["two"], ids["three"][:8]):
        client.tokens.revoke(ref)

    assert client.tokens.list() == []
    assert {record.status for record in client.tokens.list(all=True)} == {"revoked"}
    with pytest.raises(NotFoundError, match="No token is named 'one'"):
        client.tokens.revoke("one")


def test_tokens_are_in_the_catalog_without_their_digests(client):
    client.tokens.create("ci", scope="admin", expires="never")

    answer = client.query("SELECT * FROM tokens")

    assert list(answer["name"]) == ["ci"]
    assert "digest" not in answer.columns
    assert answer["expires"].isna().all()


@pytest.mark.parametrize(
    "expires", ["", "soon", "-1d", "0s", "400y", "9999999999w", "1h ago", None, 3, "1e9d", "nan d"]
)
def test_a_time_that_is_none_is_refused_and_nothing_is_written(client, expires):
    with pytest.raises(BadValueError):
        client.tokens.create("ci", expires=expires)

    assert client.tokens.list(all=True) == []


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 256, "\ud800", None])
def test_a_name_that_is_none_is_refused(client, name):
    with pytest.raises(BadValueError):
        client.tokens.create(name)


def test_two_tokens_have_two_names(client):
    client.tokens.create("<script>")

    with pytest.raises(ConflictError, match="There is a token named '<script>' already"):
        client.tokens.create("<script>")


def test_another_process_that_revokes_is_heard_at_once(client, workspace):
    from nbpipe.services.workspace import Workspace

    made = client.tokens.create("ci")
    elsewhere = Workspace(workspace)

    TokenService(elsewhere).revoke("ci")
    elsewhere.close()

    assert client.tokens.judge(made.token).status == "revoked"
    assert not client.tokens.has_valid()
