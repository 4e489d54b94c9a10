"""A pipeline in a notebook file: `analysis.ipynb`, or `analysis.ipynb:training`.

The notebook is read and never run: which of its cells are executed is `define.notebooks`. Its folder
is where its steps work, as in Jupyter: what lies beside it can be imported and opened by name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbpipe.commands.calling import Runnable, current_call, current_client
from nbpipe.define.notebooks import NotebookPipelines, read_pipelines
from nbpipe.define.pipeline import FunctionPipeline, PipelineDefinition
from nbpipe.errors import AmbiguousNameError, BadValueError, SourceNotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.config import PipelineRunConfiguration, merge_configurations
from nbpipe.services.starting import RunRequest


@dataclass(frozen=True, slots=True)
class NotebookPipeline:
    """A pipeline that a notebook file defines.

    Attributes:
        definition: What it is.
        given: The values that the notebook gives its parameters.
    """

    definition: PipelineDefinition
    given: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return self.definition.name

    def request(self, parameters: Mapping[str, Any]) -> RunRequest:
        """Say what a run with these values asks for."""
        own = PipelineRunConfiguration(parameters=dict(self.given))
        said = PipelineRunConfiguration(parameters=dict(parameters))
        return RunRequest(self.definition, merge_configurations(own, said))


def is_pipeline(value: Any) -> bool:
    """Tell a pipeline from anything else that a module may hold; the value itself is not asked."""
    return hasattr(type(value), "create_snapshot") and hasattr(type(value), "request")


def pipeline_in_notebook(path: Path, name: str) -> Runnable:
    """Give the pipeline of that name in a notebook file; its only one if none is named.

    Raises:
        SourceNotFoundError: The file or the pipeline is not there.
        AmbiguousNameError: It has several, and none is named.
        BadValueError: It is no notebook of Python, or has no pipeline.
        DefinitionError: A cell of it cannot be read.
        NbpipeError: The pipeline needs what no definition in it gives.
    """
    path = path.absolute()
    found = read_pipelines(path)
    chosen = _chosen(found, _pipelines_in(found), name)
    found.check(chosen.definition)
    for remark in found.remarks:
        current_call().say(f"note: {path.name}: {remark}")
    if current_call().surroundings is None:
        _work_in(path.parent)
    return chosen


def _pipelines_in(found: NotebookPipelines) -> dict[str, Runnable]:
    """Give the pipelines by name: the notebook's own first, then those that it defines, or else imports."""
    defined: dict[str, Runnable] = {}
    imported: dict[str, Runnable] = {}
    for key, value in found.namespace.items():
        if isinstance(value, FunctionPipeline):
            defined[key] = NotebookPipeline(value, {})
        elif is_pipeline(value):
            is_own = getattr(value, "__module__", "") == found.module
            (defined if is_own else imported)[key] = value
    own: dict[str, Runnable] = {}
    if found.own is not None:
        own[found.own.name] = NotebookPipeline(found.own, found.given)
    return own | defined or imported


def _chosen(found: NotebookPipelines, pipelines: Mapping[str, Runnable], name: str) -> Runnable:
    place = found.path.name
    if not pipelines:
        raise _without_pipeline(found)
    choices = [f"{place}:{key}" for key in pipelines]
    if name:
        by_name = {value.name: value for value in pipelines.values()}
        chosen = pipelines.get(name) or by_name.get(name)
        if chosen is None:
            raise SourceNotFoundError(f"{place}:{name}", f"{place} has no pipeline {shorten(name)}.", choices)
        return chosen
    if len({id(value.definition) for value in pipelines.values()}) > 1:
        raise AmbiguousNameError("pipeline", place, choices)
    return next(iter(pipelines.values()))


def _without_pipeline(found: NotebookPipelines) -> BadValueError:
    place = found.path.name
    if not found.has_code:
        return BadValueError(f"{place} has no code; there is nothing to run.")
    return BadValueError(
        f"{place} has no pipeline: no cell begins with %%step, and no @pipeline stands in one.\n"
        f"To have a copy of it with steps made for you, write nbpipe adopt {place}."
    )


def _work_in(folder: Path) -> None:
    # The workspace is the one of the folder in which the command was given.
    _ = current_client().workspace
    os.chdir(folder)
