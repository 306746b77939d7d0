"""The API's own metrics and the page that shows them, with the runs' where there is no operator.

Labels are bounded: the route's template and never a path, the class of the status and never a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import Metric, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from singletrack.metrics.exposing import render as render_counters
from singletrack.metrics.instruments import counter, gauge, histogram, new_registry

__all__ = ["CONTENT_TYPE", "HttpMetrics"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TOO_MANY = 429


class HttpMetrics:
    """Everything one application shows at `/metrics`."""

    def __init__(self) -> None:
        self._registry = new_registry("api")
        self._durations = histogram("http_request_duration_seconds", self._registry)
        self._limited = counter("http_requests_limited_total", self._registry)
        self.in_flight = gauge("http_requests_in_flight", self._registry)
        self._lifecycle: _Lifecycle | None = None

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one finished request."""
        known = method if method in _METHODS else "other"
        self._durations.labels(known, route, f"{status // 100}xx").observe(seconds)
        if status == _TOO_MANY:
            self._limited.inc()

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
    """The runs' metrics as last read."""

    def __init__(self) -> None:
        self.counters: Mapping[str, float] | None = None

    def collect(self) -> Iterator[Metric]:
        return render_counters(self.counters)
