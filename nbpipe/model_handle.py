"""The public `Model`: which model and version is meant, and what can be asked of that version.

It joins a description, which knows nothing of workspaces, to the services that look a version up and
promote it. It decides nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbpipe.records.models import ModelConfig, ModelStages
from nbpipe.services.client import Client

if TYPE_CHECKING:
    from nbpipe.services.versions import ModelVersion


class Model(ModelConfig):
    """A model, and which of its versions is meant: `Model(name="iris", version="1.2.3")`.

    Used in `@pipeline(model=…)` it says what a run works on; by itself it looks a version up. See `ModelConfig`
    for its fields.
    """

    def _version(self) -> ModelVersion:
        return Client().models.version(self)

    def set_stage(self, stage: str | ModelStages, force: bool = False, note: str = "") -> ModelVersion:
        """Move the version to a stage.

        Args:
            stage: `staging`, `production`, `archived` or `none`.
            force: Take the stage from its present holder, who is archived.
            note: Why; kept in the history.

        Raises:
            NotFoundError: No such version; none is made.
            ConflictError: Another version holds the stage, and `force` is off.
        """
        return self._version().set_stage(stage, force=force, note=note)

    @property
    def run_metadata(self) -> Any:
        """The version's metadata as entries, by top-level key."""
        return self._version().run_metadata

    @property
    def metadata(self) -> dict[str, Any]:
        """The version's metadata as plain nested data."""
        return self._version().metadata

    @property
    def stage(self) -> str:
        """The stage of the version."""
        return self._version().stage

    def get_artifact(self, name: str) -> Any:
        """Give the newest version of an artifact that the model version holds."""
        return self._version().get_artifact(name)

    def get_model_artifact(self, name: str) -> Any:
        """Another name for `get_artifact`."""
        return self.get_artifact(name)

    def get_data_artifact(self, name: str) -> Any:
        """Another name for `get_artifact`."""
        return self.get_artifact(name)
