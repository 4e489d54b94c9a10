"""The form of the notebook's own pipeline: what `%%params` shows.

What its button runs is what the notebook holds by then, not what it held when the form was made.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from nbpipe.commands.answers import Answer
from nbpipe.commands.showing import run_bundle
from nbpipe.notebook.surroundings import OwnPipeline
from nbpipe.records.parameters import as_json
from nbpipe.services.client import Client
from nbpipe.widgets.form import ParameterForm


def own_form(own: OwnPipeline, *, static: bool) -> ParameterForm:
    """Open the form; what its `wait` gives is shown as the run's card and has the `Run` as its record.

    Args:
        own: The notebook's own pipeline.
        static: Show the static face only.
    """

    def run(values: Mapping[str, Any]) -> Answer:
        ended = Client().runs.start(own.request(values)).wait()
        return Answer(run_bundle(ended), ended)

    return ParameterForm(
        own.definition.parameters,
        run=run,
        command_text=lambda changed: f"%nbpipe run{_settings(changed)}",
        title=own.name,
        static=static,
    )


def _settings(values: Mapping[str, Any]) -> str:
    return "".join(f" --set {shlex.quote(f'{name}={_word(value)}')}" for name, value in values.items())


def _word(value: Any) -> str:
    plain = as_json(value)
    return plain if isinstance(plain, str) else json.dumps(plain)
