"""What a run's end moves: its tags, the numbers of its artifacts, the model version it worked on.

A run ends once, whoever says so: the process that ran it, or, where that one died, whoever finds
what it left. Both say it by one operation with one request id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nbpipe.catalog.catalog import Catalog
from nbpipe.errors import UserError
from nbpipe.execute.context import RUN, RunFacts, artifact_target
from nbpipe.execute.settled import RunOutcome, Settled, reused
from nbpipe.records.jsonable import writable
from nbpipe.records.operations import ArtifactTags, EndRun, NamedArtifact
from nbpipe.records.parts import Part, Taken
from nbpipe.records.runs import Status
from nbpipe.records.tags import Tag, as_tags

_LONGEST_MESSAGE = 2000
PERFORMED = "run_performed"
"""The fact that all of a run was done, written by who records its end later, behind the answer."""


def performed_as(outcome: RunOutcome) -> dict[str, Any]:
    """Write down how a run came out whose end is recorded later: should its process die before, that is known."""
    failed = outcome.failed
    failure = failed.failure if failed is not None else None
    error = {}
    if failed is not None and failure is not None:
        said = {"step": failed.node, "type": failure.type_name, "message": _said(failure.message)}
        error = {f"error_{name}": value for name, value in said.items()}
    return {"status": outcome.status, "error": error}


def end_of(facts: RunFacts, outcome: RunOutcome, declared: Sequence[Tag], model_tags: Sequence[Tag] = ()) -> EndRun:
    """Say what a run's end moves.

    Args:
        facts: The run.
        outcome: What became of it.
        declared: The tags of its pipeline.
        model_tags: The tags of its model.

    Raises:
        ConflictError: Its steps gave a tag other flags than its pipeline did.
    """
    made, tagged, tags = [], [], list(declared)
    for settled in outcome.settled.values():
        if settled.status is Status.COMPLETED:
            made += [NamedArtifact(id=artifact.id, name=artifact.name) for artifact in settled.artifacts.values()]
        if settled.tags:
            tagged += _tagged_by(settled)
            tags += settled.tags.get(RUN, [])
    failed = outcome.failed
    failure = failed.failure if failed is not None else None
    return EndRun(
        request_id=EndRun.request_id_for(facts.id),
        run_id=facts.id,
        pipeline=facts.pipeline,
        status=outcome.status,
        tags=as_tags(tags),
        made=tuple(made),
        reached=_reached_by(outcome) if tags or facts.model_version_id else (),
        tagged=tuple(tagged),
        model_version_id=facts.model_version_id,
        model_tags=tuple(model_tags),
        error_step=failed.node if failed is not None else "",
        error_type=failure.type_name if failure is not None else "",
        error_message=_said(failure.message) if failure is not None else "",
    )


def _said(message: str) -> str:
    """Give what an error says as it can be written down: no longer than anybody reads, no half of a surrogate pair."""
    return writable(message[:_LONGEST_MESSAGE])


def end_of_part(end: EndRun, taken: Iterable[Taken]) -> EndRun:
    """Say what the end of a run of a part of a pipeline moves: nothing that points at the newest.

    What it read from steps that were left out, its own tags and its model version reach as what it made.
    """
    if end.tags or end.model_version_id:
        read = dict.fromkeys((one.artifact, one.name) for one in taken)
        reached = (*(NamedArtifact(id=artifact, name=name) for artifact, name in read), *end.reached)
        end = end.model_copy(update={"reached": reached})
    return end.model_copy(update={"is_part": True})


def _tagged_by(settled: Settled) -> list[ArtifactTags]:
    tagged = []
    for output, artifact in settled.artifacts.items():
        given = settled.tags.get(artifact_target(output))
        if given:
            tagged.append(ArtifactTags(id=artifact.id, name=artifact.name, tags=as_tags(given)))
    return tagged


def _reached_by(outcome: RunOutcome) -> tuple[NamedArtifact, ...]:
    return tuple(
        NamedArtifact(id=artifact.id, name=artifact.name)
        for settled in outcome.settled.values()
        for artifact in settled.artifacts.values()
    )


def failed_end_of(facts: RunFacts, outcome: RunOutcome, error: BaseException) -> EndRun:
    """Say what the end of a run moves that came to grief outside of its steps: no tag."""
    for settled in outcome.settled.values():
        settled.tags = {}
    said = {"error_type": type(error).__name__, "error_message": _said(str(error))}
    return end_of(facts, outcome, ()).model_copy(update={"status": Status.FAILED, **said})


def end_abandoned(catalog: Catalog, run_id: str, left: Sequence[Mapping[str, Any]], numbered: Collection[str]) -> None:
    """Record the end of a run whose process died: interrupted, with what it had made until then.

    One that was performed, and whose end only was still to be recorded, ends as it did.

    Args:
        catalog: Where to.
        run_id: The run.
        left: The facts of the run that its process recorded.
        numbered: The artifact versions that have their numbers: what a session made gets them at once.
    """
    start = next((fact["b"] for fact in left if fact["k"] == "run_started"), None)
    if start is None:
        return
    facts = RunFacts(run_id, start["name"], start["pipeline"], {}, model_version_id=start["model_version_id"])
    performed = next((fact["b"] for fact in left if fact["k"] == PERFORMED), None)
    outcome = RunOutcome(Status(performed["status"]) if performed is not None else Status.INTERRUPTED)
    for fact in left:
        # What the items of a list gave is a part of what the whole gives, and has no number of its own.
        if fact["k"] == "step" and "item" not in fact["b"]:
            settled = reused(fact["b"]["node"], fact["id"], fact["b"])
            settled.status = Status(fact["b"]["status"])
            outcome.settled[fact["id"]] = settled
    # Two that find the same run say the same: it has one request id.
    try:
        end = end_of(facts, outcome, as_tags(start.get("tags")))
        if performed is not None:
            end = end.model_copy(update=performed["error"])
        if start.get("part"):
            end = end_of_part(end, Part.read(start["part"]).taken)
        made = tuple(artifact for artifact in end.made if artifact.id not in numbered)
        catalog.transact(end.model_copy(update={"made": made}))
    except UserError as refused:
        end = failed_end_of(facts, outcome, refused)
        made = tuple(artifact for artifact in end.made if artifact.id not in numbered)
        with suppress(UserError):
            catalog.transact(end.model_copy(update={"made": made, "status": Status.INTERRUPTED}))
