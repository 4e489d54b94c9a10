"""Names for things that happen.

A run, a step's execution or an artifact version is a random uuid4: any few first letters tell
it from its neighbours, which a time-ordered id would not do for a minute. What *is* has the
digest of what it is (`base.digest`); what is named goes by its name.
"""

from __future__ import annotations

import os
import re

_UUID_LIKE = re.compile(r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$")
_VARIANTS = {letter: "89ab"[place % 4] for place, letter in enumerate("0123456789abcdef")}
_AT_ONCE = 32
# A run needs several, and each question to the system costs as much as all else of an id.
_ahead: list[str] = []
# Parent and child must not draw the same.
os.register_at_fork(after_in_child=_ahead.clear)
_ID_PREFIX = re.compile(r"^[0-9a-f][0-9a-f-]{3,35}$")


def new_id() -> str:
    """Make a random id: a uuid4 in its usual text form, 36 characters."""
    try:
        letters = _ahead.pop()
    except IndexError:
        drawn = os.urandom(16 * _AT_ONCE).hex()
        letters, *others = (drawn[place : place + 32] for place in range(0, len(drawn), 32))
        _ahead.extend(others)
    # The thirteenth letter tells the version, the seventeenth the variant.
    variant = _VARIANTS[letters[16]]
    return f"{letters[:8]}-{letters[8:12]}-4{letters[13:16]}-{variant}{letters[17:20]}-{letters[20:]}"


def is_uuid_like(text: str) -> bool:
    """Tell whether `text` could be taken for an id, with or without dashes."""
    return _UUID_LIKE.match(text) is not None


def may_be_id_prefix(text: str) -> bool:
    """Tell whether `text` may be the first part of an id: four letters at least."""
    return _ID_PREFIX.match(text) is not None
