"""`nbpipe artifact`: versions of artifacts, what they hold, and where they come from."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import (
    ARTIFACT,
    RUN,
    ArtifactName,
    AsJson,
    Limit,
    NameContains,
    NamePrefix,
    OfModelVersion,
    OrderBy,
    Since,
    TagContains,
    TagPrefix,
    Until,
    Where,
    WithAnyTag,
    WithMetadata,
    WithTags,
    metadata_said,
)
from nbpipe.commands.calling import current_client
from nbpipe.commands.deleting import DryRun, Force, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed
from nbpipe.commands.plain import artifact_plain
from nbpipe.commands.showing import artifact_bundle
from nbpipe.commands.showing_steps import artifact_label
from nbpipe.commands.tracing import lineage_bundle, lineage_plain

commands = noun("List, show and delete artifacts, and see where they come from.")


@verb(
    commands,
    "list",
    "nbpipe artifact list --name raw_data --since 2d",
    "nbpipe artifact list --run 1f3a9c --json",
    'nbpipe artifact list --tag-prefix exp- --where "rows > 100" --order-by "-size_bytes"',
)
def list_(
    *,
    name: Annotated[str | None, Option("--name", metavar=ARTIFACT, help="Only versions of this artifact.")] = None,
    name_prefix: NamePrefix = "",
    name_contains: NameContains = "",
    run: Annotated[str | None, Option("--run", metavar=RUN, help="Only what this run made or reused.")] = None,
    kind: Annotated[
        str | None, Option("--type", metavar="TYPE", help="Only those of this type, such as DataFrame.")
    ] = None,
    model_version: OfModelVersion = None,
    tags: WithTags = None,
    any_tags: WithAnyTag = None,
    tag_prefix: TagPrefix = "",
    tag_contains: TagContains = "",
    where: Where = None,
    metadata: WithMetadata = None,
    since: Since = None,
    until: Until = None,
    order_by: OrderBy = None,
    before: Annotated[
        str | None, Option("--before", metavar=ARTIFACT, help="Only those older than this version.")
    ] = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> Answer:
    """List versions of artifacts, newest first."""
    client = current_client()
    asked: dict[str, Any] = {
        "name": name,
        "name_prefix": name_prefix,
        "name_contains": name_contains,
        "run": client.runs.get(run).id if run is not None else None,
        "type": kind,
        "model_version": model_version,
        "tags": tags,
        "any_tags": any_tags,
        "tag_prefix": tag_prefix,
        "tag_contains": tag_contains,
        "where": where,
        "metadata": metadata_said(metadata),
        "since": since,
        "until": until,
        "order_by": order_by,
        "before": before,
    }
    found = client.artifacts.list(**asked, limit=limit)
    return listed(found, as_json=as_json, noun="artifacts", asked=asked)


@verb(commands, "show", "nbpipe artifact show raw_data", "nbpipe artifact show raw_data@7 --json")
def show(artifact: ArtifactName, as_json: AsJson = False) -> Answer:
    """Show a version of an artifact, with a preview of what it holds."""
    found = current_client().artifacts.get(artifact)
    return Answer(artifact_bundle(found), found, artifact_plain(found), as_json=as_json)


@verb(
    commands,
    "lineage",
    "nbpipe artifact lineage raw_data@7",
    "nbpipe artifact lineage raw_data@7 --up 3 --down all --json",
)
def lineage(
    artifact: ArtifactName,
    *,
    up: Annotated[str, Option("--up", metavar="N", help="How many steps back, or all.")] = "1",
    down: Annotated[str, Option("--down", metavar="N", help="How many steps on, or all.")] = "1",
    as_json: AsJson = False,
) -> Answer:
    """Show what a version was made from and what it went into."""
    found = current_client().artifacts.lineage(artifact, up=up, down=down)
    return Answer(lineage_bundle(found), found, lineage_plain(found), as_json=as_json)


@verb(commands, "delete", "nbpipe artifact delete raw_data@7", "nbpipe artifact delete raw_data@7 --dry-run")
def delete(
    artifacts: Annotated[list[str], Argument(metavar=ARTIFACT, help="Versions: name@number, or ids.")],
    *,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> Answer:
    """Delete versions; their bytes go with the next `catalog gc`."""
    service = current_client().artifacts
    dependents = service.dependents(artifacts)
    found = [service.get(artifact) for artifact in artifacts]
    return deleted(
        "artifact",
        {artifact.id: artifact_label(artifact) for artifact in found},
        dependents,
        lambda: service.delete(found, force=force),
        dry_run=dry_run,
        as_json=as_json,
    )
