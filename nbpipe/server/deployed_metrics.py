"""The metrics of a deployment, in the form that Prometheus reads: counts, latencies, and how much waits."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from nbpipe.server.invoker import Invoker
from nbpipe.services.serving import Served

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class _Now:
    """What is counted when somebody asks."""

    def __init__(self, invoker: Invoker, served: Served) -> None:
        self._invoker = invoker
        self._served = served

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give what waits."""
        yield GaugeMetricFamily(
            "nbpipe_invocations_waiting", "Invocations that wait for their turn", value=self._invoker.waiting
        )
        yield GaugeMetricFamily(
            "nbpipe_runs_to_record", "Runs that were answered and whose end is to be recorded", self._served.backlog
        )


class Metrics:
    """What is counted.

    Args:
        name: The deployment.
        invoker: Knows what waits.
        served: Knows what is to be recorded.
    """

    def __init__(self, name: str, invoker: Invoker, served: Served) -> None:
        self._registry = CollectorRegistry()
        labels = {"deployment": name, "pipeline": served.pipeline}
        count = Counter(
            "nbpipe_invocations", "Invocations by how they ended", [*labels, "status"], registry=self._registry
        )
        took = Histogram(
            "nbpipe_invocation_seconds",
            "How long the steps of an invocation took",
            list(labels),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._by_status = {
            status: count.labels(*labels.values(), status)
            for status in ("completed", "failed", "interrupted", "timeout", "refused")
        }
        self._took = took.labels(*labels.values())
        self._registry.register(_Now(invoker, served))
        ProcessCollector(registry=self._registry)

    def count(self, status: str, took_s: float | None) -> None:
        """Count an invocation.

        Args:
            status: How it ended.
            took_s: How long its steps took, in seconds; `None` if none ran.
        """
        self._by_status[status].inc()
        if took_s is not None:
            self._took.observe(took_s)

    def exposed(self) -> tuple[bytes, str]:
        """Give all of them as text, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
