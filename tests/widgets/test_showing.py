"""The static face, and which face is shown where."""

from __future__ import annotations

from typing import Any

import ipykernel.kernelapp
import pytest
from ipywidgets.widgets.widget import _instances

from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.showing import has_front_end, html_of
from tests.widgets.models import Everything, Required, parameters

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def _in_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process count as a kernel."""
    monkeypatch.setattr(ipykernel.kernelapp.IPKernelApp, "initialized", classmethod(lambda _: True))


def test_without_a_kernel_a_form_is_shown_as_a_table_and_no_widget_is_made() -> None:
    before = set(_instances)
    form = ParameterForm(parameters(Everything))

    bundle = form._repr_mimebundle_()

    assert set(bundle) == {"text/plain", "text/html"}
    assert set(_instances) <= before


@pytest.mark.usefixtures("_in_a_kernel")
def test_in_a_kernel_a_form_is_a_widget_with_the_table_beside_it() -> None:
    bundle = ParameterForm(parameters(Everything))._repr_mimebundle_()

    assert set(bundle) == {"text/plain", "text/html", WIDGET}


@pytest.mark.usefixtures("_in_a_kernel")
def test_a_form_can_be_told_to_be_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    told = ParameterForm(parameters(Everything), static=True)._repr_mimebundle_()
    monkeypatch.setenv("NBPIPE_DISPLAY", "static")

    assert WIDGET not in told
    assert not has_front_end()


def test_the_table_says_name_value_type_and_description_and_is_always_the_same() -> None:
    first, second = (ParameterForm(parameters(Everything)).static() for _ in range(2))

    assert first == second
    assert "optimiser.rate" in first.text
    assert "how fast" in first.text
    assert "hush" not in first.text + first.html
    assert "inner" not in first.text + first.html


def test_the_table_shows_what_was_set_and_what_is_wanted() -> None:
    form = ParameterForm(parameters(Required))

    form.set("rows", 77)
    text = form.static().text

    assert "77" in text
    assert "(needs a value)" in text


def test_a_result_is_shown_as_a_notebook_would() -> None:
    class Broken:
        def _repr_html_(self) -> str:
            raise RuntimeError("no")

        def __str__(self) -> str:
            return "<broken>"

    class Bundled:
        def _repr_mimebundle_(self) -> dict[str, Any]:
            return {"text/html": "<i>bundled</i>"}

    assert html_of(Bundled()) == "<i>bundled</i>"
    assert "&lt;broken&gt;" in html_of(Broken())
    assert "&lt;b&gt;" in html_of("<b>")
