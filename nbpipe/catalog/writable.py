"""Whether a workspace can be written, asked before anything is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbpipe.errors import WorkspaceError

if TYPE_CHECKING:
    from nbpipe.base.workspace import WorkspacePaths


def prepare(paths: WorkspacePaths) -> None:
    """Make the folders of the workspace if need be.

    Raises:
        WorkspaceError: They cannot be made or written.
    """
    try:
        paths.ensure()
    except OSError as error:
        raise cannot_write(paths, error.strerror or str(error)) from error
    for folder in (paths.logs, paths.operations):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise cannot_write(paths, f"{folder.name} is read-only")


def cannot_write(paths: WorkspacePaths, why: str) -> WorkspaceError:
    """Say that a workspace cannot be written, and what to do."""
    cure = "Set NBPIPE_HOME to a folder that can."
    return WorkspaceError(f"The workspace {paths.root} cannot be written ({why}). {cure}")
