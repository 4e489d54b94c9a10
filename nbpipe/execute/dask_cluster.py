"""A Dask cluster, reached and looked at: what can be refused is refused before anything is written for a run.

This module knows clusters and what their workers must be like. It knows no task.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nbpipe.base.ids import new_id
from nbpipe.errors import EnvironmentMismatchError, ExecutorError
from nbpipe.execute import dask_worker
from nbpipe.execute.dask_worker import claim_of, said_of_folder, said_of_versions, versions
from nbpipe.records.base import shorten

_CONNECT_S = 5.0
_INSTALL = "Install it: pip install 'nbpipe[dask]'."


def connected(address: str) -> tuple[Any, Any]:
    """Connect to a scheduler, or start a cluster in this process.

    Args:
        address: The scheduler's address; `""` for a cluster of our own.

    Returns:
        The client, and the cluster if it is our own.

    Raises:
        EnvironmentMismatchError: The package is not installed.
        ExecutorError: It cannot be reached, or Dask is not installed.
    """
    try:
        import distributed
    except ImportError:
        missing = ("the package distributed is not installed",)
        raise EnvironmentMismatchError("The executor 'dask'", missing, _INSTALL) from None
    if not address:
        cluster = _own_cluster()
        return distributed.Client(cluster, set_as_default=False), cluster
    try:
        with warnings.catch_warnings():
            # Versions are told in our own words, and only those that matter.
            warnings.simplefilter("ignore")
            client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False, name="nbpipe")
            return client, None
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise ExecutorError(
            f"No Dask scheduler answers at {shorten(address)} ({in_a_line(error)}). "
            "Start one with `dask scheduler`, or give the address that it prints, as in 'dask:tcp://10.0.0.5:8786'."
        ) from None


def _own_cluster() -> Any:
    """Make a cluster in this process: all that a worker does there is to wait for a process of ours.

    Workers in processes of their own would run the user's main module a second time, and take seconds to start.
    """
    import dask
    from distributed import LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.worker.profile.enabled": False,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with dask.config.set(settings):
        return LocalCluster(
            n_workers=1,
            threads_per_worker=os.cpu_count() or 1,
            processes=False,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )


async def look_at(client: Any, workers: Sequence[str], workspace: Path) -> None:
    """Look whether workers are like us and see a workspace.

    Raises:
        ExecutorError: One of them is not, or does not.
    """
    found = await client.get_versions(packages=["nbpipe"])
    for address in workers:
        packages = (found["workers"].get(address) or {}).get("packages") or {}
        there = packages.get("nbpipe"), ".".join(str(packages.get("python", "?")).split(".")[:2])
        if there != versions():
            raise ExecutorError(said_of_versions(address, there, versions()))
    # Another machine may well have a folder of this name, but not with this in it.
    mark = claim_of(str(workspace), new_id())
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        told = await client.run(dask_worker.sees, str(mark), workers=workers, on_error="return")
    finally:
        mark.unlink(missing_ok=True)
    for address, answer in told.items():
        if isinstance(answer, Exception):
            raise ExecutorError(f"The Dask worker on {address} cannot perform steps ({in_a_line(answer)}).")
        host, is_seen = answer
        if not is_seen:
            raise ExecutorError(said_of_folder(host, str(workspace)))


def said_of_needs(step: str, wanted: Mapping[str, float], declared: Iterable[Mapping[str, float]], address: str) -> str:
    """Say why a step's needs cannot be met by any worker; nothing, if `""`: Dask would wait for ever."""
    workers = list(declared)
    if not wanted or any(all(have.get(name, 0) >= amount for name, amount in wanted.items()) for have in workers):
        return ""
    known = {name: max(have.get(name, 0) for have in workers) for have in workers for name in have}
    has = ", ".join(f"{name}={amount:g}" for name, amount in sorted(known.items())) or "none"
    needs = ", ".join(f"{name}={amount:g}" for name, amount in wanted.items())
    return (
        f"Step {shorten(step)} needs {needs}, which no worker of {address} has (declared there: {has}). "
        f"Start a worker with `dask worker {address} --resources '{needs}'`, or take it out of the step's resources."
    )


def in_a_line(error: BaseException) -> str:
    """Say an error of Dask's in a line."""
    said = " ".join(str(error).split())
    return shorten(said, 200) if said else type(error).__name__
