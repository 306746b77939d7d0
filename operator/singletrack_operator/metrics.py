"""The operator's own numbers; the runs' are counted in the ledger (`singletrack.metrics`)."""

from __future__ import annotations

import re
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from singletrack.custom_resource import PLURAL
from singletrack.metrics.declarations import PREFIX

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STATUS_PATH = re.compile(rf"/{PLURAL}/[^/?]+/status")
_KINDS = (PLURAL, "pods", "nodes")
_WITHOUT_ANSWER = "none"


class OperatorMetrics:
    """Every instrument, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hint
        self.registry = CollectorRegistry()
        self.reconcile_seconds = self._histogram(
            "operator_reconcile_duration_seconds",
            "How long one look at one TaskRun took, writes included; result is ok or error.",
            "result",
        )
        self.requests = self._histogram(
            "kube_request_duration_seconds",
            "Requests to the API server: how long until the answer began.",
            *("verb", "resource", "code"),
        )
        self.status_writes = self._counter(
            "operator_status_writes", "Statuses written, by the phase they show.", "phase"
        )
        self.watch_restarts = self._counter(
            "operator_watch_restarts", "How often a failed watch was started again."
        )
        self.resync_found = self._counter(
            "operator_resync_found",
            "TaskRuns the watch had missed, found by comparing everything; kind is new or gone.",
            "kind",
        )
        self.loop_success = Gauge(
            f"{PREFIX}loop_last_success_timestamp_seconds",
            "When a loop of the operator last did its work.",
            ["loop"],
            registry=self.registry,
        )

    def observe_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one request to the API server; called by the HTTP sessions."""
        self.requests.labels(
            verb=_verb(method, path),
            resource=_resource(path),
            code=str(status) if status else _WITHOUT_ANSWER,
        ).observe(seconds)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A number that is read when it is asked for."""
        Gauge(f"{PREFIX}operator_{name}", text, registry=self.registry).set_function(read)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"{PREFIX}{name}", text, labels, buckets=_SECONDS, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}{name}", text, labels, registry=self.registry)


def _verb(method: str, path: str) -> str:
    if method == "GET" and "watch=true" in path:
        return "WATCH"
    return method


def _resource(path: str) -> str:
    if _STATUS_PATH.search(path):
        return f"{PLURAL}/status"
    return next((kind for kind in _KINDS if f"/{kind}" in path), "other")
