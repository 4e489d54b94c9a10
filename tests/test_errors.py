"""The tree of errors, as it is drawn and as it is."""

from __future__ import annotations

import inspect
import re

from nbpipe import errors
from nbpipe.errors import NbpipeError


def drawn() -> dict[str, str]:
    """Give, for each error under `NbpipeError` in the drawing, the one it hangs on."""
    tree = (errors.__doc__ or "").split("\n\n")[1]
    above: list[str] = []
    found = {}
    for line in tree.splitlines()[1:]:
        branch, name = re.match(r" {4}([│├└─ ]*)(\w+)", line).groups()  # type: ignore[union-attr]
        del above[len(branch) // 4 - 1 :]
        found[name] = above[-1] if above else "NbpipeError"
        above.append(name)
    return found


def test_the_drawn_tree_holds_every_error_below_the_one_that_it_is_a_kind_of() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, NbpipeError)]

    assert drawn() == {kind.__name__: kind.__bases__[0].__name__ for kind in kinds if kind is not NbpipeError}
