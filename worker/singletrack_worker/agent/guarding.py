"""Main's watch over its agent: without an agent nothing may run.

An agent that dies is noticed at once by its pidfd. Whether it hangs is asked from time to time; one
that does is given up shortly after the moment by which it would have had to kill something itself,
which is before the lease ends. The guard takes no locks, so that main may fork at any time.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
from collections.abc import Callable
from math import inf

from singletrack.clock import Clock, SystemClock
from singletrack_worker.agent import messages as msg
from singletrack_worker.agent import processes
from singletrack_worker.agent.client import AgentError
from singletrack_worker.agent.spawning import AgentProcess
from singletrack_worker.agent.startup import remove_address


def watch_agent(agent: AgentProcess, on_death: Callable[[], None]) -> threading.Thread:
    """Call `on_death` from a thread when the agent has died, or hangs and was killed for it.

    `on_death` has to kill every pool child, see `killing.kill_tree`: nobody watches them any more.
    It is not called after `agent.stop()`. The thread also reaps the dead that main has adopted.

    Raises:
        AgentError: the agent is dead already.
    """
    try:
        guard = Guard(agent, SystemClock())
    except OSError as error:
        raise AgentError(f"the lease agent has died: {error}") from error

    def watch() -> None:
        guard.watch()
        agent.process.wait()
        remove_address(agent.path)
        if not agent.stopped.is_set():
            on_death()

    thread = threading.Thread(target=watch, name="agent-guard", daemon=True)
    thread.start()
    return thread


class Guard:
    """The connection on which main asks its agent whether it is alive."""

    def __init__(self, agent: AgentProcess, clock: Clock) -> None:
        lease = agent.lease
        self._clock = clock
        self._interval = 2 * lease.renew_seconds
        self._unbound = lease.lease_seconds - lease.fence_seconds
        self._grace = min(3.0, lease.fence_seconds / 2)
        self._pidfd = os.pidfd_open(agent.process.pid)
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.connect(str(agent.path))
        self._poll = select.poll()
        self._poll.register(self._pidfd, select.POLLIN)
        self._poll.register(self._channel, select.POLLIN)
        self._trusted = clock.boottime() + self._unbound
        self._number = 1
        self._channel.send(msg.encode(self._number, msg.Hello(role=msg.Role.GUARD)))

    def watch(self) -> None:
        """Return when the agent is dead."""
        while self._answers() and self._listen_until(self._clock.boottime() + self._interval):
            pass
        processes.send_signal(self._pidfd, signal.SIGKILL)
        self._poll.unregister(self._channel)
        self._channel.close()
        self._poll.poll()
        os.close(self._pidfd)

    def _answers(self) -> bool:
        """Ask the agent; whether it has answered in time."""
        asked = self._clock.boottime()
        self._number += 1
        try:
            self._channel.send(msg.encode(self._number, msg.Ping()), socket.MSG_NOSIGNAL)
        except OSError:
            return False
        give_up = max(asked, self._trusted) + self._grace
        self._trusted = -inf
        alive = self._listen_until(give_up, answered=lambda: self._trusted > -inf)
        return alive and self._trusted > -inf

    def _listen_until(self, moment: float, answered: Callable[[], bool] = lambda: False) -> bool:
        """Hear what the agent says until then, or until the answer is there; False if it died."""
        while not answered() and (left := moment - self._clock.boottime()) > 0:
            ready = self._poll.poll(left * 1000)
            if any(descriptor == self._pidfd for descriptor, _ in ready):
                return False
            if ready and not self._hear():
                return False
        return True

    def _hear(self) -> bool:
        """One message of the agent; False if there will be no more."""
        try:
            data = self._channel.recv(msg.LARGEST)
        except OSError:
            return False
        message = msg.decode(data).message if data else None
        match message:
            case msg.Alive(until=until):
                unbound = self._clock.boottime() + self._unbound
                self._trusted = unbound if until is None else until
            case msg.Reap(pids=pids):
                processes.reap(pids)
        return message is not None
