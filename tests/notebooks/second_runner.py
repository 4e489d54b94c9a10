"""A second way to run a lesson: nbclient, and all that each cell showed compared bundle by bundle.

nbval talks to the kernel itself and leaves out what it does not compare: which kinds of output a cell has, which of
them are results, what a front end is told to replace. This one runs a lesson as nbconvert and papermill do, and
compares everything: the kinds of outputs in their order, the mimetypes of each, and their text once what may differ is
levelled (`tests/nbval.cfg`). Pictures are compared by being there.
"""

from __future__ import annotations

import configparser
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

LEVELLED = Path(__file__).parents[1] / "nbval.cfg"
_PICTURES = ("image/png", "image/jpeg")
_CELL_LIMIT_S = 120


def run_with_nbclient(lesson: Path, home: Path) -> list[str]:
    """Run a lesson where it lies, and give what came out otherwise than stored: a line each.

    Args:
        lesson: The notebook, in a folder of its own.
        home: Where its workspace and IPython's settings are to be.
    """
    stored = nbformat.read(lesson, as_version=4)
    ran = nbformat.read(lesson, as_version=4)
    client = NotebookClient(ran, timeout=_CELL_LIMIT_S, resources={"metadata": {"path": str(lesson.parent)}})
    private = {"NBPIPE_HOME": str(home / "workspace"), "IPYTHONDIR": str(home / "ipython")}
    client.execute(env={**os.environ, **private})
    return [*differences(stored, ran)]


def differences(stored: Any, ran: Any) -> Iterator[str]:
    """Give where two notebooks of the same cells show other things."""
    for number, (before, after) in enumerate(zip(stored.cells, ran.cells, strict=True)):
        if before.cell_type != "code":
            continue
        old, new = [shown(before), shown(after)]
        if [kind for kind, _ in old] != [kind for kind, _ in new]:
            yield f"cell {number}: {[kind for kind, _ in old]} became {[kind for kind, _ in new]}"
            continue
        for (kind, was), (_, now) in zip(old, new, strict=True):
            if was.keys() != now.keys():
                yield f"cell {number}: a {kind} of {sorted(was)} became one of {sorted(now)}"
            for name in was.keys() & now.keys():
                if was[name] != now[name]:
                    yield f"cell {number}: {kind} {name}\n- {was[name][:2000]}\n+ {now[name][:2000]}"


def shown(cell: Any) -> list[tuple[str, dict[str, str]]]:
    """Give what a cell showed, in order: the kind of each output, and its levelled text by mimetype."""
    found: list[tuple[str, dict[str, str]]] = []
    for output in cell.outputs:
        match output.output_type:
            case "stream":
                # How a stream is cut into pieces is a matter of timing.
                if found and found[-1][0] == output.name:
                    found[-1][1]["text/plain"] += output.text
                else:
                    found.append((output.name, {"text/plain": output.text}))
            case "error":
                found.append(("error", {"text/plain": f"{output.ename}: {output.evalue}"}))
            case kind:
                found.append((kind, dict(_texts(output.data))))
    return [(kind, {name: levelled(text) for name, text in bundle.items()}) for kind, bundle in found]


def _texts(bundle: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in bundle.items():
        if name in _PICTURES:
            yield name, "a picture"
        else:
            yield name, value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def levelled(text: str) -> str:
    """Give a text with what may differ between two runs made the same."""
    for pattern, replacement in _rules():
        text = re.sub(pattern, replacement, text)
    return text


def _rules() -> list[tuple[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read(LEVELLED, encoding="utf-8")
    return [(parser[name]["regex"], parser[name]["replace"]) for name in parser.sections()]
