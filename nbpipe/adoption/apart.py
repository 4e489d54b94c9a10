"""Each step of an adopted notebook once more, every one in a fresh process.

    python -m nbpipe.adoption.apart STEPS.json FOLDER WORKSPACE

A parent that has loaded packages, and nothing of the notebook's, forks a child for each step; the child reads the
inputs from the store, runs the step from its text, digests what it gave, and is gone. What is
printed is one JSON object: for each step what its variables held, or what it raised.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from nbpipe.adoption.looking import look_at
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.execute.context import RunFacts, StepContext
from nbpipe.execute.randomness import drawn_in, install
from nbpipe.execute.worker import CodeRoom, Task, run_task
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.definitions import Output, StepSignature
from nbpipe.source.closure import Source
from nbpipe.source.scopes import modules_imported
from nbpipe.source.syntax import syntax_tree
from nbpipe.store.randomness import State
from nbpipe.store.store import Store


def run_apart(steps: Mapping[str, Any], folder: Path, workspace: Path) -> dict[str, Any]:
    """Run each step in a child of its own.

    Args:
        steps: As `notebook.stepsheet` writes them.
        folder: Where they work.
        workspace: Where their inputs are stored.
    """
    _load_packages(steps)
    place = _Place(folder, workspace, {}, {})
    versions, states = place.versions, place.states
    found = {}
    for name, step in steps.items():
        found[name] = _in_a_child(name, step, place)
        made = [ArtifactVersion.from_record(record) for record in step["gave"]]
        versions |= {version.id: version for version in made}
        states |= {drawn.source: drawn.after for drawn in drawn_in(step)}
    return found


def _load_packages(steps: Mapping[str, Any]) -> None:
    """Import what is installed and the steps import, once for all children: packages know nothing of a notebook."""
    for step in steps.values():
        source = Source.model_validate_json(step["source"])
        installed = {use.name for use in source.modules}
        texts = (source.text, *(piece.text for piece in (*source.pieces, *source.late_pieces)))
        for module in sorted({name for text in texts for name in modules_imported(syntax_tree(text))}):
            if module.partition(".")[0] in installed:
                # `from a import b` may name a module or anything else in one.
                with suppress(ImportError):
                    import_module(module)


@dataclass(frozen=True, slots=True)
class _Place:
    """What the steps so far have left: versions by id, and the states of sources of random numbers."""

    folder: Path
    workspace: Path
    versions: dict[str, ArtifactVersion]
    states: dict[str, State]


def _in_a_child(name: str, step: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            answer = _run(name, step, place)
        except BaseException as error:  # noqa: BLE001 — the child answers, whatever happens in it
            answer = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    answered: dict[str, Any] = json.loads(said) if said else {"error": "the process ended before it answered"}
    return answered


def _run(name: str, step: Mapping[str, Any], place: _Place) -> dict[str, Any]:
    os.chdir(place.folder)
    # What the step prints goes nowhere: the answer is all that is wanted.
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 — until the child is gone
    store = Store(WorkspacePaths(place.workspace))
    artifacts = {given["name"]: place.versions[given["artifact"]] for given in step["inputs"]}
    arguments = {**step["values"], **store.load_all(artifacts, trust=True)}
    signature = StepSignature({}, tuple(Output(output, output) for output in step["outputs"]))
    facts = RunFacts("apart", "apart", "apart", {})
    source = Source.model_validate_json(step["source"])
    context = StepContext(facts, name, "apart", tuple(step["outputs"]))
    random.seed(0)
    install(place.states)
    outcome = run_task(Task(source, signature, arguments, context, tuple(arguments)), CodeRoom([source]))
    if outcome.failure is not None:
        return {"error": f"{outcome.failure.type_name}: {outcome.failure.message}"}
    held = {**outcome.outputs, **outcome.inputs_after}
    return {"variables": {output: asdict(look_at(output, value)) for output, value in held.items()}}


def main(arguments: list[str]) -> int:
    """Run the steps written in a file, and print what came of each."""
    steps, folder, workspace = map(Path, arguments)
    found = run_apart(json.loads(steps.read_text(encoding="utf-8")), folder, workspace)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
