"""The store of a workspace: values in, artifact versions out, and back.

Small encodings go into the record; larger ones become blobs; outputs that share something that
can be changed go into one bundle (`store.keeping`). `load_all` is the one place where stored bytes
become values again. It asks three things before a byte is parsed: which materializer the record
names, whether that one may run code here, and whether the bytes are those that were stored.

The store knows no run and no catalog: whether a record comes from this workspace's own log, its
caller knows and says.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nbpipe.base.ids import new_id
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import ArtifactDamagedError, ArtifactUnreadableError, UntrustedArtifactError
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.store import collected
from nbpipe.store.background import BlobWriter
from nbpipe.store.blobs import Blobs
from nbpipe.store.collected import COLLECTED
from nbpipe.store.content import Content, content_digest
from nbpipe.store.content_walk import ClassIdentity, identity_by_source
from nbpipe.store.encoding import JSON_LABEL, MAX_INLINE_BYTES, bytes_of_inline, reason
from nbpipe.store.handover import IMMUTABLE, handed_over
from nbpipe.store.keeping import Keeper, Kept, keep_scalars
from nbpipe.store.loading import Loading
from nbpipe.store.materializers import REGISTRY
from nbpipe.store.pickles import pickled_digest
from nbpipe.store.placing import as_remote, blobs_of
from nbpipe.store.previews import preview, text_preview

if TYPE_CHECKING:
    from nbpipe.store.remote_blobs import RemoteBlobs

ClassLookup = Callable[[str], type | None]

_SCALARS = frozenset({type(None), bool, int, float, str})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Store:
    """The values that a workspace keeps.

    Attributes:
        blobs: The bytes of large values: in the workspace's folder, or under the artifact root that was set for it.
        workspace: The workspace's folder.
        unpacked: Where stored files and folders are laid out when they are loaded.

    Args:
        paths: The workspace.
        class_identity: Says what a class defined in a notebook is, for content digests.

    Raises:
        BadValueError: `NBPIPE_ARTIFACTS` is no URL of an artifact root.
        WorkspaceError: The settings of the workspace are not what was once written.
    """

    def __init__(self, paths: WorkspacePaths, class_identity: ClassIdentity = identity_by_source) -> None:
        self.blobs = blobs_of(paths)
        self.writer = BlobWriter(self.blobs)
        self.workspace = paths.root
        self.unpacked = paths.unpacked
        self._class_identity = class_identity

    @property
    def remote(self) -> RemoteBlobs | None:
        """The blobs, if they lie under an artifact root; `None` if in the workspace's folder."""
        return as_remote(self.blobs)

    def place_blobs(self, blobs: Blobs) -> None:
        """Keep and look for blobs there from now on; what is being written is finished first."""
        self.writer.close()
        self.blobs = blobs
        self.writer = BlobWriter(blobs)

    def keep(
        self,
        outputs: Mapping[str, Any],
        *,
        made_by: str,
        artifact_names: Mapping[str, str] = _NO_NAMES,
        beside: Mapping[str, Any] = _NOTHING,
        paths_as_files: bool = True,
        background: bool = False,
    ) -> Kept:
        """Store what one execution of a step made.

        Args:
            outputs: The values, by the names that the step's body gave them.
            made_by: The id of the step run.
            artifact_names: The artifact's name, where it is not the output's.
            beside: Values that were there before. One that shares with an output something that can be
                changed is stored with it, as if it were an output, so that they still share it when they come back.
            paths_as_files: Store what lies at a path, and not the path.
            background: Let frames, arrays, texts and bytes of more than 1 MiB be digested and
                written by the background thread; `Kept.pending` has their futures. What is
                stored is what they are now: the caller may go on and change them.

        Returns:
            The versions, and what cannot be carried, which is no error here.

        Raises:
            NotRecordedError: The disk is full or failing.
        """
        versions, others = keep_scalars(outputs, made_by, artifact_names)
        if not others:
            return Kept(versions, (), _NOTHING)
        loading = Loading(_classes(None, is_trusted=True), self.unpacked, True)
        keeper = Keeper(self.blobs, self.writer, self._class_identity, made_by, artifact_names, paths_as_files, loading)
        return keeper.keep(versions, others, beside, background=background)

    def load(self, artifact: ArtifactVersion, *, trust: bool = False, class_lookup: ClassLookup | None = None) -> Any:
        """Give back the value of one artifact version; see `load_all`."""
        return self.load_all({"": artifact}, trust=trust, class_lookup=class_lookup)[""]

    def load_all(
        self,
        artifacts: Mapping[str, ArtifactVersion],
        *,
        trust: bool = False,
        class_lookup: ClassLookup | None = None,
    ) -> dict[str, Any]:
        """Give back values, by the names under which their versions are handed in.

        Every call makes values of its own. Versions of one bundle share in one call what they
        shared when they were stored.

        Args:
            artifacts: The versions.
            trust: Whether the records come from this workspace's own log, or whoever asks knows
                who made them. Without it nothing is loaded that could run code.
            class_lookup: Gives the class that a notebook has by a name such as
                `"__main__:Point"`; where it gives `None`, the modules of this process are asked.

        Raises:
            UntrustedArtifactError: One is a pickle and `trust` is false.
            ArtifactDamagedError: The bytes of one are gone, or are not those that were stored.
            ArtifactUnreadableError: Something to read one is missing here.
        """
        loading = Loading(_classes(class_lookup, is_trusted=trust), self.unpacked, trust)
        bundles: dict[tuple[str, str], Any] = {}
        values: dict[str, Any] = {}
        for name, artifact in artifacts.items():
            if artifact.materializer == COLLECTED:
                values[name] = self._items(artifact, trust=trust, class_lookup=class_lookup)
                continue
            if artifact.member is None:
                values[name] = self._value(artifact, loading)
                continue
            bundle = artifact.made_by, artifact.blob
            if bundle not in bundles:
                bundles[bundle] = self._value(artifact, loading)
            values[name] = _member(artifact, bundles[bundle])
        return values

    def exists(self, artifact: ArtifactVersion) -> bool:
        """Tell, as a rule without reading it, whether an artifact's bytes are there; of a list, those of each item."""
        is_there = artifact.inline is not None or self.blobs.is_sound(artifact.blob, artifact.size_bytes)
        if not is_there or artifact.materializer != COLLECTED:
            return is_there
        return all(map(self.exists, self.items(artifact)))

    def collect(
        self, name: str, output: str, items: Sequence[ArtifactVersion], *, made_by: str, is_written: bool = True
    ) -> ArtifactVersion:
        """Keep a list of values that are all kept already: no value is read or written.

        Args:
            name: The artifact's name.
            output: The output's.
            items: The values, in their order.
            made_by: The id of the step run.
            is_written: Whether it is stored; else it only stands in what is answered.
        """
        data = collected.written(items)
        is_inline = len(data) <= MAX_INLINE_BYTES or not is_written
        tokens = [item.token for item in items]
        return ArtifactVersion(
            id=new_id(),
            name=name,
            output=output,
            digest=collected.digest_of(tokens) if all(tokens) else "",
            type_name="list",
            materializer=COLLECTED,
            size_bytes=len(data),
            inline={"json": json.loads(data)} if is_inline else None,
            blob="" if is_inline else self.blobs.write((data,)),
            member=None,
            pickled=any(item.pickled for item in items),
            preview=text_preview(collected.said(items)),
            made_by=made_by,
        )

    def items(self, artifact: ArtifactVersion) -> list[ArtifactVersion]:
        """Give the items of a list that `collect` kept; none of them is loaded.

        Raises:
            ArtifactDamagedError: What names them is gone, or is not what was stored.
            ArtifactUnreadableError: It is no such list.
        """
        data = self._bytes(artifact) if artifact.inline is None else bytes_of_inline(artifact.inline)
        try:
            return collected.items_in(data)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactUnreadableError(repr(artifact.name), "what it holds names no items") from error

    def content(self, value: Any) -> Content:
        """Take the content digest of a value, as `keep` does."""
        return content_digest(value, self._class_identity)

    def fingerprints(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Give what tells whether these very objects are changed later in this process; `""` if nothing does.

        It is the content digest where there is one, and else a digest of the object's pickle, which says
        nothing about any other object. What is part of another of them has that one's: a figure and its axes
        are pickled once, and change together.
        """
        found: dict[str, str] = {}
        wholes: list[tuple[frozenset[int], str]] = []
        for name, value in values.items():
            digest = self.content(value).digest
            if digest is None:
                digest = next((said for met, said in wholes if id(value) in met), None)
            if digest is None:
                digest, met = pickled_digest(value)
                wholes.append((met, digest))
            found[name] = digest
        return found

    def handed_over(self, value: Any) -> Any:
        """Give what a consumer in this process may have for `value`; `None` means the stored form."""
        return value if type(value) in IMMUTABLE else handed_over(value)

    def preview(self, value: Any) -> dict[str, Any]:
        """Make the preview of a value, for cards."""
        return preview(value)

    def wait(self) -> None:
        """Wait until the background thread has written what it was given."""
        self.writer.wait()

    def sync(self, digests: Iterable[str]) -> None:
        """Wait until these blobs would survive a power cut: the barrier at a run's end."""
        self.blobs.sync(digests)

    def close(self) -> None:
        """Write what is left, and end the background thread."""
        self.writer.close()

    def _items(self, artifact: ArtifactVersion, *, trust: bool, class_lookup: ClassLookup | None) -> list[Any]:
        items = {str(place): item for place, item in enumerate(self.items(artifact))}
        return list(self.load_all(items, trust=trust, class_lookup=class_lookup).values())

    def _value(self, artifact: ArtifactVersion, loading: Loading) -> Any:
        if artifact.materializer == JSON_LABEL and artifact.inline is not None:
            held = artifact.inline.get("json")
            if type(held) in _SCALARS:
                return held
        said = repr(artifact.name)
        materializer = REGISTRY.reading(said, artifact.materializer)
        # Not by what the record says of itself: it may have been written by anybody.
        if materializer.pickled and not loading.is_trusted:
            raise UntrustedArtifactError(said)
        data = self._bytes(artifact) if artifact.inline is None else None
        try:
            return materializer.decode(data if data is not None else bytes_of_inline(artifact.inline or {}), loading)
        except Exception as error:
            why = f"{type(error).__name__}: {reason(error)}"
            if isinstance(error, (ImportError, AttributeError, LookupError)):
                why += ". Import or define what is missing under the name it had, or run the step again"
            raise ArtifactUnreadableError(said, why) from error

    def _bytes(self, artifact: ArtifactVersion) -> memoryview:
        try:
            self.blobs.verify_if_changed(artifact.blob)
            return self.blobs.open(artifact.blob)
        except ArtifactDamagedError as error:
            raise ArtifactDamagedError(repr(artifact.name), error.why) from error


def _member(artifact: ArtifactVersion, bundle: Any) -> Any:
    if not isinstance(bundle, list) or not isinstance(artifact.member, int) or not 0 <= artifact.member < len(bundle):
        raise ArtifactUnreadableError(repr(artifact.name), "its bundle has no such member")
    return bundle[artifact.member]


def _classes(lookup: ClassLookup | None, *, is_trusted: bool) -> ClassLookup:
    def find(name: str) -> type | None:
        known = lookup(name) if lookup is not None else None
        return known if known is not None else _class_named(name, may_import=is_trusted)

    return find


def _class_named(name: str, *, may_import: bool) -> type | None:
    """Find a class by `module:name`. A record from elsewhere does not decide what is imported here."""
    module_name, _, path = name.partition(":")
    found: Any = sys.modules.get(module_name)
    if found is None and may_import:
        try:
            found = importlib.import_module(module_name)
        except ImportError:
            return None
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None
