"""The head of a text: an integer by which a row is found among millions.

Ids are random texts of 36 letters: to find one, the engine would have to read them all. Their
head, the first fifteen hexadecimal digits as a number, stands in a column beside those that are
looked up; numbers are read twenty times faster. Ids that begin alike have heads in one range.
The head of any other text is that of its md5 digest.

Two texts may share a head, so whoever finds a row by it compares the text as well. The SQL and
the Python here say the same thing.
"""

from __future__ import annotations

import hashlib
import re

_DIGITS = 15
_WRITTEN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(_WRITTEN)


def head_in_sql(word: str) -> str:
    """Write the expression for the head of a column's text."""
    letters = f"CASE WHEN regexp_full_match({word}, '{_WRITTEN}') THEN replace({word}, '-', '') ELSE md5({word}) END"
    return f"('0x' || left({letters}, {_DIGITS}))::BIGINT"


# A macro, so that each statement that fills a table names it in two words.
CREATE_HEAD_OF = f"CREATE MACRO rows.head_of(word) AS {head_in_sql('word')}"


def head_of(text: str) -> int:
    """Give the head of a text."""
    is_id = _ID.fullmatch(text) is not None
    digits = text.replace("-", "") if is_id else hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return int(digits[:_DIGITS], 16)


def heads_from(prefix: str) -> tuple[int, int]:
    """Give the smallest and the largest head of the ids that begin so.

    Args:
        prefix: Hexadecimal digits, with the dashes of an id where they belong.
    """
    digits = prefix.replace("-", "")[:_DIGITS]
    return int(digits.ljust(_DIGITS, "0"), 16), int(digits.ljust(_DIGITS, "f"), 16)
