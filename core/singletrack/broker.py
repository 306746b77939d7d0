"""The port to the broker: how a run's message is made and published.

A message only says "this run may be claimed". It may be lost or duplicated at will: the ledger's
outbox publishes it again, and `Claim` lets one through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from singletrack.operations import DueRun
from singletrack.run import RunSpec


class Broker(Protocol):
    """Makes and publishes the messages of runs."""

    @property
    def in_ledger(self) -> bool:
        """Whether the broker's lists live on the ledger's server: then the ledger's own functions
        push the envelope in the step that makes the run READY, and `publish` is never needed.
        """
        ...

    def envelope(self, spec: RunSpec) -> str:
        """The complete message for this run, as text, made by Celery's own code."""
        ...

    async def publish(self, runs: Sequence[DueRun]) -> None:
        """Hand the envelopes to the broker and return when it has confirmed them.

        Raises:
            BrokerUnavailable: none or some were confirmed; the outbox will try again.
        """
        ...
