"""`nbpipe token`: what is shown, and what is not."""

from __future__ import annotations

import json

import pytest

from nbpipe.errors import BadValueError, NotFoundError
from nbpipe.services.client import Client


def test_a_token_is_shown_once(ask):
    made = ask("token create ci --scope invoke --expires 30d")
    token = made.text.splitlines()[0]

    assert token.startswith("nbp_")
    assert "good until" in made.text
    for line in ("token list", "token list --json", "token revoke ci", "token list --all"):
        assert token not in ask(line).text
    assert Client().tokens.judge(token).status == "revoked"


def test_a_program_gets_the_token_as_json(ask):
    facts = json.loads(ask("token create ci --json").text)

    assert facts["token"].startswith("nbp_")
    assert (facts["scope"], facts["status"]) == ("read", "valid")


def test_tokens_are_listed_with_what_they_are_good_for(ask):
    ask("token create ci --scope admin --expires never")

    text = ask("token list").text

    assert "admin" in text
    assert "never" in text


def test_what_is_mistyped_is_answered_with_what_was_meant(ask):
    with pytest.raises(BadValueError, match="Did you mean 'admin'"):
        ask("token create ci --scope admim")
    ask("token create deploy-bot")
    with pytest.raises(NotFoundError, match="Did you mean 'deploy-bot'"):
        ask("token revoke deploy-bit")
