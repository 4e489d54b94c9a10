"""nbpipe: pipelines that are written, run, seen and promoted in a notebook.

The public names are all here; each is loaded when it is first used, so that importing nbpipe
costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbpipe.base.displaying import lend
from nbpipe.base.version import VERSION

if TYPE_CHECKING:
    from nbpipe import errors
    from nbpipe.define.branches import either
    from nbpipe.define.step import step
    from nbpipe.execute.progress import progress
    from nbpipe.handles import pipeline
    from nbpipe.inside import (
        add_tags,
        get_pipeline_context,
        get_step_context,
        load_artifact,
        log_metadata,
        remove_tags,
    )
    from nbpipe.notebook.extension import load_ipython_extension, unload_ipython_extension
    from nbpipe.records.config import PipelineRunConfiguration
    from nbpipe.records.deployments import DeploymentSettings
    from nbpipe.records.metadata import StorageSize, Uri
    from nbpipe.records.models import ModelStages
    from nbpipe.records.schedules import Schedule
    from nbpipe.records.steps import ArtifactConfig, UnmaterializedArtifact
    from nbpipe.records.tags import Tag
    from nbpipe.services.client import Client
    from nbpipe.store.materializers import register_materializer

__version__ = VERSION

_PLACES = {
    "ArtifactConfig": "nbpipe.records.steps",
    "Client": "nbpipe.services.client",
    "DeploymentSettings": "nbpipe.records.deployments",
    "Model": "nbpipe.model_handle",
    "ModelStages": "nbpipe.records.models",
    "PipelineRunConfiguration": "nbpipe.records.config",
    "Schedule": "nbpipe.records.schedules",
    "StorageSize": "nbpipe.records.metadata",
    "Tag": "nbpipe.records.tags",
    "UnmaterializedArtifact": "nbpipe.records.steps",
    "Uri": "nbpipe.records.metadata",
    "add_tags": "nbpipe.inside",
    "either": "nbpipe.define.branches",
    "get_pipeline_context": "nbpipe.inside",
    "get_step_context": "nbpipe.inside",
    "load_artifact": "nbpipe.inside",
    "load_ipython_extension": "nbpipe.notebook.extension",
    "log_metadata": "nbpipe.inside",
    "pipeline": "nbpipe.handles",
    "progress": "nbpipe.execute.progress",
    "register_materializer": "nbpipe.store.materializers",
    "remove_tags": "nbpipe.inside",
    "step": "nbpipe.define.step",
    "unload_ipython_extension": "nbpipe.notebook.extension",
}

__all__ = [
    "ArtifactConfig",
    "Client",
    "DeploymentSettings",
    "Model",
    "ModelStages",
    "PipelineRunConfiguration",
    "Schedule",
    "StorageSize",
    "Tag",
    "UnmaterializedArtifact",
    "Uri",
    "__version__",
    "add_tags",
    "either",
    "errors",
    "get_pipeline_context",
    "get_step_context",
    "load_artifact",
    "load_ipython_extension",
    "log_metadata",
    "pipeline",
    "progress",
    "register_materializer",
    "remove_tags",
    "step",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("nbpipe.errors")
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'nbpipe' has no attribute {name!r}")
    value = getattr(import_module(place), name)
    # An import of the submodule `nbpipe.step` cannot come between: there is none of that name.
    globals()[name] = value
    return value


def _draw(record: Any) -> Any:
    return import_module("nbpipe.commands.faces").face_of(record)


# Records know no cards. This makes none: whoever shows the first record loads them.
lend(_draw)


def __dir__() -> list[str]:
    return list(__all__)
