"""`python -m singletrack_worker.agent`: the lease agent's process, started by a worker's main."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys

import structlog

from singletrack import failpoints, logs
from singletrack.adapters import machine
from singletrack.adapters.redis_ledger import RedisLedger
from singletrack.clock import SystemClock
from singletrack.settings import Settings
from singletrack_worker.agent import processes
from singletrack_worker.agent.kinship import Household
from singletrack_worker.agent.log_thread import LogThread
from singletrack_worker.agent.loop import Agent, Setup
from singletrack_worker.agent.out_of_memory import KernelKills
from singletrack_worker.agent.rules import Rules
from singletrack_worker.agent.startup import Orders, remove_address
from singletrack_worker.agent.telling import Identity

log = structlog.get_logger()


def main() -> int:
    """Serve one worker until it has ended; 0, or 2 when this is not how an agent is started."""
    try:
        orders = Orders.read(os.environ)
    except KeyError as missing:
        sys.stderr.write(f"the lease agent is started by a worker; {missing} is not set\n")
        return 2
    settings = Settings()
    logs.configure("agent", settings.log.log_format, settings.log.log_level)
    failpoints.arm("agent", os.environ)
    lines = LogThread(logging.getLogger())
    try:
        _serve(orders, settings)
    finally:
        remove_address(orders.address)
        lines.finish(seconds=1.0)
    return 0


def _serve(orders: Orders, settings: Settings) -> None:
    _shield()
    # A child that tells the agent something goes on at once, into user code; the agent takes the
    # other core, or its turn a few milliseconds later, which is nothing to a lease.
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    with contextlib.ExitStack() as stack:
        main_pidfd = os.pidfd_open(orders.main_pid)
        stack.callback(os.close, main_pidfd)
        main_process = processes.find(orders.main_pid)
        if main_process is None or os.getppid() != orders.main_pid:
            return  # main has died already, and has started nothing yet
        ledger = RedisLedger.from_settings(settings.ledger)
        setup = Setup(
            identity=Identity(name=orders.name, pod=settings.worker.pod),
            rules=Rules.of(settings.lease, settings.run.cancel_grace_seconds),
            household=Household.of(main_process, orders.mark),
            kills=KernelKills(machine.memory_folder()),
            main_pidfd=main_pidfd,
            listening=stack.enter_context(socket.socket(fileno=orders.socket_fd)),
            clock=SystemClock(),
        )
        agent = Agent(setup, ledger, ledger.wakeups)
        _slim()
        log.info("agent_ready", agent=orders.name, main=orders.main_pid)
        agent.run()
        log.info("agent_stopped", agent=orders.name)


def _shield() -> None:
    """Main decides when the agent ends, not the terminal; and a fork bomb needs many pidfds."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _slim() -> None:
    """Give back what importing has used: a fifth of the process."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    # Not sys.exit(): a thread may hang in a call to the ledger, and nothing is left to be done.
    os._exit(main())
