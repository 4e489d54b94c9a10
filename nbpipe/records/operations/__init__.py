"""What can be asked of the operation log: one module a noun."""

from __future__ import annotations

from nbpipe.records.operations.base import Operation, PointedAt
from nbpipe.records.operations.deletions import DeleteArtifacts, DeletePipeline, DeleteRuns, RenameRun
from nbpipe.records.operations.deployments import (
    DeleteDeployment,
    RestartDeployment,
    StartDeployment,
    StopDeployment,
)
from nbpipe.records.operations.models import (
    DeleteModel,
    DeleteModelVersion,
    DescribeModel,
    DescribeModelVersion,
    OpenModelVersion,
    RenameModelVersion,
    SetStage,
    UndoPromotion,
)
from nbpipe.records.operations.runs import ArtifactTags, EndRun, NamedArtifact, NumberArtifacts
from nbpipe.records.operations.schedules import (
    ActivateSchedule,
    ChangeSchedule,
    ClaimFirings,
    CreateSchedule,
    DeleteSchedule,
    KeepPromise,
    Missed,
    Promise,
    Timing,
)
from nbpipe.records.operations.snapshots import ChangeSnapshot, CreateSnapshot, DeleteSnapshot
from nbpipe.records.operations.tags import AddTags, DeleteTag, RemoveTags, RenameTag
from nbpipe.records.operations.tokens import CreateToken, RevokeToken

__all__ = [
    "ActivateSchedule",
    "AddTags",
    "ArtifactTags",
    "ChangeSchedule",
    "ChangeSnapshot",
    "ClaimFirings",
    "CreateSchedule",
    "CreateSnapshot",
    "CreateToken",
    "DeleteArtifacts",
    "DeleteDeployment",
    "DeleteModel",
    "DeleteModelVersion",
    "DeletePipeline",
    "DeleteRuns",
    "DeleteSchedule",
    "DeleteSnapshot",
    "DeleteTag",
    "DescribeModel",
    "DescribeModelVersion",
    "EndRun",
    "KeepPromise",
    "Missed",
    "NamedArtifact",
    "NumberArtifacts",
    "OpenModelVersion",
    "Operation",
    "PointedAt",
    "Promise",
    "RemoveTags",
    "RenameModelVersion",
    "RenameRun",
    "RenameTag",
    "RestartDeployment",
    "RevokeToken",
    "SetStage",
    "StartDeployment",
    "StopDeployment",
    "Timing",
    "UndoPromotion",
]
