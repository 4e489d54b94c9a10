"""Forms, driven as a user would drive them, without a front end."""

from __future__ import annotations

import threading
from datetime import date
from html.parser import HTMLParser
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr, create_model

from nbpipe.errors import BadValueError, ParameterError, UserError
from nbpipe.records.parameters import ParameterModel
from nbpipe.widgets.fields import walk
from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.written import same
from tests.widgets.models import Colour, Everything, Optimiser, Quarrelsome, Required, parameters

PATIENCE_S = 30


class Plain(ParameterModel):
    """Numbers with limits, for forms that run."""

    rate: float = Field(0.1, gt=0, lt=1, description="how <fast>")
    rows: int = Field(5, ge=0, le=1000)
    label: str = "first"


def form_of(model: type[BaseModel], **options: Any) -> ParameterForm:
    return ParameterForm(parameters(model), **options)


def all_html(form: ParameterForm) -> str:
    """Give all HTML that the live form shows."""
    found = []

    def gather(widget: Any) -> None:
        if type(widget).__name__ == "HTML":
            found.append(widget.value)
        for child in getattr(widget, "children", ()):
            gather(child)

    gather(form.widget)
    return "".join(found)


class Tags(HTMLParser):
    """The elements of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)


@pytest.mark.parametrize("name", list(Everything.model_fields))
def test_a_form_that_nobody_touched_gives_the_defaults_of_its_model(name: str) -> None:
    info = Everything.model_fields[name]
    model = create_model("One", __base__=ParameterModel, **{name: (info.annotation, info)})

    form = form_of(model)

    assert form.problems == {}
    assert form.changed == {}
    assert same(form.value[name], getattr(model(), name))


def test_a_form_of_every_kind_of_field_gives_the_defaults_also_after_a_reset() -> None:
    form = form_of(Everything)

    form.reset()

    assert same(form.value, dict(Everything()))
    assert form.changed == {}


WILL_NOT_DO: list[tuple[str, Any]] = [
    ("whole", "three"),
    ("bounded", -4),
    ("bounded", 1001),
    ("small", 101),
    ("fives", 7),
    ("positive", 0),
    ("real", "fast"),
    ("share", 1.0),
    ("few", "boosted"),
    ("colour", "blue"),
    ("flag", "perhaps"),
    ("text", 7),
    ("day", "someday"),
    ("moment", "then"),
    ("said_aware", "2026-01-02T03:04:05"),
    ("clock", "25:00"),
    ("maybe", "x"),
    ("maybe_limited", 9),
    ("tags", 5),
    ("numbers", ["x"]),
    ("pair", [1]),
    ("mapping", '{"a": '),
    ("place", 5),
    ("optimiser", {"rate": 2}),
    ("optimiser", 5),
    ("optimiser.rate", 0),
    ("optimiser.steps", 99),
    ("span", "long"),
    ("ident", "no id"),
    ("odd", "even"),
]


def test_a_value_that_will_not_do_is_told_beside_its_field_and_nothing_can_run() -> None:
    form = form_of(Everything, run=dict)

    for name, bad in WILL_NOT_DO:
        assert (form.problems, form.run_button.disabled) == ({}, False), f"before {name} = {bad!r}"
        assert "✗" not in all_html(form), f"before {name} = {bad!r}"

        form.set(name, bad)

        said = f"{name} = {bad!r}"
        assert all(path == name or path.startswith(f"{name}.") for path in form.problems), said
        assert form.problems, said
        assert "✗" in all_html(form), said
        assert form.run_button.disabled, said
        assert name.partition(".")[0] in form.run_button.tooltip, said
        with pytest.raises(ParameterError):
            form.value  # noqa: B018
        form.reset()


SET: list[tuple[str, Any, Any]] = [
    ("whole", -7, -7),
    ("whole", 10**400, 10**400),
    ("real", float("nan"), float("nan")),
    ("infinite", 1.5, 1.5),
    ("small", 100, 100),
    ("colour", "r", Colour.RED),
    ("colour", Colour.RED, Colour.RED),
    ("day", "2026-05-06", date(2026, 5, 6)),
    ("maybe", 5, 5),
    ("maybe_set", None, None),
    ("maybe_text", None, None),
    ("with_none", "a", "a"),
    ("text", "", ""),
    ("text", "two\nlines \u202e\x00", "two\nlines \u202e\x00"),
    ("tags", [], []),
    ("numbers", [float("nan")], (float("nan"),)),
    ("optimiser.rate", 0.5, Optimiser(rate=0.5)),
    ("maybe_optimiser", {"rate": 0.5}, Optimiser(rate=0.5)),
    ("anything", "[1, 2]", "[1, 2]"),
    ("anything", [1, (2, 3)], [1, (2, 3)]),
    ("either", 5, 5),
]


def test_a_value_that_is_set_is_the_one_that_is_given_and_counts_as_changed() -> None:
    form = form_of(Everything)

    for name, value, expected in SET:
        form.set(name, value)

        top = name.partition(".")[0]
        assert form.problems == {}, (name, value)
        assert same(form.value[top], expected), (name, value)
        assert list(form.changed) == [top], (name, value)
        form.reset()


def test_what_is_typed_into_a_text_is_read_as_data_or_as_itself() -> None:
    form = form_of(Everything)
    controls = {field.path: field.control for field in form._fields}

    controls["mapping"].widget.value = '{"b": 2}'
    controls["anything"].widget.value = "plain words"
    controls["either"].widget.value = "12"
    controls["exact"].widget.value = "0.30000000000000000000003"

    value = form.value
    assert value["mapping"] == {"b": 2}
    assert value["anything"] == "plain words"
    assert value["either"] == 12
    assert str(value["exact"]) == "0.30000000000000000000003"


def test_a_value_set_back_to_what_it_was_is_not_changed() -> None:
    form = form_of(Plain)

    form.set("rate", 0.5)
    form.set("rate", 0.1)

    assert form.changed == {}


def test_changed_is_told_against_the_values_that_the_form_began_with() -> None:
    form = form_of(Plain, values={"rate": 0.3})

    form.set("rows", 6)
    form.set("label", "second")
    form.set("label", "first")

    assert form.value == {"rate": 0.3, "rows": 6, "label": "first"}
    assert form.changed == {"rows": 6}
    assert "was 5" in all_html(form)


class Forest(BaseModel):
    kind: Literal["forest"] = "forest"
    trees: int = 100


class Logistic(BaseModel):
    kind: Literal["logistic"] = "logistic"
    penalty: float = Field(1.0, gt=0)


class Chosen(ParameterModel):
    method: Forest | Logistic = Forest()
    told: Annotated[Forest | Logistic, Field(discriminator="kind")] | None = None
    mixed: Forest | int | str = 5


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("method", Logistic(penalty=2), Logistic(penalty=2)),
        ("method", {"kind": "logistic"}, Logistic()),
        ("told", {"kind": "forest", "trees": 3}, Forest(trees=3)),
        ("mixed", Forest(trees=4), Forest(trees=4)),
        ("mixed", "7", "7"),
        ("mixed", 7, 7),
    ],
)
def test_one_of_several_types_is_chosen_and_has_its_own_control(name: str, value: Any, expected: Any) -> None:
    form = form_of(Chosen)

    form.set(name, value)

    assert form.problems == {}
    assert same(form.value[name], expected)
    form.reset()
    assert form.changed == {}


def test_a_field_of_the_variant_that_is_chosen_is_told_what_is_wrong_with_it() -> None:
    form = form_of(Chosen)
    field = next(field for field in form._fields if field.name == "method")

    field.control.choice.index = 1
    form.set("method.penalty", -1)

    assert form.problems == {"method.penalty": "should be greater than 0 (got -1.0)"}
    assert [inner.name for inner in field.inner()] == ["kind", "penalty"]
    form.set("method.penalty", 3)
    assert form.value["method"] == Logistic(penalty=3)


@pytest.mark.parametrize(
    ("annotation", "start", "typed", "said"),
    [
        (dict[str, int], {"a": 1}, '{"a": 1,}', "is no JSON: expecting property name enclosed in double quotes"),
        (list[list[int]], [[1]], "[[1]", "is no JSON: expecting ',' delimiter"),
        (list[Forest], [Forest()], "[" * 5000, "is no JSON that can be read: it is nested too deeply"),
    ],
    ids=["mapping", "lists", "deep"],
)
def test_a_text_that_is_no_json_is_told_where(annotation: Any, start: Any, typed: str, said: str) -> None:
    form = form_of(create_model("One", __base__=ParameterModel, it=(annotation, start)))

    next(iter(form._fields)).control.widget.value = typed

    assert form.problems["it"].startswith(said)


def test_values_from_a_record_are_shown_in_their_own_controls() -> None:
    form = form_of(Everything, values={"day": "2026-05-06", "colour": "r", "optimiser": {"rate": 0.5}, "place": "x"})

    assert form.value["day"] == date(2026, 5, 6)
    assert form.value["optimiser"].rate == 0.5
    assert [type(field.control.widget).__name__ for field in form._fields if field.name == "day"] == ["DatePicker"]


def test_none_is_not_the_empty_text_nor_zero() -> None:
    form = form_of(Everything)
    field = next(field for field in form._fields if field.name == "maybe_text")

    before = form.value["maybe_text"]
    field.control.box.value = False

    assert (before, form.value["maybe_text"]) == ("", None)
    assert field.control.inner.widget.disabled


def test_what_is_seen_counts_once_a_value_is_said_to_be_set() -> None:
    form = form_of(Everything)
    field = next(field for field in form._fields if field.name == "maybe")

    field.control.box.value = True

    assert form.value["maybe"] == field.control.inner.widget.value == 0


def test_a_required_value_is_asked_for_and_never_made_up() -> None:
    form = form_of(Required, run=dict)

    assert set(form.problems) == {"rows", "name", "flag", "kind", "day"}
    assert set(form.problems.values()) == {"needs a value"}
    assert form.run_button.disabled


def test_required_values_that_are_given_are_taken() -> None:
    form = form_of(Required)
    given = {"rows": 3, "name": "", "flag": False, "kind": "b", "day": date(2026, 1, 1)}

    for name, value in given.items():
        form.set(name, value)

    assert form.value == {**given, "rate": 0.5}
    assert form.changed == given


def test_an_emptied_control_asks_for_a_value_instead_of_taking_an_unseen_default() -> None:
    form = form_of(Everything)

    for name in ("day", "place"):
        control = next(field.control for field in form._fields if field.name == name)
        control.widget.value = "" if name == "place" else None

    assert form.problems == {"day": "needs a value", "place": "needs a value"}


def test_a_rule_that_breaks_is_a_sentence_and_the_form_goes_on() -> None:
    form = form_of(Quarrelsome)

    form.set("low", 5)
    broken = form.problems
    form.set("low", 1)
    form.set("high", -1)

    assert broken == {"value": "a rule of the model failed: ZeroDivisionError: integer division or modulo by zero"}
    assert form.problems == {"value": "high must not be <negative>"}
    assert "&lt;negative&gt;" in all_html(form)


def test_a_form_opens_on_values_that_will_not_do() -> None:
    form = form_of(Plain, values={"rate": 7})

    assert form.problems == {"rate": "should be less than 1 (got 7)"}


def test_a_value_for_no_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ParameterError, match=r"rte\s+is not known here; did you mean 'rate'"):
        form_of(Plain, values={"rte": 1})
    with pytest.raises(ParameterError, match="did you mean 'rows'"):
        form_of(Plain).set("row", 1)


def test_a_factory_that_fails_leaves_the_field_empty_and_the_form_open() -> None:
    class Late(ParameterModel):
        rows: int = 2
        double: int = Field(default_factory=lambda values: values["rows"] * 2)

    form = form_of(Late)

    assert form.value == {"rows": 2, "double": 4}


def test_a_form_without_parameters_runs() -> None:
    form = form_of(create_model("Nothing", __base__=ParameterModel), run=lambda values: values)

    form.run_button.click()

    assert form.wait(PATIENCE_S) == {}
    assert "none" in form.static().text


def test_a_form_of_sixty_fields_holds_all_of_them() -> None:
    fields: dict[str, Any] = {f"p{number}": (int, number) for number in range(60)}
    form = form_of(create_model("Sixty", __base__=ParameterModel, **fields))

    form.set("p59", -1)

    assert len(form.value) == 60
    assert form.changed == {"p59": -1}


# Running -----------------------------------------------------------------------------------


def test_run_is_given_every_value_and_its_result_is_shown() -> None:
    class Answer:
        def _repr_html_(self) -> str:
            return "<b>0.97</b>"

    seen: list[dict[str, Any]] = []
    answer = Answer()
    form = form_of(Plain, run=lambda values: (seen.append(values), answer)[1])
    form.set("rows", 7)

    form.run_button.click()

    assert form.wait(PATIENCE_S) is answer
    assert seen == [{"rate": 0.1, "rows": 7, "label": "first"}]
    assert "<b>0.97</b>" in all_html(form)
    assert not form.run_button.disabled


def test_the_result_of_a_second_run_replaces_that_of_the_first() -> None:
    form = form_of(Plain, run=lambda values: f"made {values['rows']}")

    for rows in (6, 7):
        form.set("rows", rows)
        form.run_button.click()
        form.wait(PATIENCE_S)

    assert "made 7" in all_html(form)
    assert "made 6" not in all_html(form)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("No <b>data</b> here.\nLoad it first."), "No <b>data</b> here.\nLoad it first."),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (RuntimeError(), "RuntimeError"),
        (KeyboardInterrupt(), "Interrupted."),
        (SystemExit(3), "SystemExit: 3"),
        (ValueError("one\ntwo\nthree"), "ValueError: one\ntwo (and 1 more line)"),
    ],
)
def test_an_error_of_the_run_is_told_in_a_line_or_two_and_the_form_goes_on(error: BaseException, said: str) -> None:
    def run(values: dict[str, Any]) -> None:
        raise error

    form = form_of(Plain, run=run)

    form.run_button.click()
    with pytest.raises(type(error)):
        form.wait(PATIENCE_S)

    assert form.message == said
    assert "Traceback" not in all_html(form)
    assert Tags(all_html(form)).found <= {"div", "span", "pre"}
    assert not form.run_button.disabled


def test_two_presses_at_once_start_one_run() -> None:
    go_on, runs = threading.Event(), []

    def run(values: dict[str, Any]) -> int:
        runs.append(values)
        go_on.wait(PATIENCE_S)
        return len(runs)

    form = form_of(Plain, run=run)
    form.run_button  # noqa: B018 — made before the threads press it
    barrier = threading.Barrier(4)

    def press() -> None:
        barrier.wait(PATIENCE_S)
        form.run_button.click()

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    while_running = (form.run_button.disabled, form.run_button.tooltip)
    go_on.set()

    assert form.wait(PATIENCE_S) == 1
    assert while_running == (True, "Running…")
    assert len(runs) == 1


def test_a_press_returns_while_the_run_goes_on_and_waiting_has_an_end() -> None:
    go_on = threading.Event()
    form = form_of(Plain, run=lambda values: go_on.wait(PATIENCE_S))

    form.run_button.click()
    with pytest.raises(TimeoutError):
        form.wait(0.01)
    go_on.set()

    assert form.wait(PATIENCE_S) is True


def test_nothing_runs_while_a_value_will_not_do() -> None:
    runs: list[Any] = []
    form = form_of(Plain, run=runs.append)
    form.set("rate", 5)

    form.run_button.click()

    with pytest.raises(UserError, match="Press Run first"):
        form.wait(PATIENCE_S)
    assert runs == []


def test_a_form_without_run_has_no_run_button_on_it() -> None:
    form = form_of(Plain)

    shown = [child.description for row in form.widget.children for child in getattr(row, "children", ()) if
             type(child).__name__ == "Button"]  # fmt: skip

    assert shown == ["Reset"]


# The equivalent code -----------------------------------------------------------------------


def test_the_equivalent_call_and_command_say_the_changed_values_only() -> None:
    form = form_of(
        Plain,
        call_text=lambda changed: f"training({', '.join(f'{name}={value!r}' for name, value in changed.items())})",
        command_text=lambda changed: " ".join(["nbpipe run training", *(f"--set {n}={v}" for n, v in changed.items())]),
    )
    before = all_html(form)

    form.set("label", "<script>alert(1)</script>")

    assert "training()" in before
    assert "training(label=&#39;&lt;script&gt;alert(1)&lt;/script&gt;&#39;)" in all_html(form)
    assert "--set label=&lt;script&gt;" in all_html(form)
    assert "rows" not in all_html(form).partition("Python")[2]


# Secrets -----------------------------------------------------------------------------------


class Login(ParameterModel):
    token: SecretStr = SecretStr("start-secret")
    inner: Optimiser = Optimiser()
    pin: SecretStr = Field(SecretStr("12345678"), min_length=8)


def everything_held(form: ParameterForm) -> str:
    """Give the state of every widget of the form, as it goes to a front end and into a saved notebook."""
    found = []

    def gather(widget: Any) -> None:
        found.append(repr(widget.get_state()))
        for child in getattr(widget, "children", ()):
            gather(child)

    gather(form.widget)
    return "".join(found) + form.static().html + form.static().text


def test_a_secret_is_used_and_never_shown() -> None:
    form = form_of(Login, call_text=repr, command_text=repr)
    form.widget  # noqa: B018

    form.set("token", "typed-secret")
    next(field for field in walk(form._fields) if field.path == "inner.key").control.widget.value = "inner-secret"
    form.set("pin", "short-1")

    assert "pin" in form.problems
    held = everything_held(form) + repr(form.problems)
    for secret in ("start-secret", "typed-secret", "inner-secret", "12345678", "short-1"):
        assert secret not in held
    form.set("pin", "long-enough")
    assert form.value["token"].get_secret_value() == "typed-secret"
    assert form.value["inner"].key.get_secret_value() == "inner-secret"


def test_a_secret_that_nobody_touched_is_kept() -> None:
    assert form_of(Login).value["token"].get_secret_value() == "start-secret"


# Hostile words -----------------------------------------------------------------------------


@given(
    word=st.text(min_size=1) | st.sampled_from(["<script>x</script>", '"><img src=x onerror=y>', "</pre><b>", "&lt;"])
)
def test_no_word_of_the_user_becomes_an_element(word: str) -> None:
    fields: dict[str, Any] = {
        "text": (str, Field(word, description=word)),
        "number": (int, Field(3, description=word)),
        "choice": (Literal[word], word),
    }
    model = create_model("Hostile", __base__=ParameterModel, **fields)
    form = form_of(model, title=word, call_text=repr, command_text=lambda _: word)

    form.set("number", word)
    form.set("text", word + "!")

    assert Tags(all_html(form)).found <= {"div", "span", "pre"}
    assert Tags(form.static().html).found <= {"div", "span", "b", "table", "thead", "tbody", "tr", "th", "td"}


# Any model ---------------------------------------------------------------------------------

VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: st.floats(),
    bool: st.booleans(),
    str: st.text(),
    int | None: st.none() | st.integers(),
    str | None: st.none() | st.text(),
    date: st.dates(),
    list[str]: st.lists(st.text(), max_size=3),
    list[int]: st.lists(st.integers(), max_size=3),
    set[float]: st.sets(st.floats(allow_nan=False), max_size=3),
    dict[str, float]: st.dictionaries(st.text(), st.floats(), max_size=3),
    int | str: st.integers() | st.text(),
    Any: st.none() | st.text() | st.lists(st.integers(), max_size=3),
}
PAIRS = st.sampled_from(list(VALUES)).flatmap(lambda kind: VALUES[kind].map(lambda value: (kind, value)))


@given(pairs=st.lists(PAIRS, max_size=6))
def test_a_form_of_any_model_gives_what_the_model_gives(pairs: list[tuple[Any, Any]]) -> None:
    fields: dict[str, Any] = {f"p{place}": pair for place, pair in enumerate(pairs)}
    model = create_model("Some", __base__=ParameterModel, **fields)

    form = form_of(model)

    assert same(form.value, dict(model()))
    assert form.changed == {}


@given(pair=PAIRS, other=st.data())
def test_a_form_gives_any_value_that_is_set(pair: tuple[Any, Any], other: st.DataObject) -> None:
    kind, value = pair
    form = form_of(create_model("One", __base__=ParameterModel, it=(kind, value)))
    wanted = other.draw(VALUES[kind])

    form.set("it", wanted)

    assert same(form.value["it"], wanted)
    assert ("it" in form.changed) == (not same(value, wanted))


def test_a_bad_value_error_is_what_a_form_raises() -> None:
    assert issubclass(ParameterError, BadValueError)
