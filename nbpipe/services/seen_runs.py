"""Runs of this process as records: told from what it saw, so that nobody asks the catalog for what is known here.

What may change afterwards is not told from memory: the record asks for that (`services.recorded`).
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, partial
from typing import Any

from nbpipe.base.clock import now_text
from nbpipe.execute.context import RUN
from nbpipe.execute.settled import RunOutcome, Settled
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.metadata import decode, merge, metrics_in
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import Status
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.hooking import HookCalls
from nbpipe.services.recorded import Run
from nbpipe.services.reproducing import reproduce
from nbpipe.services.starting import RunInProgress
from nbpipe.services.step_runs import MappedItems, StepRun
from nbpipe.services.workspace import Workspace


class RunsSeen:
    """What this process saw of runs.

    Args:
        workspace: Where they are recorded.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def run(self, progress: RunInProgress, outcome: RunOutcome) -> Run:
        """Give a run as this process saw it."""
        facts = progress.facts
        metadata: dict[str, Any] = {}
        # Of a reused artifact only the catalog knows which run made it and what number it has.
        is_all_seen, reused = True, Status.REUSED
        for settled in outcome.settled.values():
            if settled.status is reused:
                is_all_seen = False
            if settled.metadata:
                metadata = merge(metadata, settled.metadata.get(RUN, {}))
            if settled.items is not None:
                metadata = merge(metadata, settled.items.noted)
        failed = outcome.failed.failure if outcome.failed is not None else None
        return Run(
            workspace=self._workspace,
            id=facts.id,
            name=facts.name,
            pipeline=facts.pipeline,
            kind="pipeline",
            status=outcome.status,
            started=datetime.fromisoformat(progress.started),
            ended=datetime.fromisoformat(progress.ended),
            parameters={name: as_json(value) for name, value in facts.parameters.items()},
            differences=progress.differences,
            snapshot=progress.request.snapshot_id,
            parent_run_id=progress.request.parent_run_id,
            parent_step=progress.request.parent_step,
            model_version_id=facts.model_version_id,
            graph_digest=progress.graph_digest,
            error=f"{failed.type_name}: {failed.message}" if failed is not None else "",
            resumed_from=progress.request.resumed_from,
            part=progress.part,
            seen=cache(partial(self._steps_seen, progress, outcome)) if is_all_seen else None,
            seen_metrics=dict(metrics_in(metadata)),
            seen_graph=progress.traced.graph,
        )

    def _steps_seen(self, progress: RunInProgress, outcome: RunOutcome) -> dict[str, StepRun]:
        return {node: self.step(progress, settled) for node, settled in outcome.settled.items()}

    def hooks_of(self, progress: RunInProgress) -> HookCalls:
        """Give the hooks of a run, for whoever runs it without a handle."""
        definition, step_of = progress.request.definition, partial(self.step, progress)
        return HookCalls(definition, progress.traced, step_of=step_of, record=progress.record)

    def step(self, progress: RunInProgress, settled: Settled) -> StepRun:
        """Give a step as this process saw it."""
        outputs = {
            name: self._artifact_seen(progress, settled, artifact) for name, artifact in settled.artifacts.items()
        }
        failure = settled.failure
        noted: dict[str, Any] = {}
        for values in settled.metadata.values():
            noted = merge(noted, values)
        given = progress.traced.values.get(settled.node, {})
        return StepRun(
            settled.step_run_id,
            settled.node,
            settled.status,
            settled.why,
            settled.duration_s,
            {name: as_json(value) for name, value in given.items()},
            outputs,
            f"{failure.type_name}: {failure.message}" if failure is not None else "",
            failure.traceback_text if failure is not None else "",
            settled.logs,
            dict(metrics_in(noted)),
            settled.files.read,
            {key: decode(value) for key, value in noted.items()},
            tuple(settled.triggered),
            MappedItems(
                self._workspace, progress.facts.id, settled.node, settled.step_run_id, "", settled.items.as_record()
            )
            if settled.items is not None
            else None,
            partial(reproduce, self._workspace, progress.facts.id, settled.step_run_id),
        )

    def _artifact_seen(self, progress: RunInProgress, settled: Settled, version: ArtifactVersion) -> Artifact:
        return Artifact(
            id=version.id,
            name=version.name,
            version=progress.numbers.get(version.id, version.number),
            type=version.type_name,
            digest=version.digest,
            size_bytes=version.size_bytes,
            materializer=version.materializer,
            pickled=version.pickled,
            # A step may be told of while its run goes on.
            created=datetime.fromisoformat(progress.ended or now_text()),
            run_id=progress.facts.id,
            step=settled.node,
            step_id=version.made_by,
            output=version.output,
            _workspace=self._workspace,
        )
