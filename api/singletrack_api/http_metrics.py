"""The API's own metrics.

Labels are bounded: the route's template and never a path, the class of the status and never a run.
"""

from __future__ import annotations

from singletrack.metrics.instruments import counter, gauge, histogram, new_registry

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TOO_MANY = 429


class HttpMetrics:
    """What one application knows of itself, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = new_registry("api")
        self._durations = histogram("http_request_duration_seconds", self.registry)
        self._limited = counter("http_requests_limited_total", self.registry)
        self.in_flight = gauge("http_requests_in_flight", self.registry)

    def observe(
        self, method: str, route: str, status: int, seconds: float, trace_id: str = ""
    ) -> None:
        """Count one finished request; its trace, if there is one, is an example of its bucket."""
        known = method if method in _METHODS else "other"
        example = {"trace_id": trace_id} if trace_id else None
        self._durations.labels(known, route, f"{status // 100}xx").observe(seconds, example)
        if status == _TOO_MANY:
            self._limited.inc()
