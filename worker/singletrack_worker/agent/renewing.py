"""What the agent asks of the ledger, one call after the other: renewals, reports, restored records.

A renewal goes first whenever it is due, because leases run out. While the ledger does not answer,
everything is repeated until it does.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import structlog

from singletrack.clock import Clock
from singletrack.failpoints import failpoint
from singletrack.operations import (
    AgentGone,
    EndReply,
    Grant,
    Operation,
    Renew,
    RenewReply,
    Verdict,
)
from singletrack_worker.agent.bindings import Rules
from singletrack_worker.agent.calls import Answered, LedgerCalls
from singletrack_worker.agent.table import Table

log = structlog.get_logger()

Restore = Callable[[str, Grant], Operation[EndReply] | None]
"""From a run's specification, as main announced it, to the operation that restores its record."""

_RETRY_SECONDS = 0.5


def restore_nothing(_spec: str, _grant: Grant) -> None:
    """For a worker that announces no specifications: the run lives until its deadline."""


class Renewing:
    """Decides which call comes next and takes in the answers."""

    def __init__(
        self, name: str, table: Table, rules: Rules, calls: LedgerCalls, clock: Clock
    ) -> None:
        self.restore: Restore = restore_nothing
        self.said_goodbye = False
        self._name = name
        self._table = table
        self._rules = rules
        self._calls = calls
        self._clock = clock
        self._renew_at = -inf
        self._reachable = True

    def hasten(self) -> None:
        """Renew at once."""
        self._renew_at = -inf

    def step(self, now: float) -> None:
        """Take in the answer that has come, if any, and send the next call."""
        self._calls.collect()
        if not self._calls.busy and not self.said_goodbye:
            self._send(now)

    def say_goodbye(self) -> None:
        """Tell the ledger that this agent needs no attention any more."""
        if not self._calls.busy:
            self._calls.begin(AgentGone(agent=self._name), self._take_goodbye)

    def next_moment(self) -> float:
        """When the next call is due; the bell tells when the present one is answered."""
        return inf if self._calls.busy else min(self._renew_at, self._table.next_report_moment())

    def _send(self, now: float) -> None:
        if now >= self._renew_at:
            self._renew_at = inf
            failpoint("agent.renew")
            self._calls.begin(
                Renew(agent=self._name, leases=self._table.leases()), self._take_renewal
            )
        elif forgotten := self._table.forgotten():
            operation = self.restore(forgotten.spec, forgotten.grant) if forgotten.spec else None
            if operation:
                failpoint("agent.restore")
                self._calls.begin(operation, self._take_restoration)
        elif report := self._table.next_report(now):
            nonce, operation = report
            failpoint("agent.report")
            self._calls.begin(operation, lambda answered: self._take_report(nonce, answered))

    # --- answers ------------------------------------------------------------------------------

    def _take_renewal(self, answered: Answered) -> None:
        failpoint("agent.renewed")
        now = self._clock.boottime()
        self._note(answered.error)
        if answered.error:
            self._renew_at = min(self._renew_at, now + min(_RETRY_SECONDS, self._rules.renew))
            return
        reply: RenewReply = answered.reply
        self._renew_at = min(self._renew_at, answered.sent_at + self._rules.renew)
        self._table.renewed(answered.sent_at, reply, now)

    def _take_report(self, nonce: str, answered: Answered) -> None:
        failpoint("agent.reported")
        self._note(answered.error)
        reply: EndReply | None = answered.reply
        if reply is None or reply.verdict is Verdict.RECOVERING:
            self._table.report_failed(nonce, self._clock.boottime())
            return
        run_id = self._table[nonce].grant.run_id
        log.debug("run_end_reported", run=run_id, verdict=reply.verdict, state=reply.state)
        self._table.reported(nonce)

    def _take_restoration(self, answered: Answered) -> None:
        failpoint("agent.restored")
        self._note(answered.error)
        if answered.reply and answered.reply.verdict is Verdict.OK:
            self.hasten()

    def _take_goodbye(self, _answered: Answered) -> None:
        self.said_goodbye = True

    def _note(self, error: Exception | None) -> None:
        """One line when the ledger is lost, one when it is back."""
        if error and self._reachable:
            log.warning("ledger_unavailable", error=str(error), leases=len(self._table.leases()))
        elif not error and not self._reachable:
            log.info("ledger_back", leases=len(self._table.leases()))
        self._reachable = not error
