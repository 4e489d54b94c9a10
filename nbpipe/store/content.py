"""The digest of what a value is, whoever made it and wherever.

A value is written in one canonical form, type and parts, of which XXH3-128 is taken. Equal
values of equal types have equal digests in every process; `1`, `True`, `1.0` and `"1"` differ,
every NaN is one NaN, `-0.0` is not `0.0`. Pickle bytes are never used: they differ for equal
values and between processes.

On its way the walk notes the mutable parts of the value, so that outputs which share one can be
stored together (`store.sharing`). What has no canonical form (functions, locks, iterators, cyclic
objects, figures) has no digest: that is an answer, not an error.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from xxhash import xxh3_128_hexdigest

from nbpipe.store import (
    content_arrays,
    content_arrow,
    content_frames,
    content_images,
    content_polars,
    content_tensors,
)
from nbpipe.store.content_objects import object_form
from nbpipe.store.content_plain import PLAIN_FORMS
from nbpipe.store.content_walk import LEAVES, ClassIdentity, Form, Mutables, Walk, identity_by_source

_LIBRARY_FORMS = {
    "numpy": content_arrays.form_of,
    "scipy": content_arrays.sparse_form_of,
    "pandas": content_frames.form_of,
    "PIL": content_images.form_of,
    "polars": content_polars.form_of,
    "pyarrow": content_arrow.form_of,
    "torch": content_tensors.form_of,
}
_NOTHING = Mutables()


@dataclass(frozen=True, slots=True)
class Content:
    """What a value holds.

    Attributes:
        digest: 32 hexadecimal letters, or `None` if the value has no canonical form.
        mutables: Its mutable parts, and how they are shared; complete only if there is a digest.
    """

    digest: str | None
    mutables: Mutables


def content_digest(value: Any, class_identity: ClassIdentity = identity_by_source) -> Content:
    """Take the content digest of `value`.

    Args:
        value: Anything.
        class_identity: Asked for classes that are defined in a notebook, where a name says too
            little; elsewhere the qualified name is the identity.
    """
    if type(value) in LEAVES:
        return Content(leaf_digest(value), _NOTHING)
    walk = Walk(form_of, class_identity)
    try:
        digest = xxh3_128_hexdigest(b"content\0" + walk.token(value))
    except Exception:  # noqa: BLE001 - the user's own classes tell their state here, and may raise anything
        return Content(None, walk.mutables())
    return Content(digest, walk.mutables())


def leaf_digest(value: Any) -> str:
    """Take the content digest of a value of one of the types that are `LEAVES`: those that have no parts."""
    return xxh3_128_hexdigest(b"content\0" + LEAVES[type(value)](value))


def form_of(kind: type) -> Form:
    """Say how values of a type are written."""
    plain = PLAIN_FORMS.get(kind)
    if plain is not None:
        return plain
    library = _LIBRARY_FORMS.get(kind.__module__.partition(".")[0])
    form = library(kind) if library is not None else None
    if form is not None:
        return form
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.ndarray):
        return content_arrays.form_of_arrays(kind)
    return object_form
