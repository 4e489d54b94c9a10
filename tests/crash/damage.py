"""What somebody finds who opens a workspace whose logs were cut or changed. No pytest here."""

from __future__ import annotations

import shutil
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from nbpipe.base.workspace import WorkspacePaths
from nbpipe.catalog.catalog import Catalog
from nbpipe.errors import CatalogDamagedError, NbpipeError
from nbpipe.records.models import ModelConfig, ModelStages
from nbpipe.records.operations import AddTags, CreateSnapshot, OpenModelVersion, PointedAt, SetStage
from nbpipe.records.refs import Kind
from nbpipe.records.tags import Tag
from tests.catalog.histories import Recording
from tests.crash.cast import Diary
from tests.crash.ledger import differing, lines_of, logs, operation_logs, rows_of

Rows = dict[str, Counter[str]]


@dataclass(frozen=True)
class Case:
    """One harm to one log.

    Attributes:
        log: The log, as a path within the workspace.
        place: Where, in bytes: what a cut leaves, or the byte that is changed.
        bits: How the byte is changed; 0 for a cut.
        was_published: Whether everything had been published before.
        goes_on: Whether whoever finds it publishes and goes on working.
    """

    log: str
    place: int
    bits: int
    was_published: bool
    goes_on: bool


def make(root: Path) -> WorkspacePaths:
    """Make a small workspace: two runs, of two processes, of which one ended with all that can move."""
    paths = WorkspacePaths(root).ensure()
    first, second = Catalog(paths), Catalog(paths)
    run = Recording(first).start()
    run.step("clean", tags={})
    run.log({"nth": 1})
    first.transact(OpenModelVersion(model=ModelConfig(name="iris"), version=None, run_id=run.id))
    first.transact(SetStage(model="iris", version="1", stage=ModelStages.PRODUCTION))
    run.end(tags=(Tag(name="latest", exclusive=True),))
    Recording(second).start().log({"nth": 2})
    first.transact(CreateSnapshot(id=run.id, pipeline="training", name="v1", digest="d"))
    first.close()
    second.close()
    return paths


def look_at(root: Path, diary: Diary, bases: dict[bool, str], cases: list[Case]) -> None:
    """Do each harm to a copy, and say what was wrong with what was found.

    Args:
        root: A folder to work in.
        diary: What is said.
        bases: The workspaces that are copied: one that was published and one that was not.
        cases: The harms.
    """
    finder = _Finder(root)
    for n, case in enumerate(cases):
        paths = finder.copy(Path(bases[case.was_published]), f"{diary.name}-{n}")
        _harm(paths.root / case.log, case)
        told, wrong = finder.find(paths, case, finder.copy(Path(bases[False]), f"{diary.name}-{n}-clean"))
        diary.say("found", told=told, wrong=[f"{case}: {what}" for what in wrong])
        shutil.rmtree(paths.root)


def _harm(log: Path, case: Case) -> None:
    data = bytearray(log.read_bytes())
    if case.bits:
        data[case.place] ^= case.bits
    else:
        del data[case.place :]
    log.chmod(0o600)
    log.write_bytes(data)


class _Finder:
    """Compares what is found with what the sound lines alone would say."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[tuple[bytes, ...], Rows] = {}

    def copy(self, base: Path, name: str) -> WorkspacePaths:
        shutil.copytree(base, self._root / name)
        return WorkspacePaths(self._root / name)

    def find(self, paths: WorkspacePaths, case: Case, clean: WorkspacePaths) -> tuple[str, list[str]]:
        before = {path: path.read_bytes() for path in logs(clean)}
        harmed = paths.root / case.log
        sound = {path.name: _sound(path, is_operations=path.parent == paths.operations) for path in logs(paths)}
        expected = self._rows_of_lines(clean, sound)
        # Whatever once was a whole line and is none now must be told; a torn end was never acknowledged, unless it
        # had been published.
        original = before[clean.root / case.log]
        is_hurt = bool(case.bits) or (case.was_published and len(harmed.read_bytes()) < len(original))
        told, wrong = "", []
        catalog = Catalog(paths)
        try:
            findings = [finding.what for finding in catalog.check() if finding.path == harmed]
            told = "; ".join(findings)
            if is_hurt and not findings:
                wrong.append("nothing is told")
            if not is_hurt and findings:
                wrong.append(f"told without reason: {findings}")
            wrong += self._read(catalog, case, expected)
            if case.goes_on:
                operations = [record for path in operation_logs(paths) for _, _, record in lines_of(path)]
                wrong += _write(catalog, is_damaged=None in operations)
        except NbpipeError as error:
            told += f"; {type(error).__name__}"
            if not is_hurt:
                wrong.append(f"{type(error).__name__}: {error}")
        except Exception:
            wrong.append(traceback.format_exc())
        finally:
            catalog.close()
            shutil.rmtree(clean.root)
        return told, wrong

    def _read(self, catalog: Catalog, case: Case, expected: Rows) -> list[str]:
        if case.was_published and case.bits:
            # What was published stays.
            expected = self._full
        wrong = [f"read: {row}" for row in differing(expected, rows_of(catalog))]
        if case.goes_on:
            catalog.publish()
            wrong += [f"read when published: {row}" for row in differing(expected, rows_of(catalog))]
        return wrong

    def _rows_of_lines(self, clean: WorkspacePaths, sound: dict[str, bytes]) -> Rows:
        """Give the rows of a workspace that holds these lines and nothing else."""
        if not self._known:
            self._full = _rows(clean)
        key = tuple(sound[name] for name in sorted(sound))
        if key not in self._known:
            for path in logs(clean):
                path.write_bytes(sound[path.name])
            self._known[key] = _rows(clean)
        return self._known[key]


def _rows(paths: WorkspacePaths) -> Rows:
    catalog = Catalog(paths)
    try:
        return rows_of(catalog)
    finally:
        catalog.close()


def _sound(path: Path, *, is_operations: bool) -> bytes:
    kept = []
    for _, line, record in lines_of(path):
        if record is not None:
            kept.append(line + b"\n")
        elif is_operations:
            # Operations build on each other.
            break
    return b"".join(kept)


def _write(catalog: Catalog, *, is_damaged: bool) -> list[str]:
    """Go on working: facts always go in, operations unless they would build on a damaged one."""
    wrong = []
    run = Recording(catalog).start()
    target = PointedAt(kind=Kind.RUN, id=run.id, scope="training")
    try:
        catalog.transact(AddTags(tags=(Tag(name="after"),), targets=(target,)))
    except CatalogDamagedError:
        if not is_damaged:
            wrong.append("an operation was refused where none is damaged")
    else:
        if is_damaged:
            wrong.append("an operation was built on a damaged one")
        elif not catalog.rows("SELECT tag FROM tags WHERE entity_id = $id", {"id": run.id}):
            wrong.append("an operation is not seen")
    if not catalog.rows("SELECT id FROM runs WHERE id = $id", {"id": run.id}):
        wrong.append("a run is not seen")
    return wrong
