"""Artifacts and models one by one, and the promotion of model versions."""

from __future__ import annotations

from fastapi import APIRouter, Request

from nbpipe.records.tokens import TokenScope
from nbpipe.server.house import House, needs
from nbpipe.server.shapes import (
    ArtifactBody,
    ModelBody,
    MovedVersion,
    VersionBody,
    WantedStage,
    artifact_body,
    version_body,
)


def add_models(router: APIRouter, house: House) -> None:
    """Put them among the routes."""

    @router.get("/artifacts/{artifact:path}", tags=["artifacts"], **needs(TokenScope.READ))
    def show_artifact(artifact: str) -> ArtifactBody:
        """Show an artifact version by its id, or the newest of a name, or `name@version`; its value is not loaded."""
        return artifact_body(house.client.artifacts.get(artifact), whole=True)

    @router.get("/models/{model:path}/versions/{version}", tags=["models"], **needs(TokenScope.READ))
    def show_version(model: str, version: str) -> VersionBody:
        """Show a version of a model by its number, its name, its stage or `latest`."""
        return version_body(house.client.models.version((model, version)))

    @router.put("/models/{model:path}/versions/{version}/stage", tags=["models"], **needs(TokenScope.ADMIN))
    def promote_version(model: str, version: str, wanted: WantedStage, request: Request) -> MovedVersion:
        """Move a model version to a stage."""
        return moved(house, model, version, wanted, request.state.admission.who)

    # The last of them: a name may hold a slash.
    @router.get("/models/{model:path}", tags=["models"], **needs(TokenScope.READ))
    def show_model(model: str) -> ModelBody:
        """Show a model with its versions, the newest first."""
        found = house.client.models.get(model)
        return ModelBody(
            id=found.name,
            name=found.name,
            description=found.description,
            created=found.created,
            tags=found.tags,
            versions=[version_body(version) for version in found.versions],
        )


def moved(house: House, model: str, version: str, wanted: WantedStage, who: str) -> MovedVersion:
    """Move a model version to a stage; the history tells with which token.

    Raises:
        NotFoundError: There is no such model or version.
        ConflictError: Another version holds the stage, and it was not to be taken by force.
    """
    note = f"{wanted.note} (token {who})".strip()
    promotion = house.client.models.move((model, version), wanted.stage, force=wanted.force, note=note)
    return MovedVersion(
        version=version_body(promotion.version),
        from_stage=promotion.from_stage.value,
        archived=promotion.archived.label if promotion.archived is not None else None,
        said=promotion.said,
    )
