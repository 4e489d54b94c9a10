"""Faces for a notebook: forms, boards and views, each with a static form beside it.

Each is loaded when it is first asked for: who shows a graph need not wait for the library of forms.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbpipe.widgets.catalog_browser import CatalogBrowser
    from nbpipe.widgets.deployment_card import DeploymentCard
    from nbpipe.widgets.form import ParameterForm
    from nbpipe.widgets.pipeline_composer import PipelineComposer
    from nbpipe.widgets.pipeline_view import PipelineView
    from nbpipe.widgets.promotion import PromoteModel
    from nbpipe.widgets.run_comparison import RunComparison
    from nbpipe.widgets.runnable_forms import form_of
    from nbpipe.widgets.schedule_board import ScheduleBoard
    from nbpipe.widgets.tag_editor import TagEditor

__all__ = [
    "CatalogBrowser",
    "DeploymentCard",
    "ParameterForm",
    "PipelineComposer",
    "PipelineView",
    "PromoteModel",
    "RunComparison",
    "ScheduleBoard",
    "TagEditor",
    "form_of",
]

_PLACES = {
    "CatalogBrowser": "catalog_browser",
    "DeploymentCard": "deployment_card",
    "ParameterForm": "form",
    "PipelineComposer": "pipeline_composer",
    "PipelineView": "pipeline_view",
    "PromoteModel": "promotion",
    "RunComparison": "run_comparison",
    "ScheduleBoard": "schedule_board",
    "TagEditor": "tag_editor",
    "form_of": "runnable_forms",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
