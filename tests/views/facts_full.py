"""Facts with something in every field, so that a test sees all that a card can show."""

from __future__ import annotations

from nbpipe.views.compared import ComparedRow, ComparedRunFacts, ComparisonFacts
from nbpipe.views.facts import (
    ArtifactFacts,
    ModelFacts,
    ModelVersionFacts,
    ParameterFacts,
    PipelineFacts,
    RunFacts,
    SnapshotFacts,
    StageChange,
    StepFacts,
    TagFacts,
)
from nbpipe.views.lineage import LineageFacts, LineageLine
from nbpipe.views.previews import Preview
from nbpipe.views.steps_graph import DagEdge, DagNode
from nbpipe.views.tables import Table

RUN_ID = "3f2a9c1e-1111-4222-8333-444455556666"
STARTED = "2026-11-20T08:15:30.000000+00:00"
ENDED = "2026-11-20T08:18:34.000000+00:00"


def every_preview(said: str) -> dict[str, Preview]:
    """Give a preview of each kind that says `said` wherever it can."""
    return {
        f"table {said}": {"kind": "table", "columns": [said, "n"], "rows": [[said, "1"]], "shape": [1, 2]},
        f"array {said}": {"kind": "array", "dtype": said, "shape": [2], "min": said, "max": said},
        f"image {said}": {"kind": "image", "png": said, "width": 2, "height": 2},
        f"text {said}": {"kind": "text", "text": said, "length": 0},
        f"json {said}": {"kind": "json", "value": {said: [said]}},
        f"word {said}": {"kind": "json", "value": said},
        f"object {said}": {"kind": "object", "repr": said},
        f"other {said}": {"kind": said, said: said},
    }


def full_step(said: str) -> StepFacts:
    return StepFacts(
        node=f"train {said}",
        status=said,
        why=said,
        duration_s=64.0,
        outputs=[said],
        inputs={said: said},
        parameters={said: said, "rate": 0.1},
        tags=[said],
        metrics={said: 0.5},
        previews=every_preview(said),
        error=said,
        logs=said,
        source=said,
    )


def full_run(said: str) -> RunFacts:
    steps = [StepFacts(f"load {said}", said, said, 0.2, [said]), full_step(said)]
    return RunFacts(
        id=RUN_ID,
        name=said,
        pipeline=said,
        status=said,
        started=STARTED,
        ended=ENDED,
        parameters={said: {said: [said]}},
        steps=steps,
        edges=[DagEdge(steps[0].node, steps[1].node, said)],
        tags=[said],
        metrics={said: 0.5},
        model_version=f"{said}@3",
        error=said,
    )


def full_comparison(said: str, runs: int = 3) -> ComparisonFacts:
    sides = [ComparedRunFacts(f"{n}{RUN_ID[1:]}" if n else RUN_ID, said, said, said, 64.0 + n) for n in range(runs)]
    rows = [
        ComparedRow("run", "error", {0: said}, differs=True),
        ComparedRow("parameters", f"a {said}", {0: said, 1: {said: [said]}}, differs=True),
        ComparedRow("parameters", "rate", {n: 0.1 + n for n in range(runs)}, differs=True),
        ComparedRow("metrics", f"m {said}", {n: n / 7 for n in range(1, runs)}, differs=True),
        ComparedRow("metrics", "loss", {n: 1 - n / 9 for n in range(runs)}, differs=True),
        ComparedRow("steps", said, {0: StepFacts(said, said, duration_s=2.0), 1: StepFacts(said)}, differs=True),
        ComparedRow("data", said, {0: said, 1: f"{said}@2"}, differs=True),
        ComparedRow("code", said, {0: "A", 1: f"B: {said}"}, differs=True),
        ComparedRow("tags", said, {1: True}, differs=True),
    ]
    return ComparisonFacts(sides, rows)


def full_artifact(said: str) -> ArtifactFacts:
    preview = {"kind": "text", "text": said, "length": 0}
    return ArtifactFacts(
        said, 7, said, said, 4_200, STARTED, said, said, said, is_pickle=False, tags=[said], metadata={said: said},
        preview=preview, made_from=[said], went_into=[said], load=said,
    )  # fmt: skip


def full_tag(said: str) -> TagFacts:
    return TagFacts(said, [said], STARTED, 3)


def full_lineage(said: str) -> LineageFacts:
    lines = [LineageLine(0, said, is_step=True, status=said, notes=[said]), LineageLine(1, said, notes=[said])]
    runs = Table((said, "n"), [(said, 1)])
    return LineageFacts(said, lines, lines, runs, [said], [said], is_cut=True)


def full_model_version(said: str) -> ModelVersionFacts:
    history = [StageChange(STARTED, said, said, said, said, said)]
    return ModelVersionFacts(said, 3, said, said, said, STARTED, said, [said], {said: 0.5}, [said], history)


def full_model(said: str) -> ModelFacts:
    version = full_model_version(said)
    return ModelFacts(said, said, [said], [version], version.history)


def full_pipeline(said: str) -> PipelineFacts:
    nodes = [DagNode("a", said, said, said, said), DagNode(f"b {said}")]
    parameters = [ParameterFacts(said, said, said, is_required=False, description=said), ParameterFacts("r", said)]
    return PipelineFacts(said, said, nodes, [DagEdge("a", f"b {said}", said)], parameters, [said], said)


def full_snapshot(said: str) -> SnapshotFacts:
    pipeline = full_pipeline(said)
    return SnapshotFacts(
        said, said, said, said, said, STARTED, said, 214, pipeline.nodes, pipeline.edges, pipeline.parameters, [said],
        said,
    )  # fmt: skip
