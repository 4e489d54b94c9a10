"""What putting tags on things would do: who would lose an exclusive one, how far a cascading one would go.

The same rules are asked that decide when it is done, on a state that is thrown away. So what is
foreseen is what happens, unless somebody else is faster; and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from nbpipe.base.clock import now_text
from nbpipe.catalog.heads import head_of
from nbpipe.errors import UserError
from nbpipe.records.changes import SEPARATOR
from nbpipe.records.operations import AddTags, PointedAt
from nbpipe.records.refs import Kind, Target
from nbpipe.records.tags import Tag, as_tags, cascades, flags_of
from nbpipe.services.labels import Thing, labels_of
from nbpipe.services.listing import Listing
from nbpipe.services.tag_reach import made_by, refusals
from nbpipe.services.workspace import Workspace

BEARERS = """
    WITH near AS MATERIALIZED (FROM keyed.tags WHERE entity_head IN (SELECT unnest($heads::BIGINT[])))
    SELECT entity_kind, entity_id FROM near WHERE tag = $tag
"""
_MOST_NAMED = 3
_LABEL_SAYS_IT = (Kind.ARTIFACT_VERSION, Kind.MODEL_VERSION)


@dataclass(frozen=True, slots=True)
class TagEffect:
    """What putting one tag on some targets would do.

    Attributes:
        name: The tag.
        is_new: Whether nobody has used it yet.
        exclusive: Whether one thing at most bears it in each scope.
        cascade: Whether it goes on to what a run made.
        gains: The targets that would get it.
        bears: The targets that bear it already.
        losers: What would lose it, as a kind and a label each.
        reached: How many artifact versions of tagged runs would get it besides.
        problem: What would be raised; `""` if it can be done.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "is_new": "bool",
        "exclusive": "bool",
        "cascade": "bool",
        "gains": "data",
        "bears": "data",
        "losers": "data",
        "reached": "int",
        "problem": "text",
    }

    name: str
    is_new: bool
    exclusive: bool
    cascade: bool
    gains: tuple[Target, ...] = ()
    bears: tuple[Target, ...] = ()
    losers: tuple[tuple[Kind, str], ...] = ()
    reached: int = 0
    problem: str = ""

    @property
    def said(self) -> str:
        """All of it in a sentence, as in `latest (exclusive) moves from run monday to run tuesday`."""
        if self.problem:
            return self.problem
        parts = [self._gained()]
        if self.reached:
            parts.append(f"reaches {self.reached} artifact version{'' if self.reached == 1 else 's'}")
        flags = " and ".join(flag for flag in ("exclusive", "cascade") if getattr(self, flag))
        about = f" ({', '.join(filter(None, ['new' if self.is_new else '', flags]))})" if self.is_new or flags else ""
        return f"{self.name}{about} {', and '.join(filter(None, parts))}."

    def _gained(self) -> str:
        if not self.gains:
            return "is there already"
        to = _listed([named(target.kind, target.label) for target in self.gains])
        if not self.losers:
            return f"goes to {to}"
        return f"moves from {_listed([named(kind, label) for kind, label in self.losers])} to {to}"

    def as_row(self) -> dict[str, Any]:
        """Give the effect's facts by column."""
        return {
            "name": self.name,
            "is_new": self.is_new,
            "exclusive": self.exclusive,
            "cascade": self.cascade,
            "gains": [target.label for target in self.gains],
            "bears": [target.label for target in self.bears],
            "losers": [label for _, label in self.losers],
            "reached": self.reached,
            "problem": self.problem,
        }


def named(kind: Kind, label: str) -> str:
    """Name a thing with what it is, unless its label says it."""
    return label if kind in _LABEL_SAYS_IT else f"{kind.value.replace('_', ' ')} {label}"


def foresee(workspace: Workspace, tags: Iterable[Tag | str], targets: Sequence[Target]) -> Listing[TagEffect]:
    """Say of each tag what putting it on all targets would do; see `TagService.foresee`."""
    return Listing((_effect(workspace, tag, tuple(targets)) for tag in as_tags(tags)), TagEffect)


def _effect(workspace: Workspace, tag: Tag, targets: tuple[Target, ...]) -> TagEffect:
    state = workspace.catalog.state()
    is_new = state.tag_ids.get(tag.name) is None
    try:
        exclusive, cascade = flags_of(state, tag)
    except UserError as refused:
        return TagEffect(tag.name, is_new, tag.exclusive, tag.cascade, problem=str(refused))
    refusal = next(refusals(workspace, [tag] if exclusive else [], targets), None)
    if refusal is not None:
        return TagEffect(tag.name, is_new, exclusive, cascade, problem=str(refusal))
    reached = made_by(workspace, targets) if cascades(state, tag) else ()
    wanted = AddTags(tags=(tag,), targets=PointedAt.each(targets), reached=PointedAt.each(reached))
    try:
        decision = wanted.decide(state, 0, now_text(), "")
    except UserError as refused:
        return TagEffect(tag.name, is_new, exclusive, cascade, problem=str(refused))
    taken = [_thing(change.key) for change in decision.changes if change.table == "tagging" and change.row is None]
    there = _bearers(workspace, tag, [*((t.kind.value, t.id) for t in (*targets, *reached)), *taken])
    losers = [thing for thing in taken if thing in there]
    labels = labels_of(workspace, losers)
    return TagEffect(
        tag.name,
        is_new,
        exclusive,
        cascade,
        gains=tuple(target for target in targets if (target.kind.value, target.id) not in there),
        bears=tuple(target for target in targets if (target.kind.value, target.id) in there),
        losers=tuple((Kind(kind), labels[kind, id_]) for kind, id_ in losers),
        reached=sum(1 for target in reached if (target.kind.value, target.id) not in there),
    )


def _bearers(workspace: Workspace, tag: Tag, things: Sequence[Thing]) -> set[Thing]:
    asked = {"tag": tag.name, "heads": [head_of(id_) for _, id_ in things]}
    return {(row["entity_kind"], row["entity_id"]) for row in workspace.catalog.rows(BEARERS, asked)}


def _thing(tagging: str) -> Thing:
    _, kind, entity_id = tagging.split(SEPARATOR)
    return kind, entity_id


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MOST_NAMED
    shown = [*names[:_MOST_NAMED], *([f"{rest} more"] if rest > 0 else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
