"""The API's own metrics and the page that shows them.

Labels are bounded: the route's template and never a path, the class of the status and never a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from singletrack.metrics.exposing import render as render_counters

__all__ = ["CONTENT_TYPE", "HttpMetrics"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class HttpMetrics:
    """Everything one application shows at `/metrics`."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library's own gap
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._durations = Histogram(
            "singletrack_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer, in seconds.",
            ["method", "route", "code"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "singletrack_http_requests_in_flight",
            "Requests that are being answered now.",
            registry=self._registry,
        )
        self._lifecycle: _Lifecycle | None = None

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        known = method if method in _METHODS else "other"
        self._durations.labels(known, route, f"{status // 100}xx").observe(seconds)

    def show_ledger(self, counters: Mapping[str, float] | None) -> None:
        """Show the ledger's counters with the next page; None if it did not answer."""
        if self._lifecycle is None:
            self._lifecycle = _Lifecycle()
            self._registry.register(self._lifecycle)
        self._lifecycle.counters = counters

    def render(self) -> bytes:
        """The page in Prometheus's text format."""
        return generate_latest(self._registry)


class _Lifecycle(Collector):
    """The runs' metrics as last read; a ledger that did not answer has none, not zeros."""

    def __init__(self) -> None:
        self.counters: Mapping[str, float] | None = None

    def collect(self) -> Iterator[Metric]:
        up = Metric("singletrack_ledger_up", "1 if the ledger answered this scrape.", "gauge")
        up.add_sample(up.name, {}, 0 if self.counters is None else 1)
        yield up
        if self.counters is not None:
            yield from render_counters(self.counters)
