"""Whether the operator is alive, and whether it does its work; only clocks in memory are read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from singletrack_operator.workqueue import WorkQueue

_BEAT_SECONDS = 1.0
_LONGEST_LAG_SECONDS = 10.0
_LONGEST_SILENCE_SECONDS = 20.0
_LONGEST_RESYNC_AGE_SECONDS = 25 * 60.0
_LONGEST_QUEUE = 10_000


class Health:
    """What the probes ask."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._beaten_at = time.monotonic()
        self._succeeded_at: dict[str, float] = {}
        self._tried_at: dict[str, float] = {}
        self._answered_at = time.monotonic()
        self.served = False
        """The API server knows TaskRuns."""
        self.watched: Callable[[], bool] = lambda: False
        """Whether changes of TaskRuns are heard of."""
        self.stopping = False
        self.weaknesses: tuple[str, ...] = ()
        """What the ledger's server, as last seen, is not to be trusted for."""

    def succeeded(self, loop: str) -> None:
        self._succeeded_at[loop] = time.monotonic()
        self.tried(loop)

    def tried(self, loop: str) -> None:
        """It has done its work, or could not because somebody else does not answer."""
        self._tried_at[loop] = time.monotonic()

    def answered(self) -> None:
        """The API server has answered something; it is asked every few seconds."""
        self._answered_at = time.monotonic()

    async def beat(self) -> None:
        """Prove that the loop turns, until cancelled."""
        while True:
            self._beaten_at = time.monotonic()
            await asyncio.sleep(_BEAT_SECONDS)

    def alive(self) -> list[str]:
        """Why the process should be started again. A dead ledger or cluster is no reason."""
        now, wrong = time.monotonic(), []
        if now - self._beaten_at > _LONGEST_LAG_SECONDS:
            wrong.append("the event loop does not turn")
        tried = self._tried_at.get("resync")
        if tried is not None and now - tried > _LONGEST_RESYNC_AGE_SECONDS:
            wrong.append("the comparison hangs")
        return wrong

    def ready(self) -> list[str]:
        """Why the operator does not do its work at the moment."""
        wrong = self.alive()
        if self.stopping:
            wrong.append("the operator is stopping")
        now, compared = time.monotonic(), self._succeeded_at.get("resync")
        if not self.served:
            wrong.append("the API server does not serve TaskRuns, or does not answer")
        elif compared is None:
            wrong.append("the TaskRuns and the ledger have not been compared yet")
        elif now - compared > _LONGEST_RESYNC_AGE_SECONDS:
            wrong.append("the TaskRuns and the ledger could not be compared for too long")
        elif not self.watched():
            wrong.append("the TaskRuns are not watched, so changes of them are seen late")
        silence = now - self._answered_at
        if silence > _LONGEST_SILENCE_SECONDS:
            wrong.append(f"the API server has not answered for {silence:.0f} s")
        wrong += self.weaknesses
        if len(self._queue) > _LONGEST_QUEUE:
            wrong.append("more work is waiting than can be done")
        return wrong
