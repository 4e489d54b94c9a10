from __future__ import annotations

import ast
import builtins
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.source.names import Names, names_of


def names(text: str) -> Names:
    return names_of(ast.parse(text))


def outside(text: str) -> set[str]:
    """The names read from outside, builtins left out."""
    return {name for name in names(text).reads if not hasattr(builtins, name)}


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("y = x", {"x"}),
        ("x = 1\ny = x", set()),
        ("y = x\nx = 1", {"x"}),
        ("x += 1", {"x"}),
        ("x[0] = 1", {"x"}),
        ("x.a = 1", {"x"}),
        ("del x", {"x"}),
        ("x = 1\ndel x\nprint(x)", {"x"}),
        ("x: int = y", {"y"}),
        ("x: Row", {"Row"}),
        ("if a:\n    x = 1\nprint(x)", {"a", "x"}),
        ("if a:\n    x = 1\nelse:\n    x = 2\nprint(x)", {"a"}),
        ("if a:\n    raise E\nelse:\n    x = 2\nprint(x)", {"a", "E"}),
        ("for i in rows:\n    x = i\nprint(x, i)", {"rows", "x", "i"}),
        ("while a:\n    a = f(a)", {"a", "f"}),
        ("with f() as x:\n    y = x\nprint(y)", {"f"}),
        ("try:\n    import a\nexcept ImportError:\n    a = None\nprint(a)", set()),
        ("try:\n    x = 1\nexcept E as e:\n    print(e)\nprint(x, e)", {"E", "x", "e"}),
        ("try:\n    f()\nfinally:\n    x = 1\nprint(x)", {"f"}),
        ("try:\n    x = 1\nexcept E:\n    x = 2\nfinally:\n    del x\nprint(x)", {"E", "x"}),
        ("match p:\n    case {'a': x, **rest}:\n        print(x, rest)\nprint(x)", {"p", "x"}),
        ("match p:\n    case [x, *xs]:\n        y = 1\n    case x:\n        y = 2\nprint(x, y)", {"p"}),
        ("import a.b, c as d\nprint(a, d, c)", {"c"}),
        ("[x for x in xs if x > low]", {"xs", "low"}),
        ("[y for x in xs for y in x]", {"xs"}),
        ("[x for x in x]", {"x"}),
        ("any((hit := x) for x in xs)\nprint(hit)", {"xs"}),
        ("f = lambda a, b=c: a + b + d", {"c", "d"}),
        ("def f(a, *b, k=c, **d) -> R:\n    e = a\n    return e, b, k, d, g", {"c", "R", "g"}),
        ("def f():\n    return x\nx = 1", set()),
        ("def f():\n    return x\nf()\nx = 1", {"x"}),
        ("def f():\n    return x\nif a:\n    x = 1", {"a", "x"}),
        ("def f():\n    return g()\ndef g():\n    return f()", set()),
        ("def f():\n    return g()\ndef g():\n    return x\ny = f()\nx = 1", {"x"}),
        ("def f():\n    def g():\n        nonlocal n\n        n += z\n    n = 0\n    return g", {"z"}),
        ("def f():\n    global n\n    n += 1", {"n"}),
        ("def f():\n    for i in xs:\n        pass\n    return i", {"xs"}),
        ("df.apply(lambda r: r * rate)\nrate = 2", {"df", "rate"}),
        ("class A(B):\n    n = 1\n    m = n + k\n    def f(self):\n        return n, A", {"B", "k", "n"}),
        ("class A:\n    n = 1\n    xs = [n for _ in range(3)]", {"n"}),
        ("class A:\n    n = n", {"n"}),
        ("class A:\n    def f(self) -> A:\n        return x\nx = 1", {"A"}),
        ("from __future__ import annotations\nclass A:\n    def f(self) -> A: ...", set()),
        ("@d(e)\ndef f(): ...", {"d", "e"}),
        ("def f(a: 'Row', b: Literal['x']): ...", {"Row", "Literal"}),
        ("print(f'{a!r:{w}}')", {"a", "w"}),
        ("async def f():\n    async for x in y:\n        await z(x)", {"y", "z"}),
        ("x = await f()", {"f"}),
    ],
)
def test_names_read_from_outside_are_those_python_may_look_up_before_the_piece_binds_them(text, reads):
    assert outside(text) == reads


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ("a = b, *c = d[0] = 1, 2", {"a", "b", "c"}),
        ("for a, (b, c) in x: pass", {"a", "b", "c"}),
        ("with f() as (a, b): pass", {"a", "b"}),
        ("try: pass\nexcept E as e: pass", set()),
        ("import a.b, c.d as e\nfrom f import g, h as i", {"a", "e", "g", "i"}),
        ("def f():\n    a = 1\nclass C:\n    b = 1", {"f", "C"}),
        ("def f():\n    global a\n    a = 1", {"f", "a"}),
        ("[(a := x) for x in y]", {"a"}),
        ("a: int\nb: int = 1", {"b"}),
        ("match x:\n    case [a, {'k': b, **c}] | P(q=d) as e: pass", {"a", "b", "c", "d", "e"}),
        ("from __future__ import annotations", set()),
        ("a += 1", {"a"}),
        ("try: pass\nexcept* E:\n    a = 1", {"a"}),
    ],
)
def test_names_bound_are_those_the_piece_may_leave_behind(text, binds):
    assert set(names(text).binds) == binds


def test_lines_are_those_of_the_first_read_and_the_first_binding():
    found = names("a = 1\nprint(b)\nb = a\nb = b")

    assert found.reads["b"] == 2
    assert found.binds == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "deleted"), [("x = 1\ndel x", True), ("del x\nx = 1", False), ("if a:\n    del x", False)]
)
def test_a_name_is_deleted_only_if_that_is_certainly_its_end(text, deleted):
    assert ("x" in names(text).deletes) is deleted


@pytest.mark.parametrize(
    "text",
    [
        "df['a'] = 1",
        "df.loc[0, 'a'] += 1",
        "del df['a']",
        "df.sort_values('a', inplace=True)",
        "fit(df)",
        "fit(data=[df])",
        "fit(*df)",
        "df += 1",
        "def f():\n    df['a'] = 1",
        "df.columns = ['a']",
    ],
)
def test_what_may_change_an_object_in_place_touches_its_name(text):
    assert "df" in names(text).touches


@pytest.mark.parametrize("text", ["x = df", "x = df['a'] + 1", "def f(df):\n    df['a'] = 1", "df()"])
def test_what_only_reads_an_object_does_not_touch_it(text):
    assert "df" not in names(text).touches


def test_only_what_every_path_binds_is_certain():
    found = names("a = 1\nif a:\n    b = 1\n    c = 1\nelse:\n    b = 2\nfor d in []:\n    pass")

    assert found.certain == {"a", "b"}


def test_what_functions_read_is_late_and_what_only_annotations_quote_is_soft():
    found = names("def f(a: 'Row' = now) -> int:\n    return later")

    assert found.late == {"later"}
    assert found.soft == {"Row"}
    assert set(found.reads) == {"now", "int", "later", "Row"}


def test_names_that_only_a_function_sets_are_declared():
    assert names("def f():\n    global n\n    n = 1").declared == {"n"}
    assert names("n = 0\ndef f():\n    global n\n    n = 1").declared == set()


def test_star_imports_are_given_by_module():
    assert names("from math import *\nfrom .near import *").star_imports == ("math", ".near")


def test_a_sum_of_two_thousand_terms_is_read_without_reaching_the_recursion_limit():
    found = names("total = " + " + ".join(f"t{n}" for n in range(2000)))

    assert len(found.reads) == 2000


class _Watched(dict[str, Any]):
    """A namespace that tells which names were looked up while they were not bound in it."""

    def __init__(self) -> None:
        super().__init__()
        self.missed: set[str] = set()

    def __missing__(self, name: str) -> int:
        self.missed.add(name)
        return 3


SIMPLE = st.sampled_from(
    [
        "a = b",
        "b = c + 1",
        "c += a",
        "d = [a for a in range(b % 3)]",
        "a, b = b, a",
        "del c",
        "(e := a)",
        "import math as d",
        "b: int = 4",
        "class a:\n    b = c\n    c = b",
        "f'{a}{e}'",
    ]
)


def _indented(lines: str) -> str:
    return "\n".join(f"    {line}" for line in lines.splitlines())


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3).map("\n".join).map(_indented)
    return st.one_of(
        st.tuples(body, body).map(lambda two: f"if e:\n{two[0]}\nelse:\n{two[1]}"),
        body.map(lambda one: f"for a in range(2):\n{one}"),
        body.map(lambda one: f"while False:\n{one}"),
        st.tuples(body, body).map(lambda two: f"try:\n{two[0]}\nexcept Exception as e:\n{two[1]}"),
        st.tuples(body, body).map(lambda two: f"try:\n{two[0]}\nexcept Exception:\n    c = 0\nfinally:\n{two[1]}"),
        st.tuples(body, body).map(lambda two: f"match a:\n  case 3:\n{two[0]}\n  case _:\n{two[1]}"),
    )


@given(st.lists(st.recursive(SIMPLE, _compound, max_leaves=6), min_size=1, max_size=6).map("\n".join))
def test_no_program_looks_up_or_leaves_behind_a_name_that_was_not_told(text):
    told = names(text)
    namespace = _Watched()

    try:
        exec(compile(text, "<program>", "exec", dont_inherit=True), {}, namespace)
    except Exception:
        completed = False
    else:
        completed = True

    assert namespace.missed - {*dir(builtins), "__annotations__"} <= set(told.reads)
    assert set(namespace) - {"__annotations__"} <= set(told.binds)
    if completed:
        assert told.certain <= set(namespace)
        assert not told.deletes & set(namespace)
