"""The gate: decides in the worker's main process whether a message may become an execution.

It knows nothing of Celery's request classes: a `Message` comes in, a `Decision` goes out. It never
raises for anything the ledger, the agent or the message may do.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import structlog

from singletrack import operations as ops
from singletrack.errors import (
    InvalidParameters,
    LedgerError,
    NotSupported,
    ParametersTooLarge,
    SingletrackError,
)
from singletrack.failpoints import failpoint
from singletrack.operations import Grant, Verdict
from singletrack.run import Cancellation, Outcome, RunSpec
from singletrack_worker import outcomes
from singletrack_worker.agent.client import AgentError
from singletrack_worker.claimed import ClaimedRun
from singletrack_worker.direct import Message, refused
from singletrack_worker.runtime import Runtime

log = structlog.get_logger()


class Admission(StrEnum):
    """What the worker does with a message."""

    EXECUTE = "execute"  # claimed: hand it to the pool
    DROP = "drop"  # acknowledge and forget; the ledger publishes it again if it is still needed
    PUT_BACK = "put_back"  # nothing is recorded and the ledger cannot answer: keep the message


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The admission and, for EXECUTE, the claim the child needs."""

    admission: Admission
    claimed: ClaimedRun | None = None


_REASONS: Mapping[type[SingletrackError], str] = {
    InvalidParameters: "InvalidParams",
    ParametersTooLarge: "ParamsTooLarge",
    NotSupported: "NotSupported",
}

_DROP = Decision(admission=Admission.DROP)

#: Also what a worker without an agent does: it must not claim.
PUT_BACK = Decision(admission=Admission.PUT_BACK)


class Gate:
    """Claims runs for one worker."""

    def __init__(self, runtime: Runtime, specify: Callable[[Message], RunSpec]) -> None:
        self._runtime = runtime
        self._specify = specify

    def admit(self, message: Message) -> Decision:
        """Claim the run of a message, recording it first if a producer sent it directly."""
        # The lease of a claim is counted from before it was sent, so take the time first.
        sent_at = self._runtime.clock.boottime()
        failpoint("gate.received")
        try:
            spec = None if message.ours else self._specified(message)
            grant = self._submit(message, spec) if spec else self._claim(message)
        except (InvalidParameters, ParametersTooLarge):
            return _DROP
        except LedgerError as error:
            log.warning("claim_failed", run=message.run_id, error=str(error))
            return _DROP if message.ours else PUT_BACK
        if grant is None:
            return _DROP
        return self._watched(grant, sent_at, spec)

    def _claim(self, message: Message) -> Grant | None:
        reply = self._runtime.ledger.execute(
            ops.Claim(run_id=message.run_id, nonce=_nonce(), worker=self._runtime.worker)
        )
        if reply.verdict is Verdict.UNKNOWN:
            log.warning("run_unknown", run=message.run_id, task=message.task)
        elif reply.verdict is not Verdict.OK:
            log.debug("claim_refused", run=message.run_id, verdict=reply.verdict, state=reply.state)
        return reply.grant

    def _specified(self, message: Message) -> RunSpec:
        """The run of a producer's message.

        Raises:
            InvalidParameters, ParametersTooLarge: it cannot be accepted, and is recorded as failed.
        """
        try:
            return self._specify(message)
        except (InvalidParameters, ParametersTooLarge) as error:
            self.refuse(message, error)
            raise

    def _submit(self, message: Message, spec: RunSpec) -> Grant | None:
        """Record a producer's run: claimed at once if its lock is free, parked if it is held."""
        submission = self._runtime.ledger.execute(
            ops.Submit(
                spec=spec,
                push=self._runtime.pushes,
                claim_nonce=_nonce(),
                worker=self._runtime.worker,
            )
        )
        if submission.verdict is Verdict.OK and not (submission.created or submission.grant):
            return self._claim(message)  # the message came twice, or its claim was handed back
        log.info(
            "run_submitted", run=spec.run_id, task=spec.task, lock=spec.lock, state=submission.state
        )
        return submission.grant

    def refuse(self, message: Message, error: SingletrackError) -> None:
        """Record a run that cannot be accepted as failed, so that its caller learns why."""
        self._end(message, outcomes.failed(_REASONS[type(error)], str(error)))
        log.warning("run_refused", run=message.run_id, task=message.task, error=str(error))

    def expire(self, message: Message) -> None:
        """Record the end of a run whose message came too late to start it."""
        if message.ours:
            end = Cancellation(by="expires", reason="its message has expired", grace_seconds=0.0)
            self._runtime.ledger.execute(ops.Cancel(run_id=message.run_id, cancellation=end))
        else:
            self._end(message, outcomes.expired())
        log.info("run_expired", run=message.run_id, task=message.task)

    def _end(self, message: Message, outcome: Outcome) -> None:
        """Record a run that ends without having been started."""
        spec, nonce = refused(message, self._runtime.settings.run.namespace), _nonce()
        ledger, told = self._runtime.ledger, self._runtime.tells_celery
        ledger.execute(ops.Submit(spec=spec, claim_nonce=nonce, worker=self._runtime.worker))
        ledger.execute(
            ops.Finish(run_id=spec.run_id, nonce=nonce, outcome=outcome, celery_meta=told)
        )

    def _watched(self, grant: Grant, sent_at: float, spec: RunSpec | None) -> Decision:
        """Announce the claim to the agent; without an agent nothing may run."""
        failpoint("gate.claimed")
        try:
            self._runtime.agent.watch(grant, sent_at)
        except AgentError as error:
            log.warning("agent_unreachable", run=grant.run_id, step="watch", error=str(error))
            self._hand_back(grant)
            return PUT_BACK
        return Decision(admission=Admission.EXECUTE, claimed=ClaimedRun.from_grant(grant, spec))

    def _hand_back(self, grant: Grant) -> None:
        try:
            self._runtime.ledger.execute(ops.NotStarted(run_id=grant.run_id, nonce=grant.nonce))
        except LedgerError as error:  # the lease ends by itself then
            log.warning("hand_back_failed", run=grant.run_id, error=str(error))


def _nonce() -> str:
    return uuid.uuid4().hex
