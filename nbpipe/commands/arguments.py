"""Arguments that several commands take, each said once.

What a name stands for is its metavar: completion goes by it (`completing`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

SOURCE = "SOURCE"
SOURCE_OR_SNAPSHOT = "SOURCE_OR_SNAPSHOT"
RUN = "RUN"
SNAPSHOT = "SNAPSHOT"
PIPELINE = "PIPELINE"
MODEL = "MODEL"
STAGE = "STAGE"
ARTIFACT = "ARTIFACT"
TAG = "TAG"
STATUS = "STATUS"
SETTING = "NAME=VALUE"

AsJson = Annotated[bool, Option("--json", help="Answer with plain facts as JSON.")]
Limit = Annotated[int, Option("--limit", metavar="N", help="How many at most.")]

Source = Annotated[
    str,
    Argument(metavar=SOURCE, help="file.py:attr, module:attr or, in a notebook, the name of a pipeline there."),
]
Settings = Annotated[
    list[str] | None,
    Option("--set", metavar=SETTING, help="Another value: rate=0.2, or train.rate=0.2 for one step. Repeatable."),
]
Configuration = Annotated[
    Path | None, Option("--config", metavar="FILE", help="A YAML or JSON file with a run configuration.")
]
NoCache = Annotated[bool, Option("--no-cache", help="Run every step, whatever is recorded.")]
RunTags = Annotated[list[str] | None, Option("--tag", metavar=TAG, help="A tag for the run. Repeatable.")]

RunName = Annotated[str, Argument(metavar=RUN, help="A run: its id, the beginning of it, or its name.")]
SnapshotName = Annotated[str, Argument(metavar=SNAPSHOT, help="A snapshot: its name, pipeline/name, or id.")]
ModelName = Annotated[str, Argument(metavar=MODEL, help="A model, or a version as in iris@3 or iris@production.")]
ArtifactName = Annotated[str, Argument(metavar=ARTIFACT, help="An artifact: its name, name@version, or id.")]
TagName = Annotated[str, Argument(metavar=TAG, help="A tag.")]

OfPipeline = Annotated[str | None, Option("--pipeline", metavar=PIPELINE, help="Only those of this pipeline.")]
WithTags = Annotated[list[str] | None, Option("--tag", metavar=TAG, help="Only those that bear this tag. Repeatable.")]
