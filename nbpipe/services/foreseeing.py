"""What a run of a pipeline would do now: which steps are stale, and why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from nbpipe.define.overrides import check_complete, with_step_values
from nbpipe.errors import NbpipeError
from nbpipe.execute.context import RunFacts
from nbpipe.execute.foresight import Foreseen, Foresight
from nbpipe.services.bound_model import BoundModel
from nbpipe.services.starting import RunRequest
from nbpipe.services.warm_lookups import existing_artifacts
from nbpipe.services.workspace import Workspace

__all__ = ["Foreseen", "foresee"]

_NOTHING: Mapping[str, Foreseen] = MappingProxyType({})


def foresee(workspace: Workspace, request: RunRequest) -> Mapping[str, Foreseen]:
    """Say of each node what a run would do with it; nothing runs and nothing is written.

    Returns:
        By node; empty where a run would be refused, for then nothing can be foreseen.
    """
    definition, configuration = request.definition, request.configuration
    config = configuration.model or definition.model
    may_reuse = configuration.enable_cache
    try:
        bound = BoundModel(workspace, config) if config is not None else None
        traced = with_step_values(definition.trace(configuration.parameters, bound), configuration.step_values)
        check_complete(traced)
        workspace.executions.catch_up()
        looking = Foresight(
            traced,
            RunFacts("", "", definition.name, traced.parameters),
            store=workspace.store,
            executions=workspace.executions,
            recorder=workspace.catalog,
            existing=existing_artifacts(workspace, traced),
            cache=definition.cache if may_reuse is None else may_reuse,
        )
        return looking.foresee()
    except NbpipeError:
        return _NOTHING
