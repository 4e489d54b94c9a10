from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbpipe.errors import BadValueError
from nbpipe.views.markup import element, number, one_line, part, plain, render

ANY_TEXT = st.text(st.characters(codec=None))


@given(ANY_TEXT, ANY_TEXT)
@example("a\nb", "c\n\td")
def test_any_text_and_any_attribute_come_out_as_well_formed_xml_that_says_the_same(text: str, note: str) -> None:
    written = render(element("span", text, title=note))

    root = ElementTree.fromstring(written)
    assert (root.text or "") == plain(text)
    assert root.attrib == {"title": plain(note)}
    assert len(root) == 0


@pytest.mark.parametrize(
    "tag", ["script", "style", "iframe", "object", "embed", "form", "input", "base", "meta", "link"]
)
def test_a_tag_that_could_do_more_than_show_is_refused(tag: str) -> None:
    with pytest.raises(BadValueError, match=f"<{tag}>"):
        element(tag)


@pytest.mark.parametrize("name", ["onclick", "onload", "srcdoc", "class", "formaction", "srcset"])
def test_an_attribute_that_could_do_more_than_show_is_refused(name: str) -> None:
    with pytest.raises(BadValueError, match=name):
        element("div", **{name: "x"})


@pytest.mark.parametrize(
    "style", ["background:url(http://x)", "color:red} body{", "width:expression(alert(1))<", 'a:"b"']
)
def test_a_style_that_is_more_than_looks_is_refused(style: str) -> None:
    with pytest.raises(BadValueError, match="more than looks"):
        element("div", style=style)


@pytest.mark.parametrize(
    "link", ["https://example.org/a?b=c&d=e", "http://localhost:8000/", "#part", "HTTPS://EXAMPLE.ORG"]
)
def test_a_link_to_the_web_or_into_the_page_is_kept(link: str) -> None:
    assert ElementTree.fromstring(render(element("a", "there", href=link))).attrib == {"href": link}


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "vbscript:x",
        "data:text/html,<script>alert(1)</script>",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "file:///etc/passwd",
        "//example.org",
        "https://example.org\njavascript:alert(1)",
    ],
)
def test_any_other_link_is_left_out(link: str) -> None:
    assert render(element("a", "there", href=link)) == "<a>there</a>"


def test_a_picture_is_kept_only_if_it_is_carried_along_as_an_image() -> None:
    kept = "data:image/png;base64,AAAA"

    assert f'src="{kept}"' in render(element("img", src=kept))
    for refused in (
        "https://example.org/spy.png",
        "data:text/html;base64,AAAA",
        "data:image/png,x",
        f"{kept}' onerror=",
    ):
        assert render(element("img", src=refused)) == "<img/>"


def test_no_quote_of_either_kind_is_left_in_an_attribute() -> None:
    assert render(element("b", title="\"'")) == '<b title="&quot;&#39;"></b>'


def test_characters_that_do_something_unseen_are_replaced() -> None:
    assert plain("a\x00b\x1b[31mc\u202ed\ud800e") == "a\ufffdb\ufffd[31mc\ufffdd\ufffde"
    assert plain("kept:\tä\n漢") == "kept:\tä\n漢"
    assert one_line(" a\r\n\tb  c ") == "a b c"


def test_children_may_be_nested_and_nothing_is_nothing() -> None:
    assert render(element("p", ["a", [None, element("b", 1.50)], ()], "&")) == "<p>a<b>1.5</b>&amp;</p>"


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1"), (1.239, "1.24"), (-0.001, "0"), (123456.7, "123456.7"), (7, "7")]
)
def test_numbers_have_no_more_digits_than_they_need(value: float, text: str) -> None:
    assert number(value) == text


def test_a_page_of_our_own_has_controls_classes_and_data_that_are_escaped_like_all_else() -> None:
    field = part("input", type="text", value='"><script>', **{"class": "a b", "data-place": '["x"]'})

    assert render(part("form", field)) == (
        '<form><input type="text" value="&quot;&gt;&lt;script&gt;" class="a b" data-place="[&quot;x&quot;]"/></form>'
    )


@pytest.mark.parametrize("name", ["onclick", "action", "formaction", "srcdoc", "data-", "data-A", "data-x y", "method"])
def test_a_page_of_our_own_knows_no_attribute_that_acts(name: str) -> None:
    with pytest.raises(BadValueError, match="is not drawn by nbpipe"):
        part("form", **{name: "x"})


@pytest.mark.parametrize("tag", ["script", "style", "iframe", "object", "base", "meta", "link"])
def test_a_page_of_our_own_knows_no_tag_that_acts(tag: str) -> None:
    with pytest.raises(BadValueError, match=f"<{tag}>"):
        part(tag)


def test_looks_can_be_written_where_a_strict_policy_lets_them_stand() -> None:
    drawn = element("div", element("b", 'a style="x"', style="color:red;"), style="margin:0;")

    assert render(drawn, style_as="data-style") == (
        '<div data-style="margin:0;"><b data-style="color:red;">a style=&quot;x&quot;</b></div>'
    )
