"""How torch's tensors are written: type, shape, elements, and whether they ask for a gradient.

How a tensor lies in memory does not count, and every NaN is one NaN. A tensor that hangs on a calculation has no
canonical form, and neither have modules, which are code.
"""

from __future__ import annotations

from typing import Any

from nbpipe.store.content_arrays import elements_digest
from nbpipe.store.content_walk import Form, NoCanonicalForm, Walk, node, word
from nbpipe.store.tensors import is_taken, span_of_tensor


def form_of(kind: type) -> Form | None:
    """Say how values of a type of torch's are written, or `None` if as any object."""
    import torch

    return _tensor_form if kind in (torch.Tensor, torch.nn.Parameter) else None


def _tensor_form(walk: Walk, value: Any) -> bytes:
    walk.note_mutable(value)
    if not is_taken(value) or not value.is_leaf:
        raise NoCanonicalForm
    walk.note_memory(*span_of_tensor(value), repr(value.stride()).encode())
    said = f"{value.dtype} {value.device} {value.requires_grad} {tuple(value.shape)}"
    grad = value.grad
    walk.hold(grad)
    return node(b"t", walk.identity(type(value)), word(b"s", said.encode()), _elements(value), walk.token(grad))


def _elements(value: Any) -> bytes:
    import torch

    if not value.numel():
        return b"-"
    flat = value.detach().resolve_conj().resolve_neg().cpu().reshape(-1)
    if flat.is_complex():
        flat = torch.view_as_real(flat).reshape(-1)
    if flat.is_floating_point():
        missing = torch.isnan(flat)
        if missing.any():
            flat = flat.clone()
            flat[missing] = float("nan")
    return elements_digest(flat.contiguous().view(torch.uint8).numpy())
