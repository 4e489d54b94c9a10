"""How forms look: the pieces of HTML between the controls, and where everything stands.

Colours are JupyterLab's own variables, so that a form is light or dark with the notebook; what
must be noticed brings its own background. Nothing is told by colour alone.

Everything goes through `views.markup`, which escapes. This module knows looks, no parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from nbpipe.views.markup import Child, Element, element, render
from nbpipe.views.theme import HAIRLINE, MONOSPACE, TINT, look

_shared: dict[tuple[Any, ...], Any] = {}
_TEXT = "color:var(--jp-ui-font-color1, inherit); font-size:13px; line-height:1.4;"
_QUIET = "color:var(--jp-ui-font-color2, inherit); font-size:12px; line-height:1.35; overflow-wrap:anywhere;"
_SECOND = "minmax(0, 1fr)"
WIDE = "min(100% - 4px, 440px)"  # a control has a margin of 2 px on each side
NARROW = "min(100% - 4px, 200px)"
# A control's own label is there for screen readers but has no width; only its margin of 8 px must be taken back.
UNLABELLED = "2px 2px 2px -6px"


def heading(text: str) -> str:
    """Write the title of a form."""
    return render(element("div", text, style=f"{_TEXT} font-size:15px; font-weight:600; overflow-wrap:anywhere;"))


def label(name: str, *, changed: bool = False, title: str = "") -> str:
    """Write the label of a control; a changed one has a dot before it."""
    dot = element("span", "● ", title="changed", style="color:var(--jp-brand-color1, #1668c7);") if changed else None
    style = f"{_TEXT} padding-top:7px; overflow-wrap:anywhere; font-weight:{600 if changed else 500};"
    return render(element("div", dot, name, title=title or None, style=style))


def note(remarks: Sequence[str], problem: str = "") -> str:
    """Write what stands under a control: what there is to know, then what is wrong."""
    quiet = " · ".join(filter(None, remarks))
    if not quiet and not problem:
        return ""
    return render(element("div", quiet, _problem(problem) if problem else None, style=_QUIET))


def said(text: str, status: str = "") -> str:
    """Write a sentence; one with a status (known to `views.theme`) stands in its colours with its sign."""
    if not text:
        return ""
    return render(_boxed(text, status) if status else element("div", text, style=_QUIET))


def code(text: str) -> str:
    """Write a piece of code."""
    return render(_code(text))


def framed(*parts: Child) -> str:
    """Write parts one under the other in the form's own lettering."""
    return render(element("div", *parts, style=f"{_TEXT} overflow:auto;"))


def page(children: Sequence[Any]) -> Any:
    """Stack widgets as one form."""
    from ipywidgets import Layout, VBox

    from nbpipe.widgets.page_manners import PageManners

    border = "1px solid var(--jp-border-color2, rgba(128,128,128,0.35))"
    layout = Layout(
        border_top=border, border_bottom=border, border_left=border, border_right=border,
        padding="10px 14px", margin="4px 0", max_width="820px", width="auto", overflow="hidden", grid_gap="6px",
    )  # fmt: skip
    made = VBox(children=[*children, _one_of(PageManners, {})], layout=layout)
    made.add_class("nbpipe-page")
    return made


def columns(cells: Sequence[Any], *, inner: bool = False) -> Any:
    """Lay label and control side by side; the first column is as wide as its longest label, up to a third."""
    from ipywidgets import GridBox, Layout

    layout = Layout(grid_template_columns=f"fit-content(34%) {_SECOND}", grid_gap="8px 14px", width="100%")
    if inner:
        layout.border_left = "2px solid var(--jp-border-color2, rgba(128,128,128,0.35))"
        layout.padding = "0 0 2px 12px"
    return GridBox(children=list(cells), layout=layout)


def stack(children: Sequence[Any]) -> Any:
    """Stack widgets in one cell of a form, or one part of it."""
    from ipywidgets import VBox

    return VBox(children=list(children), layout=layout(width="auto", min_width="0", overflow="visible"))


def bar(children: Sequence[Any]) -> Any:
    """Put buttons in a row that wraps."""
    from ipywidgets import HBox, Layout

    return HBox(children=list(children), layout=Layout(flex_flow="row wrap", align_items="center", grid_gap="4px 8px"))


def markup(html: str = "") -> Any:
    """Make the widget that shows a piece of HTML written here."""
    from ipywidgets import HTML

    return HTML(html, layout=layout(margin="0 2px", width="auto"), style=_style(HTML))


def control(make: Any, width: str = WIDE, height: str | None = None, **options: Any) -> Any:
    """Make an ipywidget that shows a value, its label to be seen beside it."""
    facts = {"width": width, "height": height} if height else {"width": width}
    if _has_label(make):
        return make(layout=layout(margin=UNLABELLED, **facts), style=_style(make, description_width="0px"), **options)
    return make(layout=layout(**facts), **options)


def without_label(widget: Any) -> None:
    """Give a control's label no room: it is for who cannot see what the control shows."""
    former = widget.style
    widget.style = _style(type(widget), description_width="0px")
    if former not in _shared.values():
        former.close()


def close(widgets: Sequence[Any]) -> None:
    """Close widgets that are no longer shown, with all that is in them: otherwise both sides keep them for ever."""
    kept = {id(one) for one in _shared.values()}
    for widget in widgets:
        if id(widget) in kept:
            continue
        close(getattr(widget, "children", ()))
        # Others that are still shown may have the same layout.
        parts = (getattr(widget, part, None) for part in ("layout", "style"))
        for open_one in (*(part for part in parts if part is not None and id(part) not in kept), widget):
            open_one.close()


def name(widget: Any, text: str) -> None:
    """Name a control for who cannot see the label beside it."""
    if widget.has_trait("tooltips"):
        widget.tooltips = [f"{text}: {option}" for option in widget.options]
    elif widget.has_trait("allow_duplicates"):
        # Tags show no label of their own.
        widget.tooltip = text
    else:
        widget.description = text


def layout(**facts: str) -> Any:
    """Give the layout with these facts: one for all who want it, since each costs as much as a control does."""
    from ipywidgets import Layout

    return _one_of(Layout, facts)


def lay_out(widget: Any, **facts: str | None) -> None:
    """Change some facts of a widget's layout, and of no other that has the same."""
    former = widget.layout
    now = {key: value for key, value in former.get_state().items() if not key.startswith("_") and value}
    widget.layout = layout(**{key: value for key, value in {**now, **facts}.items() if value})
    if former not in _shared.values():
        former.close()


@cache
def _style_of(make: Any) -> Any:
    style = make.class_traits().get("style")
    return style.klass if style is not None else None


@cache
def _has_label(make: Any) -> bool:
    style = _style_of(make)
    return style is not None and "description_width" in style.class_trait_names()


def _style(make: Any, **facts: str) -> Any:
    return _one_of(_style_of(make), facts)


def _one_of(make: Any, facts: dict[str, str]) -> Any:
    key = (make, *sorted(facts.items()))
    found = _shared.get(key)
    # One that was closed with every other widget is dead for good.
    if found is None or found.comm is None:
        found = _shared[key] = make(**facts)
    return found


def _problem(problem: str) -> Element:
    return _boxed(problem, "failed")


def _boxed(text: str, status: str) -> Element:
    shown = look(status)
    style = (
        f"background-color:{shown.fill}; color:{shown.text}; border-left:3px solid {shown.line}; font-size:12px; "
        "line-height:1.4; padding:2px 8px; margin:2px 0; white-space:pre-wrap; overflow-wrap:anywhere;"
    )
    return element("div", f"{shown.sign} {text}", role="status", style=style)


def _code(text: str) -> Element:
    style = (
        f"font-family:var(--jp-code-font-family, {MONOSPACE}); font-size:12px; line-height:1.45; margin:2px 0; "
        f"color:var(--jp-content-font-color1, inherit); background-color:{TINT}; border:1px solid {HAIRLINE}; "
        "border-radius:3px; padding:4px 8px; white-space:pre-wrap; word-break:normal; overflow-wrap:anywhere;"
    )
    return element("pre", text, style=style)


def folded(title: str, *parts: Child) -> str:
    """Write parts that are opened by a click."""
    summary = element("summary", title, style=f"{_QUIET} cursor:pointer;")
    return render(element("details", summary, *parts, style=_TEXT))
