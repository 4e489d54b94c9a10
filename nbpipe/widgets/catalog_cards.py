"""What is shown of one thing that was opened in the browser: its card, and what is next to it.

A run leads to what it made, an artifact to what it was made from and what it went into, a model
to its versions, a tag to what bears it: each as a link that opens the next card. A deployment can
be tried, stopped and started where it is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nbpipe.base.ids import is_uuid_like
from nbpipe.commands.showing import (
    artifact_bundle,
    model_bundle,
    recorded_bundle,
    run_bundle,
    snapshot_bundle,
    version_bundle,
)
from nbpipe.commands.showing_deployments import deployment_bundle
from nbpipe.commands.showing_schedules import schedule_bundle
from nbpipe.commands.showing_steps import artifact_label
from nbpipe.errors import NotFoundError
from nbpipe.records.refs import EntityRef, Kind
from nbpipe.services.artifact_records import Artifact
from nbpipe.services.browsing_nouns import NOUNS
from nbpipe.services.tags import TagHolder
from nbpipe.services.versions import ModelVersion
from nbpipe.views.frames import Bundle, Card, written
from nbpipe.widgets.deployment_card import DeploymentCard
from nbpipe.widgets.deployment_seen import snapshot_label
from nbpipe.widgets.showing import Shown

if TYPE_CHECKING:
    from nbpipe.services.client import Client

_MOST_LINKS = 24
# One more than are listed tells that there are more.
_ENOUGH = _MOST_LINKS + 1
_NOUN_OF = {noun.kind: noun.name for noun in NOUNS.values() if noun.kind is not None}


@dataclass(frozen=True, slots=True)
class Link:
    """A way to another thing.

    Attributes:
        group: How it stands to what is shown, such as `made from`.
        label: Its name.
        noun: What it is.
        id: What the services know it by.
    """

    group: str
    label: str
    noun: str
    id: str


@dataclass(frozen=True, slots=True)
class OpenedCard:
    """A card and the ways on from it.

    Attributes:
        noun: What is opened.
        id: What the services know it by.
        bundle: Its card.
        links: The ways on.
        left_out: Says so where there are more of them.
        live: What can be pressed, shown in place of the card.
    """

    noun: str
    id: str
    bundle: Bundle
    links: Sequence[Link] = field(default=())
    left_out: str = ""
    live: Shown | None = None


def card_of(client: Client, noun: str, identity: str) -> OpenedCard:
    """Gather what is shown of one thing.

    Raises:
        NotFoundError: It is not there any more.
    """
    match noun:
        case "runs":
            return _run(client, identity)
        case "artifacts":
            return _artifact(client, identity)
        case "models":
            model = client.models.get(EntityRef(Kind.MODEL, identity))
            links = [
                Link("versions", f"{version.model}@{version.number}", "model_versions", version.id)
                for version in model.versions
            ]
            return _opened(noun, identity, model_bundle(model, client.models.history(model)), links)
        case "model_versions":
            return _version(client, identity)
        case "snapshots":
            snapshot = client.snapshots.get(EntityRef(Kind.SNAPSHOT, identity))
            runs = client.runs.list(snapshot=snapshot.id, limit=_ENOUGH)
            return _opened(
                noun, identity, snapshot_bundle(snapshot), [_to_run("runs", run.name, run.id) for run in runs]
            )
        case "pipelines":
            return _pipeline(client, identity)
        case "tags":
            return _tag(client, identity)
        case "deployments":
            return _deployment(client, identity)
        case "schedules":
            return _schedule(client, identity)
    raise NotFoundError(noun, identity)


def _run(client: Client, run_id: str) -> OpenedCard:
    run = client.runs.get(EntityRef(Kind.RUN, run_id))
    links = [
        _to_artifact(f"made by {step.node}", artifact)
        for step in run.steps.values()
        for artifact in step.outputs.values()
    ]
    version = run.model_version
    if version is not None:
        links.insert(0, _to_version("model", version))
    return _opened("runs", run_id, run_bundle(run), links)


def _artifact(client: Client, artifact_id: str) -> OpenedCard:
    artifact = client.artifacts.get(EntityRef(Kind.ARTIFACT_VERSION, artifact_id))
    known = artifact.lineage()
    links = [_to_run("made in", f"run {artifact.run_id[:8]}", artifact.run_id)] if artifact.run_id else []
    if known.made_by is not None:
        links += _near(client, "made from", known.made_by.inputs.values())
    for use in known.used_by[:_ENOUGH]:
        links += _near(client, "went into", use.outputs.values())
    links += [_to_run("read in", f"run {use.run_id[:8]}", use.run_id) for use in known.used_by]
    return _opened("artifacts", artifact_id, artifact_bundle(artifact), list(dict.fromkeys(links)))


def _version(client: Client, version_id: str) -> OpenedCard:
    version = client.models.version(EntityRef(Kind.MODEL_VERSION, version_id))
    links = [Link("model", version.model, "models", version.model)]
    links += [_to_artifact("artifacts", artifact) for artifact in version.artifacts.values()]
    links += [_to_run("made in", f"run {version.run_id[:8]}", version.run_id)] if version.run_id else []
    return _opened("model_versions", version_id, version_bundle(version), links)


def _pipeline(client: Client, name: str) -> OpenedCard:
    record = client.pipelines.get(EntityRef(Kind.PIPELINE, name))
    runs = client.runs.list(pipeline=record.name, limit=_ENOUGH)
    links = [_to_run("runs", run.name, run.id) for run in runs]
    return _opened("pipelines", name, recorded_bundle(record), links)


def _tag(client: Client, name: str) -> OpenedCard:
    tag = client.tags.get(name)
    held = [holder for holder in client.tags.holders(tag.name) if holder.kind in _NOUN_OF]
    links = [_to_holder(holder) for holder in held[:_ENOUGH]]
    flags = [("exclusive", tag.exclusive), ("cascade", tag.cascade)]
    facts = [("on", f"{tag.count:,}"), *flags, ("first used", tag.created)]
    return _opened("tags", name, written(Card("tag", tag.name, facts=facts)), links)


def _deployment(client: Client, deployment_id: str) -> OpenedCard:
    deployment = client.deployments.get(deployment_id)
    runs = client.runs.list(snapshot=deployment.snapshot_id, limit=_ENOUGH)
    links = [Link("serves", snapshot_label(deployment), "snapshots", deployment.snapshot_id)]
    links += [_to_run("runs of its snapshot", run.name, run.id) for run in runs]
    opened = _opened("deployments", deployment_id, deployment_bundle(deployment), links)
    return replace(opened, live=DeploymentCard(deployment))


def _schedule(client: Client, schedule_id: str) -> OpenedCard:
    schedule = client.schedules.get(schedule_id)
    links = [Link("runs", schedule.snapshot_label, "snapshots", schedule.snapshot_id)]
    fired = [one for one in client.schedules.fires(schedule, limit=_ENOUGH) if one.run_id]
    links += [_to_run("fired", one.run_id[:8], one.run_id) for one in fired]
    return _opened("schedules", schedule_id, schedule_bundle(schedule), links)


def _near(client: Client, group: str, ids: Iterable[str]) -> list[Link]:
    found = []
    for one in list(ids)[:_ENOUGH]:
        try:
            found.append(_to_artifact(group, client.artifacts.get(EntityRef(Kind.ARTIFACT_VERSION, one))))
        except NotFoundError:
            # It was deleted; what was made from it stays.
            found.append(Link(f"{group}, deleted", one[:8], "artifacts", one))
    return found


def _to_artifact(group: str, artifact: Artifact) -> Link:
    return Link(group, artifact_label(artifact), "artifacts", artifact.id)


def _to_run(group: str, label: str, run_id: str) -> Link:
    return Link(group, label or run_id[:8], "runs", run_id)


def _to_version(group: str, version: ModelVersion) -> Link:
    return Link(group, f"{version.model}@{version.number}", "model_versions", version.id)


def _to_holder(holder: TagHolder) -> Link:
    noun = _NOUN_OF[holder.kind]
    label = holder.id[:8] if is_uuid_like(holder.id) else holder.id
    return Link(noun.replace("_", " "), label, noun, holder.id)


def _opened(noun: str, identity: str, bundle: Bundle, links: Sequence[Link]) -> OpenedCard:
    left_out = f"The first {_MOST_LINKS} are listed; there are more." if len(links) > _MOST_LINKS else ""
    return OpenedCard(noun, identity, bundle, tuple(links[:_MOST_LINKS]), left_out)
