"""Triggering: a snapshot run from wherever this is called, a step, a cell or a script.

A run that is not waited for goes on though the one that asked for it ends; one that is waited for
ends with it, and its failure is passed on. A step that is reused triggers nothing again: the run
that it asked for when it ran is shown as what it gave, like its outputs. Whoever wants a run each
time says `@step(cache=False)`.

Which snapshot is meant is decided here; how it is run is `snapshot_running`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from nbpipe.errors import BadValueError, CatalogError, EnvironmentMismatchError, NbpipeError, NotFoundError
from nbpipe.records.base import shorten
from nbpipe.records.refs import Kind
from nbpipe.services.apart import RunApart
from nbpipe.services.pointing import as_ref
from nbpipe.services.snapshot_running import check_runnable, run_apart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbpipe.services.runs import Run
    from nbpipe.services.snapshot_records import Snapshot


class Snapshots(Protocol):
    """What is asked of the snapshots of a workspace."""

    def get(self, ref: object) -> Snapshot:
        """Find one."""

    def list(self, *, pipeline: str | None, named: bool) -> Iterable[Snapshot]:
        """List those of a pipeline, newest first."""

    def latest(self, pipeline: str) -> Snapshot:
        """Give the newest named one of a pipeline."""


def chosen(snapshots: Snapshots, named: Mapping[str, object]) -> Snapshot:
    """Give the snapshot that is meant.

    Args:
        snapshots: Those that there are.
        named: What was named, by argument; all but one are `None`.

    Raises:
        BadValueError: Nothing was named, or more than one thing.
        NotFoundError: There is no such snapshot, or the pipeline has none with a name.
    """
    given = {argument: ref for argument, ref in named.items() if ref is not None}
    if len(given) != 1:
        said = f" {' and '.join(given)} were given." if given else ""
        raise BadValueError(f"Name either a pipeline or a snapshot: snapshot_name_or_id='nightly'.{said}")
    ((argument, ref),) = given.items()
    if isinstance(ref, str) and not ref.strip():
        raise BadValueError(f"{argument}={shorten(ref)} names nothing.")
    return (
        _newest(snapshots, as_ref(ref, Kind.PIPELINE).name) if argument.startswith("pipeline") else snapshots.get(ref)
    )


def _newest(snapshots: Snapshots, pipeline: str) -> Snapshot:
    """Give a pipeline's newest named snapshot that can be run here; those that cannot are told."""
    newest = snapshots.latest(pipeline)
    why_not: NbpipeError | None = None
    for snapshot in snapshots.list(pipeline=newest.pipeline, named=True):
        try:
            check_runnable(snapshot)
        except (EnvironmentMismatchError, CatalogError) as error:
            why_not = why_not or error
            continue
        if why_not is not None:
            print(f"note: {pipeline} runs its snapshot {snapshot.name!r}, an older one: {why_not}", file=sys.stderr)
        return snapshot
    raise why_not or NotFoundError("pipeline with a named snapshot", pipeline)


def trigger(
    snapshot: Snapshot, configuration: Any = None, *, synchronous: bool = False, isolated: bool = False
) -> Run | RunApart:
    """Run a snapshot in a process of its own.

    Args:
        snapshot: The snapshot.
        configuration: How the run is to differ.
        synchronous: Wait for its end, and pass its failure on.
        isolated: Run it in the environment that it was made in, which is rebuilt.

    Returns:
        The run, if it is waited for; else one on its way, with `.id`, `.status`, `.wait()` and `.stop()`.

    Raises:
        ConflictError: Pipelines trigger one another too deeply, or in a ring.
        StepFailedError: It is waited for, and a step failed in it.
        RunInterruptedError: It is waited for, and was stopped.
    """
    started = run_apart(snapshot, configuration, is_bound=synchronous, isolated=isolated)
    if not synchronous:
        return started
    run: Run = started.wait()
    return run
