"""Tokens: made, listed, revoked, and told apart when somebody shows one.

A token is given to its maker once and kept nowhere. When it was last used is not written down: that would be a
record for every request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from nbpipe.base.clock import now
from nbpipe.base.displaying import Displayed
from nbpipe.base.ids import may_be_id_prefix, new_id
from nbpipe.errors import AmbiguousNameError, NotFoundError
from nbpipe.records.base import plain_name, shorten
from nbpipe.records.operations import CreateToken, RevokeToken
from nbpipe.records.state import Row
from nbpipe.records.tokens import TokenScope, as_scope, digest_of_token, expiry, is_over, new_token, row_of
from nbpipe.services.instants import as_instant, meant_span
from nbpipe.services.listing import Listing
from nbpipe.services.workspace import Workspace

USUAL_SPAN = "90d"
FOR_GOOD = "never"


@dataclass(frozen=True, slots=True)
class TokenRecord(Displayed):
    """What is known of a token.

    Attributes:
        id: Its id.
        name: Its name.
        scope: What it is good for.
        created: When it was made.
        expires: Until when it is good; `None` for good.
        revoked: Since when it is good no more; `None` while it is.
        status: `valid`, `expired` or `revoked`.
    """

    row_kinds: ClassVar[Mapping[str, str]] = {
        "name": "text",
        "scope": "text",
        "status": "text",
        "created": "instant",
        "expires": "instant",
        "revoked": "instant",
        "id": "text",
    }

    id: str
    name: str
    scope: TokenScope
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    status: str

    def __repr__(self) -> str:
        return f"<TokenRecord {shorten(self.name)}: {self.scope.value}, {self.status}>"

    def as_row(self) -> dict[str, Any]:
        """Give its facts by column."""
        return {
            "name": self.name,
            "scope": self.scope.value,
            "status": self.status,
            "created": self.created,
            "expires": self.expires,
            "revoked": self.revoked,
            "id": self.id,
        }


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made.

    Attributes:
        record: What is known of it from now on.
        token: The token itself, which nothing shows but this.
    """

    record: TokenRecord
    token: str = field(repr=False)


class TokenService:
    """What may be asked of tokens.

    Args:
        workspace: Whose server they open.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def create(self, name: str, *, scope: TokenScope | str = TokenScope.READ, expires: object = USUAL_SPAN) -> NewToken:
        """Make a token.

        Args:
            name: What it goes by in lists and logs.
            scope: What it is good for: `invoke`, `read` or `admin`.
            expires: How long it is good: `"30d"`, `"12h"`, a `timedelta`, or `"never"`.

        Raises:
            BadValueError: A name, a scope or a time that is none.
            ConflictError: A token of that name is there and not revoked.
        """
        title, wanted, at = plain_name("token", name), as_scope(scope), now()
        is_for_good = isinstance(expires, str) and expires.strip().casefold() == FOR_GOOD
        until = None if is_for_good else expiry(meant_span("expires", expires), at)
        token = new_token()
        operation = CreateToken(id=new_id(), name=title, digest=digest_of_token(token), scope=wanted, expires=until)
        row = self._workspace.catalog.transact(operation, durable=True)
        return NewToken(_record(row, at), token)

    def list(self, *, all: bool = False) -> Listing[TokenRecord]:
        """List tokens, newest first.

        Args:
            all: Those too that were revoked.
        """
        at = now()
        rows = sorted(self._rows(), key=lambda row: (row["created"], row["id"]), reverse=True)
        return Listing((_record(row, at) for row in rows if all or row["revoked"] is None), TokenRecord)

    def revoke(self, ref: str) -> TokenRecord:
        """Have a token be good no more, at once, wherever it is shown.

        Args:
            ref: Its name, its id or the beginning of that.

        Raises:
            NotFoundError: There is no such token, or it was revoked before.
        """
        row = self._found(ref)
        return _record(self._workspace.catalog.transact(RevokeToken(id=row["id"]), durable=True), now())

    def judge(self, token: str) -> TokenRecord | None:
        """Tell whose token this is; it may be good for nothing any more, see `status`.

        Raises:
            CatalogError: The log of operations cannot be read.
        """
        row = row_of(token, self._rows())
        return _record(row, now()) if row is not None else None

    def has_valid(self) -> bool:
        """Tell whether there is a token that opens anything."""
        return any(record.status == "valid" for record in self.list())

    def _rows(self) -> Sequence[Row]:
        return [row for row in list(self._workspace.catalog.state().tokens.values()) if row is not None]

    def _found(self, ref: str) -> Row:
        rows = [row for row in self._rows() if row["revoked"] is None]
        by_name = [row for row in rows if row["name"] == ref]
        if by_name:
            return by_name[0]
        near = [row for row in rows if may_be_id_prefix(ref) and row["id"].startswith(ref)]
        if len(near) > 1:
            raise AmbiguousNameError("token", ref, (row["id"] for row in near))
        if not near:
            raise NotFoundError("token", ref, (row["name"] for row in rows))
        return near[0]


def _record(row: Row, at: datetime) -> TokenRecord:
    return TokenRecord(
        id=row["id"],
        name=row["name"],
        scope=TokenScope(row["scope"]),
        created=as_instant(row["created"]),
        expires=as_instant(row["expires"]) if row["expires"] is not None else None,
        revoked=as_instant(row["revoked"]) if row["revoked"] is not None else None,
        status=is_over(row, at) or "valid",
    )
