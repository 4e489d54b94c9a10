"""Tokens as cards: what one is good for, and until when. None is ever shown itself."""

from __future__ import annotations

from nbpipe.services.tokens import TokenRecord
from nbpipe.views.amounts import time_text
from nbpipe.views.frames import Bundle, Card, written


def token_bundle(token: TokenRecord, *, stable: bool = False) -> Bundle:
    """Show what is known of a token.

    Args:
        token: The token.
        stable: Leave out what differs from one time to the next.
    """
    moving = [("created", time_text(token.created)), ("expires", time_text(token.expires)), ("id", token.id)]
    revoked = [("revoked", time_text(token.revoked))] if token.revoked is not None else []
    facts = [("scope", token.scope.value), *([] if stable else [*moving, *revoked])]
    return written(Card("token", token.name, token.status, facts=facts))
