"""What a pipeline is put together from, where that is done: the steps in reach, the names, the pipelines to open.

A notebook has all of it; a terminal has nothing to write a cell into. Whoever composes asks here, and
need not know how a step or a pipeline is read.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nbpipe.commands.calling import Runnable
from nbpipe.commands.notebooks import is_pipeline
from nbpipe.commands.workbench import Workbench, notebook_in_use
from nbpipe.define.cells import CellStep
from nbpipe.define.composed_problems import identifier_problem, misfit, problems_of
from nbpipe.define.composing import cell_text, composition_of, results
from nbpipe.define.grammar import PipelineLine
from nbpipe.define.hooks import NO_HOOKS
from nbpipe.define.offering import offered
from nbpipe.define.pipeline import FunctionPipeline
from nbpipe.errors import DefinitionError, NotFoundError
from nbpipe.records.composition import ComposedCall, Composition, Feed, FromCall, OfferedInput, OfferedStep


class PlainNames:
    """Names and values as a workbench: a module, or a notebook without the extension.

    Args:
        names: The names and values.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def names(self) -> Mapping[str, Any]:
        """Give the names."""
        return self._names

    def pipelines(self) -> Mapping[str, Runnable]:
        """Give those of the values that are pipelines."""
        return {value.name: value for value in list(self._names.values()) if is_pipeline(value)}

    def cells(self) -> Mapping[str, CellStep]:
        """Give nothing: cells are known to the extension only."""
        return {}


def here() -> Workbench:
    """Give the notebook in which the extension is loaded; else the names of the main module."""
    notebook = notebook_in_use()
    return notebook if notebook is not None else PlainNames(vars(sys.modules["__main__"]))


@dataclass(slots=True)
class Materials:
    """What a workbench has to offer, as it was when it was last looked at.

    Attributes:
        bench: The workbench.
        offers: The steps, by the name that they are picked by.
    """

    bench: Workbench
    offers: dict[str, OfferedStep] = field(default_factory=dict)

    def look(self) -> str:
        """Look again what there is; give why cells are missing, if they cannot be read."""
        try:
            cells, said = self.bench.cells(), ""
        except DefinitionError as error:
            cells, said = {}, str(error)
        self.offers = offered(self.bench.names(), cells)
        return said

    def pipelines(self) -> list[str]:
        """Name the pipelines that can be opened: those whose body calls steps."""
        found = self.bench.pipelines()
        return [name for name, one in found.items() if isinstance(one.definition, FunctionPipeline)]

    def opened(self, name: str) -> Composition:
        """Read a pipeline of the workbench as a composition.

        Raises:
            NotFoundError: There is no such pipeline.
            DefinitionError: Its body does more than calling steps one after the other.
        """
        found = self.bench.pipelines()
        if name not in found:
            raise NotFoundError("pipeline", name, existing=list(found))
        definition = found[name].definition
        if not isinstance(definition, FunctionPipeline):
            raise DefinitionError(
                f"{name} is made of the notebook's cells in their order and has no body; pick its cells one by one."
            )
        line = PipelineLine(definition.name, tags=definition.tags, model=definition.model, cache=definition.cache)
        keys = {id(offer.step): key for key, offer in self.offers.items()}
        called = {name: keys[id(step)] for name, step in definition.steps_in_reach().items() if id(step) in keys}
        return composition_of(definition.text, self.offers, line=line, called=called)

    def left_out(self, name: str) -> list[str]:
        """Say what a pipeline of the workbench has that a `%%pipeline` cell cannot say."""
        definition = self.bench.pipelines()[name].definition
        model = definition.model
        found = {
            "its hooks": definition.hooks != NO_HOOKS,
            "the tags of its model": model is not None and bool(model.tags),
            "the description of its model": model is not None and bool(model.description),
        }
        return [what for what, is_there in found.items() if is_there]

    def problems(self, composition: Composition) -> dict[str, str]:
        """Give a sentence for each field that will not do."""
        return problems_of(composition, self.offers, self.bench.names())

    def text(self, composition: Composition) -> str:
        """Write a composition without problems as a cell."""
        return cell_text(composition, self.offers)

    def results(self, composition: Composition) -> tuple[FromCall, ...]:
        """Give what a composition gives back."""
        return results(composition, self.offers)

    def misfit(self, feed: Feed, wanted: OfferedInput, call: ComposedCall, composition: Composition) -> str:
        """Say why something cannot be fed to an input; `""` if it can."""
        return misfit(feed, wanted, call, composition, self.offers)

    def name_problem(self, name: str) -> str:
        """Say why a text cannot be a name; `""` if it can."""
        return identifier_problem(name)
