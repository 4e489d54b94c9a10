"""`nbpipe artifact`: versions of artifacts, what they hold, and where they come from."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import ARTIFACT, RUN, ArtifactName, AsJson, Limit, WithTags
from nbpipe.commands.calling import current_client
from nbpipe.commands.deleting import DryRun, Force, deleted
from nbpipe.commands.grammar import noun, verb
from nbpipe.commands.listed import listed
from nbpipe.commands.plain import artifact_plain
from nbpipe.commands.showing import artifact_bundle, artifact_label, lineage_bundle
from nbpipe.services.artifacts import ArtifactService
from nbpipe.services.lineage import Use

commands = noun("List, show and delete artifacts, and see where they come from.")


@verb(commands, "list", "nbpipe artifact list --name raw_data", "nbpipe artifact list --run 1f3a9c --json")
def list_(
    *,
    name: Annotated[str | None, Option("--name", metavar=ARTIFACT, help="Only versions of this artifact.")] = None,
    run: Annotated[str | None, Option("--run", metavar=RUN, help="Only what this run made or reused.")] = None,
    kind: Annotated[
        str | None, Option("--type", metavar="TYPE", help="Only those of this type, such as DataFrame.")
    ] = None,
    tags: WithTags = None,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> Answer:
    """List versions of artifacts, newest first."""
    client = current_client()
    found = client.artifacts.list(name=name, run=run, type=kind, tags=tags, limit=limit)
    of_run = client.runs.get(run).id if run is not None else None
    asked = {"noun": "artifacts", "name": name, "run": of_run, "type": kind, "tags": tags}
    return listed(found, as_json=as_json, asked=asked)


@verb(commands, "show", "nbpipe artifact show raw_data", "nbpipe artifact show raw_data@7 --json")
def show(artifact: ArtifactName, as_json: AsJson = False) -> Answer:
    """Show a version of an artifact, with a preview of what it holds."""
    found = current_client().artifacts.get(artifact)
    return Answer(artifact_bundle(found), found, artifact_plain(found), as_json=as_json)


@verb(commands, "lineage", "nbpipe artifact lineage raw_data@7")
def lineage(artifact: ArtifactName, as_json: AsJson = False) -> Answer:
    """Show what a version was made from and what it went into."""
    artifacts = current_client().artifacts
    found = artifacts.get(artifact)
    known = found.lineage()
    uses = [("made by", known.made_by), *(("read by", use) for use in known.used_by)]
    rows = [
        (said, use.node, use.run_id[:8], _named(artifacts, use.inputs), _named(artifacts, use.outputs))
        for said, use in uses
        if use is not None
    ]
    facts = {
        "artifact": found.as_row(),
        "made_by": _use_plain(artifacts, known.made_by) if known.made_by is not None else None,
        "used_by": [_use_plain(artifacts, use) for use in known.used_by],
    }
    return Answer(lineage_bundle(found, rows), found, facts, as_json=as_json)


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
    return deleted(service, artifacts, "artifact", artifacts, force=force, dry_run=dry_run, as_json=as_json)


def _named(artifacts: ArtifactService, ids: Any) -> str:
    return ", ".join(artifact_label(artifacts.get(artifact_id)) for artifact_id in ids.values())


def _use_plain(artifacts: ArtifactService, use: Use) -> dict[str, Any]:
    sides = {"inputs": use.inputs, "outputs": use.outputs}
    named = {
        side: {name: {"id": one, "artifact": artifact_label(artifacts.get(one))} for name, one in ids.items()}
        for side, ids in sides.items()
    }
    return {"run_id": use.run_id, "step": use.node, **named}
