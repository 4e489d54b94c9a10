"""Operations on tags: put on, take off, rename, delete."""

from __future__ import annotations

from typing import ClassVar

from nbpipe.records.changes import Decision
from nbpipe.records.operations.base import Operation, PointedAt
from nbpipe.records.state import Draft, OperationState
from nbpipe.records.tags import Tag, as_tag, cascades, delete_tag, put_tag, remove_tag, rename_tag


class AddTags(Operation):
    """Put tags on one or several targets: all or none.

    Attributes:
        tags: The tags.
        targets: What gets them.
        reached: What the runs among the targets made: it gets those that cascade.
    """

    kind: ClassVar[str] = "add_tags"
    tags: tuple[Tag, ...]
    targets: tuple[PointedAt, ...]
    reached: tuple[PointedAt, ...] = ()

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Put each tag on each target; say who lost an exclusive one."""
        draft = Draft.over(state)
        lost = {}
        for pointed in self.targets:
            for tag in self.tags:
                holder = put_tag(draft, tag, pointed.target(), at)
                if holder:
                    lost[tag.name] = holder
        cascading = [tag for tag in self.tags if cascades(draft.state, tag)]
        for pointed in self.reached:
            for tag in cascading:
                put_tag(draft, tag, pointed.target(), at)
        reached = {tag.name: len(self.reached) for tag in cascading if self.reached}
        return Decision(tuple(draft.changes), {"lost": lost, "reached": reached})


class RemoveTags(Operation):
    """Take tags from one or several targets."""

    kind: ClassVar[str] = "remove_tags"
    names: tuple[str, ...]
    targets: tuple[PointedAt, ...]

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take each tag from each target, whether it is there or not. Say when: what is lost was lost then."""
        draft = Draft.over(state)
        for pointed in self.targets:
            for name in self.names:
                remove_tag(draft, name, pointed.target())
        return Decision(tuple(draft.changes), {"at": at})


class RenameTag(Operation):
    """Rename a tag on everything that bears it."""

    kind: ClassVar[str] = "rename_tag"
    name: str
    to: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Change the tag's one row."""
        return Decision(rename_tag(state, self.name, as_tag(self.to)), {})


class DeleteTag(Operation):
    """Delete a tag; everything that bears it loses it."""

    kind: ClassVar[str] = "delete_tag"
    name: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Drop the tag's one row. Say when: what bore it lost it then."""
        return Decision(delete_tag(state, self.name), {"at": at})
