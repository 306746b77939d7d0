"""How main starts its agent, and how it lets it go."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from singletrack.settings import LeaseSettings, Settings
from singletrack_worker.agent import startup
from singletrack_worker.agent.client import AgentClient, AgentError

START_SECONDS = 60.0
STOP_SECONDS = 10.0
COMMAND: Sequence[str] = ("-P", "-m", "singletrack_worker.agent")
"""Arguments of Python; `-P` keeps the working directory's modules away from the agent's imports."""


_FOLDER = "singletrack-agent-"
_LONGEST_PATH = 107


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """A running agent, as main holds it."""

    path: Path
    """Where it listens: what `AgentClient.connect` takes in a child."""
    process: subprocess.Popen[bytes]
    client: AgentClient
    """Main's own connection. The agent takes its end for main's end."""
    lease: LeaseSettings
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set when the agent is meant to end."""

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Let the agent end once no run is bound; one that still has work stays until main ends."""
        self.stopped.set()
        with contextlib.suppress(AgentError):
            self.client.stopping()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
            self.client.close()


def spawn_agent(settings: Settings, worker: str) -> AgentProcess:
    """Start the agent of this process, which is a worker's main, and wait until it answers.

    Everything this process starts from now on carries the agent's address in its environment.

    Raises:
        AgentError: it did not start.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        path = new_address()
        orders = startup.Orders.for_worker(worker, path, listening)
        try:
            listening.bind(str(path))
            listening.listen(128)
            process = _start(orders, settings)
            listening.close()  # an agent that dies now must not leave a socket nobody serves
            return AgentProcess(path, process, _introduced(path, process), settings.lease)
        except (OSError, AgentError) as error:
            startup.remove_address(path)
            raise AgentError(f"the lease agent did not start: {error}") from error


def new_address() -> Path:
    """A path for a socket in a new folder of its own, for temporary files.

    The kernel takes 107 bytes for the path of a socket: where the usual folder for temporary files
    has too long a name, the system's own is taken.
    """
    usual, name = tempfile.gettempdir(), "agent.sock"
    length = len(os.fsencode(usual)) + len(_FOLDER) + len("/12345678/") + len(name)
    parent = usual if length <= _LONGEST_PATH else "/tmp"  # noqa: S108 - the folder is ours alone
    return Path(tempfile.mkdtemp(prefix=_FOLDER, dir=parent)) / name


def _start(orders: startup.Orders, settings: Settings) -> subprocess.Popen[bytes]:
    os.environ[startup.ADDRESS] = str(orders.address)
    return subprocess.Popen(
        [sys.executable, *COMMAND],
        env=os.environ | startup.write_settings(settings) | orders.write(),
        stdin=subprocess.DEVNULL,
        pass_fds=(orders.socket_fd,),
        start_new_session=True,  # a Ctrl-C in the terminal is main's business
    )


def _introduced(path: Path, process: subprocess.Popen[bytes]) -> AgentClient:
    client = AgentClient.connect(path)
    try:
        client.hello_main(START_SECONDS)
    except AgentError:
        client.close()
        process.kill()
        process.wait()
        raise
    return client
