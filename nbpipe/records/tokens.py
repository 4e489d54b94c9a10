"""Tokens: what somebody shows to the REST server to be let in, and what each of them may do.

A token is 256 random bits, shown once to who made it. What is kept is its digest: whoever reads the catalog cannot
use it. Each scope holds those before it: who may read may also start snapshots, who is admin may do everything.

This module holds the words and the rules. Rows are the operation log's (`records.operations.tokens`).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from nbpipe.errors import BadValueError, nearest
from nbpipe.records.base import shorten

# So that one which was pasted somewhere is recognised for what it is, by people and by scanners.
PREFIX = "nbp_"
_BITS = 256
_LONGEST = timedelta(days=3660)


class TokenScope(StrEnum):
    """What a token is good for, the narrowest first."""

    INVOKE = "invoke"
    READ = "read"
    ADMIN = "admin"

    def covers(self, needed: TokenScope) -> bool:
        """Tell whether who has this scope may do what needs that one."""
        order = list(TokenScope)
        return order.index(self) >= order.index(needed)


MEANINGS = {
    TokenScope.INVOKE: "find snapshots, start runs of them and ask how those stand",
    TokenScope.READ: "all of that, and see everything: runs, logs, artifacts, models",
    TokenScope.ADMIN: "all of that, and change things: promote models, stop runs",
}


def as_scope(word: object) -> TokenScope:
    """Give the scope that a word names.

    Raises:
        BadValueError: It names none.
    """
    text = str(word).strip().casefold() if isinstance(word, str) else ""
    words = [scope.value for scope in TokenScope]
    if text not in words:
        near = nearest(text, words)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(words)}."
        raise BadValueError(f"{shorten(word)} is no scope. {hint}")
    return TokenScope(text)


def new_token() -> str:
    """Make a token that nobody can guess."""
    return PREFIX + secrets.token_urlsafe(_BITS // 8)


def digest_of_token(token: str) -> str:
    """Give what is kept of a token. It is random through and through, so one round without salt hides it."""
    return sha256(token.encode("utf-8", "replace")).hexdigest()


def expiry(lasts: timedelta, at: datetime) -> datetime:
    """Say until when a token is good that is made now.

    Raises:
        BadValueError: It would be over before it began, or last longer than ten years.
    """
    if not timedelta() < lasts <= _LONGEST:
        raise BadValueError(f"A token lasts from a second to ten years, not {shorten(str(lasts))}.")
    return at + lasts


def is_over(row: Mapping[str, Any], at: datetime) -> str:
    """Say why a token's row is good for nothing any more: `"revoked"`, `"expired"`, or `""` while it is good."""
    if row["revoked"] is not None:
        return "revoked"
    if row["expires"] is not None and datetime.fromisoformat(row["expires"]) <= at:
        return "expired"
    return ""


def row_of(token: str, rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Find the row of a token; how long that takes says nothing about any."""
    digest = digest_of_token(token)
    found = None
    for row in rows:
        if hmac.compare_digest(row["digest"], digest):
            found = row
    return found
