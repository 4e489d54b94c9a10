"""What becomes of each cell of an ordinary notebook: a step, a plain cell, or a part of a step.

A cell that computes becomes a step. One that only defines something, or only sets up libraries,
stays plain. Cells that share a value which cannot be stored (an open file, a connection) become one
step, for such a value does not leave it. Everything here is a pure function of the cells' texts
and of what a plain run of them has shown.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from nbpipe.adoption.kernels import CellRun
from nbpipe.adoption.looking import Seen
from nbpipe.adoption.reading import NotebookCell
from nbpipe.errors import DefinitionError, UncapturedNameError
from nbpipe.source.closure import close_over
from nbpipe.source.corpus import Corpus
from nbpipe.source.magics import DroppedLine, strip_magics
from nbpipe.source.names import Names, names_of
from nbpipe.source.pieces import Unit, definitions_in, read_unit

_HEADING = re.compile(r"^#{1,6}\s+(.*)$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_][^\W_]*")
_CHANGEABLE = (ast.List, ast.Dict, ast.Set, ast.Call)
_LONGEST_NAME = 30
_MOST_WORDS = 4
_SIMPLE = {bool: "bool", int: "int", float: "float", str: "str"}


class Role(StrEnum):
    """What becomes of a cell."""

    STEP = "step"
    DEFINES = "defines"
    SETTINGS = "settings"
    PLAIN = "plain"
    EMPTY = "empty"


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


@dataclass(frozen=True, slots=True)
class _Read:
    """A code cell, read.

    Attributes:
        index: Its place among the notebook's cells.
        text: It, without lines that are not Python.
        dropped: Those lines.
        unit: It as a part of what was executed.
        names: What it reads and binds.
        run: What came of it in the plain run.
    """

    index: int
    text: str
    dropped: tuple[DroppedLine, ...]
    unit: Unit
    names: Names
    run: CellRun


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
    read = [_read(index, cells[index], runs[index]) for index in sorted(runs)]
    parameters, without = _parameters(read) if with_parameters else ("", {})
    given = tuple(names_of(ast.parse(parameters)).binds) if parameters else ()
    roles = _roles(read, cells, refused or {}, without, given)
    groups = _joined(read, roles)
    names = _StepNames(cells, {*given, *(name for one in read for name in one.names.binds)})
    steps: list[PlannedStep] = []
    planned: dict[int, tuple[Role, str, str]] = {}
    for group in groups:
        members = [one for one in read if one.index in group]
        leading = [one for one in members if roles[one.index][0] is Role.STEP]
        name = names.name(leading or members)
        steps.append(_step(name, members, cells))
        why = _why_joined(members) if len(members) > 1 else ""
        planned |= {one.index: (Role.STEP, why, name) for one in members}
    found = []
    for number, one in enumerate(read, 1):
        role, why = roles[one.index]
        role, why, name = planned.get(one.index, (role, why, ""))
        found.append(PlannedCell(one.index, number, role, why, name))
    return Plan(tuple(found), tuple(steps), parameters, without)


def _read(index: int, cell: NotebookCell, run: CellRun) -> _Read:
    text, dropped = strip_magics(cell.text)
    unit = read_unit(f"cell {index + 1}", cell.text)
    return _Read(index, text, tuple(dropped), unit, names_of(ast.parse(text)), run)


# Roles -------------------------------------------------------------------------------------------


def _roles(
    read: Sequence[_Read],
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


def _role(one: _Read, text: str, corpus: Corpus, cell: NotebookCell, *, changes_random: bool) -> tuple[Role, str]:
    unreplayable = [line for line in one.dropped if not line.is_harmless]
    if unreplayable:
        first = unreplayable[0].text.partition("\n")[0]
        return Role.PLAIN, f"{first!r} cannot be replayed"
    if cell.may_raise or one.run.error:
        return Role.PLAIN, "raises on purpose"
    tree = ast.parse(text)
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
    own = frozenset(names_of(ast.parse(text)).reads) & frozenset(provided)
    try:
        source = close_over(text, kind="cell", entry="", step="cell", units=corpus, provided=tuple(provided))
    except (DefinitionError, UncapturedNameError):
        return own
    return own | frozenset(source.inputs)


def _shell_targets(one: _Read) -> list[str]:
    """Name what lines such as `files = !ls` bind."""
    targets = (line.text.partition("=")[0].strip() for line in one.dropped if "=" in line.text)
    return [name for name in targets if name.isidentifier()]


# Joining -----------------------------------------------------------------------------------------


def _joined(read: Sequence[_Read], roles: Mapping[int, tuple[Role, str]]) -> list[list[int]]:
    """Group the cells that become one step each: those between which something goes that cannot be stored."""
    spans: list[tuple[int, int]] = []
    units: list[Unit] = []
    since: dict[str, int] = {}
    before = Seen({}, {}, {})
    for place, one in enumerate(read):
        seen = one.run.seen
        if roles[one.index][0] is Role.STEP:
            corpus = Corpus(units)
            leans = _leans(one, corpus, since, before)
            spans.append((min((since[name] for name in leans), default=place), place))
            for name in one.names.binds:
                since.pop(name, None)
            for name in (*_unstorable(one), *_changed_text(one, before)):
                since.setdefault(name, place)
            units.append(read_unit(one.unit.name, definitions_in(one.text, corpus.imported)))
        else:
            units.append(one.unit)
        before = seen
    groups: list[list[int]] = []
    for first, last in _merged(spans):
        inside = [one.index for one in read[first : last + 1] if roles[one.index][0] is not Role.EMPTY]
        if any(roles[index][0] is Role.PLAIN for index in inside):
            # A plain cell in between cannot be part of a step: each stays by itself, and the reader is refused.
            groups += [[index] for index in inside if roles[index][0] is Role.STEP]
        else:
            groups.append(inside)
    return groups


def _leans(one: _Read, corpus: Corpus, names: Mapping[str, int], before: Seen) -> set[str]:
    """Pick those of `names` on which a cell leans: values that it reads, text that it uses, classes of its inputs."""
    own = (one.names.reads.keys() | one.names.deletes) & names.keys()
    known = before.variables.keys()
    inputs = frozenset(one.names.reads) & known
    try:
        source = close_over(one.text, kind="cell", entry="", step="cell", units=corpus, provided=tuple(known))
    except (DefinitionError, UncapturedNameError):
        pass
    else:
        inputs |= frozenset(source.inputs)
        own |= {name for piece in (*source.pieces, *source.late_pieces) for name in piece.binds} & names.keys()
    classes = {kind for name in inputs if name in before.variables for kind in before.variables[name].classes}
    return own | (inputs & names.keys()) | (classes & names.keys())


def _unstorable(one: _Read) -> list[str]:
    looks = one.run.seen.variables
    return [name for name in one.names.binds if name in looks and looks[name].why_not]


def _changed_text(one: _Read, before: Seen) -> list[str]:
    """Name the functions and classes whose state a cell has changed: no text tells it, and no step can hand it on."""
    defined = {name for name in one.names.binds if name in one.run.seen.states}
    remembering = _may_remember(one)
    used = {
        node.id for node in ast.walk(one.unit.tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return [
        name
        for name, state in one.run.seen.states.items()
        if (name in defined and name in used and name in remembering)
        or (name not in defined and before.states.get(name, state) != state)
    ]


def _may_remember(one: _Read) -> set[str]:
    """Name a cell's functions that may remember something: under a decorator, or with a default that can change."""
    return {
        node.name
        for node in one.unit.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.decorator_list or any(isinstance(part, _CHANGEABLE) for part in node.args.defaults))
    }


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge spans that overlap; both ends belong to a span."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _why_joined(members: Sequence[_Read]) -> str:
    """Say what goes between the cells of a step and cannot be stored."""
    kept: dict[str, None] = {}
    before: Seen | None = None
    for one in members:
        looks = one.run.seen.variables
        kept |= dict.fromkeys(f"{name!r} ({looks[name].type_name})" for name in _unstorable(one))
        if before is not None:
            kept |= dict.fromkeys(f"the state of {name!r}" for name in _changed_text(one, before))
        before = one.run.seen
    return f"one step, for {', '.join(kept)} cannot be stored" if kept else "one step with the cells around it"


def _step(name: str, members: Sequence[_Read], cells: Sequence[NotebookCell]) -> PlannedStep:
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


def _shown(one: _Read) -> str:
    """Write a cell so that its last expression is still shown where it is the last no longer."""
    tree = ast.parse(one.text)
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


# Names -------------------------------------------------------------------------------------------


class _StepNames:
    """Names for steps: after the heading above, else after what the cell makes.

    Args:
        cells: The notebook's cells.
        taken: Names that no step may have.
    """

    def __init__(self, cells: Sequence[NotebookCell], taken: Iterable[str]) -> None:
        self._cells = cells
        self._taken = set(taken)

    def name(self, members: Sequence[_Read]) -> str:
        """Name the step made of these cells, differently from every other."""
        wanted = self._by_heading(members[0].index) or _by_content(members) or "step"
        name, count = wanted, 2
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        self._taken.add(name)
        return name

    def _by_heading(self, index: int) -> str:
        for place in range(index - 1, -1, -1):
            cell = self._cells[place]
            if cell.is_code and cell.text.strip():
                return ""
            headings = [] if cell.is_code else _HEADING.findall(cell.text)
            if headings:
                return _slug(headings[-1])
        return ""


def _by_content(members: Sequence[_Read]) -> str:
    for one in members:
        made = [name for name in one.names.binds if not name.startswith("_")]
        if made:
            return f"make_{_slug(made[0])}"
    changed = [name for one in members for name in sorted(one.names.changes)]
    if changed:
        return f"change_{_slug(changed[0])}"
    looked = [name for one in members for name in one.names.reads if name in one.run.seen.variables]
    return f"show_{_slug(looked[0])}" if looked else ""


def _slug(text: str) -> str:
    """Make a name of a heading: its first words, in small letters."""
    words = _WORD.findall(text.replace("_", " ").lower())[:_MOST_WORDS]
    slug = ""
    for word in words:
        if slug and len(slug) + len(word) + 1 > _LONGEST_NAME:
            break
        slug = f"{slug}_{word}" if slug else word[:_LONGEST_NAME]
    return slug


# Parameters --------------------------------------------------------------------------------------


def _parameters(read: Sequence[_Read]) -> tuple[str, dict[int, str]]:
    """Take the obvious constants out of their cells: bound once, to a plain value, and read by a later cell.

    Returns:
        The body of `%%params`, and for each cell from which something was taken what is left of it.
    """
    bound: dict[str, int] = {}
    touched: set[str] = set()
    for one in read:
        for name in (*one.names.binds, *one.names.deletes):
            bound[name] = bound.get(name, 0) + 1
        touched |= one.names.changes | one.names.declared
    lines: list[str] = []
    without: dict[int, str] = {}
    for place, one in enumerate(read):
        later = [name for other in read[place + 1 :] for name in other.names.reads]
        kept = one.text.split("\n")
        for node in ast.parse(one.text).body:
            said = _constant(node)
            if said is None or bound[said[0]] != 1 or said[0] in touched or said[0] not in later:
                continue
            name, kind = said
            source = ast.get_source_segment(one.text, node.value) if isinstance(node, ast.Assign) else None
            if (
                source is None
                or node.end_lineno != node.lineno
                or kept[node.lineno - 1].lstrip() != kept[node.lineno - 1]
            ):
                continue
            _, hash_sign, remark = kept[node.lineno - 1].partition("#")
            lines.append(
                f"{name}: {kind} = {source}{f'  # {remark.strip()}' if hash_sign and '#' not in source else ''}"
            )
            kept[node.lineno - 1] = ""
        if len([line for line in kept if line.strip()]) < len([line for line in one.text.split("\n") if line.strip()]):
            without[one.index] = "\n".join(kept)
    return "\n".join(lines), without


def _constant(node: ast.stmt) -> tuple[str, str] | None:
    """Give name and type of a plain constant such as `TEST_SIZE = 0.25`; `None` for any other statement."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            try:
                found = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                return None
            kind = _SIMPLE.get(type(found))
            return (name, kind) if kind is not None else None
    return None
