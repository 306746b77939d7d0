"""What one worker process shares between its parts: settings, clients, its name.

A main process and each of its children have a `Runtime` of their own; it is made in the process
that uses it, because neither connections nor sockets survive a fork.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.admission import Defaults
from singletrack.clock import Clock, SystemClock
from singletrack.settings import Settings
from singletrack_worker.agent.client import AgentClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The clients of one process."""

    settings: Settings
    ledger: RedisLedger
    agent: AgentClient
    worker: str
    """The worker's node name, as records and logs show it."""
    pushes: bool = True
    """Whether the ledger's server is the broker, so that its functions may push messages."""
    tells_celery: bool = True
    """Whether who reads the app's result backend can read the JSON the ledger writes beside it."""
    clock: Clock = field(default_factory=SystemClock)

    @property
    def defaults(self) -> Defaults:
        """What a producer's message gets when neither it nor the task says."""
        return Defaults(
            queue=self.settings.broker.default_queue,
            start_deadline_seconds=self.settings.run.start_deadline_seconds,
            priority_point_seconds=self.settings.run.priority_point_seconds,
            ttl_seconds=self.settings.run.ttl_seconds_after_finished,
        )
