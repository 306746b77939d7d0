"""What a server that has come back must be told before it can be blessed, and whether it has been.

First how runs have ended, then which ones execute, so that a lock goes from the one to the other in
the order in which it did. Only then does the agent say that it has told everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import structlog

from singletrack import logs
from singletrack.operations import EndReply, Grant, Reassert, RenewReply, Verdict
from singletrack.pods import Pod
from singletrack.specification import read_outcome, read_spec, write_outcome
from singletrack_worker.agent.bindings import Binding
from singletrack_worker.agent.table import Table

log = structlog.get_logger()

_AGAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """One thing to be told."""

    operation: Reassert
    alive: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who an agent is."""

    name: str
    """Unique for every agent process: its worker's name, a slash, something of its own."""
    pod: Pod | None = None
    """Where it is, if its worker was told."""

    @property
    def worker(self) -> str:
        return self.name.rpartition("/")[0] or self.name


class Telling:
    """Decides what is told next."""

    def __init__(self, table: Table, identity: Identity) -> None:
        self.reported_to = ""
        """The server that knows all this agent knows."""
        self._table = table
        self._identity = identity
        self._server = ""
        self._not_before = -inf

    def meet(self, reply: RenewReply, now: float) -> None:
        """Find out whether the server that has answered must be told anything."""
        if reply.blessed:
            self._table.memory.be_quiet()
            self._server = self.reported_to = reply.server_id
        elif reply.server_id != self._server or not reply.known:
            self._server, self.reported_to = reply.server_id, ""
            self._table.memory.tell_everything(now)
            log.info("agent_reasserts", server=reply.server_id, ended=len(self._table.memory))

    def next(self, now: float) -> Tale | None:
        """What to tell now, if anything."""
        if now < self._not_before:
            return None
        return self._of_an_end() or self._of_the_living()

    def next_moment(self) -> float:
        return self._not_before if self._table.has_tales else inf

    def answered(self, tale: Tale, reply: EndReply | None, now: float) -> None:
        """Take in what the server said; None: nothing, so it is told again a little later."""
        grant = tale.operation.grant
        if reply is None:
            self._not_before = now + _AGAIN_SECONDS
            return
        with logs.about_run(grant.run_id, tale.operation.spec.task, grant.lock, grant.attempt):
            log.info("run_restored", alive=tale.alive, verdict=reply.verdict, state=reply.state)
        if not tale.alive:
            self._table.memory.told()
        else:
            self._table.told(grant.nonce, now, accepted=reply.verdict is Verdict.OK)

    def complete(self) -> bool:
        """Whether the server has just been told the last of it."""
        done = self.reported_to != self._server and not self._table.has_tales
        if done:
            self.reported_to = self._server
        return done

    def of_death(self, binding: Binding) -> Reassert | None:
        """A death the server cannot place, told with the record it belongs to."""
        outcome = write_outcome(binding.outcome())
        return self._restoration(binding.grant, binding.spec, outcome)

    def _of_an_end(self) -> Tale | None:
        while ended := self._table.memory.untold:
            operation = self._restoration(ended.grant, ended.spec, ended.outcome)
            if operation:
                return Tale(operation=operation, alive=False)
            self._table.memory.told()
        return None

    def _of_the_living(self) -> Tale | None:
        while binding := self._table.forgotten():
            operation = self._restoration(binding.grant, binding.spec)
            if operation:
                return Tale(operation=operation, alive=True)
            binding.spec = ""
        return None

    def _restoration(self, grant: Grant | None, spec: str, outcome: str = "") -> Reassert | None:
        """None for a run that was never started, and for texts that are not what they should be: a
        child may say anything.
        """
        if grant is None:
            return None
        try:
            end = read_outcome(outcome) if outcome else None
            run = read_spec(spec)
        except ValueError as error:
            with logs.about_run(grant.run_id, None, grant.lock, grant.attempt):
                log.warning("run_not_restorable", error=str(error))
            return None
        who = self._identity
        return Reassert(spec=run, grant=grant, worker=who.worker, pod=who.pod, outcome=end)
