"""Faces for a notebook: forms and boards made of ipywidgets, each with a static form beside it."""

from __future__ import annotations

from nbpipe.widgets.catalog_browser import CatalogBrowser
from nbpipe.widgets.deployment_card import DeploymentCard
from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.pipeline_composer import PipelineComposer
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
    "PromoteModel",
    "RunComparison",
    "ScheduleBoard",
    "TagEditor",
    "form_of",
]
