"""The worker's own metrics, served by its main process: slots, busy slots, the process itself.

Counters of runs are not here: they live in the ledger, where a crash cannot lose them.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, start_http_server

from singletrack.errors import ConfigurationError
from singletrack.metrics.declarations import PREFIX


class WorkerMetrics:
    """What one worker exports."""

    def __init__(self, slots: int) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.slots = Gauge(
            f"{PREFIX}worker_slots", "Runs this worker can execute.", registry=self.registry
        )
        self.busy = Gauge(
            f"{PREFIX}worker_slots_busy", "Runs this worker executes now.", registry=self.registry
        )
        self.slots.set(slots)

    def serve(self, host: str, port: int) -> None:
        """Answer `/metrics` on that address.

        Raises:
            ConfigurationError: the port is taken.
        """
        try:
            start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} for the worker's metrics cannot be used ({error.strerror}); "
                "choose another with SINGLETRACK_WORKER_METRICS_PORT"
            ) from error
