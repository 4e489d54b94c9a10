"""Random programs of small cells, as notebooks are: names bound, shared, changed in place and bound anew.

Every program runs without error. What kind of value each name holds is followed while it is
made, so that a statement only does what its names allow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

HEAD = (
    "import random\nimport numpy as np",
    "FACTOR = 3",
    "def twice(v):\n    return 2 * v * FACTOR",
    "def grow(values, more=1):\n    values.append(more)",
    "class Box:\n    def __init__(self, held):\n        self.held = held",
)
FIRST = (
    "i = 1\nj = 2\nxs = [1, 2]\nys = [3]\nbox = {'k': xs}\n"
    "grid = np.arange(6).reshape(2, 3)\nrow = grid[0]\nrandom.seed(7)"
)
KINDS = {"i": "int", "j": "int", "xs": "list", "ys": "list", "box": "dict", "grid": "grid", "row": "row"}

# What a statement needs (kinds of the names in its braces, in order), what it says, and what the names then are.
STATEMENTS: tuple[tuple[str, str], ...] = (
    ("int int", "{0} = {1} % 50 + 3"),
    ("int", "{0} += 1"),
    ("int", "{0} = twice({0} % 50)"),
    ("int list", "{0} = len({1})"),
    ("int grid", "{0} = int({1}.sum()) % 100"),
    ("int row", "{0} = int({1}[0])"),
    ("int", "{0} = random.randrange(100)"),
    ("int", "{0} = [k for k in range({0} % 4 + 1)][-1]"),
    ("list int", "{0} = [{1}, 4]"),
    ("list int", "{0}.append({1})"),
    ("list list", "{0} = {1}"),
    ("list list", "{0} = list({1})"),
    ("list", "{0} += [5]"),
    ("list int", "grow({0}, {1})"),
    ("list", "for step in range(2):\n    {0}.append(step)"),
    ("list int", "if {1} % 2:\n    {0}.append(0)\nelse:\n    {0} = [9]"),
    ("dict list", "{0} = {{'k': {1}, 'other': [{1}, {1}]}}"),
    ("dict int", "{0}['k'].append({1})"),
    ("dict int", "{0}['n'] = {1}"),
    ("dict list", "{0}['k'] = {1}"),
    ("list dict", "{0} = {1}['k']"),
    ("grid int", "{0} = np.arange(6).reshape(2, 3) * ({1} % 5)"),
    ("grid", "{0} += 1"),
    ("grid int", "{0}[1, 2] = {1}"),
    ("row grid", "{0} = {1}[0]"),
    ("row grid", "{0} = {1}[:, 1]"),
    ("row grid", "{0} = {1}[0].copy()"),
    ("row int", "{0}[0] = {1}"),
    ("grid", "{0} = {0}.T.copy().reshape(2, 3)"),
    ("int", "random.seed({0})"),
    ("list", "try:\n    {0}.remove(5)\nexcept ValueError:\n    pass"),
    ("list", "{0} = [value for value in {0} if value is not None]"),
    ("list", "held = Box({0})\nheld.held.append(8)"),
)


@dataclass
class Program:
    """A notebook: plain cells that define, then cells that compute."""

    cells: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return "\n\n".join(self.cells)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Make programs of two to seven computing cells."""
    by_kind: dict[str, list[str]] = {}
    for name, kind in KINDS.items():
        by_kind.setdefault(kind, []).append(name)
    program = Program([FIRST])
    for _ in range(draw(st.integers(1, 6))):
        lines = []
        for _ in range(draw(st.integers(1, 3))):
            needs, text = draw(st.sampled_from(STATEMENTS))
            lines.append(text.format(*(draw(st.sampled_from(by_kind[kind])) for kind in needs.split())))
        program.cells.append("\n".join(lines))
    return program
