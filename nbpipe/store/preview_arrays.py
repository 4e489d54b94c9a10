"""Arrays in small: shape, type, range and the first values; and of many tensors their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nbpipe.store.preview_tables import fields_preview, table_preview
from nbpipe.store.preview_texts import VALUES, cell

if TYPE_CHECKING:
    import numpy as np

# What is larger is not looked through for its smallest and largest.
_MOST_LOOKED_THROUGH = 10_000_000
_NUMBERS = "iuf"


def array_preview(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Show an array of numpy's; one of fields as a table."""
    if array.dtype.names and array.ndim == 1:
        return fields_preview(array)
    lowest, highest, note = _range_of(array)
    return _array(array.dtype, array.shape, (lowest, highest), [cell(part) for part in _first(array)], note)


def masked_preview(array: Any) -> dict[str, Any]:
    """Show a masked array, and how much of it is masked; what is masked is `–`."""
    import numpy as np

    mask = np.ma.getmaskarray(array)
    is_plain = mask.dtype == bool
    lowest, highest, _ = _range_of(array.data[~mask] if is_plain else array.data)
    hidden = int(mask.sum()) if is_plain else sum(int(mask[name].sum()) for name in mask.dtype.names or ())
    values = [
        "–" if is_plain and is_hidden else cell(part)
        for part, is_hidden in zip(_first(array.data), _first(mask), strict=True)
    ]
    return _array(array.dtype, array.shape, (lowest, highest), values, f"{hidden:,} of {array.size:,} masked")


def sparse_preview(value: Any) -> dict[str, Any]:
    """Show a sparse array, its format, and how much of it is stored."""
    import numpy as np

    form, stored = value.format, int(value.nnz)
    held = np.asarray(value.data) if form not in ("lil", "dok") else np.zeros(0)
    lowest, highest, _ = _range_of(held)
    whole = float(np.prod(value.shape, dtype=float))
    share = f" ({100 * stored / whole:.3g} % of all)" if whole else ""
    note = f"sparse {type(value).__name__}: {stored:,} stored{share}"
    return _array(value.dtype, value.shape, (lowest, highest), [], note)


def tensor_preview(tensor: Any) -> dict[str, Any]:
    """Show a tensor of torch's."""
    shape, dtype = tuple(tensor.shape), str(tensor.dtype)
    notes = [
        *(["parameter"] if type(tensor).__name__ == "Parameter" else []),
        *(["requires grad"] if tensor.requires_grad else []),
        *([f"on {tensor.device}"] if tensor.device.type != "cpu" else []),
    ]
    lowest = highest = None
    values: list[str] = []
    if tensor.device.type == "cpu" and not tensor.is_sparse and not tensor.is_quantized and tensor.numel():
        flat = tensor.detach().flatten()[:VALUES] if tensor.is_contiguous() else tensor.detach()[:1].flatten()[:VALUES]
        values = [cell(part) for part in flat.tolist()]
        looked = _comparable(tensor.detach())
        if looked is not None and looked.numel():
            lowest, highest = cell(looked.min().item()), cell(looked.max().item())
    return _array(dtype, shape, (lowest, highest), values, ", ".join(notes))


def _comparable(tensor: Any) -> Any:
    """Give the numbers of a tensor in a type that torch can compare, without what is no number."""
    if tensor.is_complex() or tensor.numel() > _MOST_LOOKED_THROUGH:
        return None
    if tensor.is_floating_point():
        numbers = tensor.double()
        return numbers[~numbers.isnan()]
    return tensor.double() if str(tensor.dtype) in ("torch.uint16", "torch.uint32", "torch.uint64") else tensor


def tensors_preview(held: Mapping[Any, Any]) -> dict[str, Any] | None:
    """Show the names, shapes and types of a dictionary of tensors; `None` if it is none."""
    parts = [part for part in held.values() if type(part).__module__.partition(".")[0] == "torch"]
    if not parts or len(parts) < len(held) or not all(hasattr(part, "numel") for part in parts):
        return None
    rows = [
        (name, " × ".join(map(str, part.shape)) or "one", str(part.dtype).removeprefix("torch."), f"{part.numel():,}")
        for name, part in list(held.items())[:8]
    ]
    shown = table_preview(("name", "shape", "type", "numbers"), rows, (len(held), 4))
    many = "1 tensor" if len(held) == 1 else f"{len(held):,} tensors"
    shown["note"] = f"{many} of {sum(part.numel() for part in parts):,} numbers"
    return shown


def _array(dtype: Any, shape: Any, ends: tuple[str | None, str | None], values: list[str], note: str) -> dict[str, Any]:
    lowest, highest = ends
    shown: dict[str, Any] = {"kind": "array", "dtype": cell(dtype), "shape": list(map(int, shape))}
    shown |= {"min": lowest, "max": highest}
    if values:
        shown["values"] = values
    return shown | {"note": note} if note else shown


def _range_of(array: np.ndarray[Any, Any]) -> tuple[str | None, str | None, str]:
    """Give the smallest and the largest, without what is no number, and a remark on how many are none."""
    import numpy as np

    if not array.size or array.dtype.kind not in _NUMBERS or array.size > _MOST_LOOKED_THROUGH:
        return None, None, ""
    if array.dtype.kind != "f":
        return _number(array.min()), _number(array.max()), ""
    missing = int(np.isnan(array).sum())
    note = f"{missing:,} of {array.size:,} are NaN" if missing else ""
    if missing == array.size:
        return None, None, note
    return _number(np.fmin.reduce(array, axis=None)), _number(np.fmax.reduce(array, axis=None)), note


def _number(value: Any) -> str:
    return f"{value:.6g}" if value.dtype.kind == "f" else str(value)


def _first(array: np.ndarray[Any, Any]) -> list[Any]:
    return list(array.flat[:VALUES])
