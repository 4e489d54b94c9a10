"""`nbpipe deploy`: a pipeline from a file or a notebook, or a snapshot, served over HTTP."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from nbpipe.commands.answers import Answer
from nbpipe.commands.arguments import SOURCE_OR_SNAPSHOT, AsJson, Configuration, Settings
from nbpipe.commands.calling import current_call, current_client
from nbpipe.commands.grammar import verb, verbs
from nbpipe.commands.reaching import reached
from nbpipe.commands.running import configuration_of, look_up
from nbpipe.commands.showing_deployments import deployment_bundle
from nbpipe.errors import BadValueError
from nbpipe.records.base import shorten
from nbpipe.records.config import merge_configurations
from nbpipe.records.settings_file import read_settings_file
from nbpipe.services.snapshot_records import Snapshot

commands = verbs()


@verb(
    commands,
    "deploy",
    "nbpipe deploy flow.py:weather --name weather_service",
    "nbpipe deploy notebook.ipynb --name predictor --port 9000 --set city=Oslo",
    "nbpipe deploy nightly --name predictor --new-key --settings serving.yaml",
)
def deploy(
    what: Annotated[
        str | None,
        Argument(
            metavar=SOURCE_OR_SNAPSHOT,
            help="file.py:attr, module:attr, notebook.ipynb, a pipeline of this notebook, or a snapshot's name.",
        ),
    ] = None,
    *,
    name: Annotated[
        str | None, Option("--name", metavar="NAME", help="The deployment's name; the pipeline's if none is given.")
    ] = None,
    port: Annotated[
        int | None, Option("--port", metavar="N", help="The port; the first free one from 8000 if none is given.")
    ] = None,
    host: Annotated[
        str | None, Option("--host", metavar="ADDRESS", help="The address to bind; others than loopback need a key.")
    ] = None,
    settings: Settings = None,
    config: Configuration = None,
    serving: Annotated[
        Path | None,
        Option("--settings", metavar="FILE", help="How it serves: a YAML or JSON file with timeout_s, max_waiting, …."),
    ] = None,
    new_key: Annotated[
        bool, Option("--new-key", help="Let only those call it who have a key; it is made and shown once.")
    ] = False,
    key_from: Annotated[
        str | None, Option("--key-from", metavar="VARIABLE", help="Take the key from this environment variable.")
    ] = None,
    replace: Annotated[bool, Option("--replace", help="Take the name from another pipeline.")] = False,
    as_json: AsJson = False,
) -> Answer:
    """Serve a pipeline over HTTP in a process of its own, and say where it answers."""
    key = _key(key_from, is_new=new_key)
    given = configuration_of(settings, config)
    serves = read_settings_file(serving) if serving is not None else None
    found, client = look_up(what), current_client()
    changed: dict[str, Any] = {"port": port, "host": host, "api_key": key, "replace": replace, "settings": serves}
    if isinstance(found, Snapshot):
        if given != configuration_of(None, None):
            raise BadValueError(
                f"Snapshot {found.label!r} serves its own values; make one with others: "
                "nbpipe snapshot create SOURCE --name NAME --set NAME=VALUE."
            )
        made = client.deployments.deploy(found, name, **changed)
    else:
        request = found.request({})
        frozen = client.snapshots.create(
            request.definition, configuration=merge_configurations(request.configuration, reached(given, request))
        )
        try:
            made = client.deployments.deploy(frozen, name or found.name, **changed)
        except BaseException:
            # Nobody would ever use it.
            client.snapshots.delete(frozen)
            raise
    if new_key:
        current_call().say(f"Its api key, shown this once: {key}")
    return Answer(deployment_bundle(made), made, made.as_row(), widget="DeploymentCard", as_json=as_json)


def _key(variable: str | None, *, is_new: bool) -> str | None:
    if is_new and variable is not None:
        raise BadValueError("Give either --new-key or --key-from, not both.")
    if is_new:
        return secrets.token_urlsafe(32)
    if variable is None:
        return None
    if variable not in os.environ:
        raise BadValueError(f"--key-from {shorten(variable)}: there is no such environment variable.")
    return os.environ[variable]
