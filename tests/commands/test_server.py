"""`nbpipe server`: what is to be served is said by the command, and done by who can."""

from __future__ import annotations

import pytest

from nbpipe.commands.dispatch import answer
from nbpipe.errors import BadValueError
from nbpipe.services.serving_settings import ServerSettings


def test_the_command_says_how_to_serve_and_serves_nothing_itself(ask):
    assert ask("server").serving == ServerSettings()

    told = ask("server --host 0.0.0.0 --port 9000 --workers 1 --allow-host a.example --allow-origin https://b.example")

    assert told.serving == ServerSettings(
        "0.0.0.0", 9000, 1, frozenset({"a.example"}), frozenset({"https://b.example"})
    )


def test_in_a_notebook_it_says_where_to_start_it(project, notebook):
    with pytest.raises(BadValueError, match="start it in a terminal"):
        answer("server", notebook({}))


def test_a_mistyped_option_is_answered_with_the_nearest(ask):
    with pytest.raises(BadValueError, match="Did you mean --port"):
        ask("server --prot 9000")
