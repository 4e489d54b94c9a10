"""Tracing: a body that calls steps leaves a graph, and says what it cannot do with values it does not have yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe import pipeline, step
from nbpipe.define.overrides import check_complete, with_step_values
from nbpipe.define.trace import current_trace
from nbpipe.errors import BadValueError, DefinitionError, NotFoundError, ParameterError
from nbpipe.graph.graph import Constant, Graph, Node, OutputOf, ParameterOf
from nbpipe.records.definitions import Traced


@step
def load(n: int = 5) -> list:
    return list(range(n))


@step
def clean(data: list, limit: float = 0.5) -> Annotated[list, "cleaned"]:
    return data


@step
def split(data: list) -> tuple[Annotated[list, "train"], Annotated[list, "test"]]:
    return data, data


@step
def report(data: Any = None, title: str = "") -> None: ...


@step
def needs(value: int) -> int:
    return value


def traced_of(body: Any, **values: Any) -> Traced:
    return pipeline(body).definition.trace(values)


def a_chain(n: int = 3, limit: float = 0.1):
    train, test = split(clean(load(n), limit))
    report(train)
    return test


def test_a_body_leaves_nodes_and_edges_in_the_order_of_its_calls() -> None:
    traced = traced_of(a_chain, n=4)

    graph = traced.graph
    assert [node.id for node in graph.nodes] == ["load", "clean", "split", "report"]
    assert graph.edges == (("load", "clean"), ("clean", "split"), ("split", "report"))
    assert graph.by_id["load"].inputs == {"n": ParameterOf(name="n")}
    assert graph.by_id["clean"].inputs == {
        "data": OutputOf(node="load", output="output"),
        "limit": ParameterOf(name="limit"),
    }
    assert graph.results == {"test": OutputOf(node="split", output="test")}
    assert traced.values["load"] == {"n": 4}
    assert traced.parameters == {"n": 4, "limit": 0.1}


def test_the_same_body_leaves_the_same_graph_every_time() -> None:
    assert traced_of(a_chain).graph.digest == traced_of(a_chain).graph.digest
    assert traced_of(a_chain, n=4).graph.by_id == traced_of(a_chain, n=3).graph.by_id


def called_often():
    for n in range(12):
        report(clean(load(n)))


def test_a_step_that_is_called_often_makes_numbered_nodes() -> None:
    graph = traced_of(called_often).graph

    assert [node.id for node in graph.nodes if node.step == "load"] == ["load", *(f"load_{n}" for n in range(2, 13))]
    assert graph.by_id["clean_7"].inputs["data"] == OutputOf(node="load_7", output="output")
    assert graph.by_id["load_2"].inputs["n"] == Constant(value=1)


@step(name="load_2")
def sly() -> int:
    return 1


def called_beside_a_sly_name():
    sly()
    return load(), load()


def test_a_step_named_like_a_numbered_node_is_not_overrun() -> None:
    assert [node.id for node in traced_of(called_beside_a_sly_name).graph.nodes] == ["load_2", "load", "load_3"]


@step(name="load")
def other_load() -> int:
    return 7


def two_of_one_name():
    load()
    other_load()


def test_two_different_steps_of_one_name_are_refused() -> None:
    with pytest.raises(DefinitionError, match="two different steps named 'load'"):
        traced_of(two_of_one_name)


again = step(load.function)


def the_same_step_twice_defined():
    load()
    again()


def test_one_step_defined_twice_is_one_step() -> None:
    assert [node.id for node in traced_of(the_same_step_twice_defined).graph.nodes] == ["load", "load_2"]


def asks_for_truth():
    if load():
        report()


def goes_through():
    for item in load():
        report(item)


def unpacks():
    one, _ = load()
    report(one)


def looks_into():
    report(load()[0])


def asks_for_an_attribute():
    report(load().shape)


def compares():
    if load() > 3:
        report()


def adds():
    report(load() + 1)


def formats():
    report(title=load())


def passes_a_list():
    report([load(), load()])


def passes_a_dict():
    report({"a": load()})


def holds_deep():
    report([[load()]])


def adds_from_the_right():
    report(1 + load())


def compares_for_equality():
    if load() == 3:
        report()


def counts():
    report(title="a" * len(load()))


def converts():
    report(title=str(float(load())))


def calls():
    load()()


def passes_nothing_on():
    report(report())


NEEDS_A_VALUE = [
    asks_for_truth, goes_through, unpacks, looks_into, asks_for_an_attribute, compares, compares_for_equality, adds,
    adds_from_the_right, counts, converts, calls, passes_a_list, passes_a_dict, holds_deep, passes_nothing_on,
]  # fmt: skip


@pytest.mark.parametrize("body", NEEDS_A_VALUE)
def test_what_needs_a_value_that_is_not_there_yet_is_refused_with_a_cure(body: Any) -> None:
    with pytest.raises(DefinitionError) as refused:
        traced_of(body)

    assert len(str(refused.value).splitlines()) <= 2
    assert body.__name__ in str(refused.value) or "body" in str(refused.value)


def test_an_output_of_another_type_than_the_input_takes_is_refused() -> None:
    with pytest.raises(DefinitionError, match="report takes a str as 'title', but load gives a list"):
        traced_of(formats)


def open_ended():
    report(data=load())


def test_an_output_may_go_where_anything_is_taken() -> None:
    assert traced_of(open_ended).graph.edges == (("load", "report"),)


def too_many():
    load(1, 2)


def unknown_argument():
    load(m=1)


def bound_twice():
    load(1, n=2)


def wrong_type():
    load("many")


def wrong_constant():
    clean(load(), limit=[1])


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        (too_many, DefinitionError, "load"),
        (unknown_argument, DefinitionError, "'m'"),
        (bound_twice, DefinitionError, "'n'"),
        (wrong_type, ParameterError, "step load"),
        (wrong_constant, ParameterError, "limit"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_before_anything_runs(body: Any, error: type, said: str) -> None:
    with pytest.raises(error) as refused:
        traced_of(body)

    assert said in str(refused.value)
    assert body.__name__ in str(refused.value)


class Connection:
    """Something alive."""


LIVE = Connection()
FRAME = pd.DataFrame({"a": [1]})


def passes_something_alive():
    report(LIVE)


def passes_a_frame():
    report(FRAME)


def passes_it_in_a_list():
    report([1, LIVE])


@pytest.mark.parametrize("body", [passes_something_alive, passes_a_frame, passes_it_in_a_list])
def test_a_live_value_is_refused_with_its_argument_and_the_cure(body: Any) -> None:
    with pytest.raises(DefinitionError, match=r"report a \w+ as 'data', .* make a step that gives it"):
        traced_of(body)


def passes_plain_things():
    report({"a": (1, 2.5, None), "day": date(2026, 1, 2), "where": Path("a"), "names": {"x"}})
    report(b"\xff")
    report(Connection)
    report(float("nan"))


def test_data_and_what_is_text_may_be_passed(tmp_path: Path) -> None:
    traced = traced_of(passes_plain_things)

    assert traced.values["report"]["data"]["day"] == date(2026, 1, 2)
    assert traced.values["report_2"]["data"] == b"\xff"
    assert traced.values["report_3"]["data"] is Connection
    assert Graph.model_validate_json(traced.graph.model_dump_json()).digest == traced.graph.digest


def waits():
    first = load()
    report(after=first)
    report(after=["load", first])


def waits_for_nobody():
    report(after="ghost")


def test_a_step_can_wait_for_another_from_which_nothing_flows() -> None:
    assert traced_of(waits).graph.edges == (("load", "report"), ("load", "report_2"))
    with pytest.raises(DefinitionError, match="'ghost'"):
        traced_of(waits_for_nobody)


CHOSEN: list[Any] = []


def of_what_is_chosen(n: int = 3):
    for chosen in CHOSEN:
        data = clean(load(n), chosen) if chosen else load(n)
        report(data)
        report(data, title="again")


@pytest.mark.parametrize(
    "first, then",
    [([0.5], [0.5]), ([1], [True]), ([0.5], [0.5, 0.5]), ([0.5, None], [0.5]), ([None, 0.5], [0.5]), ([0.5], [0.25])],
)
def test_a_body_that_is_traced_again_leaves_what_it_calls_now(first: list[Any], then: list[Any]) -> None:
    definition = pipeline(of_what_is_chosen).definition
    CHOSEN[:] = first
    definition.trace({})

    CHOSEN[:] = then
    again = definition.trace({"n": 4})

    anew = traced_of(of_what_is_chosen, n=4)
    assert again.graph.as_json == anew.graph.as_json
    assert repr(again.values) == repr(anew.values)
    assert again.steps == anew.steps


def test_an_unchanged_body_leaves_the_very_same_graph() -> None:
    definition = pipeline(a_chain).definition

    assert definition.trace({"n": 1}).graph is definition.trace({"n": 2}).graph


def test_a_step_that_is_defined_anew_is_the_one_that_is_called() -> None:
    definition = pipeline(calls_the_current).definition
    definition.trace({})

    globals()["current"] = newer = step(load.function, name="load")

    assert definition.trace({}).steps == {"load": newer, "clean": clean}


current = load


def calls_the_current():
    clean(current())


def empty(): ...


def test_an_empty_pipeline_is_legal() -> None:
    assert traced_of(empty).graph.nodes == ()


inner = pipeline(a_chain)


def calls_a_pipeline():
    inner()


def test_a_pipeline_called_in_the_body_of_another_is_refused() -> None:
    with pytest.raises(DefinitionError, match="inside the body of another pipeline"):
        traced_of(calls_a_pipeline)


def raises():
    load()
    raise RuntimeError("body")


def test_a_body_that_raises_leaves_no_trace_behind() -> None:
    with pytest.raises(RuntimeError):
        traced_of(raises)

    assert load(2) == [0, 1]


def returns_a_tuple():
    train, test = split(load())
    return train, test, load()


def returns_several_unnamed():
    return load(), load(2), 5


def interrupted_at_once():
    raise KeyboardInterrupt


def interrupted_later():
    load()
    raise KeyboardInterrupt


@pytest.mark.parametrize("body", [interrupted_at_once, interrupted_later])
def test_a_body_that_is_interrupted_leaves_no_trace_behind(body: Callable[[], None]) -> None:
    with pytest.raises(KeyboardInterrupt):
        traced_of(body)

    assert current_trace() is None
    assert load(2) == [0, 1]


def test_what_a_body_returns_goes_by_its_output_or_its_node() -> None:
    assert list(traced_of(returns_a_tuple).graph.results) == ["train", "test", "load_2"]
    assert list(traced_of(returns_several_unnamed).graph.results) == ["load", "load_2"]


# Which parameter a value is, the text of the call says: equal values are often the same object.


@step
def weigh(left: float, right: float = 1.0, name: str = "x") -> float:
    return left * right


def crossed(a: int = 1, b: int = 1, left: float = 1, kind: str = "x", other: str = "x", flag: bool = True):
    weigh(b, a, other)
    weigh(right=b, left=a, name=kind)
    weigh(
        a,
        right=left,
    )
    weigh(1, 1, "x")
    [weigh(b, 2) for _ in range(1)]
    weigh(flag, float(b), name=kind or "none")
    weigh(*[2, 3], **{"name": "y"})


def rebinding(a: int = 1, b: int = 300):
    weigh(b, a)
    a = 1
    weigh(a)


def origins_of(node: Node) -> dict[str, str]:
    """Tell where each input comes from: the parameter's name, or `=` and the value."""
    return {
        name: origin.name if isinstance(origin, ParameterOf) else f"={origin.value}"
        for name, origin in node.inputs.items()
    }


def test_parameters_with_equal_values_are_told_apart_by_what_the_body_wrote() -> None:
    origins = [origins_of(node) for node in traced_of(crossed).graph.nodes]

    assert origins == [
        {"left": "b", "right": "a", "name": "other"},
        {"right": "b", "left": "a", "name": "kind"},
        {"left": "a", "right": "left"},
        {"left": "=1.0", "right": "=1.0", "name": "=x"},
        {"left": "b", "right": "=2.0"},
        {"left": "flag", "right": "=1.0", "name": "kind"},
        {"left": "=2.0", "right": "=3.0", "name": "=y"},
    ]


def test_a_name_that_the_body_binds_anew_is_no_parameter_for_certain() -> None:
    assert [origins_of(node) for node in traced_of(rebinding).graph.nodes] == [
        {"left": "b", "right": "=1.0"},
        {"left": "=1.0"},
    ]


def test_the_arrows_are_the_same_whatever_the_values() -> None:
    def arrows(**values: Any) -> list[dict[str, str]]:
        found = [origins_of(node) for node in traced_of(crossed, **values).graph.nodes]
        return [{name: said for name, said in one.items() if not said.startswith("=")} for one in found]

    assert arrows() == arrows(a=2) == arrows(a=7, b=300, left=300, kind="z", other="z")


def passed_on(rows: list = [1, 2], n: int = 1, other: int = 1):  # noqa: B006 — a value that is not plain text
    same = rows
    clean(same)
    through(other)


def through(value: int) -> None:
    load(value)


def test_where_the_text_does_not_say_it_a_parameter_is_known_by_its_object_and_else_not_guessed() -> None:
    nodes = traced_of(passed_on).graph.by_id

    assert origins_of(nodes["clean"])["data"] == "rows"
    assert origins_of(nodes["load"]) == {"n": "=1"}


# Values of a step's parameters: override, pipeline parameter, argument bound in the body, default.


def strongest(limit: float = 0.1):
    data = load(7)
    clean(data, limit)
    clean(data)


def limits(traced: Traced) -> dict[str, Any]:
    return {node: values.get("limit") for node, values in traced.values.items() if node.startswith("clean")}


def test_an_override_is_stronger_than_a_parameter_which_is_stronger_than_its_default() -> None:
    assert limits(traced_of(strongest)) == {"clean": 0.1, "clean_2": None}
    assert limits(traced_of(strongest, limit=0.2)) == {"clean": 0.2, "clean_2": None}
    overridden = with_step_values(traced_of(strongest, limit=0.2), {"clean": {"limit": 0.3}, "load": {"n": 9}})
    assert limits(overridden) == {"clean": 0.3, "clean_2": 0.3}
    assert overridden.values["load"] == {"n": 9}
    assert overridden.graph.by_id["load"].inputs["n"] == Constant(value=9)


@pytest.mark.parametrize("order", [["clean", "clean_2"], ["clean_2", "clean"]])
def test_what_is_said_of_one_call_is_stronger_than_what_is_said_of_its_step(order: list[str]) -> None:
    said = {"clean": {"limit": 1.0}, "clean_2": {"limit": 2.0}}

    overridden = with_step_values(traced_of(strongest), {name: said[name] for name in order})

    assert limits(overridden) == {"clean": 1.0, "clean_2": 2.0}


@pytest.mark.parametrize(
    ("overrides", "error", "said"),
    [
        ({"claen": {}}, NotFoundError, "Did you mean 'clean'"),
        ({"clean": {"limits": 1}}, ParameterError, "did you mean 'limit'"),
        ({"clean": {"data": []}}, ParameterError, "comes from step 'load'"),
        ({"clean": {"limit": "much"}}, ParameterError, "limit"),
    ],
)
def test_an_override_that_does_not_fit_is_refused_with_the_nearest(overrides: Any, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        with_step_values(traced_of(strongest), overrides)


def required(limit: float, n: int = 3):
    clean(load(n), limit)


def forgets():
    needs()


def test_a_required_value_may_stand_open_at_definition_and_is_asked_for_by_name() -> None:
    definition = pipeline(required).definition

    assert [node.id for node in definition.trace({}, partial=True).graph.nodes] == ["load", "clean"]
    with pytest.raises(ParameterError, match="limit  needs a value"):
        definition.trace({})
    open_one = traced_of(forgets)
    with pytest.raises(ParameterError, match="step needs") as refused:
        check_complete(open_one)
    assert refused.value.problems == {"value": "needs a value"}
    check_complete(with_step_values(open_one, {"needs": {"value": 3}}))


def decides(limit: float):
    if limit > 3:
        load()


def test_a_body_that_decides_by_a_required_value_says_so_when_it_is_looked_at_without_one() -> None:
    with pytest.raises(DefinitionError, match="limit"):
        pipeline(decides).definition.trace({}, partial=True)


@pytest.mark.parametrize("options", [{"name": ""}, {"name": 5}, {"name": "a\0"}, {"tags": "v1"}, {"model": "iris"}])
def test_a_pipeline_with_an_option_that_does_not_fit_is_refused(options: dict) -> None:
    with pytest.raises(BadValueError):
        pipeline(**options)(a_chain)


def takes_more(*values): ...


def test_a_pipeline_takes_named_values_only() -> None:
    with pytest.raises(DefinitionError, match=r"\*values"):
        pipeline(takes_more)


PLAN: list[tuple[str, Any]] = []
"""What `as_planned` calls, in order: a step, and a plain value or the place of an earlier answer."""


def as_planned(n: int = 3):
    given: list[Any] = [load(n)]
    for name, said in PLAN:
        reference = given[said % len(given)] if isinstance(said, int) else None
        match name:
            case "load":
                given.append(load(said))
            case "clean":
                given.append(clean(reference))
            case "limited":
                given.append(clean(reference, limit=0.5))
            case "split":
                given += split(reference)
            case "guarded":
                given.append(clean.when(reference)(given[0]))
            case "mapped":
                given.append(needs.map(reference))
    return given[-1]


CALLS = st.sampled_from(["load", "clean", "limited", "split", "guarded", "mapped"])
PLANS = st.lists(st.tuples(CALLS, st.integers(0, 3)), max_size=6)


@given(plans=st.lists(st.tuples(PLANS, st.integers(0, 3)), min_size=2, max_size=4))
def test_what_a_body_called_before_never_shows_in_what_it_calls_now(plans: list[Any]) -> None:
    known = pipeline(as_planned).definition
    for plan, n in plans:
        PLAN[:] = plan
        again, fresh = known.trace({"n": n}), pipeline(as_planned).definition.trace({"n": n})

        assert again.graph.as_json == fresh.graph.as_json
        assert repr(again.values) == repr(fresh.values)
        assert again.steps == fresh.steps
        assert [*again.steps] == [*fresh.steps] == [node.id for node in fresh.graph.nodes]
