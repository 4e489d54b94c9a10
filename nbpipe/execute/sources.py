"""What a step was made of, as it is written down: once for each source, whoever runs it.

The record of an execution names its source by digest alone. Here stands what the digest stands
for: the step's own text, the pieces that it leans on, the local modules and the packages, each
under the name by which a reader knows it. Two such records say what an edit has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbpipe.source.closure import Source
from nbpipe.source.normal import normalise

OWN = ""
"""The name under which the step's own text stands among what it is made of."""


def described(source: Source) -> dict[str, Any]:
    """Write down what a step is made of.

    Returns:
        Plain JSON: `parts`, a mapping from each name to a pair of what tells it from another text of that
        name and the text itself. The step's own text goes by `OWN`, a local module by
        `"module prep"`, a package by `"package pandas"` with its version for a text.
    """
    parts: dict[str, tuple[str, str]] = {OWN: (normalise(source.text), source.text)}
    for piece in (*source.pieces, *source.late_pieces):
        parts |= dict.fromkeys(piece.binds, (piece.digest, piece.text))
    parts |= {f"module {module.name}": (module.digest, module.text) for module in source.local_modules}
    parts |= {f"package {use.name}": (use.version, use.version) for use in source.modules}
    return {"parts": parts}


def changed_parts(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Tell what differs between two such records.

    Returns:
        The name of each part that differs, its former text and its present one; `""` where there was or is none.
    """
    new, old = now.get("parts", {}), before.get("parts", {})
    nothing = ("", "")
    return [
        (name, old.get(name, nothing)[1], new.get(name, nothing)[1])
        for name in dict.fromkeys((*new, *old))
        if old.get(name, nothing)[0] != new.get(name, nothing)[0]
    ]


def said_of(name: str, before: str, now: str) -> str:
    """Say in a few words how one part differs: `source of scale changed`."""
    kind, _, rest = name.partition(" ")
    if kind == "package" and rest:
        return f"{rest} {before or 'new'} → {now}" if now else f"{rest} is no longer used"
    if not now:
        return f"{name} is no longer used"
    if name == OWN:
        return "its source changed"
    return f"{name} changed" if rest else f"source of {name} changed"
