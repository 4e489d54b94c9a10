"""A snapshot's content: one form, one digest, and what a configuration says anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.errors import CatalogDamagedError, CatalogNewerError
from nbpipe.graph.graph import Graph, Node, OutputOf
from nbpipe.records.config import PipelineRunConfiguration, StepConfiguration
from nbpipe.records.models import ModelConfig
from nbpipe.records.snapshots import Environment, FieldText, SnapshotContent, StepText, digest_of, read_content
from nbpipe.records.steps import StepOptions
from nbpipe.records.tags import Tag

HERE = Path("blobs")
FLAGS = st.fixed_dictionaries({}, optional={"exclusive": st.booleans(), "cascade": st.booleans()})
TAGS = st.lists(
    st.builds(lambda name, flags: Tag(name=name, **flags), st.sampled_from("abc"), FLAGS), unique_by=lambda t: t.name
).map(tuple)
CONTENTS = st.builds(
    SnapshotContent,
    pipeline=st.sampled_from(["training", "prüfung"]),
    kind=st.just("cells"),
    graph=st.just(Graph()),
    steps=st.lists(
        st.builds(
            StepText,
            name=st.text(),
            variable=st.just("v"),
            kind=st.just("cell"),
            entry=st.just(""),
            text=st.text(),
            digest=st.text(),
            options=st.builds(StepOptions, tags=TAGS, retries=st.integers(0, 5)),
        ),
        max_size=2,
    ).map(tuple),
    parameters=st.lists(
        st.builds(FieldText, name=st.text(), type=st.text(), value=st.none() | st.integers() | st.text()), max_size=2
    ).map(tuple),
    configuration=st.builds(
        PipelineRunConfiguration, parameters=st.dictionaries(st.text(), st.integers(), max_size=2), tags=TAGS
    ),
    tags=TAGS,
    model=st.none()
    | st.builds(ModelConfig, name=st.just("iris"), version=st.sampled_from([None, 3, "1.0"]), tags=TAGS),
    environment=st.just(Environment(python="3.11.7", implementation="cpython", platform="linux-x86_64")),
)


@given(content=CONTENTS)
def test_a_content_that_is_written_and_read_is_the_same_to_the_last_flag(content: SnapshotContent) -> None:
    data = content.to_bytes()

    again = read_content(data, digest_of(data), HERE)

    assert again == content
    assert again.to_bytes() == data
    for one, other in zip(content.tags, again.tags, strict=True):
        assert one.model_fields_set == other.model_fields_set


@given(one=CONTENTS, other=CONTENTS)
def test_two_contents_have_one_digest_exactly_if_they_are_equal(one: SnapshotContent, other: SnapshotContent) -> None:
    assert (digest_of(one.to_bytes()) == digest_of(other.to_bytes())) == (one.to_bytes() == other.to_bytes())


@given(content=CONTENTS, place=st.floats(0, 0.999), byte=st.integers(0, 255))
def test_a_single_changed_byte_is_told(content: SnapshotContent, place: float, byte: int) -> None:
    data = content.to_bytes()
    at = int(place * len(data))
    changed = data[:at] + bytes([byte]) + data[at + 1 :]
    if changed == data:
        return

    with pytest.raises(CatalogDamagedError):
        read_content(changed, digest_of(data), HERE)


def test_a_content_of_a_newer_nbpipe_is_refused_with_the_cure() -> None:
    data = json.dumps({"schema_number": 99, "something": "new"}).encode()

    with pytest.raises(CatalogNewerError, match="Upgrade nbpipe"):
        read_content(data, digest_of(data), HERE)


def content_of_three_calls() -> SnapshotContent:
    nodes = (
        Node(id="load", step="load"),
        Node(id="clean", step="clean", inputs={"df": OutputOf(node="load", output="o")}),
        Node(id="clean_2", step="clean", inputs={"df": OutputOf(node="load", output="o")}),
    )
    limit = {"clean": 0.1, "clean_2": 0.2}
    return SnapshotContent(
        pipeline="training",
        kind="function",
        graph=Graph(nodes=nodes),
        parameters=(FieldText(name="n", type="int", value=5), FieldText(name="who", type="str", required=True)),
        step_parameters={
            "load": (FieldText(name="n", type="int", value=5),),
            **{node: (FieldText(name="limit", type="float", value=value),) for node, value in limit.items()},
        },
        environment=Environment(python="3.11.7", implementation="cpython", platform="linux-x86_64"),
    )


def said(**configuration: Any) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    changed = content_of_three_calls().changed_by(PipelineRunConfiguration(**configuration))
    return changed.parameters, changed.step_values


def test_a_template_names_every_value_that_can_be_set() -> None:
    template = content_of_three_calls().config_template()

    assert template.parameters == {"n": 5}
    assert template.step_values == {"load": {"n": 5}, "clean": {"limit": 0.1}, "clean_2": {"limit": 0.2}}


def test_a_template_that_nobody_edited_says_nothing() -> None:
    template = content_of_three_calls().config_template()

    assert content_of_three_calls().changed_by(template) == PipelineRunConfiguration(parameters={}, steps={})


def test_a_value_that_is_written_otherwise_is_another_value() -> None:
    assert said(parameters={"n": 5.0}) == ({"n": 5.0}, {})
    assert said(parameters={"n": True, "who": "me"}) == ({"n": True, "who": "me"}, {})


def test_an_edited_parameter_is_not_held_back_by_the_steps_values_beside_it() -> None:
    template = content_of_three_calls().config_template()
    template.parameters["n"] = 7

    changed = content_of_three_calls().changed_by(template)

    assert (changed.parameters, changed.step_values) == ({"n": 7}, {})


def test_one_edited_call_of_a_step_leaves_the_other_calls_as_they_are() -> None:
    template = content_of_three_calls().config_template()
    template.steps["clean"].parameters["limit"] = 0.9

    changed = content_of_three_calls().changed_by(template)

    assert changed.step_values == {"clean": {"limit": 0.9}, "clean_2": {"limit": 0.2}}


def test_a_step_that_is_named_alone_means_all_of_its_calls() -> None:
    assert said(steps={"clean": {"parameters": {"limit": 0.9}}})[1] == {
        "clean": {"limit": 0.9},
        "clean_2": {"limit": 0.9},
    }
    assert said(steps={"clean_2": {"parameters": {"limit": 0.9}}})[1] == {
        "clean": {"limit": 0.1},
        "clean_2": {"limit": 0.9},
    }


def test_what_is_not_known_is_left_for_the_check_that_refuses_it() -> None:
    changed = content_of_three_calls().changed_by(
        PipelineRunConfiguration(steps={"clena": {"parameters": {"limit": 1}}, "load": {"parameters": {"m": 1}}})
    )

    assert changed.steps["clena"] == StepConfiguration(parameters={"limit": 1})
    assert changed.step_values["load"] == {"m": 1}
