"""The model version that a run works on, as the pipeline's body and its steps meet it.

In a body it is what `get_pipeline_context().model` answers: `get_model_artifact` looks the version
up before the first step and leaves a reference in the graph; the value is loaded by the step that
takes it. What was looked up once stays: a body that asks twice, and the run that follows, work on
the same version, whoever is promoted meanwhile. In a step it is what `get_step_context().model`
answers: the run's own version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nbpipe.base.clock import now
from nbpipe.define.references import Reference
from nbpipe.define.trace import current_trace
from nbpipe.errors import ConflictError, NotFoundError
from nbpipe.execute.context import RunFacts
from nbpipe.graph.graph import ExistingArtifact
from nbpipe.records.base import plain_name
from nbpipe.records.models import ModelConfig, find_version, is_look_up, is_stage_word
from nbpipe.records.parameters import as_json
from nbpipe.records.runs import fill_template
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.settling import settle_before_latest
from nbpipe.services.versions import ModelVersion, version_in
from nbpipe.services.workspace import Workspace

if TYPE_CHECKING:
    from nbpipe.records.models import ModelStages


class BoundModel:
    """A pipeline's model while its body or one of its steps runs.

    Args:
        workspace: Where versions are looked up.
        config: The model as the pipeline declares it.
        version_id: The version that the run works on, where that is settled.
        artifact_of: Gives the artifact of a name that a version holds, where that is known without asking.
    """

    def __init__(
        self,
        workspace: Workspace,
        config: ModelConfig,
        version_id: str = "",
        artifact_of: Callable[[ModelVersion, str], Artifact] = ModelVersion.get_artifact,
    ) -> None:
        self._workspace = workspace
        self._config = config
        self._id = version_id
        self._artifact_of = artifact_of

    @property
    def name(self) -> str:
        """The model's name."""
        return self._config.name

    @property
    def version(self) -> str | int | None:
        """The version's name in a step; in a body the version as declared."""
        return self._config.version

    @property
    def id(self) -> str:
        """The version's id."""
        return self.found().id

    @property
    def number(self) -> int:
        """The version's number."""
        return self.found().number

    @property
    def stage(self) -> ModelStages:
        """The stage that the version has reached."""
        return self.found().stage

    def get_model_artifact(self, name: str) -> Any:
        """Give the newest version of an artifact that the model version holds; in a body, a reference to it.

        Raises:
            NotFoundError: No such model version, or it holds no such artifact.
        """
        artifact = self._artifact_of(self.found(), name)
        if current_trace() is None:
            return artifact
        return Reference(ExistingArtifact(id=artifact.id, name=artifact.name))

    get_artifact = get_model_artifact
    get_data_artifact = get_model_artifact

    @property
    def tags(self) -> list[str]:
        """The tags that the version bears now."""
        return self.found().tags

    @property
    def metadata(self) -> dict[str, Any]:
        """The version's metadata as plain nested data."""
        return self.found().metadata

    @property
    def run_metadata(self) -> Any:
        """The version's metadata as entries, by top-level key."""
        return self.found().run_metadata

    def set_stage(self, stage: str | ModelStages, force: bool = False, note: str = "") -> ModelVersion:
        """Move the version to a stage; in a step only, for a body is read before anything runs.

        Raises:
            ConflictError: Another version holds the stage and `force` is off, or a body asks.
        """
        if current_trace() is not None:
            raise ConflictError("A pipeline's body moves nothing; call set_stage in a step, or after the run.")
        return self.found().set_stage(stage, force=force, note=note)

    def found(self) -> ModelVersion:
        """Give the version; what is looked up is found at the first question and stays.

        Raises:
            NotFoundError: There is no such version, or it was deleted since.
        """
        if not self._id:
            settle_before_latest(self._workspace, self._config.version)
        state = self._workspace.catalog.state()
        if not self._id:
            self._id = str(find_version(state, self._config.name, self._config.version)["id"])
        row = state.versions.get(self._id)
        if row is None:
            label = f"{self.name}@{self._config.version}"
            raise NotFoundError("model version", label, hint="It was deleted meanwhile.")
        return version_in(row, self._workspace)

    @property
    def looked_up(self) -> str:
        """The id of the version that the body has looked up and its run is to work on, or `""`."""
        version = self._config.version
        return self._id if version is not None and is_look_up(str(version)) else ""

    def __repr__(self) -> str:
        return f"<model {self.name}{'' if self.version is None else f'@{self.version}'}>"


class DrawnModel:
    """Stands in for a model while a pipeline is only drawn: nothing is looked up, and nothing needs to be there.

    Args:
        config: The model as the pipeline declares it, if it declares one.
    """

    def __init__(self, config: ModelConfig | None) -> None:
        self.name = config.name if config is not None else ""
        self.version = config.version if config is not None else None
        self.metadata: dict[str, Any] = {}
        self.run_metadata: dict[str, Any] = {}

    def get_model_artifact(self, name: str) -> Reference:
        """Give a reference to whichever version of the artifact a run would find."""
        return Reference(ExistingArtifact(id=name, name=name))

    get_artifact = get_model_artifact
    get_data_artifact = get_model_artifact

    def __getattr__(self, name: str) -> Any:
        # What a body asks besides is answered by the run that comes; here it only must not fail.
        return lambda *_, **__: None


def version_text(model: ModelConfig, facts: RunFacts, substitutions: Mapping[str, str]) -> str | None:
    """Give the version that a run asks its model for, with the fields of a template filled in; `None` for a new one."""
    if model.version is None:
        return None
    text = str(model.version)
    if is_stage_word(text) or "{" not in text:
        return text
    at = now()
    values = {
        "run.id": facts.id,
        "run.name": facts.name,
        "pipeline": facts.pipeline,
        "date": at.strftime("%Y_%m_%d"),
        "time": at.strftime("%H_%M_%S_%f"),
        **{f"params.{name}": as_json(value) for name, value in facts.parameters.items()},
        **substitutions,
    }
    return plain_name("version", fill_template(text, values))
