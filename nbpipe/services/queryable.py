"""The names that a query may use: each view of the catalog with its columns.

For whoever offers names while a query is written, without a workspace being opened. What the
views show is `catalog.views`; asking them is `Client.query`.
"""

from __future__ import annotations

from collections.abc import Mapping

from nbpipe.catalog.views import COLUMNS


def columns_by_view() -> Mapping[str, tuple[str, ...]]:
    """Give the columns of each view, in their order."""
    return {view: tuple(columns) for view, columns in COLUMNS.items()}
