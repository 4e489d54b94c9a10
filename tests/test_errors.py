"""The tree of errors, as it is drawn and as it is."""

from __future__ import annotations

import inspect
import re

import pytest

from nbpipe import errors
from nbpipe.errors import NbpipeError, NotFoundError


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


@pytest.mark.parametrize(
    ("kind", "existing", "said"),
    [
        ("model", [], ""),
        ("model", ["oak"], " There is 'oak'."),
        ("pipeline", ["b", "A", "c"], " There are 'A', 'b', 'c'."),
        ("snapshot", [f"s{n}" for n in range(9)], " There are 's0', 's1', 's2', 's3', 's4' and 4 more."),
        ("tag", ["x" * 5000], f" There is '{'x' * 40}…'."),
        ("model", ["birds", "ires"], " Did you mean 'ires'?"),
        ("run", ["training-2026"], ""),
    ],
    ids=["none", "one", "three", "nine", "long", "near", "runs"],
)
def test_who_asks_for_what_is_not_there_is_told_what_is(kind: str, existing: list[str], said: str) -> None:
    assert str(NotFoundError(kind, "iris", existing)) == f"No {kind} is named 'iris' in this workspace.{said}"
