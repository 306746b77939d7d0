"""What a worker is told about the run it got."""

from __future__ import annotations

from singletrack.lifecycle import State
from singletrack.operations import Grant
from singletrack.run import Run


def describe_grant(run: Run) -> Grant:
    """The grant of a claimed or running run."""
    return Grant(
        run_id=run.run_id,
        nonce=run.nonce,
        token=run.token,
        lock=run.spec.lock,
        attempt=run.attempt + (run.state is State.CLAIMED),
        timeout_seconds=run.spec.timeout_seconds,
        soft_timeout_seconds=run.spec.soft_timeout_seconds,
        door=run.spec.door,
    )
