"""Which widget answers which command: forms, boards, runs side by side, the editor of tags, the catalog's browser.

A form needs to know what its Run button does and how the same is written by hand; here both are
said for each kind of thing that can be run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from nbpipe.commands.answers import Answer
from nbpipe.commands.calling import Runnable
from nbpipe.commands.showing import run_bundle
from nbpipe.records.parameters import as_json
from nbpipe.services.client import Client
from nbpipe.services.compared import ComparedRuns
from nbpipe.services.runs import Run
from nbpipe.services.snapshot_records import Snapshot
from nbpipe.widgets.catalog_browser import CatalogBrowser
from nbpipe.widgets.form import ParameterForm
from nbpipe.widgets.promotion import PromoteModel
from nbpipe.widgets.run_comparison import RunComparison
from nbpipe.widgets.tag_editor import TagEditor


def pipeline_form(pipeline: Runnable, *, static: bool) -> ParameterForm:
    """Open the form of a pipeline that the notebook defines."""

    def run(values: Mapping[str, Any]) -> Answer:
        return _card_of(Client().runs.start(pipeline.request(values)).wait())

    return ParameterForm(
        pipeline.definition.parameters,
        run=run,
        call_text=lambda changed: f"{pipeline.name}({_arguments(changed)})",
        command_text=lambda changed: f"%nbpipe run {pipeline.name}{_settings(changed)}",
        title=pipeline.name,
        static=static,
    )


def snapshot_form(snapshot: Snapshot, *, static: bool) -> ParameterForm:
    """Open the form of a snapshot; it runs in a process of its own."""
    name = snapshot.name or snapshot.id[:8]
    parameters, values = snapshot.parameters

    def call_text(changed: Mapping[str, Any]) -> str:
        return f"Client().get_snapshot({name!r}).run({_arguments(changed)})"

    return ParameterForm(
        parameters,
        values=values,
        run=lambda given: _card_of(snapshot.run(**given)),
        call_text=call_text,
        command_text=lambda changed: f"nbpipe snapshot run {shlex.quote(name)}{_settings(changed)}",
        title=f"{snapshot.pipeline}: {name}",
        static=static,
    )


def widget_for(answer: Answer, *, static: bool) -> Any:
    """Open the widget that a command names; the answer itself where it names none, or where it is the plain table."""
    match answer.widget, answer.record:
        case "ParameterForm", Snapshot() as snapshot:
            return snapshot_form(snapshot, static=static)
        case "CatalogBrowser", _ if not static:
            asked = {name: value for name, value in answer.asked.items() if value is not None}
            return CatalogBrowser(Client(), **asked)
        case "PromoteModel", record if record is not None:
            model, version = _model_of(record)
            board = PromoteModel(Client().models, model, version, gates=answer.asked.get("gates", ()), static=static)
            board.note = answer.asked.get("note", "")
            return board
        case "RunComparison", ComparedRuns() as compared:
            shown = RunComparison(Client().runs, [side.run for side in compared.runs], static=static)
            shown.only_differences = answer.rows["only_differences"]
            return shown
        case "TagEditor", list() as targets:
            return TagEditor(Client(), targets, static=static)
    return answer


def _card_of(run: Run) -> Answer:
    return Answer(run_bundle(run), run)


def _model_of(record: Any) -> tuple[str, str | None]:
    return (record.model, str(record.number)) if hasattr(record, "model") else (record.name, None)


def _arguments(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _settings(values: Mapping[str, Any]) -> str:
    return "".join(f" --set {shlex.quote(f'{name}={_word(value)}')}" for name, value in values.items())


def _word(value: Any) -> str:
    plain = as_json(value)
    return plain if isinstance(plain, str) else json.dumps(plain)
