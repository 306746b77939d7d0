"""The agent's loop: waits for whatever happens first, kills what must die, then listens.

Every wake-up begins with what is due. So a process that was frozen beyond a deadline kills before
it reads a message or an answer that might tell it to go on.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Protocol

import structlog

from singletrack.clock import Clock
from singletrack.failpoints import failpoint
from singletrack.ledger import Ledger
from singletrack.operations import Cause
from singletrack_worker.agent.alarm import Alarm
from singletrack_worker.agent.answering import Answering
from singletrack_worker.agent.bindings import Binding, Kill, Stage, Sweep, Terminate, Warn
from singletrack_worker.agent.calls import Bell, LedgerCalls, Wakeups
from singletrack_worker.agent.children import Child, Children
from singletrack_worker.agent.connections import Listener, Peer, PeerGone
from singletrack_worker.agent.identity import about
from singletrack_worker.agent.kinship import Household
from singletrack_worker.agent.messages import Bind, Clear, Hello, Reap, Role
from singletrack_worker.agent.out_of_memory import KernelKills
from singletrack_worker.agent.renewing import Renewing
from singletrack_worker.agent.rules import Rules
from singletrack_worker.agent.table import Table
from singletrack_worker.agent.telling import Identity

log = structlog.get_logger()

_LOOK_SECONDS = 1.0
"""How often the trees of bound children are looked at, see `kinship`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an agent is told when it is started."""

    identity: Identity
    rules: Rules
    household: Household
    kills: KernelKills
    main_pidfd: int
    listening: socket.socket
    clock: Clock


# What happens in one wake-up is handled in this order: deaths before words, and main's words before
# a child's, because main does not wait for an answer before it gives a run to a child.
_BELLS, _DEATHS, _MAINS_WORDS, _WORDS, _ARRIVALS = range(5)


class Readable(Protocol):
    """What a selector can wait for."""

    def fileno(self) -> int: ...


class Agent:
    """One lease agent; `run` returns when nothing is left to do."""

    def __init__(self, setup: Setup, ledger: Ledger, listen: Callable[[], Iterable[str]]) -> None:
        self._setup = setup
        self._rules = setup.rules
        self._clock = setup.clock
        self.table = Table(setup.rules)
        self._children = Children(setup.household, setup.kills)
        self._answering = Answering(
            table=self.table,
            children=self._children,
            main_pid=setup.household.main.pid,
            adopted=self._watch_child,
            died=self._child_ended,
        )
        bell = Bell()
        calls = LedgerCalls(ledger, setup.clock, bell)
        self.renewing = Renewing(setup.identity, self.table, setup.rules, calls, setup.clock)
        self._wakeups = Wakeups(listen, bell)
        self._listener = Listener(setup.listening)
        self._alarm = Alarm()
        self._selector = selectors.DefaultSelector()
        self._watch(bell, _BELLS, bell.silence)
        self._watch(self._alarm, _BELLS, self._alarm.silence)
        self._watch(setup.main_pidfd, _DEATHS, self._main_ended)
        self._watch(self._listener, _ARRIVALS, self._welcome)
        self._look_at = inf
        self._main_gone_at = inf
        self._house_empty = False

    def run(self) -> None:
        """Work until main has stopped or died and everything is cleared away."""
        while not self.renewing.said_goodbye and not self._has_waited_enough():
            self._settle()
            self._alarm.set(self._next_moment())
            events = self._selector.select(self._rules.lease / 6)
            self._enforce()
            for key, _ in sorted(events, key=lambda event: event[0].data[0]):
                handle: Callable[[], None] = key.data[1]
                handle()
        self._selector.close()

    # --- what is due --------------------------------------------------------------------------

    def _enforce(self) -> None:
        """Do everything that is due by the clock."""
        actions = self.table.due(self._clock.boottime())
        kills = [action.nonce for action in actions if isinstance(action, Kill)]
        if kills or (self._main_gone and not self._house_empty):
            self._kill(kills)
        for action in actions:
            binding = self.table[action.nonce]
            if isinstance(action, Terminate) and binding.stage is Stage.STARTED:
                with about(binding):
                    log.info("run_stopping", cause=binding.stop)
                self._children.terminate(binding.pid)
            elif isinstance(action, Warn) and binding.stage is Stage.STARTED:
                with about(binding):
                    log.info("run_warned", reason="soft time limit")
                self._children.warn(binding.pid)
            elif isinstance(action, Sweep) and binding.stage is Stage.LEAVING:
                self._sweep(action.nonce)

    def _kill(self, nonces: list[str]) -> None:
        failpoint("agent.kill")
        if self._main_gone:
            complete = self._house_empty = self._children.kill_everybody()
        else:
            complete, zombies = self._children.kill(nonces)
            # If main has died meanwhile, orphans may have gone where only the next attempt looks.
            complete = complete and self._setup.household.is_alive()
            for guard in self._answering.guards if zombies else ():
                guard.answer(0, Reap(pids=zombies))
        failpoint("agent.killed")
        now = self._clock.boottime()
        for nonce in nonces:
            binding = self.table[nonce]
            with about(binding):
                _tell_kill(binding, complete=complete)
            if complete:
                self.table.buried(nonce, now)
            else:
                binding.survived = True

    def _sweep(self, nonce: str) -> None:
        complete, zombies = self._children.sweep(self.table[nonce].pid)
        if complete:
            cause = self.table.swept(nonce)
            peer, number = self._answering.leaving.pop(nonce)
            peer.answer(number, Clear(cause=cause, zombies=zombies))

    # --- after what has happened --------------------------------------------------------------

    def _settle(self) -> None:
        """Bring ledger and registry up to date with the table."""
        now = self._clock.boottime()
        if any(self.table.holds_run(run_id) for run_id in self._wakeups.collect()):
            self.renewing.hasten()
        self.renewing.step(now)
        self._enforce()
        self._answering.forget_all_but({binding.nonce for binding in self.table})
        self._look(now)
        if not len(self.table) and (self._answering.stopping or self._house_empty):
            self.renewing.say_goodbye()

    def _look(self, now: float) -> None:
        if not self._children.any_bound:
            self._look_at = inf
        elif self._look_at == inf:
            self._look_at = now + _LOOK_SECONDS
        elif now >= self._look_at:
            self._children.look()
            self._look_at = now + _LOOK_SECONDS

    def _next_moment(self) -> float:
        return min(self.table.next_moment(), self.renewing.next_moment(), self._look_at)

    def _has_waited_enough(self) -> bool:
        """Whether main has been dead for so long that the ledger will have lost the leases."""
        return self._clock.boottime() >= self._main_gone_at + 2 * self._rules.lease

    # --- deaths -------------------------------------------------------------------------------

    @property
    def _main_gone(self) -> bool:
        return self._main_gone_at < inf

    def _main_ended(self) -> None:
        """Main is dead: nobody it has started may stay."""
        if self._main_gone:
            return
        self._main_gone_at = self._clock.boottime()
        self._selector.unregister(self._setup.main_pidfd)
        log.info("main_ended", runs=len(self.table), expected=self._answering.stopping)
        self.table.abandon("the worker's main process died")
        self._enforce()

    def _watch_child(self, child: Child) -> None:
        self._watch(child, _DEATHS, partial(self._child_ended, child))

    def _child_ended(self, child: Child) -> None:
        if self._children.get(child.identity.pid) is not child:
            return
        if not self._setup.household.is_alive():
            self._main_ended()  # which is why this child has ended
        self._selector.unregister(child)
        pid, how = child.identity.pid, self._children.dismiss(child)
        held = self.table.held_by(pid)
        starved = self._children.starved(held.nonce, how) if held and not held.stop else ""
        self.table.child_died(pid, how, starved)
        self._enforce()

    # --- words --------------------------------------------------------------------------------

    def _welcome(self) -> None:
        for peer in self._listener.accept():
            self._watch(peer, _WORDS, partial(self._hear, peer))

    def _hear(self, peer: Peer) -> None:
        """Hear one message; of main everything it has said, for the reason given at the top."""
        while self._hear_one(peer) and peer.role is Role.MAIN:
            pass

    def _hear_one(self, peer: Peer) -> bool:
        try:
            packet = self._listener.receive(peer)
        except PeerGone:
            self._part(peer)
            return False
        if packet is None:
            return False
        now = self._clock.boottime()
        answer = self._answering.answer(peer, packet.number, packet.message, now)
        if answer and packet.number:
            peer.answer(packet.number, answer)
        if isinstance(packet.message, Bind):
            self._hurry(packet.message.nonce, now)
        elif isinstance(packet.message, Hello) and peer.role is Role.MAIN:
            first = (_MAINS_WORDS, partial(self._hear, peer))
            self._selector.modify(peer, selectors.EVENT_READ, first)
        self._enforce()
        return True

    def _part(self, peer: Peer) -> None:
        self._selector.unregister(peer)
        peer.channel.close()
        self._answering.drop(peer)
        if peer.role is Role.MAIN:
            self._main_ended()

    def _hurry(self, nonce: str, now: float) -> None:
        """Renew at once what was bound late in its lease."""
        soon = now + 2 * self._rules.renew
        if any(b.nonce == nonce and b.deadline < soon for b in self.table):
            self.renewing.hasten()

    def _watch(self, what: int | Readable, order: int, handle: Callable[[], None]) -> None:
        self._selector.register(what, selectors.EVENT_READ, (order, handle))


def _tell_kill(binding: Binding, *, complete: bool) -> None:
    """A line when everything of the run is dead, and one when not, however often it is tried."""
    cause, how = binding.stop or Cause.DIED, binding.exit
    if complete:
        log.info("run_killed", cause=cause, how=str(how) if how else None)
    elif not binding.survived:
        log.warning("run_survives", cause=cause)
