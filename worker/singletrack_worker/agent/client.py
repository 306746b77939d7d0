"""How a worker's main process and its pool children speak to their agent.

A client belongs to the process that made it: the agent knows by the connection who speaks. A pool
child makes its own; what it inherited by fork is closed in it, so that the agent sees main end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Self, TypeVar

from singletrack.errors import SingletrackError
from singletrack.failpoints import failpoint
from singletrack.operations import Cause, Grant
from singletrack_worker.agent import messages as msg
from singletrack_worker.agent import processes
from singletrack_worker.agent.messages import Bound, Clear, Done, Refused, Role

A = TypeVar("A")

TIMEOUT_SECONDS = 2.0
SWEEP_SECONDS = 10.0
"""How long killing what a task left behind may take."""

_open_clients: weakref.WeakSet[AgentClient] = weakref.WeakSet()


class AgentError(SingletrackError):
    """The lease agent did not answer, or has refused."""


class AgentClient:
    """A connection to the agent; one request at a time, from any thread."""

    def __init__(self, channel: socket.socket, timeout: float) -> None:
        self._channel = channel
        self._timeout = timeout
        self._number = 0
        self._lock = threading.Lock()

    @classmethod
    def connect(cls, path: str | Path, timeout: float = TIMEOUT_SECONDS) -> Self:
        """Connect to the agent that listens there.

        Raises:
            AgentError: nobody listens.
        """
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            channel.settimeout(timeout)
            channel.connect(str(path))
        except OSError as error:
            channel.close()
            raise AgentError(f"the lease agent at {path} cannot be reached: {error}") from error
        client = cls(channel, timeout)
        _open_clients.add(client)
        _close_in_forks()
        return client

    # --- main ---------------------------------------------------------------------------------

    def hello_main(self, timeout: float = TIMEOUT_SECONDS) -> None:
        """Introduce main. When this connection ends, the agent kills everything."""
        self._ask(msg.Hello(role=Role.MAIN), Done, timeout)

    def child_exit(self, pid: int, code: int) -> None:
        """How the pool saw a child end, for the record of the run it had; a signal is negative."""
        self._ask(msg.ChildExit(pid=pid, code=code), Done)

    def stopping(self) -> None:
        """Let the agent end as soon as no run is bound."""
        self._ask(msg.Stopping(), Done)

    # --- children -----------------------------------------------------------------------------

    def hello_child(self) -> None:
        """Introduce a pool child; before it opens a session of its own."""
        self._ask(msg.Hello(role=Role.CHILD), Done)

    def bind(self, run_id: str, nonce: str, sent_at: float, spec: str = "") -> Bound | Refused:
        """Ask before the run is started; nothing may run before the answer is Bound."""
        return self.bound(self.bind_soon(run_id, nonce, sent_at, spec))

    def bind_soon(self, run_id: str, nonce: str, sent_at: float, spec: str = "") -> int:
        """Ask, and go on: the answer is waited for by `bound`.

        `sent_at` is CLOCK_BOOTTIME before the start was sent for the first time. With `spec` the
        agent can restore the run's record on a server that has lost it.
        """
        with self._lock, _told("Bind"):
            bind = msg.Bind(run_id=run_id, nonce=nonce, sent_at=sent_at, spec=spec)
            return self._send(bind)

    def bound(self, number: int) -> Bound | Refused:
        """The answer to a `bind_soon`."""
        with self._lock, _told("Bind"):
            return _standing(self._receive(number, self._timeout))

    def started(self, grant: Grant) -> None:
        """User code comes next: from now on the run's time counts. Not waited for."""
        self._tell(msg.Started(grant=grant))

    def leaving(self, nonce: str) -> Cause | None:
        """User code has returned: have everything it left behind killed, and reap it here.

        Answers why the agent was stopping the run, if it was; it will not do so any more.
        """
        clear = self._ask(msg.Leaving(nonce=nonce), Clear, SWEEP_SECONDS)
        processes.reap(clear.zombies)
        return clear.cause

    def left(self, nonce: str, outcome: str = "") -> None:
        """The ledger has answered; the agent only remembers how the run ended. Not waited for: what
        follows on this connection is heard after it.
        """
        self._tell(msg.Left(nonce=nonce, outcome=outcome))

    def bequeath(self, nonce: str, outcome: str) -> None:
        """Have this process killed in a moment, and the ledger told then how the run has ended."""
        self._ask(msg.Bequeath(nonce=nonce, outcome=outcome), Done)

    def why(self, nonce: str) -> Cause | None:
        """Why the agent is stopping the run, if it is."""
        return self._ask(msg.Why(nonce=nonce), Clear).cause

    def close(self) -> None:
        """Close the connection; for main that means its end."""
        self._channel.close()

    # --- one request, one answer --------------------------------------------------------------

    def _ask(self, request: msg.Request, expected: type[A], timeout: float = 0.0) -> A:
        answer = self._request(request, timeout or self._timeout)
        if isinstance(answer, expected):
            return answer
        reason = answer.reason if isinstance(answer, Refused) else f"it said {answer}"
        raise AgentError(f"the lease agent refused: {reason}")

    def _request(self, request: msg.Request, timeout: float) -> msg.Message:
        with self._lock, _told(type(request).__name__):
            return self._receive(self._send(request), timeout)

    def _tell(self, request: msg.Request) -> None:
        """Say something that is not answered; what follows on this connection is heard after it."""
        with _told(type(request).__name__):
            self._channel.send(msg.encode(0, request))

    def _send(self, request: msg.Request) -> int:
        self._number += 1
        self._channel.settimeout(self._timeout)
        self._channel.send(msg.encode(self._number, request))
        return self._number

    def _receive(self, number: int, timeout: float) -> msg.Message:
        give_up = time.monotonic() + timeout
        while True:  # answers to requests that were given up come first
            self._channel.settimeout(max(0.001, give_up - time.monotonic()))
            data = self._channel.recv(msg.LARGEST)
            if not data:
                raise ConnectionResetError("it has closed the connection")
            packet = msg.decode(data)
            if packet.number == number:
                return packet.message


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Name the message when the agent does not answer."""
    try:
        failpoint("agent.ask", name)
        yield
        failpoint("agent.asked", name)
    except (OSError, msg.MessageError) as error:
        raise AgentError(f"the lease agent did not answer {name}: {error}") from error


def _standing(answer: msg.Message) -> Bound | Refused:
    if isinstance(answer, Bound | Refused):
        return answer
    raise AgentError(f"the lease agent said {answer}")


@cache
def _close_in_forks() -> None:
    os.register_at_fork(after_in_child=_close_inherited)


def _close_inherited() -> None:
    for client in list(_open_clients):
        client.close()
    _open_clients.clear()
