"""Operations on tokens: one is written down, and is good no more."""

from __future__ import annotations

from datetime import UTC
from typing import ClassVar

from pydantic import AwareDatetime

from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.records.changes import Decision
from nbpipe.records.operations.base import Operation
from nbpipe.records.state import Draft, OperationState
from nbpipe.records.tokens import TokenScope


class CreateToken(Operation):
    """Write a token down by its digest; its name is free if a revoked one bore it.

    Attributes:
        digest: The token's, which is all that is ever known of it here.
        expires: Until when it is good; `None` for good.
    """

    kind: ClassVar[str] = "create_token"
    id: str
    name: str
    digest: str
    scope: TokenScope
    expires: AwareDatetime | None = None

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Take the name."""
        if state.token_names.get(self.name) is not None:
            raise ConflictError(f"There is a token named {self.name!r} already. Take another name, or revoke it.")
        row = {
            "id": self.id,
            "name": self.name,
            "digest": self.digest,
            "scope": self.scope.value,
            "created": at,
            "expires": self.expires and self.expires.astimezone(UTC).isoformat(timespec="microseconds"),
            "revoked": None,
        }
        draft = Draft.over(state)
        draft.put("token", self.id, row)
        return Decision(tuple(draft.changes), row)


class RevokeToken(Operation):
    """Have a token be good no more, at once and for ever."""

    kind: ClassVar[str] = "revoke_token"
    id: str

    def decide(self, state: OperationState, n: int, at: str, by: str) -> Decision:  # noqa: ARG002
        """Mark the token's row; one that was revoked before stays as it is."""
        row = state.tokens.get(self.id)
        if row is None:
            raise NotFoundError("token", self.id)
        if row["revoked"] is not None:
            return Decision((), dict(row))
        draft = Draft.over(state)
        draft.put("token", self.id, {**row, "revoked": at})
        return Decision(tuple(draft.changes), {**row, "revoked": at})
