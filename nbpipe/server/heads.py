"""The headers of a request as the gate reads them: by name, and which stand twice that may stand once only.

What they mean, and who is refused for them, is `guard`'s affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# A second of these would be read by one program and overlooked by another.
_ONCE = frozenset(
    {"authorization", "content-length", "content-type", "host", "origin", "sec-fetch-site", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True)
class Headers:
    """The headers of a request, those that may stand once only apart from the others.

    Attributes:
        names: The last value of each, by its name in lower case.
        repeated: Those that may stand once only and stand more than once.
    """

    names: dict[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str:
        """Give a header; `""` if there is none of that name."""
        return self.names.get(name, "")


def read_headers(sent: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Read the headers of a request as ASGI has them."""
    names: dict[str, str] = {}
    repeated = set()
    for raw, value in sent:
        name = raw.decode("latin-1").lower()
        if name in names and name in _ONCE:
            repeated.add(name)
        names[name] = value.decode("latin-1").strip()
    return Headers(names, frozenset(repeated))
