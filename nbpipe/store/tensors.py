"""Torch's tensors, alone and in state dicts and checkpoints of any nesting, as safetensors.

Each tensor has the name of its place, so that any tool of that format finds it. How the dictionaries and lists
around them lie, which is a parameter, and which share their memory (tied weights, views) stands in the file's
metadata. A tensor that hangs on the calculation that made it is refused: what calculates is code. One of another
device comes back there, or where there is no such device on the processor.

Torch is never imported unless a value of its types is read.
"""

from __future__ import annotations

import json
import math
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from nbpipe.errors import BadValueError
from nbpipe.store.buffers import Piece, as_bytes_view
from nbpipe.store.loading import Loading
from nbpipe.store.plain import NotPlain, from_plain, to_plain
from nbpipe.store.safetensors_file import RESERVED, Entry, entries_of, file_of

_KEY = "nbpipe"
_NAMES = {
    **{"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "bool": "BOOL", "complex64": "C64"},
    **{"int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8"},
    **{"uint64": "U64", "uint32": "U32", "uint16": "U16", "uint8": "U8"},
    **{"float8_e5m2": "F8_E5M2", "float8_e4m3fn": "F8_E4M3"},
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}
_OTHERS = frozenset({"complex128", "complex32", "float8_e4m3fnuz", "float8_e5m2fnuz"})


class Tensors:
    """Tensors and parameters, and dictionaries, lists and tuples of them."""

    name: ClassVar[str] = "safetensors"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = ("torch.Tensor", dict, list, tuple)

    def encode(self, value: Any) -> list[Piece] | None:
        """Write the tensors; decline what holds none, or anything that is neither a tensor nor plain.

        Raises:
            BadValueError: A tensor hangs on the calculation that made it.
        """
        if "torch" not in sys.modules:
            return None
        writing = _Writing()
        try:
            said = writing.said(value, ())
        except (NotPlain, RecursionError):
            return None
        if not writing.tensors:
            return None
        entries, specs = writing.entries()
        return file_of(entries, {_KEY: json.dumps({"value": said, "tensors": specs}, separators=(",", ":"))})

    def decode(self, data: memoryview, _loading: Loading) -> Any:
        """Give the value, with its tensors in the memory of `data`."""
        entries, metadata = entries_of(data)
        said = json.loads(metadata[_KEY])
        return _Reading(entries, said["tensors"]).value(said["value"])


def span_of_tensor(tensor: Any) -> tuple[int, int]:
    """Give the memory that a tensor reaches: its first byte, and the one behind its last; `(0, 0)` for none."""
    if not tensor.numel():
        return 0, 0
    reach = 1 + sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))
    first = tensor.data_ptr()
    return first, first + reach * tensor.element_size()


def is_taken(tensor: Any) -> bool:
    """Tell whether a tensor is no more than its elements: none of a subclass, and with no notes on it."""
    import torch

    is_plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and not vars(tensor)
    is_laid_out = tensor.layout is torch.strided and tensor.device.type != "meta" and not tensor.is_quantized
    return is_plain and is_laid_out and str(tensor.dtype).removeprefix("torch.") in _NAMES.keys() | _OTHERS


class _Writing:
    """What is gathered while a value is looked through."""

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._seen: set[int] = set()

    def said(self, value: Any, path: tuple[str, ...]) -> list[Any]:
        """Write a value as JSON, with the names of tensors in their places.

        Raises:
            NotPlain: It would not come back as it was.
        """
        import torch

        if isinstance(value, torch.Tensor):
            return ["tensor", self._name(value, path)]
        kind = type(value)
        if kind in (dict, OrderedDict, list, tuple):
            if id(value) in self._seen and kind is not tuple:
                raise NotPlain
            self._seen.add(id(value))
        if kind in (list, tuple):
            return [kind.__name__, [self.said(part, (*path, str(place))) for place, part in enumerate(value)]]
        if kind is dict or kind is OrderedDict:
            pairs = [[to_plain(key), self.said(part, (*path, str(key)))] for key, part in value.items()]
            if kind is dict:
                return ["dict", pairs]
            noted = dict(vars(value))
            beside = self.said(noted.pop("_metadata", None), (*path, "_metadata"))
            if noted:
                raise NotPlain
            return ["ordered", pairs, beside, hasattr(value, "_metadata")]
        return ["plain", to_plain(value)]

    def entries(self) -> tuple[dict[str, Entry], dict[str, Any]]:
        """Give what is written of the tensors, and what else there is to know of each by its name."""
        entries: dict[str, Entry] = {}
        specs: dict[str, Any] = {}
        while len(specs) < len(self.tensors):
            # A gradient is a tensor more.
            for name in [name for name in self.tensors if name not in specs]:
                specs[name] = self._spec(name, self.tensors[name])
        # By their places in the value and not in memory, so that equal values are written in the same bytes.
        order = {name: place for place, name in enumerate(self.tensors)}
        groups = [sorted(group, key=order.__getitem__) for group in _overlapping(self.tensors)]
        for group in sorted(groups, key=lambda group: order[group[0]]):
            self._add(group, entries, specs)
        return entries, specs

    def _name(self, tensor: Any, path: tuple[str, ...]) -> str:
        known = self._names.get(id(tensor))
        if known is not None:
            return known
        if not is_taken(tensor):
            raise NotPlain
        if not tensor.is_leaf:
            raise BadValueError("a tensor hangs on the calculation that made it. Store its detach()")
        name = wanted = ".".join(path) or "tensor"
        count = 2
        while name == RESERVED or name in self.tensors or f"{name}#memory" in self.tensors:
            name, count = f"{wanted}#{count}", count + 1
        self.tensors[name] = tensor
        self._names[id(tensor)] = name
        return name

    def _spec(self, name: str, tensor: Any) -> dict[str, Any]:
        import torch

        spec: dict[str, Any] = {}
        if type(tensor) is torch.nn.Parameter:
            spec["parameter"] = True
        if tensor.requires_grad:
            spec["requires_grad"] = True
        if tensor.device.type != "cpu":
            spec["device"] = str(tensor.device)
        if tensor.grad is not None:
            spec["grad"] = self._name(tensor.grad, (name, "grad"))
        return spec

    def _add(self, group: Sequence[str], entries: dict[str, Entry], specs: dict[str, Any]) -> None:
        tensors = [self.tensors[name].detach() for name in group]
        (first, behind), one = _union(tensors), tensors[0]
        is_alone = len(group) == 1 and behind - first >= one.numel() * one.element_size()
        if is_alone and str(one.dtype).removeprefix("torch.") in _NAMES:
            entries[group[0]] = _entry(one.resolve_conj().resolve_neg().contiguous().cpu())
            if not one.is_contiguous() and _is_dense(one):
                specs[group[0]]["strides"] = list(one.stride())
            return
        for name, tensor in zip(group, tensors, strict=True):
            if tensor.is_conj() or tensor.is_neg():
                raise NotPlain
            base = group[0]
            dtype, offset = str(tensor.dtype).removeprefix("torch."), tensor.data_ptr() - first if tensor.numel() else 0
            view = {"of": f"{base}#memory", "offset": offset, "dtype": dtype}
            specs[name] |= {"view": {**view, "shape": list(tensor.shape), "strides": list(tensor.stride())}}
        entries[f"{group[0]}#memory"] = _entry(_memory(one, first, behind).cpu())


def _entry(tensor: Any) -> Entry:
    import torch

    name = _NAMES[str(tensor.dtype).removeprefix("torch.")]
    if not tensor.numel():
        return Entry(name, tuple(tensor.shape), memoryview(b""))
    data = as_bytes_view(tensor.reshape(-1).view(torch.uint8).numpy())
    return Entry(name, tuple(tensor.shape), data)


def _union(tensors: Sequence[Any]) -> tuple[int, int]:
    spans = list(map(span_of_tensor, tensors))
    return min(first for first, _ in spans), max(behind for _, behind in spans)


def _memory(tensor: Any, first: int, behind: int) -> Any:
    """See a part of the memory in which a tensor lies as bytes."""
    import torch

    storage = tensor.untyped_storage()
    start = first - storage.data_ptr() if behind > first else 0
    return torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage, start, (behind - first,))


def _overlapping(tensors: Mapping[str, Any]) -> Iterator[list[str]]:
    """Group the names of tensors that reach into each other's memory."""
    placed = sorted((str(tensor.device), *span_of_tensor(tensor), name) for name, tensor in tensors.items())
    group: list[str] = []
    where, reach = "", 0
    for device, first, behind, name in placed:
        if group and (device != where or first >= reach or first == behind):
            yield group
            group = []
        group.append(name)
        where, reach = device, behind if len(group) == 1 else max(reach, behind)
    if group:
        yield group


def _is_dense(tensor: Any) -> bool:
    """Tell whether the elements lie side by side, in whatever order of their axes."""
    length = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != length:
            return False
        length *= size
    return True


class _Reading:
    """The tensors of a file, each made when it is first met."""

    def __init__(self, entries: Mapping[str, Entry], specs: Mapping[str, Any]) -> None:
        self._entries = entries
        self._specs = specs
        self._bases: dict[str, Any] = {}
        self._made: dict[str, Any] = {}

    def value(self, said: Any) -> Any:
        kind, held, *rest = said
        if kind == "tensor":
            return self._tensor(held)
        if kind in ("list", "tuple"):
            parts = [self.value(part) for part in held]
            return parts if kind == "list" else tuple(parts)
        if kind == "plain":
            return from_plain(held)
        pairs = [(from_plain(key), self.value(part)) for key, part in held]
        if kind == "dict":
            return dict(pairs)
        if kind != "ordered":
            raise ValueError(f"{kind!r} is no part of a state dict")
        ordered: Any = OrderedDict(pairs)
        beside, has_metadata = rest
        if has_metadata:
            ordered._metadata = self.value(beside)
        return ordered

    def _tensor(self, name: str) -> Any:
        import torch

        if name in self._made:
            return self._made[name]
        spec = self._specs[name]
        if "view" in spec:
            tensor = self._view(spec["view"], spec.get("device", "cpu"))
        else:
            tensor = self._base(name, spec.get("device", "cpu"))
            if "strides" in spec:
                tensor = torch.empty_strided(tensor.shape, _lengths(spec["strides"])).copy_(tensor)
        if spec.get("parameter"):
            tensor = torch.nn.Parameter(tensor, requires_grad=bool(spec.get("requires_grad")))
        elif spec.get("requires_grad"):
            tensor.requires_grad_(True)
        self._made[name] = tensor
        if "grad" in spec:
            tensor.grad = self._tensor(spec["grad"])
        return tensor

    def _base(self, name: str, device: str) -> Any:
        import torch

        if name not in self._bases:
            entry = self._entries[name]
            dtype = getattr(torch, _DTYPES[entry.dtype])
            flat = torch.frombuffer(entry.data, dtype=dtype) if entry.data.nbytes else torch.empty(0, dtype=dtype)
            self._bases[name] = _on(flat.reshape(entry.shape), device)
        return self._bases[name]

    def _view(self, said: Mapping[str, Any], device: str) -> Any:
        import torch

        if said["dtype"] not in _NAMES.keys() | _OTHERS:
            raise ValueError("a tensor of no known type")
        base, dtype = self._base(said["of"], device), getattr(torch, said["dtype"])
        made = torch.empty(0, dtype=dtype, device=base.device)
        shape, strides, (offset,) = _lengths(said["shape"]), _lengths(said["strides"]), _lengths([said["offset"]])
        reach = 1 + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
        size = made.element_size()
        if offset % size or (math.prod(shape) and offset + reach * size > base.nbytes):
            raise ValueError("a tensor lies outside of its memory")
        return made.set_(base.untyped_storage(), offset // size, shape, strides)


def _lengths(numbers: Any) -> tuple[int, ...]:
    if not all(type(number) is int and 0 <= number < 2**62 for number in numbers):
        raise ValueError("a length or a stride of a tensor is none")
    return tuple(numbers)


def _on(tensor: Any, device: str) -> Any:
    """Give a tensor on the device it was on, or where there is no such device on the processor."""
    if device == "cpu":
        return tensor
    try:
        return tensor.to(device)
    except (RuntimeError, AssertionError, NotImplementedError):
        return tensor
