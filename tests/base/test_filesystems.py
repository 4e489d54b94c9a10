"""Which file system a folder is on, told from what real machines say of their mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbpipe.base import filesystems, workspace
from nbpipe.base.filesystems import Mount, is_over_a_network, mount_of, why_unsafe
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import WorkspaceError

LAPTOP = r"""
22 28 0:21 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
23 28 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
28 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
30 28 0:25 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw,inode64
97 28 259:3 / /home rw,relatime shared:45 - btrfs /dev/mapper/home rw,space_cache=v2
512 97 0:61 / /home/ann/My\040Cloud\040(work) rw,nosuid,nodev,relatime shared:301 - fuse.rclone drive: rw,user_id=1000
520 97 0:62 / /home/ann/server rw,nosuid,nodev,relatime shared:310 - fuse.sshfs ann@host:/srv rw,user_id=1000
600 28 0:70 / /mnt/share rw,relatime shared:320 - cifs //nas/share rw,vers=3.1.1,cache=strict
601 28 259:3 /ann/scratch /mnt/share/scratch rw,relatime shared:45 - btrfs /dev/mapper/home rw
"""
CLUSTER = r"""
21 1 0:20 / / ro,relatime shared:1 - overlay overlay rw,lowerdir=/run/rootfs
40 21 0:38 / /home rw,relatime shared:20 - autofs systemd-1 rw,fd=29,pgrp=1,timeout=0
41 40 0:50 / /home rw,relatime shared:21 - nfs4 filer:/export/home rw,vers=4.2,hard,proto=tcp
42 41 0:51 / /home/ann/local rw,relatime shared:22 - xfs /dev/sda1 rw
43 21 0:52 / /scratch rw,relatime - lustre 10.0.0.1@o2ib:/work rw,flock
44 21 0:53 / /tab\011and\134slash rw - nfs filer:/odd rw
"""
SANDBOX = "1 0 0:1 / / rw - 9p none rw,trans=fd,rfdno=4\n2 1 0:2 / /tmp rw - tmpfs none rw\n"
WINDOWS = (
    "75 1 8:32 / / rw,relatime - ext4 /dev/sdc rw\n90 75 0:45 / /mnt/c rw,noatime - 9p C:\\134 rw,aname=drvfs;path=C:\n"
)


@pytest.mark.parametrize(
    ("mounts", "path", "kind"),
    [
        (LAPTOP, "/srv/work/.nbpipe", "ext4"),
        (LAPTOP, "/home/ann/work/.nbpipe", "btrfs"),
        (LAPTOP, "/home/ann/My Cloud (work)/a/.nbpipe", "fuse.rclone"),
        (LAPTOP, "/home/ann/server", "fuse.sshfs"),
        (LAPTOP, "/home/ann/servers/.nbpipe", "btrfs"),
        (LAPTOP, "/mnt/share/.nbpipe", "cifs"),
        (LAPTOP, "/mnt/share/scratch/.nbpipe", "btrfs"),
        (CLUSTER, "/home/bob/.nbpipe", "nfs4"),
        (CLUSTER, "/home/ann/local/.nbpipe", "xfs"),
        (CLUSTER, "/scratch/ann", "lustre"),
        (CLUSTER, "/tab\tand\\slash/x", "nfs"),
        (CLUSTER, "/tmp", "overlay"),
        (WINDOWS, "/mnt/c/Users/ann/.nbpipe", "9p"),
        (WINDOWS, "/home/ann", "ext4"),
    ],
)
def test_a_path_is_on_the_file_system_mounted_nearest_above_it(mounts, path, kind):
    found = mount_of(mounts, path)

    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize("mounts", ["", "nonsense", "1 2 3\n - ext4", "1 0 0:1 / /other rw - ext4 x rw"])
def test_where_nothing_is_said_nothing_is_known(mounts):
    assert mount_of(mounts, "/home/ann") is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.rclone", "lustre", "vboxsf"])
def test_a_network_file_system_is_known_by_its_type(kind):
    assert is_over_a_network(Mount("/mnt/x", kind))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "fuse.ntfs-3g", "fuseblk"])
def test_a_local_file_system_is_known_by_its_type(kind):
    assert not is_over_a_network(Mount("/mnt/x", kind))


def test_a_sandbox_that_is_one_such_file_system_is_a_machine():
    found = mount_of(SANDBOX, "/project/.nbpipe")

    assert found == Mount("/", "9p")
    assert not is_over_a_network(found)


@pytest.fixture
def on_a_network(monkeypatch, tmp_path):
    """Have everything below a folder be on a network file system."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {tmp_path}/net rw - nfs4 filer:/x rw\n")
    monkeypatch.setattr(filesystems, "_MOUNTS", mounts)
    monkeypatch.setattr(workspace, "_believed", set())
    return tmp_path / "net"


def test_a_workspace_on_a_network_is_refused_with_nothing_made(on_a_network):
    with pytest.raises(WorkspaceError, match="nfs4, a network file system") as caught:
        WorkspacePaths(on_a_network / ".nbpipe").ensure()

    assert not on_a_network.exists()
    assert "NBPIPE_UNSAFE_FILESYSTEM=1" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_a_link_to_a_network_is_followed(on_a_network, tmp_path):
    on_a_network.mkdir()
    (tmp_path / "link").symlink_to(on_a_network)

    with pytest.raises(WorkspaceError):
        WorkspacePaths(tmp_path / "link" / ".nbpipe").ensure()


def test_who_insists_gets_it(on_a_network, monkeypatch):
    monkeypatch.setenv("NBPIPE_UNSAFE_FILESYSTEM", "1")

    WorkspacePaths(on_a_network / ".nbpipe").ensure()

    assert (on_a_network / ".nbpipe" / "logs").is_dir()


def test_what_is_mounted_is_asked_once_a_process(on_a_network, tmp_path, monkeypatch):
    paths = WorkspacePaths(tmp_path / "here" / ".nbpipe").ensure()
    monkeypatch.setattr(workspace, "why_unsafe", lambda root: pytest.fail("asked again"))

    paths.ensure()
    WorkspacePaths(tmp_path / "here" / ".nbpipe").ensure()


@pytest.mark.parametrize(("mark", "program"), [(".stfolder", "Syncthing"), (".dropbox.cache", "Dropbox")])
def test_a_synchronised_folder_is_known_by_its_mark(tmp_path, mark, program):
    (tmp_path / mark).mkdir()

    assert program in why_unsafe(tmp_path / "a" / "b" / ".nbpipe")


def test_a_cloud_folder_of_a_mac_is_known_by_its_place():
    assert "iCloud" in why_unsafe(Path("/Users/ann/Library/Mobile Documents/work/.nbpipe"))


def test_an_ordinary_folder_has_nothing_against_it(tmp_path):
    assert why_unsafe(tmp_path) == ""
