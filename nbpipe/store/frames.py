"""Pandas' frames and series as Arrow files.

The blob is an uncompressed Arrow IPC file: any tool reads it, and here its columns of numbers and
dates are used where the file is mapped. What Arrow does not know of a frame (its index, labels and
types) stands beside the columns in the file's metadata, as JSON.

Only frames that come back exactly as they were are written so. Whether one does is told by the
types of its columns, and of labels by making them again; columns of Python objects, an index with a
frequency or with levels in an order of their own make it decline, and the frame is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nbpipe.store.buffers import Gathered, Piece
from nbpipe.store.content import content_digest
from nbpipe.store.frame_columns import Declined, column_from_arrow, column_to_arrow
from nbpipe.store.loading import Loading
from nbpipe.store.plain import NotPlain, from_plain, to_plain

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_METADATA_KEY = b"nbpipe.frame"


class ArrowFrame:
    """Frames and series whose columns are numbers, texts, dates, categories or nullable ones of these."""

    name: ClassVar[str] = "arrow"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("pandas.DataFrame", "pandas.Series")

    def encode(self, value: pd.DataFrame | pd.Series[Any]) -> list[Piece] | None:
        """Write an Arrow file, or decline what would not come back as it was."""
        import pandas as pd

        if type(value) not in (pd.DataFrame, pd.Series) or not value.flags.allows_duplicate_labels:
            return None
        try:
            layout: dict[str, Any] = {"attrs": to_plain(value.attrs), "rows": len(value)}
            if isinstance(value, pd.DataFrame):
                layout["columns"] = _labels(value.columns)
                columns = [column.array for _, column in value.items()]
                names = [str(label) for label in value.columns]
            else:
                layout["series"] = to_plain(value.name)
                columns, names = [value.array], [str(value.name)]
            layout["index"], of_index = _index(value.index)
            arrays, layout["types"] = _converted([*columns, *of_index])
        except (NotPlain, Declined):
            return None
        names += [f"index {place}" for place in range(len(of_index))]
        return _written(arrays, names, layout)

    def decode(self, data: memoryview, loading: Loading) -> pd.DataFrame | pd.Series[Any]:
        """Give the frame, with its plain columns in the memory of `data`."""
        import pandas as pd
        import pyarrow as pa

        with pa.ipc.open_file(pa.py_buffer(data)) as file:
            batch = file.get_batch(0)
        batch.validate(full=not loading.is_trusted)
        layout = json.loads(batch.schema.metadata[_METADATA_KEY])
        arrays = [
            column_from_arrow(column, said, data) for column, said in zip(batch.columns, layout["types"], strict=True)
        ]
        of_values = len(arrays) - layout["index"].get("levels", 0)
        index = _index_from(layout["index"], arrays[of_values:])
        restored: pd.DataFrame | pd.Series[Any]
        if "series" in layout:
            restored = pd.Series(arrays[0], index=index, name=from_plain(layout["series"]), copy=False)
        else:
            restored = pd.DataFrame(dict(enumerate(arrays[:of_values])), index=index, copy=False)
            restored.columns = _labels_from(layout["columns"])
        restored.attrs = from_plain(layout["attrs"])
        return restored


def _converted(columns: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    pairs = [column_to_arrow(column) for column in columns]
    return [array for array, _ in pairs], [said for _, said in pairs]


def _written(arrays: list[Any], names: list[str], layout: dict[str, Any]) -> list[Piece]:
    import pyarrow as pa

    fields = [pa.field(name, array.type) for name, array in zip(names, arrays, strict=True)]
    schema = pa.schema(fields, metadata={_METADATA_KEY: json.dumps(layout, separators=(",", ":"))})
    gathered = Gathered()
    with pa.PythonFile(gathered, "w") as file, pa.ipc.new_file(file, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return gathered.pieces


def _index(index: pd.Index[Any]) -> tuple[dict[str, Any], list[Any]]:
    """Describe an index, and give the columns in which its values are kept."""
    import pandas as pd

    names = to_plain(list(index.names))
    if type(index) is pd.RangeIndex:
        return {"kind": "range", "names": names, "range": [index.start, index.stop, index.step]}, []
    if type(index) is pd.MultiIndex:
        if not all(map(_comes_back_from_its_values, index.levels, index.codes)):
            raise Declined
        levels = [index.get_level_values(place).array for place in range(index.nlevels)]
        return {"kind": "multi", "names": names, "levels": len(levels)}, levels
    if getattr(index, "freq", None) is not None or isinstance(index, pd.IntervalIndex):
        raise Declined
    return {"kind": "plain", "names": names, "levels": 1}, [index.array]


def _comes_back_from_its_values(level: pd.Index[Any], codes: np.ndarray[Any, Any]) -> bool:
    """Tell whether a level is what pandas makes of the values in it: all that are used, sorted.

    The order of a level is the order of what is unstacked or grouped by it.
    """
    import numpy as np
    import pandas as pd

    if isinstance(level, pd.CategoricalIndex):
        return bool(np.array_equal(level.codes, np.arange(len(level.categories))))
    is_used = np.zeros(len(level) + 1, bool)
    is_used[codes] = True
    # A missing value has the code -1, which marks the last place.
    is_plain = getattr(level, "freq", None) is None and not level.hasnans and bool(is_used[:-1].all())
    return is_plain and level.is_unique and level.is_monotonic_increasing


def _index_from(said: dict[str, Any], arrays: Sequence[Any]) -> Any:
    import pandas as pd

    names = from_plain(said["names"])
    if said["kind"] == "range":
        return pd.RangeIndex(range(*said["range"]), name=names[0])
    if said["kind"] == "multi":
        return pd.MultiIndex.from_arrays(arrays, names=names)
    return pd.Index(arrays[0], dtype=arrays[0].dtype, name=names[0], copy=False)


def _labels(columns: pd.Index[Any]) -> dict[str, Any]:
    """Write the labels of columns as plain data.

    Raises:
        Declined: They would come back as others.
    """
    import pandas as pd

    said: dict[str, Any] = {"names": to_plain(list(columns.names))}
    if type(columns) is pd.RangeIndex:
        return said | {"range": [columns.start, columns.stop, columns.step]}
    labels = columns.tolist()
    said |= {"labels": to_plain(labels), "levels": columns.nlevels, "type": str(columns.dtype)}
    try:
        again = _labels_from(json.loads(json.dumps(said)))
    except (TypeError, ValueError):
        raise Declined from None
    if not _are_same_labels(again, columns):
        raise Declined
    return said


def _are_same_labels(again: Any, columns: Any) -> bool:
    import pandas as pd

    if type(again) is not type(columns) or content_digest(again).digest != content_digest(columns).digest:
        return False
    if isinstance(columns, pd.MultiIndex):
        return all(map(_are_same_labels, again.levels, columns.levels))
    same_zone = type(getattr(again, "tz", None)) is type(getattr(columns, "tz", None))
    return same_zone and list(map(type, again.tolist())) == list(map(type, columns.tolist()))


def _labels_from(said: dict[str, Any]) -> Any:
    import pandas as pd

    names = from_plain(said["names"])
    if "range" in said:
        return pd.RangeIndex(range(*said["range"]), name=names[0])
    labels = from_plain(said["labels"])
    if said["levels"] > 1:
        return pd.MultiIndex.from_tuples(labels, names=names)
    return pd.Index(labels, dtype=said["type"], name=names[0], tupleize_cols=False)
