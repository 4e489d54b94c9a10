"""The composer without a front end: what it offers, refuses and writes, and that it reads again what it wrote."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe import Model, pipeline, step
from nbpipe.commands.composing import Materials, PlainNames
from nbpipe.define.body import function_text, pipeline_from_body
from nbpipe.define.composing import composition_of
from nbpipe.define.grammar import PipelineLine, parse_pipeline
from nbpipe.errors import BadValueError, ConflictError, DefinitionError, NotFoundError
from nbpipe.graph.graph import Constant, OutputOf, ParameterOf
from nbpipe.handles import Pipeline
from nbpipe.records.composition import ComposedCall, ComposedParameter, Composition, FromCall, FromParameter
from nbpipe.records.composition import Literal as Written
from nbpipe.widgets import PipelineComposer


class Frame:
    """A type that nobody can type in."""


@step
def load(path: str = "birds.csv") -> Annotated[Frame, "raw"]:
    return Frame()


@step
def clean(raw: Frame) -> Annotated[Frame, "birds"]:
    return raw


@step
def split(birds: Frame, share: float = 0.25) -> tuple[Annotated[Frame, "training"], Annotated[Frame, "testing"]]:
    return birds, birds


@step
def train(training: Frame, kind: Literal["forest", "logistic"] = "forest", trees: int = 60) -> Annotated[dict, "model"]:
    return {}


@step
def evaluate(model: dict, testing: Frame) -> Annotated[float, "accuracy"]:
    return 0.5


@step
def tell(accuracy: float, limit: float) -> None: ...


@step
def mix(left, right):
    return left


@step
def again(trees: int = 60) -> int:
    return trees


@step
def other(trees: str = "oak") -> str:
    return trees


@step(name="load")
def numbers(size: int) -> Annotated[int, "raw"]:
    return size


@pipeline(tags=["training"])
def birding(share: float = 0.25, trees: int = 60) -> float:
    """Tell birds apart."""
    learned, held = split(clean(load()), share)
    model = train(learned, "logistic", trees=trees)
    return evaluate(model, held)


@pipeline
def looping() -> None:
    for _ in range(3):
        load()


def alarm() -> None: ...


@pipeline(model=Model(name="iris", version="production", tags=["v1"]), on_failure=alarm)
def hooked() -> None:
    clean(load())


STEPS = {one.name: one for one in (load, clean, split, train, evaluate, tell, mix)}
KNOWN = {**STEPS, "Frame": Frame, "Literal": Literal}


def composer(**names: Any) -> PipelineComposer:
    made = PipelineComposer(PlainNames({**KNOWN, **names}))
    assert made.widget.children
    return made


def composed(*steps: str) -> PipelineComposer:
    made = composer()
    made.name = "birding"
    for name in steps:
        made.add(name)
    return made


def chip(made: PipelineComposer, name: str) -> Any:
    return next(one for one in made._controls.chips.children if one.description == f"+ {name}")


# What is written ----------------------------------------------------------------------------------


def test_steps_that_are_picked_in_their_order_are_wired_as_a_user_would_have() -> None:
    made = composed("load", "clean", "split", "train", "evaluate")

    assert made.problems == {}
    assert made.text == "\n".join(
        [
            '%%pipeline birding(path: str = "birds.csv", share: float = 0.25, '
            'kind: Literal["forest", "logistic"] = "forest", trees: int = 60)',
            "raw = load(path=path)",
            "birds = clean(raw)",
            "training, testing = split(birds, share=share)",
            "model = train(training, kind=kind, trees=trees)",
            "evaluate(model, testing)",
        ]
    )


def test_tags_model_version_and_cache_stand_on_the_first_line() -> None:
    made = composed("load")
    made.use_default("load", "path")
    made.tags, made.model, made.version, made.cache = ["a b", "latest:exclusive"], "iris", "run-{run.id[:8]}", False

    first = made.text.partition("\n")[0]

    assert first == "%%pipeline birding --tag 'a b' --tag latest:exclusive --model 'iris@run-{run.id[:8]}' --no-cache"
    line = parse_pipeline(first.removeprefix("%%pipeline "))
    assert ([tag.name for tag in line.tags], line.model and line.model.version) == (
        ["a b", "latest"],
        "run-{run.id[:8]}",
    )


def test_presses_do_what_the_methods_do() -> None:
    made = composer()

    chip(made, "load").click()
    made._controls.step.value = "clean"
    made.add_button.click()
    made._controls.name.value = "birding"
    made.write_button.click()

    assert made.written == made.text == '%%pipeline birding(path: str = "birds.csv")\nraw = load(path=path)\nclean(raw)'
    assert made.message == "No notebook page is open here; copy the cell below."


def test_a_choice_in_the_list_of_an_input_feeds_it() -> None:
    made = composed("load", "clean", "split")
    row = made._parts.boxes["split"].rows["share"]

    offered = dict(row.choice.options)
    row.choice.value = offered["the step's own default (0.25)"]
    assert "share" not in made.composition.calls[2].inputs
    row.choice.value = dict(row.choice.options)["a value…"]
    row.value.value = "0.5"

    assert made.text.splitlines()[-1] == "split(birds, share=0.5)"


def test_only_outputs_that_fit_and_close_no_circle_are_offered() -> None:
    made = composed("load", "clean", "train", "evaluate")

    labels = [label for label, _ in made._parts.boxes["clean"].rows["raw"].choice.options]

    assert labels == [
        "load → raw: Frame",
        "parameter path",
        "parameter kind",
        "parameter trees",
        "new parameter raw",
        "a value…",
    ]


def test_one_parameter_feeds_all_inputs_of_its_name_type_and_default() -> None:
    made = PipelineComposer(PlainNames({**KNOWN, "again": again, "other": other}))
    made.name = "birding"
    for name in ("load", "train", "again", "other"):
        made.add(name)

    assert [one.text for one in made.composition.parameters] == [
        'path: str = "birds.csv"',
        'kind: Literal["forest", "logistic"] = "forest"',
        "trees: int = 60",
        'other_trees: str = "oak"',
    ]


def test_a_step_that_is_called_twice_has_two_keys_and_two_values() -> None:
    made = composed("load", "load")
    made.add("mix")
    made.wire("mix", "left", "load")
    made.wire("mix", "right", "load_2")

    assert made.text.splitlines()[1:] == ["raw = load(path=path)", "right = load(path=path)", "mix(raw, right)"]


# What is refused ----------------------------------------------------------------------------------


def test_a_wire_of_the_wrong_type_is_refused_and_changes_nothing() -> None:
    made = composed("load", "clean", "split", "train", "evaluate")
    before = made.composition

    with pytest.raises(DefinitionError, match=r"clean\.raw takes a Frame, but train gives a dict\."):
        made.wire("clean", "raw", "train")

    assert made.composition == before


def test_a_circle_is_refused() -> None:
    made = composed("load", "mix", "mix")
    made.wire("mix", "left", "load")
    made.wire("mix_2", "left", "mix")

    with pytest.raises(DefinitionError, match="runs in a circle: mix_2 → mix → mix_2"):
        made.wire("mix", "right", "mix_2")
    with pytest.raises(DefinitionError, match="runs in a circle"):
        made.wire("mix", "right", "mix")


def test_what_a_circle_leaves_to_be_mended_is_told_at_its_wires_and_not_drawn() -> None:
    made = composed("mix", "mix")
    made._composition = made.composition.fed("mix", "left", FromCall("mix_2", "output")).fed(
        "mix_2", "left", FromCall("mix", "output")
    )
    made.reload()

    assert {"mix.left", "mix_2.left"} <= made.problems.keys()
    assert "circle" in made.static().text


NO_NAMES = [
    ("", "needs a name"),
    ("1st", "is no name"),
    ("<script>alert(1)</script>", "is no name"),
    ("class", "word of Python's own"),
    ("load", "is the name of a step"),
    ("ü" * 5000, "longer than 255"),
]


def test_a_name_that_is_none_is_told_at_its_field() -> None:
    made = composed("load")

    for name, said in NO_NAMES:
        made.name = "birding"
        assert (made.problems, made.write_button.disabled) == ({}, False)

        made.name = name

        assert said in made.problems["name"], name
        assert made.write_button.disabled, name
        made.write_button.click()
        assert made.message.startswith("The pipeline cannot be written yet: name: "), name
        assert made.written == "", name


def test_a_missing_input_is_told_at_its_field() -> None:
    made = composed("clean")

    assert made.problems == {"clean.raw": "needs a value"}
    assert "needs a value" in made._parts.boxes["clean"].rows["raw"].note.value


def test_a_default_that_will_not_do_is_told_at_its_field() -> None:
    made = composed("load", "train")

    for default, said in [
        ("many", "means nothing here"),
        ("'six'", "should be a valid integer"),
        ("1 +", "is no value"),
        ("(", "is no value"),
    ]:
        made.set_parameter("trees", default="60")
        assert "parameter trees.default" not in made.problems, f"before {default}"

        made.set_parameter("trees", default=default)

        assert said in made.problems["parameter trees.default"], default


def test_a_parameter_can_have_no_name_that_is_taken() -> None:
    made = composed("load", "split")

    with pytest.raises(ConflictError, match="There is a parameter 'path' already"):
        made.set_parameter("share", name="path")
    made.set_parameter("share", name="load")

    assert "is the name of a step" in made.problems["parameter load"]
    assert made.composition.calls[1].inputs["share"] == FromParameter("load")


def test_a_default_with_a_lone_bracket_leaves_the_first_line_whole() -> None:
    made = composed("load")
    made.set_parameter("path", default='"a ) --tag ("')
    made.tags = ["v1"]

    line = parse_pipeline(made.text.partition("\n")[0].removeprefix("%%pipeline "))

    assert (line.signature, [tag.name for tag in line.tags]) == ('path: str = "a ) --tag ("', ["v1"])


def test_tags_that_are_none_are_told_at_their_field() -> None:
    made = composed("load")

    for tags, said in [
        (["a:b"], "has the flag"),
        (["v1", "v1"], "is there twice"),
        (["x" * 300], "Tag"),
        (["\x00"], "control character"),
    ]:
        made.tags = ["v1"]
        assert "tags" not in made.problems, f"before {tags}"

        made.tags = tags

        assert said in made.problems["tags"], tags


def test_values_of_the_wrong_kind_are_refused_with_a_typed_error() -> None:
    made = composed("load")

    for name, value in [("name", 3), ("tags", "v1"), ("tags", [1]), ("model", None), ("cache", "yes")]:
        with pytest.raises(BadValueError):
            setattr(made, name, value)
    with pytest.raises(NotFoundError, match=r"Did you mean 'clean'\?"):
        made.add("claen")
    with pytest.raises(NotFoundError):
        made.wire("load", "path", "nobody")
    with pytest.raises(NotFoundError):
        made.remove("nobody")
    with pytest.raises(DefinitionError, match="has no default"):
        made.use_default(made.add("clean"), "raw")


def test_what_others_wrote_is_never_read_as_html() -> None:
    evil = "<script>alert(1)</script>"
    named = step(name=evil)(load.function)
    made = PipelineComposer(PlainNames({"evil": named}))
    made.name, made.tags, made.model = evil, [evil], evil
    key = made.add("evil")
    made.use_value(key, "path", repr(evil))
    assert made.widget.children

    shown = [
        made.static().html,
        *(one.value for one in made._controls.page.children if hasattr(one, "value") and isinstance(one.value, str)),
    ]
    shown += [made._parts.boxes[key].title.value, made._parts.boxes[key].rows["path"].note.value]

    assert not any("<script>" in html for html in shown)


# What comes and goes ------------------------------------------------------------------------------


def test_a_step_that_is_redefined_meanwhile_is_told_at_what_fits_no_more() -> None:
    names: dict[str, Any] = {**KNOWN}
    made = PipelineComposer(PlainNames(names))
    assert made.widget.children
    made.name = "birding"
    made.add("load")
    made.add("clean")

    names["load"] = numbers
    made.write_button.click()

    assert made.problems == {
        "load.path": "load takes no 'path' any more; run its cell again, or leave it out",
        "load.size": "needs a value",
        "clean.raw": "takes a Frame, but load gives a int",
    }
    assert made.message.startswith("The pipeline cannot be written yet")
    del names["load"]
    made.look_button.click()
    assert made.problems["load"].startswith("load is no step of this notebook any more")
    made.remove("load")
    assert made.problems == {"clean.raw": "needs a value"}


def test_two_hundred_steps_are_offered_by_name_and_the_first_as_buttons() -> None:
    many = {f"step_{n}": step(name=f"step_{n}")(mix.function) for n in range(200)}
    made = PipelineComposer(PlainNames(many))
    made.name = "many"
    assert made.widget.children

    for name in ["step_0", "step_1", "step_199"]:
        made.add(name)
    made.wire("step_1", "left", "step_0")

    assert set(many) <= set(made._controls.step.options)
    assert len(made._controls.chips.children) == 24


def test_the_static_face_says_what_is_there_and_what_is_wrong() -> None:
    assert "nothing is put together yet" in composer().static().text
    made = composed("load", "clean")
    made.name = ""

    text = made.static().text

    assert "clean" in text
    assert "needs a name" in text
    assert made._repr_mimebundle_().keys() == {"text/plain", "text/html"}


def test_a_step_of_an_imported_module_is_imported_in_the_cell() -> None:
    made = PipelineComposer(PlainNames({"clean": clean}))
    made.name = "birding"

    key = made.add(f"{__name__}.load")
    made.add("clean")

    assert key == "load"
    assert made.text.splitlines()[1:] == [f"from {__name__} import load", "raw = load(path=path)", "clean(raw)"]


# What the page answers ----------------------------------------------------------------------------


def test_a_cell_that_was_written_is_written_anew_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbpipe.widgets.pipeline_composer.has_front_end", lambda: True)
    made = composed("load")
    sent: list[Any] = []
    monkeypatch.setattr(made._controls.writer, "send", sent.append)

    made.write_button.click()
    assert sent[0]["former"] is None
    made._controls.writer.answer({"do": "written", "id": "c1", "where": "below", "text": sent[0]["text"]})
    assert made.message == "Written below; run it to have the pipeline."
    made.add("clean")
    made.write_button.click()

    assert sent[1]["former"] == {"id": "c1", "text": sent[0]["text"]}
    made._controls.writer.answer({"do": "refused", "why": ""})
    assert made.message == "This page lets no cell be written. Copy the text shown here into a new cell."


# Round trips --------------------------------------------------------------------------------------


def defined(text: str, names: dict[str, Any]) -> Pipeline:
    first, _, body = text.partition("\n")
    return Pipeline(pipeline_from_body(parse_pipeline(first.removeprefix("%%pipeline ")), body, names))


def test_a_pipeline_that_a_user_wrote_is_opened() -> None:
    made = composer(birding=birding)
    made._controls.existing.value = "birding"
    made.open_button.click()

    assert made.text.splitlines() == [
        "%%pipeline birding(share: float = 0.25, trees: int = 60) --tag training",
        '"""Tell birds apart."""',
        "raw = load()",
        "birds = clean(raw)",
        "training, testing = split(birds, share=share)",
        "model = train(training, kind='logistic', trees=trees)",
        "evaluate(model, testing)",
    ]


def test_what_a_cell_cannot_say_of_a_pipeline_is_told_when_it_is_opened() -> None:
    made = composer(hooked=hooked)
    made._controls.existing.value = "hooked"

    made.open_button.click()

    assert made.message.endswith("leaves out, its hooks and the tags of its model.")
    assert made.text.partition("\n")[0] == "%%pipeline hooked --model iris@production"


@pytest.mark.parametrize(
    "body",
    [
        "x = load()\nx.head()",
        "load.map([1, 2])",
        "birds = clean(load(), 3)",
        "a = split(load())",
        "return 3",
        "clean(raw=load(), birds=1)",
        "train(split(load()))",
        "clean([load()])",
        "x = [load() for _ in range(2)]",
        "clean(*[load()])",
        "global y\nload()",
    ],
)
def test_a_body_that_is_no_row_of_calls_is_refused_with_a_typed_error(body: str) -> None:
    names = dict(KNOWN)
    materials = Materials(PlainNames(names))
    materials.look()
    text = function_text("mine", "n: int = 1", body)

    with pytest.raises(DefinitionError, match=r"change that cell itself"):
        composition_of(text, materials.offers, line=PipelineLine("mine"))


def test_a_pipeline_that_does_more_than_calling_steps_is_refused_with_its_line() -> None:
    made = composer(looping=looping)

    with pytest.raises(DefinitionError, match=r"looping does more than calling steps one after the other \(line 3\)"):
        made.open("looping")
    with pytest.raises(NotFoundError, match="Did you mean 'looping'"):
        made.open("loopin")


@step
def begin(size: int = 3) -> Annotated[int, "size_made"]:
    return size


@step
def part(whole, *, at: int = 5) -> tuple[Annotated[Any, "head"], Annotated[Any, "tail"]]:
    return whole, whole


@step
def note(thing) -> None: ...


SMALL = {one.name: one for one in (begin, mix, part, note)}
OUTPUTS = {"begin": ["size_made"], "mix": ["output"], "part": ["head", "tail"], "note": []}


@st.composite
def compositions(draw: st.DrawFn) -> Composition:
    calls: list[ComposedCall] = []
    parameters: list[ComposedParameter] = []
    given_outputs: list[FromCall] = []
    counts: dict[str, int] = {}
    for _ in range(draw(st.integers(1, 6))):
        name = draw(st.sampled_from(sorted(SMALL)))
        counts[name] = counts.get(name, 0) + 1
        key = name if counts[name] == 1 else f"{name}_{counts[name]}"
        inputs: dict[str, Any] = {}
        for argument, (_, default) in SMALL[name].signature.inputs.items():
            kinds = ["parameter", "literal", *(["output"] * 4 if given_outputs and name != "begin" else [])]
            kinds += ["default"] if isinstance(default, int | float) else []
            match draw(st.sampled_from(kinds)):
                case "output":
                    inputs[argument] = draw(st.sampled_from(given_outputs))
                case "literal":
                    inputs[argument] = Written(str(7000 + len(calls)))
                case "parameter":
                    # Values that are no other's: a trace tells parameters apart by their values.
                    fresh = f"p{len(parameters)}"
                    shared = draw(st.sampled_from([fresh, *(one.name for one in parameters)]))
                    if shared == fresh:
                        parameters.append(
                            ComposedParameter(fresh, "int", draw(st.sampled_from(["", str(9000 + len(parameters))])))
                        )
                    inputs[argument] = FromParameter(shared)
        after = (
            tuple(draw(st.lists(st.sampled_from([call.key for call in calls]), max_size=2, unique=True)))
            if calls
            else ()
        )
        calls.append(ComposedCall(key, name, inputs, after))
        given_outputs += [FromCall(key, output) for output in OUTPUTS[name]]
    returns = draw(st.sampled_from([None, (), *((feed,) for feed in given_outputs)]))
    shuffled = tuple(draw(st.permutations(calls)))
    tags = tuple(draw(st.lists(st.sampled_from(["v1", "latest:exclusive", "it's", "a b"]), unique=True, max_size=2)))
    return Composition("mine", shuffled, tuple(parameters), tags, cache=draw(st.booleans()), returns=returns)


def as_graph(draft: Composition) -> dict[str, Any]:
    def origin(feed: Any) -> Any:
        match feed:
            case FromCall():
                return OutputOf(node=feed.call, output=feed.output)
            case FromParameter():
                return ParameterOf(name=feed.name)
        return Constant(value=int(feed.text))

    return {call.key: ({name: origin(feed) for name, feed in call.inputs.items()}, call.after) for call in draft.calls}


@given(compositions())
def test_what_is_written_runs_as_the_graph_that_was_composed_and_is_read_as_the_same_choice(draft: Composition) -> None:
    names = dict(SMALL)
    materials = Materials(PlainNames(names))
    materials.look()
    assert materials.problems(draft) == {}
    text = materials.text(draft)

    made = defined(text, names)
    names["mine"] = made
    values = {one.name: 9500 + place for place, one in enumerate(draft.parameters) if not one.default}
    graph = made.definition.trace(values).graph

    ordered = draft.in_order()
    assert {node.id: (node.inputs, node.after) for node in graph.nodes} == as_graph(ordered)
    again = materials.opened("mine")
    assert materials.text(again) == text
    assert materials.results(again) == materials.results(ordered)
    assert (again.calls, again.parameters, again.tags, again.cache) == (
        ordered.calls, ordered.parameters, ordered.tags, ordered.cache,
    )  # fmt: skip
