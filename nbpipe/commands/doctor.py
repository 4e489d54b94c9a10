"""`nbpipe doctor`: the installation and the workspace looked over, each finding with its cure.

Versions are read from what is installed; no package is imported for it.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from nbpipe.base.version import VERSION
from nbpipe.base.workspace import WorkspacePaths, find_workspace
from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.calling import current_client
from nbpipe.commands.findings import Line, bundle_of, lines_of
from nbpipe.commands.grammar import verb, verbs
from nbpipe.errors import CatalogError, NbpipeError
from nbpipe.views.amounts import size_text

if TYPE_CHECKING:
    from nbpipe.services.client import Client

commands = verbs()

_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)[^;>]*(?:>=\s*(?P<floor>[0-9.]+))?[^;]*(?P<marker>;.*)?$")
_FOR_PEOPLE = "jupyterlab"


@verb(commands, "doctor", "nbpipe doctor", "nbpipe doctor --json")
def doctor(as_json: AsJson = False) -> Answer:
    """Look the installation and the workspace over, and say what to do about each thing that is wrong."""
    lines = [*versions(), *workspace(find_workspace())]
    code = 0 if all(line.is_sound for line in lines) else CatalogError.exit_code
    return Answer(bundle_of(lines), lines, [asdict(line) for line in lines], as_json=as_json, exit_code=code)


def versions() -> Iterator[Line]:
    """Look at Python and at what nbpipe needs, by its own word."""
    yield Line(True, "Python", f"{platform.python_version()} ({sys.implementation.name}, {platform.system()})")
    try:
        wanted = metadata.requires("nbpipe") or []
    except metadata.PackageNotFoundError:
        yield Line(False, "nbpipe", "runs from a folder and is not installed", "pip install -e . in that folder")
        return
    yield Line(True, "nbpipe", VERSION)
    for requirement in wanted:
        found = _REQUIREMENT.match(requirement)
        if found is not None:
            yield from package(found["name"], found["floor"] or "", is_extra="extra" in (found["marker"] or ""))


def package(name: str, floor: str, *, is_extra: bool) -> Iterator[Line]:
    """Look at one package; what belongs to an extra is told only where it is wrong or people ask for it."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        if not is_extra:
            yield Line(False, name, "is not installed", f'pip install "{name}>={floor}"')
        return
    if floor and numbers(version) < numbers(floor):
        yield Line(False, name, f"{version} is too old", f'pip install "{name}>={floor}"')
    elif not is_extra or name == _FOR_PEOPLE:
        yield Line(True, name, version)


def numbers(version: str) -> tuple[int, ...]:
    """Read the numbers a version begins with: `7.4.0rc1` is 7, 4, 0; zeros at its end say nothing."""
    read = [int(part) for part in re.findall(r"\d+", re.split(r"[a-z+!-]", version.lower())[0])]
    while read and read[-1] == 0:
        read.pop()
    return tuple(read)


def workspace(paths: WorkspacePaths) -> Iterator[Line]:
    """Look at a workspace; nothing in it is changed, and none is made."""
    if not paths.root.exists():
        yield Line(True, "workspace", f"{paths.root} (none yet: it is made on first use)")
        return
    if not (paths.root.is_dir() and os.access(paths.root, os.R_OK | os.W_OK | os.X_OK)):
        cure = "Set NBPIPE_HOME to a folder that can be written."
        yield Line(False, "workspace", f"{paths.root} is no folder that can be written", cure)
        return
    yield Line(True, "workspace", str(paths.root))
    for name in ("logs", "operations", "catalog", "blobs"):
        count, size_bytes = _size_of(getattr(paths, name))
        yield Line(True, name, f"{size_text(size_bytes)} in {count:,} files")
    yield from _catalog(current_client())


def _catalog(client: Client) -> Iterator[Line]:
    try:
        findings = client.upkeep.check()
        yield from lines_of(findings, client.workspace.paths.root)
        if all(finding.is_note for finding in findings):
            yield Line(True, "catalog", "is sound")
        dead = client.runs.list(status="interrupted", limit=None)
        yield Line(True, "interrupted runs", _dead_text([run.id[:8] for run in dead]))
    except NbpipeError as error:
        yield Line(False, "catalog", str(error), "Run `nbpipe catalog rebuild`.")


def _dead_text(ids: list[str]) -> str:
    if not ids:
        return "none"
    rest = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return f"{len(ids)} were stopped or their process died: {', '.join(ids[:5])}{rest}"


def _size_of(folder: Path) -> tuple[int, int]:
    """Count the files below a folder and their bytes; those that vanish meanwhile are left out."""
    count = size_bytes = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size_bytes += os.lstat(Path(place) / name).st_size
                count += 1
            except OSError:
                continue
    return count, size_bytes
