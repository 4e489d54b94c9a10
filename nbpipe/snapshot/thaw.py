"""From a content back to a definition that runs: text comes to life, and nothing else is needed.

The library is executed once; each step gets back exactly the pieces that were its own.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from nbpipe.define.cells import CellCall, CellStep
from nbpipe.define.hooks import Hook, Hooks
from nbpipe.define.params import parameters_from_text
from nbpipe.define.pipeline import CellPipeline, FunctionPipeline, PipelineDefinition
from nbpipe.define.step import Step
from nbpipe.errors import DefinitionError
from nbpipe.records.snapshots import SnapshotContent, StepText
from nbpipe.source.load import load_function, load_library
from nbpipe.source.pieces import Piece


def thaw(content: SnapshotContent) -> PipelineDefinition:
    """Bring a pipeline back to life.

    Raises:
        DefinitionError: Its text cannot be executed here.
    """
    try:
        library = load_library(_library_of(content), list(content.local_modules), name="nbpipe_snapshot")
        return _cells(content, library) if content.body is None else _function(content, content.body, library)
    except DefinitionError:
        raise
    except Exception as error:
        raise DefinitionError(
            f"The snapshot of {content.pipeline} cannot be brought to life here: {type(error).__name__}: {error}."
        ) from error


def _library_of(content: SnapshotContent) -> list[Piece]:
    """Give the pieces that stand by themselves; those that need a cell's body are executed with it."""
    texts = content.texts
    late = {place for text in texts for place in text.late_pieces} - {place for text in texts for place in text.pieces}
    return [piece for place, piece in enumerate(content.library) if place not in late]


def _common(content: SnapshotContent) -> dict[str, Any]:
    return {"tags": content.tags, "model": content.model, "cache": content.cache}


def _cell(content: SnapshotContent, text: StepText) -> CellStep:
    source = content.source_of(text)
    return CellStep(
        name=text.name,
        text=text.text,
        options=text.options,
        takes=text.takes,
        gives=text.gives,
        changed=frozenset(text.changed),
        provided=source.inputs,
        frozen=source,
    )


def _cells(content: SnapshotContent, library: ModuleType) -> CellPipeline:
    parameters = parameters_from_text(content.pipeline, content.parameters_text, vars(library))
    return CellPipeline(
        name=content.pipeline,
        parameters=parameters,
        cells=[_cell(content, text) for text in content.steps],
        parameters_text=content.parameters_text,
        **_common(content),
    )


def _function(content: SnapshotContent, body: StepText, library: ModuleType) -> FunctionPipeline:
    called = {text.variable: _callable(content, text, library) for text in content.steps}
    # Named only now: two steps may be made of functions of one name.
    vars(library).update(called)
    source = content.source_of(body)
    function = load_function(source, library)
    hooks = _hooks(content, "", "pipeline", content.pipeline, library)
    return FunctionPipeline.of(
        function, name=content.pipeline, text=body.text, frozen=source, hooks=hooks, **_common(content)
    )


def _callable(content: SnapshotContent, text: StepText, library: ModuleType) -> Step | CellCall:
    """Give what the body calls: a function step, or a cell under its name."""
    if text.kind == "cell":
        return CellCall(_cell(content, text))
    source = content.source_of(text)
    # Before the step itself, which may have the name of one of them.
    hooks = _hooks(content, text.variable, "step", text.name, library)
    function = load_function(source, library)
    return Step(function, name=text.name, options=text.options, frozen=source, hooks=hooks)


def _hooks(content: SnapshotContent, step: str, kind: str, name: str, library: ModuleType) -> Hooks:
    found = {}
    for hook in content.hooks:
        if hook.step == step:
            source = content.source_of(hook.text)
            found[hook.when] = Hook.of(load_function(source, library), kind, name, hook.when, source)
    return Hooks(**found)
