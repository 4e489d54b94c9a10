"""Completion: words of the grammar and names of what there is; it never fails and makes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.commands import completing
from nbpipe.commands.completing import begun_in
from nbpipe.commands.dispatch import answer, completions
from nbpipe.commands.grammar import PLACES
from nbpipe.commands.sources import load_source


def completed(line, surroundings=None):
    return completions(line, len(line), surroundings)


def test_words_of_the_grammar_complete_at_every_depth(project):
    assert completed("") == [*PLACES, "--help"]
    assert completed("ru") == ["run", "runs"]
    assert completed("runs ") == [
        "list",
        "show",
        "compare",
        "explain",
        "resume",
        "stop",
        "logs",
        "rename",
        "delete",
        "--help",
    ]
    assert completed("pipeline snapshot cr") == ["create"]
    assert "--status" in completed("runs list --")
    assert completed("runs list --js") == ["--json"]


def test_names_complete_from_the_workspace(project):
    run = answer("run flow.py --tag 'two words'").record
    answer("snapshot create flow.py --name nightly")
    answer("model promote m@1 production")

    assert completed("runs show ") == [run.id[:8]]
    assert completed("runs compare a ") == [run.id[:8]]
    assert completed("snapshot run ni") == ["nightly"]
    assert completed("pipeline snapshot delete ") == ["nightly"]
    assert completed("run ") == ["nightly"]
    assert completed("model promote ") == ["m"]
    assert completed("model promote m@") == ["m@latest", "m@production", "m@1"]
    assert completed("model promote m@1 pro") == ["production"]
    assert completed("artifact show t") == ["total"]
    assert completed("runs list --pipeline ") == ["training"]
    assert completed("runs list --status f") == ["failed"]
    assert completed("tag add x --run ") == [run.id[:8]]
    assert completed("run nightly --set ") == ["n=", "rate="]
    assert "'two words'" in completed("tag delete ")


def test_a_notebooks_pipelines_complete_with_their_parameters(project, notebook):
    here = notebook({"training": load_source("flow.py")})

    assert completed("run tr", here) == ["training", "trouble.py"]
    assert completed("run training --set r", here) == ["rate="]
    assert completed("snapshot create ", here) == ["training"]


def test_behind_a_parameter_stand_the_values_that_its_type_allows_or_the_one_that_it_has(project, notebook):
    (project / "chosen.py").write_text(
        "from typing import Literal\nfrom pydantic import SecretStr\nfrom nbpipe import pipeline, step\n"
        "@step\ndef one(kind: str) -> str:\n    return kind\n"
        "@pipeline\ndef chosen(kind: Literal['a b', 'c'] = 'c', fast: bool = False, rate: float = 0.1,"
        " key: SecretStr = SecretStr('sesame')):\n    one(kind)\n"
    )
    here = notebook({"chosen": load_source("chosen.py")})
    answer("snapshot create chosen.py --name frozen")

    for named in ("chosen", "frozen"):
        assert completed(f"run {named} --set kind=", here) == ["'kind=a b'", "kind=c"]
        assert completed(f"run {named} --set fast=t", here) == ["fast=true"]
        assert completed(f"run {named} --set rate=", here) == ["rate=0.1"]
        assert completed(f"run {named} --set nope=", here) == []
    assert completed("run chosen --set key=", here) == []


def test_files_and_time_zones_complete_where_they_are_asked_for(project):
    (project / "configs").mkdir()
    (project / "configs" / "prod.yaml").write_text("")
    (project / ".hidden").write_text("")

    assert completed("run flow.py --config ") == ["configs/", "flow.py", "trouble.py"]
    assert completed("run flow.py --config configs/") == ["configs/prod.yaml"]
    assert completed("run fl") == ["flow.py"]
    assert "Europe/Berlin" in completed("schedule create x --timezone Europe/Be")


def test_a_word_in_quotation_marks_is_one_word():
    assert [begun_in(text) for text in ("run 'two w", "run tr", "run ", "")] == ["'two w", "tr", "", ""]


def test_only_what_stands_before_the_cursor_counts(project):
    assert completions("runs li --json", 7) == ["list"]


@pytest.mark.parametrize("line", ["nope ", "runs list nope nope ", "catalog query ", "runs show a b c "])
def test_where_nothing_is_known_nothing_is_offered(project, line):
    assert completed(line) == []


def test_asking_makes_no_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / "none"))

    assert [completed(line) for line in ("runs show ", "run ", "tag add ", "model show ")] == [[], [], [], []]
    assert not (tmp_path / "none").exists()


def test_a_workspace_that_cannot_be_read_offers_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NBPIPE_HOME", str(tmp_path / "file"))

    assert completed("runs show ") == []


@given(st.text(alphabet=st.sampled_from(list("runs lit-'\"\\ \té<")), max_size=30), st.integers(-5, 40))
def test_it_never_fails(line, cursor):
    assert isinstance(completions(f"zz {line}", cursor), list)


def test_steps_are_completed_for_what_is_named_before(ask, two_runs):
    assert completions("snapshot run nightly --only ", 28) == ["load", "total"]
    line = f"runs explain {two_runs['first']} --step t"
    assert completions(line, len(line)) == ["total"]


def test_a_fault_of_ours_leaves_tab_empty_and_is_told_to_whoever_looks_for_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(_: object) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setitem(completing._NAMES, "TAG", fault)
    monkeypatch.setattr(completing, "_candidates", lambda *_: fault(None))

    with caplog.at_level("DEBUG", "nbpipe.completing"):
        found = completing.names_of("TAG", "v"), completing.completions("runs li", 7)

    assert found == ([], [])
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError] * 2
