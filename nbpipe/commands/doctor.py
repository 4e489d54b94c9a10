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
from typing import TYPE_CHECKING

from nbpipe.base.filesystems import why_unsafe
from nbpipe.base.settings import artifact_root
from nbpipe.base.version import VERSION
from nbpipe.base.workspace import INSIST, WorkspacePaths, find_workspace
from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import AsJson
from nbpipe.commands.calling import current_client
from nbpipe.commands.findings import Line, bundle_of, lines_of
from nbpipe.commands.grammar import verb, verbs
from nbpipe.errors import ArtifactRootError, CatalogError, NbpipeError, WorkspaceError
from nbpipe.services.environments import environment_use
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
    yield from _place(paths)
    if not paths.root.exists():
        yield Line(True, "workspace", f"{paths.root} (none yet: it is made on first use)")
        return
    parts = [
        paths.root,
        *(part for part in (paths.logs, paths.operations, paths.catalog, paths.blobs) if part.exists()),
    ]
    for part in parts:
        if not (part.is_dir() and os.access(part, os.R_OK | os.W_OK | os.X_OK)):
            cure = "Set NBPIPE_HOME to a folder that can be written."
            yield Line(False, "workspace", f"{part} is no folder that can be written", cure)
            return
    yield Line(True, "workspace", str(paths.root))
    client = current_client()
    yield from _artifact_root(client)
    yield from _disk_use(client)
    yield from _environments()
    yield from _catalog(client)


def _place(paths: WorkspacePaths) -> Iterator[Line]:
    why = why_unsafe(paths.root)
    if why:
        cure = f"Set NBPIPE_HOME to a folder on a disk of this machine; {INSIST}=1 insists."
        yield Line(False, "place", f"{why}: locks and sizes cannot be trusted there, and records may be lost", cure)


def _artifact_root(client: Client) -> Iterator[Line]:
    url = artifact_root(client.workspace.paths)
    if not url:
        return
    try:
        others = client.upkeep.sharing()
    except WorkspaceError as error:
        said, _, cure = str(error).partition("\n")
        yield Line(False, "artifact root", said, cure)
        return
    yield Line(True, "artifact root", f"{url} answers")
    if others:
        cure = "`nbpipe catalog gc` removes nothing there. Give each workspace a root of its own."
        yield Line(True, "artifact root", f"other workspaces have values there: {', '.join(others)}", cure)


def _disk_use(client: Client) -> Iterator[Line]:
    parts = client.upkeep.disk_use()
    for part in parts:
        files = "1 file" if part.files == 1 else f"{part.files:,} files"
        yield Line(True, part.name, f"{size_text(part.size_bytes)} in {files}")
    drafts = client.upkeep.drafts()
    if drafts:
        said = f"{drafts:,} drafts of killed processes" if drafts > 1 else "1 draft of a killed process"
        goes = "They go" if drafts > 1 else "It goes"
        yield Line(True, "leftovers", said, f"{goes} when another process records something and publishes.")
    try:
        (counted,) = client.workspace.catalog.rows("SELECT count(*) AS runs FROM runs")
    except NbpipeError:
        # What is wrong with it is told next.
        return
    if counted["runs"]:
        runs, values = counted["runs"], sum(part.size_bytes for part in parts if part.name == "blobs")
        rest = sum(part.size_bytes for part in parts if part.name not in ("blobs", "backups", "deployments", "queue"))
        each = f"{size_text(rest // runs)} of records and {size_text(values // runs)} of values"
        yield Line(True, "disk use of a run", f"{each} ({'1 run' if runs == 1 else f'{runs:,} runs'})")


def _environments() -> Iterator[Line]:
    use = environment_use()
    if use.environments:
        count = "1 environment" if use.environments == 1 else f"{use.environments:,} environments"
        said = f"{size_text(use.size_bytes)} in {count}; `nbpipe catalog gc --environments` removes what is not in use"
        yield Line(True, "rebuilt environments", said)


def _catalog(client: Client) -> Iterator[Line]:
    try:
        try:
            findings = client.upkeep.check()
        except ArtifactRootError:
            # That is told already; the logs are here.
            findings = client.workspace.catalog.check()
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
