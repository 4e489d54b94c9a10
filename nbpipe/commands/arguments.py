"""Arguments that several commands take, each said once.

What a name stands for is its metavar: completion goes by it (`completing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.config import parse_value

SOURCE = "SOURCE"
SOURCE_OR_SNAPSHOT = "SOURCE_OR_SNAPSHOT"
RUN = "RUN"
SNAPSHOT = "SNAPSHOT"
PIPELINE = "PIPELINE"
STEP = "STEP"
MODEL = "MODEL"
STAGE = "STAGE"
ARTIFACT = "ARTIFACT"
TAG = "TAG"
STATUS = "STATUS"
EXECUTOR = "EXECUTOR"
DEPLOYMENT = "DEPLOYMENT"
SCHEDULE = "SCHEDULE"
SETTING = "NAME=VALUE"
FILE = "FILE"
FOLDER = "FOLDER"
NOTEBOOK = "NOTEBOOK"
ZONE = "ZONE"

AsJson = Annotated[bool, Option("--json", help="Answer with plain facts as JSON.")]
Limit = Annotated[int, Option("--limit", metavar="N", help="How many at most.")]

Source = Annotated[
    str,
    Argument(
        metavar=SOURCE,
        help="file.py:attr, module:attr, notebook.ipynb or, in a notebook, a pipeline of it.",
    ),
]
Settings = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar=SETTING,
        help="Another value: rate=0.2, train.rate=0.2 for one step, options.depth=3 within one. Repeatable.",
    ),
]
Configuration = Annotated[
    Path | None, Option("--config", metavar="FILE", help="A YAML or JSON file with a run configuration.")
]
NoCache = Annotated[bool, Option("--no-cache", help="Run every step, whatever is recorded.")]
Executor = Annotated[
    str | None,
    Option(
        "--executor",
        metavar=EXECUTOR,
        help="Who runs the steps: in-process, processes, processes:4, dask or dask:tcp://host:port.",
    ),
]
Isolated = Annotated[
    bool, Option("--isolated", help="Run it in the environment that it was made in: its packages are built again.")
]
RunTags = Annotated[list[str] | None, Option("--tag", metavar=TAG, help="A tag for the run. Repeatable.")]

Debug = Annotated[
    bool, Option("--debug", help="Run in the calling thread: breakpoint() stops there, %debug finds a failed step.")
]
FromSteps = Annotated[
    list[str] | None,
    Option(
        "--from",
        metavar=STEP,
        help="Run only this step and what waits for it, on what was last given before. Repeatable.",
    ),
]
UntilSteps = Annotated[
    list[str] | None, Option("--until", metavar=STEP, help="Run only this step and what it waits for. Repeatable.")
]
OnlySteps = Annotated[
    list[str] | None,
    Option("--only", metavar=STEP, help="Run just this step, on what was last given before. Repeatable."),
]

RunName = Annotated[str, Argument(metavar=RUN, help="A run: its id, the beginning of it, or its name.")]
SnapshotName = Annotated[str, Argument(metavar=SNAPSHOT, help="A snapshot: its name, pipeline/name, or id.")]
ModelName = Annotated[str, Argument(metavar=MODEL, help="A model, or a version as in iris@3 or iris@production.")]
ArtifactName = Annotated[str, Argument(metavar=ARTIFACT, help="An artifact: its name, name@version, or id.")]
TagName = Annotated[str, Argument(metavar=TAG, help="A tag.")]

OfPipeline = Annotated[str | None, Option("--pipeline", metavar=PIPELINE, help="Only those of this pipeline.")]
WithTags = Annotated[list[str] | None, Option("--tag", metavar=TAG, help="Only those that bear this tag. Repeatable.")]
WithAnyTag = Annotated[
    list[str] | None, Option("--any-tag", metavar=TAG, help="Only those that bear one of these tags. Repeatable.")
]
TagPrefix = Annotated[str, Option("--tag-prefix", metavar="TEXT", help="Only those with a tag that begins so.")]
TagContains = Annotated[str, Option("--tag-contains", metavar="TEXT", help="Only those with a tag that holds this.")]
NamePrefix = Annotated[str, Option("--name-prefix", metavar="TEXT", help="Only those whose name begins so.")]
NameContains = Annotated[str, Option("--name-contains", metavar="TEXT", help="Only those whose name holds this.")]
Statuses = Annotated[
    list[str] | None, Option("--status", metavar=STATUS, help="Only those that stand so. Repeatable: one of them.")
]
Where = Annotated[
    list[str] | None,
    Option("--where", metavar="COMPARISON", help='Of metrics: "accuracy > 0.8 and loss < 0.2". Repeatable.'),
]
WithMetadata = Annotated[
    list[str] | None,
    Option("--metadata", metavar=SETTING, help="A value in the metadata: dataset.rows=344. Repeatable."),
]
Since = Annotated[
    str | None, Option("--since", metavar="TIME", help="Only since then: 2h, 3d, 2026-11-20 or 2026-11-20T08:00.")
]
Until = Annotated[str | None, Option("--until", metavar="TIME", help="Only before then.")]
OrderBy = Annotated[
    str | None, Option("--order-by", metavar="NAME", help='A column or a metric: started, "accuracy desc".')
]
OfModelVersion = Annotated[
    str | None, Option("--model-version", metavar=MODEL, help="Only those of this model version, as in iris@3.")
]


def metadata_said(settings: Sequence[str] | None) -> dict[str, Any]:
    """Read values of metadata: JSON where they are JSON, else text.

    Raises:
        BadValueError: One without a name or an equals sign.
    """
    found = {}
    for setting in settings or ():
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise BadValueError(f"--metadata {shorten(setting)} asks for nothing; write it as in dataset.rows=344.")
        found[name.strip()] = parse_value(text)
    return found
