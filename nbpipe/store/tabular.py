"""Tables as files for other tools: Parquet or CSV, batch by batch, so that memory stays small."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

FORMATS = ("parquet", "csv")


def write_table(path: Path, schema: Any, batches: Iterable[Any], *, form: str) -> int:
    """Write a table that nobody else may read, and give the number of its rows.

    Args:
        path: The file; made here.
        schema: The Arrow schema.
        batches: The Arrow record batches.
        form: One of `FORMATS`.

    Raises:
        OSError: It cannot be written.
    """
    rows = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file, closing(_writer(file, schema, form)) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _writer(file: Any, schema: Any, form: str) -> Any:
    if form == "csv":
        from pyarrow.csv import CSVWriter

        return CSVWriter(file, schema)
    from pyarrow.parquet import ParquetWriter

    return ParquetWriter(file, schema, compression="zstd")
