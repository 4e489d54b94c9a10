"""`nbpipe deployment`: what is served, where it answers, and how it does."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer, sentence
from nbpipe.commands.arguments import DEPLOYMENT, AsJson, OfPipeline, Settings
from nbpipe.commands.calling import current_client
from nbpipe.commands.grammar import Verb, noun, verb
from nbpipe.commands.listed import listed
from nbpipe.commands.showing_deployments import answer_bundle, deployment_bundle, printed_bundle, requests_bundle
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.config import parse_value
from nbpipe.services.deployment_records import Deployment
from nbpipe.services.invoking import parameter_schemas

commands = noun("Serve pipelines over HTTP, and call them.")

DeploymentName = Annotated[str, Argument(metavar=DEPLOYMENT, help="A deployment: its name or id.")]
_KEY_VARIABLE = "NBPIPE_API_KEY"


class InvokeVerb(Verb):
    """The command that invokes: what is no option of its own is a parameter, as in `--city=London`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, those for the pipeline as settings."""
        own: dict[str, Any] = {name: option for option in self.params for name in option.opts}
        read: list[str] = []
        waiting = list(args)
        while waiting:
            word = waiting.pop(0)
            name, equals, value = word.partition("=")
            if not name.startswith("--") or name in own or name in ("--", "--help"):
                read.append(word)
                is_valued = name in own and not own[name].is_flag
                if is_valued and not equals and waiting:
                    read.append(waiting.pop(0))
                continue
            if not equals:
                is_alone = not waiting or waiting[0].startswith("--")
                value = "true" if is_alone else waiting.pop(0)
            read += ["--set", f"{name[2:].replace('-', '_')}={value}"]
        return super().parse_args(ctx, read)


@verb(commands, "list", "nbpipe deployment list", "nbpipe deployment list --pipeline weather --json")
def list_(*, pipeline: OfPipeline = None, as_json: AsJson = False) -> Answer:
    """List deployments, the one that was started last first."""
    found = current_client().deployments.list(pipeline=pipeline)
    return listed(found, as_json=as_json, noun="deployments", asked={"pipeline": pipeline})


@verb(commands, "show", "nbpipe deployment show weather_service")
def show(deployment: DeploymentName, *, as_json: AsJson = False) -> Answer:
    """Show a deployment: where it answers, how it stands, and its last requests."""
    found = current_client().deployments.get(deployment)
    plain = {**found.as_row(), "restarts": found.restarts, "error": found.error, "requests": found.requests()}
    return Answer(deployment_bundle(found), found, plain, widget="DeploymentCard", as_json=as_json)


@verb(
    commands,
    "invoke",
    "nbpipe deployment invoke weather_service --city=London --temperature=20",
    "nbpipe deployment invoke weather_service --set city=London --json",
    cls=InvokeVerb,
)
def invoke(
    deployment: DeploymentName,
    *,
    settings: Settings = None,
    timeout_s: Annotated[float, Option("--timeout", metavar="SECONDS", help="How long to wait for the answer.")] = 120,
    key_from: Annotated[
        str, Option("--key-from", metavar="VARIABLE", help="The environment variable that holds its api key.")
    ] = _KEY_VARIABLE,
    as_json: AsJson = False,
) -> Answer:
    """Invoke a deployment: --NAME=VALUE for each parameter; the others have their defaults."""
    found = current_client().deployments.get(deployment)
    key = os.environ.get(key_from)
    answer = found.invoke(_values(found, settings or (), key), api_key=key, timeout_s=timeout_s)
    return Answer(answer_bundle(answer), answer, asdict(answer), as_json=as_json)


def _values(deployment: Deployment, settings: Sequence[str], key: str | None) -> dict[str, Any]:
    """Read values as the deployment's own schema says: what takes text is given as it was typed."""
    if not settings:
        return {}
    schemas = parameter_schemas(deployment.name, deployment.url, key)
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.strip():
            raise BadValueError(f"{shorten(setting)} sets nothing; write it as in --city=London or --set city=London.")
        found[name.strip()] = _read(text, schemas.get(name.strip(), {}))
    return found


def _read(text: str, schema: dict[str, Any]) -> Any:
    kinds = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))}
    value = parse_value(text)
    if "string" not in kinds:
        return value
    # A number that is meant as text; but what may be nothing is nothing where that is said.
    return None if value is None and "null" in kinds else text


@verb(commands, "logs", "nbpipe deployment logs weather_service", "nbpipe deployment logs weather_service --requests")
def logs(
    deployment: DeploymentName,
    *,
    requests: Annotated[bool, Option("--requests", help="Show its requests instead of what it printed.")] = False,
    limit: Annotated[int, Option("--limit", metavar="N", help="How many lines at most.", min=1)] = 100,
    as_json: AsJson = False,
) -> Answer:
    """Show the last that the processes of a deployment printed, or its last requests."""
    found = current_client().deployments.get(deployment)
    if requests:
        told = found.requests(limit)
        return Answer(requests_bundle(told), told, told, as_json=as_json)
    lines = found.logs(limit)
    return Answer(printed_bundle(lines), lines, lines, as_json=as_json)


@verb(commands, "stop", "nbpipe deployment stop weather_service")
def stop(deployment: DeploymentName, *, as_json: AsJson = False) -> Answer:
    """Stop a deployment; what it has accepted is finished first, and its name and address stay its own."""
    stopped = current_client().deployments.stop(deployment)
    said = (
        f"Deployment {stopped.name} is stopped; nbpipe deployment restart {json.dumps(stopped.name)} starts it again."
    )
    return sentence(said, stopped, stopped.as_row(), as_json=as_json)


@verb(
    commands,
    "restart",
    "nbpipe deployment restart weather_service",
    "nbpipe deployment restart weather_service --port 9000",
)
def restart(
    deployment: DeploymentName,
    *,
    port: Annotated[
        int | None, Option("--port", metavar="N", help="Another port, from now on; the one it has if none is given.")
    ] = None,
    as_json: AsJson = False,
) -> Answer:
    """Start a deployment anew: by another process, or after it was stopped or killed."""
    started = current_client().deployments.restart(deployment, port)
    return sentence(f"Deployment {started.name} answers at {started.url}.", started, started.as_row(), as_json=as_json)


@verb(commands, "delete", "nbpipe deployment delete weather_service")
def delete(deployment: DeploymentName, *, as_json: AsJson = False) -> Answer:
    """Stop a deployment and forget it; its runs stay."""
    deployments = current_client().deployments
    found = deployments.get(deployment)
    deployments.delete(found)
    return sentence(f"Deployment {found.name} is deleted; its runs stay.", None, {"deleted": found.id}, as_json=as_json)
