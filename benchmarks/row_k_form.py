"""Row K: the form of fifty parameters, from the model until it could be shown.

Ten kinds of parameter, five of each, every form of a model of its own, as it is when a snapshot's
form is opened for the first time. Only the first form of a process pays for importing ipywidgets
and for what all forms share, so one is built before the clock runs. Beside it stands what cannot
be avoided: as many bare text fields of ipywidgets.
"""

from __future__ import annotations

import json
import time
from statistics import median
from typing import Any, Literal

import ipywidgets as widgets
from pydantic import Field, create_model

from nbpipe.records.parameters import ParameterModel, Parameters
from nbpipe.widgets.form import ParameterForm

FIELDS, ROUNDS, GATE_MS = 50, 15, 50
KINDS: list[tuple[Any, Any]] = [
    (int, 3),
    (float, Field(0.5, gt=0, lt=1, description="share held out")),
    (str, "train"),
    (bool, True),
    (Literal["forest", "logistic"], "forest"),
    (int | None, None),
    (list[str], ["a", "b"]),
    (dict[str, int], {"a": 1}),
    (int, Field(5, ge=0, le=100)),
    (str | None, "note"),
]


def model(number: int) -> Parameters:
    fields: dict[str, Any] = {f"p{place}": KINDS[place % len(KINDS)] for place in range(FIELDS)}
    return Parameters("training", create_model(f"Model{number}", __base__=ParameterModel, **fields))


def form_ms(parameters: Parameters) -> float:
    began = time.perf_counter()
    form = ParameterForm(parameters, run=dict, call_text=repr, command_text=repr)
    assert form.widget is not None, "the form could be shown"
    return 1000 * (time.perf_counter() - began)


def bare_ms() -> float:
    began = time.perf_counter()
    widgets.VBox([widgets.Text() for _ in range(FIELDS)])
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    form_ms(model(0)), bare_ms()
    took = median(form_ms(model(number)) for number in range(1, ROUNDS + 1))
    bare = median(bare_ms() for _ in range(ROUNDS))
    row: dict[str, Any] = {
        "row": "K",
        "what": f"form of {FIELDS} parameters built",
        "value": round(took, 1),
        "unit": "ms",
    }
    row |= {"baseline": round(bare, 1), "baseline_what": f"{FIELDS} bare text fields", "ratio": round(took / bare, 2)}
    print(json.dumps(row | {"met": took <= GATE_MS, "gate": f"≤ {GATE_MS} ms"}))


if __name__ == "__main__":
    main()
