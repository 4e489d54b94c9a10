"""The grammar: every word of it has help with an example, and every mistyped one is answered with the nearest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.commands.answers import Answer
from nbpipe.commands.dispatch import answer, words
from nbpipe.commands.grammar import PLACES, Noun, command_in, names_in, root
from nbpipe.errors import BadValueError, NbpipeError


def paths(group: Noun, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in names_in(group):
        command = command_in(group, name)
        yield (*before, name), command
        if isinstance(command, Noun):
            yield from paths(command, (*before, name))


EVERYTHING = dict(paths(root()))
VERBS = [" ".join(path) for path, command in EVERYTHING.items() if not isinstance(command, Noun)]
NOUNS = [" ".join(path) for path, command in EVERYTHING.items() if isinstance(command, Noun)]
LISTINGS = [verb for verb in VERBS if verb.split()[-1] in ("list", "show", "history", "compare", "lineage", "query")]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_every_command_has_help_with_an_example(verb, asked):
    said = answer(f"{verb} {asked}").text

    assert said.startswith(f"Usage: nbpipe {verb}")
    assert "Examples:\n  " in said


@pytest.mark.parametrize("noun", [noun for noun in NOUNS if noun != "catalog"])
def test_a_noun_without_a_verb_gives_its_help(noun):
    assert answer(noun).text == answer(f"{noun} --help").text


def test_nothing_at_all_gives_the_help_that_names_every_noun():
    said = answer("").text

    assert all(f"  {noun} " in said for noun in PLACES)


@pytest.mark.parametrize("verb", LISTINGS)
def test_whatever_lists_or_shows_can_answer_in_json(verb):
    assert "--json" in answer(f"{verb} --help").text


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("rnus list", "Did you mean 'runs'?"),
        ("runs lst", "Did you mean 'list'?"),
        ("pipeline snapshot crate", "Did you mean 'create'?"),
        ("runs list --jsno", "Did you mean --json?"),
        ("runs list --pipelin=x", "Did you mean --pipeline?"),
        ("run x --tags=v1", "Did you mean --tag?"),
        ("zzz", "There are new, demo, run, runs,"),
        ("runs list --zzz", "See `nbpipe runs list --help`."),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(line, hint):
    with pytest.raises(BadValueError) as caught:
        answer(line)

    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("runs show", "missing argument 'RUN'"),
        ("version extra", "unexpected extra argument"),
        ("runs list --limit", "requires an argument"),
        ("runs list --limit many", "invalid value for '--limit'"),
        ("snapshot create flow.py", "missing option '--name'"),
    ],
)
def test_a_wrong_use_is_told_in_a_line_that_points_to_the_help(line, said):
    with pytest.raises(BadValueError) as caught:
        answer(line)

    assert said in str(caught.value)
    assert "--help" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_is_the_same_whatever_the_terminal(monkeypatch):
    narrow = {}
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        narrow[columns] = answer("run --help").text

    assert narrow["40"] == narrow["200"]


def test_a_word_after_two_dashes_asks_for_no_help(project):
    with pytest.raises(NbpipeError, match="--help"):
        answer("runs show -- --help")


def test_a_line_is_taken_apart_as_a_shell_would():
    assert words("run flow.py --set name='a b' --tag \"x y\"") == [
        "run",
        "flow.py",
        "--set",
        "name=a b",
        "--tag",
        "x y",
    ]


def test_an_open_quotation_mark_is_refused():
    with pytest.raises(BadValueError, match="never closed"):
        answer("run 'flow")


@given(st.text(max_size=40))
def test_whatever_is_typed_is_answered_or_refused_in_two_lines(line):
    # Only words that are no command of ours: the others do something.
    line = f"?{line}"

    try:
        came = answer(line)
    except NbpipeError as error:
        assert len(str(error).splitlines()) <= 2
    else:
        assert isinstance(came, Answer)
