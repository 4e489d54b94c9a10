"""Files and folders that a step answers with their path.

What lies at the path is stored, not the path: it comes back as a read-only copy in the workspace,
in a folder named by the digest of its content. Of a file only the ending of its name is kept;
inside a folder the names are the folder's own, and each is checked before it is used. A path
where nothing lies is stored as the path it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import struct
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from nbpipe.errors import BadValueError
from nbpipe.store.buffers import Piece
from nbpipe.store.loading import Loading

MAX_BYTES = 1 << 30
MAX_FILES = 10_000
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,16}\Z")
_LENGTH = struct.Struct("<q")


class Files:
    """A `Path`, as the file or folder it leads to."""

    name: ClassVar[str] = "files"
    version: ClassVar[int] = 1
    pickled: ClassVar[bool] = False
    types: ClassVar[tuple[type | str, ...]] = (Path,)

    def encode(self, value: Path) -> list[Piece] | None:
        """Read what lies at the path.

        Raises:
            BadValueError: A folder of more than 10,000 files or 1 GiB, or with a link in it.
        """
        if value.is_dir():
            members = _members_of(value)
            said: dict[str, Any] = {"folder": [[name, len(data)] for name, data in members]}
        elif value.is_file():
            _check_size(value, value.stat().st_size)
            ending = _ENDING.search(value.name)
            members = [("", value.read_bytes())]
            said = {"file": ending.group() if ending else ""}
        else:
            members, said = [], {"path": str(value)}
        header = json.dumps(said, separators=(",", ":")).encode()
        return [_LENGTH.pack(len(header)) + header, *(data for _, data in members)]

    def decode(self, data: memoryview, loading: Loading) -> Path:
        """Lay out the copy, if it is not there yet, and give its path."""
        (length,) = _LENGTH.unpack_from(data)
        said = json.loads(bytes(data[_LENGTH.size : _LENGTH.size + length]))
        if "path" in said:
            return Path(said["path"])
        digest = hashlib.sha256(data).hexdigest()
        folder = loading.unpacked / digest[:2] / digest[2:]
        result = folder / ("content" if "folder" in said else f"content{_checked_ending(said['file'])}")
        if not folder.exists():
            _lay_out(folder, result.name, said, data[_LENGTH.size + length :])
        return result


def _members_of(folder: Path) -> list[tuple[str, bytes]]:
    members: list[tuple[str, bytes]] = []
    total = 0
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise BadValueError(f"{folder} holds the link {path.name!r}. Answer with what it points at, or a copy.")
        if not path.is_file():
            continue
        total += path.stat().st_size
        _check_size(folder, total)
        if len(members) >= MAX_FILES:
            raise BadValueError(f"{folder} holds more than {MAX_FILES:,} files. Answer with an archive of them.")
        members.append((path.relative_to(folder).as_posix(), path.read_bytes()))
    return members


def _check_size(path: Path, size_bytes: int) -> None:
    if size_bytes > MAX_BYTES:
        raise BadValueError(f"{path} holds more than 1 GiB. Answer with its name as text, or with a part of it.")


def _checked_ending(ending: str) -> str:
    if ending and not _ENDING.match(ending):
        raise ValueError("the ending of a stored file is no ending")
    return ending


def _lay_out(folder: Path, name: str, said: dict[str, Any], held: memoryview) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        if "folder" in said:
            (draft / name).mkdir()
            place = 0
            for member, length in said["folder"]:
                _write_read_only(draft / name / _checked_member(member), held[place : place + length])
                place += length
        else:
            _write_read_only(draft / name, held)
        # Whoever came first laid out the same.
        with suppress(FileExistsError, OSError):
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _checked_member(name: str) -> PurePosixPath:
    """Refuse a name that leads out of its folder: a stored folder may come from anybody."""
    member = PurePosixPath(name)
    if not member.parts or member.is_absolute() or ".." in member.parts or "\\" in name or "\0" in name or ":" in name:
        raise ValueError("a stored folder holds a name that leads out of it")
    return member


def _write_read_only(path: Path, data: memoryview) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
