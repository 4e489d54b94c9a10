"""What is no backup of ours, or is one no more, is refused with nothing made of it."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zlib

import pytest

from nbpipe.errors import CatalogDamagedError, NotFoundError
from nbpipe.services.restoring import restore
from nbpipe.services.upkeep import UpkeepService


def unpacked(data):
    """Give what was packed; nothing if it cannot be had."""
    try:
        return gzip.decompress(bytes(data))
    except (OSError, EOFError, zlib.error):
        return None


def test_every_changed_byte_of_a_backup_is_noticed(full, target, elsewhere):
    UpkeepService(full).backup(target)
    whole = target.read_bytes()
    # Of the packing's header nobody reads what follows its first three bytes: when it was made, and how.
    for place in [0, 1, 2, *range(10, len(whole), max(1, len(whole) // 60)), len(whole) - 1]:
        changed = bytearray(whole)
        changed[place] ^= 0x10
        target.write_bytes(changed)
        # Zeros may be packed in several ways.
        if unpacked(changed) == unpacked(whole):
            continue
        with pytest.raises(CatalogDamagedError, match="is damaged"):
            restore(elsewhere, target)
        assert list(elsewhere.root.parent.glob("*")) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_backup_that_was_cut_off_is_noticed(full, target, elsewhere, share):
    UpkeepService(full).backup(target)
    whole = target.read_bytes()
    target.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(CatalogDamagedError):
        restore(elsewhere, target)

    assert list(elsewhere.root.parent.glob("*")) == []


def crafted(target, *members):
    """Write a tar of these members: (name, type, link)."""
    with tarfile.open(target, "w:gz") as tar:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            data = b"evil" if kind == tarfile.REGTYPE else b""
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        manifest = json.dumps({"schema": 1, "files": {}, "counts": {}}).encode()
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../../evil.log", tarfile.REGTYPE, ""),
        ("/tmp/evil.log", tarfile.REGTYPE, ""),
        ("logs/../../evil.log", tarfile.REGTYPE, ""),
        ("logs/.hidden.log", tarfile.REGTYPE, ""),
        ("logs/a.log/../x.log", tarfile.REGTYPE, ""),
        ("archive/../../evil", tarfile.REGTYPE, ""),
        ("archive/a/.x", tarfile.REGTYPE, ""),
        ("catalog/00000001.duckdb", tarfile.REGTYPE, ""),
        (".gitignore", tarfile.REGTYPE, ""),
        ("blobs/ab/evil", tarfile.REGTYPE, ""),
        ("logs/a.log\n", tarfile.REGTYPE, ""),
        ("logs/a.log", tarfile.SYMTYPE, "/etc/passwd"),
        ("logs/a.log", tarfile.LNKTYPE, "/etc/passwd"),
        ("archive/pipe", tarfile.FIFOTYPE, ""),
        ("archive/device", tarfile.CHRTYPE, ""),
        ("archive/folder", tarfile.DIRTYPE, ""),
    ],
)
def test_what_does_not_belong_in_a_backup_is_refused(target, elsewhere, name, kind, link):
    crafted(target, (name, kind, link))

    with pytest.raises(CatalogDamagedError, match="does not belong"):
        restore(elsewhere, target)

    assert list(elsewhere.root.parent.glob("*")) == []
    assert not os.path.exists("/tmp/evil.log")


def test_a_file_that_is_no_backup_is_told(target, elsewhere):
    with pytest.raises(NotFoundError, match="backup file"):
        restore(elsewhere, target)
    target.write_text("no tar")
    with pytest.raises(CatalogDamagedError):
        restore(elsewhere, target)
    crafted(target)
    with pytest.raises(CatalogDamagedError, match="counts"):
        restore(elsewhere, target)
