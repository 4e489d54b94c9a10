"""A workspace as runs meet it that reuse nothing, or are not even recorded: all there is can be read.

For a deployment that records a sample of its invocations only. The values that the steps of such a
run hand on go through the store like any other; those that are large leave files there that no
record names, and `nbpipe catalog gc` removes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbpipe.catalog.catalog import Catalog
from nbpipe.catalog.processlog import Fact
from nbpipe.errors import BadValueError
from nbpipe.execute.calls import Executions
from nbpipe.records.executions import Facts, RecordedExecution
from nbpipe.records.models import ModelConfig, is_look_up
from nbpipe.records.operations import OpenModelVersion, Operation
from nbpipe.services.workspace import Workspace


def check_unrecordable(config: ModelConfig | None) -> None:
    """Check that runs of a pipeline can do without being recorded.

    Raises:
        BadValueError: Each of them makes a model version.
    """
    if config is not None and (config.version is None or not is_look_up(str(config.version))):
        raise BadValueError(
            f"Every run of this pipeline makes a version of model {config.name!r}, so all must be recorded: "
            "leave recorded=1, or bind the pipeline to a version or a stage."
        )


class _Silent(Catalog):
    """A catalog that is read, and that writes nothing."""

    def append(self, kind: str, *, id: str, run: str = "", body: Mapping[str, Any]) -> None:
        """Write nothing."""

    def append_lines(self, facts: Sequence[Fact]) -> None:
        """Write nothing."""

    def transact(self, operation: Operation, *, durable: bool = False) -> dict[str, Any]:  # noqa: ARG002
        """Answer what a run asks: the model version that it works on, which is there already."""
        if isinstance(operation, OpenModelVersion):
            row = self.state().versions[operation.version_id]
            assert row is not None, "it was looked up a moment ago"
            return dict(row)
        return {"numbers": {}}


class _NoExecutions(Executions):
    """Earlier executions for a run that reuses none and leaves none.

    Args:
        index: Where it is known which sources are written down; `None` where nothing is written down.
    """

    def __init__(self, index: Executions | None = None) -> None:
        self._index = index

    def catch_up(self) -> None:
        """Nothing is asked later."""

    def expect(self, pipeline: str) -> None:
        """Nothing is asked later."""

    def find(self, key: str, half: str = "") -> None:
        """Find none."""

    def may_know(self, half: str) -> bool:  # noqa: ARG002
        """Know none."""
        return False

    def last(self, pipeline: str, node: str) -> None:
        """Find none."""

    def last_facts(self, pipeline: str, node: str) -> None:
        """Find none."""

    def is_newest(self, record: RecordedExecution) -> bool:  # noqa: ARG002
        """Know none."""
        return False

    def memory_of(self, pipeline: str) -> dict[str, Any]:  # noqa: ARG002
        """Keep nothing from one run to the next."""
        return {}

    def knows_source(self, digest: str) -> bool:
        """Tell whether it is written down already; where nothing is written down, let nobody begin."""
        return self._index is None or self._index.knows_source(digest)

    def source(self, digest: str) -> Mapping[str, Any]:  # noqa: ARG002
        """Know none."""
        return {}

    def remember_source(self, digest: str, body: Mapping[str, Any]) -> None:
        """Let it be known that it is written down."""
        if self._index is not None:
            self._index.remember_source(digest, body)

    def forget(self, key: str) -> None:
        """There is nothing to forget."""

    def remember(
        self,
        pipeline: str,
        step_run_id: str,
        body: Mapping[str, Any],
        written: bytes = b"",
        facts: Facts | None = None,
    ) -> None:
        """Remember nothing."""


class UnrecordedWorkspace(Workspace):
    """A workspace in which runs leave no trace.

    Args:
        recorded: The workspace that is read; whoever opened it closes it.
    """

    def __init__(self, recorded: Workspace) -> None:
        self.paths = recorded.paths
        self.store = recorded.store
        self.catalog = _Silent(recorded.paths)
        self.executions = _NoExecutions()  # type: ignore[assignment]

    def publish_soon(self) -> None:
        """Publish nothing: nothing is new."""

    def close(self) -> None:
        """Let go of what was opened to be read."""
        self.catalog.close()


class WithoutReuse(Workspace):
    """A workspace in which runs are recorded and reuse nothing: nobody asks what was executed before.

    Args:
        workspace: The workspace; whoever opened it closes it.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.paths = workspace.paths
        self.store = workspace.store
        self.catalog = workspace.catalog
        self.executions = _NoExecutions(workspace.executions)  # type: ignore[assignment]
        self.publish_soon = workspace.publish_soon  # type: ignore[method-assign]

    def close(self) -> None:
        """Let go of nothing that is another's."""
