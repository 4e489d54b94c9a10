"""The notebook's way in: a line as it stands behind `%nbpipe`, answered."""

from __future__ import annotations

import shlex

from nbpipe.commands.answers import Answer, Started
from nbpipe.commands.calling import Call, Surroundings, calling
from nbpipe.commands.completing import completions
from nbpipe.commands.grammar import ask
from nbpipe.define.first_line import without_comment
from nbpipe.errors import BadValueError

__all__ = ["answer", "begin", "completions"]


def answer(line: str, surroundings: Surroundings | None = None) -> Answer:
    """Answer a line; what it starts is waited for.

    Raises:
        BadValueError: No such command or option, or values that do not fit; the nearest word is named.
        NbpipeError: What the command says.
    """
    came = begin(line, surroundings)
    return came.wait() if isinstance(came, Started) else came


def begin(line: str, surroundings: Surroundings | None = None) -> Answer | Started:
    """Answer a line, but leave a run that it starts to be waited for, so that a cell can await it.

    Raises:
        NbpipeError: As for `answer`.
    """
    with calling(Call(surroundings)):
        return ask(words(line))


def words(line: str) -> list[str]:
    """Take a line apart as a shell would, without ever running one; a comment at its end is left out.

    Raises:
        BadValueError: A quotation mark that is never closed.
    """
    try:
        return shlex.split(without_comment(line))
    except ValueError:
        raise BadValueError(
            "A quotation mark is never closed; put a backslash before one that is part of a value."
        ) from None
