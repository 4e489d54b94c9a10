"""What a process that answers requests has looked up already: artifacts of model versions, and their records.

Which version holds a stage is asked anew by every run, of a state that is in memory; a promotion is
seen by the next one. Which artifact a version holds under a name costs a query: it is asked once a
second at most, since a later run may add one. The record of an artifact never changes.
"""

from __future__ import annotations

import time

from nbpipe.execute.warm import Warm
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.versions import ModelVersion
from nbpipe.services.workspace import Workspace

_HOLDS_S = 1.0


class WarmLookups:
    """Keeps what was looked up, for one thread.

    Args:
        workspace: Where to look.
        warm: What else the process keeps.

    Attributes:
        warm: What else the process keeps.
    """

    def __init__(self, workspace: Workspace, warm: Warm) -> None:
        self.warm = warm
        self._artifacts = ArtifactService(workspace)
        self._held: dict[str, tuple[float, dict[str, Artifact]]] = {}
        self._stored: dict[str, ArtifactVersion] = {}

    def artifact_of(self, version: ModelVersion, name: str) -> Artifact:
        """Give the newest artifact of a name that a model version holds, as of the last second.

        Raises:
            NotFoundError: It holds none of that name.
        """
        asked_s, held = self._held.get(version.id, (-_HOLDS_S, {}))
        if name not in held or time.monotonic() - asked_s >= _HOLDS_S:
            held = version.artifacts
            self._held = {version.id: (time.monotonic(), held)}
        return held[name] if name in held else version.get_artifact(name)

    def stored(self, artifact_id: str) -> ArtifactVersion:
        """Give the record of an artifact version.

        Raises:
            NotFoundError: There is none of that id.
        """
        if artifact_id not in self._stored:
            self._stored[artifact_id] = self._artifacts.stored(artifact_id)
        return self._stored[artifact_id]
