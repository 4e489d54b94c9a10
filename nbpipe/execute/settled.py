"""What became of a node, and how it is written down.

The body of a `step` fact is made here and read here, so that its form stands in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nbpipe.base.clock import now
from nbpipe.base.log import plain_json
from nbpipe.execute.context import MODEL, RUN, RunFacts, artifact_target
from nbpipe.execute.files import NO_FILES, FilesUsed, changed_file
from nbpipe.execute.plan import Keys, is_expired
from nbpipe.execute.prepared import Inputs, Prepared
from nbpipe.execute.randomness import Drawn
from nbpipe.execute.worker import Failure
from nbpipe.records.artifacts import ArtifactVersion, NotCarried
from nbpipe.records.definitions import AnyStep
from nbpipe.records.executions import RecordedExecution
from nbpipe.records.runs import NOT_TAKEN, Status, Triggered
from nbpipe.records.tags import Tag
from nbpipe.store.store import Store


@dataclass(slots=True)
class ItemCounts:
    """What became of the items over which a step was mapped, in numbers.

    Attributes:
        total: How many there are.
        completed: How many ran.
        reused: How many were reused.
        failed: How many failed.
        interrupted: How many were stopped, or never began.
        alike: Whether nothing but their inputs decides what they give, and they noted nothing: then an equal list
            needs no look at each of them.
        noted: What they noted of the run, encoded; it is written down with each of them.
    """

    total: int = 0
    completed: int = 0
    reused: int = 0
    failed: int = 0
    interrupted: int = 0
    alike: bool = True
    noted: dict[str, Any] = field(default_factory=dict)

    def as_record(self) -> dict[str, Any]:
        """Give the numbers as plain data."""
        record = asdict(self)
        del record["noted"]
        return record


@dataclass(slots=True)
class Settled:
    """What became of one node.

    Attributes:
        node: The node.
        status: Whether it ran, was reused, failed, was skipped or stopped.
        why: Why.
        against: The id of the earlier execution with which that was found out, or `""`.
        step_run_id: The id of this execution.
        artifacts: The artifact versions it gave, by output.
        not_carried: The outputs that could not be stored, by name.
        failure: What it raised.
        duration_s: How long it took, in seconds.
        metadata: What it noted, by target, encoded.
        tags: The tags it gave, by target: those that its code gave, then those that its definition declares.
        declared: How many of these its definition declares, by target.
        logs: What it printed.
        files: The files that it read and wrote.
        drawn: For a cell: what it did to the process's sources of random numbers.
        triggered: The runs of other pipelines that it asked for; of a reused one, those that it had asked for then.
        item: Of one item of a list, the mapped node and the item's place.
        record: Of a reused one, the execution that is reused.
        items: Of a mapped node, what became of its items.
    """

    node: str
    status: Status
    why: str
    step_run_id: str = ""
    artifacts: dict[str, ArtifactVersion] = field(default_factory=dict)
    not_carried: dict[str, NotCarried] = field(default_factory=dict)
    failure: Failure | None = None
    duration_s: float = 0.0
    metadata: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, list[Tag]] = field(default_factory=dict)
    declared: dict[str, int] = field(default_factory=dict)
    logs: str = ""
    files: FilesUsed = NO_FILES
    drawn: Sequence[Drawn] = ()
    against: str = ""
    triggered: Sequence[Triggered] = ()
    item: tuple[str, int] | None = None
    items: ItemCounts | None = None
    record: RecordedExecution | None = None

    @property
    def is_not_taken(self) -> bool:
        """Whether it was skipped because a condition did not hold, its own or that of a step it depends on."""
        return self.status is Status.SKIPPED and self.why.startswith(NOT_TAKEN)

    def declare(self, definition: AnyStep, outputs: Iterable[str]) -> None:
        """Give outputs the tags that the step's definition, as it stands now, declares for them."""
        declared = _declared_by(definition)
        if not declared and not definition.options.tags:
            return
        for output in outputs:
            tags = (*declared.get(output, ()), *definition.options.tags)
            if tags:
                target = artifact_target(output)
                self.tags.setdefault(target, []).extend(tags)
                self.declared[target] = len(tags)


def _declared_by(definition: AnyStep) -> dict[str, tuple[Tag, ...]]:
    return {output.name: output.tags for output in definition.signature.outputs if output.tags}


Listener = Callable[[str, Settled | None], None]
_REUSED = Status.REUSED


@dataclass(slots=True)
class RunOutcome:
    """What became of a run.

    Attributes:
        status: How it ended.
        settled: Each node's outcome, in the order in which they were settled.
        failed: The first node that failed.
    """

    status: Status
    settled: dict[str, Settled] = field(default_factory=dict)
    failed: Settled | None = None


def reused(node: str, step_run_id: str, record: Mapping[str, Any], definition: AnyStep | None = None) -> Settled:
    """Give what a node that is reused gives: all that the recorded execution gave, said once more.

    With a definition, it is the tags which that declares that its outputs get, whatever was declared then.
    """
    why = record.get("taken", "nothing it depends on changed")
    settled = Settled(node, _REUSED, why, step_run_id, dict(artifacts_in(record)))
    if record["not_carried"]:
        settled.not_carried = {lost["name"]: NotCarried(**lost) for lost in record["not_carried"]}
    if "items" in record:
        total = record["items"]["total"]
        settled.items = ItemCounts(total=total, reused=total)
    if record["metadata"]:
        settled.metadata = {note["target"]: note["values"] for note in record["metadata"]}
    if record["tags"]:
        settled.tags = {target: [Tag.read(tag) for tag in tags] for target, tags in record["tags"].items()}
        settled.declared = dict(record.get("declared", {}))
    if "triggered" in record:
        settled.triggered = tuple(Triggered(**said) for said in record["triggered"])
        names = ", ".join(dict.fromkeys(one.pipeline for one in settled.triggered))
        settled.why += f"; {names} was not triggered again"
    if definition is not None:
        _declare_anew(settled, definition)
    return settled


def _declare_anew(settled: Settled, definition: AnyStep) -> None:
    """Give what a reused node gives the tags that its definition declares now, and not those that it declared then."""
    if settled.tags:
        for target, count in settled.declared.items():
            del settled.tags[target][-count:]
        settled.tags = {target: tags for target, tags in settled.tags.items() if tags}
    if not settled.declared and not definition.options.tags and not _declared_by(definition):
        return
    known = {output.name for output in definition.signature.outputs}
    meant = [name for name in settled.artifacts if name in known or artifact_target(name) in settled.declared]
    settled.declared = {}
    settled.declare(definition, meant)


def objection(record: Mapping[str, Any], expiry_s: float | None, store: Store) -> str:
    """Say what stands against reusing a recorded execution, wherever it would be reused; nothing, if `""`."""
    if expiry_s is not None and is_expired(record["ended"], expiry_s, now()):
        return "its result has expired"
    changed = changed_file(record, store.workspace)
    return changed or _gone(record, store)


def objection_to_given(record: Mapping[str, Any], inputs: Inputs, store: Store) -> str:
    """Say what stands against taking an execution that a node was given, whatever it would be reused by."""
    read = {given["name"]: given["digest"] for given in record["inputs"]}
    changed = [name for name, digest in inputs.digests.items() if read.get(name) != digest]
    return f"input {changed[0]} changed" if changed else _gone(record, store)


def _gone(record: Mapping[str, Any], store: Store) -> str:
    for artifact in artifacts_in(record).values():
        if not store.exists(artifact):
            return "its stored result is gone"
    return ""


def artifacts_in(record: Mapping[str, Any]) -> Mapping[str, ArtifactVersion]:
    """Read the artifact versions that an execution gave, by output."""
    execution = record if isinstance(record, RecordedExecution) else RecordedExecution(record)
    return execution.artifacts


def reuse_as_json(
    run: RunFacts,
    step: str,
    prepared: Prepared,
    settled: Settled,
    *,
    keys: Keys,
    inputs: Inputs,
    at: str,
    record: RecordedExecution,
) -> bytes:
    """Write down that a node was reused, as `body_of` would, in JSON.

    An unchanged pipeline says the same of the same node run after run, but for the instant: that stands first,
    and the rest is kept with the execution.
    """
    place = run.pipeline, settled.node, step, *(artifact.id for artifact in inputs.artifacts.values())
    if inputs.out_of:
        place += tuple(inputs.out_of.values())
    if settled.declared:
        place += (repr(settled.tags),)
    former_place, rest = record.last_reuse
    if place != former_place:
        body = body_of(run, step, prepared, settled, keys=keys, inputs=inputs, started=at, ended=at, record=record)
        del body["started"], body["ended"]
        rest = plain_json(body)[1:]
        # What was noted may be said of the run, which is another one the next time.
        if not settled.metadata:
            record.last_reuse = place, rest
    return b'{"started":"%b","ended":"%b",%b' % (at.encode(), at.encode(), rest)


def body_of(
    run: RunFacts,
    step: str,
    prepared: Prepared,
    settled: Settled,
    *,
    keys: Keys = Keys("", ""),
    inputs: Inputs = Inputs(),
    started: str,
    ended: str,
    attempt: int = 1,
    record: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write down what became of a node.

    Args:
        run: The run.
        step: The step that the node calls.
        prepared: What it is made of.
        settled: What became of it.
        keys: What the execution is known by; empty if there was none.
        inputs: What it ran with.
        started: When it began, ISO 8601.
        ended: When it was over.
        attempt: Which attempt it was, from 1.
        record: The execution that was reused, if one was.
    """
    body: dict[str, Any] = {
        "pipeline": run.pipeline,
        "node": settled.node,
        "step": step,
        "status": str(settled.status),
        "why": settled.why,
        "against": settled.against,
        "key": keys.key,
        "half": keys.half,
        "source": prepared.source.digest,
        "started": started,
        "ended": ended,
        "duration_s": settled.duration_s,
        "attempt": attempt,
        "parameters": inputs.parameters if inputs.values else {},
        "inputs": _given(inputs),
        "outputs": (
            record["outputs"] if record is not None else [one.as_record() for one in settled.artifacts.values()]
        ),
        "not_carried": [lost.as_record() for lost in settled.not_carried.values()] if settled.not_carried else (),
        "metadata": _notes(settled, run) if settled.metadata else (),
        "tags": _tags(settled) if settled.tags else {},
        "error": settled.failure.as_record() if settled.failure is not None else None,
        "reused_from": (record["reused_from"] or record["id"]) if record is not None else "",
        "logs": settled.logs,
    }
    if settled.declared:
        body["declared"] = settled.declared
    if settled.item is not None:
        body["item_of"], body["item"] = settled.item
    if settled.items is not None:
        body["items"] = settled.items.as_record()
    if record is not None:
        body |= _seen_again(record)
    elif settled.files is not NO_FILES or settled.drawn or settled.triggered:
        body |= _seen(settled)
    return body


def _given(inputs: Inputs) -> list[dict[str, str]]:
    digests = inputs.digests
    given = [{"name": name, "artifact": one.id, "digest": digests[name]} for name, one in inputs.artifacts.items()]
    if not inputs.out_of:
        return given
    ids = {one["name"]: one["artifact"] for one in given} | dict(inputs.out_of)
    return [{"name": name, "artifact": ids[name], "digest": digests[name]} for name in ids]


def _tags(settled: Settled) -> dict[str, list[dict[str, Any]]]:
    return {target: [tag.model_dump() for tag in tags] for target, tags in settled.tags.items()}


def _seen(settled: Settled) -> dict[str, Any]:
    """Write down what an execution had to do with the world outside its inputs; nothing, as a rule."""
    said: dict[str, Any] = {}
    if settled.files.read:
        said["files"] = [file.as_record() for file in settled.files.read]
    if settled.files.written:
        said["written"] = list(settled.files.written)
    if settled.files.moved_to:
        said["moved_to"] = settled.files.moved_to
    if settled.drawn:
        said["random"] = [one.as_record() for one in settled.drawn]
    if settled.triggered:
        said["triggered"] = [one.as_record() for one in settled.triggered]
    return said


def _seen_again(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in ("files", "written", "moved_to", "random", "triggered") if name in record}


def _notes(settled: Settled, run: RunFacts) -> list[dict[str, Any]]:
    notes = []
    for target, values in settled.metadata.items():
        # What is said of a model where no version is made (a cell run by hand) waits for a run that reuses it.
        kind, entity_id = _entity(target, settled, run) or ("", "")
        notes.append({"target": target, "kind": kind, "id": entity_id, "values": values})
    return notes


def _entity(target: str, settled: Settled, run: RunFacts) -> tuple[str, str] | None:
    if target == RUN:
        return "run", run.id
    if target == MODEL:
        return ("model_version", run.model_version_id) if run.model_version_id else None
    if target.startswith("artifact:"):
        artifact = settled.artifacts.get(target.removeprefix("artifact:"))
        return ("artifact_version", artifact.id) if artifact is not None else None
    return "step", settled.step_run_id
