"""The face of each kind of record: its card, or of a listing its table.

One table, from which records show themselves (`base.displaying`) and from which a notebook
takes what it shows in their place. A kind of record that is added gets its line here. Who draws a
kind is loaded when the first of it is shown: to load the extension is not to draw anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from nbpipe.errors import NbpipeError
from nbpipe.views.frames import Bundle
from nbpipe.views.markup import element, render

# The class, and which function of `commands` draws it. Each takes the record and `stable`: whether to leave out what
# differs from one run to the next.
FACES: dict[str, str] = {
    "nbpipe.services.recorded.Run": "showing.run_bundle",
    "nbpipe.services.step_runs.StepRun": "showing_steps.step_bundle",
    "nbpipe.services.step_runs.ItemRun": "showing_steps.step_bundle",
    "nbpipe.services.logs.StepLog": "printed_logs.log_bundle",
    "nbpipe.services.artifact_records.Artifact": "showing.artifact_bundle",
    "nbpipe.services.versions.ModelVersion": "showing.version_bundle",
    "nbpipe.services.model_records.ModelRecord": "showing.model_bundle",
    "nbpipe.services.snapshot_records.Snapshot": "showing.snapshot_bundle",
    "nbpipe.services.pipelines.PipelineRecord": "showing.recorded_bundle",
    "nbpipe.services.tags.TagRecord": "showing.tag_bundle",
    "nbpipe.services.explaining.Explanation": "reasons.step_explanation_bundle",
    "nbpipe.services.deployment_records.Deployment": "showing_deployments.deployment_bundle",
    "nbpipe.services.invoking.Answer": "showing_deployments.answer_bundle",
    "nbpipe.services.schedule_records.ScheduleRecord": "showing_schedules.schedule_bundle",
    "nbpipe.services.schedule_records.Firing": "showing_schedules.firing_bundle",
    "nbpipe.services.tokens.TokenRecord": "showing_tokens.token_bundle",
    "nbpipe.services.lineage.Lineage": "tracing.lineage_bundle",
    "nbpipe.services.compared.ComparedRuns": "comparing.comparison_bundle",
    "nbpipe.services.snapshot_differences.SnapshotDifferences": "snapshot_differences.differences_bundle",
    "nbpipe.services.comparison.Comparison": "comparing_versions.versions_bundle",
    "nbpipe.services.listing.Listing": "listed.listing_bundle",
}


def face_of(record: Any, *, stable: bool = False) -> Bundle:
    """Show a record; if what its card shows is gone, in one line, with why there is no more."""
    try:
        return drawn_by(f"{type(record).__module__}.{type(record).__qualname__}")(record, stable=stable)
    except NbpipeError as error:
        said = f"{record!r}\n{error}"
        return Bundle(render(element("pre", said, style="white-space:pre-wrap;")), said)


@cache
def drawn_by(kind: str) -> Callable[..., Bundle]:
    """Give the function that draws a kind of record."""
    module, _, name = FACES[kind].partition(".")
    draw: Callable[..., Bundle] = getattr(import_module(f"nbpipe.commands.{module}"), name)
    return draw
