"""Which blobs the catalog names: what must be there, and what must not be swept.

The two questions are asked differently. What must be there is read from the columns that name a
blob, and each answer says who names it. What may be swept is what no text anywhere mentions: every
column of every view is searched for a digest, so that a new table cannot be forgotten here, and a
number that happens to look like one costs a file that stays.

This module knows digests and columns. It has never seen a blob.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbpipe.catalog.repair import foreseen
from nbpipe.catalog.views import COLUMNS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from nbpipe.base.workspace import WorkspacePaths
    from nbpipe.records.state import OperationState

_DIGEST_LETTERS = 64
_DIGEST = re.compile(rb"[0-9a-f]{64}")
_ROWS_AT_ONCE = 10_000
_TEXTS = ("VARCHAR", "JSON")

_NAMED = """
    SELECT blob, size_bytes, 'artifact' AS kind, name || coalesce('@' || number, '') AS name
    FROM artifacts WHERE blob <> ''
    UNION ALL
    SELECT graph, NULL, 'graph of run', coalesce(name, id) FROM runs WHERE graph <> ''
    UNION ALL
    SELECT code, NULL, 'code of run', coalesce(name, id) FROM runs WHERE code <> ''
    UNION ALL
    SELECT displays ->> 'blob', NULL, 'displays of step', node FROM steps WHERE displays ->> 'blob' <> ''
    UNION ALL
    SELECT logs ->> 'blob', NULL, 'printed text of step', node FROM steps WHERE logs ->> 'blob' <> ''
    UNION ALL
    SELECT logs ->> 'blob', NULL, 'printed text of item', node FROM items WHERE logs ->> 'blob' <> ''
    UNION ALL
    SELECT split_part(digest, ':', 2), NULL, 'snapshot', coalesce(nullif(name, ''), id) FROM snapshots
    WHERE split_part(digest, ':', 2) <> ''
"""
# Each view is read once, whatever many columns it has; a blank keeps two texts from making a digest together.
_MENTIONED = "SELECT DISTINCT unnest(regexp_extract_all(concat_ws(' ', {texts}), '[0-9a-f]{{64}}')) FROM {view}"
_LONG_ENOUGH = """CASE WHEN strlen("{column}"::VARCHAR) >= $letters THEN "{column}"::VARCHAR END"""


@dataclass(frozen=True, slots=True)
class NamedBlob:
    """A blob that must be there.

    Attributes:
        digest: Its name.
        size_bytes: How large it must be, in bytes; `None` if whoever names it does not say.
        kind: What names it, such as `artifact`.
        name: Which one of them.
    """

    digest: str
    size_bytes: int | None
    kind: str
    name: str


def named(cursor: DuckDBPyConnection) -> Iterator[NamedBlob]:
    """Walk through everything that names a blob; several may name the same."""
    answer = cursor.execute(_NAMED)
    while rows := answer.fetchmany(_ROWS_AT_ONCE):
        yield from (NamedBlob(*row) for row in rows)


def mentioned(cursor: DuckDBPyConnection) -> set[str]:
    """Give every digest that stands anywhere in any view."""
    found: set[str] = set()
    for view in COLUMNS:
        columns = cursor.execute(f"DESCRIBE {view}").fetchall()
        texts = ", ".join(_LONG_ENOUGH.format(column=column) for column, kind, *_ in columns if kind in _TEXTS)
        answer = cursor.execute(_MENTIONED.format(view=view, texts=texts), {"letters": _DIGEST_LETTERS})
        while rows := answer.fetchmany(_ROWS_AT_ONCE):
            found.update(digest for (digest,) in rows)
    return found


def mentioned_beside(paths: WorkspacePaths, state: OperationState) -> set[str]:
    """Give every digest in what the views do not show: the state that rules decide on, and damaged lines."""
    found = set(_digests_in(json.dumps(state.to_json()).encode()))
    for mended in foreseen(paths):
        # The damage may be in the digest itself.
        found.update(_digests_in(mended.gap.data), _digests_in(mended.data))
    return found


def _digests_in(text: bytes) -> Iterator[str]:
    return (digest.decode() for digest in _DIGEST.findall(text))
