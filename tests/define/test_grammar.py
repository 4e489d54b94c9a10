"""What may stand behind each magic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.define.first_line import without_comment
from nbpipe.define.grammar import parse_catalog, parse_params, parse_pipeline, parse_step, parse_tag
from nbpipe.errors import BadValueError
from nbpipe.records.models import ModelConfig
from nbpipe.records.tags import Tag

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in ("is", "in", "if"))


@given(
    NAMES, st.none() | st.lists(NAMES, unique=True, max_size=3), st.none() | st.lists(NAMES, unique=True, max_size=3)
)
def test_a_signature_is_read_as_it_is_written(name: str, takes: list[str] | None, gives: list[str] | None) -> None:
    written = (
        name
        + (f"({', '.join(takes)})" if takes is not None else "")
        + (f" -> {', '.join(gives)}" if gives is not None else "")
    )

    line = parse_step(f"{written} --no-cache")

    assert (line.name, line.takes, line.gives) == (
        name,
        tuple(takes) if takes is not None else None,
        tuple(gives) if gives is not None else None,
    )
    assert line.options.cache is False


def test_every_option_of_a_step_is_read() -> None:
    line = parse_step(
        "train --tag v1 --tag gold --retries 2 --retry-delay 0.5 --timeout 30 --after load --after clean --define"
    )

    assert line.is_only_defined
    assert [tag.name for tag in line.options.tags] == ["v1", "gold"]
    assert (line.options.retries, line.options.retry_delay_s, line.options.timeout_s) == (2, 0.5, 30)
    assert line.options.after == ("load", "clean")


@given(st.sampled_from(["--tags", "--no-cach", "--retrys", "--aftr", "--defin"]))
def test_a_mistyped_option_is_answered_with_the_nearest(option: str) -> None:
    with pytest.raises(BadValueError, match=r"%%step: unrecognized arguments: .* Did you mean --"):
        parse_step(f"train {option} x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("1st", "'1st' names no step"),
        ("two words", "'two words' names no step"),
        ("train(df", "names no step"),
        ("train(a b)", "'a b' is no name of a variable"),
        ("train -> model-1", "'model-1' is no name of a variable"),
        ("(df) -> model", "a signature needs a name in front"),
        ("train --retries many", "argument --retries: invalid int value: 'many'"),
        ("train --retries -1", "retries .*greater than or equal to 0"),
        ("train --timeout 0", "timeout_s .*greater than 0"),
        ("train --tag 'open", "no closing quotation"),
        ("train --after", "argument --after: expected one argument"),
        ("train --tag ' '", "Tag: name"),
    ],
)
def test_what_is_not_of_the_grammar_of_a_step_is_refused(arguments: str, said: str) -> None:
    with pytest.raises(BadValueError, match=said):
        parse_step(arguments)


@pytest.mark.parametrize("arguments", ["-h", "--help", "train -h", "train(x) -> y --help"])
def test_help_wins_over_everything_else(arguments: str) -> None:
    assert parse_step(arguments).wants_help


def test_a_pipelines_line_is_read_with_its_signature() -> None:
    line = parse_pipeline(
        'training(rate: float = -0.1, names: str = "a, (b) --c") --tag v1 --tag latest:exclusive --tag exp-42:cascade '
        "--model iris@run-{run.id[:8]} --no-cache"
    )

    assert line.name == "training"
    assert line.signature == 'rate: float = -0.1, names: str = "a, (b) --c"'
    assert line.tags == (Tag(name="v1"), Tag(name="latest", exclusive=True), Tag(name="exp-42", cascade=True))
    assert line.model == ModelConfig(name="iris", version="run-{run.id[:8]}")
    assert line.cache is False


@pytest.mark.parametrize("arguments", ["", "1st()", "a b()", "training(", "--tag x"])
def test_a_pipeline_without_a_name_is_refused(arguments: str) -> None:
    with pytest.raises(BadValueError, match=r"write %%pipeline NAME\(rate: float = 0.1\)"):
        parse_pipeline(arguments)


def test_a_tag_with_an_unknown_flag_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadValueError, match=r"has the flag 'exclusiv'; .* Did you mean 'exclusive'"):
        parse_tag("latest:exclusiv")


def test_a_flag_that_is_not_mentioned_is_not_declared() -> None:
    assert not parse_tag("v1").declares("exclusive")
    assert parse_tag("v1:cascade:exclusive") == Tag(name="v1", exclusive=True, cascade=True)


def test_params_takes_a_name_of_one_word() -> None:
    assert parse_params("--name iris_training").name == "iris_training"
    with pytest.raises(BadValueError, match="'two words' cannot name a pipeline"):
        parse_params("--name 'two words'")


def test_catalog_takes_the_name_of_a_variable() -> None:
    assert parse_catalog("df") == "df"
    with pytest.raises(BadValueError, match="'my df' is no name of a variable; write %%catalog df"):
        parse_catalog("my df")


def test_a_bracket_or_an_option_in_a_text_is_no_part_of_the_first_line() -> None:
    line = parse_pipeline("""cut(sep: str = "(", end: str = '] --tag x') --tag v1""")

    assert line.signature == """sep: str = "(", end: str = '] --tag x'"""
    assert [tag.name for tag in line.tags] == ["v1"]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("train --tag v1   # what it's for", "train --tag v1"),
        ("# all of it", ""),
        ("train #", "train"),
        ("train --tag #5", "train --tag #5"),
        ("train --tag a#b", "train --tag a#b"),
        ("p(sep: str = ' # ') --tag v1", "p(sep: str = ' # ') --tag v1"),
        ('p(sep: str = "it\'s # one")', 'p(sep: str = "it\'s # one")'),
    ],
)
def test_a_comment_at_the_end_of_a_line_is_no_part_of_it(line: str, kept: str) -> None:
    assert without_comment(line) == kept


def test_every_magic_may_have_a_comment_behind_it() -> None:
    assert parse_step("train --tag v1  # the slow one") == parse_step("train --tag v1")
    assert parse_pipeline("p(n: int = 1)  # it's small") == parse_pipeline("p(n: int = 1)")
    assert parse_params("--name p  # mine") == parse_params("--name p")
    assert parse_catalog("df # all") == "df"
