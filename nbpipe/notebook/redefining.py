"""What is said of a step that is defined again: what it took the place of, and what is stale by now.

A cell that is edited and run again is the same step with another text, and what was computed from what
it gave before stays as it is until it is run again. A cell that was copied, and its first line not
changed, takes the place of the one it was copied from. Neither is a mistake, and both surprise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nbpipe.define.cells import CellStep
from nbpipe.notebook.display import show_remark
from nbpipe.notebook.session import Session
from nbpipe.services.foreseeing import foresee
from nbpipe.services.starting import RunRequest

_MOST = 5


@dataclass(frozen=True, slots=True)
class Redefined:
    """A step that is defined again.

    Attributes:
        step: Its name.
        of_another_cell: Whether another cell was that step before.
    """

    step: str
    of_another_cell: bool


def redefinition(step: CellStep, known: Mapping[str, CellStep], cells: Mapping[str, str], key: str) -> Redefined | None:
    """Say what a definition takes the place of; `None` if of nothing, or of its like.

    Args:
        step: The step as it is defined now.
        known: The steps so far, by name.
        cells: The name of the step that each cell was, by what tells cells apart.
        key: What tells this cell from others.
    """
    former = known.get(step.name)
    if former is None:
        return None
    # A cell without an id goes by its text, which any edit makes another.
    others = [other for other, name in cells.items() if name == step.name and other != key and "\n" not in other]
    if former.identity == step.identity and not others:
        return None
    return Redefined(step.name, of_another_cell=bool(others))


def tell_redefined(redefined: Redefined, session: Session) -> None:
    """Show what there is to say, if there is anything."""
    foreseen = foresee(session.workspace, RunRequest(session.pipeline()))
    stale = [name for name, one in foreseen.items() if one.standing == "stale" and name != redefined.step]
    said = []
    if redefined.of_another_cell:
        said.append("another cell was this step before, and is none now")
    if stale:
        more = f" and {len(stale) - _MOST} more" if len(stale) > _MOST else ""
        said.append(f"stale by now: {', '.join(stale[:_MOST])}{more}")
    if said:
        show_remark(f"△ {redefined.step} is defined anew; {'; '.join(said)}")
