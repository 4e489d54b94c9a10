"""Which materializer writes a value, and which reads it back.

A materializer turns values of some types into bytes and back. It is found along the type's
ancestry: the nearest class for which one is registered, the last registered first. One that
declines a value passes it on, and the last to be asked pickles it. Reading goes by the name in the record
and by nothing else: no record names code to import.

Types of libraries are named in text, so that nothing heavy is imported to look one up.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from nbpipe.errors import ArtifactUnreadableError, BadValueError
from nbpipe.store.arrays import MaskedArray, Npy, NumpyScalar, Records
from nbpipe.store.buffers import Pieces
from nbpipe.store.collected import Collected
from nbpipe.store.files import Files
from nbpipe.store.frames import ArrowFrame
from nbpipe.store.images import Pixels, Png
from nbpipe.store.loading import Loading
from nbpipe.store.objects import Bundle, Figure, Pickle, PydanticModel, SklearnEstimator
from nbpipe.store.plain import Bytes, Json, Text
from nbpipe.store.polars_frames import Polars
from nbpipe.store.registering import check_materializer, registered_as
from nbpipe.store.sparse import Sparse
from nbpipe.store.tensors import Tensors


class Materializer(Protocol):
    """Turns values of some types into bytes and back.

    Attributes:
        name: Stands in every record; never change it.
        version: One more whenever the bytes change.
        types: Classes, or names such as `"polars.DataFrame"` by which they can be imported; subclasses are meant too.
        pickled: Whether reading runs code that the bytes name.

    It may also have `reads`, older versions whose bytes `decode` reads, and `preview`, a method that gives the
    preview of a value (see `store.previews`).
    """

    name: ClassVar[str]
    version: ClassVar[int]
    types: ClassVar[tuple[type | str, ...]]
    pickled: ClassVar[bool]

    def encode(self, value: Any, /) -> Pieces | None:
        """Write a value; `None` declines it. What is not exactly what it was must be declined."""

    def decode(self, data: memoryview, loading: Loading, /) -> Any:
        """Read back what `encode` wrote. Writing to `data` is harmless."""


Registered = TypeVar("Registered", bound=type[Materializer])


class Materializers:
    """The materializers of this process.

    Attributes:
        built_in: The names of our own.
    """

    def __init__(self, built_in: Sequence[Materializer]) -> None:
        self._by_type: dict[type | str, list[Materializer]] = {}
        self._names: dict[str, list[str]] = {}
        self._by_name: dict[str, Materializer] = {}
        for materializer in built_in:
            self.add(materializer)
        self.built_in = frozenset(self._by_name)

    def add(self, materializer: Materializer) -> None:
        """Register one; it is asked before those that are there, and replaces its namesake."""
        former = self._by_name.get(materializer.name)
        for known in self._by_type.values():
            if former in known:
                known.remove(former)
        for kind in map(registered_as, materializer.types):
            if isinstance(kind, str) and kind not in self._by_type:
                self._names.setdefault(kind.partition(".")[0], []).append(kind)
            self._by_type.setdefault(kind, []).insert(0, materializer)
        self._by_name[materializer.name] = materializer

    def for_type(self, kind: type) -> Iterator[Materializer]:
        """Give those that may write a value of this type, in the order in which to ask them."""
        for ancestor in kind.__mro__:
            for key in self._keys_of(ancestor):
                yield from self._by_type.get(key, ())

    def _keys_of(self, kind: type) -> Iterator[type | str]:
        """Give the class, its own name, and the names by which else it is known: a library moves its classes about."""
        yield kind
        own = f"{kind.__module__}.{kind.__qualname__}"
        yield own
        for name in self._names.get(own.partition(".")[0], ()):
            if name != own and _is_named(kind, name):
                yield name

    def reading(self, artifact: str, label: str) -> Materializer:
        """Give the one that wrote what a record calls `arrow@1`.

        Raises:
            ArtifactUnreadableError: It is not registered here, or writes another version.
        """
        name, _, version = label.partition("@")
        known = self._by_name.get(name)
        if known is None:
            raise ArtifactUnreadableError(artifact, f"no materializer {name!r} is registered. Import what registers it")
        if version not in map(str, (known.version, *getattr(known, "reads", ()))):
            raise ArtifactUnreadableError(artifact, self._why_not(label, version, known))
        return known

    def _why_not(self, label: str, version: str, known: Materializer) -> str:
        why = f"it was written as {label}, and this is {label_of(known)}"
        if not version.isdecimal():
            return why
        if int(version) > known.version:
            newer = "nbpipe" if known.name in self.built_in else "what registers it"
            return f"{why}. Update {newer}"
        return f"{why}. If its decode reads such bytes, add reads = ({int(version)},) to it; else run the step again"


def _is_named(kind: type, name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    return getattr(sys.modules.get(module), attribute, None) is kind


def label_of(materializer: Materializer) -> str:
    """Say which materializer and version this is, as records do: `arrow@1`."""
    return f"{materializer.name}@{materializer.version}"


REGISTRY = Materializers(
    [
        *(
            Pickle(),
            Bundle(),
            Collected(),
            SklearnEstimator(),
            Figure(),
            Pixels(),
            Png(),
            PydanticModel(),
            ArrowFrame(),
            NumpyScalar(),
        ),
        *(Records(), Npy(), MaskedArray(), Sparse(), Polars(), Tensors(), Files(), Json(), Bytes(), Text()),
    ]
)


def register_materializer(kind: Registered) -> Registered:
    """Register a materializer, as a decorator of its class.

    It takes the place of a former one of its name, as when a cell is run again. What it writes is read once, and
    is stored only if that gives the same again.

    Raises:
        BadValueError: The class lacks something that a materializer has, has it wrongly, or bears a name of ours.
    """
    check_materializer(kind, REGISTRY.built_in)
    try:
        materializer = kind()
    except Exception as error:
        why = f"{kind.__qualname__} cannot be made without arguments: {type(error).__name__}: {error}"
        raise BadValueError(why[:400]) from error
    REGISTRY.add(materializer)
    return kind
