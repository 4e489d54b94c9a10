"""A snapshot as one file: a zip archive that can be read by hand, and is verified when it is read.

It holds `manifest.json` (what it is called and what is in it), `content.json` (the content, from
which it runs), `pipeline.py` (the same as one readable module) and, where the environment was
locked, `pylock.toml`. The manifest names the SHA-256 of each of them, and the archive's comment
that of the manifest. Whatever was changed is told. A file that somebody made anew from other
content is sound too: who must know that it is the very one compares its digest, which is that of
the snapshot. What runs is the content alone; the files beside it are for people and other tools.

Reading runs no code. This module knows bytes; where the file lies, and in which workspace its
snapshot ends up, is for others to say. The archive's form is that of PKWARE's APPNOTE, as `zipfile` writes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

from pydantic import Field

from nbpipe.base.digest import canonical_json
from nbpipe.base.version import VERSION
from nbpipe.errors import BadValueError, BundleDamagedError, CatalogDamagedError, CatalogNewerError
from nbpipe.records.base import Record
from nbpipe.records.snapshots import SnapshotContent, digest_of, read_content
from nbpipe.snapshot.module_text import module_text

FORMAT = 1
SUFFIX = ".nbsnapshot"
_MANIFEST, _CONTENT, _MODULE, _LOCK = "manifest.json", "content.json", "pipeline.py", "pylock.toml"
_LARGEST_BYTES = 256 << 20
# How an archive ends whose comment is a SHA-256: with the comment's length.
_END = (64).to_bytes(2, "little")
# The first instant that a zip archive can name: two exports of one snapshot are the same bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class Manifest(Record):
    """What a bundle says of itself.

    Attributes:
        format: The form of the file.
        nbpipe: The version that wrote it.
        name: The snapshot's name; `""` if it had none.
        pipeline: Its pipeline.
        description: What it is for.
        tags: The names of its tags.
        digest: The digest of its content.
        files: The SHA-256 of each other file in the archive.
    """

    format: int = FORMAT
    nbpipe: str = VERSION
    name: str = ""
    pipeline: str
    description: str = ""
    tags: tuple[str, ...] = ()
    digest: str
    files: dict[str, str] = Field(default_factory=dict)


def write_bundle(content: SnapshotContent, **said: Any) -> bytes:
    """Write a snapshot into one file.

    Args:
        content: What it holds.
        said: Its name, description and tags.

    Returns:
        The bytes of the file: the same for the same snapshot.
    """
    data = content.to_bytes()
    files = {_CONTENT: data, **_beside(content)}
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in files.items()}
    manifest = Manifest(pipeline=content.pipeline, digest=digest_of(data), files=digests, **said)
    head = canonical_json(manifest.model_dump(mode="json"))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, text in {_MANIFEST: head, **files}.items():
            member = zipfile.ZipInfo(name, _NO_TIME)
            member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(member, text)
        archive.comment = hashlib.sha256(head).hexdigest().encode()
    return written.getvalue()


def read_bundle(data: bytes, place: Path) -> tuple[Manifest, SnapshotContent]:
    """Read such a file and check all of it.

    Args:
        data: Its bytes.
        place: Where they lie, for messages.

    Raises:
        BadValueError: It is no bundle at all.
        BundleDamagedError: Something in it is not what was written.
        CatalogNewerError: A newer nbpipe wrote it.
    """
    files, comment = _unpacked(data, place)
    head = files.pop(_MANIFEST, None)
    if head is None:
        raise BadValueError(f"{place.name} is no exported snapshot: it holds no {_MANIFEST}.")
    if hashlib.sha256(head).hexdigest().encode() != comment:
        raise BundleDamagedError(place, f"{_MANIFEST} is not as it was written")
    try:
        plain = json.loads(head)
        if plain["format"] > FORMAT:
            raise CatalogNewerError(place, plain["format"], FORMAT)
        manifest = Manifest.read(plain)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleDamagedError(place, f"{_MANIFEST} is none: {error}") from None
    for name in sorted({*files, *manifest.files}):
        if name not in files:
            raise BundleDamagedError(place, f"{name} is missing")
        if manifest.files.get(name) != hashlib.sha256(files[name]).hexdigest():
            raise BundleDamagedError(place, f"{name} is not as it was written")
    return manifest, _content_in(files, manifest, place)


def _content_in(files: dict[str, bytes], manifest: Manifest, place: Path) -> SnapshotContent:
    if _CONTENT not in files:
        raise BundleDamagedError(place, f"{_CONTENT} is missing")
    try:
        content = read_content(files[_CONTENT], manifest.digest, place)
    except (CatalogDamagedError, BadValueError) as error:
        raise BundleDamagedError(place, str(error)) from None
    if content.pipeline != manifest.pipeline:
        raise BundleDamagedError(place, f"its content is of pipeline {content.pipeline}, not {manifest.pipeline}")
    return content


def _beside(content: SnapshotContent) -> dict[str, bytes]:
    lock = content.environment.lock
    return {_MODULE: module_text(content).encode(), **({_LOCK: lock.encode()} if lock else {})}


def _unpacked(data: bytes, place: Path) -> tuple[dict[str, bytes], bytes]:
    known = {_MANIFEST, _CONTENT, _MODULE, _LOCK}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            names = [member.filename for member in members]
            for name in names:
                if name not in known or names.count(name) > 1:
                    raise BundleDamagedError(place, f"it holds {name[:80]!r}, which does not belong there")
            if sum(member.file_size for member in members) > _LARGEST_BYTES:
                raise BundleDamagedError(place, f"it unpacks to more than {_LARGEST_BYTES >> 20} MiB")
            if not data.startswith(b"PK\x03\x04") or not data.endswith(_END + archive.comment):
                raise BundleDamagedError(place, "something stands before or behind it")
            files = {}
            for member in members:
                with archive.open(member) as file:
                    # What a member says of its size need not be true.
                    files[member.filename] = file.read(_LARGEST_BYTES + 1)
            return files, archive.comment
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        if zipfile.is_zipfile(io.BytesIO(data)):
            raise BundleDamagedError(place, str(error)) from None
        raise BadValueError(f"{place.name} is no exported snapshot: it is no archive.") from None
    except zlib.error as error:
        raise BundleDamagedError(place, str(error)) from None
