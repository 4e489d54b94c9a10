"""What was set for one workspace: where its values lie, and the name by which it is known there.

`settings.json` in the workspace holds it. There is none as long as nothing was set, which is how
most workspaces stay. Credentials never stand in it: whoever opens the artifact root finds them
where its library looks for them. This module knows the file; it opens no artifact root.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.base.locks import PolledLock
from nbpipe.base.workspace import WorkspacePaths
from nbpipe.errors import CatalogBusyError, WorkspaceError

ARTIFACTS = "NBPIPE_ARTIFACTS"
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    """What was set.

    Attributes:
        id: The name by which the workspace is known in an artifact root; `""` as long as it uses none.
        artifacts: The URL under which values lie; `""` if they lie in the workspace itself.
        marked: The artifact roots in which this workspace has left its mark.
    """

    id: str = ""
    artifacts: str = ""
    marked: tuple[str, ...] = ()


def settings_of(paths: WorkspacePaths) -> WorkspaceSettings:
    """Read what was set for a workspace.

    Raises:
        WorkspaceError: The file is not what was once written.
    """
    try:
        said: Any = json.loads(paths.settings.read_text(encoding="utf-8"))
        texts = [said.get("id", ""), said.get("artifacts", ""), *said.get("marked", ())]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("it holds something that is no text")
    except FileNotFoundError:
        return WorkspaceSettings()
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise WorkspaceError(
            f"The settings {paths.settings} cannot be read ({error}).\n"
            "Mend the file, or delete it and run `nbpipe init --artifacts URL` again."
        ) from error
    return WorkspaceSettings(texts[0], texts[1], tuple(texts[2:]))


def artifact_root(paths: WorkspacePaths) -> str:
    """Give the URL under which the values of a workspace lie; `""` if in the workspace itself.

    `NBPIPE_ARTIFACTS` wins over what the workspace's settings say.

    Raises:
        WorkspaceError: The settings are not what was once written.
    """
    return (os.environ.get(ARTIFACTS, "").strip() or settings_of(paths).artifacts).rstrip("/")


def set_artifacts(paths: WorkspacePaths, url: str) -> None:
    """Have the values of a workspace lie under `url`, for whoever opens it from now on.

    Raises:
        WorkspaceError: The settings cannot be written.
    """
    _change(paths, lambda known: replace(known, artifacts=url))


def identity(paths: WorkspacePaths) -> str:
    """Give the name by which a workspace is known in artifact roots; the first who asks makes it.

    Raises:
        WorkspaceError: The settings cannot be written.
    """
    known = settings_of(paths)
    return known.id or _change(paths, lambda known: replace(known, id=known.id or new_id())).id


def note_mark(paths: WorkspacePaths, url: str) -> None:
    """Remember that the workspace has left its mark in an artifact root.

    Raises:
        WorkspaceError: The settings cannot be written.
    """
    _change(paths, lambda known: replace(known, marked=tuple(dict.fromkeys((*known.marked, url)))))


def _change(paths: WorkspacePaths, change: Callable[[WorkspaceSettings], WorkspaceSettings]) -> WorkspaceSettings:
    """Write what `change` makes of the settings, one process after the other."""
    paths.ensure()
    draft = paths.settings.with_name(f".{new_id()}")
    try:
        with closing(PolledLock(paths.settings.with_suffix(".lock"), patience_s=_PATIENCE_S)) as lock, lock:
            settings = change(settings_of(paths))
            draft.write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")
            draft.replace(paths.settings)
    except CatalogBusyError:
        raise
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise WorkspaceError(f"The settings {paths.settings} cannot be written ({error.strerror}).") from error
    return settings
