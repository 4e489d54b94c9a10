"""The plain notebook beside its pipeline, variable by variable.

Pure: looks in, differences out. Where a value has no canonical form and no picture, nothing can be
said of it, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nbpipe.adoption.looking import Look


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of comparing the variables after one cell.

    Attributes:
        equal: Those that hold the same.
        different: Those that do not, each with how.
        untold: Those of which nothing can be told: their type says too little.
        not_carried: Those that cannot be stored, each with its type and why.
    """

    equal: tuple[str, ...] = ()
    different: Mapping[str, str] = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    not_carried: Mapping[str, str] = field(default_factory=dict)


def compare(
    plain: Mapping[str, Look],
    found: Mapping[str, Look],
    *,
    only: Iterable[str] | None = None,
    unstable: Iterable[str] = (),
) -> Compared:
    """Compare what variables hold.

    Args:
        plain: In the plain notebook.
        found: In the pipeline.
        only: The names that count; all of the plain notebook's if not given.
        unstable: Names that differ from one plain run to the next.
    """
    names = [name for name in plain if only is None or name in set(only)]
    equal, untold = [], []
    different: dict[str, str] = {}
    not_carried: dict[str, str] = {}
    for name in names:
        before, now = plain[name], found.get(name)
        if before.why_not:
            not_carried[name] = f"{before.type_name}: {before.why_not}"
        elif now is None:
            different[name] = "is not there"
        elif now.type_name != before.type_name:
            different[name] = f"is a {now.type_name}, not a {before.type_name}"
        elif (not before.digest and not now.digest) or name in set(unstable):
            untold.append(name)
        elif before.digest == now.digest:
            equal.append(name)
        else:
            different[name] = "holds another value"
    return Compared(tuple(equal), different, tuple(untold), not_carried)


def unstable_names(first: Mapping[str, Look], second: Mapping[str, Look]) -> set[str]:
    """Name what differs between two runs of the same plain notebook: time, ids, randomness that nobody seeded."""
    return {name for name, look in first.items() if name not in second or second[name].digest != look.digest}
