"""A notebook that shows everything nbpipe draws: every widget with both of its faces, and every card.

`SCENES` are its cells by the name of what they show, in order; a cell whose name begins with `_`
prepares what the next ones show. The names that users give are in part as bad as they come, since
what is told of them must be readable too.
"""

from __future__ import annotations

DEFINE = '''%load_ext nbpipe
import time
from typing import Annotated, Literal
import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, SecretStr
import nbpipe
from nbpipe import Client, Model, Tag, get_pipeline_context, log_metadata, pipeline, step
from nbpipe.errors import StepFailedError
from nbpipe.widgets import (
    CatalogBrowser, DeploymentCard, ParameterForm, PipelineComposer, PipelineView, PromoteModel,
    RunComparison, ScheduleBoard, TagEditor, form_of,
)

class Forest(BaseModel):
    trees: int = Field(100, ge=1, description="how many")

class Logistic(BaseModel):
    penalty: float = 1.0

@step
def load(rows: int = 5) -> tuple[Annotated[pd.DataFrame, "birds"], Annotated[np.ndarray, "weights"]]:
    """Read the birds."""
    print("reading", rows, "rows")
    return pd.DataFrame({"mass g": range(rows), "<b>sex</b>": ["🐧 male"] * rows}), np.linspace(0, 1, rows)

@step
def fit(birds: pd.DataFrame, rate: float, depth: Annotated[int, Field(ge=1, le=9)] = 3) -> Annotated[dict, "fitted"]:
    if rate < 0:
        raise ValueError(f"a rate of {rate} learns nothing <b>at all</b>")
    log_metadata({"evaluation": {"accuracy": rate, "loss": 1 - rate}}, infer_model=True)
    return {"rate": rate, "depth": depth}

@step
def check(fitted: dict, weights: np.ndarray, note: str = "") -> float:
    return float(fitted["rate"] * weights.sum())

@step(cache=False)
def slow(score: float, wait_s: float = 0.0) -> float:
    for n in nbpipe.progress(range(int(wait_s * 20)), note="fold <b>2</b> of 5"):
        print("epoch", n)
        time.sleep(0.05)
    return score

tags = [Tag(name="latest", exclusive=True), "🌱 spring", Tag(name="season", cascade=True)]

@pipeline(model=Model(name="birds"), tags=tags)
def training(
    rate: float = Field(0.5, lt=1, description="how fast it learns"),
    method: Forest | Logistic = Forest(),
    kind: Literal["quick", "thorough"] = "quick",
    token: SecretStr = SecretStr("former"),
    note: str | None = None,
    wait_s: float = 0.0,
):
    birds, weights = load()
    return slow(check(fit(birds, rate), weights), wait_s)'''

SCENES = {
    "_define": DEFINE,
    "pipeline, static": "training",
    "run, as it ends": "run = training()",
    "run": "run",
    "_more runs": """others = [training.with_options(run_name=f"run {n}")(rate=n / 10) for n in (7, 8)]
try:
    training(rate=-1.0)
except StepFailedError:
    failed = Client().runs.newest()
client = Client()
snapshot = training.create_snapshot(name="nightly", description="how large they are")
wide = training.create_snapshot(name="wide", parameters={"rate": 0.9})""",
    "failed run": "failed",
    "run with a long error and a wide table": """@step
def break_down() -> pd.DataFrame:
    raise ValueError("and " * 1200 + "x" * 500)

@step
def widen() -> Annotated[pd.DataFrame, "wide"]:
    return pd.DataFrame({f"a long name of column {n}": [n] for n in range(30)})

@pipeline
def breaking():
    widen()
    break_down()

try:
    breaking.with_options(run_name="n" * 250)()
except StepFailedError:
    pass
Client().runs.newest()""",
    "wide table": "client.artifacts.get('wide')",
    "step run": "run.steps['fit']",
    "failed step": "failed.steps['fit']",
    "logs": "client.runs.logs(run)[0]",
    "artifact, table": "client.artifacts.get('birds')",
    "artifact, array": "client.artifacts.get('weights')",
    "lineage": "client.artifacts.lineage('fitted')",
    "explanation": "client.runs.explain(others[0])[1]",
    "explanations": "client.runs.explain(others[0])",
    "explain": "%nbpipe runs explain",
    "model": "client.models.get('birds')",
    "model version": "client.models.version('birds@1')",
    "versions compared": "client.models.compare('birds@1', 'birds@2')",
    "history": "client.models.promote('birds@1', 'production')\nclient.models.history('birds')",
    "snapshot": "snapshot",
    "snapshots compared": "client.snapshots.diff(snapshot, wide)",
    "pipeline on record": "client.pipelines.get('training')",
    "tag": "client.tags.get('latest')",
    "token": "client.tokens.create('for <b>tests</b>')\nclient.tokens.list()[0]",
    "list of runs": "client.runs.list()",
    "runs compared, static": "RunComparison(client.runs, [run, *others], static=True)",
    "runs compared": "client.runs.compare(run, *others)",
    "comparison": "RunComparison(client.runs, [run, *others])",
    "schedule": """nightly = client.schedules.create(
    "every <b>Sunday</b>", "nightly", cron_expression="0 3 * * sun", timezone="Asia/Tokyo"
)
nightly""",
    "firing": """fired = client.schedules.tick(now=nightly.next_fire)
fired[0]""",
    "list of schedules": "client.schedules.list()",
    "board of schedules": """board = ScheduleBoard()
board""",
    "board of schedules, editing": """editing = ScheduleBoard("every <b>Sunday</b>")
editing.edit_button.click()
editing.editor.cron = "61 3 * * sun"
editing""",
    "board of schedules, static": "ScheduleBoard(static=True)",
    "view of a pipeline": "PipelineView(training)",
    "view of a run": """view = PipelineView(run)
view.selected = "fit"
view""",
    "view of a failed run": "PipelineView(failed)",
    "composer": """composer = PipelineComposer()
feeding = [composer.add(name) for name in ("load", "fit", "check")]
composer.name = "class"
composer""",
    "board of promotion": "%nbpipe model promote birds",
    "board of promotion, gates": """gates = ["accuracy >= production.accuracy", "loss < 0.01"]
PromoteModel(client.models, "birds", "2", gates=gates)""",
    "board of promotion, static": "PromoteModel(client.models, 'birds', static=True)",
    "browser": "CatalogBrowser(client)",
    "browser, card": """browser = CatalogBrowser(client)
browser.selected = [run.id]
browser.open("runs", run.id)
browser""",
    "browser, static": "CatalogBrowser(client, static=True)",
    "tags": "TagEditor(client, run)",
    "tags, static": "TagEditor(client, run, static=True)",
    "form of a snapshot": "form_of(snapshot)",
    "form, wrong": """form = form_of(snapshot)
form.set("rate", 3)
form""",
    "form, static": "form_of(snapshot, static=True)",
    "form of a cell": """%%params
n: int = Field(5, ge=1, le=50, description="how many rows")
kinds: list[Literal["sum", "mean"]] = ["sum"]
day: str = "monday"
""",
    "step of a cell": "%%step total\nvalue = float(n)\nvalue",
    "step of a cell, shown": "%%step total\n",
    "_deploy": """@step
def judge(flipper_mm: float, sex: str) -> Annotated[str, "size"]:
    return f"{sex} of {flipper_mm} mm"

@pipeline
def judging(flipper_mm: float = Field(190.0, gt=100, lt=300), sex: Literal["male", "female"] = "male"):
    return judge(flipper_mm, sex)""",
    "deployment": '%nbpipe deploy judging --name "sizes of <b>birds</b>"',
    "answer": "served = client.deployments.get('sizes of <b>birds</b>')\nserved.invoke()",
    "deployment, static": "DeploymentCard(served, static=True)",
    "list of deployments": "client.deployments.list()",
    "deployment, stopped": "served.stop()",
    # Nothing comes after it: where a cell fails, the notebook stops.
    "failed run, raised": "training(rate=-1.0)",
}
# What was deployed outlives the kernel.
CLEAR = "for one in Client().deployments.list():\n    one.delete()"
