"""Whatever a name, value, tag or error holds, it comes out as text in every form of every view."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbpipe.views.cards import (
    artifact_card,
    model_card,
    model_version_card,
    pipeline_card,
    run_card,
    snapshot_card,
    step_card,
    tag_card,
)
from nbpipe.views.comparison import charts, comparison_card
from nbpipe.views.dag import DagEdge, DagNode, dag_html, dag_svg, dag_text
from nbpipe.views.frames import Bundle
from nbpipe.views.ink import PAGE
from nbpipe.views.lineage import lineage_card
from nbpipe.views.markup import render
from nbpipe.views.previews import preview_html, preview_text
from nbpipe.views.tables import Table, table_html, table_text
from tests.views.facts_full import (
    every_preview,
    full_artifact,
    full_comparison,
    full_lineage,
    full_model,
    full_model_version,
    full_pipeline,
    full_run,
    full_snapshot,
    full_step,
    full_tag,
)

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<script src=//evil.example></script>",
    "<img src=x onerror=alert(1)>",
    "<img src='x' onerror='alert(1)'/>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=data:text/html;base64,PHNjcmlwdD4=></object>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<form action=javascript:alert(1)><input type=submit>",
    "<input autofocus onfocus=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<body onload=alert(1)>",
    "<style>*{background:url(javascript:alert(1))}</style>",
    "<link rel=stylesheet href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//evil.example/>",
    "<math><mi//xlink:href='javascript:alert(1)'>",
    "<table background=javascript:alert(1)>",
    "<div style='width:expression(alert(1))'>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--<img src='--><img src=x onerror=alert(1)//'>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "]]><script>alert(1)</script>",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    '" onmouseover="alert(1)" x="',
    "' onmouseover='alert(1)' x='",
    "` onmouseover=alert(1) x=`",
    "x onmouseover=alert(1)",
    "javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\u003cscript\\u003ealert(1)",
    "<\x00script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>",
    "＜script＞alert(1)＜/script＞",
    "a\x1b[2J\x1b]0;owned\x07",
    "safe\u202eexe.txt",
    "half \ud800 a pair",
    "line one\nline two\r\nthree\u2028four",
    "url(#arrow)",
    "expression(alert(1)); color:red",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "</title><script>alert(1)</script>",
    "</pre></div></table><script>alert(1)</script>",
    "</text></svg><script>alert(1)</script>",
    "x" * 3_000 + "<script>",
]


def dag(said: str) -> tuple[list[DagNode], list[DagEdge]]:
    nodes = [DagNode(f"a {said}", "", said, said, said), DagNode("b", said, said, "failed", said)]
    return nodes, [DagEdge(nodes[0].id, "b", said)]


def dag_bundle(said: str) -> Bundle:
    return Bundle(dag_html(*dag(said), name=said), dag_text(*dag(said), name=said))


def large_dag(said: str) -> Bundle:
    nodes = [DagNode(f"{number} {said}", said, said, "failed", said) for number in range(70)]
    edges = [DagEdge(nodes[0].id, node.id, said) for node in nodes[1:]]
    return Bundle(dag_html(nodes, edges, name=said), dag_text(nodes, edges, name=said))


def table_bundle(said: str) -> Bundle:
    table = Table((said, "n"), [(said, 1), ({said: said}, None)], frozenset({said}))
    return Bundle(table_html(table), table_text(table))


def live_charts(said: str) -> Bundle:
    facts = full_comparison(said)
    return Bundle(render(charts(facts, facts.rows, PAGE)), "")


def preview_bundle(said: str) -> Bundle:
    previews = every_preview(said).values()
    html = "".join(preview_html(preview) for preview in previews)
    return Bundle(f"<div>{html}</div>", "\n".join(preview_text(preview) for preview in previews))


RENDERERS: dict[str, Callable[[str], Bundle]] = {
    "dag": dag_bundle,
    "large dag": large_dag,
    "table": table_bundle,
    "previews": preview_bundle,
    "run": lambda said: run_card(full_run(said)),
    "stable run": lambda said: run_card(full_run(said), stable=True),
    "step": lambda said: step_card(full_step(said)),
    "artifact": lambda said: artifact_card(full_artifact(said)),
    "model version": lambda said: model_version_card(full_model_version(said)),
    "model": lambda said: model_card(full_model(said)),
    "pipeline": lambda said: pipeline_card(full_pipeline(said)),
    "snapshot": lambda said: snapshot_card(full_snapshot(said)),
    "comparison": lambda said: comparison_card(full_comparison(said)),
    "comparison of many": lambda said: comparison_card(full_comparison(said, 12), color_by=f"m {said}"),
    "live charts": live_charts,
    "tag": lambda said: tag_card(full_tag(said)),
    "lineage": lambda said: lineage_card(full_lineage(said)),
}
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


# With a blank and a full stop, so that it is no base64 either.
HARMLESS = "a word."


@cache
def rendered(name: str, said: str) -> Bundle:
    return RENDERERS[name](said)


class Skeleton(HTMLParser):
    """The elements of a page with the names of their attributes, and the pictures it carries."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.ends: list[str] = []
        self.links: list[str] = []
        self.styles: list[str] = []
        self.strange: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # What is too large for its place is a stop of Tab, and only that.
        self.elements.append((tag, tuple(name for name, value in attrs if (name, value) != ("tabindex", "0"))))
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.styles += [value or "" for name, value in attrs if name == "style"]

    def handle_endtag(self, tag: str) -> None:
        self.ends.append(tag)

    def handle_comment(self, data: str) -> None:
        self.strange.append(data)

    def handle_decl(self, decl: str) -> None:
        self.strange.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.strange.append(data)

    def handle_pi(self, data: str) -> None:
        self.strange.append(data)


def pictures(skeleton: Skeleton) -> list[str]:
    found = [re.fullmatch(r"data:image/svg\+xml;base64,([\w+/]+=*)", link) for link in skeleton.links]
    return [base64.b64decode(match[1]).decode() for match in found if match]


def drawn_kinds(svg: str) -> set[tuple[str, tuple[str, ...]]]:
    """Give the kinds of elements of a picture; how many there are depends on the room that the labels take."""
    return set(Skeleton(svg).elements)


# All payloads in one test: a test for each would take longer to be begun and told than to be made.
@pytest.mark.parametrize("name", RENDERERS)
def test_data_never_becomes_an_element_or_an_attribute(name: str) -> None:
    plain = Skeleton(rendered(name, HARMLESS).html)
    for payload in PAYLOADS:
        shown = rendered(name, payload)

        page = Skeleton(shown.html)
        assert page.elements == plain.elements, payload
        assert page.ends == plain.ends, payload
        assert page.styles == plain.styles, payload
        assert page.strange == [], payload
        assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links), payload
        for before, after in zip(pictures(plain), pictures(page), strict=True):
            assert drawn_kinds(after) <= drawn_kinds(before), payload
            ElementTree.fromstring(after)
        ElementTree.fromstring(shown.html)


@pytest.mark.parametrize("name", RENDERERS)
def test_neither_form_holds_a_character_that_does_something_unseen(name: str) -> None:
    for payload in PAYLOADS:
        shown = rendered(name, payload)

        assert not UNSEEN.search(shown.text), payload
        assert not UNSEEN.search(shown.html), payload
        assert not any(UNSEEN.search(svg) for svg in pictures(Skeleton(shown.html))), payload
        (shown.text + shown.html).encode()


@given(st.text(st.characters(codec=None), min_size=1))
def test_any_text_at_all_is_drawn_as_a_picture_that_can_be_parsed(said: str) -> None:
    svg = dag_svg(*dag(said), name=said)

    assert drawn_kinds(svg) <= drawn_kinds(dag_svg(*dag("word"), name="word"))
    ElementTree.fromstring(svg)


def test_there_are_as_many_payloads_as_promised_and_they_differ() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 40
