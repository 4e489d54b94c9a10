"""Storing the outputs of one execution: digests, places, bundles, and what is left to the background."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from nbpipe.base.digest import quick
from nbpipe.base.ids import new_id
from nbpipe.errors import NotRecordedError, NotStorableError
from nbpipe.records.artifacts import ArtifactVersion, NotCarried, type_name_of
from nbpipe.store import pickles
from nbpipe.store.background import BlobWriter
from nbpipe.store.blobs import Blobs
from nbpipe.store.buffers import Pieces, joined, size_of
from nbpipe.store.content import Content, content_digest, leaf_digest
from nbpipe.store.content_walk import ClassIdentity, Mutables
from nbpipe.store.encoding import JSON_LABEL, MAX_INLINE_BYTES, encoded, inline, is_ours, reason, scalar_json
from nbpipe.store.fidelity import members_changed, what_changed
from nbpipe.store.files import Files
from nbpipe.store.handover import mutables_of_large, stand_in
from nbpipe.store.loading import Loading
from nbpipe.store.materializers import Materializer, label_of
from nbpipe.store.objects import Bundle, Pickle
from nbpipe.store.previews import preview, preview_by, text_preview
from nbpipe.store.sharing import sharing_groups

_BUNDLE = label_of(Bundle())


@dataclass(frozen=True, slots=True)
class Kept:
    """The outputs of one step, stored or on their way.

    Attributes:
        versions: What is stored, by output.
        not_carried: What cannot be stored, and stays where it was made.
        pending: What the background thread still writes. A future ends with the version, with
            `NotStorableError`, or with `NotRecordedError` if the disk failed.
    """

    versions: dict[str, ArtifactVersion]
    not_carried: tuple[NotCarried, ...] = ()
    pending: Mapping[str, Future[ArtifactVersion]] = field(default_factory=dict)

    @property
    def is_settled(self) -> bool:
        """Whether `settled` would answer without waiting."""
        return all(future.done() for future in self.pending.values())

    def settled(self) -> Kept:
        """Wait for what is pending, and give the whole.

        Raises:
            NotRecordedError: The disk failed in the background.
        """
        if not self.pending:
            return self
        versions, not_carried = dict(self.versions), list(self.not_carried)
        for name, future in self.pending.items():
            try:
                versions[name] = future.result()
            except NotStorableError as error:
                not_carried.append(_not_carried(error))
        return Kept(versions, tuple(not_carried))


@dataclass(frozen=True, slots=True)
class Keeper:
    """Stores the outputs of one execution.

    Attributes:
        blobs: Where large encodings go.
        writer: The background thread.
        class_identity: Says what a class defined in a notebook is.
        made_by: The id of the step run.
        artifact_names: The artifact's name, where it is not the output's.
        paths_as_files: Whether what lies at a path is stored, and not the path.
        loading: The surroundings in which what somebody's materializer wrote is read once.
    """

    blobs: Blobs
    writer: BlobWriter
    class_identity: ClassIdentity
    made_by: str
    artifact_names: Mapping[str, str]
    paths_as_files: bool
    loading: Loading

    def keep(
        self,
        versions: dict[str, ArtifactVersion],
        outputs: dict[str, Any],
        beside: Mapping[str, Any],
        *,
        background: bool,
    ) -> Kept:
        """Store `outputs`, and what stands beside them if it shares something with one; see `Store.keep`.

        Args:
            versions: Outputs that are stored already.
            outputs: The others.
            beside: What was there before.
            background: Whether large ones may be left to the background thread.
        """
        with pickles.no_deeper_than_the_stack():
            return self._keep_others(versions, outputs, beside, background=background)

    def _keep_others(
        self,
        versions: dict[str, ArtifactVersion],
        outputs: dict[str, Any],
        beside: Mapping[str, Any],
        *,
        background: bool,
    ) -> Kept:
        not_carried: list[NotCarried] = []
        pending: dict[str, Future[ArtifactVersion]] = {}
        others = {**beside, **outputs} if beside else outputs
        mutables = {name: mutables_of_large(value) if background else None for name, value in others.items()}
        contents = {name: self._content(others[name]) for name, large in mutables.items() if large is None}
        known: dict[str, Mutables] = {}
        for name, large in mutables.items():
            known[name] = large or _mutables(others[name], contents[name], known.values(), len(others))
        for group in sharing_groups(known):
            if outputs.keys().isdisjoint(group):
                continue
            name = group[0]
            try:
                if len(group) > 1:
                    members = {member: others[member] for member in group}
                    versions |= self._together(members, not_carried)
                elif name in contents:
                    versions[name] = self._alone(name, others[name], contents[name])
                else:
                    pending[name] = self._later(name, others[name])
            except NotStorableError as error:
                not_carried.append(_not_carried(error))
        return Kept(versions, tuple(not_carried), pending)

    def _alone(self, name: str, value: Any, content: Content) -> ArtifactVersion:
        materializer, pieces = encoded(name, value, paths_as_files=self.paths_as_files)
        size_bytes = size_of(pieces)
        is_small = size_bytes <= MAX_INLINE_BYTES
        blob = "" if is_small else self.blobs.write(pieces)
        if isinstance(materializer, Pickle) or not is_ours(materializer):
            why = self._what_changed(value, content, materializer, pieces, blob)
            if why:
                by = "" if is_ours(materializer) else f" from its materializer {materializer.name!r}"
                raise NotStorableError(name, type_name_of(type(value)), why + by)
        digest = content.digest or ""
        if materializer.name == Files.name:
            # A path is text; what is stored and handed on is what lies there.
            digest = quick("files", joined(pieces))
        return ArtifactVersion(
            id=new_id(),
            name=self.artifact_names.get(name, name),
            output=name,
            digest=digest,
            type_name=type_name_of(type(value)),
            materializer=label_of(materializer),
            size_bytes=size_bytes,
            inline=inline(materializer, pieces) if is_small else None,
            blob=blob,
            member=None,
            pickled=materializer.pickled,
            preview=preview_by(materializer, value),
            made_by=self.made_by,
            aliases=content.mutables.aliases if content.digest is not None else "",
        )

    def _what_changed(self, value: Any, content: Content, materializer: Materializer, pieces: Pieces, blob: str) -> str:
        def load() -> Any:
            data = self.blobs.open(blob) if blob else memoryview(bytearray(joined(pieces)))
            return pickles.load(data) if isinstance(materializer, Pickle) else materializer.decode(data, self.loading)

        try:
            return what_changed(value, content, load, self._content)
        except Exception as error:  # noqa: BLE001 - the value's own code
            return f"it would not come back: {reason(error)}"

    def _later(self, name: str, value: Any) -> Future[ArtifactVersion]:
        copy = stand_in(value)
        return self.writer.run(lambda: self._alone(name, copy, self._content(copy)))

    def _together(self, members: dict[str, Any], not_carried: list[NotCarried]) -> dict[str, ArtifactVersion]:
        """Store what shares something in one bundle, without the members that cannot be stored so."""
        try:
            pieces = pickles.dump(list(members.values())).pieces
            blob = self.blobs.write(pieces)
            # How they share is one fact about all of them; it can be told if each has a canonical form.
            whole = self._content(list(members.values()))
            whys = members_changed(members, whole, lambda: pickles.load(self.blobs.open(blob)), self._content)
        except NotRecordedError:
            raise
        except Exception as error:  # noqa: BLE001 - the values' own code
            # If each could be stored alone, they are too much together, as what is nested too deeply.
            whys = {name: _hindrance(value) for name, value in members.items()}
            if not any(whys.values()):
                whys = dict.fromkeys(members, reason(error))
            return self._without(whys, members, not_carried)
        size_bytes = size_of(pieces)
        if whys:
            return self._without(whys, members, not_carried)
        contents = {name: self._content(value) for name, value in members.items()}
        return {
            name: ArtifactVersion(
                id=new_id(),
                name=self.artifact_names.get(name, name),
                output=name,
                digest=contents[name].digest or "",
                type_name=type_name_of(type(value)),
                materializer=_BUNDLE,
                size_bytes=size_bytes,
                inline=None,
                blob=blob,
                member=place,
                pickled=True,
                preview=preview(value),
                made_by=self.made_by,
                aliases=quick("member", whole.mutables.aliases, str(place)) if whole.digest is not None else "",
            )
            for place, (name, value) in enumerate(members.items())
        }

    def _without(
        self, whys: Mapping[str, str], members: Mapping[str, Any], not_carried: list[NotCarried]
    ) -> dict[str, ArtifactVersion]:
        """Store the members against which nothing is known, in as many bundles as they now make."""
        lost = {name: why for name, why in whys.items() if why}
        not_carried.extend(NotCarried(name, type_name_of(type(members[name])), why) for name, why in lost.items())
        rest = {name: value for name, value in members.items() if name not in lost}
        kept = self._keep_others({}, rest, {}, background=False)
        not_carried.extend(kept.not_carried)
        return kept.versions

    def _content(self, value: Any) -> Content:
        return content_digest(value, self.class_identity)


def keep_scalars(
    outputs: Mapping[str, Any], made_by: str, artifact_names: Mapping[str, str]
) -> tuple[dict[str, ArtifactVersion], dict[str, Any]]:
    """Store the numbers, truth values and short texts among `outputs`; give the versions, and what is left.

    Nearly every small output is one of these. They share nothing and have a form of their own, so that nothing has to
    be prepared for them.
    """
    versions: dict[str, ArtifactVersion] = {}
    others: dict[str, Any] = {}
    for name, value in outputs.items():
        text = scalar_json(value)
        if text is None:
            others[name] = value
            continue
        versions[name] = ArtifactVersion(
            new_id(),
            artifact_names.get(name, name),
            name,
            leaf_digest(value),
            type(value).__name__,
            JSON_LABEL,
            len(text),
            {"json": value},
            "",
            None,
            False,
            text_preview(value) if type(value) is str else {"kind": "text", "text": str(value)},
            made_by,
        )
    return versions, others


def _mutables(value: Any, content: Content, others: Iterable[Mutables], outputs: int) -> Mutables:
    """Give what can be changed in `value`; where the walk did not get through, by pickling it.

    Of what is part of another output (the axes of a figure) it is enough to know that: the other reaches all that
    it reaches.
    """
    if content.digest is not None or outputs == 1:
        return content.mutables
    if any(id(value) in other.ids for other in others):
        return Mutables(frozenset({id(value)}))
    try:
        return pickles.dump(value).mutables
    except Exception:  # noqa: BLE001 - the value's own code; whether it can be stored is told later
        return content.mutables


def _hindrance(value: Any) -> str:
    """Say why a value cannot be pickled and loaded again; `""` if it can."""
    try:
        pickles.load(memoryview(bytearray(joined(pickles.dump(value).pieces))))
    except Exception as error:  # noqa: BLE001 - the value's own code
        return reason(error)
    return ""


def _not_carried(error: NotStorableError) -> NotCarried:
    return NotCarried(error.name, error.type_name, error.why)
