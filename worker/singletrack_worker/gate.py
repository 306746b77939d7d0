"""The gate: decides in a pool child whether a message becomes an execution.

    specify → bind → start

A producer's message is recorded, claimed and begun in one operation, one of ours is claimed and
begun. Everything else about it is the ledger's answer: that it comes twice, too late, or while
another run holds its lock. Nothing runs before the agent watches this process and the ledger has
durably recorded the start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import TypeVar

import structlog

from singletrack import logs
from singletrack import operations as ops
from singletrack.errors import (
    InvalidParameters,
    LedgerError,
    LedgerMisconfigured,
    LedgerRefused,
    LedgerUnavailable,
    ParametersTooLarge,
    SingletrackError,
)
from singletrack.failpoints import failpoint
from singletrack.locks import OnLost
from singletrack.operations import EndReply, Grant, Operation, StartReply, Verdict
from singletrack.run import RunSpec
from singletrack.specification import write_spec
from singletrack_worker.agent.client import AgentError
from singletrack_worker.agent.messages import Bound, Refused
from singletrack_worker.delivery import Delivery
from singletrack_worker.direct import Message
from singletrack_worker.refusing import Refusing
from singletrack_worker.runtime import Runtime

log = structlog.get_logger()

R = TypeVar("R")

_PAUSE_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the gate says: `grant` to execute the run, or None."""

    grant: Grant | None = None
    recorded: bool = True
    """Whether the ledger knows the run; if not, its message must be kept."""
    holds: bool = False
    """Whether nobody else may have the lock while anything of the run lives."""


class Gate:
    """Lets runs into one pool child, one after the other."""

    def __init__(
        self,
        runtime: Runtime,
        specify: Callable[[Message], RunSpec],
        recorded: Callable[[str], None],
    ) -> None:
        """`recorded` is called with the nonce of a message whose run the ledger has."""
        self._runtime = runtime
        self._refusing = Refusing(runtime)
        self._specify = specify
        self._recorded = recorded

    def enter(self, delivery: Delivery, message: Message) -> Entry:
        """Start the run of a message, recording it first if a producer sent it directly.

        Raises:
            AgentError: this process cannot be watched; the run has been handed back.
        """
        failpoint("gate.received")
        try:
            spec = None if message.ours else self._specify(message)
        except (InvalidParameters, ParametersTooLarge) as error:
            return self._refuse(message, error)
        start = ops.Start(
            run_id=message.run_id,
            nonce=delivery.nonce,
            worker=self._runtime.worker,
            pod=self._runtime.settings.worker.pod,
            spec=spec,
            push=self._runtime.pushes,
        )
        try:
            return self._enter(start, message)
        except AgentError:
            self.hand_back(start)
            raise

    def _refuse(self, message: Message, error: SingletrackError) -> Entry:
        try:
            return Entry(recorded=self._refusing.refuse(message, error))
        except LedgerError as unavailable:
            log.warning("refusal_not_recorded", error=str(unavailable))
            return Entry(recorded=False)

    def _enter(self, start: ops.Start, message: Message) -> Entry:
        # The lease counts from before the start was sent. The two answers are waited for together,
        # and what need not wait for them is done meanwhile.
        sent_at = self._runtime.clock.boottime()
        answer = self._ask(start)
        try:
            run = _run_of(start, message)
            logs.note_run(lock=run.lock if run else None)
            asked = self._runtime.agent.bind_soon(
                start.run_id, start.nonce, sent_at, _remembered(run)
            )
        finally:
            reply = answer()
        standing = self._runtime.agent.bound(asked)
        if reply is None:
            return self._give_up(start)
        if reply.grant is None:
            return self._turned_away(start, reply)
        if not self._is_watched(standing):
            return self._give_up(start)
        self._runtime.agent.started(reply.grant)
        self._recorded(start.nonce)
        failpoint("gate.started")
        return Entry(grant=reply.grant, holds=run is not None and run.on_lost is OnLost.HOLD)

    def _ask(self, start: ops.Start) -> Callable[[], StartReply | None]:
        """Send the start; what is answered waits for the ledger's answer and never raises. None if
        there is no answer: the start may have taken effect then.
        """
        ledger = self._runtime.ledger
        tries: Iterable[Callable[[], StartReply]] = repeat(partial(ledger.execute_durably, start))
        with suppress(LedgerUnavailable, LedgerMisconfigured):
            tries = chain((ledger.ask_durably(start),), tries)
        return partial(self._answer, start, tries)

    def _answer(
        self, start: ops.Start, tries: Iterable[Callable[[], StartReply]]
    ) -> StartReply | None:
        for attempt, pause in zip(tries, _PAUSE_SECONDS, strict=False):
            try:
                return attempt()
            except LedgerRefused as error:
                log.warning("start_refused", error=str(error))
                return None
            except (LedgerUnavailable, LedgerMisconfigured) as error:
                log.warning("start_unconfirmed", error=str(error))
                time.sleep(pause)
        return None

    def _is_watched(self, standing: Bound | Refused) -> bool:
        """Whether the lease is still good, looked at once more right before user code."""
        if isinstance(standing, Refused):
            log.warning("bind_refused", reason=standing.reason)
            return False
        return self._runtime.clock.boottime() < standing.deadline

    def _turned_away(self, start: ops.Start, reply: StartReply) -> Entry:
        failpoint("gate.dropped")
        if reply.verdict is Verdict.UNKNOWN:
            log.warning("run_unknown")
        elif start.spec:
            log.info("run_submitted", state=reply.state)
        if reply.verdict is Verdict.RECOVERING:
            self.hand_back(start)
        self.forget(start.nonce)
        return Entry()

    def _give_up(self, start: ops.Start) -> Entry:
        """Undo a start that must not, or may not, have taken effect: its code has not run."""
        reply = self.hand_back(start)
        self.forget(start.nonce)
        return Entry(recorded=start.spec is None or reply.state is not None)

    # --- what the executor needs as well ----------------------------------------------------------

    def hand_back(self, start: ops.Start | Grant) -> EndReply:
        """Say that the run's code has not run."""
        return self.repeat(ops.NotStarted(run_id=start.run_id, nonce=start.nonce))

    def forget(self, nonce: str, outcome: str = "") -> None:
        """Tell the agent that the ledger has answered; `outcome` is what it shall remember."""
        try:
            self._runtime.agent.left(nonce, outcome)
        except AgentError as error:
            log.warning("agent_unreachable", step="left", error=str(error))

    def repeat(
        self, operation: Operation[EndReply], in_outage: Callable[[], object] = lambda: None
    ) -> EndReply:
        """Perform an ending until the ledger has answered; the agent bounds how long that is."""
        failures = 0
        while True:
            try:
                reply = self._runtime.ledger.execute(operation)
                if reply.verdict is not Verdict.RECOVERING:
                    return reply
                why = "the server has lost the record"
            except LedgerError as error:
                why = str(error)
            if not failures:
                log.warning("end_not_recorded", error=why)
                in_outage()
            time.sleep(_PAUSE_SECONDS[min(failures, len(_PAUSE_SECONDS) - 1)])
            failures += 1


def _run_of(start: ops.Start, message: Message) -> RunSpec | None:
    """The run, unless its message says of it what it must not."""
    try:
        return start.spec or message.specification()
    except (TypeError, ValueError):
        return None


def _remembered(run: RunSpec | None) -> str:
    """What the agent may restore the record from."""
    try:
        return write_spec(run) if run else ""
    except (TypeError, ValueError):
        return ""
