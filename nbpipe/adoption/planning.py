"""What becomes of each cell of an ordinary notebook: a step, a plain cell, or a part of a step.

A cell that computes becomes a step. One that only defines something, or only sets up libraries,
stays plain. Cells that share a value which cannot be stored (an open file, a connection) become one
step, for such a value does not leave it. Everything here is a pure function of the cells' texts
and of what a plain run of them has shown.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nbpipe.adoption.cells import ReadCell, Role, read_cell
from nbpipe.adoption.constants import parameters_in
from nbpipe.adoption.joining import joined, why_joined
from nbpipe.adoption.kernels import CellRun
from nbpipe.adoption.naming import StepNames
from nbpipe.errors import DefinitionError, UncapturedNameError
from nbpipe.source.closure import close_over
from nbpipe.source.corpus import Corpus
from nbpipe.source.names import names_of
from nbpipe.source.notebook_files import NotebookCell
from nbpipe.source.pieces import Unit, definitions_in, read_unit
from nbpipe.source.syntax import syntax_tree


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """What becomes of one code cell.

    Attributes:
        index: Its place among the notebook's cells, from 0.
        number: Its place among the code cells, from 1, as a reader counts them.
        role: What it becomes.
        why: Why, where that is not plain to see.
        step: The name of the step that it is, or is part of; else `""`.
    """

    index: int
    number: int
    role: Role
    why: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step of the copy: one cell, or several that were joined.

    Attributes:
        name: Its name.
        cells: The places of the cells that it is made of.
        text: What stands below its first line.
        above: Cell magics that stay above it, such as `%%time`.
    """

    name: str
    cells: tuple[int, ...]
    text: str
    above: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a whole notebook.

    Attributes:
        cells: Every code cell, in order.
        steps: The steps, in order.
        parameters: The body of `%%params`, or `""`.
        without: For each cell from which parameters were taken, what is left of it.
    """

    cells: tuple[PlannedCell, ...]
    steps: tuple[PlannedStep, ...]
    parameters: str = ""
    without: Mapping[int, str] = field(default_factory=dict)


def plan(
    cells: Sequence[NotebookCell],
    runs: Mapping[int, CellRun],
    *,
    with_parameters: bool = False,
    refused: Mapping[int, str] | None = None,
) -> Plan:
    """Say what becomes of each code cell.

    Args:
        cells: The notebook's cells.
        runs: What came of each code cell when the plain notebook ran, by its place.
        with_parameters: Make parameters of the plain constants that steps read.
        refused: Cells that were tried as steps and refused, with what was said.
    """
    read = [read_cell(index, cells[index], runs[index]) for index in sorted(runs)]
    parameters, without, given = "", dict[int, str](), tuple[str, ...]()
    roles = _roles(read, cells, refused or {}, without, given)
    if with_parameters:
        parameters, without = parameters_in(read, {index: role for index, (role, _) in roles.items()})
        given = tuple(names_of(syntax_tree(parameters)).binds)
        roles = _roles(read, cells, refused or {}, without, given)
    groups = joined(read, {index: role for index, (role, _) in roles.items()})
    names = StepNames(cells, {*given, *(name for one in read for name in one.names.binds)})
    steps: list[PlannedStep] = []
    planned: dict[int, tuple[Role, str, str]] = {}
    for group in groups:
        members = [one for one in read if one.index in group]
        leading = [one for one in members if roles[one.index][0] is Role.STEP]
        name = names.name(leading or members)
        steps.append(_step(name, members, cells))
        why = why_joined(members) if len(members) > 1 else ""
        planned |= {one.index: (Role.STEP, why, name) for one in members}
    found = []
    for number, one in enumerate(read, 1):
        role, why = roles[one.index]
        role, why, name = planned.get(one.index, (role, why, ""))
        found.append(PlannedCell(one.index, number, role, why, name))
    return Plan(tuple(found), tuple(steps), parameters, without)


def _roles(
    read: Sequence[ReadCell],
    cells: Sequence[NotebookCell],
    refused: Mapping[int, str],
    without: Mapping[int, str],
    given: Sequence[str],
) -> dict[int, tuple[Role, str]]:
    roles: dict[int, tuple[Role, str]] = {}
    live: dict[str, int] = {}
    units: list[Unit] = []
    random: Mapping[str, str] = {}
    computed: set[str] = set(given)
    for number, one in enumerate(read, 1):
        corpus = Corpus(units)
        text = without.get(one.index, one.text)
        role, why = _role(
            one, text, corpus, cells[one.index], changes_random=one.run.seen.random != random and bool(random)
        )
        random = one.run.seen.random
        inputs = _inputs(text, corpus, computed | live.keys()) if role is Role.STEP else frozenset()
        if one.index in refused:
            role, why = Role.PLAIN, refused[one.index]
        elif role is Role.STEP and not inputs.isdisjoint(live):
            name = min(inputs & live.keys(), key=lambda name: live[name])
            role, why = Role.PLAIN, f"reads {name!r}, which plain cell {live[name]} leaves in the kernel"
        roles[one.index] = role, why
        bound = one.names.binds.keys()
        if role is Role.STEP:
            computed |= bound
            live = {name: place for name, place in live.items() if name not in bound}
        elif role is Role.PLAIN:
            live |= dict.fromkeys((*bound, *_shell_targets(one)), number)
        if role is not Role.STEP:
            units.append(one.unit)
        else:
            units.append(read_unit(one.unit.name, definitions_in(one.text, corpus.imported)))
    return roles


def _role(one: ReadCell, text: str, corpus: Corpus, cell: NotebookCell, *, changes_random: bool) -> tuple[Role, str]:
    unreplayable = [line for line in one.dropped if not line.is_harmless]
    if unreplayable:
        first = unreplayable[0].text.partition("\n")[0]
        return Role.PLAIN, f"{first!r} cannot be replayed"
    if cell.may_raise or one.run.error:
        return Role.PLAIN, "raises on purpose"
    tree = syntax_tree(text)
    if not tree.body:
        return Role.EMPTY, ""
    if corpus.merely_defines(tree):
        return Role.DEFINES, ""
    if not one.run.has_output and not changes_random and _only_sets_up(tree, corpus):
        return Role.SETTINGS, "sets up libraries"
    return Role.STEP, ""


def _only_sets_up(tree: ast.Module, corpus: Corpus) -> bool:
    """Tell whether a cell only defines things and speaks to modules: `pd.set_option("…")`."""
    seen = set(corpus.imported)
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            seen |= names_of([node]).binds.keys()
        elif not corpus.merely_defines(ast.Module([node], [])) and _spoken_to(node) not in seen:
            return False
    return True


def _spoken_to(node: ast.stmt) -> str:
    """Give the name at the root of a call or of a part that is set; `""` for any other statement."""
    match node:
        case ast.Expr(value=ast.Call(func=root)) | ast.Assign(targets=[(ast.Attribute() | ast.Subscript()) as root]):
            while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
                root = root.func if isinstance(root, ast.Call) else root.value
            return root.id if isinstance(root, ast.Name) else ""
    return ""


def _inputs(text: str, corpus: Corpus, provided: Iterable[str]) -> frozenset[str]:
    """Name what a cell reads of what earlier cells computed, also through a function."""
    own = frozenset(names_of(syntax_tree(text)).reads) & frozenset(provided)
    try:
        source = close_over(text, kind="cell", entry="", step="cell", units=corpus, provided=tuple(provided))
    except (DefinitionError, UncapturedNameError):
        return own
    return own | frozenset(source.inputs)


def _shell_targets(one: ReadCell) -> list[str]:
    """Name what lines such as `files = !ls` bind."""
    targets = (line.text.partition("=")[0].strip() for line in one.dropped if "=" in line.text)
    return [name for name in targets if name.isidentifier()]


def _step(name: str, members: Sequence[ReadCell], cells: Sequence[NotebookCell]) -> PlannedStep:
    if len(members) == 1:
        above, text = _magics_above(cells[members[0].index].text)
        return PlannedStep(name, (members[0].index,), text, above)
    parts = [_shown(one) if one is not members[-1] else one.text for one in members]
    return PlannedStep(name, tuple(one.index for one in members), "\n\n".join(part.strip("\n") for part in parts))


def _magics_above(text: str) -> tuple[str, str]:
    """Part the cell magics at the head of a cell from the rest."""
    lines = text.lstrip("\n").split("\n")
    count = next((number for number, line in enumerate(lines) if not line.startswith("%%")), len(lines))
    return "\n".join(lines[:count]), "\n".join(lines[count:])


def _shown(one: ReadCell) -> str:
    """Write a cell so that its last expression is still shown where it is the last no longer."""
    tree = syntax_tree(one.text)
    last = tree.body[-1] if tree.body else None
    if not one.run.has_result or not isinstance(last, ast.Expr):
        return one.text
    lines = one.text.split("\n")
    first, final = last.lineno - 1, (last.end_lineno or last.lineno) - 1
    end = lines[final].encode()
    lines[final] = f"{end[: last.end_col_offset].decode()}){end[last.end_col_offset :].decode()}"
    begin = lines[first].encode()
    lines[first] = f"{begin[: last.col_offset].decode()}display({begin[last.col_offset :].decode()}"
    return "\n".join(lines)
