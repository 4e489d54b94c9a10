"""What a URL of an artifact root is: where values may lie, said by a person.

This module knows what is written; it opens nothing.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from nbpipe.errors import BadValueError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*\Z")
_PATTERN = frozenset("*?[]{}#")
_LIVES_WITH_THE_PROCESS = frozenset({"memory"})


def checked_url(text: str) -> str:
    """Give a URL as an artifact root bears it.

    Raises:
        BadValueError: It is no URL, has a password in it, or leads to what ends with the process.
    """
    url = text.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError as error:
        raise BadValueError(f"{_shown(url)} is no URL ({error}). Write s3://BUCKET/PREFIX.") from None
    if "://" not in url or not _SCHEME.match(parts.scheme) or not (parts.netloc or parts.path):
        raise BadValueError(f"{_shown(url)} is no URL of an artifact root. Write s3://BUCKET/PREFIX.")
    if password is not None:
        # It is not shown: what is shown may be kept.
        raise BadValueError(
            f"The URL of an artifact root may hold no password. Write {parts.scheme}://BUCKET/PREFIX;\n"
            "credentials are found in the environment or in the files of the library that opens it."
        )
    if parts.scheme in _LIVES_WITH_THE_PROCESS:
        raise BadValueError(f"{_shown(url)} ends with its process, and values would be lost. Write s3://BUCKET/PREFIX.")
    if not url.isprintable() or len(url) > 1000 or _PATTERN & set(url):
        # A list of names to remove is read as patterns.
        why = "is too long, or has a letter in it that cannot be seen or is one of *?[]{}#"
        raise BadValueError(f"{_shown(url)} {why}. Write s3://BUCKET/PREFIX.")
    return url


def _shown(url: str) -> str:
    return repr(url if len(url) <= 80 else f"{url[:79]}…")
