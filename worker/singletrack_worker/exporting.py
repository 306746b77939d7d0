"""The worker's own metrics, served by its main process, which no child that ends takes along.

Counters of runs are not here: they live in the ledger, where a crash cannot lose them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from billiard.pool import EX_OK, EX_RECYCLE
from prometheus_client import start_http_server

from singletrack.errors import ConfigurationError
from singletrack.metrics.instruments import counter, gauge, new_registry


class WorkerMetrics:
    """What one worker exports."""

    def __init__(self) -> None:
        self._registry = new_registry("worker")
        self._slots = gauge("worker_slots", self._registry)
        self._busy = gauge("worker_slots_busy", self._registry)
        self._consumes = gauge("worker_consumes", self._registry)
        self._heartbeat = gauge("worker_heartbeat_timestamp_seconds", self._registry)
        self._child_exits = counter("worker_child_exits_total", self._registry)
        self._agent_restarts = counter("worker_agent_restarts_total", self._registry)
        for kind in ("recycled", "signal", "error"):
            self._child_exits.labels(kind)

    def started(self, slots: int, queues: Iterable[str], busy: Callable[[], float]) -> None:
        """The worker takes messages from now on."""
        self._slots.set(slots)
        self._busy.set_function(busy)
        for queue in queues:
            self._consumes.labels(queue).set(1)

    def beat(self) -> None:
        """The main loop has come round."""
        self._heartbeat.set_to_current_time()

    def child_ended(self, code: int) -> None:
        """A pool child has ended; a negative code is the signal that ended it."""
        in_order = code in {EX_OK, EX_RECYCLE}
        kind = "recycled" if in_order else "signal" if code < 0 else "error"
        self._child_exits.labels(kind).inc()

    def agent_replaced(self) -> None:
        """The lease agent had died, and another one has taken its place."""
        self._agent_restarts.inc()

    def serve(self, host: str, port: int) -> None:
        """Answer `/metrics` on that address.

        Raises:
            ConfigurationError: the port is taken.
        """
        try:
            start_http_server(port, addr=host, registry=self._registry)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} for the worker's metrics cannot be used ({error.strerror}); "
                "choose another with SINGLETRACK_WORKER_METRICS_PORT"
            ) from error
