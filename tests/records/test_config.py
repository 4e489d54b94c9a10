"""Run configurations: read from Python, files and a command line; what is unknown is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError
from nbpipe.records.config import (
    PipelineRunConfiguration,
    as_configuration,
    merge_configurations,
    parse_settings,
    parse_value,
    parse_yaml,
    read_configuration,
)
from nbpipe.records.models import ModelConfig
from nbpipe.records.tags import Tag

PARAMETERS = st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=3)
CONFIGURATIONS = st.builds(
    lambda name, parameters, steps, cache: PipelineRunConfiguration(
        run_name=name, parameters=parameters, steps={s: {"parameters": v} for s, v in steps.items()}, enable_cache=cache
    ),
    st.none() | st.sampled_from(["x", "y"]),
    PARAMETERS,
    st.dictionaries(st.sampled_from(["train", "clean"]), PARAMETERS, max_size=2),
    st.none() | st.booleans(),
)


@given(one=CONFIGURATIONS, two=CONFIGURATIONS, three=CONFIGURATIONS)
def test_merging_does_not_depend_on_grouping_and_the_stronger_wins_value_by_value(one, two, three) -> None:
    merged = merge_configurations(one, two)

    assert merge_configurations(merged, three) == merge_configurations(one, merge_configurations(two, three))
    assert merged.parameters == one.parameters | two.parameters
    assert merged.run_name == (two.run_name or one.run_name)
    assert merged.enable_cache == (one.enable_cache if two.enable_cache is None else two.enable_cache)


def test_a_file_says_what_python_would(tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(
        "run_name: nightly\nparameters: {rate: 0.2}\nsteps:\n  train:\n    parameters: {epochs: 5}\n"
        "tags: [v1, {name: latest, exclusive: true}]\nmodel: {name: iris, version: '1.0'}\nenable_cache: false\n"
    )

    assert read_configuration(file) == PipelineRunConfiguration(
        run_name="nightly",
        parameters={"rate": 0.2},
        steps={"train": {"parameters": {"epochs": 5}}},
        tags=["v1", Tag(name="latest", exclusive=True)],
        model=ModelConfig(name="iris", version="1.0"),
        enable_cache=False,
    )


@given(configuration=CONFIGURATIONS)
def test_a_configuration_that_is_written_and_read_is_the_same(configuration: PipelineRunConfiguration) -> None:
    assert as_configuration(configuration.model_dump(mode="json", exclude_unset=True)) == configuration


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("paramters: {}", "paramters is not known here; did you mean 'parameters'"),
        ("steps: {train: {paramters: {}}}", "steps.train.paramters is not known here; did you mean 'parameters'"),
        ("steps: [train]", "steps"),
        ("tags: v1", "takes a list"),
        ("enable_cache: [1]", "enable_cache"),
        ("[1, 2]", "no run configuration"),
        ("a: &x 1\nb: *x", "alias"),
        ("a: !!python/object/apply:os.system ['true']", "the YAML tag"),
        ("a: [", "no YAML"),
        ("a: b: c", "line 1"),
        ("x: " + "[" * 40 + "]" * 40, "deeper"),
        ("#" + "x" * 2**20, "larger than 1024 KiB"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_cure(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(text)

    with pytest.raises(BadValueError) as refused:
        read_configuration(file)

    assert "prod.yaml" in str(refused.value)
    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) <= 2


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "a.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    for path in (tmp_path / "none.yaml", tmp_path, binary):
        with pytest.raises(BadValueError):
            read_configuration(path)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))

    with pytest.raises(BadValueError, match="alias"):
        parse_yaml(bomb)


def test_settings_of_a_command_line_name_parameters_and_steps() -> None:
    given = parse_settings(["rate=0.2", "train.epochs=5", "train.name=a=b", "note=", "flag=True", "n=null", "x=[1]"])

    assert given.parameters == {"rate": 0.2, "note": "", "flag": True, "n": None, "x": [1]}
    assert given.step_values == {"train": {"epochs": 5, "name": "a=b"}}


@pytest.mark.parametrize("setting", ["rate", "=1", " =1", ""])
def test_a_setting_that_sets_nothing_is_refused(setting: str) -> None:
    with pytest.raises(BadValueError, match=r"rate=0\.2"):
        parse_settings([setting])


@given(text=st.text())
def test_any_text_of_a_command_line_is_a_value(text: str) -> None:
    parse_value(text)
    assert parse_value("[" * 100_000) == "[" * 100_000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("parameters:\n  rate: 1\n  rate: 2\n", 3),
        ("steps: {a: {parameters: {n: 1}}, a: {parameters: {n: 2}}}", 1),
    ],
    ids=["block", "flow"],
)
def test_a_key_that_stands_twice_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(BadValueError, match=rf"stands twice \(line {line}\)"):
        parse_yaml(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": "\U0001f600", "b": 1e-4}', {"a": "\U0001f600", "b": 1e-4}),
        ('\t{"a":\t1}', {"a": 1}),
        ("a: 1e-4\nb: .5", {"a": 1e-4, "b": 0.5}),
        ("", None),
    ],
    ids=["json", "tabs", "floats", "nothing"],
)
def test_json_is_read_as_json_and_numbers_are_numbers(text: str, value: object) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        "a: 2024-13-45",
        "a: 0b_",
        "a: " + "9" * 5000,
        "a: !!int abc",
        "a: !!bool abc",
        "a: !!timestamp abc",
        "a: !!set {x}",
        "a: !!binary aGk=",
        "x: \ud800",
        "? [a]\n: 1",
        "[" * 100,
        "[" * 40 + "]" * 40,
        '{"a":' * 40 + "1" + "}" * 40,
        "{",
    ],
    ids=range(15),
)
def test_whatever_cannot_be_read_is_one_kind_of_error_in_one_line(text: str) -> None:
    with pytest.raises(BadValueError) as refused:
        parse_yaml(text)

    assert "\n" not in str(refused.value)
