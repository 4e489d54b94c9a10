"""The face of each kind of record: its card, or of a listing its table.

One table, from which records show themselves (`base.displaying`) and from which a notebook
takes what it shows in their place. A kind of record that is added gets its line here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbpipe.commands.comparing import comparison_bundle
from nbpipe.commands.comparing_versions import versions_bundle
from nbpipe.commands.listed import listing_bundle
from nbpipe.commands.printed_logs import log_bundle
from nbpipe.commands.reasons import step_explanation_bundle
from nbpipe.commands.showing import (
    artifact_bundle,
    model_bundle,
    recorded_bundle,
    run_bundle,
    snapshot_bundle,
    tag_bundle,
    version_bundle,
)
from nbpipe.commands.showing_deployments import answer_bundle, deployment_bundle
from nbpipe.commands.showing_schedules import firing_bundle, schedule_bundle
from nbpipe.commands.showing_steps import step_bundle
from nbpipe.commands.showing_tokens import token_bundle
from nbpipe.commands.snapshot_differences import differences_bundle
from nbpipe.commands.tracing import lineage_bundle
from nbpipe.errors import NbpipeError
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.compared import ComparedRuns
from nbpipe.services.comparison import Comparison
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.explaining import Explanation
from nbpipe.services.invoking import Answer
from nbpipe.services.lineage import Lineage
from nbpipe.services.listing import Listing
from nbpipe.services.logs import StepLog
from nbpipe.services.model_records import ModelRecord
from nbpipe.services.pipelines import PipelineRecord
from nbpipe.services.runs import Run, StepRun
from nbpipe.services.schedule_records import Firing, ScheduleRecord
from nbpipe.services.snapshot_differences import SnapshotDifferences
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.services.step_runs import ItemRun
from nbpipe.services.tags import TagRecord
from nbpipe.services.tokens import TokenRecord
from nbpipe.services.versions import ModelVersion
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render

# Each takes the record and `stable`: whether to leave out what differs from one run to the next.
FACES: dict[type, Callable[..., Bundle]] = {
    Run: run_bundle,
    StepRun: step_bundle,
    ItemRun: step_bundle,
    StepLog: log_bundle,
    Artifact: artifact_bundle,
    ModelVersion: version_bundle,
    ModelRecord: model_bundle,
    Snapshot: snapshot_bundle,
    PipelineRecord: recorded_bundle,
    TagRecord: tag_bundle,
    Explanation: step_explanation_bundle,
    Deployment: deployment_bundle,
    Answer: answer_bundle,
    ScheduleRecord: schedule_bundle,
    Firing: firing_bundle,
    TokenRecord: token_bundle,
    Lineage: lineage_bundle,
    ComparedRuns: comparison_bundle,
    SnapshotDifferences: differences_bundle,
    Comparison: versions_bundle,
    Listing: listing_bundle,
}


def face_of(record: Any, *, stable: bool = False) -> Bundle:
    """Show a record; if what its card shows is gone, in one line, with why there is no more."""
    try:
        return FACES[type(record)](record, stable=stable)
    except NbpipeError as error:
        said = f"{record!r}\n{error}"
        return Bundle(render(element("pre", said, style="white-space:pre-wrap;")), said)
