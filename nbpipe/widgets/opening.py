"""Which widget answers which command: forms, boards, cards, graphs, runs side by side, tags, the browser."""

from __future__ import annotations

from typing import Any

from nbpipe.commands.answers import Answer
from nbpipe.commands.workbench import Workbench
from nbpipe.services.client import Client
from nbpipe.services.compared import ComparedRuns
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.runs import Run
from nbpipe.services.schedule_records import ScheduleRecord
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.widgets.catalog_browser import CatalogBrowser
from nbpipe.widgets.deployment_card import DeploymentCard
from nbpipe.widgets.pipeline_composer import PipelineComposer
from nbpipe.widgets.pipeline_view import PipelineView
from nbpipe.widgets.promotion import PromoteModel
from nbpipe.widgets.run_comparison import RunComparison
from nbpipe.widgets.runnable_forms import snapshot_form
from nbpipe.widgets.schedule_board import ScheduleBoard
from nbpipe.widgets.tag_editor import TagEditor


def widget_for(answer: Answer, *, static: bool) -> Any:
    """Open the widget that a command names; the answer itself where it names none, or where it is the plain table."""
    match answer.widget, answer.record:
        case "ParameterForm", Snapshot() as snapshot:
            return snapshot_form(snapshot, static=static)
        case "DeploymentCard", Deployment() as deployment:
            return DeploymentCard(deployment, static=static)
        case "ScheduleBoard", ScheduleRecord() as schedule if schedule.deleted is None:
            return ScheduleBoard(schedule, static=static)
        case "ScheduleBoard", list() as listing if all(one.deleted is None for one in listing):
            return ScheduleBoard(pipeline=answer.asked.get("pipeline"), static=static)
        case "CatalogBrowser", _ if not static:
            asked = {name: value for name, value in answer.asked.items() if value is not None}
            return CatalogBrowser(Client(), **asked)
        case "PipelineView", record if not static and (isinstance(record, Run) or hasattr(record, "request")):
            what: Any = record
            return PipelineView(what)
        case "PromoteModel", record if record is not None:
            model, version = _model_of(record)
            board = PromoteModel(Client().models, model, version, gates=answer.asked.get("gates", ()), static=static)
            board.note = answer.asked.get("note", "")
            return board
        case "RunComparison", ComparedRuns() as compared:
            shown = RunComparison(Client().runs, [side.run for side in compared.runs], static=static)
            shown.only_differences = answer.rows["only_differences"]
            return shown
        case "PipelineComposer", Workbench() as bench:
            return PipelineComposer(bench, open=answer.asked.get("open", ""), static=static)
        case "TagEditor", list() as targets:
            return TagEditor(Client(), targets, static=static)
    return answer


def _model_of(record: Any) -> tuple[str, str | None]:
    return (record.model, str(record.number)) if hasattr(record, "model") else (record.name, None)
