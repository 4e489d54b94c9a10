"""Deployments: a snapshot served under a name, started, replaced, stopped and forgotten.

All that can be refused is refused before a process starts and before anything is written: a parameter
without a default, a missing package, a key that is too short, a port that is taken. A deployment that
another snapshot of its pipeline takes over keeps its address, and answers all the while.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from nbpipe.base.ids import may_be_id_prefix, new_id
from nbpipe.errors import AmbiguousNameError, BadValueError, ConflictError, NotFoundError
from nbpipe.records.base import plain_name, shorten
from nbpipe.records.deployments import DeploymentSettings, checked_key, free_ports
from nbpipe.records.operations import StartDeployment
from nbpipe.records.state import Row
from nbpipe.services.deployed_functions import keep_functions, read_functions
from nbpipe.services.deploying import LOOPBACK, Place, bring_up
from nbpipe.services.deployment_records import Deployment, deployment_in
from nbpipe.services.invoking import Answer
from nbpipe.services.listing import Listing
from nbpipe.services.serving import check_servable
from nbpipe.services.serving_process import one_at_a_time
from nbpipe.services.snapshot_finding import find_snapshot
from nbpipe.services.snapshot_running import check_runnable
from nbpipe.services.workspace import Workspace
from nbpipe.snapshot.thaw import thaw


class DeploymentService:
    """What may be asked of deployments.

    Args:
        workspace: Where they are kept.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def deploy(
        self,
        snapshot: object,
        name: str | None = None,
        *,
        port: int | None = None,
        host: str | None = None,
        api_key: str | None = None,
        replace: bool = False,
        settings: DeploymentSettings | Mapping[str, Any] | None = None,
    ) -> Deployment:
        """Serve a snapshot, and wait until it answers.

        Args:
            snapshot: The snapshot, or what names one.
            name: The deployment's name; that of the pipeline if not given. If there is one of this name and pipeline,
                the snapshot takes the place of the one that it serves, at the same address; what is not said anew
                stays as it was: the key, the settings, the host.
            port: The port; the first free one from 8000 if not given.
            host: The address to bind, 127.0.0.1 if not given; others than loopback need an `api_key`.
            api_key: Requests must have it, as a bearer token. It is kept as a digest.
            replace: Whether to take the name from another pipeline; of that, the key stays, unless another is given.
            settings: How it serves; `{}` for the defaults.

        Raises:
            NotFoundError: There is no such snapshot.
            ParameterError: A parameter has no default, or one that JSON cannot say; all of them are named.
            BadValueError: A name, port, key or setting that will not do.
            ConflictError: Another pipeline has the name, or the port cannot be had.
            EnvironmentMismatchError: A package that its steps import is not installed.
            DeploymentError: It could not be brought to answer; what it served before it serves still.
        """
        frozen = find_snapshot(self._workspace, snapshot)
        title = plain_name("deployment", frozen.pipeline if name is None else name)
        said = _as_settings(settings)
        free_ports(port)
        key = checked_key(api_key) if api_key is not None else None
        if host is not None:
            _is_loopback(host)
        content = check_runnable(frozen)
        check_servable(self._workspace, thaw(content), content.configuration)
        functions = read_functions(said)
        with one_at_a_time(self._workspace.paths):
            former = _row(self._workspace, title)
            if former is not None and former["pipeline"] != frozen.pipeline and not replace:
                raise ConflictError(
                    f"Deployment {title!r} serves pipeline {former['pipeline']!r}. "
                    "Pass replace=True (--replace), or take another name."
                )
            plain = _kept(former, frozen.pipeline)
            if key is not None:
                plain["key"] = hashlib.sha256(key.encode()).hexdigest()
            place = Place(plain.get("host", LOOPBACK) if host is None else host, port)
            if not _is_loopback(place.host) and not plain.get("key"):
                raise BadValueError(f"host={shorten(place.host)} lets other machines in, so an api_key is needed.")
            plain["host"] = place.host if place.host != LOOPBACK else ""
            if settings is not None:
                plain = {name: plain[name] for name in ("key", "host") if name in plain}
                plain |= said.model_dump(mode="json", exclude={"routes", "middleware"}, exclude_defaults=True)
                plain["functions"] = keep_functions(self._workspace, functions)
            operation = StartDeployment(
                id=new_id(),
                name=title,
                pipeline=frozen.pipeline,
                snapshot_id=frozen.id,
                url="",
                settings={name: value for name, value in plain.items() if value != ""},
                replace=replace,
            )
            row = bring_up(self._workspace, operation, former, place)
        return deployment_in(row, self._workspace, key)

    # Asking ----------------------------------------------------------------------------------

    def get(self, ref: object) -> Deployment:
        """Find a deployment.

        Args:
            ref: Its name, its id, a unique prefix of that, or a record.

        Raises:
            NotFoundError: There is none.
            AmbiguousNameError: Several ids begin so.
        """
        text = ref.id if isinstance(ref, Deployment) else ref
        if not isinstance(text, str) or not text.strip():
            raise BadValueError(f"{shorten(ref)} names no deployment; give its name.")
        rows = _rows(self._workspace)
        named = next((row for row in rows if row["name"] == text.strip()), None)
        if named is None:
            prefix = text.strip().lower()
            begun = [row for row in rows if may_be_id_prefix(prefix) and row["id"].startswith(prefix)]
            if len(begun) > 1:
                raise AmbiguousNameError("deployment", text, [row["id"] for row in begun])
            if not begun:
                raise NotFoundError("deployment", text, [row["name"] for row in rows])
            named = begun[0]
        return deployment_in(named, self._workspace, ref.api_key if isinstance(ref, Deployment) else None)

    def invoke(
        self,
        ref: object,
        parameters: Mapping[str, Any] | None = None,
        /,
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        **values: Any,
    ) -> Answer:
        """Invoke a deployment; see `Deployment.invoke`."""
        return self.get(ref).invoke(parameters, api_key=api_key, timeout_s=timeout_s, **values)

    # Changing --------------------------------------------------------------------------------

    def stop(self, ref: object) -> Deployment:
        """Stop a deployment, and wait until it has finished what it accepted; one that is stopped stays so.

        Raises:
            NotFoundError: There is none.
            DeploymentError: It does not end.
        """
        return self.get(ref).stop()

    def restart(self, ref: object, port: int | None = None) -> Deployment:
        """Start a deployment anew: another process takes over, or one that was stopped or killed comes back.

        Args:
            ref: The deployment.
            port: Where it is to answer from now on; where it did if none is given.

        Raises:
            NotFoundError: There is none, or its snapshot was deleted.
            ConflictError: The port cannot be had.
            DeploymentError: It could not be brought to answer.
        """
        return self.get(ref).restart(port)

    def delete(self, ref: object) -> None:
        """Stop a deployment and forget it: its name is free again. Its runs stay.

        Raises:
            NotFoundError: There is none.
        """
        self.get(ref).delete()

    def list(self, pipeline: str | None = None) -> Listing[Deployment]:
        """List deployments, the one that was started last first; those that were stopped too.

        Args:
            pipeline: Only those of this pipeline.
        """
        rows = [row for row in _rows(self._workspace) if pipeline in (None, row["pipeline"])]
        rows.sort(key=lambda row: row["started"], reverse=True)
        return Listing([deployment_in(row, self._workspace) for row in rows], Deployment)


def _rows(workspace: Workspace) -> list[Row]:
    return [row for row in [*workspace.catalog.state().deployments.values()] if row is not None]


def _row(workspace: Workspace, name: str) -> Row | None:
    return next((row for row in _rows(workspace) if row["name"] == name), None)


def _kept(former: Row | None, pipeline: str) -> dict[str, Any]:
    """Give what stays of a deployment that is deployed again; of another pipeline's, the key alone.

    Whoever leaves the key out must not open to everybody what was closed.
    """
    settings = dict((former or {}).get("settings") or {})
    if former is None or former["pipeline"] != pipeline:
        return {name: value for name, value in settings.items() if name == "key"}
    return settings


def _as_settings(given: DeploymentSettings | Mapping[str, Any] | None) -> DeploymentSettings:
    if isinstance(given, DeploymentSettings):
        return given
    if given is not None and not isinstance(given, Mapping):
        raise BadValueError(f"settings={shorten(given)} are no settings; give DeploymentSettings(timeout_s=30).")
    return DeploymentSettings.read(dict(given or {}))


def _is_loopback(host: object) -> bool:
    if not isinstance(host, str) or not host.strip():
        raise BadValueError(f"host={shorten(host)} is no address; leave it out for this machine alone.")
    return host in ("localhost", "::1") or host.startswith("127.")
