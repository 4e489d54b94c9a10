"""Which cells become one step, for something goes between them that no store can carry.

An open file, a generator, a connection; a function that remembers, a class whose attributes were
changed. Whoever reads such a thing is joined with the cell that made it, and with all between them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence

from nbpipe.adoption.cells import ReadCell, Role
from nbpipe.adoption.looking import Seen
from nbpipe.errors import DefinitionError, UncapturedNameError
from nbpipe.source.closure import close_over
from nbpipe.source.corpus import Corpus
from nbpipe.source.pieces import Unit, definitions_in, read_unit

_CHANGEABLE = (ast.List, ast.Dict, ast.Set, ast.Call)


def joined(read: Sequence[ReadCell], roles: Mapping[int, Role]) -> list[list[int]]:
    """Group the cells that become one step each: those between which something goes that cannot be stored."""
    spans: list[tuple[int, int]] = []
    units: list[Unit] = []
    since: dict[str, int] = {}
    before = Seen({}, {}, {})
    for place, one in enumerate(read):
        seen = one.run.seen
        if roles[one.index] is Role.STEP:
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
        inside = [one.index for one in read[first : last + 1] if roles[one.index] is not Role.EMPTY]
        if any(roles[index] is Role.PLAIN for index in inside):
            # A plain cell in between cannot be part of a step: each stays by itself, and the reader is refused.
            groups += [[index] for index in inside if roles[index] is Role.STEP]
        else:
            groups.append(inside)
    return groups


def _leans(one: ReadCell, corpus: Corpus, names: Mapping[str, int], before: Seen) -> set[str]:
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


def _unstorable(one: ReadCell) -> list[str]:
    looks = one.run.seen.variables
    return [name for name in one.names.binds if name in looks and looks[name].why_not]


def _changed_text(one: ReadCell, before: Seen) -> list[str]:
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


def _may_remember(one: ReadCell) -> set[str]:
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


def why_joined(members: Sequence[ReadCell]) -> str:
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
