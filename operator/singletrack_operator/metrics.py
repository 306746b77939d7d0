"""The operator's own numbers; the runs' are counted in the ledger (`singletrack.metrics`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from singletrack.custom_resource import PLURAL
from singletrack.lifecycle import Phase
from singletrack.metrics.instruments import counter, gauge, histogram, new_registry

_STATUS_PATH = re.compile(rf"/{PLURAL}/[^/?]+/status")
_KINDS = (PLURAL, "pods", "nodes")
_WITHOUT_ANSWER = "none"


class OperatorMetrics:
    """Every instrument, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = new_registry("operator")
        self.reconcile_seconds = histogram("operator_reconcile_duration_seconds", self.registry)
        self.watch_restarts = counter("operator_watch_restarts_total", self.registry)
        self.resync_found = counter("operator_resync_found_total", self.registry)
        self._requests = histogram("kube_request_duration_seconds", self.registry)
        self._status_writes = counter("operator_status_writes_total", self.registry)
        self._status_lag = histogram("operator_status_lag_seconds", self.registry)
        self._loops = gauge("loop_last_success_timestamp_seconds", self.registry)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Have what is counted by a few known words there, so that `rate()` sees the first one."""
        for result in ("ok", "error"):
            self.reconcile_seconds.labels(result)
        for kind in ("new", "gone"):
            self.resync_found.labels(kind)
        for phase in Phase:
            self._status_writes.labels(phase)

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one request to the API server; called by the HTTP sessions."""
        self._requests.labels(
            verb=_verb(method, path),
            resource=_resource(path),
            code=str(status) if status else _WITHOUT_ANSWER,
        ).observe(seconds)

    def wrote_status(
        self, before: Mapping[str, Any], status: Mapping[str, Any], now: datetime
    ) -> None:
        """Count one status that was written, and how late it was: by the end, or the start, that it
        shows and the one before did not.
        """
        self._status_writes.labels(phase=status["phase"]).inc()
        moment = "completionTime" if "completionTime" in status else "startTime"
        since = status.get(moment)
        if since and since != before.get(moment):
            lag = now - datetime.fromisoformat(since)
            self._status_lag.observe(max(0.0, lag.total_seconds()))

    def loop_succeeded(self, name: str) -> None:
        """A loop has done its work."""
        self._loops.labels(loop=name).set_to_current_time()

    def read_when_asked(self, name: str, read: Callable[[], float]) -> None:
        """A declared gauge that is read whenever somebody wants to know."""
        gauge(name, self.registry).set_function(read)


def _verb(method: str, path: str) -> str:
    if method == "GET" and "watch=true" in path:
        return "WATCH"
    return method


def _resource(path: str) -> str:
    if _STATUS_PATH.search(path):
        return f"{PLURAL}/status"
    return next((kind for kind in _KINDS if f"/{kind}" in path), "other")
