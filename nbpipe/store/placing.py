"""Where the blobs of a workspace lie: in its own folder, or in the artifact root that was set for it.

Nothing of object storage is loaded unless a root was set.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from nbpipe.base.clock import now_text
from nbpipe.base.settings import ARTIFACTS, artifact_root, identity, note_mark, settings_of
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import BadValueError
from nbpipe.store.blobs import Blobs, BlobStore

if TYPE_CHECKING:
    from nbpipe.store.artifact_root import ArtifactRoot
    from nbpipe.store.remote_blobs import RemoteBlobs


def blobs_of(paths: WorkspacePaths) -> Blobs:
    """Give the blobs of a workspace; nothing is asked of an artifact root by that.

    Raises:
        BadValueError: `NBPIPE_ARTIFACTS` is no URL of an artifact root.
        WorkspaceError: The settings of the workspace are not what was once written.
    """
    url = artifact_root(paths)
    if not url:
        return BlobStore(paths.blobs)
    try:
        return remote_blobs(paths, url)
    except BadValueError as error:
        whose = ARTIFACTS if os.environ.get(ARTIFACTS, "").strip() else paths.settings
        raise BadValueError(f"{whose}: {error}") from None


def remote_blobs(paths: WorkspacePaths, url: str) -> RemoteBlobs:
    """Give the blobs of a workspace as they lie under `url`.

    Raises:
        BadValueError: That is no URL of an artifact root.
    """
    from nbpipe.store.artifact_root import ArtifactRoot
    from nbpipe.store.remote_blobs import RemoteBlobs
    from nbpipe.store.root_url import checked_url

    remote = ArtifactRoot(checked_url(url))

    def announce() -> None:
        if remote.url not in settings_of(paths).marked:
            leave_mark(paths, remote)

    return RemoteBlobs(paths.blobs, remote, announce)


def as_remote(blobs: Blobs) -> RemoteBlobs | None:
    """Give the blobs of a workspace as those of an artifact root; `None` if they lie in the workspace itself."""
    if isinstance(blobs, BlobStore):
        return None
    from nbpipe.store.remote_blobs import RemoteBlobs

    return blobs if isinstance(blobs, RemoteBlobs) else None


def leave_mark(paths: WorkspacePaths, remote: ArtifactRoot) -> None:
    """Leave the workspace's mark in an artifact root, so that no other workspace's sweep removes what it put there.

    Raises:
        NotUploadedError: The root cannot be written.
        WorkspaceError: The workspace cannot be written.
    """
    remote.mark(identity(paths), {"place": f"{socket.gethostname()}:{paths.root}", "made": now_text()})
    note_mark(paths, remote.url)
