"""What the operator says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from singletrack_operator.metrics import OperatorMetrics

STARTED = datetime(2026, 11, 26, 12, tzinfo=UTC)
ENDED = STARTED + timedelta(hours=1)
RUNNING = {"phase": "Running", "startTime": STARTED.isoformat()}
SUCCEEDED = {**RUNNING, "phase": "Succeeded", "completionTime": ENDED.isoformat()}
PENDING = {"phase": "Pending"}


def lags(metrics: OperatorMetrics) -> tuple[float, float]:
    """How many were observed, and their sum in seconds."""
    name = "singletrack_operator_status_lag_seconds"
    found: Any = [metrics.registry.get_sample_value(f"{name}_{part}") for part in ("count", "sum")]
    return found[0], round(found[1], 3)


def test_the_lag_of_a_status_is_that_of_the_start_or_the_end_that_it_is_the_first_to_show() -> None:
    metrics = OperatorMetrics()
    metrics.wrote_status(PENDING, RUNNING, STARTED + timedelta(seconds=0.1))
    assert lags(metrics) == (1, 0.1)
    metrics.wrote_status(RUNNING, SUCCEEDED, ENDED + timedelta(seconds=0.2))
    assert lags(metrics) == (2, 0.3)


def test_a_status_that_is_written_again_while_its_run_goes_on_is_not_late() -> None:
    metrics = OperatorMetrics()
    again = {**RUNNING, "observedGeneration": 2}
    metrics.wrote_status(RUNNING, again, STARTED + timedelta(minutes=50))
    metrics.wrote_status(PENDING, {"phase": "Queued"}, STARTED)
    assert lags(metrics) == (0, 0)


def test_the_start_of_another_attempt_counts_by_itself() -> None:
    metrics = OperatorMetrics()
    later = {**RUNNING, "startTime": ENDED.isoformat()}
    metrics.wrote_status(RUNNING, later, ENDED + timedelta(seconds=0.5))
    assert lags(metrics) == (1, 0.5)
