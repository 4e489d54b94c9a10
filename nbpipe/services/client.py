"""The client: a workspace, and what may be asked of each noun in it.

It is small: the services have the verbs. The handful of methods beside them are those that
people know from elsewhere, each a call of one service.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbpipe.services.workspace import Workspace, workspace_at

if TYPE_CHECKING:
    import pandas as pd

    from nbpipe.services.artifact_records import Artifact
    from nbpipe.services.artifacts import ArtifactService
    from nbpipe.services.deployments import DeploymentService
    from nbpipe.services.listing import Listing
    from nbpipe.services.metadata import MetadataService
    from nbpipe.services.model_records import ModelRecord
    from nbpipe.services.models import ModelService
    from nbpipe.services.pipelines import PipelineService
    from nbpipe.services.runs import Run, RunService
    from nbpipe.services.schedules import ScheduleService
    from nbpipe.services.snapshot_records import Snapshot
    from nbpipe.services.snapshots import SnapshotService
    from nbpipe.services.tags import TagService
    from nbpipe.services.tokens import TokenService
    from nbpipe.services.upkeep import UpkeepService
    from nbpipe.services.versions import ModelVersion


class Client:
    """The workspace that work in this folder belongs to, or a given one.

    Making one is cheap and opens nothing. All clients of one workspace in one process share it.

    Args:
        workspace: The workspace folder, or a project's folder with a `.nbpipe` in it.
    """

    def __init__(self, workspace: Path | str | None = None) -> None:
        self._place = workspace

    @cached_property
    def workspace(self) -> Workspace:
        """The opened workspace."""
        return workspace_at(self._place)

    @property
    def runs(self) -> RunService:
        """What may be asked of runs."""
        from nbpipe.services.runs import RunService

        return RunService(self.workspace)

    @property
    def pipelines(self) -> PipelineService:
        """What may be asked of pipelines."""
        from nbpipe.services.pipelines import PipelineService

        return PipelineService(self.workspace)

    @property
    def artifacts(self) -> ArtifactService:
        """What may be asked of artifacts."""
        from nbpipe.services.artifacts import ArtifactService

        return ArtifactService(self.workspace)

    @property
    def models(self) -> ModelService:
        """What may be asked of models."""
        from nbpipe.services.models import ModelService

        return ModelService(self.workspace)

    @property
    def tags(self) -> TagService:
        """What may be asked of tags."""
        from nbpipe.services.tags import TagService

        return TagService(self.workspace)

    @property
    def metadata(self) -> MetadataService:
        """What may be asked of metadata."""
        from nbpipe.services.metadata import MetadataService

        return MetadataService(self.workspace)

    @property
    def snapshots(self) -> SnapshotService:
        """What may be asked of snapshots."""
        from nbpipe.services.snapshots import SnapshotService

        return SnapshotService(self.workspace)

    @property
    def deployments(self) -> DeploymentService:
        """What may be asked of deployments."""
        from nbpipe.services.deployments import DeploymentService

        return DeploymentService(self.workspace)

    @property
    def schedules(self) -> ScheduleService:
        """What may be asked of schedules."""
        from nbpipe.services.schedules import ScheduleService

        return ScheduleService(self.workspace)

    @property
    def tokens(self) -> TokenService:
        """What may be asked of the tokens that open the workspace's server."""
        from nbpipe.services.tokens import TokenService

        return TokenService(self.workspace)

    @property
    def upkeep(self) -> UpkeepService:
        """What may be asked of the workspace as a whole: whether it is sound, what can go, a copy of it."""
        from nbpipe.services.upkeep import UpkeepService

        return UpkeepService(self.workspace)

    def query(self, sql: str) -> pd.DataFrame:
        """Answer one read-only SQL query over the catalog's views as a DataFrame.

        Raises:
            BadValueError: It is no single SELECT, or it does not fit the views.
        """
        return self.workspace.catalog.query(sql).df()

    def get_model(self, model_name_or_id: object) -> ModelRecord:
        """Give a model; see `ModelService.get`."""
        return self.models.get(model_name_or_id)

    def get_model_version(
        self, model_name_or_id: object, model_version_name_or_number_or_id: str | int | None = None
    ) -> ModelVersion:
        """Give a version of a model, by its name, number, stage or id; without one the latest."""
        if model_version_name_or_number_or_id is None:
            return self.models.version(model_name_or_id)
        name = self.models.get(model_name_or_id).name
        return self.models.version((name, model_version_name_or_number_or_id))

    def get_artifact_version(self, name_id_or_prefix: object, version: int | str | None = None) -> Artifact:
        """Give a version of an artifact; without a version the newest of that name."""
        return self.artifacts.get(name_id_or_prefix, version)

    def get_pipeline_run(self, name_id_or_prefix: object) -> Run:
        """Give a run; see `RunService.get`."""
        return self.runs.get(name_id_or_prefix)

    def list_pipeline_runs(self, **filters: Any) -> Listing[Run]:
        """List runs; see `RunService.list`."""
        return self.runs.list(**filters)

    def get_snapshot(self, name_id_or_prefix: object, pipeline: str | None = None) -> Snapshot:
        """Give a snapshot; see `SnapshotService.get`."""
        return self.snapshots.get(name_id_or_prefix, pipeline)

    def delete_snapshot(self, name_id_or_prefix: object) -> None:
        """Delete a snapshot; its runs stay."""
        self.snapshots.delete(name_id_or_prefix)

    def trigger_pipeline(self, pipeline_name_or_id: object = None, **choice: Any) -> Any:
        """Run a snapshot; see `SnapshotService.trigger`."""
        return self.snapshots.trigger(pipeline_name_or_id, **choice)

    def close(self) -> None:
        """Close the workspace for all clients of it in this process; it opens again when it is asked something."""
        self.workspace.close()
        del self.workspace
