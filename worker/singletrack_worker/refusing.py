"""Runs that end before they begin: what is recorded of a message that can never be executed.

Its caller waits for an end and a reason, whatever is wrong with it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import structlog

from singletrack import operations as ops
from singletrack.errors import (
    InvalidParameters,
    NotSupported,
    ParametersTooLarge,
    SingletrackError,
)
from singletrack.operations import Verdict
from singletrack.run import Cancellation, Outcome
from singletrack_worker import outcomes
from singletrack_worker.direct import Message, refused
from singletrack_worker.revocation import Revocation
from singletrack_worker.runtime import Runtime

log = structlog.get_logger()

_REASONS: Mapping[type[SingletrackError], str] = {
    InvalidParameters: "InvalidParams",
    ParametersTooLarge: "ParamsTooLarge",
    NotSupported: "NotSupported",
}


class Refusing:
    """Records such ends.

    All raise `LedgerError` where the ledger does not answer, and answer False where it cannot
    record the end yet, because it is recovering: the message must be kept then.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def refuse(self, message: Message, error: SingletrackError) -> bool:
        """Record a run that cannot be accepted as failed, so that its caller learns why."""
        recorded = self._end(message, outcomes.failed(_REASONS[type(error)], str(error)))
        log.warning("run_refused", reason=_REASONS[type(error)], error=str(error))
        return recorded

    def expire(self, message: Message) -> bool:
        """Record the end of a run whose message came too late to start it."""
        log.info("run_expired")
        if not message.ours:
            return self._end(message, outcomes.expired())
        end = Cancellation(by="expires", reason="its message has expired", grace_seconds=0.0)
        self._runtime.ledger.execute(ops.Cancel(run_id=message.run_id, cancellation=end))
        return True

    def revoke(self, message: Message) -> bool:
        """Record the end of a run that was revoked before its message came to this worker.

        By now it may be a run that is known, and may have started elsewhere: that one goes on.
        """
        grace_seconds = self._runtime.settings.run.cancel_grace_seconds
        asked = Revocation()
        if asked.perform(self._runtime.ledger, message.run_id, grace_seconds) or message.ours:
            return True
        log.info("run_revoked")
        return self._end(message, outcomes.revoked(), asked.cancellation(grace_seconds))

    def _end(
        self, message: Message, outcome: Outcome, cancellation: Cancellation | None = None
    ) -> bool:
        """Record a run that ends without its code having been started."""
        told = self._runtime.tells_celery
        spec = refused(message, self._runtime.settings.run.namespace, tells_celery=told)
        ledger, run_id, nonce = self._runtime.ledger, spec.run_id, uuid.uuid4().hex
        ledger.execute(ops.Submit(spec=spec))
        ledger.execute(ops.Claim(run_id=run_id, nonce=nonce, worker=self._runtime.worker))
        if cancellation:
            ledger.execute(ops.Cancel(run_id=run_id, cancellation=cancellation))
        finish = ops.Finish(run_id=run_id, nonce=nonce, outcome=outcome)
        return ledger.execute(finish).verdict is not Verdict.RECOVERING
