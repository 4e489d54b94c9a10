"""The facts that cards are made of: plain values, whoever gathered them.

Each is passed along and kept by nobody. Everything with a default may be left out. Instants are
aware `datetime`s or ISO 8601 text; durations are seconds; parameters, metrics and metadata are
plain values by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nbpipe.views.previews import Preview
from nbpipe.views.running import RunningFacts
from nbpipe.views.steps_graph import DagEdge, DagNode

Instant = datetime | str | None


@dataclass(frozen=True, slots=True)
class StepFacts:
    """One step, as it is defined or as it went in a run.

    Attributes:
        node: Its name in the graph.
        status: A status known to `views.theme`; empty where it has not run.
        why: Why it ran or was reused, without ids.
        duration_s: How long it took, in seconds.
        outputs: Its outputs' artifacts, such as `raw_data@7`.
        inputs: Where each argument came from, by argument.
        parameters: The values it was called with.
        tags: Its tags.
        metrics: Numbers that it logged, by dotted name.
        previews: A preview of each output, by artifact.
        error: What it raised.
        logs: What it printed.
        source: Its text.
        leans_on: The texts of what it leans on, by name; of a package, its version.
        metadata: What it logged besides numbers, by name.
        traceback: Where it raised what it raised.
        times: Of a mapped step, how often it is executed: `×10,000`.
        items: Of a mapped step, what became of its items, in numbers.
        failed_items: The first few items that failed, each with its place and what it raised.
    """

    node: str
    status: str = ""
    why: str = ""
    duration_s: float | None = None
    outputs: Sequence[str] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    tags: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    previews: Mapping[str, Preview] = field(default_factory=dict)
    error: str = ""
    logs: str = ""
    source: str = ""
    times: str = ""
    items: Mapping[str, int] = field(default_factory=dict)
    failed_items: Sequence[tuple[int, str]] = ()
    leans_on: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class ChildFacts:
    """A run that a step asked for, or several of one pipeline.

    Attributes:
        id: Its id.
        pipeline: Its pipeline's name.
        step: The step that asked for it.
        parent: The run that this step belongs to: the one that is shown, or another child.
        status: A status known to `views.theme`, or a word such as `deleted`.
        duration_s: How long it took, in seconds.
        note: What else is to be said of it: that it was not triggered again, or where it is recorded.
        is_former: Whether its step was reused, and asked for it in an earlier run.
    """

    id: str
    pipeline: str
    step: str
    parent: str
    status: str
    duration_s: float | None = None
    note: str = ""
    is_former: bool = False


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run.

    Attributes:
        id: Its id.
        name: Its name.
        pipeline: The pipeline's name.
        status: A status known to `views.theme`.
        started: When it began.
        ended: When it was over; `None` while it goes on.
        parameters: The values it ran with.
        steps: Its steps, in order.
        edges: How they are connected; without any, the card lists the steps only.
        tags: Its tags.
        metrics: Numbers by dotted name.
        model_version: Such as `iris_classifier@3`.
        error: What went wrong.
        asked_by: The run and the step that asked for it.
        children: The runs that its steps asked for, and theirs, each after its parent.
        snapshot: The snapshot that it ran, if one.
        schedule: The schedule that fired it, if one.
        differences: Where it differs from that, by name.
        running: What is seen of the steps that run now, where somebody sees them.
        resumed_from: The run that it goes on from.
        part: What was run of the pipeline, in words; empty if all of it was.
    """

    id: str
    name: str
    pipeline: str
    status: str
    started: Instant = None
    ended: Instant = None
    parameters: Mapping[str, object] = field(default_factory=dict)
    steps: Sequence[StepFacts] = ()
    edges: Sequence[DagEdge] = ()
    tags: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    model_version: str = ""
    error: str = ""
    asked_by: tuple[str, str] = ("", "")
    children: Sequence[ChildFacts] = ()
    snapshot: str = ""
    schedule: str = ""
    differences: Sequence[str] = ()
    running: Sequence[RunningFacts] = ()
    resumed_from: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class ArtifactFacts:
    """One version of an artifact.

    Attributes:
        name: The artifact's name.
        version: The version's number, if it has one yet.
        id: The version's id.
        type_name: The type of the value.
        size_bytes: How large its encoding is.
        created: When it was made.
        step: The step that made it.
        run: The run in which it did, as a caller would name it.
        materializer: How it is kept.
        is_pickle: Whether loading it runs code.
        tags: Its tags.
        metadata: What was logged about it.
        preview: What it holds, in small.
        made_from: What it was made of, such as `raw_data@7`.
        went_into: The steps that read it, each with what it gave, such as `train → trained_model@3`.
        load: The Python that loads it.
    """

    name: str
    version: int | None = None
    id: str = ""
    type_name: str = ""
    size_bytes: int | None = None
    created: Instant = None
    step: str = ""
    run: str = ""
    materializer: str = ""
    is_pickle: bool = False
    tags: Sequence[str] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    preview: Preview | None = None
    made_from: Sequence[str] = ()
    went_into: Sequence[str] = ()
    load: str = ""


@dataclass(frozen=True, slots=True)
class StageChange:
    """One move of a model version from stage to stage: when, who, which version, why, and whether by force."""

    when: Instant
    who: str
    version: str
    from_stage: str
    to_stage: str
    note: str = ""
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class ModelVersionFacts:
    """One version of a model.

    Attributes:
        model: The model's name.
        number: The version's number.
        name: Its name, if it has one besides.
        stage: The stage it holds.
        status: A status known to `views.theme`, such as `failed`.
        created: When it was made.
        run: The run that made it, as a caller would name it.
        tags: Its tags.
        metrics: Numbers by dotted name.
        artifacts: What it is made of, such as `trained_model@7`.
        history: The moves between stages, newest first.
        description: What it is.
    """

    model: str
    number: int
    name: str = ""
    stage: str = "none"
    status: str = ""
    created: Instant = None
    run: str = ""
    tags: Sequence[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifacts: Sequence[str] = ()
    history: Sequence[StageChange] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model: its versions and the moves between stages, newest first both."""

    name: str
    description: str = ""
    tags: Sequence[str] = ()
    versions: Sequence[ModelVersionFacts] = ()
    history: Sequence[StageChange] = ()


@dataclass(frozen=True, slots=True)
class TagFacts:
    """One tag: its flags, such as `exclusive`, since when it is known, and how many things bear it."""

    name: str
    flags: Sequence[str] = ()
    created: Instant = None
    count: int = 0


@dataclass(frozen=True, slots=True)
class ParameterFacts:
    """One parameter: its type, its value or default, and whether a run must be given it."""

    name: str
    type_name: str = ""
    value: object = None
    is_required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class PipelineFacts:
    """One pipeline as it is defined: its graph and its parameters; `known` is what else is known of it."""

    name: str
    description: str = ""
    nodes: Sequence[DagNode] = ()
    edges: Sequence[DagEdge] = ()
    parameters: Sequence[ParameterFacts] = ()
    tags: Sequence[str] = ()
    model: str = ""
    known: Sequence[tuple[str, object]] = ()


@dataclass(frozen=True, slots=True)
class SnapshotFacts:
    """One snapshot.

    Attributes:
        id: Its id.
        name: Its name.
        pipeline: What it is a snapshot of.
        digest: The digest of its content.
        description: In its maker's words.
        created: When it was made.
        python: The Python it was made with.
        packages: How many packages its lock holds.
        nodes: Its steps.
        edges: How they are connected.
        parameters: With the values it holds.
        tags: Its tags.
        source: The module that it prints.
        warnings: What in it looks like a secret: where, under which name, and like what.
    """

    id: str
    name: str
    pipeline: str
    digest: str = ""
    description: str = ""
    created: Instant = None
    python: str = ""
    packages: int | None = None
    nodes: Sequence[DagNode] = ()
    edges: Sequence[DagEdge] = ()
    parameters: Sequence[ParameterFacts] = ()
    tags: Sequence[str] = ()
    source: str = ""
    warnings: Sequence[tuple[str, str, str]] = ()
