"""What kind of file system a folder is on, and whether a workspace may be there.

The logs stand on three things that a local disk gives to every process of one machine: a lock that
ends with its holder, a size that is true at once, and a rename that everybody sees. A network file
system gives them to some, or a moment later; a synchronised folder copies files while they are
being written, and brings back old ones.

Linux says which file systems are mounted where; a synchronised folder bears a mark of its program.
Where nothing can be told, nothing is said against it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_OVER_A_NETWORK = frozenset(
    {
        *(
            "9p",
            "afs",
            "beegfs",
            "ceph",
            "cifs",
            "coda",
            "glusterfs",
            "lustre",
            "ncpfs",
            "nfs",
            "nfs4",
            "smb3",
            "smbfs",
        ),
        *("fakeowner", "prl_fs", "vboxsf", "vmhgfs"),
    }
)
_OVER_A_NETWORK_IN_USER_SPACE = re.compile(
    r"fuse\.(sshfs|rclone|s3fs|s3ql|gcsfuse|goofys|mount-s3|blobfuse2?|juicefs|glusterfs|ceph(-fuse)?|davfs2?|curlftpfs"
    r"|google-drive-ocamlfuse|onedriver|grpcfuse|osxfs|vmhgfs-fuse|smbnetfs|cvmfs2?|moosefs|mfs)\Z"
)
_SYNCHRONISED_BY = {
    ".dropbox.cache": "Dropbox",
    ".stfolder": "Syncthing",
    ".nextcloudsync.log": "Nextcloud",
    ".owncloudsync.log": "ownCloud",
}
_SYNCHRONISED_BELOW = {("Library", "CloudStorage"): "a cloud drive", ("Library", "Mobile Documents"): "iCloud"}


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system.

    Attributes:
        point: The folder that it is mounted on.
        kind: Its type, such as `ext4`.
    """

    point: str
    kind: str


def mount_of(mounts: str, path: str) -> Mount | None:
    """Find the file system that a path is on, or `None` if that is not said.

    Args:
        mounts: What stands in `/proc/self/mountinfo`.
        path: An absolute path without links in it; it need not be there.
    """
    found: Mount | None = None
    for line in mounts.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = _OCTAL.sub(lambda escaped: chr(int(escaped[1], 8)), fields[4])
        # Of two mounted on one folder the later hides the earlier.
        if _is_within(path, point) and (found is None or len(point) >= len(found.point)):
            found = Mount(point, kinds[0])
    return found


def is_over_a_network(mount: Mount) -> bool:
    """Tell whether a file system is one of another machine's, or of a virtual machine's host."""
    if mount.kind == "9p" and mount.point == "/":
        # A sandbox whose every file comes in so: it is one machine to all that runs in it.
        return False
    return mount.kind in _OVER_A_NETWORK or _OVER_A_NETWORK_IN_USER_SPACE.match(mount.kind) is not None


def why_unsafe(path: Path) -> str:
    """Say why a workspace should not be at `path`, in a few words; empty if nothing is known against it."""
    place = Path(os.path.realpath(path))
    mount = mount_of(_mounted(), str(place))
    if mount is not None and is_over_a_network(mount):
        return f"it is on {mount.kind}, a network file system"
    program = _synchronised_by(place)
    return f"{program} synchronises it" if program else ""


def _synchronised_by(place: Path) -> str:
    for folder in (place, *place.parents):
        for mark, program in _SYNCHRONISED_BY.items():
            if os.path.lexists(folder / mark):
                return program
    pairs = zip(place.parts, place.parts[1:], strict=False)
    return next((_SYNCHRONISED_BELOW[pair] for pair in pairs if pair in _SYNCHRONISED_BELOW), "")


def _mounted() -> str:
    try:
        return _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _is_within(path: str, folder: str) -> bool:
    return folder in ("/", path) or path.startswith(f"{folder}/")
