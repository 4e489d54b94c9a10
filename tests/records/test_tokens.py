"""What is decided of tokens, and what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nbpipe.errors import BadValueError, ConflictError, NotFoundError
from nbpipe.records.operations import CreateToken, RevokeToken
from nbpipe.records.tokens import TokenScope, as_scope, digest_of_token, expiry, is_over, new_token, row_of
from tests.records.ledger import AT, Ledger

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def made(ledger: Ledger, id: str = "t", name: str = "ci", token: str = "nbp_a", expires=None) -> dict:
    digest = digest_of_token(token)
    return ledger.ask(CreateToken(id=id, name=name, digest=digest, scope=TokenScope.READ, expires=expires))


def test_a_token_has_256_bits_and_no_two_are_alike():
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {len("nbp_") + 43}


def test_what_is_written_down_of_a_token_is_its_digest():
    ledger = Ledger()

    made(ledger, token="nbp_secret")

    assert "nbp_secret" not in str(ledger.changes)
    assert ledger.rows["token"]["t"]["digest"] == digest_of_token("nbp_secret")


def test_a_name_is_taken_until_the_token_is_revoked():
    ledger = Ledger()
    made(ledger)
    with pytest.raises(ConflictError, match="named 'ci' already"):
        made(ledger, "u")

    ledger.ask(RevokeToken(id="t"))
    made(ledger, "u")

    assert ledger.rows["token"]["t"]["revoked"] == AT
    assert ledger.state.token_names["ci"] == "u"


def test_a_token_is_revoked_once_and_for_ever():
    ledger = Ledger()
    made(ledger)

    ledger.ask(RevokeToken(id="t"))
    changes = len(ledger.changes)
    ledger.ask(RevokeToken(id="t"))

    assert len(ledger.changes) == changes
    with pytest.raises(NotFoundError):
        ledger.ask(RevokeToken(id="other"))


def test_a_token_is_good_until_the_instant_at_which_it_expires():
    row = made(Ledger(), expires=NOW)

    assert is_over(row, NOW - timedelta(microseconds=1)) == ""
    assert is_over(row, NOW) == "expired"
    assert is_over({**row, "revoked": AT}, NOW) == "revoked"


def test_a_token_is_found_by_all_of_its_letters():
    ledger = Ledger()
    made(ledger, token="nbp_abc")
    rows = list(ledger.rows["token"].values())

    assert row_of("nbp_abc", rows) == rows[0]
    assert [row_of(text, rows) for text in ("nbp_ab", "nbp_abcd", "NBP_ABC", "", "nbp_abc ", "\ud800")] == [None] * 6


@pytest.mark.parametrize(
    ("scope", "covered"),
    [("invoke", ["invoke"]), ("read", ["invoke", "read"]), ("admin", ["invoke", "read", "admin"])],
)
def test_a_scope_covers_those_before_it(scope, covered):
    assert [other.value for other in TokenScope if as_scope(scope).covers(other)] == covered


@pytest.mark.parametrize("word", ["", "root", "adm1n", None, 3, "*"])
def test_what_is_no_scope_is_refused(word):
    with pytest.raises(BadValueError, match="is no scope"):
        as_scope(word)


@pytest.mark.parametrize("days", [0, -1, 100_000])
def test_a_token_lasts_for_some_time_and_not_for_a_lifetime(days):
    with pytest.raises(BadValueError, match="lasts from"):
        expiry(timedelta(days=days), NOW)
