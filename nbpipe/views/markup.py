"""The one builder of HTML and SVG: what it is given as data can only ever come out as text.

An element is a value; `render` writes it. Tags and attributes are those listed here, others are
refused; no attribute can hold a script, links lead to the web or into the page, pictures are
carried along as data. Looks are inline styles, since an untrusted notebook strips everything
else. What comes out is at the same time well-formed XML.

There is no way to put a ready-made piece of HTML in. Text for terminals is cleaned here too
(`plain`), because a name may hold an escape sequence as well as a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Union

from nbpipe.errors import BadValueError

Child = Union["Element", str, int, float, None, Iterable["Child"]]

_VOID = frozenset({"img", "br", "hr", "input", "rect", "path", "circle", "line"})
_TAGS = (_VOID - {"input"}) | frozenset(
    {"a", "b", "code", "details", "div", "em", "p", "pre", "small", "span", "strong", "summary"}
    | {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    | {"svg", "g", "title", "desc", "text", "tspan", "defs", "marker"}
)
_ATTRIBUTES = frozenset(
    {"alt", "colspan", "height", "href", "id", "rowspan", "scope", "src", "style", "title", "width"}
    | {"cx", "cy", "d", "dominant-baseline", "fill", "font-family", "font-size", "font-style", "font-weight"}
    | {"marker-end", "markerHeight", "markerUnits", "markerWidth", "opacity", "orient", "r", "refX", "refY", "role"}
    | {"rx", "stroke", "stroke-dasharray", "stroke-linejoin", "stroke-width", "tabindex", "text-anchor", "viewBox"}
    | {"x", "x1", "x2", "xmlns", "y", "y1", "y2"}
)
# A page of our own servers has its own style sheet and script, and a policy that knows no other; a notebook's page is
# somebody else's, whose classes and controls would be at the hand of what stands in it.
_TAGS_OF_PAGES = _TAGS | frozenset(
    {"article", "footer", "h1", "h2", "h3", "header", "li", "nav", "section", "time", "ul"}
    | {"button", "fieldset", "form", "input", "label", "legend", "option", "output", "select", "textarea"}
)
_ATTRIBUTES_OF_PAGES = _ATTRIBUTES | frozenset(
    {"aria-current", "aria-describedby", "aria-invalid", "aria-label", "aria-live", "autocomplete", "checked", "class"}
    | {"datetime", "disabled", "for", "hidden", "inputmode", "max", "maxlength", "min", "multiple", "name", "open"}
    | {"placeholder", "required", "rows", "selected", "spellcheck", "step", "type", "value"}
)
_DATA = re.compile(r"data-[a-z]+(?:-[a-z]+)*")  # for a script of ours; a browser does nothing with it
_LINK = re.compile(r"(?:https?://|#)[^\s]*", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(?:svg\+xml|png|jpeg|gif|webp);base64,[A-Za-z0-9+/]*={0,2}")
_STYLE = re.compile(r"[a-z0-9 #%.,:;()'\-]*")
# Controls but tab and newline, halves of surrogate pairs and non-characters (XML forbids them), and marks that
# turn the direction of writing, with which a name can pose as another.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
_TO_ESCAPE = re.compile("[&<>\"']")


@dataclass(frozen=True, slots=True)
class Element:
    """A piece of HTML or SVG; made by `element`, written by `render`.

    Attributes:
        tag: One of the tags known here.
        attributes: Names and values, checked, not yet escaped.
        children: Elements and text, in order.
    """

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Child, ...]


def element(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """Make an element.

    Args:
        tag: Its name.
        children: Elements, text and numbers; sequences of them are taken apart, `None` is nothing.
        attributes: By name, with `_` for `-`; `None` leaves one out. A link that is neither http(s) nor `#…`,
            or a picture that is not carried as data, is left out as well.

    Raises:
        BadValueError: A tag or attribute that is not known here, or a style that is more than looks.
    """
    return _made(tag, children, attributes, _TAGS, _ATTRIBUTES)


def part(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """Make an element of a page of our own: as `element` does, with controls, classes and data for our script too.

    Raises:
        BadValueError: As `element` does.
    """
    return _made(tag, children, attributes, _TAGS_OF_PAGES, _ATTRIBUTES_OF_PAGES)


def _made(
    tag: str,
    children: tuple[Child, ...],
    attributes: Mapping[str, str | float | None],
    tags: frozenset[str],
    known: frozenset[str],
) -> Element:
    if tag not in tags:
        raise BadValueError(f"<{tag}> is not drawn by nbpipe; add it to views.markup if it can do no harm.")
    kept = []
    for key, value in attributes.items():
        name = key.replace("_", "-")
        text = value if isinstance(value, str) else "" if value is None else number(value)
        if name not in known and not (known is _ATTRIBUTES_OF_PAGES and _DATA.fullmatch(name)):
            raise BadValueError(f"The attribute {name!r} is not drawn by nbpipe; add it to views.markup if it is safe.")
        if name == "style" and ("url(" in text or not _STYLE.fullmatch(text)):
            raise BadValueError(f"The style {text!r} is more than looks.")
        if value is not None and _may_stay(name, text):
            kept.append((name, text))
    return Element(tag, tuple(kept), children)


def render(root: Child, *, style_as: str = "style") -> str:
    """Write an element, or text, with everything escaped.

    Args:
        root: What to write.
        style_as: The attribute in which looks are written. A page whose policy forbids styles in attributes has them
            in `data-style`, and a script of its own gives them to the elements.
    """
    pieces: list[str] = []
    _write(root, pieces, style_as)
    return "".join(pieces)


def plain(text: str) -> str:
    """Give `text` with a `\N{REPLACEMENT CHARACTER}` for each character that shows nothing but does something."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Give `text` as `plain` does, with every run of white space made one blank."""
    return " ".join(plain(text).split())


def number(value: float) -> str:
    """Write a number for an attribute: at most two decimals, none that are not needed."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _may_stay(name: str, text: str) -> bool:
    if name == "href":
        return _LINK.fullmatch(text) is not None
    if name == "src":
        return _PICTURE.fullmatch(text) is not None
    return True


def _escape(text: str) -> str:
    return _TO_ESCAPE.sub(lambda found: _ESCAPED[found[0]], plain(text))


def _write(child: Child, pieces: list[str], style_as: str) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        attributes = "".join(
            f' {style_as if name == "style" else name}="{_attribute(text)}"' for name, text in child.attributes
        )
        if child.tag in _VOID and not child.children:
            pieces.append(f"<{child.tag}{attributes}/>")
            return
        pieces.append(f"<{child.tag}{attributes}>")
        for inner in child.children:
            _write(inner, pieces, style_as)
        pieces.append(f"</{child.tag}>")
    elif isinstance(child, str):
        pieces.append(_escape(child))
    elif isinstance(child, int | float):
        pieces.append(number(child))
    else:
        for inner in child:
            _write(inner, pieces, style_as)


def _attribute(text: str) -> str:
    # An attribute's line breaks would become blanks when it is read again.
    return _escape(text).replace("\n", "&#10;").replace("\t", "&#9;")
