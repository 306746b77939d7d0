"""What the agent asks of the ledger, one call after the other: renewals, reports, restored records.

A renewal goes first whenever it is due, because leases run out. While the ledger does not answer,
everything is repeated until it does.
"""

from __future__ import annotations

from functools import partial
from math import inf

import structlog

from singletrack.clock import Clock
from singletrack.failpoints import failpoint
from singletrack.operations import (
    AgentGone,
    EndReply,
    Operation,
    Renew,
    RenewReply,
    Verdict,
)
from singletrack_worker.agent.calls import Answered, LedgerCalls
from singletrack_worker.agent.identity import about
from singletrack_worker.agent.rules import Rules
from singletrack_worker.agent.table import Table
from singletrack_worker.agent.telling import Identity, Tale, Telling

log = structlog.get_logger()

_RETRY_SECONDS = 0.5


class Renewing:
    """Decides which call comes next and takes in the answers."""

    def __init__(
        self, identity: Identity, table: Table, rules: Rules, calls: LedgerCalls, clock: Clock
    ) -> None:
        self.said_goodbye = False
        self._name = identity.name
        self._table = table
        self._rules = rules
        self._calls = calls
        self._clock = clock
        self._telling = Telling(table, identity)
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
        if self._calls.busy:
            return inf
        reports, tales = self._table.next_report_moment(), self._telling.next_moment()
        return min(self._renew_at, reports, tales)

    def _send(self, now: float) -> None:
        if now >= self._renew_at or self._telling.complete():
            self._renew_at = inf
            failpoint("agent.renew")
            self._calls.begin(self._renewal(), self._take_renewal)
        elif tale := self._telling.next(now):
            failpoint("agent.restore")
            self._calls.begin(tale.operation, partial(self._take_restoration, tale))
        elif report := self._table.next_report(now):
            nonce, operation = report
            failpoint("agent.report")
            self._calls.begin(self._placed(nonce, operation), partial(self._take_report, nonce))

    def _renewal(self) -> Renew:
        return Renew(
            agent=self._name,
            leases=self._table.leases(),
            token=self._table.highest_token,
            reported_to=self._telling.reported_to,
        )

    def _placed(self, nonce: str, report: Operation[EndReply]) -> Operation[EndReply]:
        binding = self._table[nonce]
        if not binding.unplaced:
            return report
        return self._telling.of_death(binding) or report

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
        self._telling.meet(reply, now)

    def _take_report(self, nonce: str, answered: Answered) -> None:
        failpoint("agent.reported")
        self._note(answered.error)
        reply: EndReply | None = answered.reply
        now = self._clock.boottime()
        if reply is None or reply.verdict is Verdict.RECOVERING:
            unplaced = reply is not None and self._table.cannot_place(nonce)
            if not unplaced:
                self._table.report_failed(nonce, now)
            return
        with about(self._table[nonce]):
            log.debug("run_end_reported", verdict=reply.verdict, state=reply.state)
        taken = reply.verdict is Verdict.OK
        self._table.reported(nonce, reply.state if taken else None, now)

    def _take_restoration(self, tale: Tale, answered: Answered) -> None:
        failpoint("agent.restored")
        self._note(answered.error)
        self._telling.answered(tale, answered.reply, self._clock.boottime())
        if tale.alive and not answered.error:
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
