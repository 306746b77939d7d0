"""The agent's table of claimed runs: every message and every tick of the clock as a pure decision.

The table answers requests at once and collects what must be done; the loop asks for it with `due`
before it does anything else, so that a process that was frozen kills before it listens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

import structlog

from singletrack.exits import Exit
from singletrack.lifecycle import TERMINAL, State
from singletrack.operations import (
    Cause,
    EndReply,
    LeaseAnswer,
    Operation,
    RenewReply,
    Verdict,
)
from singletrack.specification import read_outcome, write_outcome
from singletrack_worker.agent.bindings import ALIVE, LEASED, Action, Binding, Stage
from singletrack_worker.agent.messages import Bind, Bound, Refused, Started
from singletrack_worker.agent.remembering import Memory
from singletrack_worker.agent.rules import Rules

log = structlog.get_logger()

_RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Table:
    """The claimed runs of one worker, by nonce."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._bindings: dict[str, Binding] = {}
        self._actions: list[Action] = []
        self._forgotten: dict[str, None] = {}
        self.memory = Memory(rules.memory)
        self.highest_token = 0
        self._failures: dict[str, int] = {}

    # --- main ---------------------------------------------------------------------------------

    def abandon(self, message: str) -> None:
        """Main is gone: nobody may live on."""
        for binding in self._bindings.values():
            binding.doom(Cause.DIED, message)

    # --- children -----------------------------------------------------------------------------

    def bind(self, pid: int, asked: Bind, now: float) -> Bound | Refused:
        """Watch a run that a child is about to start, if its lease would be young enough."""
        known = self._bindings.get(asked.nonce)
        if known:
            mine = known.stage is Stage.BOUND and known.pid == pid and now < known.deadline
            return self._bound(known) if mine else Refused(reason="the claim is bound already")
        deadline = self._rules.deadline(min(asked.sent_at, now))
        if now >= deadline:
            return Refused(reason="the claim is older than its lease")
        other = self.held_by(pid)
        if other and other.stage in (Stage.STARTED, Stage.DYING):
            return Refused(reason=f"this process still executes run {other.run_id}")
        if other:  # the child has given it up: it would not ask otherwise
            del self._bindings[other.nonce]
        binding = Binding(
            run_id=asked.run_id,
            nonce=asked.nonce,
            pid=pid,
            rules=self._rules,
            deadline=deadline,
            spec=asked.spec,
            patience_until=now + self._rules.patience,
        )
        self._bindings[asked.nonce] = binding
        return self._bound(binding)

    def start(self, pid: int, started: Started, now: float) -> None:
        """User code may be running. The child has looked at its deadline itself."""
        self.highest_token = max(self.highest_token, started.grant.token)
        binding = self._owned(pid, started.grant.nonce)
        if binding and binding.stage is Stage.BOUND:
            binding.start(started.grant, now)

    def leave(self, pid: int, nonce: str, now: float) -> Refused | None:
        """User code has returned. What it left behind is swept away, then `swept` is called.

        A child that did not hear the answer asks again: then it is swept once more.
        """
        binding = self._owned(pid, nonce)
        if binding is None or binding.stage not in (Stage.STARTED, Stage.LEAVING):
            return Refused(reason="the run is not executed by this process")
        if binding.stage is Stage.STARTED:
            binding.leave(now)
        binding.swept = False
        return None

    def swept(self, nonce: str) -> Cause | None:
        """Nothing is left behind; answers why the run was being stopped, if it was."""
        binding = self._bindings[nonce]
        binding.swept = True
        return binding.stop

    def left(self, pid: int, nonce: str, outcome: str, now: float) -> None:
        """The child has told the ledger itself, or given the run back."""
        binding = self._owned(pid, nonce)
        if binding and binding.stage in (Stage.BOUND, Stage.STARTED, Stage.LEAVING):
            del self._bindings[nonce]
            if binding.grant:
                self.memory.keep(binding.grant, binding.spec, outcome, now)

    def bequeath(self, pid: int, nonce: str, outcome: str, now: float) -> Refused | None:
        """The child must die before its lock moves on, and has said how its run has ended."""
        binding = self._owned(pid, nonce)
        if binding is None or binding.stage not in (Stage.STARTED, Stage.LEAVING):
            return Refused(reason="the run is not executed by this process")
        try:
            binding.bequeath(read_outcome(outcome), now)
        except ValueError as error:
            return Refused(reason=str(error))
        return None

    def why(self, nonce: str) -> Cause | None:
        binding = self._bindings.get(nonce)
        return binding.stop if binding else None

    def child_died(self, pid: int, how: Exit | None, starved: str = "") -> None:
        """A pool child has ended; its run, if it had one, has to be cleared away."""
        binding = self.held_by(pid)
        if binding:
            binding.exit = binding.exit or how
            binding.starved = starved
            binding.doom(Cause.DIED)

    def exit_known(self, pid: int, how: Exit, now: float) -> None:
        """Main says how a child ended; worth something as long as it is not reported."""
        for binding in self._bindings.values():
            if binding.pid == pid and not binding.exit and binding.stop is Cause.DIED:
                binding.exit = how
                binding.act_at = min(binding.act_at, now)

    # --- the ledger ---------------------------------------------------------------------------

    def leases(self) -> tuple[tuple[str, str], ...]:
        """Run id and nonce of everything that has to be renewed."""
        return tuple(
            (binding.run_id, nonce)
            for nonce, binding in self._bindings.items()
            if binding.stage in LEASED
        )

    def renewed(self, sent_at: float, reply: RenewReply, now: float) -> None:
        """Take in what the ledger said to a renewal that was sent at that moment."""
        for answer in reply.answers:
            binding = self._bindings.get(answer.nonce)
            if binding:
                self._take(binding, answer, sent_at, now, blessed=reply.blessed)

    def forgotten(self) -> Binding | None:
        """A running run whose record the restarted ledger does not have."""
        for nonce in list(self._forgotten):
            binding = self._bindings.get(nonce)
            if binding and binding.spec and binding.stage in (Stage.STARTED, Stage.LEAVING):
                return binding
            del self._forgotten[nonce]
        return None

    def told(self, nonce: str, now: float, *, accepted: bool) -> None:
        """The ledger has heard of a forgotten run; if it refuses it, the lock is another's."""
        self._forgotten.pop(nonce, None)
        binding = self._bindings.get(nonce)
        if binding and not accepted:
            binding.lose(now)

    @property
    def has_tales(self) -> bool:
        """Whether there is something a restarted ledger has to be told."""
        return self.memory.untold is not None or self.forgotten() is not None

    def next_report(self, now: float) -> tuple[str, Operation[EndReply]] | None:
        """The nonce of a run whose end the ledger must be told, and how."""
        for nonce, binding in self._bindings.items():
            if binding.stage is Stage.DEAD and now >= binding.act_at:
                return nonce, binding.report()
        return None

    def reported(self, nonce: str, state: State | None, now: float) -> None:
        """The ledger knows, and has ended the run so if it was the report that ended it."""
        binding = self._bindings.pop(nonce, None)
        self._failures.pop(nonce, None)
        if binding and binding.grant and state:
            ended = state if state in TERMINAL else binding.outcome().state  # or it is tried again
            outcome = replace(binding.outcome(), state=ended)
            self.memory.keep(binding.grant, binding.spec, write_outcome(outcome), now)

    def cannot_place(self, nonce: str) -> bool:
        """The ledger does not know the run that has ended: tell it which it was, if we know."""
        binding = self._bindings[nonce]
        tellable = bool(binding.spec) and binding.grant is not None
        binding.unplaced = tellable and not binding.unplaced
        return binding.unplaced

    def report_failed(self, nonce: str, now: float) -> None:
        """The ledger did not answer: try again, ever less often."""
        failures = self._failures.get(nonce, 0)
        self._failures[nonce] = failures + 1
        self._bindings[nonce].act_at = now + _RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)]

    # --- what must be done --------------------------------------------------------------------

    def due(self, now: float) -> list[Action]:
        """Everything that must be done now; kills first."""
        actions, self._actions = self._actions, []
        for binding in self._bindings.values():
            actions += binding.judge(now)
        return actions

    def buried(self, nonce: str, now: float) -> None:
        """Everybody of this run is dead."""
        self._bindings[nonce].bury(now)

    def next_moment(self) -> float:
        """When something will be due if nothing happens before; reports are not counted."""
        return min((b.next_moment() for b in self._bindings.values()), default=inf)

    def next_report_moment(self) -> float:
        dead = (b.act_at for b in self._bindings.values() if b.stage is Stage.DEAD)
        return min(dead, default=inf)

    def earliest_deadline(self) -> float:
        """Until when nobody has to be killed even if no renewal succeeds."""
        live = (Stage.BOUND, Stage.STARTED)
        return min((b.deadline for b in self._bindings.values() if b.stage in live), default=inf)

    # --- looking things up --------------------------------------------------------------------

    def __getitem__(self, nonce: str) -> Binding:
        return self._bindings[nonce]

    def __len__(self) -> int:
        return len(self._bindings)

    def __iter__(self) -> Iterator[Binding]:
        return iter(list(self._bindings.values()))

    def holds_run(self, run_id: str) -> bool:
        return any(b.run_id == run_id for b in self._bindings.values())

    def held_by(self, pid: int) -> Binding | None:
        """The run a living child has."""
        return next((b for b in self._bindings.values() if b.pid == pid and b.stage in ALIVE), None)

    def _owned(self, pid: int, nonce: str) -> Binding | None:
        binding = self._bindings.get(nonce)
        return binding if binding and binding.pid == pid else None

    def _bound(self, binding: Binding) -> Bound:
        return Bound(deadline=binding.deadline)

    def _take(
        self, binding: Binding, answer: LeaseAnswer, sent_at: float, now: float, *, blessed: bool
    ) -> None:
        if answer.verdict in (Verdict.OK, Verdict.CANCEL):
            binding.deadline = max(binding.deadline, self._rules.deadline(sent_at))
        if answer.verdict is Verdict.CANCEL:
            self._actions += binding.cancel(answer.cancellation, now)
        elif answer.verdict is Verdict.DROP and blessed:
            binding.lose(now)
        elif answer.verdict is Verdict.DROP:
            self._forgotten[answer.nonce] = None
