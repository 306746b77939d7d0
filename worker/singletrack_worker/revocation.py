"""What Celery's `revoke` means to the ledger: a cancel, by whoever hears of it.

Only runs the ledger knows are cancelled; without `terminate`, what has started is left alone.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import Any, Self

from celery.platforms import signals as signal_numbers

from singletrack.ledger import Ledger
from singletrack.lifecycle import State
from singletrack.operations import Cancel, GetRun
from singletrack.run import Cancellation, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What somebody has asked of a run in Celery's words."""

    terminate: bool = False
    """Whether to stop a run that has started."""
    signal: int = int(signal.SIGTERM)

    @classmethod
    def of(cls, terminate: Any, by_signal: Any) -> Self:
        """As a control command says it; a signal may be a number, `TERM` or `SIGTERM`.

        Raises:
            AttributeError, TypeError: there is no such signal.
        """
        number = int(signal_numbers.signum(by_signal or "TERM"))
        return cls(terminate=bool(terminate), signal=number)

    def perform(self, ledger: Ledger, run_id: str, grace_seconds: float) -> Run | None:
        """Cancel a run; answers the record as it was, None where there is none.

        Raises:
            LedgerError: the ledger does not answer.
        """
        run = ledger.execute(GetRun(run_id=run_id))
        if run is not None and self.concerns(run):
            ledger.execute(Cancel(run_id=run_id, cancellation=self.cancellation(grace_seconds)))
        return run

    def concerns(self, run: Run) -> bool:
        """Whether it stops a run that is in this state: without `terminate` none that executes."""
        return not run.terminal and (run.state is not State.RUNNING or self.terminate)

    def cancellation(self, grace_seconds: float) -> Cancellation:
        """The same in the ledger's words; SIGKILL leaves no grace period."""
        grace = 0.0 if self.signal == signal.SIGKILL else grace_seconds
        return Cancellation(by="revoke", reason="revoked", grace_seconds=grace)
