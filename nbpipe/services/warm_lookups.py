"""What a process that answers requests has looked up already: artifacts of model versions, and their records.

Which version holds a stage is asked anew by every run, of a state that is in memory; a promotion is
seen by the next one. Which artifact a version holds under a name costs a query: it is asked at first, and
then once a second at most behind everybody's back, since a later run may add one. The record of an
artifact never changes.
"""

from __future__ import annotations

import threading
import time

from nbpipe.execute.warm import Warm
from nbpipe.records.artifacts import ArtifactVersion
from nbpipe.records.definitions import Traced
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.versions import ModelVersion
from nbpipe.services.workspace import Workspace

_HOLDS_S = 1.0


class WarmLookups:
    """Keeps what was looked up.

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
        self._asking = threading.Thread()

    def artifact_of(self, version: ModelVersion, name: str) -> Artifact:
        """Give the newest artifact of a name that a model version holds, as of a second or two ago.

        Raises:
            NotFoundError: It holds none of that name.
        """
        asked_s, held = self._held.get(version.id, (0.0, {}))
        if name not in held:
            self._ask(version)
            held = self._held[version.id][1]
        elif time.monotonic() - asked_s >= _HOLDS_S and not self._asking.is_alive():
            # Nobody waits for what is very likely still so.
            self._asking = threading.Thread(target=self._ask, args=(version,), name="nbpipe-lookups", daemon=True)
            self._asking.start()
        return held[name] if name in held else version.get_artifact(name)

    def _ask(self, version: ModelVersion) -> None:
        artifacts = version.artifacts
        self._held = {version.id: (time.monotonic(), artifacts)}

    def stored(self, artifact_id: str) -> ArtifactVersion:
        """Give the record of an artifact version.

        Raises:
            NotFoundError: There is none of that id.
        """
        if artifact_id not in self._stored:
            self._stored[artifact_id] = self._artifacts.stored(artifact_id)
        return self._stored[artifact_id]


def existing_artifacts(
    workspace: Workspace, traced: Traced, lookups: WarmLookups | None = None
) -> dict[str, ArtifactVersion]:
    """Find the artifact versions that a traced pipeline reads and does not make, by id."""
    stored = lookups.stored if lookups is not None else ArtifactService(workspace).stored
    return {artifact_id: stored(artifact_id) for artifact_id in traced.graph.existing}
