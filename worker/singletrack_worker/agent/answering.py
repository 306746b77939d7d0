"""What each message of main or a child means for the table, and what is answered.

A peer speaks only for itself: the pid is the kernel's, and a message counts only from who may send
it. User code can connect too; it is refused everything but what its own child may say.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from math import inf

import structlog

from singletrack_worker.agent import messages as msg
from singletrack_worker.agent import processes
from singletrack_worker.agent.children import Child, Children
from singletrack_worker.agent.connections import Peer
from singletrack_worker.agent.identity import about_text
from singletrack_worker.agent.messages import Answer, Bound, Done, Refused, Role
from singletrack_worker.agent.table import Table

log = structlog.get_logger()

_NOT_YOURS = Refused(reason="this connection may not say that")


@dataclass(slots=True, kw_only=True)
class Answering:
    """The table's front desk."""

    table: Table
    children: Children
    main_pid: int
    adopted: Callable[[Child], None]
    """Called with a child that has introduced itself, to watch it from now on."""
    died: Callable[[Child], None]
    """Called with a child that turns out to have ended."""
    stopping: bool = False
    guards: list[Peer] = field(default_factory=list)
    leaving: dict[str, tuple[Peer, int]] = field(default_factory=dict)
    """Who waits for the word that nothing is left behind, by nonce."""

    def answer(self, peer: Peer, number: int, message: msg.Message, now: float) -> Answer | None:
        """Carry out a message; None when the answer comes later."""
        if isinstance(message, msg.Hello):
            return self._welcome(peer, message.role)
        if peer.role is Role.MAIN:
            return self._serve_main(message, now)
        if peer.role is Role.CHILD and self.children.get(peer.pid):
            return self._serve_child(peer, number, message, now)
        if peer.role is Role.GUARD and isinstance(message, msg.Ping):
            until = self.table.earliest_deadline()
            return msg.Alive(until=None if until == inf else until)
        return _NOT_YOURS

    def forget_all_but(self, nonces: AbstractSet[str]) -> None:
        """Only these runs are in the table any more."""
        self.children.forget_all_but(nonces)
        for nonce in self.leaving.keys() - nonces:
            del self.leaving[nonce]

    def drop(self, peer: Peer) -> None:
        """The peer has gone."""
        if peer in self.guards:
            self.guards.remove(peer)

    # --- introductions ------------------------------------------------------------------------

    def _welcome(self, peer: Peer, role: Role) -> Answer:
        if role is Role.CHILD:
            return self._welcome_child(peer)
        if peer.pid != self.main_pid:
            return _NOT_YOURS
        peer.role = role
        if role is Role.GUARD:
            self.guards.append(peer)
        return Done()

    def _welcome_child(self, peer: Peer) -> Answer:
        known = self.children.get(peer.pid)
        if known and self.children.has_ended(known):
            self.died(known)  # the pid has been given to another process already
            known = None
        child = known or self.children.adopt(peer.pid)
        if child is None:
            return Refused(reason="only main's own children are served")
        if not known:
            self.adopted(child)
        peer.role = Role.CHILD
        return Done()

    # --- main ---------------------------------------------------------------------------------

    def _serve_main(self, message: msg.Message, now: float) -> Answer:
        match message:
            case msg.ChildExit():
                child = self.children.get(message.pid)
                if child and self.children.has_ended(child):
                    self.died(child)
                self.table.exit_known(message.pid, processes.describe_exit(message.code), now)
            case msg.Stopping():
                self.stopping = True
            case _:
                return _NOT_YOURS
        return Done()

    # --- children -----------------------------------------------------------------------------

    def _serve_child(
        self, peer: Peer, number: int, message: msg.Message, now: float
    ) -> Answer | None:
        pid = peer.pid
        match message:
            case msg.Bind():
                return self._bind(pid, message, now)
            case msg.Started():
                self.table.start(pid, message, now)
            case msg.Leaving():
                return self._leave(peer, number, message, now)
            case msg.Left():
                self.table.left(pid, message.nonce, message.outcome, now)
            case msg.Bequeath():
                return self.table.bequeath(pid, message.nonce, message.outcome, now) or Done()
            case msg.Why():
                return msg.Clear(cause=self.table.why(message.nonce))
            case _:
                return _NOT_YOURS
        return Done()

    def _leave(self, peer: Peer, number: int, message: msg.Leaving, now: float) -> Refused | None:
        refused = self.table.leave(peer.pid, message.nonce, now)
        if refused is None:
            self.leaving[message.nonce] = (peer, number)
        return refused

    def _bind(self, pid: int, bind: msg.Bind, now: float) -> Bound | Refused:
        reply = self.table.bind(pid, bind, now)
        child = self.children.get(pid)
        if isinstance(reply, Bound) and child:
            self.children.bind(bind.nonce, child, now)
        elif isinstance(reply, Refused):
            with about_text(bind.run_id, bind.spec):
                log.warning("bind_refused", pid=pid, reason=reply.reason)
        return reply
