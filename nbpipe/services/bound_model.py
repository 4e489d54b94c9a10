"""The model of the pipeline whose body is running: what `get_pipeline_context().model` answers.

`get_model_artifact` looks the version up now, before the first step, and leaves a reference in
the graph; the value is loaded by the step that takes it.
"""

from __future__ import annotations

from typing import Any

from nbpipe.define.trace import Reference, current_trace
from nbpipe.graph.graph import ExistingArtifact
from nbpipe.records.models import ModelConfig, find_version
from nbpipe.services.versions import ModelVersion, version_in
from nbpipe.services.workspace import Workspace


class BoundModel:
    """A pipeline's model while its body runs.

    Args:
        workspace: Where versions are looked up.
        config: The model as the pipeline declares it.
    """

    def __init__(self, workspace: Workspace, config: ModelConfig) -> None:
        self._workspace = workspace
        self._config = config

    @property
    def name(self) -> str:
        """The model's name."""
        return self._config.name

    @property
    def version(self) -> str | int | None:
        """The version as declared."""
        return self._config.version

    def get_model_artifact(self, name: str) -> Any:
        """Give the newest version of an artifact that the model version holds; in a body, a reference to it.

        Raises:
            NotFoundError: No such model version, or it holds no such artifact.
        """
        artifact = self._version().get_artifact(name)
        if current_trace() is None:
            return artifact
        return Reference(ExistingArtifact(id=artifact.id, name=artifact.name))

    get_artifact = get_model_artifact
    get_data_artifact = get_model_artifact

    @property
    def metadata(self) -> dict[str, Any]:
        """The version's metadata as plain nested data."""
        return self._version().metadata

    @property
    def run_metadata(self) -> Any:
        """The version's metadata as entries, by top-level key."""
        return self._version().run_metadata

    def _version(self) -> ModelVersion:
        row = find_version(self._workspace.catalog.state(), self._config.name, self._config.version)
        return version_in(row, self._workspace)
